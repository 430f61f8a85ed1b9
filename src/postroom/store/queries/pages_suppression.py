"""Addresses that do not receive well: lists, one address with its evidence, and who failed most in the last days.

Laws: see `store.queries.pages`. Lists are cut to companies by the caller. What failed most is counted over the newest pieces of evidence,
at most `MOST_COUNTED`, so that it costs the same in any house.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet

from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import AddressHealth, BounceEvent, Contact, Delivery, InboundMessage, Suppression
from postroom.store.models.words import Words, all_words
from postroom.store.queries.colleagues import known_to
from postroom.store.queries.pages import PAGE_ROWS, Page, cursor_of, older, page_of, read_id

MOST_COUNTED = 20_000
MOST_EVENTS = 100


class AddressView(StrEnum):
    """Which addresses."""

    SUPPRESSED = "suppressed"
    BOUNCING = "bouncing"
    COMPLAINED = "complained"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionFact:
    """One time during which campaigns left an address out."""

    id: int
    cause: str
    reasons: tuple[Reason, ...]
    since: datetime
    expires_at: datetime | None
    who: str
    released_at: datetime | None
    released_who: str
    released_why: str

    def is_in_force(self, now: datetime) -> bool:
        return self.released_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRow:
    """An address in a list. ``suppression`` is the one that the list is about, or the one in force."""

    id: int
    company_id: int
    company: str
    address: str
    bounce_count: int
    first_bounced_at: datetime | None
    last_bounced_at: datetime | None
    last_status: str
    last_reply: str
    last_blame: str
    complaint_count: int
    last_complained_at: datetime | None
    alive_at: datetime | None
    alive_by: str
    suppression: SuppressionFact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFact:
    """One piece of evidence. ``inbound_id`` and ``delivery_id`` stay when these rows are gone: then the flags say so."""

    kind: str
    source: str
    status: str
    reply: str
    blame: str
    is_proof: bool
    happened_at: datetime
    delivery_id: int
    has_delivery: bool
    inbound_id: int | None
    has_inbound: bool
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFact:
    """An address with all that came back from it, newest first, and all times at which it was left out."""

    row: AddressRow
    events: tuple[EventFact, ...]
    history: tuple[SuppressionFact, ...]
    contacts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstFact:
    """Who failed how often. ``id`` of the address; 0 for a domain."""

    name: str
    failures: int
    complaints: int
    id: int = 0

    @property
    def total(self) -> int:
        return self.failures + self.complaints


def address_list(
    company_ids: Collection[int],
    view: AddressView,
    *,
    now: datetime,
    search: str = "",
    cursor: str = "",
    size: int = PAGE_ROWS,
) -> Page[AddressRow]:
    """Newest first. ``search``: an address, or words that begin words of it. Two queries at most."""
    if view in (AddressView.SUPPRESSED, AddressView.RELEASED):
        is_open = view is AddressView.SUPPRESSED
        return _by_suppression(company_ids, now, is_open=is_open, search=search, cursor=cursor, size=size)
    moment = "last_bounced_at" if view is AddressView.BOUNCING else "last_complained_at"
    counter = "bounce_count__gt" if view is AddressView.BOUNCING else "complaint_count__gt"
    rows = AddressHealth.objects.filter(company_id__in=company_ids, **{counter: 0})
    found = _searched(rows, search, "").filter(older(moment, cursor)).order_by(F(moment).desc(), "-id")
    page = page_of(
        found.select_related("company")[: size + 1],
        size,
        lambda row: row,
        lambda row: cursor_of(getattr(row, moment), row.pk),
    )
    in_force = _open_of([row.pk for row in page.rows])
    return Page(rows=tuple(_row(row, in_force.get(row.pk)) for row in page.rows), next=page.next)


def _by_suppression(
    company_ids: Collection[int], now: datetime, *, is_open: bool, search: str, cursor: str, size: int
) -> Page[AddressRow]:
    rows = Suppression.objects.filter(company_id__in=company_ids, released_at__isnull=is_open)
    rows = _searched(rows, search, "health__").select_related("health__company")
    if is_open:
        rows = rows.filter(Q(expires_at=None) | Q(expires_at__gt=now))
        number = read_id(cursor)
        rows = (rows if number is None else rows.filter(pk__lt=number)).order_by("-id")
    else:
        rows = rows.filter(older("released_at", cursor)).order_by(F("released_at").desc(), "-id")

    def place(row: Suppression) -> str:
        return str(row.pk) if is_open or row.released_at is None else cursor_of(row.released_at, row.pk)

    return page_of(rows[: size + 1], size, lambda row: _row(row.health, _suppression(row)), place)


def _searched(rows: QuerySet[Any], search: str, prefix: str) -> QuerySet[Any]:
    if normal := normalize(search):
        return rows.filter(**{f"{prefix}address": normal})
    question = all_words(search)
    return rows if question is None else rows.alias(words=Words(f"{prefix}address")).filter(words=question)


def _open_of(health_ids: Collection[int]) -> Mapping[int, SuppressionFact]:
    rows = Suppression.objects.filter(health_id__in=health_ids, released_at=None)
    return {row.health_id: _suppression(row) for row in rows} if health_ids else {}


def address(visible: QuerySet[AddressHealth], health_id: int) -> AddressFact | None:
    """One address, with its newest evidence. Five queries."""
    found = visible.filter(pk=health_id).select_related("company").first()
    if found is None:
        return None
    history = tuple(_suppression(row) for row in Suppression.objects.filter(health=found).order_by("-id")[:MOST_EVENTS])
    names = Contact.objects.filter(known_to([found.company_id]), normal=found.address, is_active=True).order_by("id")
    return AddressFact(
        row=_row(found, next((one for one in history if one.released_at is None), None)),
        events=_events(found.pk),
        history=history,
        contacts=tuple(names.values_list("name", flat=True)[:10]),
    )


def find_address(company_ids: Collection[int], text: str) -> list[int]:
    """The numbers of this address's rows, in the order of companies; none: nothing is known of it."""
    rows = AddressHealth.objects.filter(company_id__in=company_ids, address=normalize(text))
    return list(rows.order_by("company_id").values_list("pk", flat=True)) if normalize(text) else []


