"""Law 15: a setting, command, parameter, state or reason is documented, and the page says what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from postroom.core.terms.parameters import PARAMETERS
from postroom.core.terms.states import Lane

PROJECT = Path(__file__).parents[2]
REFERENCE = PROJECT / "docs" / "reference"


@pytest.mark.slow
def test_the_reference_says_what_the_code_says() -> None:
    checked = subprocess.run(
        [sys.executable, PROJECT / "scripts" / "make_reference.py", "--check"],
        check=False, capture_output=True, text=True, timeout=900, env={"PYTHONPATH": str(PROJECT / "src"), "PATH": ""},
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", ["commands", "configuration", "parameters", "states", "reasons"])
def test_nothing_is_listed_without_its_meaning(page: str) -> None:
    rows = [
        line for line in (REFERENCE / f"{page}.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert len(rows) > 15
    described_elsewhere = {"commands", "states"}  # their heading describes values that speak for themselves
    silent = [row for row in rows if row.rstrip(" |").endswith("`")]
    assert page in described_elsewhere or silent == []


def test_every_link_between_the_papers_leads_somewhere() -> None:
    papers = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")]
    assert len(papers) > 15
    broken = [
        (paper.name, target)
        for paper in papers
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", paper.read_text(encoding="utf-8"))
        if not (paper.parent / target).exists()
    ]
    assert broken == []


def test_a_parameter_has_an_effect_or_says_that_it_has_none() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (PROJECT / "src" / "postroom").rglob("*.py")
        if path.name != "parameters.py"
    )
    idle = [key for key, spec in PARAMETERS.items() if f'"{key}"' not in source and "without effect" not in spec.help]
    of_lanes = {f"mail.unknown.policy.{lane.value}" for lane in Lane}  # the name is put together
    assert sorted(set(idle) - of_lanes) == []


def test_the_tests_that_a_paper_names_are_there() -> None:
    known = {
        name
        for path in (PROJECT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    named = {
        name
        for paper in (PROJECT / "docs").rglob("*.md")
        for name in re.findall(r"`(test_\w+)`", paper.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert sorted(named - known) == []
