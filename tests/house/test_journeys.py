"""The table of the journeys is true: nobody can lose one unnoticed.

Laws: every test that it names exists, looks at its pages by `looking.shot` (which asks axe) and takes pictures of the table alone; every
picture is taken; every test of the journeys' folder stands in the table; `docs/explanation/journeys.md` tells the same ones.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.journeys.table import HERE, JOURNEYS, PICTURES, Journey

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "explanation" / "journeys.md"
FEWEST = 24
WALKED = sorted({test for one in JOURNEYS for test in one.tests})


@cache
def functions_of(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((PROJECT / file).read_text(encoding="utf-8"))
    return {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}


def pictures_of(test: str) -> list[re.Pattern[str]]:
    """What the test, and functions of its file that it calls, hand to `shot`; parts that are filled in fit anything."""
    file, _, name = test.partition("::")
    functions = functions_of(file)
    waiting, seen, found = [name], set(), []
    while waiting:
        function = functions[waiting.pop()]
        seen.add(function.name)
        for called, arguments in calls_of(function):
            if called == "shot":
                found.append(re.compile(pattern_of(arguments[1])))
            elif called in functions and called not in seen:
                waiting.append(called)
    return found


def calls_of(function: ast.FunctionDef) -> Iterator[tuple[str, list[ast.expr]]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.args


def pattern_of(name: ast.expr) -> str:
    match name:
        case ast.Constant(value=str(words)):
            return re.escape(words)
        case ast.JoinedStr(values=parts):
            return "".join(pattern_of(part) if isinstance(part, ast.Constant) else "[a-z-]+" for part in parts)
    raise AssertionError(f"the name of a picture stands where it is taken: {ast.unparse(name)}")


def test_there_are_all_of_them_each_with_a_sentence_of_its_own() -> None:
    assert len(JOURNEYS) >= FEWEST
    assert len({one.sentence for one in JOURNEYS}) == len(JOURNEYS)
    assert all(one.sentence.endswith(".") for one in JOURNEYS)


@pytest.mark.parametrize("test", WALKED)
def test_a_test_exists_and_takes_pictures(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in functions_of(file)
    taken = pictures_of(test)
    assert taken, "nobody looks at it"
    for one in taken:
        assert any(one.fullmatch(picture) for picture in PICTURES), f"{one.pattern} stands in no journey"


@pytest.mark.parametrize("one", JOURNEYS, ids=lambda one: one.pictures[0])
def test_every_picture_of_a_journey_is_taken_by_its_tests(one: Journey) -> None:
    taken = [pattern for test in one.tests for pattern in pictures_of(test)]
    for picture in one.pictures:
        assert any(pattern.fullmatch(picture) for pattern in taken), picture


def test_no_picture_belongs_to_two_journeys() -> None:
    assert sum(len(one.pictures) for one in JOURNEYS) == len(PICTURES)


def test_every_test_of_the_folder_stands_in_the_table() -> None:
    files = sorted((PROJECT / HERE).glob("test_*.py"))
    there = {f"{HERE}/{file.name}::{name}" for file in files for name in functions_of(f"{HERE}/{file.name}")}
    assert {one for one in there if "::test_" in one} <= set(WALKED)


def test_the_page_tells_the_same_journeys() -> None:
    told = re.findall(r"^- (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [one.sentence for one in JOURNEYS]
