"""The audit log: who did what, when, and from where.

Laws: a line is never changed and holds no secret, no password and no contents of mail. It is written in the transaction of what it tells of, so
neither is there without the other. From where, the faces say once per request (`from_where`); at the command line there is no address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from postroom.flows.access import company_ids, is_house_administrator, require
from postroom.flows.ports import Ports
from postroom.store.models import AuditEvent, Member

EVENTS: Mapping[str, str] = {
    "sign_in": "signed in",
    "sign_in_failed": "failed to sign in",
    "sign_in_locked": "is kept out for a while after too many tries",
    "sign_in_unlocked": "lets somebody try again",
    "sign_out": "signed out",
    "sign_out_everywhere": "ended all sessions",
    "session_ended": "a session reached its end",
    "password_changed": "changed the password",
    "password_reset_asked": "asked for a new password by mail",
    "password_reset": "set a new password by mail",
    "totp_on": "switched two-factor sign-in on",
    "totp_off": "switched two-factor sign-in off",
    "recovery_codes": "made new recovery codes",
    "recovery_code_used": "signed in with a recovery code",
    "oidc_connected": "was connected with an identity provider",
    "oidc_refused": "was turned away by the rules for identity providers",
    "member_created": "made a member",
    "member_changed": "changed role, company, address or state of",
    "member_invited": "made a link to choose a password for",
    "member_joined": "chose a password by an invitation",
    "company_changed": "founded, changed or closed a company",
    "key_created": "made a key for programs",
    "key_removed": "removed a key for programs",
    "key_used": "used a key for programs (the first use of a day)",
    "agent_proposed": "has an agent that proposed a change",
    "agent_approved": "approved what an agent proposed",
    "agent_refused": "refused what an agent proposed",
    "source_read": "read the source of a mail",
    "exported": "exported or printed",
    "bundle_made": "made a support bundle",
    "secrets_rotated": "changed the secret keys",
}
MOST = 200  # lines of a page

_where: ContextVar[str] = ContextVar("postroom_where", default="")


@contextmanager
def from_where(address: str) -> Iterator[None]:
    """What happens within comes from this address."""
    token = _where.set(address)
    try:
        yield
    finally:
        _where.reset(token)


def whence() -> str:
    """The address from which it is done; ``""`` at the command line."""
    return _where.get()


def note(
    ports: Ports,
    what: str,
    *,
    member: Member | None = None,
    user: AbstractBaseUser | None = None,
    login: str = "",
    company_id: int | None = None,
    subject: str = "",
    **detail: Any,
) -> None:
    """Write one line. ``member`` or ``user`` did it; ``login`` where neither is known. ``detail``: small facts, never a secret."""
    if what not in EVENTS:
        raise ValueError(what)
    person: Any = member.user if member is not None else user
    home = member.company_id if member is not None else company_id
    if home is None and person is not None:
        home = Member.objects.filter(user_id=person.pk).values_list("company_id", flat=True).first()
    AuditEvent.objects.create(
        at=ports.clock.now(),
        user_id=person.pk if person is not None else None,
        login=(person.get_username() if person is not None else login)[:150],
        company_id=home,
        address=whence() or None,
        what=what,
        subject=subject[:200],
        detail=detail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """A line as people read it."""

    id: int
    at: datetime
    login: str
    address: str
    what: str
    words: str
    subject: str
    detail: Mapping[str, Any]


def list_events(
    ports: Ports,  # noqa: ARG001 (every flow takes ports)
    *,
    member: Member | None,
    what: str = "",
    login: str = "",
    before: int | None = None,
    most: int = 50,
) -> tuple[AuditLine, ...]:
    """The newest lines first, of the member's own companies; ``before``: older than the line of this number. Raises `NotAllowed`."""
    rows = visible_events(member)
    if what:
        rows = rows.filter(what=what)
    if login:
        rows = rows.filter(Q(login=login) | Q(subject=login))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return tuple(
        AuditLine(
            id=row.pk,
            at=row.at,
            login=row.login,
            address=row.address or "",
            what=row.what,
            words=EVENTS.get(row.what, row.what),
            subject=row.subject,
            detail=row.detail,
        )
        for row in rows.order_by("-id")[: min(most, MOST)]
    )


def visible_events(member: Member | None) -> QuerySet[AuditEvent]:
    """For administrators, of their own companies; what belongs to none (strangers at the door) is for house administrators."""
    require(member, "settings")
    rows = AuditEvent.objects.all()
    if member is None or is_house_administrator(member):
        return rows
    return rows.filter(company_id__in=company_ids(member))


def forget_events(before: datetime, batch: int) -> int:
    """Retention: a batch of old lines goes; how many. The only way a line can go."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL postroom.forgets = 'audit'")
        old = list(AuditEvent.objects.filter(at__lt=before).order_by("pk").values_list("pk", flat=True)[:batch])
        AuditEvent.objects.filter(pk__in=old).delete()
        cursor.execute("SET LOCAL postroom.forgets = ''")
    return len(old)
