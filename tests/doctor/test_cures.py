"""Cures name commands, parameters and pages that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import postroom.core.diagnosis.checks  # noqa: F401 - the sentences
from postroom.core.diagnosis.finding_codes import KINDS, FindingCode
from postroom.core.terms.parameters import PARAMETERS
from postroom.core.terms.reasons import SENTENCES
from tests.doctor.faults import FAULTS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
KNOWN = set(
    re.findall(r"^## (postroom[a-z -]*)$", (REFERENCE / "commands.md").read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("code", list(FindingCode))
def test_each_command_that_a_cure_names_is_one(code: FindingCode) -> None:
    for named in re.findall(r"postroom(?: [a-z][a-z-]*){1,2}", SENTENCES[f"heal.{code}"]):
        words = named.split()
        assert {" ".join(words[:2]), " ".join(words[:3])} & KNOWN or any(
            one.startswith(f"{named} ") for one in KNOWN
        ), named


@pytest.mark.parametrize("code", list(FindingCode))
def test_each_parameter_that_a_sentence_names_is_one(code: FindingCode) -> None:
    text = SENTENCES[f"finding.{code}"] + " " + SENTENCES[f"heal.{code}"]
    named = set(re.findall(r"\b(?:mail|retention|doctor)\.[a-z_]+(?:\.[a-z_]+)*", text))
    assert named <= PARAMETERS.keys()


def test_the_laboratory_reaches_nearly_every_error_and_warning() -> None:
    """What no row of the table can make is made in a test of its own."""
    reached = {fault.code for fault in FAULTS}
    made_elsewhere = {
        "database_unreachable", "tables_behind", "dkim_short", "server_port_pair", "server_port_25", "server_in_clear",
        "server_certificate_ends", "server_broken", "mailbox_trouble", "mailbox_shared", "changed_before",
    }  # fmt: skip
    grave = {code.value for code, kind in KINDS.items() if kind.severity.is_problem}
    assert grave - reached - made_elsewhere == set()
