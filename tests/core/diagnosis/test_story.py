"""The order of a story, and its sentences: without a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from postroom.core.diagnosis import story_events as events
from postroom.core.diagnosis.story import (
    MOST_VERBATIM,
    FoundBy,
    Source,
    Story,
    StoryEvent,
    StoryKind,
    Tone,
    merged,
)
from postroom.core.terms.reasons import SENTENCES, because
from postroom.core.terms.states import DeliveryState, InboundState

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CARLA = "carla@customer.example"


def an_event(kind: StoryKind, number: int = 1, after: float = 0) -> StoryEvent:
    return StoryEvent(
        at=NOON + timedelta(seconds=after), kind=kind, source=Source("row", number), said=because("story.nothing")
    )


def an_attempt(state: DeliveryState, code: int, text: str, enhanced: str = "") -> StoryEvent:
    return events.attempted(
        at=NOON, attempt_id=1, delivery_id=7, address=CARLA, server="Relay", state=state, code=code, enhanced=enhanced,
        text=text,
    )  # fmt: skip


def test_within_one_instant_the_cause_stands_before_its_effect() -> None:
    told = merged([an_event(kind) for kind in reversed(StoryKind)])
    assert [event.kind for event in told] == list(StoryKind)
    assert [kind.value for kind in StoryKind][:3] == ["received", "routed", "posted"]
    assert list(StoryKind).index(StoryKind.ATTEMPT) < list(StoryKind).index(StoryKind.REPORT)


def test_time_stands_above_kind() -> None:
    late, early = an_event(StoryKind.QUEUED, after=5), an_event(StoryKind.ANSWER, after=1)
    assert merged([late], [early]) == (early, late)


def test_a_row_is_told_once_however_many_ways_led_to_it() -> None:
    twice = [an_event(StoryKind.POSTED), an_event(StoryKind.POSTED)]
    assert len(merged(twice, twice)) == 1
    assert len(merged([an_event(StoryKind.POSTED), an_event(StoryKind.ANSWER)])) == 2


def test_nothing_before_since_is_told() -> None:
    told = merged([an_event(StoryKind.QUEUED), an_event(StoryKind.ATTEMPT, after=9)], since=NOON + timedelta(seconds=1))
    assert [event.kind for event in told] == [StoryKind.ATTEMPT]


@given(
    some.lists(some.tuples(some.sampled_from(StoryKind), some.integers(1, 5), some.integers(0, 3)), max_size=40),
    some.randoms(use_true_random=False),
)
def test_the_order_is_the_same_whatever_order_the_facts_came_in(rows, chance) -> None:  # type: ignore[no-untyped-def]
    told = [an_event(kind, number, after) for kind, number, after in dict.fromkeys(rows)]
    unique = {(event.kind, event.source): event for event in reversed(told)}
    shuffled = list(unique.values())
    chance.shuffle(shuffled)
    found = merged(shuffled)
    assert found == merged(unique.values())
    assert [event.at for event in found] == sorted(event.at for event in found)


@pytest.mark.parametrize(
    ("state", "code", "text", "said", "tone"),
    [
        (DeliveryState.SENT, 250, "Ok: queued as 4Zx9QK1dLpz2", "Relay took the mail to", Tone.GOOD),
        (DeliveryState.DEFERRED, 451, "4.7.1 Greylisted, come back", "asked to come back later", Tone.WAIT),
        (DeliveryState.DEFERRED, 452, "too many connections", "did not take the mail", Tone.WAIT),
        (DeliveryState.FAILED, 550, "No such user", "refused the mail", Tone.BAD),
        (DeliveryState.UNKNOWN, 0, "", "nobody knows", Tone.BAD),
    ],
)
def test_an_attempt_is_told_in_plain_words(state: DeliveryState, code: int, text: str, said: str, tone: Tone) -> None:
    event = an_attempt(state, code, text)
    assert said in str(event.said)
    assert (event.tone, event.who, event.about) == (tone, "Relay", CARLA)
    assert text in event.evidence


def test_only_who_took_the_mail_gave_it_a_name() -> None:
    assert an_attempt(DeliveryState.SENT, 250, "Ok: queued as 4Zx9QK1dLpz2").relay_ids == ("4Zx9QK1dLpz2",)
    assert an_attempt(DeliveryState.FAILED, 550, "queued as 4Zx9QK1dLpz2").relay_ids == ()


def test_a_refusal_says_what_such_words_usually_mean() -> None:
    event = an_attempt(DeliveryState.FAILED, 550, "user unknown", "5.1.1")
    assert event.cause == "user_unknown"
    assert event.as_json()["usually_means"] == "There is no such mailbox at this domain."


@pytest.mark.parametrize(
    ("action", "reason", "said"),
    [
        ("failed", "user_unknown", "was not delivered"),
        ("delayed", "", "is delayed"),
        ("delivered", "", "was delivered"),
        ("delivered", "feedback", "called the mail unwanted"),
        ("mdn", "", "A read receipt"),
        ("strange", "", "strange"),
    ],
)
def test_reports_are_told_apart(action: str, reason: str, said: str) -> None:
    event = events.reported(
        at=NOON, report_id=1, inbound_id=2, delivery_id=3, address=CARLA, action=action, status="5.1.1",
        reply="550 5.1.1 no", reason=reason, is_claim=False,
    )  # fmt: skip
    assert said in str(event.said)
    assert event.evidence == "550 5.1.1 no"


def test_what_only_claims_to_be_a_report_is_marked() -> None:
    event = events.reported(
        at=NOON, report_id=1, inbound_id=2, delivery_id=3, address=CARLA, action="failed", status="5.1.1", reply="",
        reason="", is_claim=True,
    )  # fmt: skip
    assert event.tone is Tone.PLAIN
    assert [str(why) for why in event.why] == [SENTENCES["story.claim"]]


def a_time(**ends: datetime | None) -> tuple[StoryEvent, ...]:
    given = {"released_at": None, "expires_at": None} | ends
    return events.suppressed(
        since=NOON, suppression_id=1, health_id=2, address=CARLA, why=(), who="", released_who="Alice",
        released_why="she called", **given,
    )  # fmt: skip


def test_a_time_on_the_blacklist_has_a_beginning_and_perhaps_an_end() -> None:
    later = NOON + timedelta(days=1)
    assert [event.kind for event in a_time()] == [StoryKind.SUPPRESSED]
    assert "Alice released it" in str(a_time(released_at=later)[1].said)
    assert a_time(released_at=later)[1].evidence == "she called"
    assert "the time was over" in str(a_time(expires_at=later)[1].said)


def test_a_note_is_told_without_its_words() -> None:
    event = events.answered(
        at=NOON, message_id=1, record_id=2, inbound_id=None, who="Bob", title="Late parcel", words="She is difficult.",
        is_answer=True, is_automatic=False, is_note=True,
    )  # fmt: skip
    assert str(event.said) == "Bob wrote a note: Late parcel"
    assert "difficult" not in json.dumps(event.as_json())


def test_what_strangers_say_is_no_template_and_has_an_end() -> None:
    event = an_attempt(DeliveryState.FAILED, 550, "{0.__class__} %s {server}" + "x" * 9_000)
    assert event.evidence.startswith("550 {0.__class__} %s {server}")
    assert len(event.evidence) == MOST_VERBATIM + 1
    named = events.received(
        at=NOON, inbound_id=1, sender="{door}" * 100, door="smtp", state=InboundState.HELD, routed_at=None
    )
    assert str(named[0].said).startswith("A mail from {door}{door}")


def test_every_state_of_what_came_in_has_its_sentence() -> None:
    for state in InboundState:
        told = events.received(at=NOON, inbound_id=1, sender=CARLA, door="smtp", state=state, routed_at=None)
        assert all(event.said.code in SENTENCES for event in told)


def test_a_story_is_json_for_programs() -> None:
    story = Story(
        asked="x", found_by=FoundBy.RELAY, events=(an_event(StoryKind.QUEUED),), remarks=(because("story.by_mail"),)
    )
    found = json.loads(json.dumps(story.as_json()))
    assert found["found_by"] == "relay"
    assert found["events"][0]["source"] == "row:1"
