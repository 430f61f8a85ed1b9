"""Delivery status notifications: RFC 3464 in RFC 6522."""

from __future__ import annotations

import pytest

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.reading import read_report
from postroom.core.terms.states import Blame
from tests.core.reports.mails import QUOTED, report, status


def read(mail: ParsedMail) -> DeliveryReport:
    found = read_report(mail)
    assert found is not None
    return found


def one(mail: ParsedMail) -> ReportedAddress:
    (recipient,) = read(mail).recipients
    return recipient


def test_a_failed_recipient_is_read_with_status_reply_and_blame() -> None:
    found = read(
        report(
            status("""
                Reporting-MTA: dns; mx.example
                Arrival-Date: Mon, 1 Jun 2026 10:00:00 +0000

                Final-Recipient: rfc822; Bob@There.Example
                Action: failed
                Status: 5.1.1
                Remote-MTA: dns; mail.there.example
                Diagnostic-Code: smtp; 550 5.1.1 <bob@there.example>: User unknown
            """),
            QUOTED,
            text="I am sorry to have to inform you",
        )
    )
    assert found.kind is ReportKind.BOUNCE
    assert found.reporting_mta == "mx.example"
    assert found.original_message_id == "<our-1@ours.example>"
    assert found.original_mail_from == "bounce+token@ours.example"
    assert found.text == "I am sorry to have to inform you"
    assert found.recipients == (
        ReportedAddress(
            address="bob@there.example",
            action=Action.FAILED,
            status="5.1.1",
            reply="550 5.1.1 <bob@there.example>: User unknown",
            blame=Blame.ADDRESS,
            reason="user_unknown",
        ),
    )


def test_every_recipient_is_read_with_an_action_of_its_own() -> None:
    """W-8."""
    blocks = "\n\n".join(
        f"Final-Recipient: rfc822; {name}@there.example\nAction: {action}\nStatus: {code}"
        for name, action, code in [
            ("alice", "failed", "5.2.2"),
            ("bob", "delayed", "4.4.1"),
            ("charlie", "delivered", "2.1.5"),
            ("dave", "relayed", "2.0.0"),
            ("erin", "expanded", "2.0.0"),
        ]
    )
    found = read(report(status(f"Reporting-MTA: dns; mx.example\n\n{blocks}")))
    assert found.kind is ReportKind.BOUNCE
    assert [(each.address.partition("@")[0], each.action.value, each.blame.value) for each in found.recipients][:2] == [
        ("alice", "failed", "mailbox"),
        ("bob", "delayed", "network"),
    ]
    assert [each.action for each in found.recipients[2:]] == [Action.DELIVERED, Action.RELAYED, Action.EXPANDED]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("failed", ReportKind.BOUNCE),
        ("FAILED (user unknown)", ReportKind.BOUNCE),
        ("delayed", ReportKind.DELAYED),
        ("delivered", ReportKind.RECEIPT),
        ("relayed", ReportKind.RECEIPT),
        ("expanded", ReportKind.RECEIPT),
    ],
)
def test_only_failures_are_bounces(action: str, kind: ReportKind) -> None:
    """W-7."""
    assert read(report(status(f"Final-Recipient: rfc822; bob@there.example\nAction: {action}"))).kind is kind


@pytest.mark.parametrize(
    ("code", "action"),
    [("5.0.0", Action.FAILED), ("4.2.0", Action.DELAYED), ("2.0.0", Action.DELIVERED), ("", Action.FAILED)],
)
def test_without_an_action_the_status_tells(code: str, action: Action) -> None:
    assert one(report(status(f"Final-Recipient: rfc822; bob@there.example\nStatus: {code}"))).action is action


def test_a_mail_given_up_after_temporary_troubles_has_failed() -> None:
    mail = report(status("Final-Recipient: rfc822; bob@there.example\nAction: failed\nStatus: 4.4.7"))
    assert one(mail).action is Action.FAILED
    assert one(mail).blame is Blame.NETWORK


def test_the_original_recipient_is_whom_we_wrote_to() -> None:
    recipient = one(
        report(
            status("""
                Original-Recipient: rfc822;bob@there.example
                Final-Recipient: rfc822;robert@elsewhere.example
                Action: failed
                Status: 5.1.1
            """)
        )
    )
    assert (recipient.address, recipient.final_address) == ("bob@there.example", "robert@elsewhere.example")


