"""Failure notices in plain words, and all that must not be taken for one."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportKind
from postroom.core.reports.reading import read_report
from postroom.core.terms.states import Blame
from tests.core.reports.mails import DAEMON, QUOTED, notice, report


def read(mail: ParsedMail) -> DeliveryReport:
    found = read_report(mail)
    assert found is not None
    return found


def told(mail: ParsedMail) -> list[tuple[str, str, str]]:
    return [(one.address, one.status, one.blame.value) for one in read(mail).recipients]


ADDRESS_THEN_REPLY = """\
Hello. This is the mail program at mx.example. I was not able to deliver your message
to the following addresses. This is a permanent error; I gave up.

<bob@there.example>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 <bob@there.example>... User unknown
Giving up on 192.0.2.1.

<charlie@there.example>:
Remote host said: 552 5.2.2 Mailbox full

--- Below this line is a copy of the message.

Return-Path: <bounce+token@ours.example>
Message-ID: <our-9@ours.example>
From: alice@ours.example
To: <zoe@there.example>
"""


def test_addresses_on_lines_of_their_own_are_read_with_the_words_below_them() -> None:
    found = read(notice(ADDRESS_THEN_REPLY, subject="failure notice"))
    assert found.kind is ReportKind.BOUNCE
    assert [(one.address, one.status, one.blame) for one in found.recipients] == [
        ("bob@there.example", "5.1.1", Blame.ADDRESS),
        ("charlie@there.example", "5.2.2", Blame.MAILBOX),
    ]
    assert "does not like" in found.recipients[0].reply
    assert found.original_message_id == "<our-9@ours.example>"
    assert found.original_mail_from == "bounce+token@ours.example"
    assert "Below this line" not in found.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Could not deliver to:\n\n  bob@there.example\n    host mx: 550 5.7.1 blocked using dnsbl.example\n",
            ("5.7.1", "policy"),
        ),
        ("These failed:\n\n * bob@there.example\n\nSMTP: 550 no such user\n", ("5.0.0", "address")),
        ("bob@there.example: Name or service: host not found, try again. Undeliverable\n", ("5.0.0", "network")),
        ('Undeliverable:\n"bob@there.example":\n5.2.2 Mailbox Full\n', ("5.2.2", "mailbox")),
        (
            "There was an error delivering your mail to <bob@there.example>.\n\n554 5.7.9 SPF check failed",
            ("5.7.9", "sender"),
        ),
        ("Your message to bob@there.example could not be delivered: quota exceeded.", ("5.0.0", "mailbox")),
        (
            "The following recipient could not be reached:\n   Recipient: [SMTP:bob@there.example]\n   Reason: unknown",
            ("5.0.0", "server"),
        ),
        (
            "Could not be delivered.\nsent: RCPT TO:<bob@there.example>\nreceived: 550 5.1.1 unknown user",
            ("5.1.1", "address"),
        ),
        ("Undeliverable.\n550 5.1.1 <bob@there.example>... User unknown", ("5.1.1", "address")),
        (
            "Not delivered:\nFinal-Recipient: rfc822; bob@there.example\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 full\n",
            ("5.2.2", "mailbox"),
        ),
        ("User Bob (bob@there.example) not listed in the Directory. Delivery failed.", ("5.0.0", "address")),
    ],
)
def test_a_notice_may_name_the_recipient_in_many_places(text: str, expected: tuple[str, str]) -> None:
    assert told(notice(text)) == [("bob@there.example", *expected)]


def test_a_header_may_name_the_failed_recipients() -> None:
    headers = (("X-Failed-Recipients", "bob@there.example, charlie@there.example"),)
    text = "The following addresses failed:\n\n  bob@there.example\n    550 5.1.1 unknown user\n"
    assert [one[0] for one in told(notice(text, headers=headers))] == ["bob@there.example", "charlie@there.example"]


def test_an_expanded_address_is_told_by_what_we_wrote_to() -> None:
    text = "Could not be delivered:\n\n  robert@elsewhere.example\n    (generated from bob@there.example)\n    550 5.1.1 unknown user\n"
    (recipient,) = read(notice(text)).recipients
    assert (recipient.address, recipient.final_address) == ("bob@there.example", "robert@elsewhere.example")


def test_a_notice_that_names_nobody_speaks_of_whom_the_quoted_mail_was_for() -> None:
    quoted = ReportPart(
        content_type="message/rfc822", content=b"To: Bob <bob@there.example>\nMessage-ID: <our-1@ours.example>\n\n"
    )
    mail = report(
        quoted, text="The group you wrote to does not exist.", subject="Delivery Status Notification (Failure)"
    )
    assert told(mail)[0][0] == "bob@there.example"


def test_whom_the_notice_is_written_to_has_not_failed() -> None:
    text = "Your mail could not be delivered.\n\nalice@ours.example: you wrote to\nbob@there.example: no such user\n"
    assert [one[0] for one in told(notice(text))] == ["bob@there.example"]


def test_html_is_read_where_there_is_no_text() -> None:
    html = "<html><style>p{}</style><p>Could not be delivered:</p><p>&lt;bob@there.example&gt;: 550 5.1.1 unknown user</p></html>"
    assert told(report(text="", html=html)) == [("bob@there.example", "5.1.1", "address")]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Delayed Mail (still being retried)", "bob@there.example: connection timed out"),
        (
            "Delivery Status Notification",
            "THIS IS A WARNING MESSAGE ONLY. Delivery has been delayed:\n\n  bob@there.example\n",
        ),
        (
            "Mail delivery",
            "Your message to:\n  bob@there.example\nhas not yet been delivered. We will continue to attempt delivery.",
        ),
    ],
)
def test_a_warning_is_a_delay_and_no_bounce(subject: str, text: str) -> None:
    found = read(notice(text, subject=subject))
    assert found.kind is ReportKind.DELAYED
    assert [one.action for one in found.recipients] == [Action.DELAYED]


def test_a_null_reverse_path_in_the_envelope_is_a_sign_too() -> None:
    text = "could not be delivered:\nbob@there.example: 552 5.2.2 full"
    mail = notice(text, author="gateway@mx.example", subject="Your mail", return_path=None)
    assert read_report(mail) is None
    assert read_report(mail, has_null_reverse_path=True) is not None


PERSON: dict[str, Any] = {"author": "Carla <carla@customer.example>", "return_path": "carla@customer.example"}


@pytest.mark.parametrize(
    "mail",
    [
        notice(ADDRESS_THEN_REPLY, subject="Fwd: failure notice", **PERSON),
        notice(
            "My mail to bob@there.example could not be delivered: 550 5.1.1 user unknown. Why?",
            subject="Undeliverable",
            **PERSON,
        ),
        report(QUOTED, text="See the attached bounce.", subject="Fwd: Undelivered Mail", **PERSON),
        notice(
            "Please write to support@mx.example.",
            author="postmaster@mx.example",
            subject="New address",
            return_path="postmaster@mx.example",
        ),
        notice(
            "Your mail to bob@there.example could not be delivered?",
            author="postmaster@mx.example",
            subject="Hello",
            return_path="postmaster@mx.example",
        ),
        notice(
            "I am out of office. In urgent cases: bob@there.example",
            author="carla@customer.example",
            subject="Out of office",
        ),
        notice(
            "I left the company. Your mail could not be delivered to bob@there.example? Ask charlie@there.example.",
            author="carla@customer.example",
            subject="Automatic reply: Offer",
        ),
        notice(
            "We got your order 550. Questions: shop@there.example", author="shop@there.example", subject="Your order"
        ),
        notice("Please send a warning to the postmaster.", subject="Hello"),
        notice("", subject="Undelivered Mail Returned to Sender"),
    ],
)
def test_people_and_other_machines_write_no_notices(mail: ParsedMail) -> None:
    assert read_report(mail) is None


@pytest.mark.parametrize(
    "seed", ["a@", "<a@b ", "\n>", "rcpt to: ", "<style", "user (", "undeliverable ", "550 5.1.1 ", "<<"]
)
def test_long_nonsense_is_read_in_no_time(seed: str) -> None:
    """Bounded work: whatever a peer writes, an answer comes (the time-out of the test run is the proof)."""
    text = "Delivery failed " + seed * 20_000
    for mail in (notice(text), report(text="", html=text)):
        read_report(mail)


def test_a_daemon_may_call_itself_so_in_its_name_alone() -> None:
    mail = notice(
        "<bob@there.example>: mailbox full", author="Mail Delivery Subsystem <robot@mx.example>", return_path=None
    )
    assert told(mail)[0][0] == "bob@there.example"
    assert DAEMON.startswith("Mail Delivery System")


def person(text: str, subject: str, **fields: Any) -> ParsedMail:
    return notice(
        text, **{"author": "bob@there.example", "subject": subject, "return_path": "bob@there.example"} | fields
    )


@pytest.mark.parametrize(
    ("text", "subject", "fields"),
    [
        (
            "My mail to you came back:\n\n<help@ours.example>: 550 5.1.1 user unknown\n",
            "Fwd: Undelivered Mail Returned to Sender",
            {},
        ),
        ("Could not be delivered to\ncharlie@there.example", "Undelivered parcel", {}),
        (
            "Could not be delivered to\ncharlie@there.example",
            "Re: Undelivered Mail",
            {"author": "noreply@shop.example"},
        ),
        ("Your order was shipped.\ncharlie@there.example", "Delivery report", {"author": "noreply@shop.example"}),
        (
            "Please write to\npostmaster@there.example\nabout the failure.",
            "Delivery",
            {"author": "The post <post@there.example>"},
        ),
        ("Our rule: 550 5.1.1 <charlie@there.example> is refused.", "Question", {"author": "postmaster@there.example"}),
    ],
)
def test_a_person_or_a_shop_is_no_mail_server(text: str, subject: str, fields: dict[str, Any]) -> None:
    assert read_report(person(text, subject, **fields)) is None


def test_whoever_writes_to_a_return_path_is_a_machine() -> None:
    text = "Your message could not be delivered to\ncharlie@there.example\n"
    subject = "RE: Hello : non remis"
    assert read_report(person(text, subject)) is None
    (one,) = read(person(text, subject, to="list-bounces@ours.example")).recipients
    assert one.address == "charlie@there.example"


def test_who_writes_to_himself_may_fail_too() -> None:
    text = "These addresses failed:\n\nalice@ours.example:\n550 5.2.2 mailbox full\n"
    assert told(notice(text)) == [("alice@ours.example", "5.2.2", "mailbox")]


def test_words_that_go_on_below_an_address_belong_to_it() -> None:
    text = "Not delivered:\n\n<bob@there.example>: host mx said: 550\n    <bob@there.example>: User unknown\n    <postmaster@there.example> helps\n"
    assert told(notice(text)) == [("bob@there.example", "5.0.0", "address")]


def test_the_reason_may_stand_before_the_addresses() -> None:
    text = "Could not be delivered because of\n\n552 5.2.2 mailbox full\n\nThe following were affected:\n  bob@there.example\n  charlie@there.example\n"
    assert told(notice(text)) == [
        ("bob@there.example", "5.2.2", "mailbox"),
        ("charlie@there.example", "5.2.2", "mailbox"),
    ]


def test_a_certain_notice_that_names_nobody_is_still_a_bounce() -> None:
    """A signed return path tells the delivery."""
    found = read(
        report(QUOTED, text="The following mail could not be delivered.", author="gateway@mx.example", return_path=None)
    )
    assert (found.kind, found.recipients) == (ReportKind.BOUNCE, ())
    assert found.original_mail_from == "bounce+token@ours.example"


def test_nothing_more_will_be_tried_means_failed() -> None:
    text = "Unable to deliver message to: <bob@there.example>\nNo further delivery attempts will be made.\n"
    assert read(notice(text)).kind is ReportKind.BOUNCE


def test_where_words_and_header_name_different_recipients_the_reason_stands_by_the_right_one() -> None:
    text = "These failed:\n\n  bob@there.example\n    550 5.1.1 unknown user\n"
    headers = (("X-Failed-Recipients", "bob@elsewhere.example"),)
    assert told(notice(text, headers=headers)) == [("bob@there.example", "5.1.1", "address")]
