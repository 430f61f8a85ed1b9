"""The newest rows of a list that no single index has in its order: read along many pieces of an index, merged by the database.

Laws: an index on (company, kind, …, time) can be walked in the order of time only within one value of each column before the time. The
question is built once and asked for each piece (a lateral join): a union of as many questions cost a third of a page's time in Python.
What no index has in that order (words, the records that somebody follows) is looked for in the newest rows first, where the common is,
and by an index of its own only when the newest do not fill the page, because then it is rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import ExpressionWrapper, F, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.fields import DateTimeField

from postroom.store.models import Record

WINDOW = 400  # of the newest rows: what fills a page out of these is common
Key = tuple[datetime, int]

# a scalar question, not EXISTS: that could be answered by gathering every row that has what is common
_FITTING = """
WITH near(updated_at, id) AS MATERIALIZED ({near})
SELECT near.updated_at, near.id, ({fits}) IS NOT NULL FROM near ORDER BY near.updated_at DESC, near.id DESC
"""

_MERGED = """
SELECT piece.updated_at, piece.id FROM (VALUES {rows}) AS cuts({names}) CROSS JOIN LATERAL ({piece}) AS piece
ORDER BY piece.updated_at DESC, piece.id DESC LIMIT %s
"""


def newest(
    asked: QuerySet[Record], columns: Sequence[str], cuts: Sequence[Sequence[int | str]], most: int
) -> list[Key]:
    """Time and number of the newest ``most`` rows of ``asked`` among all pieces. ``cuts``: the values of ``columns`` (as the database
    calls them) of each piece; without any, ``asked`` is read as one. One query."""
    statement, values = _newest(asked, columns, cuts, most)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[Key] = cursor.fetchall()
        return found


def _newest(
    asked: QuerySet[Record], columns: Sequence[str], cuts: Sequence[Sequence[int | str]], most: int
) -> tuple[str, list[Any]]:
    if not cuts:
        whole, whole_values = _compiled(asked.order_by("-updated_at", "-id").values_list("updated_at", "id")[:most])
        return whole, list(whole_values)
    names = {column: f"cut{place}" for place, column in enumerate(columns)}
    piece = asked.filter(**{column: RawSQL(f"cuts.{name}", []) for column, name in names.items()})  # noqa: S611 (our own names)
    piece_sql, piece_values = _compiled(piece.order_by("-updated_at", "-id").values_list("updated_at", "id")[:most])
    row = f"({', '.join(_typed(columns))})"
    rows = ", ".join(row for _ in cuts)
    statement = _MERGED.format(rows=rows, names=", ".join(names.values()), piece=piece_sql)
    return statement, [*(value for cut in cuts for value in cut), *piece_values, most]


def newest_among(
    asked: QuerySet[Record],
    picked: QuerySet[Record],
    columns: Sequence[str],
    cuts: Sequence[Sequence[int | str]],
    most: int,
) -> list[Key]:
    """The same for rows that are in ``picked`` too, which no index has in the order of time. Two queries at most."""
    near, values = _newest(asked, columns, cuts, WINDOW)
    fits, fit_values = _compiled(picked.filter(pk=RawSQL("near.id", [])).order_by().values_list("pk"))
    with connection.cursor() as cursor:
        cursor.execute(_FITTING.format(near=near, fits=fits), [*values, *fit_values])
        rows: list[tuple[datetime, int, bool]] = cursor.fetchall()
    found = [(at, pk) for at, pk, is_fitting in rows if is_fitting]
    if len(found) >= most or len(rows) < WINDOW:
        return found[:most]
    both = asked & picked
    unindexed = ExpressionWrapper(
        F("updated_at") + timedelta(0), output_field=DateTimeField()
    )  # keeps the planner off a walk by time
    return list(both.order_by(unindexed.desc(), "-id").values_list("updated_at", "id")[:most])


def _typed(columns: Sequence[str]) -> list[str]:
    types = {field.column: str(field.rel_db_type(connection)) for field in Record._meta.concrete_fields}
    return [f"%s::{types[column]}" for column in columns]


def _compiled(rows: QuerySet[Record, Any]) -> tuple[str, tuple[Any, ...]]:
    statement, values = rows.query.sql_with_params()
    return statement, tuple(values)
