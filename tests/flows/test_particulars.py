"""What a mail brings besides words and files is stored with the message that it becomes."""

from __future__ import annotations

import pytest

from postroom.core.mime.particulars import read_particulars
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.route_message import route_waiting
from postroom.store.models import Message, MessageBody
from postroom.store.queries.pages_chatter import thread
from postroom.wiring import ports
from tests.people import House, build_house

pytestmark = pytest.mark.django_db

HEAD = (
    b"From: Bob <bob@box.test>\r\nTo: support@in.test\r\nSubject: Fwd: My bike\r\nMessage-ID: <1@box.test>\r\n"
    b"Date: Tue, 2 Jan 2024 15:04:05 +0000\r\nMIME-Version: 1.0\r\n"
)
FORWARD = (
    b"---------- Forwarded message ---------\r\nFrom: Customer Carla <carla@customer.example>\r\n"
    b"Date: Tue, 2 Jan 2024 15:04:05 +0100\r\nSubject: My bike\r\n\r\nIt squeaks.\r\n"
)
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Test ride\r\nDTSTART:20240702T130400Z\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def house() -> House:
    return build_house()


def become(raw: bytes) -> Message:
    envelope = Envelope(mail_from="bob@box.test", rcpt_to=("support@in.test",))
    accept_message(ports(), Arrival(door=Door.SMTP, raw=raw, envelope=envelope))
    while route_waiting(ports()):
        pass
    return Message.objects.select_related("body").get()


def test_what_was_forwarded_and_the_invitation_are_stored_and_on_the_record(house: House) -> None:
    parts = (b"Content-Type: text/plain\r\n\r\n" + FORWARD, b"Content-Type: text/calendar\r\n\r\n" + CALENDAR)
    body = b"".join(b"--b1\r\n" + part + b"\r\n" for part in parts) + b"--b1--\r\n"
    message = become(HEAD + b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n" + body)

    stored = read_particulars(message.body.particulars)
    assert stored.forwarded is not None
    assert str(stored.forwarded.author) == "Customer Carla <carla@customer.example>"
    assert [one.summary for one in stored.invitations] == ["Test ride"]
    (shown,) = thread(message.record_id or 0).rows
    assert shown.particulars == stored
    assert shown.author == "Bob", "what a forward says makes nobody the author"


def test_the_ordinary_mail_stores_nothing_more(house: House) -> None:
    message = become(HEAD.replace(b"Fwd: ", b"") + b"\r\nIt squeaks.\r\n")
    assert MessageBody.objects.get(pk=message.pk).particulars is None
