"""Complaints (RFC 5965) and read receipts (RFC 8098) are no bounces."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.reports.delivery_reports import DeliveryReport, ReportKind
from postroom.core.reports.reading import read_report
from tests.core.reports.mails import QUOTED, report, status


def read(mail: ParsedMail) -> DeliveryReport:
    found = read_report(mail)
    assert found is not None
    return found


def arf(fields: str) -> ParsedMail:
    part = status(fields, "message/feedback-report")
    return report(part, QUOTED, author="fbl@provider.example", subject="FW: Hello", return_path="fbl@provider.example")


def test_a_complaint_names_who_complained_about_what() -> None:
    found = read(
        arf("""
            Feedback-Type: abuse
            User-Agent: Provider-FBL/1.0
            Version: 1
            Original-Mail-From: <bounce+xyz@ours.example>
            Original-Rcpt-To: <Carla@Customer.example>
            Original-Rcpt-To: carla@customer.example
            Original-Rcpt-To: dave@customer.example
            Reporting-MTA: dns; mx.provider.example
        """)
    )
    assert found.kind is ReportKind.COMPLAINT
    assert [one.address for one in found.recipients] == ["carla@customer.example", "dave@customer.example"]
    assert found.original_mail_from == "bounce+xyz@ours.example"
    assert found.original_message_id == "<our-1@ours.example>"
    assert found.reporting_mta == "mx.provider.example"


def test_a_complaint_whose_recipient_was_blotted_out_is_still_one() -> None:
    found = read(arf("Feedback-Type: abuse\nVersion: 1"))
    assert found.kind is ReportKind.COMPLAINT
    assert found.recipients == ()
    assert found.original_mail_from == "bounce+token@ours.example"


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "Auth-Failure"])
def test_feedback_that_blames_nobody_is_no_complaint(kind: str) -> None:
    """RFC 6430, RFC 6591."""
    assert read(arf(f"Feedback-Type: {kind}\nVersion: 1")).kind is ReportKind.NOTICE


def test_the_old_way_of_complaining_is_understood() -> None:
    part = ReportPart(
        content_type="message/rfc822",
        content=b"X-HmXmrOriginalRecipient: carla@customer.example\nMessage-ID: <our-1@ours.example>\n\nHello",
    )
    found = read(report(part, author="staff@provider.example", subject="complaint about message from 192.0.2.1"))
    assert found.kind is ReportKind.COMPLAINT
    assert [one.address for one in found.recipients] == ["carla@customer.example"]


def test_such_a_mail_merely_forwarded_by_a_person_is_no_complaint() -> None:
    part = ReportPart(content_type="message/rfc822", content=b"X-HmXmrOriginalRecipient: carla@customer.example\n\n")
    assert (
        read_report(report(part, author="bob@ours.example", subject="Look at this", return_path="bob@ours.example"))
        is None
    )


def mdn(*parts: ReportPart, **fields: Any) -> ParsedMail:
    return report(*parts, author="carla@customer.example", subject="Read: Hello", return_path=None, **fields)


def test_a_read_receipt_is_of_a_kind_of_its_own() -> None:
    """W-7."""
    fields = """
        Reporting-UA: mail.customer.example; Mailer
        Final-Recipient: rfc822; carla@customer.example
        Original-Message-ID: <our-2@ours.example>
        Disposition: manual-action/MDN-sent-manually; displayed
    """
    found = read(mdn(status(fields, "message/disposition-notification")))
    assert found.kind is ReportKind.MDN
    assert found.original_message_id == "<our-2@ours.example>"
    assert found.recipients == ()


def test_a_receipt_that_says_deleted_unread_is_no_bounce_either() -> None:
    fields = "Final-Recipient: rfc822; carla@customer.example\nDisposition: automatic-action/MDN-sent-automatically; deleted/error"
    assert read(mdn(status(fields, "message/disposition-notification"), QUOTED)).kind is ReportKind.MDN


def test_a_receipt_is_known_by_its_report_type_where_the_part_is_missing() -> None:
    mail = mdn(content_params={"report-type": "disposition-notification"}, in_reply_to=("<our-1@ours.example>",))
    assert read(mail).kind is ReportKind.MDN
    assert read(mail).original_message_id == "<our-1@ours.example>"
