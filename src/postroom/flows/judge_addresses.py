"""The rule is asked about addresses from which something came back, and what it says is written down and told on their contacts.

Laws: the addresses' rows are locked by the caller (`store.bounces.anchor`): who judges sees all that was counted. An address has one open
suppression at most; a stronger cause replaces a weaker one, and new evidence makes an expiring one last longer. Each is told once on the
contact's record, when it begins and when it ends, in a constant number of statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import F, Q

from postroom.core.delivery.suppression import Evidence, Rules, Suppress, day, judge, rules_of
from postroom.core.mime.markup import text_to_html
from postroom.core.terms.reasons import because, reasons_as_json
from postroom.core.terms.states import EvidenceKind, MessageKind, SuppressionCause
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.flows.tell_pages import tell_pages
from postroom.store.bounces import Place, contact_records
from postroom.store.bulk import insert
from postroom.store.models import BounceEvent, Message, MessageBody, Suppression

_MOST_REPLY = 500  # characters of a reply in a reason; the evidence has it whole


def judge_addresses(
    ports: Ports, places: Mapping[int, Place], alive: Mapping[int, datetime | None], now: datetime
) -> tuple[Place, ...]:
    """``places`` by the numbers of the addresses' rows. Those that campaigns leave out from now on."""
    rules = rules_of(parameters(ports))
    evidence = _evidence(places, rules, now)
    open_rows, released = _suppressions(places, now)
    begun: list[Suppression] = []
    changed: list[Suppression] = []
    for pk, place in sorted(places.items()):
        decision = judge(evidence.get(pk, ()), now, rules, released_at=released.get(pk), alive_at=alive.get(pk))
        if not isinstance(decision, Suppress):
            continue
        if pk in open_rows:
            changed += _strengthened(open_rows[pk], decision)
        else:
            begun.append(_row(pk, place[0], decision, now))
    if changed:
        Suppression.objects.bulk_update(changed, ["cause", "reasons", "expires_at"])
    if begun:
        insert(begun)
        tell_contacts(ports, [(places[one.health_id], begins(one)) for one in begun])
    return tuple(places[one.health_id] for one in begun)


def _evidence(places: Iterable[int], rules: Rules, now: datetime) -> Mapping[int, list[Evidence]]:
    """What is recent, and what came in just now, however late it was told."""
    rows = BounceEvent.objects.filter(
        Q(happened_at__gt=now - rules.within) | Q(recorded_at__gte=now), health_id__in=list(places)
    )
    found: dict[int, list[Evidence]] = {}
    for row in rows.values("id", "health_id", "kind", "happened_at", "fault", "is_proof", "reply"):
        found.setdefault(row["health_id"], []).append(
            Evidence(
                key=str(row["id"]),
                kind=EvidenceKind(row["kind"]),
                at=row["happened_at"],
                fault=row["fault"],
                is_proof=row["is_proof"],
                reply=row["reply"][:_MOST_REPLY],
            )
        )
    return found


def _suppressions(places: Iterable[int], now: datetime) -> tuple[dict[int, Suppression], dict[int, datetime]]:
    """Those that are open, and when the last one ended; what is over by now is ended first."""
    rows = list(Suppression.objects.filter(health_id__in=list(places)).order_by("id"))
    over = [row for row in rows if row.released_at is None and row.expires_at is not None and row.expires_at <= now]
    if over:
        end_expired_rows(over)
    released: dict[int, datetime] = {}
    for row in rows:
        if row.released_at is not None:
            released[row.health_id] = max(row.released_at, released.get(row.health_id, row.released_at))
    return {row.health_id: row for row in rows if row.released_at is None}, released


def end_expired_rows(over: Sequence[Suppression]) -> None:
    """They ended when they expired."""
    why = [str(because("suppression.expired", on=day(row.expires_at))) for row in over if row.expires_at]
    for row, text in zip(over, why, strict=True):
        row.released_at, row.released_why = row.expires_at, text
    Suppression.objects.filter(pk__in=[row.pk for row in over], released_at=None).update(
        released_at=F("expires_at"), released_why=why[0] if len(set(why)) == 1 else "Its time was over."
    )


def _strengthened(row: Suppression, decision: Suppress) -> list[Suppression]:
    """The open row as it is from now on; nothing when it says as much already."""
    if decision.cause.outranks(SuppressionCause(row.cause)):
        row.cause = decision.cause.value
        row.reasons = [*reasons_as_json(decision.reasons), *row.reasons][:5]
        row.expires_at = decision.expires_at
        return [row]
    later = decision.expires_at
    if decision.cause == row.cause and row.expires_at is not None and (later is None or later > row.expires_at):
        row.expires_at = later
        return [row]
    return []


def _row(health_id: int, company_id: int, decision: Suppress, now: datetime) -> Suppression:
    return Suppression(
        health_id=health_id,
        company_id=company_id,
        cause=decision.cause.value,
        reasons=reasons_as_json(decision.reasons),
        since=now,
        expires_at=decision.expires_at,
    )


def begins(row: Suppression) -> str:
    """The note on the contact."""
    why = " ".join(str(because(str(one["code"]), **one["facts"])) for one in row.reasons)
    until = f" Until {day(row.expires_at)}." if row.expires_at else ""
    return f"Campaigns leave {{address}} out from now on. {why}{until}"


def ends(who: str, why: str) -> str:
    """The note on the contact."""
    by = f" {who}:" if who else ""
    return f"Campaigns may write to {{address}} again.{by} {why}"


def tell_contacts(ports: Ports, notes: Sequence[tuple[Place, str]]) -> None:
    """A line on the contact's own records, where there are such. Nobody is notified. ``{address}`` in a note is filled in."""
    texts = dict(notes)
    records = contact_records(list(texts))
    if not records:
        return
    now = ports.clock.now()
    messages = insert(
        [
            Message(
                company_id=place[0],
                record_id=record_id,
                kind=MessageKind.SYSTEM,
                author_name="Postroom",
                posted_at=now,
            )
            for place, record_id in records
        ]
    )
    said = [texts[place].replace("{address}", place[1]) for place, _ in records]
    insert(
        [
            MessageBody(message=message, text=text, html=text_to_html(text))
            for message, text in zip(messages, said, strict=True)
        ]
    )
    tell_pages(*(f"record:{one}" for one in sorted({record_id for _, record_id in records})))
