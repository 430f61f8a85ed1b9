"""Who hangs, by the signs of life of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding
from postroom.core.diagnosis.machine_health import MachineFacts, check_machine
from postroom.core.diagnosis.signs import Sign, silent

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def sign(role: str = "router", *, seen: float = 5, steady: float = 9000, pid: int = 11, machine: str = "a") -> Sign:
    """``seen`` and ``steady``: seconds ago."""
    return Sign(
        role=role, machine=machine, pid=pid, seen_at=NOW - timedelta(seconds=seen), steady_since=NOW - timedelta(seconds=steady)
    )  # fmt: skip


def hung(*signs: Sign) -> list[Finding]:
    roles = {one.role: 1 for one in signs} | {"deliverer": 1, "router": 1, "scheduler": 1}
    facts = MachineFacts(runs_here=True, roles=roles, silent=silent(signs, NOW), free=10**12)
    return [one for one in check_machine(facts) if one.code is FindingCode.ROLE_HUNG]


def test_who_is_silent_while_another_gives_signs_hangs() -> None:
    (found,) = hung(sign(seen=100), sign("scheduler"))
    assert (found.severity, found.detail) == (Severity.ERROR, "router")
    assert "The router hangs: process 11 on a gives no sign of life since 2026-03-01 02:58 UTC" in str(found.cause)
    assert "What comes in is kept, and not put on records." in str(found.cause)
    assert "kill -KILL 11" in str(found.cure)
    assert "postroom worker router" in str(found.cure)
    assert found.evidence == ("router 11 on a: last sign of life 2026-03-01 02:58:20 UTC",)


def test_a_minute_and_a_half_is_given_to_everybody() -> None:
    assert hung(sign(seen=90), sign("scheduler")) == []


def test_when_everybody_is_silent_nobody_is_accused() -> None:
    assert hung(sign(seen=500), sign("scheduler", seen=400), sign("deliverer", seen=450)) == []


def test_after_an_outage_nobody_is_accused_before_the_others_were_steady_for_as_long() -> None:
    assert hung(sign(seen=300), sign("scheduler", seen=1, steady=1)) == []
    assert hung(sign(seen=300), sign("scheduler", seen=1, steady=89)) == []
    assert len(hung(sign(seen=300), sign("scheduler", seen=1, steady=90))) == 1


def test_who_was_silent_himself_a_moment_ago_is_no_witness() -> None:
    assert hung(sign(seen=300), sign("scheduler", seen=46)) == []


def test_of_several_that_hang_each_is_named_and_those_of_one_machine_are_ended_together() -> None:
    several = (sign(seen=200, pid=1), sign(seen=100, pid=2), sign(seen=150, pid=3, machine="b"), sign("scheduler"))
    (found,) = hung(*several)
    assert "kill -KILL 1 2." in str(found.cure)
    assert len(found.evidence) == 3


def test_of_a_role_whose_others_go_on_only_its_own_work_waits() -> None:
    facts = MachineFacts(roles={"router": 2, "scheduler": 1, "deliverer": 1}, silent=(sign(seen=200),))
    (found,) = (one for one in check_machine(facts) if one.code is FindingCode.ROLE_HUNG)
    assert "others of its kind go on" in str(found.cause)


def test_every_role_has_words_for_what_waits() -> None:
    for role in ("web", "door", "router", "deliverer", "scheduler", "watcher"):
        (found,) = hung(sign(role, seen=100), sign("other"))
        assert "?" not in str(found.cause)
        assert "Its work waits" not in str(found.cause)
