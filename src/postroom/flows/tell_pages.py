"""Tells open pages that something of theirs changed, and calls residents: heard with the commit, and not at all after a rollback.

Pages name what they show: ``record:17``, ``author:5`` (what a contact wrote or reads in the app); and of the lists of a company
``records:3``, ``queue:3``, ``inbound:3``, ``suppression:3``, ``letterbox:3``.
Laws: a list is told to those alone who may see that company, so that nobody knows by the moment that something happened elsewhere;
who hears what is said by `topics_of`, and nowhere else. What belongs to no company (``:0``) is heard by who sees the whole house. The
companies of rows are looked up by the statement that tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection

from postroom.flows.access import company_ids, sees_whole_house
from postroom.store import claims
from postroom.store.models import Member

LIVE_CHANNEL = "postroom_live"
NOBODYS = 0  # in the place of a company's number
_TELL = "SELECT pg_notify(channel, word) FROM unnest(%s::text[], %s::text[]) AS told(channel, word)"
_OF_ROWS = """
UNION ALL SELECT pg_notify(%s, concat(%s::text, ':', company)) FROM (
    SELECT DISTINCT coalesce({company}, 0) AS company FROM {table} WHERE id = ANY(%s)
) AS {place}
"""
_TABLES = {  # and whose a row is
    "records": ("postroom_record", "company_id"),
    "queue": ("postroom_delivery", "CASE WHEN is_of_the_house THEN NULL ELSE company_id END"),
    "inbound": ("postroom_inboundmessage", "company_id"),
}


def tell_pages(
    *words: str,
    calls: Sequence[str] = (),
    listed: Collection[int] = (),
    queued: Collection[int] = (),
    arrived: Collection[int] = (),
) -> None:
    """The pages that show any of these look again; so do the lists of the companies whose records (``listed``), deliveries (``queued``)
    and inbound mails (``arrived``) these are; who listens on the channels ``calls`` wakes up. One statement. A list of no company in
    particular is a programming error."""
    if bare := [word for word in words if ":" not in word]:
        raise ValueError(f"whose {bare[0]}?")
    statement = _TELL
    values: list[Any] = [[*calls, *(LIVE_CHANNEL for _ in words)], [*("" for _ in calls), *words]]
    for place, ids in (("records", listed), ("queue", queued), ("inbound", arrived)):
        if ids:
            table, company = _TABLES[place]
            statement += _OF_ROWS.format(table=table, company=company, place=place)
            values += [LIVE_CHANNEL, place, list(ids)]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def tell_of_deliveries(delivery_ids: set[int], *more: str) -> None:
    """The pages of the records concerned, of the queues, and those that show ``more``. Two statements; none where nothing changed."""
    if delivery_ids:
        found = claims.places_of(delivery_ids)
        tell_pages(*of_companies("queue", found.companies), *more, *(f"record:{one}" for one in found.records))


def of_companies(what: str, companies: Iterable[int | None]) -> list[str]:
    """The words for the lists of these companies, each once."""
    return [f"{what}:{one}" for one in sorted({one or NOBODYS for one in companies})]


def topics_of(member: Member, what: str) -> frozenset[str]:
    """The words by which a member hears of a list: those of the companies whose rows the list shows to this member."""
    beyond = (None,) if sees_whole_house(member) else ()
    return frozenset(of_companies(what, (*company_ids(member), *beyond)))
