"""Each row of what people are told about failing mail has its cause and its cure here, too; no row is left out."""

from __future__ import annotations

from collections import Counter

import pytest

from postroom.core.diagnosis.errors import explain_error
from postroom.core.diagnosis.symptoms import LOOKS, WALKS
from tests.doctor.document_rows import ROWS, TABLES, Row
from tests.doctor.faults import FAULTS, Fault
from tests.doctor.test_symptoms import LEADS_TO

BY_NAME: dict[str, Fault] = {fault.name: fault for fault in FAULTS}


def test_every_row_of_every_table_is_there_once() -> None:
    assert Counter(row.table for row in ROWS) == TABLES
    for table, count in TABLES.items():
        assert [row.number for row in ROWS if row.table == table] == list(range(1, count + 1))


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_a_row_has_its_cause_and_its_cure(row: Row) -> None:
    assert row.faults or row.text, "nothing proves it"
    assert row.words, "no cure is asked for"
    cures = [word for name in row.faults for word in BY_NAME[name].cures]  # the laboratory proves that they are given
    if row.text:
        answer = explain_error(row.text)
        assert answer.code == row.code
        cures.append(answer.cure)
    assert [words for words in row.words if not any(words in cure for cure in cures)] == []


@pytest.mark.parametrize("row", [one for one in ROWS if one.symptom], ids=lambda row: row.id)
def test_the_walk_of_a_symptom_begins_with_the_cause_that_the_row_names(row: Row) -> None:
    assert row.symptom is not None
    assert WALKS[row.symptom][0] == row.look
    first = BY_NAME[row.faults[0]]
    spots = LOOKS[row.look].split()
    assert first.code in spots or f"{first.code}/{first.detail}" in spots
    assert set(LEADS_TO[row.symptom]) & set(row.faults), "no walk in the laboratory leads to it"


def test_the_laboratory_has_faults_enough_and_no_name_twice() -> None:
    assert len(BY_NAME) == len(FAULTS)
    assert len(FAULTS) >= 120
