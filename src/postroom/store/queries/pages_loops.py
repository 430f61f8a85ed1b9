"""What loop breakers hold, by target and author. Laws: see `store.queries.pages`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Min, QuerySet, Window
from django.db.models.functions import RowNumber

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import Alias, LoopHold, Record

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
    name: str  # of the target, as people know it
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
    """Those that held something last stand first. Four queries."""
    rows = visible.filter(subject=target) if target else visible
    groups = list(
        rows.order_by()
        .values("subject", "author")
        .annotate(n=Count("id"), first=Min("held_at"), last=Max("held_at"), senders=Count("sender", distinct=True))
        .order_by("-last", "subject", "author")[:MOST_GROUPS]
    )
    newest: dict[tuple[str, str], list[LoopHold]] = defaultdict(list)
    for row in _newest(rows, {group["subject"] for group in groups}):
        newest[(row.subject, row.author)].append(row)
    names = target_names({group["subject"] for group in groups})
    return tuple(_group(group, newest[(group["subject"], group["author"])], names) for group in groups)


def _newest(rows: QuerySet[LoopHold], subjects: set[str]) -> QuerySet[LoopHold]:
    """Some of each group."""
    place = Window(RowNumber(), partition_by=[F("subject"), F("author")], order_by=F("id").desc())
    ranked = rows.filter(subject__in=subjects).annotate(place=place).filter(place__lte=_EXAMPLES)
    return ranked.select_related("inbound").order_by("-id")


def _group(group: Mapping[str, Any], newest: Sequence[LoopHold], names: Mapping[str, str]) -> HeldGroup:
    why = reasons_from_json([newest[0].reason] if newest else [])
    return HeldGroup(
        target=group["subject"],
        name=names[group["subject"]],
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


def target_names(subjects: Collection[str]) -> Mapping[str, str]:
    """``alias:3`` as people know it. Two queries at most."""
    split = {subject: subject.partition(":")[::2] for subject in subjects}
    aliases = [int(which) for what, which in split.values() if what == "alias"]
    records = [int(which) for what, which in split.values() if what == "record"]
    known = {f"alias:{one.pk}": str(one) for one in Alias.objects.filter(pk__in=aliases).select_related("domain")}
    known |= {
        f"record:{pk}": f"“{title}”" for pk, title in Record.objects.filter(pk__in=records).values_list("pk", "title")
    }
    plain = {"refusal": "refused mail ({})", "kind": "new records of kind {}"}
    return {
        subject: known.get(subject) or plain.get(what, subject).format(which)
        for subject, (what, which) in split.items()
    }
