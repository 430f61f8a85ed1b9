"""Inserts many rows at once by COPY: for the hot paths, where a mail means twenty rows.

Duty: what ``bulk_create`` does for plain inserts, at a third of its cost. Laws: one sequence read and one COPY per call; rows
get their numbers before they are written; defaults and ``auto_now_add`` are honoured; nothing is updated on conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb

Row = TypeVar("Row", bound=models.Model)


def insert(rows: Sequence[Row]) -> list[Row]:
    """Write these rows of one table, numbered. Inside a transaction. Related rows that are set as objects must have numbers."""
    if not rows:
        return []
    model = type(rows[0])
    fields, statement, sequence = _plan(model)
    with connection.cursor() as cursor:
        if sequence:
            cursor.execute("SELECT nextval(%s) FROM generate_series(1, %s)", [sequence, len(rows)])
            for row, (number,) in zip(rows, cursor.fetchall(), strict=True):
                row.pk = number
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([_value(field, row) for field in fields])
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias
    return list(rows)


@lru_cache(maxsize=64)
def _plan(model: type[models.Model]) -> tuple[tuple[models.Field[Any, Any], ...], sql.Composed, str]:
    """The columns, the statement, and the sequence of the numbers (``""`` where the key is another row's)."""
    fields = tuple(model._meta.concrete_fields)
    table = model._meta.db_table
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(str(field.column)) for field in fields)
    )
    key = model._meta.pk
    return fields, statement, f"{table}_{key.column}_seq" if isinstance(key, models.AutoField) else ""


def _value(field: models.Field[Any, Any], row: models.Model) -> object:
    value = field.pre_save(row, True)
    if value is None:
        return None
    if isinstance(field, models.JSONField):
        return Jsonb(value)
    if isinstance(value, Enum):
        return value.value
    return bytes(value) if isinstance(value, memoryview) else value
