"""What a mail is before anybody asks where it goes: seen before, a report, our own, an automatic reply."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.routing.deciding import decide
from postroom.core.routing.verdicts import (
    AppendToRecord,
    CreateRecord,
    Decision,
    Discard,
    Evidence,
    Facts,
    Hold,
    RecordReport,
)
from postroom.core.terms.states import Door
from tests.core.routing.people import (
    MARK,
    QUESTION,
    bounce_address,
    codes,
    delivery,
    evidence,
    facts,
    fetched,
    mail,
    reply_address,
)

DSN = b"Reporting-MTA: dns; mx.customer.example\r\n\r\nFinal-Recipient: rfc822; carla@customer.example\r\nAction: %s\r\nStatus: %s\r\n"
QUOTED = ReportPart(content_type="message/rfc822", content=b"Message-ID: <question@ours.example>\r\n\r\nHello")


def dsn(action: bytes = b"failed", status: bytes = b"5.1.1", **fields: object) -> ParsedMail:
    part = ReportPart(content_type="message/delivery-status", content=DSN % (action, status))
    given = {"report_parts": (part, QUOTED), "content_type": "multipart/report"} | fields
    return mail(author="Mail Delivery System <MAILER-DAEMON@customer.example>", **given)  # type: ignore[arg-type]


def only(seen: Evidence, known: Facts) -> Decision:
    (decision,) = decide(seen, known).decisions
    return decision


# --- seen before


def test_the_same_mail_for_the_same_recipients_is_discarded() -> None:
    """T-088."""
    decision = only(evidence(), facts(duplicate_of=12))
    assert isinstance(decision, Discard)
    assert decision.duplicate_of == 12
    assert "12" in str(decision.reasons[0])


def test_a_second_copy_goes_only_to_targets_that_have_not_got_it() -> None:
    """W-6: two mailboxes, one mail to two aliases, each copy naming both."""
    seen = fetched(to=["support@ours.example", "sales@ours.example"])
    first_half_done = facts(taken_aliases=frozenset({1}))
    decision = only(seen, first_half_done)
    assert isinstance(decision, CreateRecord)
    assert decision.kind == "lead"
    done = only(seen, facts(taken_aliases=frozenset({1, 2})))
    assert isinstance(done, Discard)
    assert codes(done) == ["seen.on_target"]


def test_a_second_copy_of_a_reply_is_not_posted_twice() -> None:
    seen = evidence(to=[reply_address(500)])
    known = facts(token_messages={500: QUESTION}, taken_records=frozenset({70}))
    assert isinstance(only(seen, known), Discard)


def test_the_stored_message_itself_tells_what_is_taken() -> None:
    stored = replace(QUESTION, identifier="<mail-1@customer.example>")
    assert isinstance(only(fetched(), facts(known_message=stored)), Discard)
    on_the_record = evidence(to=[reply_address(500)])
    assert isinstance(only(on_the_record, facts(token_messages={500: QUESTION}, known_message=stored)), Discard)
    elsewhere = replace(stored, record_id=71)
    assert isinstance(
        only(on_the_record, facts(token_messages={500: QUESTION}, known_message=elsewhere)), AppendToRecord
    )
    other_alias = replace(stored, record_alias_id=2, kind="lead")
    assert isinstance(only(fetched(), facts(known_message=other_alias)), CreateRecord)


def test_a_second_copy_makes_no_second_record_of_the_fallback_kind() -> None:
    seen = fetched(to=["whoever@ours.example"])
    first = replace(QUESTION, record_alias_id=None, kind="lead")
    fallback = facts(fallback_kind="lead", fallback_company_id=1)
    assert isinstance(only(seen, replace(fallback, known_message=first)), Discard)
    assert isinstance(only(seen, replace(fallback, known_message=replace(first, kind="ticket"))), CreateRecord)
    assert isinstance(only(seen, replace(fallback, known_message=replace(first, record_alias_id=1))), CreateRecord)


# --- our own


def test_a_mail_with_the_mark_of_this_installation_is_our_own() -> None:
    decision = only(evidence(headers=(("X-Postroom-Objects", f"{MARK} ticket-70"),)), facts())
    assert isinstance(decision, Discard)
    assert codes(decision) == ["own.marked"]


def test_the_mark_of_another_installation_is_not_ours() -> None:
    assert isinstance(
        only(evidence(headers=(("X-Postroom-Objects", "mark-of-them ticket-70"),)), facts()), CreateRecord
    )


def test_a_message_that_we_sent_and_that_comes_back_is_discarded() -> None:
    """I-72."""
    decision = only(evidence(), facts(known_message=QUESTION, known_message_is_ours=True))
    assert isinstance(decision, Discard)
    assert codes(decision) == ["own.message_id"]


def test_a_machine_that_answers_our_refusal_is_a_loop() -> None:
    """T-116, RFC 3834."""
    robot = evidence(
        in_reply_to=("<f00.notice.postroom@ours.example>",), headers=(("Auto-Submitted", "auto-generated"),)
    )
    assert isinstance(only(robot, facts()), Discard)


def test_a_person_who_answers_our_refusal_is_heard() -> None:
    """The refusal names the company's address: it may be an alias."""
    person = evidence(in_reply_to=("<f00.notice.postroom@ours.example>",))
    assert isinstance(only(person, facts()), CreateRecord)


