"""What open pages were told: PostgreSQL tells those who listen in the order of the commits, a moment after each of them."""

from __future__ import annotations

from itertools import count
from typing import Any

import psycopg
from django.db import connection

_marks = count()


def heard_until_now(listener: psycopg.Connection[Any]) -> set[str]:
    """What was told on ``postroom_live`` since the last look: all that comes before a mark of our own. ``listener`` listens there."""
    mark = f"mark of the tests {next(_marks)}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_live', %s)", [mark])
    heard: set[str] = set()
    for notice in listener.notifies(timeout=60):
        if notice.payload == mark:
            return heard
        heard.add(notice.payload)
    raise AssertionError("PostgreSQL does not tell what it was told")
