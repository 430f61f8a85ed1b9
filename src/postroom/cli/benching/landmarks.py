"""What the addresses of the table name in the house at hand: its longest record, a rare word, a row deep down in a list.

Laws: found once, before anything is measured, so it may walk through whole tables. Each reader has landmarks of what he may see;
what a small house does not have is left out, and so are the pages that name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.db.models import Count, QuerySet

from postroom.cli.benching.pages import Reader
from postroom.cli.telling import give_up
from postroom.core.terms.states import DeliveryState, InboundState, Role
from postroom.flows import access
from postroom.store.models import (
    AddressHealth,
    Alias,
    AliasDomain,
    Company,
    LetterboxMail,
    Mailbox,
    MailTemplate,
    Member,
    Message,
    Notification,
    OutgoingServer,
    Record,
    ScheduledAction,
)
from postroom.store.queries.pages import cursor_of

MIDDLE = 100  # messages
RARE_WORDS = ("theodolite", "astrolabe", "zeppelin", "bathysphere", "gramophone", "metronome")


def readers() -> Mapping[Reader, Member]:
    """Whoever sees all companies and has most to do; manager and agent of the smallest company that has both."""
    people = Member.objects.filter(user__is_active=True).select_related("user", "contact", "company")
    wardens = [one for one in people.filter(role=Role.ADMINISTRATOR) if access.sees_whole_house(one)]
    if not wardens:
        give_up("Nobody sees all companies of this house: it needs an administrator of all. Seed one: postroom seed")
    sizes = dict(Record.objects.order_by().values_list("company_id").annotate(count=Count("id")))
    fits = [
        company
        for company in sorted(sizes, key=sizes.__getitem__)
        if {Role.MANAGER, Role.AGENT} <= set(people.filter(company_id=company).values_list("role", flat=True))
    ]
    if not fits:
        give_up("No company of this house has records, a manager and an agent. Seed one: postroom seed")
    small = people.filter(company_id=fits[0]).order_by("pk")
    busiest = max(wardens, key=lambda one: Record.objects.filter(responsible=one).count())
    return {
        Reader.ADMINISTRATOR: busiest,
        Reader.MANAGER: small.filter(role=Role.MANAGER)[0],
        Reader.AGENT: small.filter(role=Role.AGENT)[0],
    }


def landmarks(member: Member) -> dict[str, str]:
    """By name, quoted for an address."""
    records = access.visible_records(member)
    found = _records(records) | _messages(member) | _mail(member) | _settings()
    return {name: quote(str(value)) for name, value in found.items() if value not in (None, "")}


def _records(records: QuerySet[Record]) -> dict[str, Any]:
    sizes = {
        row["record_id"]: row["count"]
        for row in Message.objects.filter(record__in=records).order_by().values("record_id").annotate(count=Count("id"))
    }
    if not sizes:
        give_up("This house has no records with messages: seed one first.")
    ordered = sorted(sizes, key=sizes.__getitem__)
    deep = records.order_by("-updated_at", "-id").values_list("updated_at", "id")[records.count() // 2]
    busiest = records.exclude(contact=None).order_by().values("contact_address").annotate(n=Count("id")).order_by("-n")
    great = busiest[0]["contact_address"] if busiest else ""
    writer = records.exclude(contact=None).order_by("-id").values_list("contact_id", flat=True).first()
    rare = next((word for word in RARE_WORDS if records.filter(title__icontains=word).exists()), "order")
    return {
        "record_short": ordered[0],
        "record_middle": min(sizes, key=lambda number: abs(sizes[number] - MIDDLE)),
        "record_long": ordered[-1],
        "deep_record": cursor_of(*deep),
        "stage": "New",
        "rare_stage": "Hired",
        "rare_word": rare,
        "common_word": "lamp",
        "other_word": "order",
        "address_text": great,
        "contact": writer,
        "great_text": great.partition("@")[0],
    }


def _messages(member: Member) -> dict[str, Any]:
    own = access.visible_messages(member)
    longest = own.order_by().values("record_id").annotate(n=Count("id")).order_by("-n")[0]["record_id"]
    of_longest = list(own.filter(record_id=longest).order_by("-id").values_list("id", flat=True))
    crowd = (
        Notification.objects.filter(company_id__in=access.company_ids(member))
        .order_by()
        .values("message_id")
        .annotate(n=Count("id"))
        .order_by("-n")
    )
    return {
        "middle_message": of_longest[len(of_longest) // 2],
        "message": of_longest[0],
        "crowded_message": crowd[0]["message_id"],
        "health": AddressHealth.objects.filter(company_id__in=access.company_ids(member)).order_by("-bounce_count", "pk").values_list("pk", flat=True).first(),
        **_letters(access.visible_letterbox(member)),
    }  # fmt: skip


def _letters(letters: QuerySet[LetterboxMail]) -> dict[str, Any]:
    newest = letters.order_by("-id").values("id", "to_address").first() or {"id": "", "to_address": ""}
    return {"letter": newest["id"], "letter_person": newest["to_address"]}


def _mail(member: Member) -> dict[str, Any]:
    deliveries, inbound = access.visible_deliveries(member), access.visible_inbound(member)

    def newest(rows: QuerySet[Any]) -> Any:
        return rows.order_by("-id").values_list("pk", flat=True).first()

    often = deliveries.order_by().values("to_address").annotate(n=Count("id")).order_by("-n")
    recipient = often[0]["to_address"] if often else ""
    routed = inbound.filter(state=InboundState.ROUTED)
    server = OutgoingServer.objects.filter(company=member.company).values_list("name", flat=True).first()
    return {
        "deep_delivery": _middle(deliveries.filter(state=DeliveryState.SENT)),
        "failed_delivery": newest(deliveries.filter(state=DeliveryState.FAILED)),
        "bounced_delivery": newest(deliveries.filter(state=DeliveryState.BOUNCED)),
        "recipient": recipient,
        "recipient_part": recipient.partition("@")[0],
        "server": server or "",
        "deep_inbound": _middle(inbound),
        "inbound": newest(routed.filter(mail_from__contains="@")),
        "held": newest(inbound.filter(state=InboundState.HELD)),
        "sender": (routed.order_by("-id").values_list("mail_from", flat=True).first() or "").partition("@")[2],
        "alias": next((f"{one.name}@{one.domain.name}" for one in Alias.objects.filter(company=member.company).select_related("domain")), ""),
    }  # fmt: skip


def _middle(rows: QuerySet[Any]) -> Any:
    found = rows.order_by("-id").values_list("id", flat=True)
    return found[rows.count() // 2] if rows.exists() else ""


def _settings() -> dict[str, Any]:
    rows: dict[str, QuerySet[Any]] = {
        "server_id": OutgoingServer.objects.all(),
        "mailbox": Mailbox.objects.all(),
        "domain": AliasDomain.objects.all(),
        "alias_id": Alias.objects.all(),
        "template": MailTemplate.objects.all(),
        "action": ScheduledAction.objects.all(),
        "member": Member.objects.all(),
        "company": Company.objects.all(),
    }
    return {name: query.order_by("pk").values_list("pk", flat=True).first() for name, query in rows.items()}
