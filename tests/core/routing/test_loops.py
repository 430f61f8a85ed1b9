"""The breaker holds the mail too many; what makes mails nearly the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.core.mime.parsed import Attachment, ParsedMail
from postroom.core.routing.deciding import decide
from postroom.core.routing.likeness import is_same
from postroom.core.routing.loops import normal_text_digest
from postroom.core.routing.verdicts import (
    AppendToRecord,
    CreateRecord,
    Decision,
    Evidence,
    Facts,
    Hold,
    Refuse,
)
from postroom.core.terms.states import AliasPolicy
from tests.core.routing.people import QUESTION, SALES, SUPPORT, codes, evidence, facts, fetched, mail, reply_address


def only(seen: Evidence, known: Facts) -> Decision:
    (decision,) = decide(seen, known).decisions
    return decision


@pytest.mark.parametrize(("before", "kind"), [(4, CreateRecord), (5, Hold), (6, Hold)])
def test_the_record_too_many_from_one_author_is_held(before: int, kind: type) -> None:
    """T-115, T-116: a limit of 5."""
    decision = only(evidence(), facts(aliases=(replace(SUPPORT, recent_creations=before),), loop_threshold=5))
    assert isinstance(decision, kind)
    if kind is Hold:
        assert codes(decision)[-1] == "loop.alias_author"
        assert "carla@customer.example" in str(decision.reasons[-1])


def test_a_held_mail_without_a_from_is_told_by_its_reverse_path() -> None:
    seen = evidence(author="", mail_from="robot@customer.example")
    held = only(seen, facts(aliases=(replace(SUPPORT, recent_creations=20),)))
    assert "robot@customer.example" in str(held.reasons[-1])


def test_an_author_on_the_allow_list_is_exempt() -> None:
    """T-118."""
    busy = replace(SUPPORT, recent_creations=10, recent_creations_all=10, similar_creations=10)
    assert isinstance(only(evidence(), facts(aliases=(busy,), loop_threshold=5, loop_exempt=True)), CreateRecord)


def test_the_wide_cap_of_an_alias_is_five_times_the_threshold_and_exempts_nobody() -> None:
    def through(count: int) -> Decision:
        alias = replace(SUPPORT, recent_creations_all=count)
        return only(evidence(), facts(aliases=(alias,), loop_threshold=20, loop_exempt=True))

    assert isinstance(through(99), CreateRecord)
    assert codes(through(100))[-1] == "loop.alias_all"


def test_replies_are_counted_per_record() -> None:
    """W-11."""
    seen = evidence(to=[reply_address(500)])
    quiet, busy = replace(QUESTION, recent_replies=19), replace(QUESTION, recent_replies=20)
    assert isinstance(only(seen, facts(token_messages={500: quiet})), AppendToRecord)
    held = only(seen, facts(token_messages={500: busy}))
    assert isinstance(held, Hold)
    assert codes(held)[-1] == "loop.replies"


def test_replies_to_a_busy_alias_are_not_creations() -> None:
    seen = evidence(to=["support@ours.example"], in_reply_to=("<question@ours.example>",))
    known = facts(aliases=(replace(SUPPORT, recent_creations=50),), messages=(QUESTION,))
    assert isinstance(only(seen, known), AppendToRecord)


def test_mails_on_a_forced_record_are_counted_by_its_alias() -> None:
    alias = replace(SUPPORT, forced_record_id=70, recent_creations=20)
    assert isinstance(only(evidence(), facts(aliases=(alias,))), Hold)


@pytest.mark.parametrize(("similar", "kind"), [(4, AppendToRecord), (5, Hold)])
def test_nearly_the_same_words_trip_after_five(similar: int, kind: type) -> None:
    seen = evidence(to=[reply_address(500)])
    assert isinstance(only(seen, facts(token_messages={500: replace(QUESTION, similar_replies=similar)})), kind)
    created = only(evidence(), facts(aliases=(replace(SUPPORT, similar_creations=similar),)))
    assert isinstance(created, Hold) is (kind is Hold)


def test_the_fallback_kind_is_counted_too() -> None:
    known = facts(fallback_kind="lead", fallback_company_id=1, fallback_recent=20)
    held = only(fetched(to=["nobody@ours.example"]), known)
    assert isinstance(held, Hold)
    assert codes(held)[-1] == "loop.fallback"


def test_the_breaker_holds_one_target_and_lets_the_other_pass() -> None:
    seen = evidence(to=["support@ours.example", "sales@ours.example"])
    held, record = decide(seen, facts(aliases=(replace(SUPPORT, recent_creations=20), SALES))).decisions
    assert isinstance(held, Hold)
    assert isinstance(record, CreateRecord)


def test_a_threshold_of_zero_switches_the_breaker_off() -> None:
    busy = replace(SUPPORT, recent_creations=1_000, recent_creations_all=1_000, similar_creations=1_000)
    assert isinstance(only(evidence(), facts(aliases=(busy,), loop_threshold=0)), CreateRecord)


def test_a_refusal_stays_a_refusal() -> None:
    busy = replace(SUPPORT, policy=AliasPolicy.COLLEAGUES, recent_creations=1_000)
    assert isinstance(only(evidence(), facts(aliases=(busy,))), Refuse)


# --- nearly the same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (mail(subject="Printer"), mail(subject="Re: AW: printer")),
        (mail(text="Please   come.\r\n"), mail(text="please come.")),
        (mail(text="", html="<p>Please <b>come</b>.</p>"), mail(text="", html="<div>Please<br>come.</div>")),
        (mail(message_id="<a@b.example>"), mail(message_id="<c@d.example>")),
        (
            mail(text="New words\n> old", reply_text="New words"),
            mail(text="New words\n> older", reply_text="New words"),
        ),
    ],
)
def test_mails_that_say_the_same_have_one_digest(one: ParsedMail, other: ParsedMail) -> None:
    assert is_same(normal_text_digest(one), normal_text_digest(other))


def scan(sha256: str) -> ParsedMail:
    return mail(
        subject="Scan",
        text="",
        attachments=(Attachment(name="scan.pdf", content_type="application/pdf", content=b"", sha256=sha256),),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (mail(text="Order 1001"), mail(text="Order 1002")),
        (mail(subject="Printer"), mail(subject="Scanner")),
        (scan("a" * 64), scan("b" * 64)),
    ],
    ids=["orders", "subjects", "scans"],
)
def test_mails_that_differ_have_different_digests(one: ParsedMail, other: ParsedMail) -> None:
    assert not is_same(normal_text_digest(one), normal_text_digest(other))
