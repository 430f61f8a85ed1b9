"""Who is told today that his mail was refused: marked in one statement, under a cap an hour for the whole house."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from postroom.store.statements import ask

# Rows in order, so that two routers cannot block each other. The cap is read once: routers that mark in the same moment may pass it
# by what they hold in hand.
_MARK = """
WITH room AS (
    SELECT greatest(0, %s::int - (
        SELECT count(*) FROM (
            SELECT FROM postroom_refusalnotice WHERE sent_at > %s::timestamptz LIMIT %s::int
        ) AS told
    )) AS free
), wanted AS (
    SELECT sender, kind FROM unnest(%s::text[], %s::text[]) AS one(sender, kind)
     ORDER BY sender, kind LIMIT (SELECT free FROM room)
)
UPDATE postroom_refusalnotice AS notice SET sent_at = %s::timestamptz
  FROM wanted
 WHERE notice.sender = wanted.sender AND notice.kind = wanted.kind AND notice.sent_on = %s::date
RETURNING notice.sender, notice.kind
"""


def mark_told(
    pairs: Sequence[tuple[str, str]], *, now: datetime, most_an_hour: int
) -> tuple[set[tuple[str, str]], bool]:
    """Of these senders and kinds of answer, counted today, those who are told now: all together ``most_an_hour`` an hour. And whether
    somebody goes without because of that. One statement."""
    since = now - timedelta(hours=1)
    senders, kinds = [sender for sender, _ in pairs], [kind for _, kind in pairs]
    told = {
        (sender, kind)
        for sender, kind in ask(_MARK, [most_an_hour, since, most_an_hour, senders, kinds, now, now.date()])
    }
    return told, len(told) < len(pairs)
