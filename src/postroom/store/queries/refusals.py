"""Who may be told today that his mail was refused: claimed in one statement, so that nobody is told twice by two routers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

# Rows in order, so that two routers cannot block each other. The cap is read once: routers that claim in the same moment may pass
# it by what they hold in hand.
_CLAIM = """
WITH room AS (
    SELECT greatest(0, %(most)s - (
        SELECT count(*) FROM (
            SELECT FROM postroom_refusalnotice WHERE sent_at > %(since)s LIMIT %(most)s
        ) AS told
    )) AS free
), wanted AS (
    SELECT DISTINCT sender, kind FROM unnest(%(senders)s::text[], %(kinds)s::text[]) AS one(sender, kind)
     WHERE NOT EXISTS (
        SELECT FROM postroom_refusalnotice AS old
         WHERE old.sender = one.sender AND old.kind = one.kind AND old.sent_on = %(today)s)
), claimed AS (
    INSERT INTO postroom_refusalnotice (sender, kind, sent_on, sent_at)
    SELECT sender, kind, %(today)s, %(now)s FROM wanted ORDER BY sender, kind LIMIT (SELECT free FROM room)
    ON CONFLICT (sender, kind, sent_on) DO NOTHING
    RETURNING sender, kind
)
SELECT array(SELECT ARRAY[sender, kind] FROM claimed), (SELECT count(*) FROM wanted) > (SELECT free FROM room)
"""


def claim_notices(
    pairs: Sequence[tuple[str, str]], *, now: datetime, most_an_hour: int
) -> tuple[set[tuple[str, str]], bool]:
    """Of these senders and kinds of answer those who are told now: each once a day, all together ``most_an_hour`` times an hour.
    And whether somebody goes without because of that. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "senders": [sender for sender, _ in pairs],
                "kinds": [kind for _, kind in pairs],
                "today": now.date(),
                "now": now,
                "since": now - timedelta(hours=1),
                "most": most_an_hour,
            },
        )
        claimed, is_capped = cursor.fetchone()
    return {(sender, kind) for sender, kind in claimed}, bool(is_capped)
