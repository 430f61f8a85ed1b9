"""How a meeting looks: its times in the reader's zone, and what is asked. Every text is escaped by the template."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from django import template
from django.template.defaultfilters import date as format_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.mime.parsed import Invitation, Moment
from postroom.flows.mail_templates import zone_of
from postroom.store.models import Member

register = template.Library()

_WORDS = {
    "REQUEST": gettext_lazy("invitation"),
    "REPLY": gettext_lazy("answer to an invitation"),
    "CANCEL": gettext_lazy("cancelled"),
    "COUNTER": gettext_lazy("another time is proposed"),
    "DECLINECOUNTER": gettext_lazy("the proposed time is declined"),
}


@register.filter
def meeting_word(meeting: Invitation) -> str:
    """What the calendar wants, in a word; ``""`` for a plain event."""
    return _("cancelled") if meeting.is_cancelled else str(_WORDS.get(meeting.method, ""))


@register.filter
def meeting_time(meeting: Invitation, member: Member) -> str:
    """``Tue 2 Jul 2024, 15:04-16:04 (Europe/Berlin)`` in the reader's zone; as written, with the zone's name, where no instant is known."""
    if meeting.start is None:
        return ""
    if meeting.start.is_day:
        return _days(meeting.start, meeting.end)
    zone = zone_of(member)
    start, end = _instant(meeting.start), _instant(meeting.end)
    if start is None:
        named = f" ({meeting.start.zone})" if meeting.start.zone else ""
        return _span(meeting.start.local, meeting.end.local if meeting.end else None) + named
    return f"{_span(_in(start, zone), _in(end, zone) if end else None)} ({zone})"


def _instant(one: Moment | None) -> datetime | None:
    """By the calendar's own rules, else by the zone's well-known name."""
    if one is None or one.at is not None:
        return one.at if one else None
    try:
        return one.local.replace(tzinfo=ZoneInfo(one.zone)).astimezone(UTC) if one.zone else None
    except (KeyError, ValueError, OSError, OverflowError):
        return None


def _in(at: datetime, zone: tzinfo) -> datetime:
    try:
        return at.astimezone(zone)
    except OverflowError:  # the first and the last day of the calendar
        return at


def _span(start: datetime, end: datetime | None) -> str:
    begun = f"{_date(start)}, {start:%H:%M}"
    if end is None or end <= start:
        return begun
    return f"{begun}–{end:%H:%M}" if end.date() == start.date() else f"{begun} – {_date(end)}, {end:%H:%M}"


def _days(start: Moment, end: Moment | None) -> str:
    """The end of whole days is the day behind them (RFC 5545 3.6.1)."""
    last = end.local - timedelta(days=1) if end is not None and end.local > start.local else start.local
    return _date(start.local) if last <= start.local else f"{_date(start.local)} – {_date(last)}"


def _date(day: datetime) -> str:
    return format_date(day.replace(tzinfo=None), "D j M Y")
