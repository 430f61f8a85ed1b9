"""How the queue stands for who may look at it: asked by the first page, decided in the core.

Laws: reads only; one query, and the servers of the member's companies with those of the house alone.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from postroom.core.delivery.standing import Sender, how_it_stands
from postroom.core.terms.standing import Standing
from postroom.flows.access import company_cut, may
from postroom.store.models import Member, OutgoingServer
from postroom.store.queries.pages_queue import server_states


def queue_standing(member: Member, *, oldest_due: datetime | None, now: datetime) -> Standing | None:
    """None for who may not look. ``oldest_due``: since when the delivery is due that waits for longest, as far as the member sees it."""
    if not may(member, "queue"):
        return None
    rows, cut = OutgoingServer.objects.filter(is_active=True).order_by("name", "id"), company_cut(member)
    if cut is not None:
        rows = rows.filter(Q(company_id__in=cut) | Q(company=None))
    senders = [
        Sender(name=one.name, is_paused=one.paused_at is not None, broken_until=one.broken_until)
        for one in server_states(rows)
    ]
    return how_it_stands(senders, oldest_due=oldest_due, now=now)
