"""Every behaviour case of the sending half is shown by a test that bears its number, or listed as a deviation with its reason.

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
    f"T-{number}"
    for number in (
        # a mail in the queue
        *(121, 122, 124, 125, 127, 128, 130, 131, 133, 134, 136, 137, 139, 140, 142, 143, 145, 146, 148),
        # choice of server and From
        *(151, 152, 154, 155, 157, 158, 160, 161, 163, 164, 166, 167, 169, 170, 172, 173, 175, 176, 178, 179),
        # posting, notifications, answers
        *(181, 182, 184, 185, 187, 188, 190, 191, 193, 194, 196, 197, 199, 200, 202, 203, 205, 206),
    )
}


def test_every_case_is_shown_by_a_test_or_listed_as_a_deviation() -> None:
    assert sorted(CASES - shown() - deviating()) == []


def test_no_test_bears_a_number_that_there_is_not() -> None:
    beyond = {number for number in shown() if "T-120" <= number <= "T-207"} - CASES
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
