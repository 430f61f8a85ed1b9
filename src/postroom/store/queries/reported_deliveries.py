"""The deliveries that reports speak of: by signed return path, and by the Message-ID that they quote, with who had the mail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q

from postroom.core.delivery.destinations import destination_of
from postroom.core.routing.verdicts import DeliveryFact, Evidence, MessageFact
from postroom.core.terms.states import MessageKind
from postroom.store.models import Attempt, Delivery, DestinationDomain

_MOST_DELIVERIES = 200  # of one mail that a report may speak of

MESSAGE_FIELDS = (
    "id",
    "kind",
    "company_id",
    "record_id",
    "record__merged_into_id",
    "record__kind_id",
    "record__alias_id",
    "record__contact_address",
)


def message_fact(row: Mapping[str, Any], identifier: str, prefix: str = "") -> MessageFact:
    """A record that was merged into another counts as that one."""
    return MessageFact(
        message_id=row[f"{prefix}id"],
        identifier=identifier,
        record_id=row[f"{prefix}record__merged_into_id"] or row[f"{prefix}record_id"],
        kind=row[f"{prefix}record__kind_id"] or "",
        company_id=row[f"{prefix}company_id"],
        is_note=row[f"{prefix}kind"] == MessageKind.NOTE,
        record_alias_id=row[f"{prefix}record__alias_id"],
        record_address=row[f"{prefix}record__contact_address"] or "",
    )


def reported_deliveries(
    evidences: Sequence[Evidence],
) -> tuple[Mapping[int, DeliveryFact], Mapping[str, tuple[DeliveryFact, ...]]]:
    """By signed return path, and by the Message-ID that a report quotes."""
    numbers = {number for evidence in evidences for number in evidence.bounce_numbers}
    quoted = {e.report.original_message_id for e in evidences if e.report and e.report.original_message_id}
    if not numbers and not quoted:
        return {}, {}
    names = [f"mail__message__{name}" for name in MESSAGE_FIELDS]
    wanted = Q(pk__in=numbers) | Q(mail__header_message_id__in=quoted)
    rows = Delivery.objects.filter(wanted).order_by("-id")
    by_number: dict[int, DeliveryFact] = {}
    by_id: dict[str, list[DeliveryFact]] = defaultdict(list)
    limit = len(numbers) + _MOST_DELIVERIES * len(quoted)
    fields = ("id", "to_address", "company_id", "mail__header_message_id", "server__host")
    found = list(rows.values(*fields, *names)[:limit])
    by_quotation = [row for row in found if row["id"] not in numbers]
    providers = _providers({row["to_address"].lower().rpartition("@")[2] for row in by_quotation})
    replies = (
        _replies({row["id"] for row in by_quotation}) if any(e.report and e.report.queue_ids for e in evidences) else {}
    )
    for row in found:
        message = message_fact(row, "", "mail__message__") if row["mail__message__id"] else None
        fact = DeliveryFact(
            delivery_id=row["id"],
            address=row["to_address"].lower(),
            company_id=row["company_id"],
            by_token=row["id"] in numbers,
            takers=_takers(row["to_address"].lower().rpartition("@")[2], row["server__host"] or "", providers),
            replies=replies.get(row["id"], ()),
            message=message,
        )
        if fact.by_token:
            by_number[fact.delivery_id] = fact
        if row["mail__header_message_id"] in quoted:
            by_id[row["mail__header_message_id"]].append(replace(fact, by_token=False))
    return by_number, {one: tuple(facts) for one, facts in by_id.items()}


def _takers(domain: str, host: str, providers: Mapping[str, str]) -> frozenset[str]:
    """The recipient's domain, the provider that its MX names, and the server that we handed the mail to."""
    found = (provider_of(domain), providers.get(domain, ""), provider_of(host.lower()))
    return frozenset(one for one in found if one)


def provider_of(domain: str) -> str:
    return destination_of(domain, [domain]) if "." in domain else ""


def _providers(domains: Collection[str]) -> Mapping[str, str]:
    if not domains:
        return {}
    known = DestinationDomain.objects.filter(domain__in=domains, resolved_at__isnull=False)
    return dict(known.values_list("domain", "destination"))


def _replies(numbers: Collection[int]) -> Mapping[int, tuple[str, ...]]:
    """With which the next hop took these; reports that quote its number of the mail are rare, and so is this query."""
    found: dict[int, list[str]] = defaultdict(list)
    rows = Attempt.objects.filter(delivery_id__in=numbers, code__gte=200, code__lt=300).order_by("-id")
    for number, text in rows.values_list("delivery_id", "text")[: 5 * len(numbers)]:
        found[number].append(text[:1_000])
    return {number: tuple(texts) for number, texts in found.items()}
