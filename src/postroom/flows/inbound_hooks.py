"""The secret addresses at which providers hand in mail that they receive for us: made, shown, taken away, and used.

    request -> whose address is it -> is it proven -> the mails -> durable -> yes

Laws: an address belongs to one company; whoever may change its settings may see it. What proves requests goes in and never comes out.
The provider hears yes only when all its mails are durable; in trouble of ours it hears that it shall come again. A signature that does
not cover the mail (Mailgun's) is believed once: the same mail again is answered yes and not stored, another one is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from postroom.core.delivery.tracking import HookPost, HookRefusal
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.ingress import INBOUND_PROVIDERS, HandedIn, InboundProvider, InboundReading
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.access import company_cut, require
from postroom.flows.ports import Ports
from postroom.flows.record_tracking import HookResult
from postroom.store.models import HookReceipt, InboundHook, Member, RecordKind, SettingChange
from postroom.store.statements import ask

TOKEN_BYTES = 20
OLDEST = (
    9 * 3600
)  # seconds since it was signed: Mailgun tries for eight hours what we could not take, perhaps as it was signed first
MOST_AHEAD = 15 * 60  # seconds that a provider's clock, or ours, may be wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundHookFacts:
    """``address`` is what is entered at the provider; ``is_complete``: nothing is missing for its mails to be believed."""

    id: int
    name: str
    company: str
    provider: str
    label: str
    address: str
    help: str
    secret_label: str
    has_secret: bool
    is_complete: bool
    is_active: bool
    gives_raw: bool
    last_mail_at: datetime | None
    last_trouble: str
    fallback_kind: str = ""
    topic: str = ""


def inbound_providers() -> tuple[InboundProvider, ...]:
    """Those that can be chosen."""
    return tuple(INBOUND_PROVIDERS.values())


def list_inbound_hooks(ports: Ports, *, member: Member | None) -> tuple[InboundHookFacts, ...]:
    """Those of the own companies, by name. Raises `NotAllowed`."""
    require(member, "settings")
    rows = InboundHook.objects.select_related("company")
    if (cut := company_cut(member)) is not None:
        rows = rows.filter(company_id__in=cut)
    return tuple(_facts(ports, row) for row in rows)


@transaction.atomic
def save_inbound_hook(
    ports: Ports,
    *,
    name: str,
    provider: str,
    company_id: int,
    secret: str = "",
    fallback_kind: str | None = None,
    member: Member | None,
) -> InboundHookFacts:
    """A new address, or with the name of one that is there another secret or another kind for it; ``fallback_kind`` None: as it was.
    Raises `NotAllowed`, ValidationError."""
    require(member, "settings")
    name, secret = name.strip()[:100], secret.strip()
    found = INBOUND_PROVIDERS.get(provider)
    if found is None:
        raise ValidationError(
            {"provider": f"There is no provider {provider!r}. There are: {', '.join(INBOUND_PROVIDERS)}."}
        )
    if not name:
        raise ValidationError({"name": "It needs a name."})
    if len(secret) > 1000 or not secret.isascii() or not secret.isprintable():
        raise ValidationError({"secret": "This cannot be a key."})
    row = InboundHook.objects.filter(name=name).first()
    if row is None:
        token = ports.ids.hex(TOKEN_BYTES)
        row = InboundHook(name=name, provider=provider, created_at=ports.clock.now(), company_id=company_id)
        row.token_digest, row.token = _digest(token), ports.vault.seal(token)
    elif row.provider != provider or row.company_id != company_id:
        raise ValidationError({"name": "There is an address of this name already."})
    require(member, "settings", row)
    if fallback_kind is not None:
        if fallback_kind and not RecordKind.objects.filter(pk=fallback_kind, is_active=True).exists():
            raise ValidationError({"fallback_kind": f"There is no kind {fallback_kind!r}."})
        row.fallback_kind_id = fallback_kind or None
    if secret:
        row.signing_secret, row.last_trouble = ports.vault.seal(secret), ""
    row.save()
    told = {"provider": provider, "secret": "********" if secret else "", "fallback_kind": row.fallback_kind_id or ""}
    _record(ports, member, row, told)
    return _facts(ports, row)


@transaction.atomic
def remove_inbound_hook(ports: Ports, hook_id: int, *, member: Member | None) -> None:
    """The address is dead at once. Raises `NotAllowed`, InboundHook.DoesNotExist."""
    row = InboundHook.objects.get(pk=hook_id)
    require(member, "settings", row)
    _record(ports, member, row, None)
    row.delete()


def is_known_address(provider: str, token: str) -> bool:
    """Whether anybody may hand in mail there: asked before a stranger's body is read. Raises database errors."""
    return InboundHook.objects.filter(token_digest=_digest(token), provider=provider, is_active=True).exists()