# --- reports


def test_a_bounce_at_a_signed_return_path_is_booked_to_its_delivery() -> None:
    seen = evidence(dsn(), rcpt=[bounce_address(33)], mail_from="")
    assert seen.bounce_numbers == (33,)
    decision = only(seen, facts(deliveries=(delivery(33, "carla@customer.example", by_token=True),)))
    assert isinstance(decision, RecordReport)
    assert decision.delivery_ids == (33,)
    assert codes(decision) == ["report.bounce", "report.by_token"]
    assert decision.report.original_message_id == "<question@ours.example>"


def test_a_bounce_that_quotes_our_message_id_is_booked_to_the_recipient_it_names() -> None:
    """T-103, T-104."""
    known = facts(deliveries=(delivery(33, "carla@customer.example"), delivery(34, "dave@customer.example")))
    decision = only(fetched(dsn(to=["bounce@ours.example"])), known)
    assert isinstance(decision, RecordReport)
    assert decision.delivery_ids == (33,)
    stranger = only(fetched(dsn()), facts(deliveries=(delivery(34, "dave@customer.example"),)))
    assert isinstance(stranger, RecordReport)
    assert "carla@customer.example" in str(stranger.reasons[0])
    assert stranger.delivery_ids == ()
    assert codes(stranger) == ["report.bounce", "report.of_nothing"]


def test_a_signed_return_path_counts_for_more_than_a_quoted_message_id() -> None:
    known = facts(deliveries=(delivery(34, "carla@customer.example"), delivery(33, "x@y.example", by_token=True)))
    decision = only(evidence(dsn(), rcpt=[bounce_address(33)], mail_from=""), known)
    assert isinstance(decision, RecordReport)
    assert decision.delivery_ids == (33,)


def test_a_bounce_without_a_recipient_is_booked_where_there_was_but_one() -> None:
    """I-43, T-107."""
    silent = dsn(report_parts=(QUOTED,), content_params={"report-type": "delivery-status"}, text="")
    one, two = delivery(33, "carla@customer.example"), delivery(34, "dave@customer.example")
    decision = only(fetched(silent), facts(deliveries=(one,)))
    assert isinstance(decision, RecordReport)
    assert decision.delivery_ids == (33,)
    both = only(fetched(silent), facts(deliveries=(one, two)))
    assert isinstance(both, RecordReport)
    assert both.delivery_ids == ()


@pytest.mark.parametrize("door", [Door.SMTP, Door.IMAP])
def test_a_report_makes_no_record_whatever_alias_it_names(door: Door) -> None:
    """I-46, T-101."""
    assert isinstance(only(evidence(dsn(), door=door), facts()), RecordReport)


@pytest.mark.parametrize(
    ("action", "status", "code"), [(b"delayed", b"4.4.1", "report.delayed"), (b"delivered", b"2.0.0", "report.receipt")]
)
def test_delayed_and_delivered_are_told_apart_from_failed(action: bytes, status: bytes, code: str) -> None:
    assert codes(only(fetched(dsn(action, status)), facts()))[0] == code


