"""What Amazon SES tells by mail through a topic: JSON, also broken on its way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportKind
from postroom.core.reports.reading import read_report
from tests.core.reports.mails import address

MAIL = {
    "source": "bounce+token@ours.example",
    "headers": [{"name": "From", "value": "a@ours.example"}, {"name": "Message-ID", "value": "<our-1@ours.example>"}],
}


def mail_of(event: object, *, text: str = "", author: str = "no-reply@sns.amazonaws.com") -> ParsedMail:
    written = text or json.dumps(event) + "\n\n--\nIf you wish to stop receiving notifications, visit ...\n"
    return ParsedMail(headers=(("From", author),), header_from=(address(author),), subject="Notification", text=written)


def read(event: object, **fields: Any) -> DeliveryReport:
    found = read_report(mail_of(event, **fields))
    assert found is not None
    return found


def bounce(*recipients: object, kind: str = "Permanent") -> dict[str, Any]:
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": kind,
            "bouncedRecipients": list(recipients),
            "reportingMTA": "dns; mx.provider.example",
        },
        "mail": MAIL,
    }


BOB = {
    "emailAddress": "Bob@there.example",
    "action": "failed",
    "status": "5.1.1",
    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
}


def test_a_bounce_names_recipients_and_our_mail() -> None:
    found = read(bounce(BOB, {"emailAddress": "charlie@there.example"}))
    assert found.kind is ReportKind.BOUNCE
    assert [(one.address, one.status, one.reason, one.reply) for one in found.recipients] == [
        ("bob@there.example", "5.1.1", "user_unknown", "550 5.1.1 user unknown"),
        ("charlie@there.example", "5.0.0", "undetermined", ""),
    ]
    assert found.original_message_id == "<our-1@ours.example>"
    assert found.original_mail_from == "bounce+token@ours.example"
    assert found.reporting_mta == "mx.provider.example"


def test_a_passing_bounce_has_a_passing_status() -> None:
    (recipient,) = read(bounce({"emailAddress": "bob@there.example"}, kind="Transient")).recipients
    assert recipient.status == "4.0.0"


def test_complaints_deliveries_and_delays_are_told_apart() -> None:
    complaint = read({"eventType": "Complaint", "complaint": {"complainedRecipients": [BOB]}, "mail": MAIL})
    assert (complaint.kind, complaint.recipients[0].reason) == (ReportKind.COMPLAINT, "feedback")
    receipt = read({"notificationType": "Delivery", "delivery": {"recipients": ["bob@there.example"]}, "mail": MAIL})
    assert (receipt.kind, receipt.recipients[0].action) == (ReportKind.RECEIPT, Action.DELIVERED)
    delay = read({"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [BOB]}, "mail": MAIL})
    assert (delay.kind, delay.recipients[0].action) == (ReportKind.DELAYED, Action.DELAYED)


def test_it_may_stand_within_the_envelope_of_the_topic() -> None:
    assert read({"Type": "Notification", "Message": json.dumps(bounce(BOB))}).kind is ReportKind.BOUNCE


def test_lines_may_have_been_folded_within_a_word() -> None:
    text = json.dumps(bounce(BOB)).replace("user unknown", "user\n unknown")
    assert read(None, text=text).recipients[0].reason == "user_unknown"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"notificationType": "AmazonSnsSubscriptionSucceeded"},
        [],
        {"Message": "no json"},
        {"notificationType": ["Bounce"]},
    ],
)
def test_other_notifications_are_no_reports(event: object) -> None:
    assert read_report(mail_of(event)) is None


def test_a_person_who_sends_json_reports_nothing() -> None:
    assert read_report(mail_of(bounce(BOB), author="dev@there.example")) is None


@pytest.mark.parametrize("text", ["{" * 50_000, '{"a":' * 50_000, '{"Message": "' + "[" * 50_000])
def test_json_without_a_bottom_is_no_report(text: str) -> None:
    assert read_report(mail_of(None, text=text)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["notificationType", "bounce", "complaint", "delivery", "bouncedRecipients", "recipients", "emailAddress", "mail", "headers", "Message"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(JSON, st.sampled_from(["Bounce", "Complaint", "Delivery", "DeliveryDelay"]))
def test_any_json_is_read_without_raising(value: object, kind: str) -> None:
    event = (
        value if isinstance(value, dict) else {"bounce": value, "complaint": value, "delivery": value, "mail": value}
    )
    read_report(mail_of({**event, "notificationType": kind}))
