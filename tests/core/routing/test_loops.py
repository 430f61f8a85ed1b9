"""The breaker holds the mail too many; what makes mails nearly the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.core.mime.parsed import Attachment, ParsedMail
from postroom.core.routing.deciding import decide
from postroom.core.routing.likeness import is_same
from postroom.core.routing.loops import is_allowed, normal_text_digest, text_digest
from postroom.core.routing.verdicts import (
    AppendToRecord,
    CreateRecord,
    Decision,
    Discard,
    Evidence,
    Facts,
    Hold,
    LoopSigns,
    Refuse,
    Said,
)
from postroom.core.terms.states import AliasPolicy
from tests.core.routing.people import QUESTION, SUPPORT, codes, evidence, facts, fetched, mail, reply_address


def only(seen: Evidence, known: Facts) -> Decision:
    (decision,) = decide(seen, known).decisions
    return decision


WORDS = "apple river stone cloud house green table window garden bridge paper silver orange winter candle".split()


def different(number: int) -> str:
    """Words as different as people's."""
    return f"{WORDS[number % 15]} {WORDS[number * 4 % 15]} {WORDS[number * 7 % 15]} {WORDS[number // 15 % 15]}"


def several(count: int, *, same: bool = False, author: str = "carla@customer.example") -> tuple[Said, ...]:
    """Mails within the window; ``same``: in the words of `mail`."""
    texts = ("Please come." if same else different(n) for n in range(count))
    return tuple(Said(author=author, digest=text_digest("The printer burns", text), came_in=True) for text in texts)


def made(count: int, *, same: bool = False, author: str = "carla@customer.example") -> LoopSigns:
    """So many records of this author through the first alias."""
    return LoopSigns(through_aliases={1: several(count, same=same, author=author)})


def wrote(count: int, *, same: bool = False) -> LoopSigns:
    """So many mails of Carla's on the record of `QUESTION`."""
    return LoopSigns(on_records={70: several(count, same=same)})


@pytest.mark.parametrize(("before", "kind"), [(4, CreateRecord), (5, Hold), (6, Hold)])
def test_the_record_too_many_from_one_author_is_held(before: int, kind: type) -> None:
    """T-115, T-116: a limit of 5."""
    decision = only(evidence(), facts(signs=made(before), loop_threshold=5))
    assert isinstance(decision, kind)
    if kind is Hold:
        assert codes(decision)[-1] == "loop.alias_author"
        assert "carla@customer.example" in str(decision.reasons[-1])


def test_a_held_mail_without_a_from_is_told_by_its_reverse_path() -> None:
    seen = evidence(author="", mail_from="robot@customer.example")
    held = only(seen, facts(signs=made(20, author="robot@customer.example")))
    assert "robot@customer.example" in str(held.reasons[-1])


def test_an_author_on_the_allow_list_is_exempt() -> None:
    """T-118."""
    busy = facts(aliases=(replace(SUPPORT, recent_creations_all=10),), signs=made(10, same=True), loop_threshold=5)
    assert isinstance(only(evidence(), replace(busy, loop_exempt=True)), CreateRecord)
    assert isinstance(only(evidence(), busy), Hold)


def test_the_wide_cap_of_an_alias_is_five_times_the_threshold_and_exempts_nobody() -> None:
    def through(count: int) -> Decision:
        alias = replace(SUPPORT, recent_creations_all=count)
        return only(evidence(), facts(aliases=(alias,), loop_threshold=20, loop_exempt=True))

    assert isinstance(through(99), CreateRecord)
    assert codes(through(100))[-1] == "loop.alias_all"


def test_replies_are_counted_per_record() -> None:
    """W-11."""
    seen = evidence(to=[reply_address(500)])
    assert isinstance(only(seen, facts(token_messages={500: QUESTION}, signs=wrote(39))), AppendToRecord)
    held = only(seen, facts(token_messages={500: QUESTION}, signs=wrote(40)))
    assert isinstance(held, Hold)
    assert codes(held)[-1] == "loop.replies"


def test_replies_to_a_busy_alias_are_not_creations() -> None:
    seen = evidence(to=["support@ours.example"], in_reply_to=("<question@ours.example>",))
    known = facts(messages=(QUESTION,), signs=made(50))
    assert isinstance(only(seen, known), AppendToRecord)


def test_mails_on_a_forced_record_are_counted_by_its_alias() -> None:
    alias = replace(SUPPORT, forced_record_id=70)
    assert isinstance(only(evidence(), facts(aliases=(alias,), signs=made(20))), Hold)


@pytest.mark.parametrize(("similar", "kind"), [(4, AppendToRecord), (5, Hold)])
def test_nearly_the_same_words_trip_after_five(similar: int, kind: type) -> None:
    seen = evidence(to=[reply_address(500)])
    known = facts(token_messages={500: QUESTION}, signs=wrote(similar, same=True))
    assert isinstance(only(seen, known), kind)
    created = only(evidence(), facts(signs=made(similar, same=True)))
    assert isinstance(created, Hold) is (kind is Hold)


