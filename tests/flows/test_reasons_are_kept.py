"""What a report says of each recipient is kept with its reason; a success has none, and blames nobody."""

from __future__ import annotations

import pytest

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.route_message import route_waiting
from postroom.store.models import ReportedRecipient
from postroom.wiring import ports
from tests.people import build_house

pytestmark = pytest.mark.django_db

REPORT = (
    "From: MAILER-DAEMON@box.test\r\nTo: bounce@in.test\r\nSubject: Delivery report\r\nMessage-ID: <dsn@box.test>\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: text/plain\r\n\r\nSome arrived.\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; box.test\r\n\r\n"
    "Final-Recipient: rfc822; bob@box.test\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 552 mailbox is full\r\n\r\n"
    "Final-Recipient: rfc822; charlie@box.test\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n"
    "Final-Recipient: rfc822; carla@box.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n--b--\r\n"
)


def test_each_recipient_of_a_report_is_kept_with_its_reason() -> None:
    build_house()
    envelope = Envelope(mail_from="", rcpt_to=("bounce@in.test",))
    accept_message(ports(), Arrival(door=Door.SMTP, raw=REPORT.encode(), envelope=envelope))
    while route_waiting(ports()):
        pass
    assert list(ReportedRecipient.objects.order_by("id").values_list("address", "action", "reason", "blame")) == [
        ("bob@box.test", "failed", "mailbox_full", "mailbox"),
        ("charlie@box.test", "delayed", "network_error", "network"),
        ("carla@box.test", "delivered", "", ""),
    ]
