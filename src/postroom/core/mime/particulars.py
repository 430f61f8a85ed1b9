"""Particulars: what a mail brought besides words and files, in the form in which it is stored with the message.

Duty: invitations, what was forwarded, and whether it was signed or encrypted, to JSON and back.
Laws: reading never raises: what does not fit was written by an older or newer house and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from postroom.core.mime.parsed import Forwarded, Invitation, Moment, ParsedMail
from postroom.core.terms.addresses import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """See `ParsedMail`: the fields have the same meanings."""

    invitations: tuple[Invitation, ...] = ()
    forwarded: Forwarded | None = None
    is_signed: bool = False
    is_encrypted: bool = False


def particulars_of(mail: ParsedMail) -> Particulars:
    """Those of a mail that was just read."""
    return Particulars(
        invitations=mail.invitations,
        forwarded=mail.forwarded,
        is_signed=mail.is_signed,
        is_encrypted=mail.is_encrypted,
    )


def particulars_as_json(mail: ParsedMail) -> dict[str, object] | None:
    """For the store; None for the ordinary mail that has none."""
    if not (mail.invitations or mail.forwarded or mail.is_signed or mail.is_encrypted):
        return None
    found: dict[str, object] = {}
    if mail.invitations:
        found["invitations"] = [_invitation_as_json(one) for one in mail.invitations]
    if mail.forwarded:
        found["forwarded"] = _forwarded_as_json(mail.forwarded)
    if mail.is_signed:
        found["is_signed"] = True
    if mail.is_encrypted:
        found["is_encrypted"] = True
    return found


def read_particulars(stored: object) -> Particulars:
    """What `particulars_as_json` wrote."""
    if not isinstance(stored, Mapping):
        return Particulars()
    rows = stored.get("invitations")
    forwarded = stored.get("forwarded")
    return Particulars(
        invitations=tuple(_invitation(row) for row in rows if isinstance(row, Mapping))
        if isinstance(rows, list)
        else (),
        forwarded=_forwarded(forwarded) if isinstance(forwarded, Mapping) else None,
        is_signed=stored.get("is_signed") is True,
        is_encrypted=stored.get("is_encrypted") is True,
    )


def _invitation_as_json(one: Invitation) -> dict[str, object]:
    return {
        "method": one.method,
        "uid": one.uid,
        "summary": one.summary,
        "location": one.location,
        "organizer": [one.organizer_name, one.organizer_address],
        "start": _moment_as_json(one.start),
        "end": _moment_as_json(one.end),
        "attendees": one.attendees,
        "is_recurring": one.is_recurring,
        "is_cancelled": one.is_cancelled,
    }


def _moment_as_json(one: Moment | None) -> dict[str, object] | None:
    if one is None:
        return None
    at = one.at.isoformat() if one.at else None
    return {"local": one.local.isoformat(), "zone": one.zone, "is_day": one.is_day, "at": at}


def _forwarded_as_json(one: Forwarded) -> dict[str, object]:
    return {
        "author": [one.author.name, one.author.local, one.author.domain] if one.author else None,
        "date": one.date.isoformat() if one.date else None,
        "written_date": one.written_date,
        "subject": one.subject,
        "message_id": one.message_id,
        "is_attached": one.is_attached,
    }


def _invitation(row: Mapping[str, object]) -> Invitation:
    name, address = _texts(row.get("organizer"), 2)
    attendees = row.get("attendees")
    return Invitation(
        method=_text(row, "method"),
        uid=_text(row, "uid"),
        summary=_text(row, "summary"),
        location=_text(row, "location"),
        organizer_name=name,
        organizer_address=address,
        start=_moment(row.get("start")),
        end=_moment(row.get("end")),
        attendees=attendees if isinstance(attendees, int) else 0,
        is_recurring=row.get("is_recurring") is True,
        is_cancelled=row.get("is_cancelled") is True,
    )


def _moment(row: object) -> Moment | None:
    if not isinstance(row, Mapping):
        return None
    local = _time(row.get("local"))
    if local is None or local.tzinfo is not None:
        return None
    at = _time(row.get("at"))
    return Moment(
        local=local,
        zone=_text(row, "zone"),
        is_day=row.get("is_day") is True,
        at=at if at is not None and at.tzinfo is not None else None,
    )


def _forwarded(row: Mapping[str, object]) -> Forwarded:
    name, local, domain = _texts(row.get("author"), 3)
    date = _time(row.get("date"))
    return Forwarded(
        author=Address(name, local, domain) if name or local else None,
        date=date if date is not None and date.tzinfo is not None else None,
        written_date=_text(row, "written_date"),
        subject=_text(row, "subject"),
        message_id=_text(row, "message_id"),
        is_attached=row.get("is_attached") is True,
    )


def _text(row: Mapping[str, object], name: str) -> str:
    found = row.get(name)
    return found if isinstance(found, str) else ""


def _texts(row: object, count: int) -> list[str]:
    found = [one if isinstance(one, str) else "" for one in row] if isinstance(row, list) else []
    return [*found, *[""] * count][:count]


def _time(written: object) -> datetime | None:
    try:
        return datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