def test_a_complaint_finds_its_delivery_by_the_return_path_it_quotes() -> None:
    fields = f"Feedback-Type: abuse\r\nVersion: 1\r\nOriginal-Mail-From: <{bounce_address(33)}>\r\n"
    part = ReportPart(content_type="message/feedback-report", content=fields.encode())
    seen = evidence(mail(author="fbl@provider.example", to=["abuse@ours.example"], report_parts=(part,)))
    assert seen.bounce_numbers == (33,)
    decision = only(seen, facts(deliveries=(delivery(33, "carla@customer.example", by_token=True),)))
    assert isinstance(decision, RecordReport)
    assert codes(decision) == ["report.complaint", "report.by_token"]


def test_a_plain_mail_to_a_bounce_address_makes_no_record() -> None:
    """T-100."""
    decision = only(evidence(to=["bounce@ours.example"]), facts())
    assert isinstance(decision, Discard)
    assert codes(decision) == ["bounce_address.plain"]


def test_an_alias_beside_the_bounce_address_makes_no_record_either() -> None:
    """T-070."""
    assert isinstance(only(evidence(to=["support@ours.example", "bounce@ours.example"]), facts()), Discard)


def test_the_bounce_address_in_cc_keeps_no_mail_from_its_alias() -> None:
    """W-9 done better."""
    assert isinstance(only(evidence(to=["support@ours.example"], cc=["bounce@ours.example"]), facts()), CreateRecord)


def test_the_bounce_address_in_cc_alone_makes_no_record() -> None:
    seen = evidence(to=["x@elsewhere.example"], cc=["bounce@ours.example"], rcpt=["bounce@ours.example"])
    assert codes(only(seen, facts())) == ["bounce_address.plain"]


def test_a_mail_at_a_signed_return_path_that_says_nothing_readable_is_held() -> None:
    decision = only(evidence(mail(subject="Hm", text="Hm"), rcpt=[bounce_address(33)], mail_from=""), facts())
    assert isinstance(decision, Hold)
    assert codes(decision) == ["report.unreadable"]


def test_a_mail_server_that_says_nothing_readable_makes_no_record() -> None:
    """T-101; held, where others let it vanish (W-9)."""
    decision = only(evidence(author="MAILER-DAEMON@customer.example", subject="Hello", text="It went wrong."), facts())
    assert isinstance(decision, Hold)
    assert codes(decision) == ["report.from_daemon"]


# --- automatic replies

VACATION: dict[str, Any] = {"headers": (("Auto-Submitted", "auto-replied (vacation)"),), "subject": "Out of office"}


def test_an_automatic_reply_is_kept_with_what_it_answers_and_notifies_nobody() -> None:
    seen = evidence(to=["support@ours.example"], in_reply_to=("<question@ours.example>",), **VACATION)
    decision = only(seen, facts(messages=(QUESTION,)))
    assert isinstance(decision, AppendToRecord)
    assert (decision.record_id, decision.parent_message_id, decision.notify) == (70, 500, False)


def test_an_automatic_reply_to_the_signed_return_path_answers_what_was_delivered() -> None:
    seen = evidence(mail(**VACATION), rcpt=[bounce_address(33)], mail_from="")
    known = facts(deliveries=(delivery(33, "carla@customer.example", by_token=True, message=QUESTION),))
    decision = only(seen, known)
    assert isinstance(decision, AppendToRecord)
    assert not decision.notify
    assert not decision.unverified


def test_a_delivery_that_is_merely_quoted_proves_nothing_to_an_automatic_reply() -> None:
    known = facts(deliveries=(delivery(33, "carla@customer.example", message=QUESTION),))
    assert isinstance(only(evidence(**VACATION), known), Discard)


@pytest.mark.parametrize(
    ("author", "unverified"), [("carla@customer.example", False), ("mallory@elsewhere.example", True)]
)
def test_an_automatic_reply_by_reference_is_as_unverified_as_any(author: str, unverified: bool) -> None:
    seen = evidence(author=author, in_reply_to=("<question@ours.example>",), **VACATION)
    decision = only(seen, facts(messages=(QUESTION,)))
    assert isinstance(decision, AppendToRecord)
    assert decision.unverified is unverified


def test_an_automatic_reply_creates_nothing() -> None:
    decision = only(evidence(**VACATION), facts())
    assert isinstance(decision, Discard)
    assert codes(decision) == ["auto_reply.of_nothing"]


def test_an_automatic_reply_to_the_signed_reply_address_finds_its_record() -> None:
    decision = only(evidence(to=[reply_address(500)], **VACATION), facts(token_messages={500: QUESTION}))
    assert isinstance(decision, AppendToRecord)
    assert not decision.notify
