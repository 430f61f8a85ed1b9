"""Test Connection: an outgoing server is tried as far as it would take a mail, and what is wrong is said with cause and cure.

    endpoint and senders -> the probe (no transaction) -> explanation -> stored with the server

Laws: nothing can be delivered. Archived and paused servers are tested like others (O-105), and those that are in trouble; a success ends
that trouble, and what waits for the server looks again. What is stored and shown holds no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.core.delivery.filters import sender_to_test
from postroom.core.delivery.identity import Sender, Sending, default_from, identify
from postroom.core.delivery.probing import FollowProbe, Probe, ProbeOrder, ProbeStep
from postroom.core.delivery.servers import CONFIGURED, ServerFact
from postroom.core.delivery.wire import Authentication, Endpoint
from postroom.core.diagnosis.server_errors import Explanation, Fault, explain, explained
from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.access import require, require_house, require_settings
from postroom.flows.ports import Ports
from postroom.flows.test_provider import test_provider
from postroom.flows.trials import Watch, WatchedStep
from postroom.flows.wake_queue import wake_queue
from postroom.flows.ways_out import WaysOut, configured_endpoint, load_ways_out, way_to
from postroom.store.models import Member, OutgoingServer

CONNECT_TIMEOUT, REPLY_TIMEOUT = 10.0, 20.0  # seconds: a person waits


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedStep:
    """A step for people: its name, what was said or seen, the reply verbatim, milliseconds."""

    __test__ = False

    step: str
    about: str = ""
    reply: str = ""
    milliseconds: int = 0
    is_ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTest:
    """What Test Connection found. ``step`` is the one that failed, ``""`` when all is well or nothing could be tried."""

    tested_at: datetime
    is_ok: bool
    code: str
    cause: Reason
    cure: Reason
    step: str = ""
    reply: str = ""
    senders: tuple[str, ...] = ()
    recipient: str = ""
    tls: str = ""
    steps: tuple[TestedStep, ...] = ()
    certificate_until: datetime | None = None  # not stored
    fingerprint: str = ""

    @property
    def greeting(self) -> str:
        """What the server said first, without its code; ``""`` when it did not come so far."""
        said = next((one.reply for one in self.steps if one.step == "greeting"), "")
        return said.removeprefix("220").strip(" -")

    def as_json(self) -> dict[str, object]:
        """As it is stored, and as programs get it; `read_test` reads it."""
        return {
            "tested_at": self.tested_at.isoformat(),
            "ok": self.is_ok,
            "code": self.code,
            "cause": self.cause.as_json(),
            "cure": self.cure.as_json(),
            "step": self.step,
            "reply": self.reply,
            "senders": list(self.senders),
            "recipient": self.recipient,
            "tls": self.tls,
            "steps": [
                {
                    "step": one.step,
                    "about": one.about,
                    "reply": one.reply,
                    "milliseconds": one.milliseconds,
                    "ok": one.is_ok,
                }
                for one in self.steps
            ],
        }


def test_server(
    ports: Ports, server_id: int, *, member: Member | None, to: str = "", watch: Watch | None = None
) -> ServerTest:
    """Try it; ``server_id`` 0 is the server of the configuration. ``to`` is the recipient that is asked about, and gets nothing.

    ``watch`` follows the steps; what it wants no more is not stored. Raises `NotAllowed`, DoesNotExist. Blocks for a minute and a
    half at most.
    """
    require(member, "settings")
    ways = load_ways_out(ports)
    if server_id == CONFIGURED:
        require_house(member)
        found = _test_configured(ports, ways, member, to)
    else:
        row = OutgoingServer.objects.select_related("company").get(pk=server_id)
        require_settings(member, row)
        found, probe = _test_row(ports, ways, row, member, to, watch)
        if watch is None or watch.is_wanted():
            _store(ports, row, found, probe)
    return found


def plan_test(ports: Ports, ways: WaysOut, server_id: int, *, patience: float) -> Callable[[], ServerTest]:
    """The same test, to be made beside other work: it asks no table and stores nothing. ``server_id`` as in `test_server`.

    A server that is silent has ``patience`` seconds, and half of it to be reached.
    """

    def probe_soon(order: ProbeOrder, *, follow: FollowProbe | None = None) -> Probe:
        hasty = replace(
            order.endpoint,
            connect_timeout=min(CONNECT_TIMEOUT, patience / 2),
            reply_timeout=min(REPLY_TIMEOUT, patience),
        )
        return ports.probe_server(replace(order, endpoint=hasty), follow=follow)

    soon = replace(ports, probe_server=probe_soon)
    if server_id == CONFIGURED:
        return lambda: _test_configured(soon, ways, None, "")
    row = ways.rows[server_id]
    return lambda: _test_row(soon, ways, row, None, "", None)[0]


test_server.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own


def read_test(stored: object) -> ServerTest | None:
    """A stored result; None for none, or for one of a version that wrote it otherwise."""
    if not isinstance(stored, dict):
        return None
    try:
        cause, cure = reasons_from_json([stored["cause"], stored["cure"]])
        return ServerTest(
            tested_at=datetime.fromisoformat(stored["tested_at"]),
            is_ok=bool(stored["ok"]),
            code=str(stored["code"]),
            cause=cause,
            cure=cure,
            step=str(stored["step"]),
            reply=str(stored["reply"]),
            senders=tuple(map(str, stored["senders"])),
            recipient=str(stored["recipient"]),
            tls=str(stored["tls"]),
            steps=tuple(
                TestedStep(
                    step=str(one["step"]),
                    about=str(one["about"]),
                    reply=str(one["reply"]),
                    milliseconds=int(one["milliseconds"]),
                    is_ok=bool(one["ok"]),
                )
                for one in stored["steps"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _test_configured(ports: Ports, ways: WaysOut, member: Member | None, to: str) -> ServerTest:
    server = ways.configured
    if server is None:
        return _untried(ports, explained("no_host"))
    from_filter = ways.parameters.text("mail.default.from_filter") or ports.configuration.from_filter
    return _try(ports, ways, server, configured_endpoint(ports), from_filter, None, member, to)[0]


def _test_row(
    ports: Ports, ways: WaysOut, row: OutgoingServer, member: Member | None, to: str, watch: Watch | None
) -> tuple[ServerTest, Probe | None]:
    if row.transport == "letterbox":
        return _untried(ports, explained("letterbox"), is_ok=True), None
    if row.transport == "api":
        return _ask_provider(ports, row), None
    if not row.host:
        return _untried(ports, explained("no_host")), None
    endpoint = way_to(ports, row).endpoint
    if not isinstance(endpoint, Endpoint):
        return _untried(ports, explained("secret_unreadable")), None
    server = next(one for one in ways.servers if one.id == row.pk)
    return _try(ports, ways, server, endpoint, row.from_filter, row.company_id, member, to, watch)


def _ask_provider(ports: Ports, row: OutgoingServer) -> ServerTest:
    found = test_provider(ports, row)
    asked = TestedStep(step="api", reply=found.reply, milliseconds=found.milliseconds, is_ok=found.is_ok)
    return ServerTest(
        tested_at=ports.clock.now(),
        is_ok=found.is_ok,
        code=found.code,
        cause=found.cause,
        cure=found.cure,
        step=found.step,
        reply=found.reply,
        steps=(asked,),
    )


def _try(
    ports: Ports,
    ways: WaysOut,
    server: ServerFact,
    endpoint: Endpoint,
    from_filter: str,
    company_id: int | None,
    member: Member | None,
    to: str,
    watch: Watch | None = None,
) -> tuple[ServerTest, Probe | None]:
    senders = _senders(ports, ways, server, from_filter, company_id or (member.company_id if member else None), member)
    if not senders:
        return _untried(ports, explained("no_sender")), None
    recipient = normalize(to) or _address_of(member) or senders[-1]
    patient = replace(endpoint, connect_timeout=CONNECT_TIMEOUT, reply_timeout=REPLY_TIMEOUT)
    order = ProbeOrder(endpoint=patient, senders=senders, recipient=recipient)
    if watch is None:
        probe = ports.probe_server(order)
    else:
        probe = ports.probe_server(order, follow=lambda tell: watch.follow(lambda: _as_watched(tell())))
    return _told(ports, order, probe), probe


def _as_watched(steps: Sequence[ProbeStep]) -> list[WatchedStep]:
    """The last one is under way."""
    return [
        WatchedStep(
            step=one.step.value,
            about=one.about,
            reply=str(one.reply) if one.reply is not None else "",
            milliseconds=round(one.duration * 1000),
            is_ok=one.is_ok,
            is_open=not one.duration,
        )
        for one in steps
    ]


def _senders(
    ports: Ports,
    ways: WaysOut,
    server: ServerFact,
    from_filter: str,
    company_id: int | None,
    member: Member | None,
) -> tuple[str, ...]:
    """As whom real mail would leave: the From of O-105 as the server would send it, then its envelope sender where that is another.

    Where the provider insists on the login as envelope sender, it sees no other address at MAIL, and the login alone is tried.
    """
    own = ways.domain_of_company.get(company_id) if company_id is not None else None
    domain = ways.domains.get(own or 0) or ways.domains.get(ways.default_domain_id or 0)
    defaults = [default_from(domain)] if domain else []
    defaults += [default_from(each) for each in ways.domains.values()]
    last_resorts = (ports.configuration.email_from, server.login)
    address = sender_to_test(from_filter, defaults, _address_of(member), last_resorts)
    sending = Sending(
        name="",
        address=address,
        server=server,
        domain=domain,
        own_domains=ways.own_domains,
        order=ways.order,
        last_resort=ports.configuration.email_from,
    )
    sender = identify(sending)
    if not isinstance(sender, Sender):
        return ()
    identity = sender.for_delivery(lambda: make_token(ports.address_keys, TokenPurpose.BOUNCE, 0))
    if server.envelope_sender == "login" and identity.envelope_from == normalize(server.login):
        return (identity.envelope_from,)
    return tuple(dict.fromkeys((identity.header_from.normal, identity.envelope_from)))


def _address_of(member: Member | None) -> str:
    return normalize(member.contact.address) if member is not None else ""


def _told(ports: Ports, order: ProbeOrder, probe: Probe) -> ServerTest:
    failed = probe.failed
    explanation = explained("none") if failed is None else explain(_fault(order, probe, failed))
    return ServerTest(
        tested_at=ports.clock.now(),
        is_ok=probe.is_ok,
        code=explanation.code,
        cause=explanation.cause,
        cure=explanation.cure,
        step=failed.step.value if failed else "",
        reply=(str(failed.reply) if failed.reply is not None else probe.trouble) if failed else "",
        senders=order.senders,
        recipient=order.recipient,
        tls=probe.tls,
        steps=tuple(_step(one, probe.trouble) for one in probe.steps),
        certificate_until=probe.certificate_until,
        fingerprint=probe.fingerprint,
    )


def _fault(order: ProbeOrder, probe: Probe, failed: ProbeStep) -> Fault:
    endpoint = order.endpoint
    return Fault(
        step=failed.step,
        reply=failed.reply if not probe.trouble else None,
        trouble=probe.trouble,
        host=endpoint.host,
        port=endpoint.port,
        encryption=endpoint.encryption,
        username=endpoint.username,
        is_token=endpoint.authentication is Authentication.TOKEN,
        sender=_sender_of(probe, order),
        recipient=order.recipient,
        ehlo_name=endpoint.ehlo_name,
    )


def _sender_of(probe: Probe, order: ProbeOrder) -> str:
    """The one that was tried last."""
    tried = [one.about for one in probe.steps if one.step.value == "mail"]
    return tried[-1] if tried else order.senders[-1]


def _step(one: ProbeStep, trouble: str) -> TestedStep:
    return TestedStep(
        step=one.step.value,
        about=one.about,
        reply=str(one.reply) if one.reply is not None else ("" if one.is_ok else trouble),
        milliseconds=round(one.duration * 1000),
        is_ok=one.is_ok,
    )


def _untried(ports: Ports, explanation: Explanation, *, is_ok: bool = False) -> ServerTest:
    return ServerTest(
        tested_at=ports.clock.now(),
        is_ok=is_ok,
        code=explanation.code,
        cause=explanation.cause,
        cure=explanation.cure,
    )


def _store(ports: Ports, row: OutgoingServer, found: ServerTest, probe: Probe | None) -> None:
    facts: dict[str, object] = {"tested_at": found.tested_at, "test_result": found.as_json()}
    if probe is not None and probe.announced_size is not None:
        facts["announced_size"] = probe.announced_size
    if found.is_ok and row.transport == "smtp":
        facts |= {"broken_until": None, "trouble": "", "trouble_count": 0}
    OutgoingServer.objects.filter(pk=row.pk).update(**facts)
    if found.is_ok and row.broken_until is not None:
        wake_queue(ports)
