"""Test Connection for a server that is a provider's API: one cheap question with its key, and what the answer means.

Laws: nothing is sent. Outside any transaction. Cause and cure are reasons, like those of SMTP servers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from postroom.core.delivery.providers import PROVIDERS
from postroom.core.delivery.wire import ApiCheck, ApiEndpoint, Phase
from postroom.core.terms.reasons import Reason, because
from postroom.flows.ports import Ports
from postroom.flows.ways_out import way_to
from postroom.store.models import OutgoingServer

CONNECT_TIMEOUT, REPLY_TIMEOUT = 10.0, 20.0  # seconds: a person waits


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTest:
    """``step`` is the one that failed, ``""`` when none did; ``reply`` the provider's words."""

    __test__ = False

    is_ok: bool
    code: str
    cause: Reason
    cure: Reason
    step: str = ""
    reply: str = ""
    milliseconds: int = 0


def test_provider(ports: Ports, row: OutgoingServer) -> ProviderTest:
    """Whoever calls has asked who may. Blocks for half a minute at most."""
    provider = PROVIDERS.get(row.provider)
    endpoint = way_to(ports, row).endpoint
    if provider is None or not isinstance(endpoint, ApiEndpoint):
        return _told("api_secret" if endpoint is None else "api_options", ApiCheck(is_good=False), row.provider)
    if endpoint.provider not in PROVIDERS:
        return _told("api_options", ApiCheck(is_good=False, text=endpoint.provider), provider.label)
    if not endpoint.secret:
        return _told("api_secret", ApiCheck(is_good=False), provider.label)
    check = ports.providers.check(replace(endpoint, connect_timeout=CONNECT_TIMEOUT, reply_timeout=REPLY_TIMEOUT))
    return _told(_code(check), check, provider.label)


test_provider.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own


def _code(check: ApiCheck) -> str:
    match (check.is_good, check.is_told):
        case (True, True):
            return "api_good"
        case (_, False):
            return "api_untold"
        case _:
            return {Phase.CONNECT: "api_unreachable", Phase.AUTH: "api_key"}.get(check.phase, "api_refused")


def _told(code: str, check: ApiCheck, provider: str) -> ProviderTest:
    facts = {"provider": provider or "?", "reply": check.text}
    return ProviderTest(
        is_ok=check.is_good,
        code=code,
        cause=because(f"cause.{code}", **facts),
        cure=because(f"cure.{code}", **facts),
        step="" if check.is_good else check.phase.value,
        reply=check.text,
        milliseconds=round(check.duration * 1000),
    )
