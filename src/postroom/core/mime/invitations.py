"""Invitations: the meeting in a text/calendar part.

Duty: to read method, title, times, place, organiser and the number of guests of the first event; the calendar's own rules
of its time zones say which instant a local time is.
Laws: never raises; reads the first `MAX_CALENDAR` bytes and one event; what is malformed is left out, and without an event there is no invitation.
Standards: RFC 5545 (iCalendar), RFC 5546 (methods), RFC 6047 (in mail).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from postroom.core.mime.parsed import Invitation, Moment
from postroom.core.mime.words import LINE_BREAKING, decode_text

MAX_CALENDAR = 256 * 1024  # bytes that are looked at
MAX_TEXT = 500  # characters of a title or a place
MAX_ZONES = 50
MAX_GUESTS = 10_000

_METHODS = frozenset(("PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"))
_LINE = re.compile(r'([A-Za-z0-9-]{1,60})((?:;[^:"]{0,500}(?:"[^"]{0,500}"[^:"]{0,500}){0,20})?):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([A-Za-z0-9-]{1,60})=("[^"]*"|[^;"]*)')
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z)?)?\Z", re.IGNORECASE)
_DURATION = re.compile(
    r"([+-])?P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,5})S)?)?\Z", re.I
)
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?\Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class _Property(NamedTuple):
    name: str  # in upper case
    parameters: dict[str, str]  # names in upper case
    value: str


@dataclass(slots=True)
class _Component:
    """A VEVENT, or a zone's STANDARD or DAYLIGHT: the first property of each name, and how many guests."""

    name: str
    properties: dict[str, _Property] = field(default_factory=dict)
    guests: int = 0
    zone: str = ""  # of which zone it is a rule

    def text(self, name: str) -> str:
        found = self.properties.get(name)
        return _ESCAPE.sub(_unescaped, found.value[: 2 * MAX_TEXT]).strip()[:MAX_TEXT] if found else ""


def read_invitation(content: bytes, *, charset: str = "utf-8", method: str = "") -> Invitation | None:
    """The first event of a calendar; None when there is none. ``method`` is the Content-Type's, which the calendar's own overrules."""
    text = decode_text(content[:MAX_CALENDAR], charset)[0]
    event: _Component | None = None
    zones: dict[str, list[_Component]] = {}
    for one in _components(text):
        if one.name == "VCALENDAR":
            method = one.text("METHOD") or method
        elif one.name == "VEVENT":
            event = event or one
        elif len(zones) < MAX_ZONES:
            zones.setdefault(one.zone, []).append(one)
    start = _moment(event.properties.get("DTSTART"), zones) if event else None
    if event is None or not (start or event.properties.keys() & {"SUMMARY", "UID"}):
        return None
    organizer = event.properties.get("ORGANIZER")
    address = re.sub(r"(?i)\Amailto:", "", organizer.value.strip())[:320] if organizer else ""
    method = method.strip().upper()
    return Invitation(
        method=method if method in _METHODS else "",
        uid=event.text("UID"),
        summary=_one_line(event.text("SUMMARY")),
        location=_one_line(event.text("LOCATION")),
        organizer_name=_one_line(organizer.parameters.get("CN", "") if organizer else "")[:MAX_TEXT],
        organizer_address=_one_line(address),
        start=start,
        end=_moment(event.properties.get("DTEND"), zones) or _after(start, event.text("DURATION"), zones),
        attendees=event.guests,
        is_recurring="RRULE" in event.properties or "RDATE" in event.properties,
        is_cancelled=method == "CANCEL" or event.text("STATUS").upper() == "CANCELLED",
    )


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]


def _one_line(text: str) -> str:
    return " ".join(text.translate(LINE_BREAKING).split())


# -- lines and components --------------------------------------------------------------------------------


