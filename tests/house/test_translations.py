"""Catalogues of translations: in step with the texts of the code, and harmless."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
SCRIPT = PROJECT / "scripts" / "make_messages.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        check=False, capture_output=True, text=True, timeout=900, env={"PYTHONPATH": str(PROJECT / "src"), "PATH": os.environ["PATH"]},
    )  # fmt: skip


@pytest.mark.slow
def test_the_catalogues_are_in_step_with_the_code_and_german_is_complete() -> None:
    checked = run("--check")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("text", "translation", "strange"),
    [
        ("{name} follows this record.", "{name} folgt diesem Datensatz.", set()),
        ("{name} follows this record.", "Jemand folgt diesem Datensatz.", set()),
        ("{name} follows this record.", "{nobody} folgt.", {"{nobody}"}),
        ("Mailbox of %(person)s", "Postfach von %(nobody)s", {"nobody"}),
        (("%(n)s mail", "%(n)s mails"), ("%(n)s Mail", "%(m)s Mails"), {"m"}),
        ("No field", "", set()),
    ],
)
def test_a_translation_that_names_a_field_which_the_text_does_not_have_is_found(
    text: str | tuple[str, str], translation: str | tuple[str, str], strange: set[str]
) -> None:
    assert the_script().wrong_fields(text, translation) == strange


def the_script() -> Any:
    found = importlib.util.spec_from_file_location("make_messages", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
