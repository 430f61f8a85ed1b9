"""`how_is_it` says who is at work and who hangs, for people and for programs that watch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom.core.diagnosis.signs import Sign
from postroom.flows import how_is_it as module
from postroom.flows.how_is_it import Point, how_is_it
from postroom.wiring import ports

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def sign(role: str, pid: int, seconds: int) -> Sign:
    return Sign(
        role=role, machine="mill", pid=pid, steady_since=NOW - timedelta(hours=1), seen_at=NOW - timedelta(seconds=seconds)
    )  # fmt: skip


def workers(*signs: Sign, monkeypatch: pytest.MonkeyPatch) -> Point:
    monkeypatch.setattr(module, "read_signs", lambda: (signs, NOW))
    return next(point for point in how_is_it(ports()).points if point.name == "workers")


def test_who_is_there_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = workers(sign("router", 1, 5), sign("router", 2, 9), sign("web", 3, 1), monkeypatch=monkeypatch)
    assert (found.is_well, found.sentence) == (True, "At work: 2 router, 1 web.")
    assert found.facts == {"there": {"router": 2, "web": 1}, "hung": []}


def test_who_hangs_is_wrong_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = workers(sign("router", 1, 600), sign("web", 3, 1), monkeypatch=monkeypatch)
    assert not found.is_well
    assert "hangs: router (process 1 on mill, since 02:50 UTC) (see: postroom doctor)" in found.sentence
    assert found.facts["hung"][0]["pid"] == 1


def test_a_house_in_which_nobody_works_is_not_called_hung() -> None:
    found = next(point for point in how_is_it(ports()).points if point.name == "workers")
    assert (found.is_well, found.sentence) == (True, "At work: none has given a sign yet.")