def _lines(text: str) -> Iterator[str]:
    """Unfolded (RFC 5545 3.1)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n ", "").replace("\n\t", "")
    yield from text.split("\n")


def _components(text: str) -> Iterator[_Component]:
    """Events and zone rules as they end, then the calendar itself. An event that never ends counts all the same."""
    calendar = _Component("VCALENDAR")
    zone = ""
    skipping = ""  # a component inside an event: its alarm
    current: _Component | None = None
    for line in _lines(text):
        match = _LINE.match(line)
        if match is None:
            continue
        name, value = match[1].upper(), match[3]
        word = value.strip().upper()
        if skipping:
            skipping = "" if name == "END" and word == skipping else skipping
        elif name == "BEGIN":
            if current is not None:
                skipping = word
            elif word in ("VEVENT", "STANDARD", "DAYLIGHT"):
                current = _Component(word, zone=zone)
            elif word in ("VTODO", "VJOURNAL", "VFREEBUSY", "VALARM"):
                skipping = word
        elif name == "END":
            if current is not None and word == current.name:
                yield current
                current = None
        elif current is not None:
            _take(current, _Property(name, _parameters(match[2]), value))
        elif name == "TZID":
            zone = value.strip()[:200]
        else:
            _take(calendar, _Property(name, {}, value))
    if current is not None:
        yield current
    yield calendar


def _take(component: _Component, one: _Property) -> None:
    if one.name == "ATTENDEE":
        component.guests = min(component.guests + 1, MAX_GUESTS)
    elif len(component.properties) < 100:
        component.properties.setdefault(one.name, one)


def _parameters(written: str) -> dict[str, str]:
    return {name.upper(): value.strip('"') for name, value in _PARAMETER.findall(written)} if written else {}


# -- times -----------------------------------------------------------------------------------------------


def _moment(one: _Property | None, zones: dict[str, list[_Component]]) -> Moment | None:
    if one is None:
        return None
    match = _STAMP.match(one.value.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, is_utc = match.groups()
    try:
        clock = time(int(hour or 0), int(minute or 0), min(int(second or 0), 59))
        local = datetime.combine(date(int(year), int(month), int(day)), clock)
    except ValueError:
        return None
    if hour is None:
        return Moment(local=local, is_day=True)
    if is_utc:
        return Moment(local=local, zone="UTC", at=local.replace(tzinfo=UTC))
    zone = one.parameters.get("TZID", "")[:200]
    return Moment(local=local, zone=zone, at=_instant(local, zones.get(zone, [])))


def _after(start: Moment | None, duration: str, zones: dict[str, list[_Component]]) -> Moment | None:
    """The end by the event's duration; a day of its own, or none, when it has neither (RFC 5545 3.6.1)."""
    match = _DURATION.match(duration) if duration else None
    if start is None or match is None or match[1] == "-":
        return None
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups()[1:])
    span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        local = start.local + span
    except OverflowError:
        return None
    at = _instant(local, zones.get(start.zone, [])) if start.zone != "UTC" else local.replace(tzinfo=UTC)
    return Moment(local=local, zone=start.zone, is_day=start.is_day, at=at)


def _instant(local: datetime, rules: list[_Component]) -> datetime | None:
    """The instant of a local time by the last of the zone's changes before it (RFC 5545 3.6.5); None without rules."""
    best: tuple[datetime, timedelta] | None = None
    for rule in rules[:20]:
        offset = _offset(rule.text("TZOFFSETTO"))
        onset = _onset(rule, local)
        if offset is not None and onset is not None and (best is None or onset > best[0]):
            best = onset, offset
    try:
        return (local - best[1]).replace(tzinfo=UTC) if best else None
    except OverflowError:
        return None


def _offset(written: str) -> timedelta | None:
    match = _OFFSET.match(written)
    if match is None:
        return None
    span = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    return None if span >= timedelta(days=1) else (-span if match[1] == "-" else span)


_EVER = datetime.combine(date.min, time.min)  # a calendar's own times have no zone but by its rules
_DAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_BY_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)\Z")


def _onset(rule: _Component, local: datetime) -> datetime | None:
    """When this rule of the zone last came into force before the local time; the first time when that lies ahead of it."""
    first = _moment(rule.properties.get("DTSTART"), {})
    if first is None:
        return _EVER
    parts = dict(part.split("=", 1) for part in rule.text("RRULE").upper().split(";") if "=" in part)
    day = _BY_DAY.match(parts.get("BYDAY", ""))
    month = int(parts["BYMONTH"]) if parts.get("BYMONTH", "").isdecimal() and len(parts["BYMONTH"]) < 3 else 0
    if parts.get("FREQ") != "YEARLY" or day is None or not 1 <= month <= 12:
        return first.local if first.local <= local else None
    for year in (local.year, local.year - 1):
        found = _weekday(year, month, int(day[1] or 1), _DAYS[day[2]])
        onset = datetime.combine(found, first.local.time()) if found else None
        if onset is not None and first.local <= onset <= local:
            return onset
    return first.local if first.local <= local else None


def _weekday(year: int, month: int, number: int, weekday: int) -> date | None:
    """The ``number``-th such day of a month; negative numbers count from its end."""
    try:
        if number > 0:
            start = date(year, month, 1)
            found = start + timedelta(days=(weekday - start.weekday()) % 7 + 7 * (number - 1))
        else:
            end = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
            found = end - timedelta(days=(end.weekday() - weekday) % 7 + 7 * (-number - 1))
    except (ValueError, OverflowError):
        return None
    return found if found.month == month else None