@pytest.mark.parametrize("original", ["", "rfc822;", "rfc822; bob", "unknown; /G=Bob/", "x"])
def test_an_original_recipient_that_is_no_address_does_not_count(original: str) -> None:
    mail = report(status(f"Original-Recipient: {original}\nFinal-Recipient: rfc822; bob@there.example\nAction: failed"))
    assert (one(mail).address, one(mail).final_address) == ("bob@there.example", "")


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("rfc822; bob@there.example", "bob@there.example"),
        ("RFC822;<Bob@There.example>", "bob@there.example"),
        ("rfc822; Bob <bob@there.example>", "bob@there.example"),
        ("bob@there.example", "bob@there.example"),
        ("utf-8; j\\x{F6}rg@there.example", "jörg@there.example"),
        ("utf-8; jörg@thäre.example", "jörg@xn--thre-moa.example"),
        ("utf-8; bad\\x{D800}@there.example", ""),
        ("rfc822;", ""),
        ("", ""),
        ("rfc822; @", ""),
    ],
)
def test_typed_addresses_are_read(written: str, read_as: str) -> None:
    """RFC 3464 2.3.2, RFC 6533."""
    assert one(report(status(f"Final-Recipient: {written}\nAction: failed\nStatus: 5.0.0"))).address == read_as


def test_the_international_parts_are_read_like_the_others() -> None:
    """RFC 6533."""
    mail = report(
        status(
            "Final-Recipient: utf-8; jörg@there.example\nAction: failed\nStatus: 5.1.1",
            "message/global-delivery-status",
        ),
        ReportPart(content_type="message/global-headers", content="Message-ID: <ü@ours.example>\n".encode()),
    )
    assert one(mail).address == "jörg@there.example"
    assert read(mail).original_message_id == "<ü@ours.example>"


def test_folded_fields_are_joined() -> None:
    mail = report(
        status("""
            Final-Recipient: rfc822; bob@there.example
            Action: failed
            Status: 5.2.2
            Diagnostic-Code: smtp; 552 5.2.2
        |the mailbox of bob
        |is full
        """)
    )
    assert one(mail).reply == "552 5.2.2 the mailbox of bob is full"


@pytest.mark.parametrize(
    ("given", "reply", "status_read"),
    [
        ("5.0.0", "550 5.1.1 no", "5.1.1"),
        ("5.2.1", "550 5.1.1 no", "5.2.1"),
        ("5.0.0", "451 4.7.1 greylisted", "5.0.0"),
        ("", "550 5.7.1 no", "5.7.1"),
        ("", "550 no", "5.0.0"),
        ("5.1.1 (bad mailbox)", "", "5.1.1"),
        ("nonsense", "", ""),
    ],
)
def test_the_more_telling_status_is_taken(given: str, reply: str, status_read: str) -> None:
    block = (
        f"Final-Recipient: rfc822; bob@there.example\nAction: failed\nStatus: {given}\nDiagnostic-Code: smtp; {reply}"
    )
    assert one(report(status(block))).status == status_read


@pytest.mark.parametrize(
    ("part", "message_id"),
    [
        (
            ReportPart(content_type="text/rfc822-headers", content=b"Subject: Hi\nMESSAGE-ID: <a@b.example>\n"),
            "<a@b.example>",
        ),
        (
            ReportPart(content_type="message/rfc822", content=b"X-Microsoft-Original-Message-ID: <a@b.example>\n\n"),
            "<a@b.example>",
        ),
        (ReportPart(content_type="message/rfc822", content=b""), "<outer@ours.example>"),
        (ReportPart(content_type="image/png", content=b"Message-ID: <a@b.example>"), "<outer@ours.example>"),
    ],
)
def test_the_original_is_found_by_what_is_quoted_and_else_by_what_is_answered(
    part: ReportPart, message_id: str
) -> None:
    """T-014, I-42."""
    mail = report(
        status("Final-Recipient: rfc822; bob@there.example\nAction: failed"),
        part,
        in_reply_to=("<outer@ours.example>",),
    )
    assert read(mail).original_message_id == message_id


@pytest.mark.parametrize(
    "mail",
    [
        report(status("Final-Recipient:\nAction: failed"), text=""),
        report(status("Final-Recipient"), content_params={"report-type": "delivery-status"}),
        report(ReportPart(content_type="message/delivery-status", content=b"")),
        report(ReportPart(content_type="message/delivery-status", content=b"\xff\xfe\x00:\n\n:::\n : \n")),
        report(
            ReportPart(content_type="message/rfc822", content=b""), content_params={"report-type": "delivery-status"}
        ),
        report(status("Reporting-MTA: dns; mx.example")),
    ],
)
def test_missing_values_do_no_harm(mail: ParsedMail) -> None:
    """T-011, T-013, T-107."""
    found = read(mail)
    assert found.kind is ReportKind.BOUNCE
    assert all(not recipient.address for recipient in found.recipients)


def test_a_block_without_an_address_still_says_what_happened() -> None:
    """A signed return path tells the delivery."""
    recipient = one(report(status("Final-Recipient:\nAction: failed\nStatus: 5.2.2"), text=""))
    assert (recipient.address, recipient.status, recipient.blame) == ("", "5.2.2", Blame.MAILBOX)


