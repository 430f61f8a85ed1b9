"""Keys by which programs act for a member.

Laws: the key itself is shown once and kept nowhere, only its SHA-256 (it has 256 bits of dice, so no salt and no slow hash is needed);
a key can do what its member can, no more, and nothing once the account is switched off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django.db import transaction

from postroom.flows import audit
from postroom.flows.ports import Ports
from postroom.store.models import ApiKey, Member

PREFIX = "prk_"
SCOPES = ("all", "ingress", "agent", "agent:change")
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made; ``text`` is never to be had again."""

    key_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """A key that is good, and whose it is."""

    key_id: int
    name: str
    scope: str
    member: Member


def make_key(ports: Ports, *, member: Member, name: str, scope: str = "all") -> NewKey:
    """A new key for this member. ``name`` says what it is for, ``scope`` what it opens: ``all``, ``ingress`` (handing in mail), ``agent``
    (looking by the tools for agents) or ``agent:change`` (and proposing changes by them). Raises ValueError."""
    if scope not in SCOPES:
        raise ValueError(f"A key has one of the scopes {', '.join(SCOPES)}.")
    text = PREFIX + ports.ids.hex(32)
    with transaction.atomic():
        row = ApiKey.objects.create(member=member, name=name[:100], scope=scope, hash=_hash(text))
        audit.note(ports, "key_created", member=member, subject=name, scope=scope)
    return NewKey(key_id=row.pk, text=text)


@transaction.atomic
def remove_key(ports: Ports, key_id: int, *, member: Member) -> bool:
    """Whether there was such a key of this member; it opens nothing any more."""
    key = ApiKey.objects.filter(pk=key_id, member=member).first()
    if key is None:
        return False
    key.delete()
    audit.note(ports, "key_removed", member=member, subject=key.name)
    return True


def member_of_key(ports: Ports, text: str, *, scopes: tuple[str, ...] = ("all",)) -> Member | None:
    """Whose key this is; None for no key of ours, or one that opens something else."""
    found = holder_of_key(ports, text, scopes=scopes)
    return found.member if found is not None else None


def holder_of_key(ports: Ports, text: str, *, scopes: tuple[str, ...]) -> KeyHolder | None:
    """As `member_of_key`, with the key's name and scope. One query, and now and then a second that notes the use."""
    if not text.startswith(PREFIX):
        return None
    key = (
        ApiKey.objects.select_related("member__contact", "member__company", "member__user")
        .filter(hash=_hash(text), scope__in=scopes, member__user__is_active=True)
        .first()
    )
    if key is None:
        return None
    now, last = ports.clock.now(), key.last_used_at
    is_first_today = last is None or last.date() != now.date()
    if is_first_today or last is None or now - last > USE_NOTED_EVERY:
        _note_use(ports, key, is_first_today=is_first_today)
    return KeyHolder(key_id=key.pk, name=key.name, scope=key.scope, member=key.member)


def as_it_is_now(ports: Ports, holder: KeyHolder) -> KeyHolder | None:  # noqa: ARG001 (every flow takes ports)
    """The same key, read anew for whoever keeps it longer than a request; None when it is gone, or its member is switched off."""
    rows = ApiKey.objects.select_related("member__contact", "member__company", "member__user")
    key = rows.filter(pk=holder.key_id, member__user__is_active=True).first()
    return KeyHolder(key_id=key.pk, name=key.name, scope=key.scope, member=key.member) if key is not None else None


@transaction.atomic
def _note_use(ports: Ports, key: ApiKey, *, is_first_today: bool) -> None:
    """By one of those who use it at the same moment."""
    is_ours = ApiKey.objects.filter(pk=key.pk, last_used_at=key.last_used_at).update(last_used_at=ports.clock.now())
    if is_ours and is_first_today:
        audit.note(ports, "key_used", member=key.member, subject=key.name, scope=key.scope)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
