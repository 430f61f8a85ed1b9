"""Finding a delivery by what somebody has in hand: an address, a Message-ID, a number, the relay's or provider's id.

Laws: see `store.queries.pages`. Message-IDs, addresses and providers' ids have indexes. What a relay calls a mail stands in its reply and has
none (it would cost every mail): the newest `RECENT` attempts are looked at, and the page says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from postroom.store.models import Delivery, MessageIdentifier, OutgoingMail

RECENT = 200_000  # attempts
MOST = 50
LEAST_ID = 5  # characters of a relay's id

_BY_REPLY = """
    SELECT DISTINCT delivery_id FROM (
        SELECT delivery_id, text FROM postroom_attempt ORDER BY id DESC LIMIT %s
    ) AS recent WHERE position(%s IN text) > 0 ORDER BY delivery_id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDeliveries:
    """``by``: message_id, provider, number, reply, or ``""`` for nothing. ``is_address``: it may be a recipient's address."""

    ids: tuple[int, ...]
    by: str
    is_address: bool


def find_deliveries(text: str, companies: Sequence[int] | None, *, shows_house: bool) -> FoundDeliveries:
    """The newest deliveries of these companies (None: of all) that it names; ``shows_house`` as of `QueueWish`. Five queries at most; the
    last one walks `RECENT` attempts."""
    asked = text.strip()
    is_address = "@" in asked and not asked.startswith("<")
    steps: tuple[tuple[str, Callable[[], list[int]]], ...] = (
        ("number", lambda: [int(asked)] if asked.isascii() and asked.isdigit() and len(asked) < 19 else []),
        ("message_id", lambda: _by_message_id(asked)),
        ("provider", lambda: list(_newest().filter(provider_message_id=asked).exclude(provider_message_id="")[:MOST])),
        ("reply", lambda: [] if is_address or len(asked) < LEAST_ID else _by_reply(asked)),
    )
    for by, look in steps if asked else ():
        if ids := _visible(look(), companies, shows_house):
            return FoundDeliveries(ids=ids, by=by, is_address=is_address)
    return FoundDeliveries(ids=(), by="", is_address=is_address)


def _newest() -> QuerySet[Delivery, int]:
    return Delivery.objects.order_by("-id").values_list("pk", flat=True)


def _by_message_id(asked: str) -> list[int]:
    """Ours, that of a message which it carries, with brackets or without."""
    if "@" not in asked and not asked.startswith("<"):
        return []
    identifier = f"<{asked.strip('<>')}>"
    mails = list(OutgoingMail.objects.filter(header_message_id=identifier).values_list("pk", flat=True)[:MOST])
    if not mails:
        messages = MessageIdentifier.objects.filter(identifier=identifier).values("message")[:MOST]
        mails = list(OutgoingMail.objects.filter(message__in=messages).values_list("pk", flat=True)[:MOST])
    return list(_newest().filter(mail__in=mails)[:MOST]) if mails else []


def _by_reply(asked: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_BY_REPLY, [RECENT, asked, MOST])
        return [row[0] for row in cursor.fetchall()]


def _visible(ids: list[int], companies: Sequence[int] | None, shows_house: bool) -> tuple[int, ...]:
    if not ids:
        return ()
    rows = _newest().filter(pk__in=ids)
    if companies is not None:
        rows = rows.filter(company_id__in=list(companies))
    if not shows_house:
        rows = rows.filter(is_of_the_house=False)
    return tuple(rows[:MOST])