def take_inbound(
    ports: Ports, *, provider: str, token: str, address: str, headers: Mapping[str, str], body: bytes
) -> HookResult:
    """A provider's request. ``headers`` with names in lower case. Raises database errors and OSError only: come again."""
    hook = InboundHook.objects.filter(token_digest=_digest(token), provider=provider, is_active=True).first()
    if hook is None:
        return HookResult.FORGED
    try:
        secret = ports.vault.open(bytes(hook.signing_secret)) if hook.signing_secret else Secret("")
    except ValueError:
        _note_trouble(hook, "What proves the requests cannot be read: enter it again.")
        return HookResult.LATER
    try:
        reading = ports.providers.read_inbound(provider, HookPost(headers=headers, body=body), secret, address)
        trouble = _disbelief(ports, hook, reading) if isinstance(reading, InboundReading) else ""
        if isinstance(reading, InboundReading) and reading.confirm_at and not trouble:
            ports.providers.confirm(reading.confirm_at)
    except (OSError, ValueError) as error:
        _note_trouble(hook, f"Something that belongs to a mail could not be fetched: {error}")
        return HookResult.LATER
    match reading:
        case HookRefusal.UNREADABLE:
            _note_trouble(hook, "A request could not be read.")
            return HookResult.UNREADABLE
        case InboundReading() if not trouble:
            _pin(hook, reading.topic)
            return _keep(ports, hook, reading)
        case _:
            _note_trouble(hook, trouble or "A request was not proven as it should be, and was refused.")
            return HookResult.FORGED


def _disbelief(ports: Ports, hook: InboundHook, reading: InboundReading) -> str:
    """Why a request that is signed is not believed all the same; empty: it is."""
    age = int(ports.clock.now().timestamp()) - reading.signed_at
    if reading.signed_at and not -MOST_AHEAD <= age <= OLDEST:
        return "A request was signed too long ago, or this machine's clock is wrong: it was refused."
    if reading.topic and hook.topic and reading.topic != hook.topic:
        return (
            "Another topic of Amazon's wanted to hand in mail here, and was refused: one address belongs to one topic."
        )
    return ""


def _pin(hook: InboundHook, topic: str) -> None:
    """From now on it belongs to this topic. Of two that come at once the first has it."""
    if topic and not hook.topic:
        InboundHook.objects.filter(pk=hook.pk, topic="").update(topic=topic)


def _keep(ports: Ports, hook: InboundHook, reading: InboundReading) -> HookResult:
    mails = reading.mails
    if any(len(mail.raw) > ports.configuration.max_message_size for mail in mails):
        _note_trouble(hook, "A mail was larger than what is accepted here, and was refused.")
        return HookResult.TOO_LARGE
    with transaction.atomic():
        if reading.nonce and (before := _used_for(ports, hook, reading)) is not None:
            return before
        accept_messages(ports, [_arrival(hook, mail) for mail in mails])
    if mails:
        InboundHook.objects.filter(pk=hook.pk).update(last_mail_at=ports.clock.now(), last_trouble="")
    return HookResult.TAKEN


_RECEIPT = """
INSERT INTO postroom_hookreceipt (hook_id, key, digest, created_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (hook_id, key) DO NOTHING RETURNING id
"""


def _used_for(ports: Ports, hook: InboundHook, reading: InboundReading) -> HookResult | None:
    """None: nobody used this signature before. Else what is answered: yes to the same mails once more, no to others.

    Who uses it at the same moment waits here until the first one's mails are durable.
    """
    content = hashlib.sha256()
    for mail in reading.mails:
        content.update(hashlib.sha256(mail.raw).digest())
    key, digest = _digest(reading.nonce), content.hexdigest()
    if ask(_RECEIPT, [hook.pk, key, digest, ports.clock.now()]):
        return None
    if HookReceipt.objects.filter(hook=hook, key=key, digest=digest).exists():
        return HookResult.TAKEN
    _note_trouble(hook, "A signature was used a second time, for another mail, and was refused.")
    return HookResult.FORGED


def _arrival(hook: InboundHook, mail: HandedIn) -> Arrival:
    envelope = Envelope(mail_from=mail.mail_from, rcpt_to=mail.rcpt_to) if mail.rcpt_to else None
    label = INBOUND_PROVIDERS[hook.provider].label
    peer = f"{label} ({hook.name})"[:300]
    return Arrival(door=Door.HTTP, raw=mail.raw, envelope=envelope, peer=peer, hook_id=hook.pk)


def _facts(ports: Ports, row: InboundHook) -> InboundHookFacts:
    provider = INBOUND_PROVIDERS[row.provider]
    try:
        token = ports.vault.open(bytes(row.token)).reveal()
    except ValueError:  # sealed by a key that is gone: nobody can be told the address, so there is another one
        token = ports.ids.hex(TOKEN_BYTES)
        InboundHook.objects.filter(pk=row.pk).update(token_digest=_digest(token), token=ports.vault.seal(token))
    has_secret = bool(row.signing_secret)
    return InboundHookFacts(
        id=row.pk,
        name=row.name,
        company=row.company.name,
        provider=provider.name,
        label=provider.label,
        address=f"{ports.configuration.public_url}{path_of(provider.name, token)}",
        help=provider.help,
        secret_label=provider.secret_label,
        has_secret=has_secret,
        is_complete=has_secret or not provider.needs_secret,
        is_active=row.is_active,
        gives_raw=provider.gives_raw,
        last_mail_at=row.last_mail_at,
        last_trouble=row.last_trouble,
        fallback_kind=row.fallback_kind_id or "",
        topic=row.topic,
    )


def path_of(provider: str, token: str) -> str:
    """Where on our site; the end makes Mailgun give the raw mail."""
    return f"/ingress/{provider}/{token}/mime"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _note_trouble(hook: InboundHook, trouble: str) -> None:
    InboundHook.objects.filter(pk=hook.pk).exclude(last_trouble=trouble).update(last_trouble=trouble[:200])


def _record(ports: Ports, member: Member | None, row: InboundHook, after: dict[str, str] | None) -> None:
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        user=member.user if member else None,
        company_id=row.company_id,
        subject=f"inbound address {row}"[:200],
        before=None,
        after=after,
    )