def test_the_fallback_kind_is_counted_too() -> None:
    known = facts(fallback_kind="lead", fallback_company_id=1, fallback_recent=20)
    held = only(fetched(to=["nobody@ours.example"]), known)
    assert isinstance(held, Hold)
    assert codes(held)[-1] == "loop.fallback"


def test_the_breaker_holds_one_target_and_lets_the_other_pass() -> None:
    seen = evidence(to=["support@ours.example", "sales@ours.example"])
    held, record = decide(seen, facts(signs=made(20))).decisions
    assert isinstance(held, Hold)
    assert isinstance(record, CreateRecord)


def test_a_threshold_of_zero_switches_the_breaker_off() -> None:
    busy = facts(
        aliases=(replace(SUPPORT, recent_creations_all=1_000),), signs=made(1_000, same=True), loop_threshold=0
    )
    assert isinstance(only(evidence(), busy), CreateRecord)


def test_a_refusal_stays_a_refusal() -> None:
    closed = replace(SUPPORT, policy=AliasPolicy.COLLEAGUES)
    assert isinstance(only(evidence(), facts(aliases=(closed,), signs=made(1_000))), Refuse)


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


# --- rounds, streams, echoes

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LONG = "Thank you for your mail, your request was received and has the number {}. We answer within two working days."


def said(author: str, text: str, minute: float, *, came_in: bool = True) -> Said:
    return Said(
        author=author,
        digest=text_digest("Re: anything", text),
        came_in=came_in,
        at=NOON + timedelta(minutes=minute),
    )


def dialogue(
    text: str, rounds: int, *, pause: float = 0.2, spacing: float = 1, other_came_in: bool = True
) -> list[Said]:
    """So many mails of the robot's, each followed by one of somebody else's."""
    found = []
    for number in range(rounds):
        found.append(said("carla@customer.example", text.format(number), number * spacing))
        found.append(
            said(
                "bob@ours.example",
                f"Bob's number {number}: {number}",
                (number + 1) * spacing - pause,
                came_in=other_came_in,
            )
        )
    return found


def answer_on(day: list[Said], text: str, *, minute: float, **more: Any) -> Decision:
    seen = evidence(to=[reply_address(500)], text=text, **more)
    signs = LoopSigns(
        on_records={70: tuple(day)}, since=NOON - timedelta(hours=2), now=NOON + timedelta(minutes=minute)
    )
    return only(seen, facts(token_messages={500: QUESTION}, signs=signs))


@pytest.mark.parametrize(("rounds", "kind"), [(3, AppendToRecord), (4, Hold)])
def test_the_fifth_answer_in_nearly_the_same_words_is_held(rounds: int, kind: type) -> None:
    decision = answer_on(dialogue(LONG, rounds), LONG.format(99), minute=rounds)
    assert isinstance(decision, kind)
    if isinstance(decision, Hold):
        assert codes(decision)[-1] == "loop.rounds"
        assert (decision.breaker, decision.author) == ("record:70", "carla@customer.example")


def test_answers_to_what_a_person_wrote_on_the_page_are_no_rounds() -> None:
    """A customer's robot says "received" to each of Alice's mails: she is not a loop."""
    day = dialogue(LONG, 4, other_came_in=False)
    assert isinstance(answer_on(day, LONG.format(99), minute=5), AppendToRecord)


@pytest.mark.parametrize(("pause", "kind"), [(0.5, Hold), (1.5, AppendToRecord)])
def test_short_words_are_a_loop_only_when_they_come_at_once(pause: float, kind: type) -> None:
    day = dialogue("ok", 4, pause=pause, spacing=3)
    assert isinstance(answer_on(day, "ok", minute=12), kind)


def test_a_stream_of_alerts_on_one_record_has_the_whole_threshold() -> None:
    forced = replace(SUPPORT, forced_record_id=70)
    day = tuple(said("carla@customer.example", LONG.format(n), n) for n in range(19))
    signs = LoopSigns(on_records={70: day}, since=NOON, now=NOON + timedelta(minutes=20))
    known = facts(aliases=(forced,), signs=signs)
    assert isinstance(only(evidence(text=LONG.format(50)), known), AppendToRecord)
    more = replace(signs, on_records={70: (*day, said("carla@customer.example", LONG.format(19), 19))})
    assert codes(only(evidence(text=LONG.format(50)), facts(aliases=(forced,), signs=more)))[-1] == "loop.replies"


def test_in_a_conversation_nearly_the_same_words_trip_after_five_without_any_answer() -> None:
    day = [said("carla@customer.example", LONG.format(n), n) for n in range(5)]
    assert codes(answer_on(day, LONG.format(7), minute=6))[-1] == "loop.similar"
    assert isinstance(answer_on(day[:4], LONG.format(7), minute=6), AppendToRecord)
    automatic = answer_on(day, LONG.format(7), minute=6, headers=(("Auto-Submitted", "auto-generated"),))
    assert isinstance(automatic, AppendToRecord), "marked alerts are never answered"