def _events(health_id: int) -> tuple[EventFact, ...]:
    rows = list(BounceEvent.objects.filter(health_id=health_id).order_by("-happened_at", "-id")[:MOST_EVENTS])
    mails = dict(Delivery.objects.filter(pk__in={row.delivery_id for row in rows}).values_list("pk", "mail__subject"))
    reports = set(
        InboundMessage.objects.filter(pk__in={row.inbound_id for row in rows if row.inbound_id}).values_list(
            "pk", flat=True
        )
    )
    return tuple(
        EventFact(
            kind=row.kind,
            source=row.source,
            status=row.status,
            reply=row.reply,
            blame=row.blame,
            is_proof=row.is_proof,
            happened_at=row.happened_at,
            delivery_id=row.delivery_id,
            has_delivery=row.delivery_id in mails,
            inbound_id=row.inbound_id,
            has_inbound=row.inbound_id in reports,
            subject=mails.get(row.delivery_id, ""),
        )
        for row in rows
    )


_RECENT = """
    WITH recent AS (
        SELECT health_id, count(*) FILTER (WHERE kind = 'bounced') AS failures, count(*) FILTER (WHERE kind = 'complained') AS complaints
        FROM (SELECT health_id, kind FROM postroom_bounceevent WHERE company_id = ANY(%s) AND happened_at >= %s
              ORDER BY happened_at DESC LIMIT %s) newest
        GROUP BY health_id
    )
"""
_WORST_ADDRESSES = """
    SELECT h.id, h.address, w.failures, w.complaints
    FROM (SELECT * FROM recent ORDER BY failures + complaints DESC, health_id LIMIT %s) w
    JOIN postroom_addresshealth h ON h.id = w.health_id ORDER BY w.failures + w.complaints DESC, h.address
"""
_WORST_DOMAINS = """
    SELECT 0, h.domain, sum(r.failures)::int, sum(r.complaints)::int
    FROM recent r JOIN postroom_addresshealth h ON h.id = r.health_id
    GROUP BY h.domain ORDER BY sum(r.failures + r.complaints) DESC, h.domain LIMIT %s
"""


def worst_domains(company_ids: Collection[int], *, since: datetime, most: int = 8) -> tuple[WorstFact, ...]:
    """The domains whose addresses failed most."""
    return _worst(_WORST_DOMAINS, company_ids, since, most)


def worst_addresses(company_ids: Collection[int], *, since: datetime, most: int = 8) -> tuple[WorstFact, ...]:
    """The addresses that failed most."""
    return _worst(_WORST_ADDRESSES, company_ids, since, most)


def _worst(statement: str, company_ids: Collection[int], since: datetime, most: int) -> tuple[WorstFact, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_RECENT + statement, [list(company_ids), since, MOST_COUNTED, most])
        return tuple(
            WorstFact(id=pk, name=name, failures=failures, complaints=complaints)
            for pk, name, failures, complaints in cursor.fetchall()
        )


def _row(row: AddressHealth, suppression: SuppressionFact | None) -> AddressRow:
    return AddressRow(
        id=row.pk,
        company_id=row.company_id,
        company=row.company.name,
        address=row.address,
        bounce_count=row.bounce_count,
        first_bounced_at=row.first_bounced_at,
        last_bounced_at=row.last_bounced_at,
        last_status=row.last_status,
        last_reply=row.last_reply,
        last_blame=row.last_blame,
        complaint_count=row.complaint_count,
        last_complained_at=row.last_complained_at,
        alive_at=row.alive_at,
        alive_by=row.alive_by,
        suppression=suppression,
    )


def _suppression(row: Suppression) -> SuppressionFact:
    return SuppressionFact(
        id=row.pk,
        cause=row.cause,
        reasons=reasons_from_json(one for one in row.reasons if isinstance(one, dict)),
        since=row.since,
        expires_at=row.expires_at,
        who=row.who,
        released_at=row.released_at,
        released_who=row.released_who,
        released_why=row.released_why,
    )
