"""A question makes no house: where nobody ever made one, that is said, and the folder stays as it was. And who only asks loads no pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.receivers import Row, aggregate, gzipped

SOURCE = Path(__file__).parents[2] / "src"


def ask(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`postroom WORD...` in a process of its own, in this folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("POSTROOM_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "-m", "postroom", *words], cwd=folder, env={**inherited, "PYTHONPATH": str(SOURCE)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [("status",), ("doctor", "--json"), ("queue", "list"), ("welcome",)],
    ids=lambda words: words[0],
)
def test_a_question_in_an_empty_folder_makes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    told = ask(tmp_path, *words)
    assert told.returncode == 1
    assert told.stdout == ""
    assert "There is no house in" in told.stderr
    assert "postroom up, or postroom setup" in told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_needs_no_house_works_without_one(tmp_path: Path) -> None:
    assert "Blame:" in ask(tmp_path, "explain-error", "550 5.7.1 rejected").stdout
    assert ask(tmp_path, "--help").returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_servers_are_found_without_a_house_and_none_is_made(tmp_path: Path) -> None:
    told = ask(tmp_path, "setup", "me@gmail.com", "--find-only", "--json")
    assert (told.returncode, told.stderr) == (0, "")
    assert "smtp.gmail.com" in {one["host"] for one in json.loads(told.stdout)["proposals"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_reports_of_receivers_are_read_without_a_house(tmp_path: Path) -> None:
    report = tmp_path / "report.xml.gz"
    report.write_bytes(gzipped(aggregate(Row(count=41))))
    told = ask(tmp_path, "dmarc", "read", str(report), "--json")
    assert (told.returncode, told.stderr) == (0, "")
    assert [row["count"] for row in json.loads(told.stdout)[0]["sources"]] == [41]
    assert list(tmp_path.iterdir()) == [report]


@pytest.mark.slow
def test_a_bundle_of_somebody_elses_is_looked_at_without_a_house(tmp_path: Path) -> None:
    """Only the sandbox makes a house, elsewhere; what is no bundle never comes so far."""
    letter = tmp_path / "letter.zip"
    letter.write_bytes(b"Dear Bob")
    told = ask(tmp_path, "bundle", "read", str(letter))
    assert (told.returncode, told.stdout) == (2, "")
    assert "This is no ZIP file" in told.stderr
    assert list(tmp_path.iterdir()) == [letter]


@pytest.mark.slow
def test_who_asks_loads_no_pages(tmp_path: Path) -> None:
    """A second of start-up, for each of them."""
    heavy = (
        "ninja",
        "jinja2",
        "postroom.web.site",
        "postroom.web.navigation",
        "allauth.socialaccount",
        "requests",
        "boto3",
        "dns",
    )
    program = (
        "import sys; from postroom.cli import entering; entering._require_house = lambda: None; entering.configured();"
        f"import postroom.wiring; postroom.wiring.ports(); print([name for name in {heavy} if name in sys.modules])"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("POSTROOM_", "DJANGO_"))}
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**inherited, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True,
        timeout=400, check=False,
    )  # fmt: skip
    assert told.stdout.strip() == "[]", told.stdout + told.stderr
