"""The gates' rows: how much of each limit is used, on all machines together.

Laws: rows are locked in the order of their keys, so nobody waits for each other in a ring. One statement for any number of gates. A use is
given back only to the window that it was taken from.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from postroom.core.delivery.throttle import Gate, GateKey, Span

_ENSURE = """
    INSERT INTO postroom_sendinggate (server_number, destination, span, window_at, used, ahead)
    SELECT n.server_number, n.destination, n.span, timestamptz '1970-01-01 00:00+00', 0, 0
    FROM json_to_recordset(%s) AS n(server_number bigint, destination text, span text)
    ORDER BY n.server_number, n.destination, n.span
    ON CONFLICT DO NOTHING
"""

_LOCK = """
    SELECT g.server_number, g.destination, g.span, g.window_at, g.used, g.ahead,
           g.urgent_frontier_at, g.normal_frontier_at, g.frontier_at, g.reached_at
    FROM postroom_sendinggate g
    JOIN json_to_recordset(%s) AS n(server_number bigint, destination text, span text)
      USING (server_number, destination, span)
    ORDER BY g.server_number, g.destination, g.span FOR UPDATE OF g
"""

_WRITE = """
    UPDATE postroom_sendinggate g SET
        window_at = n.window_at, used = n.used, ahead = n.ahead, reached_at = n.reached_at,
        urgent_frontier_at = n.urgent, normal_frontier_at = n.normal, frontier_at = n.campaign
    FROM json_to_recordset(%s) AS n(
        server_number bigint, destination text, span text, window_at timestamptz, used int, ahead int,
        reached_at timestamptz, urgent timestamptz, normal timestamptz, campaign timestamptz)
    WHERE g.server_number = n.server_number AND g.destination = n.destination AND g.span = n.span
"""

_GIVE_BACK = """
    WITH mine AS (
        SELECT g.id, n.uses FROM postroom_sendinggate g
        JOIN json_to_recordset(%s) AS n(
            server_number bigint, destination text, span text, window_at timestamptz, uses int)
          USING (server_number, destination, span, window_at)
        ORDER BY g.server_number, g.destination, g.span FOR UPDATE OF g
    )
    UPDATE postroom_sendinggate g SET used = greatest(0, g.used - mine.uses) FROM mine WHERE g.id = mine.id
"""

_FORGET = """
    UPDATE postroom_sendinggate SET urgent_frontier_at = NULL, normal_frontier_at = NULL, frontier_at = NULL, ahead = 0
    WHERE id IN (
        SELECT id FROM postroom_sendinggate WHERE {condition} ORDER BY server_number, destination, span FOR UPDATE
    )
"""


@dataclass(frozen=True, slots=True)
class Reservation:
    """One mail's place in a window of a gate."""

    key: GateKey
    window_at: datetime


def ensure(keys: Collection[GateKey]) -> None:
    """Rows for these gates. In a transaction of its own, before `lock`."""
    if keys:
        _run(_ENSURE, [_key(key) for key in sorted(keys)])


def lock(limits: Mapping[GateKey, int]) -> dict[GateKey, Gate]:
    """The gates with these limits, until the end of the transaction. A gate without a row is missing."""
    found: dict[GateKey, Gate] = {}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [json.dumps([_key(key) for key in limits])])
        for (
            server,
            destination,
            span,
            window_at,
            used,
            ahead,
            urgent,
            normal,
            campaign,
            reached_at,
        ) in cursor.fetchall():
            key = GateKey(server, destination, Span(span))
            found[key] = Gate(
                key=key,
                limit=limits[key],
                window_at=window_at,
                used=used,
                ahead=ahead,
                frontiers=(urgent, normal, campaign),
                reached_at=reached_at,
            )
    return found


def write(gates: Sequence[Gate]) -> None:
    """As they are now; within the transaction of `lock`."""
    if gates:
        _run(_WRITE, [_row(gate) for gate in gates])


def give_back(reservations: Iterable[Reservation]) -> None:
    """Places that no mail left through."""
    uses: dict[Reservation, int] = {}
    for one in reservations:
        uses[one] = uses.get(one, 0) + 1
    if uses:
        rows = [{**_key(one.key), "window_at": one.window_at, "uses": count} for one, count in uses.items()]
        _run(_GIVE_BACK, rows)


def forget_promises(server_numbers: Collection[int] | None = None, destination: str = "") -> None:
    """Whoever waits at these gates shall ask anew: of these servers (None: all), or of a destination."""
    with connection.cursor() as cursor:
        if destination:
            cursor.execute(_FORGET.format(condition="destination = %s"), [destination])
        elif server_numbers is None:
            cursor.execute(_FORGET.format(condition="true"))
        else:
            cursor.execute(_FORGET.format(condition="server_number = ANY(%s)"), [list(server_numbers)])


def _run(statement: str, rows: Sequence[Mapping[str, object]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [json.dumps(rows, default=str)])


def _key(key: GateKey) -> dict[str, object]:
    return {"server_number": key.server, "destination": key.destination, "span": key.span.value}


def _row(gate: Gate) -> dict[str, object]:
    urgent, normal, campaign = gate.frontiers
    return {
        **_key(gate.key),
        "window_at": gate.window_at,
        "used": gate.used,
        "ahead": gate.ahead,
        "reached_at": gate.reached_at,
        "urgent": urgent,
        "normal": normal,
        "campaign": campaign,
    }
