"""The secret addresses at which providers tell what became of mails: shown, made anew, and what signs their events.

Laws: an address belongs to one server; whoever may change the server may see it. What signs events goes in and never comes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from postroom.core.delivery.providers import API_URL, PROVIDERS, check_options
from postroom.core.delivery.providers import Option as Option  # noqa: PLC0414 - known from here, too
from postroom.core.delivery.providers import Provider as Provider  # noqa: PLC0414
from postroom.core.delivery.providers import providers as all_providers
from postroom.flows.access import require_settings
from postroom.flows.ports import Ports
from postroom.store.models import Member, OutgoingServer, ProviderHook, SettingChange

TOKEN_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """``address`` is what is entered at the provider. ``signing_label`` is empty where nothing signs; ``is_complete``: nothing is missing
    for events to be believed."""

    address: str
    help: str
    signing_label: str
    has_signing_secret: bool
    is_complete: bool
    last_event_at: datetime | None = None
    last_trouble: str = ""


def list_providers() -> tuple[Provider, ...]:
    """Those that can be chosen, with the fields that each wants: for forms."""
    return all_providers()


def provider_named(name: str) -> Provider | None:
    """None for what is no provider."""
    return PROVIDERS.get(name)


def problems_of(provider: str, options: Mapping[str, object]) -> list[str]:
    """What is wrong with these options, in sentences; empty when nothing is."""
    found = PROVIDERS.get(provider)
    if found is None:
        return [f"There is no provider {provider!r}. There are: {', '.join(PROVIDERS)}."]
    known = {option.name for option in found.options} | {API_URL}
    strange = [f"{found.label} has no option {name!r}." for name in options if name not in known]
    return [*strange, *check_options(found, options).values()]


def read_hook(ports: Ports, server_id: int, *, member: Member | None) -> HookFacts | None:
    """As `show_hook`, for who only looks: None also where no address was made yet, or where it cannot be read."""
    server = _server(server_id, member)
    provider = PROVIDERS.get(server.provider) if server.transport == "api" else None
    hook = ProviderHook.objects.filter(server=server).first() if provider else None
    if provider is None or hook is None:
        return None
    try:
        return _facts(ports, provider, hook)
    except ValueError:
        return None


@transaction.atomic
def show_hook(ports: Ports, server_id: int, *, member: Member | None) -> HookFacts | None:
    """Where the provider of this server shall tell; made at the first time. None for a server that is no provider's API.

    Raises `NotAllowed`, OutgoingServer.DoesNotExist.
    """
    server = _server(server_id, member)
    provider = PROVIDERS.get(server.provider) if server.transport == "api" else None
    if provider is None:
        return None
    hook = ProviderHook.objects.filter(server=server).first() or _make(ports, server)
    try:
        return _facts(ports, provider, hook)
    except ValueError:  # sealed by a key that is gone: nobody can be told the address, so there is another one
        return _facts(ports, provider, _make(ports, server))


def _facts(ports: Ports, provider: Provider, hook: ProviderHook) -> HookFacts:
    """Raises ValueError where the address is sealed by a key that is gone."""
    token = ports.vault.open(bytes(hook.token)).reveal()
    has_secret = bool(hook.signing_secret)
    return HookFacts(
        address=f"{ports.configuration.public_url}/hooks/{provider.name}/{token}",
        help=provider.hook_help,
        signing_label=provider.signing_label,
        has_signing_secret=has_secret,
        is_complete=has_secret or not provider.needs_signing,
        last_event_at=hook.last_event_at,
        last_trouble=hook.last_trouble,
    )


@transaction.atomic
def renew_hook(ports: Ports, server_id: int, *, member: Member | None) -> HookFacts | None:
    """Another address; the former one is dead at once. Raises as `show_hook`."""
    server = _server(server_id, member)
    _make(ports, server)
    _record(ports, member, server, {"events address": "made anew"})
    return show_hook(ports, server_id, member=member)


@transaction.atomic
def set_signing_secret(ports: Ports, server_id: int, secret: str, *, member: Member | None) -> None:
    """What signs this provider's events; empty takes it away. Raises as `show_hook`, ValueError where it cannot be right."""
    server = _server(server_id, member)
    secret = secret.strip()
    if len(secret) > 1000 or not secret.isascii() or not secret.isprintable():
        raise ValueError("This cannot be a signing key.")
    hook = ProviderHook.objects.filter(server=server).first() or _make(ports, server)
    ProviderHook.objects.filter(pk=hook.pk).update(signing_secret=ports.vault.seal(secret), last_trouble="")
    _record(ports, member, server, {"signing secret": "********" if secret else ""})


def _server(server_id: int, member: Member | None) -> OutgoingServer:
    server = OutgoingServer.objects.select_related("company").get(pk=server_id)
    require_settings(member, server)
    return server


def _make(ports: Ports, server: OutgoingServer) -> ProviderHook:
    token = ports.ids.hex(TOKEN_BYTES)
    hook, _ = ProviderHook.objects.update_or_create(
        server=server,
        defaults={
            "token_digest": hashlib.sha256(token.encode()).hexdigest(),
            "token": ports.vault.seal(token),
            "changed_at": ports.clock.now(),
        },
    )
    return hook


def _record(ports: Ports, member: Member | None, server: OutgoingServer, after: dict[str, str]) -> None:
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        user=member.user if member else None,
        company=member.company if member else None,
        subject=f"outgoing server {server}"[:200],
        before=None,
        after=after,
    )
