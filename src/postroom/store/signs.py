"""Signs of life of processes: given, taken back, and read by whoever wants to know who hangs.

Laws: the clock is the database's, on all machines the same. A sign is one statement on one row that no index but the key knows, in a table
without a log: it costs no flush of the disk, and after a crash of the database the table is empty and fills again. Whoever is dead has no
connection any more: by that its row is told from the row of a process that hangs, passed over and cleared.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection

from postroom.core.diagnosis.signs import SILENT_AFTER, Sign

GAP = 45.0  # seconds between two signs: who gave none for longer was away, or nobody could write

_GIVE = """
INSERT INTO postroom_signoflife AS mine (name, role, machine, pid, steady_since, seen_at)
VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp())
ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at,
   steady_since = CASE WHEN mine.seen_at < excluded.seen_at - make_interval(secs => %s) THEN excluded.seen_at ELSE mine.steady_since END
"""
_TAKE_BACK = "DELETE FROM postroom_signoflife WHERE name = %s"
_CLEAR = """
DELETE FROM postroom_signoflife WHERE seen_at < clock_timestamp() - make_interval(secs => %s)
   AND name NOT IN (SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name IS NOT NULL)
"""
_READ = """
SELECT clock_timestamp(), one.role, one.machine, one.pid, one.steady_since, one.seen_at FROM (VALUES (1)) AS always
  LEFT JOIN postroom_signoflife one
    ON one.name IN (SELECT application_name FROM pg_stat_activity WHERE datname = current_database())
 ORDER BY one.role, one.seen_at LIMIT 1000
"""


def give_sign(name: str, *, role: str, machine: str, pid: int) -> None:
    """This process works. One statement. Raises what a lost database raises."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE, [name, role, machine, pid, GAP])


def take_back_sign(name: str) -> None:
    """It ends, and is missed by nobody."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, [name])


def clear_signs() -> None:
    """Rows of the dead go."""
    with connection.cursor() as cursor:
        cursor.execute(_CLEAR, [SILENT_AFTER.total_seconds()])


def read_signs() -> tuple[tuple[Sign, ...], datetime]:
    """Of all processes that are connected, and what time it is there. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        rows = cursor.fetchall()
    signs = (
        Sign(role=role, machine=machine, pid=pid, steady_since=since.astimezone(UTC), seen_at=at.astimezone(UTC))
        for _, role, machine, pid, since, at in rows
        if role is not None
    )
    return tuple(signs), rows[0][0].astimezone(UTC)
