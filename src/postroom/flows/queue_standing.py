"""How the queue stands for who may look at it: asked by the first page, decided in the core.

Laws: reads only; the servers of the member's companies with those of the house alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from postroom.core.delivery.standing import Sender, how_it_stands
from postroom.core.terms.standing import Standing
from postroom.flows.access import company_cut, may
from postroom.store.models import Member, OutgoingServer


def senders_of(member: Member, most: int = 50) -> list[OutgoingServer] | None:
    """The servers in use that matter to this member; None for who may not look at the queue. One query."""
    if not may(member, "queue"):
        return None
    rows, cut = OutgoingServer.objects.filter(is_active=True).order_by("name", "id"), company_cut(member)
    return list((rows if cut is None else rows.filter(Q(company_id__in=cut) | Q(company=None)))[:most])


def queue_standing(
    servers: Sequence[OutgoingServer] | None, *, oldest_due: datetime | None, now: datetime
) -> Standing | None:
    """``servers``: of `senders_of`. ``oldest_due``: since when the delivery is due that waits for longest, as far as the member sees it."""
    if servers is None:
        return None
    senders = [
        Sender(name=one.name, is_paused=one.paused_at is not None, broken_until=one.broken_until) for one in servers
    ]
    return how_it_stands(senders, oldest_due=oldest_due, now=now)
