"""How much may leave, and when the rest may come."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.delivery.throttle import (
    Ask,
    Gate,
    GateKey,
    PutOff,
    Span,
    admit,
    daily_limit,
    fresh,
    is_full,
    opened,
    warm_up_allows,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = GateKey(1, "", Span.MINUTE)
DAY = GateKey(1, "", Span.DAY)
SECOND = timedelta(seconds=1)
HELD = {Span.MINUTE: (Span.MINUTE, ""), Span.DAY: (Span.DAY, "")}


def asks(number: int, *, lane: int = 1, key: GateKey = MINUTE, start: int = 0, **more: object) -> list[Ask]:
    return [Ask(id=start + each, lane=lane, gates=(key,), **more) for each in range(number)]  # type: ignore[arg-type]


def put_off_until(found: dict[int, PutOff]) -> list[datetime]:
    return [off.until for off in found.values() if off.until is not None]


# -- how much


def test_without_a_limit_there_is_none() -> None:
    assert daily_limit(0, date(2026, 3, 1)) is None
    assert daily_limit(500, date(2026, 3, 1)) == 500


def test_a_warm_up_grows_day_by_day_and_ends_at_the_limit() -> None:
    start = date(2026, 3, 1)
    plan = [daily_limit(400, start + timedelta(days=day), start, 50, 50) for day in range(8)]
    assert plan == [50, 75, 112, 168, 252, 378, 400, 400]


def test_a_warm_up_without_a_limit_ends_at_none() -> None:
    start = date(2026, 3, 1)
    assert daily_limit(0, start + timedelta(days=3), start, 50, 50) == 168
    assert daily_limit(0, start + timedelta(days=300), start, 50, 50) is None


def test_a_warm_up_that_begins_tomorrow_limits_nothing_today() -> None:
    assert daily_limit(0, date(2026, 3, 1), date(2026, 3, 2)) is None


@given(st.integers(0, 400), st.integers(0, 1000), st.integers(0, 500), st.integers(1, 100_000))
def test_no_day_of_a_warm_up_is_smaller_than_the_one_before(day: int, first: int, growth: int, ceiling: int) -> None:
    today = warm_up_allows(day, first, growth, ceiling)
    tomorrow = warm_up_allows(day + 1, first, growth, ceiling)
    assert today is None or 1 <= today < ceiling
    assert tomorrow is None or (today is not None and tomorrow >= today)


# -- windows


def test_a_minute_begins_with_the_first_mail_after_a_rest() -> None:
    gate = Gate(key=MINUTE, limit=10, window_at=NOON, used=10)
    assert opened(gate, NOON + 59 * SECOND) is gate
    later = NOON + 90 * SECOND
    assert (opened(gate, later).window_at, opened(gate, later).used) == (later, 0)


def test_a_minute_that_is_promised_follows_on_the_one_before() -> None:
    gate = Gate(key=MINUTE, limit=10, window_at=NOON, used=10, frontiers=(None, None, NOON + 300 * SECOND))
    turned = opened(gate, NOON + 90 * SECOND)
    assert (turned.window_at, turned.frontiers) == (NOON + 60 * SECOND, gate.frontiers)


def test_a_day_is_a_day_of_utc() -> None:
    gate = fresh(DAY, 10, NOON)
    assert (gate.window_at, gate.ends_at) == (NOON.replace(hour=0), MIDNIGHT)
    assert opened(gate, MIDNIGHT + 3 * SECOND).window_at == MIDNIGHT


def test_a_clock_behind_the_others_counts_in_their_window() -> None:
    gate = Gate(key=MINUTE, limit=10, window_at=NOON, used=10)
    assert is_full(gate, NOON - 5 * SECOND)


def test_promises_that_nobody_kept_are_forgotten() -> None:
    gate = Gate(key=MINUTE, limit=10, window_at=NOON, used=2, frontiers=(None, NOON + 300 * SECOND, None))
    assert opened(gate, NOON + 61 * SECOND).frontiers == (None, None, None)


# -- who passes


def test_as_many_pass_as_the_limit_allows_and_the_rest_comes_later_one_by_one() -> None:
    found = admit(asks(700), {MINUTE: fresh(MINUTE, 300, NOON)}, NOON)
    assert len(found.admitted) == 300
    slots = put_off_until(dict(found.put_off))
    assert slots == sorted(set(slots))
    assert slots[0] == NOON + 60 * SECOND
    per_minute = Counter((slot - NOON) // timedelta(minutes=1) for slot in slots)
    assert per_minute == {1: 300, 2: 100}


def test_the_rest_of_a_day_comes_at_the_beginning_of_later_days() -> None:
    found = admit(asks(25, key=DAY), {DAY: fresh(DAY, 10, NOON)}, NOON)
    day = timedelta(days=1)
    assert Counter(put_off_until(dict(found.put_off))) == {MIDNIGHT: 10, MIDNIGHT + day: 5}
    assert [gate.key for gate in found.reached] == [DAY]


def test_it_is_told_once_that_a_limit_is_reached() -> None:
    first = admit(asks(25, key=DAY), {DAY: fresh(DAY, 10, NOON)}, NOON)
    second = admit(asks(25, key=DAY), {gate.key: gate for gate in first.gates}, NOON + SECOND)
    assert second.reached == ()


def test_urgent_mail_is_never_behind_promised_bulk() -> None:
    bulk = admit(asks(5000, lane=2), {MINUTE: fresh(MINUTE, 100, NOON)}, NOON)
    found = admit(asks(2, lane=0, start=9000), {gate.key: gate for gate in bulk.gates}, NOON + SECOND)
    assert put_off_until(dict(found.put_off))[0] == NOON + 60 * SECOND
    later = admit(asks(1, lane=0, start=9000), {gate.key: gate for gate in bulk.gates}, NOON + 61 * SECOND)
    assert later.admitted == (9000,)


def test_bulk_queues_behind_all_that_is_promised() -> None:
    first = admit(asks(300, lane=1), {MINUTE: fresh(MINUTE, 100, NOON)}, NOON)
    found = admit(asks(1, lane=2, start=9000), {gate.key: gate for gate in first.gates}, NOON + SECOND)
    assert put_off_until(dict(found.put_off)) == [NOON + 180 * SECOND]


def test_a_newcomer_does_not_take_what_others_were_promised() -> None:
    first = admit(asks(1000), {MINUTE: fresh(MINUTE, 100, NOON)}, NOON)
    gates = {gate.key: gate for gate in first.gates}
    found = admit(asks(1, start=9000), gates, NOON + 61 * SECOND)
    assert put_off_until(dict(found.put_off)) == [NOON + 600 * SECOND]
    kept = admit([Ask(id=1, lane=1, gates=(MINUTE,), held_by=(Span.MINUTE, ""))], gates, NOON + 61 * SECOND)
    assert kept.admitted == (1,)


def test_who_lost_a_promised_slot_to_urgent_mail_is_first_in_the_next_window() -> None:
    first = admit(asks(1000, lane=2), {MINUTE: fresh(MINUTE, 10, NOON)}, NOON)
    now = NOON + 61 * SECOND
    urgent = admit(asks(10, lane=0, start=9000), {gate.key: gate for gate in first.gates}, now)
    assert len(urgent.admitted) == 10
    lost = asks(1, lane=2, held_by=(Span.MINUTE, ""))
    found = admit(lost, {gate.key: gate for gate in urgent.gates}, now)
    assert put_off_until(dict(found.put_off)) == [NOON + 120 * SECOND]


def test_who_may_pass_on_to_another_server_gets_no_promise() -> None:
    found = admit(asks(12, key=DAY, may_pass_on=True), {DAY: fresh(DAY, 10, NOON)}, NOON)
    assert [off.until for off in found.put_off.values()] == [None, None]
    assert found.gates[0].frontiers == (None, None, None)


def test_who_does_not_pass_one_gate_uses_no_other() -> None:
    gates = {DAY: fresh(DAY, 100, NOON), MINUTE: fresh(MINUTE, 3, NOON)}
    found = admit([Ask(id=each, lane=1, gates=(DAY, MINUTE)) for each in range(10)], gates, NOON)
    assert {gate.key: gate.used for gate in found.gates} == {DAY: 3, MINUTE: 3}


@pytest.mark.parametrize("span", list(Span))
@given(
    limit=st.integers(1, 40),
    arrivals=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60), st.integers(0, 400)), min_size=1, max_size=12),
)
def test_no_window_lets_more_pass_and_everybody_leaves_in_the_end(
    span: Span, limit: int, arrivals: list[tuple[int, int, int]]
) -> None:
    """Mail of any lane arrives in any number at any time; who is put off comes back when told to."""
    unit = span.length / 60
    key, ids = GateKey(1, "", span), count()
    gate = fresh(key, limit, NOON)
    waiting: list[tuple[datetime, int, int, bool]] = []
    at = NOON
    for lane, number, pause in arrivals:
        at += pause * unit
        waiting += [(at, lane, next(ids), False) for _ in range(number)]
    total, passed, times_off = len(waiting), 0, Counter[int]()
    used: Counter[datetime] = Counter()
    while waiting:
        now = min(waiting)[0]
        due = sorted((each for each in waiting if each[0] <= now), key=lambda each: (each[1], each[0], each[2]))
        asking = [
            Ask(id=number, lane=lane, gates=(key,), held_by=HELD[span] if was_held else None)
            for _, lane, number, was_held in due
        ]
        found = admit(asking, {key: gate}, now)
        (gate,) = found.gates
        used[gate.window_at] += len(found.admitted)
        passed += len(found.admitted)
        assert gate.used <= limit
        assert used[gate.window_at] <= limit
        gone = {each[2] for each in due}
        lanes = {number: lane for _, lane, number, _ in due}
        waiting = [each for each in waiting if each[2] not in gone]
        for number, off in found.put_off.items():
            assert off.until is not None
            assert off.until > now
            times_off[number] += 1
            waiting.append((off.until, lanes[number], number, True))
        assert max(times_off.values(), default=0) <= 3 + total // limit
    assert passed == total


def test_a_hundred_thousand_are_put_off_once_each() -> None:
    key, limit = MINUTE, 300
    gate, now, puts = fresh(key, limit, NOON), NOON, 0
    due: dict[datetime, int] = Counter()
    for start in range(0, 100_000, 500):
        found = admit(asks(500, lane=2, start=start), {key: gate}, now)
        (gate,) = found.gates
        due.update(put_off_until(dict(found.put_off)))
        puts += len(found.put_off)
    assert puts == 100_000 - limit
    refused = 0
    for at in sorted(due)[: 5 * limit]:  # five minutes of them come back
        found = admit(asks(due[at], lane=2, held_by=HELD[Span.MINUTE]), {key: gate}, at)
        (gate,) = found.gates
        refused += len(found.put_off)
    assert refused == 0
