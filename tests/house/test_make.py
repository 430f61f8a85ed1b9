"""The Makefile and the scripts under it: documented, portable, and known to the shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SCRIPTS = sorted(path for path in (PROJECT / "scripts").iterdir() if path.is_file() and path.suffix != ".py")


def test_make_alone_explains_every_target_that_people_use() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    make = shutil.which("make")
    assert make is not None
    explained = subprocess.run(
        [make, "-C", PROJECT, "--no-print-directory"], check=True, capture_output=True, text=True
    )
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE))
    inner = {"run-environment", "dev-environment", "parts"}
    assert set(re.findall(r"^make ([a-z0-9-]+) +\S", explained.stdout, flags=re.MULTILINE)) == targets - inner


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_plain_shell_that_parses(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in text
    assert script.stat().st_mode & 0o111
    subprocess.run(["/bin/sh", "-n", script], check=True)
    for bashism in ("[[", "function ", "$'", "<<<", "local ", "readlink -f", "sed -i", "grep -P", "mktemp -d --"):
        assert bashism not in text, bashism


def test_setup_refuses_an_interpreter_that_is_too_old_and_says_what_to_do(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    for name in ("scripts", "requirements"):
        shutil.copytree(PROJECT / name, copy / name)
    shutil.copy(PROJECT / "pyproject.toml", copy)
    answer = subprocess.run(
        [copy / "scripts" / "setup", "run"],
        check=False, capture_output=True, text=True, timeout=900,
        env={"PATH": "/usr/bin:/bin", "PYTHON": "/bin/false"},
    )  # fmt: skip
    assert answer.returncode == 1
    assert "no Python 3.11 or newer found at /bin/false" in answer.stderr
    assert "make PYTHON=" in answer.stderr
    assert not (copy / ".venv").exists()