def test_words_of_ours_that_come_back_are_held_the_third_time() -> None:
    ours = said("alice@ours.example", LONG.format(1), 0, came_in=False)
    echoes = [said("carla@customer.example", LONG.format(1), n) for n in (1, 2)]
    assert isinstance(answer_on([ours, echoes[0]], LONG.format(1), minute=3), AppendToRecord)
    assert codes(answer_on([ours, *echoes], LONG.format(1), minute=3))[-1] == "loop.echo"


@pytest.mark.parametrize(("count", "kind"), [(39, AppendToRecord), (40, Hold)])
def test_replies_that_differ_as_peoples_do_have_twice_the_threshold(count: int, kind: type) -> None:
    day = [said("carla@customer.example", different(n), n) for n in range(count)]
    assert isinstance(answer_on(day, "something else entirely was meant by me", minute=count), kind)


def test_a_record_takes_five_thresholds_from_all_together() -> None:
    day = [said(f"person{n}@many.example", f"Person {n} says {n}", n / 10) for n in range(100)]
    held = answer_on(day, "me too", minute=20)
    assert isinstance(held, Hold)
    assert (codes(held)[-1], held.author) == ("loop.record_all", "")


def test_creations_after_our_automatic_mail_are_rounds_and_unasked_ones_a_stream() -> None:
    made = tuple(said("carla@customer.example", LONG.format(n), n) for n in range(4))
    signs = LoopSigns(through_aliases={1: made}, since=NOON, now=NOON + timedelta(minutes=5))
    asked = replace(signs, written_to=tuple(NOON + timedelta(minutes=n, seconds=2) for n in range(4)))
    seen = evidence(text=LONG.format(7))
    assert isinstance(only(seen, facts(signs=signs)), CreateRecord)
    assert codes(only(seen, facts(signs=asked)))[-1] == "loop.rounds"
    other = evidence(text="I have a new question: does the red one come in blue?")
    assert isinstance(only(other, facts(signs=asked)), CreateRecord)


@pytest.mark.parametrize(("before", "kind"), [(3, Refuse), (4, Hold)])
def test_who_is_refused_again_and_again_is_held(before: int, kind: type) -> None:
    closed = replace(SUPPORT, policy=AliasPolicy.COLLEAGUES)
    known = facts(aliases=(closed,), signs=LoopSigns(refused={"policy": before}))
    assert isinstance(only(evidence(), known), kind)


def test_who_cannot_be_answered_is_refused_for_ever() -> None:
    closed = replace(SUPPORT, policy=AliasPolicy.COLLEAGUES)
    seen = evidence(headers=(("Precedence", "bulk"),))
    assert isinstance(only(seen, facts(aliases=(closed,), signs=LoopSigns(refused={"policy": 50}))), Refuse)


def test_a_permit_lets_one_author_pass_at_one_target() -> None:
    author = "carla@customer.example"
    for permit, kind in (
        (("alias:1", author), CreateRecord),
        (("alias:2", author), Hold),
        (("alias:1", "bob@other.example"), Hold),
        (("alias:1", ""), Hold),
    ):
        known = facts(signs=replace(made(20), permits=frozenset({permit})))
        assert isinstance(only(evidence(), known), kind), permit


def test_a_permit_for_everybody_lifts_the_wide_cap_alone() -> None:
    permits = LoopSigns(permits=frozenset({("alias:1", "")}))
    crowd = replace(SUPPORT, recent_creations_all=500)
    assert isinstance(only(evidence(), facts(aliases=(crowd,), signs=permits)), CreateRecord)
    known = facts(aliases=(crowd,), signs=replace(made(20), permits=permits.permits))
    assert isinstance(only(evidence(), known), Hold)


@pytest.mark.parametrize(
    ("entry", "is_in"),
    [
        ("carla@customer.example", True),
        ('"Conti, Carla" <CARLA@Customer.EXAMPLE>', True),
        ("@customer.example", True),
        ("customer.example", True),
        ("carl@customer.example", False),
        ("tomer.example", False),
        ("not an address", False),
    ],
)
def test_the_allow_list_takes_addresses_and_domains(entry: str, is_in: bool) -> None:
    assert is_allowed("carla@customer.example", (entry,)) is is_in
    assert is_allowed("carla+shop@customer.example", (entry,)) is is_in
    assert not is_allowed("", (entry,))


def test_the_catchalls_second_copy_is_a_duplicate() -> None:
    seen = evidence(to=["catchall@ours.example"])
    decision = only(seen, facts(signs=LoopSigns(earlier_copy=12)))
    assert isinstance(decision, Discard)
    assert decision.duplicate_of == 12
    assert isinstance(only(seen, facts()), Refuse)


def test_marks_of_other_installations_are_read_as_a_trace() -> None:
    headers = tuple(
        ("X-Postroom-Objects", f"{mark}; record=1") for mark in ("mark-one", "mark-two", "mark-one", "<>", "")
    )
    assert evidence(headers=headers).trace == ("mark-one", "mark-two")