@pytest.mark.parametrize(
    "content_type",
    ['multipart/report; report-type="delivery-status"', "multipart/report:; report-type=delivery-status; boundary=x"],
)
def test_a_wrongly_written_content_type_is_still_a_report(content_type: str) -> None:
    """T-106."""
    mail = report(author="Somebody <robot@mx.example>", headers=(("Content-Type", content_type),), return_path=None)
    assert read(mail).kind is ReportKind.BOUNCE


def test_a_status_part_without_recipients_is_helped_by_the_text() -> None:
    mail = report(
        status("Reporting-MTA: dns; mx.example"),
        text="Delivery to the following recipients failed permanently:\n\n   * bob@there.example\n",
    )
    assert one(mail).address == "bob@there.example"


def test_the_text_for_people_is_limited() -> None:
    mail = report(status("Final-Recipient: rfc822; bob@there.example\nAction: failed"), text="x" * 10_000)
    assert len(read(mail).text) == 2_000


def test_a_mail_that_is_no_report_is_none() -> None:
    assert read_report(ParsedMail(text="Final-Recipient: rfc822; bob@there.example\nAction: failed")) is None


def test_the_empty_line_between_two_recipients_may_be_missing() -> None:
    fields = """
        Reporting-MTA: dns; mx.example
        Final-Recipient: rfc822; bob@there.example
        Action: failed
        Status: 5.2.2
        Final-Recipient: rfc822; charlie@there.example
        Action: failed
        Status: 5.1.1
    """
    found = read(report(status(fields)))
    assert [(one.address, one.reason) for one in found.recipients] == [
        ("bob@there.example", "mailbox_full"),
        ("charlie@there.example", "user_unknown"),
    ]


def test_an_empty_line_may_stand_within_the_fields_of_one_recipient() -> None:
    found = one(report(status("Final-Recipient: rfc822; bob@there.example\n\nAction: failed\nStatus: 5.1.1")))
    assert (found.address, found.status) == ("bob@there.example", "5.1.1")


def test_a_recipient_that_is_told_twice_is_one() -> None:
    group = "Final-Recipient: rfc822; bob@there.example\nAction: failed\nStatus: 5.1.1"
    assert len(read(report(status(f"{group}\n\n{group}"))).recipients) == 1


def test_where_the_field_names_a_file_the_words_name_the_recipient() -> None:
    fields = "Action: failed\nFinal-Recipient: rfc822;/mail/spool/bob\nStatus: 5.0.0"
    headers = (("X-Failed-Recipients", "bob@there.example"),)
    found = one(report(status(fields), headers=headers, text="  save to /mail/spool/bob\n    mailbox is full\n"))
    assert (found.address, found.reason) == ("bob@there.example", "mailbox_full")


def test_where_there_is_no_diagnostic_the_words_by_the_address_tell_why() -> None:
    fields = "Final-Recipient: rfc822; bob@there.example\nAction: failed\nStatus: 5.0.0"
    found = one(report(status(fields), text="Hello\n\nbob@there.example: Domain does not exist\n"))
    assert (found.reason, found.reply) == ("host_unknown", "Domain does not exist")


def test_a_status_that_is_a_code_tells_the_class() -> None:
    fields = "Final-Recipient: rfc822;bob@there.example\nAction: failure\nStatus: 553 message too large"
    found = one(report(status(fields)))
    assert (found.action, found.status, found.reason) == (Action.FAILED, "5.0.0", "too_large")


def test_a_reply_in_japanese_of_old_is_read() -> None:
    words = "ユーザー (bob@there.example) はディレクトリには見つかりません"
    fields = b"Final-Recipient: rfc822; bob@there.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: X-Notes; "
    part = ReportPart(content_type="message/delivery-status", content=fields + words.encode("iso2022_jp"))
    found = one(report(part))
    assert (found.reply, found.reason) == (words, "user_unknown")


def test_a_success_has_no_reason() -> None:
    found = one(report(status("Final-Recipient: rfc822; bob@there.example\nAction: delivered\nStatus: 2.0.0")))
    assert (found.reason, found.permanence) == ("", "none")


@pytest.mark.parametrize(
    ("action", "number", "permanence"),
    [("failed", "5.1.1", "permanent"), ("failed", "4.2.2", "transient"), ("delayed", "4.4.1", "transient")],
)
def test_permanence_is_the_class_of_the_status(action: str, number: str, permanence: str) -> None:
    fields = f"Final-Recipient: rfc822; bob@there.example\nAction: {action}\nStatus: {number}"
    assert one(report(status(fields))).permanence == permanence


def test_a_report_without_fields_whose_subject_tells_of_a_success_is_a_receipt() -> None:
    headers = (("Content-Type", "multipart/report; report-type=delivery-status"),)
    mail = report(subject="Delivery status notification (success)", headers=headers, text="Delivered.")
    assert read(mail).kind is ReportKind.RECEIPT
