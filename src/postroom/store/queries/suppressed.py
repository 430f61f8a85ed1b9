"""Which of many addresses campaigns leave out, and which do not receive well: one query for any number of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import connection
from django.db.models import OuterRef, Q, Subquery

from postroom.core.delivery.suppression import AddressTrouble
from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import AddressHealth, Suppression

_SUPPRESSED = """
    SELECT h.address, s.reasons FROM postroom_addresshealth h
    JOIN postroom_suppression s ON s.health_id = h.id AND s.released_at IS NULL
    WHERE h.company_id = %s AND h.address = ANY(%s) AND (s.expires_at IS NULL OR s.expires_at > %s)
"""


def suppressed_among(company_id: int, addresses: Iterable[str], *, now: datetime) -> Mapping[str, Reason]:
    """Of these addresses those that campaigns of the company leave out, each as it was given, with the first reason."""
    by_normal: dict[str, list[str]] = {}
    for address in addresses:
        if normal := normalize(address):
            by_normal.setdefault(normal, []).append(address)
    if not by_normal:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SUPPRESSED, [company_id, list(by_normal), now])
        rows = cursor.fetchall()
    return {given: _first(reasons) for normal, reasons in rows for given in by_normal[normal]}


def troubles_among(company_id: int, addresses: Iterable[str], *, now: datetime) -> Mapping[str, AddressTrouble]:
    """Of these (normalised) addresses those that bounced since their last sign of life, complained, or are left out of campaigns."""
    wanted = {address for address in addresses if address}
    if not wanted:
        return {}
    in_force = Q(expires_at=None) | Q(expires_at__gt=now)
    since = Suppression.objects.filter(in_force, health=OuterRef("pk"), released_at=None).values("since")[:1]
    rows = AddressHealth.objects.filter(company_id=company_id, address__in=wanted).annotate(since=Subquery(since))
    found = {row.address: _trouble(row) for row in rows}
    return {address: one for address, one in found.items() if one.bounces or one.complained_at or one.suppressed_since}


def _trouble(row: AddressHealth) -> AddressTrouble:
    """What lies behind a sign of life is not told any more."""
    is_bouncing = row.bounce_count > 0
    return AddressTrouble(
        health_id=row.pk,
        bounces=row.bounce_count,
        first_bounced_at=row.first_bounced_at if is_bouncing else None,
        last_bounced_at=row.last_bounced_at if is_bouncing else None,
        last_reply=row.last_reply if is_bouncing else "",
        complained_at=row.last_complained_at,
        suppressed_since=getattr(row, "since", None),
    )


def _first(reasons: object) -> Reason:
    rows = json.loads(reasons) if isinstance(reasons, str) else reasons
    found = reasons_from_json(row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict))
    return found[0] if found else Reason("suppression.bounces")
