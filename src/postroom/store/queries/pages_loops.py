"""What loop breakers hold, by target and author. Laws: see `store.queries.pages`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import LoopHold

MOST_GROUPS = 100
_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMail:
    """One of the mails that are held."""

    id: int
    subject: str
    header_from: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """Mails that one breaker holds of one author; of everybody where ``author`` is empty."""

    target: str
    author: str
    count: int
    first_at: datetime
    last_at: datetime
    reason: Reason
    senders: int
    mails: tuple[HeldMail, ...]

    @property
    def is_wide(self) -> bool:
        """Whether the cap that counts everybody holds them."""
        return not self.author


def held_groups(visible: QuerySet[LoopHold], target: str = "") -> tuple[HeldGroup, ...]:
    """The newest first; two queries for each group of at most `MOST_GROUPS`."""
    rows = visible.filter(subject=target) if target else visible
    groups = (
        rows.order_by()
        .values("subject", "author")
        .annotate(n=Count("id"), first=Min("held_at"), last=Max("held_at"), senders=Count("sender", distinct=True))
        .order_by("-last")[:MOST_GROUPS]
    )
    return tuple(_group(rows, group) for group in groups)


def _group(rows: QuerySet[LoopHold], group: Mapping[str, Any]) -> HeldGroup:
    mine = rows.filter(subject=group["subject"], author=group["author"]).select_related("inbound").order_by("-id")
    newest = list(mine[:_EXAMPLES])
    why = reasons_from_json([newest[0].reason] if newest else [])
    return HeldGroup(
        target=group["subject"],
        author=group["author"],
        count=group["n"],
        first_at=group["first"],
        last_at=group["last"],
        reason=why[0] if why else Reason(""),
        senders=group["senders"],
        mails=tuple(
            HeldMail(
                id=one.inbound_id,
                subject=one.inbound.subject,
                header_from=one.inbound.header_from or one.inbound.mail_from,
                received_at=one.inbound.received_at,
            )
            for one in newest
        ),
    )
