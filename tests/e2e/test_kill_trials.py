"""A few trials by fire with every run; `python -m tests.e2e.kill_trials --trials 200` makes many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.kill_trials import KINDS, MAILS, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("kill trials")]

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trials() -> dict[str, list[Trial]]:
    """By what broke. In a process of their own: they kill their PostgreSQL, and mount a disk of their own where they may."""
    kinds = ["kill", "kill", "kill", "all"]
    named = [word for kind in kinds for word in ("--kind", kind)]
    path = os.pathsep.join((str(PROJECT / "src"), str(PROJECT)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.kill_trials", "--json", "--trials", "1", *named],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert done.returncode in (0, 1), done.stderr[-6000:]
    found = [Trial(**json.loads(line)) for line in done.stdout.splitlines()]
    print(*found, sep="\n")
    return {kind: [trial for trial in found if trial.kind == kind] for kind in KINDS}


def test_killed_workers_lose_nothing_and_send_nothing_twice(trials: dict[str, list[Trial]]) -> None:
    assert len(trials["kill"]) == 4
    for trial in trials["kill"]:
        assert trial.is_kept, trial
        assert trial.sent + trial.unknown == MAILS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "kill" not in kind.split("-")[0] and kind != "sink-killed"])
def test_what_breaks_nobodys_connection_to_the_server_leaves_nothing_unknown(
    kind: str, trials: dict[str, list[Trial]]
) -> None:
    """PostgreSQL restarted or killed, the journal's disk full, the server stopped for a while."""
    (trial,) = trials[kind]
    assert (trial.sent, trial.unknown, trial.lost, trial.twice) == (MAILS, 0, 0, 0)


@pytest.mark.parametrize("kind", ["kill-all", "kill-both", "sink-killed"])
def test_no_more_is_unknown_than_connections_were_cut(kind: str, trials: dict[str, list[Trial]]) -> None:
    """All workers killed at once; one of them together with PostgreSQL; the server that takes the mail killed."""
    (trial,) = trials[kind]
    assert trial.is_kept, trial
