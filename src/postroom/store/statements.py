"""Statements of the hot paths: SQL as it is written, values bound by the server, the plan kept with the connection.

Duty: what a plain cursor does, without the cost of building SQL, quoting values into it and planning it anew each time (Django's
cursors bind on the client). Lists travel as array literals of our own writing, a fifth of what general adaptation costs. Laws: inside Django's connection and transaction, its errors are Django's, and budgets of queries count it.
Values need types that the server can guess: write casts (``%s::bigint[]``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from django.db import connection
from psycopg import Cursor


def ask(statement: LiteralString, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
    """The rows that the statement returns; none for one that returns nothing. JSON comes as text."""
    connection.ensure_connection()
    began = time.perf_counter() if connection.queries_logged else 0.0
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(statement, _bound(values), prepare=True)
        rows = cursor.fetchall() if cursor.description else []
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement, "time": f"{time.perf_counter() - began:.3f}"})
    return rows


def _bound(values: Sequence[object] | Mapping[str, object]) -> Sequence[object] | Mapping[str, object]:
    if isinstance(values, Mapping):
        return {name: _array(value) if isinstance(value, list) else value for name, value in values.items()}
    return [_array(value) if isinstance(value, list) else value for value in values]


def _array(values: list[Any]) -> object:
    """The literal of a list of numbers, texts and nothings; other lists as they are."""
    types = set(map(type, values))
    types.discard(_NOTHING)
    if types <= _NUMBERS:
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
    if types == _TEXTS:
        return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"
    return values


def _quoted(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return '"' + (text.replace('"', '\\"') if '"' in text else text) + '"'


_NOTHING = type(None)
_NUMBERS = frozenset({int})
_TEXTS = frozenset({str})
