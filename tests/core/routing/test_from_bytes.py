"""From the bytes on the wire to the decision: parser, evidence and table together."""

from __future__ import annotations

from postroom.core.mime.parsing import parse
from postroom.core.reports.delivery_reports import ReportKind
from postroom.core.routing.deciding import decide
from postroom.core.routing.evidence import collect
from postroom.core.routing.verdicts import (
    AppendToRecord,
    CreateRecord,
    Decision,
    Discard,
    Evidence,
    Facts,
    RecordReport,
)
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Blame, Door
from tests.core.routing.people import KEYS, MARK, QUESTION, bounce_address, delivery, facts, reply_address


def arrived(text: str, *, rcpt: str = "", mail_from: str = "carla@customer.example") -> Evidence:
    """At SMTP when there is a recipient, else fetched. Lines may be indented for the eye."""
    raw = "\r\n".join(line[8:] if line.startswith(" " * 8) else line for line in text.lstrip("\n").split("\n")).encode()
    envelope = Envelope(mail_from=mail_from, rcpt_to=(rcpt,)) if rcpt else None
    door = Door.SMTP if rcpt else Door.IMAP
    return collect(parse(raw), envelope, door, keys=KEYS, size=len(raw), content_digest="0" * 64, our_mark=MARK)


def only(seen: Evidence, known: Facts) -> Decision:
    (decision,) = decide(seen, known).decisions
    return decision


def dsn(content_type: str = 'multipart/report; report-type=delivery-status; boundary="b"') -> str:
    return f"""
        Return-Path: <>
        From: Mail Delivery System <MAILER-DAEMON@mx.customer.example>
        To: {bounce_address(33)}
        Subject: Undelivered Mail Returned to Sender
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: {content_type}

        --b
        Content-Type: text/plain; charset=us-ascii

        This is the mail system at mx.customer.example. Sorry.
        --b
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.customer.example

        Final-Recipient: rfc822; carla@customer.example
        Action: failed
        Status: 5.1.1
        Diagnostic-Code: smtp; 550 5.1.1 <carla@customer.example>: Recipient
         address rejected: User unknown

        Final-Recipient: rfc822; dave@customer.example
        Action: delayed
        Status: 4.2.2

        --b
        Content-Type: text/rfc822-headers
        Content-Transfer-Encoding: quoted-printable

        Message-ID: <question=40ours.example>
        Subject: The printer burns
        --b--
        """


def test_a_bounce_through_the_front_door_is_booked() -> None:
    seen = arrived(dsn(), rcpt=bounce_address(33), mail_from="")
    decision = only(seen, facts(deliveries=(delivery(33, "carla@customer.example", by_token=True),)))
    assert isinstance(decision, RecordReport)
    assert decision.delivery_ids == (33,)
    carla, dave = decision.report.recipients
    assert (carla.address, carla.status, carla.blame) == ("carla@customer.example", "5.1.1", Blame.ADDRESS)
    assert carla.reply == "550 5.1.1 <carla@customer.example>: Recipient address rejected: User unknown"
    assert (dave.address, dave.action.value) == ("dave@customer.example", "delayed")
    assert decision.report.original_message_id == "<question@ours.example>"
    assert decision.report.text == "This is the mail system at mx.customer.example. Sorry."


def test_a_bounce_with_a_broken_content_type_is_still_a_bounce() -> None:
    """T-106."""
    seen = arrived(dsn("multipart/report:; report-type=delivery-status; boundary=b"))
    assert seen.report is not None
    assert seen.report.kind is ReportKind.BOUNCE
    assert isinstance(only(seen, facts()), RecordReport)


def test_a_vacation_reply_is_kept_with_the_question() -> None:
    seen = arrived(
        f"""
        From: =?utf-8?q?K=C3=A4the?= <carla@customer.example>
        To: {reply_address(500)}
        Subject: =?utf-8?q?Automatische_Antwort=3A_Drucker?=
        Auto-Submitted: auto-replied
        In-Reply-To: <question@ours.example>
        Message-ID: <v@customer.example>

        Ich bin bis Montag nicht da.
        """,
        rcpt=reply_address(500),
        mail_from="",
    )
    decision = only(seen, facts(token_messages={500: QUESTION}))
    assert isinstance(decision, AppendToRecord)
    assert not decision.notify


def test_a_reply_from_a_mailbox_finds_its_record_by_folded_references() -> None:
    seen = arrived(
        """
        Delivered-To: inbox@ours.example
        From: Customer Carla <carla@customer.example>
        To: Someone <someone@ours.example>
        Subject: Re: The printer burns
        References: <a@x.example>
         <question@ours.example>
        Message-ID: <r@customer.example>

        It still burns.

        > Is it out?
        """
    )
    decision = only(seen, facts(messages=(QUESTION,)))
    assert isinstance(decision, AppendToRecord)
    assert not decision.unverified
    assert seen.subject_is_reply


def test_a_new_mail_makes_a_ticket_and_its_echo_none() -> None:
    new = """
        From: Customer Carla <carla@customer.example>
        To: =?utf-8?q?Support?= <SUPPORT@ours.example>
        Subject: The printer burns
        Message-ID: <n@customer.example>
        %s
        Please come.
        """
    assert isinstance(only(arrived(new % ""), facts()), CreateRecord)
    assert isinstance(only(arrived(new % f"X-Postroom-Objects: {MARK} ticket-70\n"), facts()), Discard)


def test_bytes_that_are_no_mail_are_held_by_nobody_and_not_lost() -> None:
    for raw in (b"", b"\x00\xff" * 100, b"\r\n\r\n", b"From: \xff@\xfe\nTo: <", b"Content-Type: multipart/report"):
        seen = collect(parse(raw), None, Door.IMAP, keys=KEYS, size=len(raw), content_digest="", our_mark=MARK)
        assert decide(seen, facts()).decisions
