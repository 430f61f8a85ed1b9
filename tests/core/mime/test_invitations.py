from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postroom.core.mime.invitations import MAX_CALENDAR, MAX_TEXT, read_invitation
from postroom.core.mime.parsed import Invitation, Moment
from postroom.core.mime.parsing import parse
from tests.core.mime.mails import HTML, TEXT, mail, multipart, nested, part

BERLIN = """BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar(*lines: str, zone: str = "", method: str = "REQUEST") -> bytes:
    event = "\n".join(("BEGIN:VEVENT", *lines, "END:VEVENT"))
    return f"BEGIN:VCALENDAR\nMETHOD:{method}\n{zone}{event}\nEND:VCALENDAR\n".replace("\n", "\r\n").encode()


def read(*lines: str, zone: str = "", method: str = "REQUEST") -> Invitation:
    found = read_invitation(calendar(*lines, zone=zone, method=method))
    assert found is not None
    return found


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_an_invitation_says_what_where_when_and_who() -> None:
    found = read(
        "UID:1@x.example",
        'ORGANIZER;CN="Alice: the boss":MAILTO:alice@shop.example',
        "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bob@x.example",
        "ATTENDEE:mailto:carla@customer.example",
        "SUMMARY;LANGUAGE=de:Probefahrt\\, mit",
        "  Klingel",
        "LOCATION:Hof\\nhinten",
        "DTSTART:20240702T130400Z",
        "DTEND:20240702T140400Z",
    )
    assert found == Invitation(
        method="REQUEST",
        uid="1@x.example",
        summary="Probefahrt, mit Klingel",
        location="Hof hinten",
        organizer_name="Alice: the boss",
        organizer_address="alice@shop.example",
        start=Moment(local=datetime(2024, 7, 2, 13, 4), zone="UTC", at=at(2024, 7, 2, 13, 4)),
        end=Moment(local=datetime(2024, 7, 2, 14, 4), zone="UTC", at=at(2024, 7, 2, 14, 4)),
        attendees=2,
    )


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("20240702T150400", at(2024, 7, 2, 13, 4)),  # summer
        ("20240102T150400", at(2024, 1, 2, 14, 4)),  # winter: the last change was a year before
        ("20240331T015959", at(2024, 3, 31, 0, 59, 59)),  # the second before the clocks go forward
        ("20240331T030000", at(2024, 3, 31, 1, 0)),
        ("20241027T030000", at(2024, 10, 27, 2, 0)),
    ],
)
def test_the_calendars_own_zone_says_which_instant_a_local_time_is(local: str, instant: datetime) -> None:
    start = read(f"DTSTART;TZID=W. Europe Standard Time:{local}", zone=BERLIN).start
    assert start is not None
    assert (start.zone, start.at) == ("W. Europe Standard Time", instant)


def test_a_zone_that_the_calendar_does_not_define_is_kept_by_name() -> None:
    start = read("DTSTART;TZID=Europe/Berlin:20240702T150400").start
    assert start == Moment(local=datetime(2024, 7, 2, 15, 4), zone="Europe/Berlin", at=None)


def test_a_day_is_a_day_and_a_duration_makes_the_end() -> None:
    day = read("DTSTART;VALUE=DATE:20240702", "DTEND;VALUE=DATE:20240703")
    assert day.start is not None
    assert (day.start.is_day, day.start.at, day.start.local) == (True, None, datetime(2024, 7, 2))
    hour = read("DTSTART:20240702T130400Z", "DURATION:PT1H30M")
    assert hour.end == Moment(local=datetime(2024, 7, 2, 14, 34), zone="UTC", at=at(2024, 7, 2, 14, 34))


def test_what_is_off_is_off() -> None:
    assert read("SUMMARY:x", method="CANCEL").is_cancelled
    assert read("SUMMARY:x", "STATUS:CANCELLED").is_cancelled
    assert not read("SUMMARY:x").is_cancelled
    assert read("SUMMARY:x", "RRULE:FREQ=DAILY").is_recurring


def test_an_alarm_inside_an_event_is_not_the_event() -> None:
    found = read("BEGIN:VALARM", "SUMMARY:ring", "DTSTART:19990101T000000Z", "END:VALARM", "SUMMARY:meet")
    assert (found.summary, found.start) == ("meet", None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR",
        b"BEGIN:VEVENT\nEND:VEVENT",
        b"BEGIN:VTODO\nSUMMARY:x\nEND:VTODO",
        b"\xff\xfe\x00",
        b"SUMMARY:no calendar at all",
    ],
)
def test_what_is_no_event_is_no_invitation(content: bytes) -> None:
    assert read_invitation(content) is None


@pytest.mark.parametrize(
    "line",
    [
        "DTSTART:20240230T150400Z",
        "DTSTART:99999999T999999Z",
        "DTSTART:today",
        "DTSTART;TZID=:20240702T1504",
        "DURATION:P99999W",
        'DTEND;TZID=":20240702T150400',
        "ORGANIZER:",
        "SUMMARY:\\",
    ],
)
def test_malformed_lines_are_left_out(line: str) -> None:
    found = read("UID:1", line)
    assert (found.uid, found.end) == ("1", None)


def test_the_first_and_the_last_day_of_the_calendar_are_no_instants_in_a_zone_beyond_them() -> None:
    for local in ("00010101T000000", "99991231T235959"):
        start = read(f"DTSTART;TZID=W. Europe Standard Time:{local}", "DURATION:P9999W", zone=BERLIN).start
        assert start is not None
        assert start.at is None or start.at.tzinfo is UTC


def test_a_long_calendar_is_read_up_to_the_limit() -> None:
    guests = b"ATTENDEE:mailto:bob@x.example\r\n" * 20_000
    content = b"BEGIN:VEVENT\r\nSUMMARY:" + b"x" * 9_000 + b"\r\n" + guests + b"DTSTART:20240702T130400Z\r\nEND:VEVENT"
    found = read_invitation(content)
    assert found is not None
    assert len(found.summary) == MAX_TEXT
    assert 1_000 < found.attendees < MAX_CALENDAR / 31


def test_the_same_meeting_as_alternative_and_as_file_is_one_invitation_and_one_file() -> None:
    ics = calendar("UID:1", "SUMMARY:Meet", "DTSTART:20240702T130400Z", method="")
    as_body = part("text/calendar; charset=utf-8; method=REQUEST", ics)
    as_file = part("text/calendar; name=invite.ics; method=REQUEST", ics, Content_Disposition="attachment")
    found = parse(multipart("mixed", nested("alternative", TEXT, HTML, as_body), as_file))
    assert [(one.summary, one.method) for one in found.invitations] == [("Meet", "REQUEST")]
    assert found.text == "The text"
    assert [one.name for one in found.attachments] == ["invite.ics", "invite.ics"]


def test_a_mail_that_is_nothing_but_a_calendar_is_an_invitation() -> None:
    found = parse(mail("text/calendar; method=REPLY", calendar("SUMMARY:Meet", method="REPLY")))
    assert [one.method for one in found.invitations] == ["REPLY"]
