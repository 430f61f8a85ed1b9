"""What pages read: frozen facts, one keyset page at a time.

Laws: no ``COUNT(*)``, no offset, a fixed number of queries whatever the size of the tables; bodies only where they are shown.
The caller brings the rows that the reader may see (`flows.access`); nothing here widens them. A cursor that makes no sense is the first page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db.models import Q, QuerySet

T = TypeVar("T")

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Rows in order, and the cursor of the next page (``""``: there is none)."""

    rows: tuple[T, ...]
    next: str = ""


def page_of(found: Iterable[Any], size: int, fact: Callable[[Any], T], cursor: Callable[[Any], str]) -> Page[T]:
    """A page out of up to ``size + 1`` rows: the one too many only says that there is more."""
    rows = list(found)
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows=tuple(fact(row) for row in rows), next=cursor(rows[-1]) if more else "")


def cursor_of(at: datetime, pk: int) -> str:
    """The place of a row in a list ordered by time and number."""
    return f"{at.isoformat()}~{pk}"


def read_cursor(text: str) -> tuple[datetime, int] | None:
    """The place that a cursor names; None for none or nonsense."""
    at, _, pk = text.partition("~")
    try:
        when = datetime.fromisoformat(at)
        number = read_id(pk)
    except ValueError:
        return None
    return (when, number) if number is not None and when.tzinfo is not None else None


def read_id(text: str) -> int | None:
    """A row number from an address bar; None for nonsense. PostgreSQL's bigint bounds it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def older(time_field: str, cursor: str) -> Q:
    """Rows after the cursor in a list that shows the newest first. Written as one bound on time so that the index is used."""
    place = read_cursor(cursor)
    if place is None:
        return Q()
    at, pk = place
    return Q(**{f"{time_field}__lte": at}) & (Q(**{f"{time_field}__lt": at}) | Q(id__lt=pk))


def text_of(rows: QuerySet[Any, Any]) -> tuple[str, tuple[Any, ...]]:
    """These rows as a part of a statement that is written as SQL, and its values: so what a reader may see keeps the one condition that
    `flows.access` gave it, and is not told a second time. Rows of which Django knows that there are none are a question without answers."""
    try:
        statement, values = rows.query.sql_with_params()
    except EmptyResultSet:
        return "SELECT NULL::bigint AS id WHERE false", ()
    return statement, tuple(values)
