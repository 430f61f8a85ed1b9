"""What a mail brought besides words and files, on the page of the record and of the mail."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.core.mime.parsing import parse
from postroom.core.mime.particulars import particulars_as_json
from postroom.store.models import Company, Member, Message, MessageBody
from tests.web import seeding
from tests.web.conftest import SignedIn

EVENT = (
    "BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nSUMMARY:Test ride <b>now</b>\r\nLOCATION:The yard\r\n"
    "ORGANIZER;CN=Carla:mailto:carla@customer.example\r\nATTENDEE:mailto:alice@x.example\r\nATTENDEE:mailto:bob@x.example\r\n"
    "{times}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
UTC_TIMES = "DTSTART:20240702T130400Z\r\nDTEND:20240702T140400Z"


def mail_with(content_type: str, body: str) -> bytes:
    head = (
        "From: Bob <bob@northwind.example>\r\nTo: info@postroom.test\r\nSubject: Fwd: x\r\nContent-Type: {}\r\n\r\n{}"
    )
    return head.format(content_type, body).encode()


def calendar(times: str = UTC_TIMES, method: str = "REQUEST") -> bytes:
    return mail_with("text/calendar; charset=utf-8", EVENT.format(times=times, method=method))


@pytest.fixture
def message(company: Company) -> Message:
    record = seeding.a_record(company, "Poster", contact=seeding.a_contact("Carla", "carla@customer.example", company))
    return seeding.a_message(record, seeding.a_contact("Bob", "bob@northwind.example", company), "<p>See</p>")


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    Member.objects.filter(pk=alice.pk).update(time_zone="Europe/Berlin")
    return signed_in(alice)


def shown(window: Client, message: Message, raw: bytes) -> str:
    MessageBody.objects.filter(pk=message.pk).update(particulars=particulars_as_json(parse(raw)))
    return window.get(f"/records/{message.record_id}/").content.decode()


def test_an_invitation_is_a_card_with_the_times_in_the_readers_zone(window: Client, message: Message) -> None:
    page = shown(window, message, calendar())
    for words in (
        "Test ride &lt;b&gt;now&lt;/b&gt;",
        "Tue 2 Jul 2024, 15:04–16:04 (Europe/Berlin)",
        "The yard",
        "Organised by Carla",
        "2 guests",
        "invitation",
    ):
        assert words in page, words


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("DTSTART;TZID=America/New_York:20240702T090400", "Tue 2 Jul 2024, 15:04 (Europe/Berlin)"),
        ("DTSTART;TZID=Nowhere Time:20240702T090400", "Tue 2 Jul 2024, 09:04 (Nowhere Time)"),
        ("DTSTART:20240702T090400", "Tue 2 Jul 2024, 09:04<"),
        ("DTSTART;VALUE=DATE:20240702\r\nDTEND;VALUE=DATE:20240703", "<p>Tue 2 Jul 2024<"),
        ("DTSTART;VALUE=DATE:20240702\r\nDTEND;VALUE=DATE:20240705", "Tue 2 Jul 2024 – Thu 4 Jul 2024"),
        ("DTSTART:20240702T210000Z\r\nDTEND:20240702T230000Z", "Tue 2 Jul 2024, 23:00 – Wed 3 Jul 2024, 01:00"),
        ("DTSTART:00010101T000000Z", "Mon 1 Jan"),
        ("DTSTART:99991231T235959Z", "Fri 31 Dec 9999"),
    ],
)
def test_times_of_every_kind_are_shown(window: Client, message: Message, times: str, words: str) -> None:
    assert words in shown(window, message, calendar(times))


def test_a_meeting_that_is_off_says_so(window: Client, message: Message) -> None:
    assert "cancelled" in shown(window, message, calendar(method="CANCEL"))


def test_a_forward_says_on_behalf_of_whom(window: Client, message: Message) -> None:
    body = "---------- Forwarded message ---------\r\nFrom: Carla <carla@customer.example>\r\nDate: tomorrow\r\nSubject: x\r\n\r\nHi"
    page = shown(window, message, mail_with("text/plain", body))
    assert "Forwarded by Bob on behalf of Carla" in page
    assert "&lt;carla@customer.example&gt; · tomorrow" in page


def test_signed_and_encrypted_mails_bear_a_badge(window: Client, message: Message) -> None:
    page = shown(window, message, mail_with("application/pkcs7-mime; smime-type=enveloped-data", "x"))
    assert "encrypted" in page
    assert "The signature was kept, and not verified." not in page


def test_the_page_of_the_mail_shows_the_same(window: Client, company: Company) -> None:
    row = seeding.an_inbound(company, "Ride", calendar(), header_from="Bob <bob@northwind.example>")
    page = window.get(f"/inbound/{row.pk}/").content.decode()
    assert "15:04–16:04 (Europe/Berlin)" in page
