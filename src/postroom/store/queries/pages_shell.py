"""What stands around every page: the kinds of records, how much mail is held, where the database lives. Laws: see `store.queries.pages`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import JSONObject

from postroom.core.terms.states import InboundState
from postroom.store.models import InboundMessage, Installation, Member, RecordKind
from postroom.store.queries.pages_failures import COUNT, LOOKED_AT
from postroom.store.queries.pages_home import MANY, InstallationFact
from postroom.store.queries.pages_records import KindFact


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellFacts:
    """``kind_keys``: of those that are not in use, too; ``held``: at most ``MANY + 1``; ``installation``: None before the first start
    of a worker; ``my_failed``: see `pages_failures.my_failed`."""

    kinds: tuple[KindFact, ...]
    kind_keys: tuple[str, ...]
    held: int
    installation: InstallationFact | None
    my_failed: int


def shell_facts(member: Member, inbound: QuerySet[InboundMessage], companies: Sequence[int]) -> ShellFacts:
    """``inbound``: what the member may see of it; ``companies``: the member's. One query, of a row that is there: the member's own."""
    kinds = RecordKind.objects.values(
        one=JSONObject(
            key="key",
            label="label",
            label_plural="label_plural",
            icon="icon",
            stages="stages",
            is_active="is_active",
        )
    )
    held = inbound.filter(state=InboundState.HELD).order_by("-id").values("id")[: MANY + 1]
    lives = Installation.objects.order_by("pk").values(
        one=JSONObject(identity="identity", found_elsewhere="found_elsewhere", is_capturing="is_capturing")
    )[:1]
    found = (
        Member.objects.filter(pk=member.pk)
        .values(
            kinds=ArraySubquery(kinds),
            held=ArraySubquery(held),
            lives=Subquery(lives),
            failed=RawSQL(COUNT, [member.contact_id, list(companies), LOOKED_AT]),  # noqa: S611 (a constant)
        )
        .get()
    )
    rows = found["kinds"]
    return ShellFacts(
        kinds=tuple(
            KindFact(
                key=row["key"],
                label=row["label"],
                label_plural=row["label_plural"],
                icon=row["icon"],
                stages=tuple(str(stage) for stage in row["stages"]),
            )
            for row in rows
            if row["is_active"]
        ),
        kind_keys=tuple(row["key"] for row in rows),
        held=len(found["held"] or ()),
        installation=InstallationFact(**found["lives"]) if found["lives"] else None,
        my_failed=min(int(found["failed"]), MANY + 1),
    )
