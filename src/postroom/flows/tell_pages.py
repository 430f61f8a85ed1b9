"""Tells open pages that something of theirs changed, and calls residents: heard with the commit, and not at all after a rollback.

Pages name what they show: ``records``, ``record:17``, ``author:5`` (what a contact wrote or reads in the app), ``queue``, ``inbound``,
``suppression``.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from postroom.store import claims

LIVE_CHANNEL = "postroom_live"
_TELL = "SELECT pg_notify(channel, word) FROM unnest(%s::text[], %s::text[]) AS told(channel, word)"


def tell_pages(*words: str, calls: Sequence[str] = ()) -> None:
    """The pages that show any of these look again; who listens on the channels ``calls`` wakes up. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_TELL, [[*calls, *(LIVE_CHANNEL for _ in words)], [*("" for _ in calls), *words]])


def tell_of_deliveries(delivery_ids: set[int], *more: str) -> None:
    """The pages of the records concerned, of the queue, and those that show ``more``. Two statements; none where nothing changed."""
    if delivery_ids:
        tell_pages("queue", *more, *(f"record:{one}" for one in claims.records_of(delivery_ids)))
