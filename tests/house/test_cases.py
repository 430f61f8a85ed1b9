"""Every behaviour case of sending and of receiving is shown by a test that bears its number, or listed as a deviation with its reason.

A test bears the number of a case in ``@pytest.mark.case("T-151")``, in its name (``test_T_151_…``) or in its docstring.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DEVIATIONS = PROJECT / "docs" / "reference" / "deviations.md"
_NUMBER = re.compile(r"(?<![A-Za-z])[Tt][-_](\d{3})(?!\d)")

CASES = {
    f"T-{number:03}"
    for number in (
        # a mail in the queue
        *(121, 122, 124, 125, 127, 128, 130, 131, 133, 134, 136, 137, 139, 140, 142, 143, 145, 146, 148),
        # choice of server and From
        *(151, 152, 154, 155, 157, 158, 160, 161, 163, 164, 166, 167, 169, 170, 172, 173, 175, 176, 178, 179),
        # posting, notifications, answers
        *(181, 182, 184, 185, 187, 188, 190, 191, 193, 194, 196, 197, 199, 200, 202, 203, 205, 206),
        # what a mail says that came in
        *(1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23),
        # who wrote it, what a new record begins with, who may write
        *(31, 32, 34, 35, 37, 38, 40, 41, 43, 44, 46, 47, 50, 52, 53, 55, 56),
        # where it goes
        *(61, 62, 64, 65, 67, 68, 70, 71, 73, 74, 76, 77, 79, 80, 82, 83, 85, 86, 88, 89, 91, 92, 94, 95),
        # reports and loops
        *(100, 101, 103, 104, 106, 107, 109, 110, 115, 116, 118),
        # aliases and domains
        *(215, 217, 218, 220, 221, 223, 224, 226, 227),
    )
}


def test_every_case_is_shown_by_a_test_or_listed_as_a_deviation() -> None:
    assert sorted(CASES - shown() - deviating()) == []


def test_no_test_bears_a_number_that_there_is_not() -> None:
    beyond = {number for number in shown() if number <= "T-227"} - CASES
    assert sorted(beyond) == []


def test_a_deviation_is_shown_by_a_test_too() -> None:
    """What we do instead."""
    assert sorted((deviating() & CASES) - shown()) == []


def shown() -> set[str]:
    """The numbers that tests bear."""
    found: set[str] = set()
    for path in (PROJECT / "tests").rglob("test_*.py"):
        if path == Path(__file__):
            continue
        source = path.read_text(encoding="utf-8")
        if _NUMBER.search(source):
            found |= _numbers(ast.parse(source))
    return found


def _numbers(module: ast.Module) -> set[str]:
    tests = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    texts = [text for test in tests for text in (test.name, ast.get_docstring(test) or "")]
    texts += [ast.unparse(decorator) for test in tests for decorator in test.decorator_list]
    if tests:
        texts += [
            ast.unparse(node)
            for node in module.body
            if isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node)
        ]
    return {f"T-{number}" for text in texts for number in _NUMBER.findall(text)}


def deviating() -> set[str]:
    """The numbers in the first column of the tables."""
    rows = [line for line in DEVIATIONS.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return {f"T-{number}" for row in rows for number in _NUMBER.findall(row.split("|")[1])}
