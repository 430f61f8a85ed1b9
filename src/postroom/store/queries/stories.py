"""What a story is told from: the message or address that a question names, and its mails, answers, evidence and times on the blacklist.

Laws: see `store.queries.pages`; every look goes along an index, or into a window whose size the caller tells (`RECENT_INBOUND`). The caller
brings the rows that the reader may see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left, Lower

from postroom.core.terms.addresses import normalize, parse_one
from postroom.core.terms.reasons import reasons_from_json
from postroom.core.terms.states import Channel, DeliveryState, InboundState, MessageKind
from postroom.store.models import (
    BounceEvent,
    Delivery,
    InboundMessage,
    Message,
    MessageIdentifier,
    Notification,
    OutgoingMail,
    Suppression,
)
from postroom.store.models.outgoing import WAITING
from postroom.store.queries.delivery_histories import waited_of
from postroom.store.queries.pages import older
from postroom.store.queries.pages_chatter import verdict_reasons
from postroom.store.queries.pages_story import AUTOMATIC, MOST_ANSWERS, PostedFact
from postroom.store.queries.story_facts import CameFact, EvidenceFact, MailFact, Named, TimeFact, ToldFact, WroteFact
from postroom.store.queries.verdicts_seen import hidden_from, own_part

RECENT_INBOUND = 500  # mails in each of these states
UNMADE = (InboundState.HELD, InboundState.REFUSED, InboundState.FAILED, InboundState.DISCARDED)
MOST_UNMADE = 20
MOST_ROWS = 100  # mails, answers, times on the blacklist, each, where nobody reads on page by page
MOST_HEARERS = 10_000  # of a message, that are counted
_WORDS = 400  # characters of an answer


def named(text: str) -> Named:
    """What bears this Message-ID, with its brackets or without. One query along three indexes."""
    identifier = f"<{text.strip().strip('<>')}>"
    pieces = [
        MessageIdentifier.objects.filter(identifier=identifier).values_list(_what("messages"), "message_id"),
        OutgoingMail.objects.filter(header_message_id=identifier).values_list(_what("mails"), "id"),
        OutgoingMail.objects.filter(header_message_id=identifier, message__isnull=False).values_list(
            _what("messages"), "message_id"
        ),
        InboundMessage.objects.filter(message_id=identifier).values_list(_what("inbound"), "id"),
    ]
    first, *others = [piece.order_by()[:MOST_ANSWERS] for piece in pieces]
    found: dict[str, set[int]] = {"messages": set(), "mails": set(), "inbound": set()}
    for what, number in first.union(*others, all=True):
        found[what].add(number)
    return Named(**{what: tuple(sorted(numbers)) for what, numbers in found.items()})


def _what(name: str) -> Value:
    return Value(name, output_field=CharField())


def told_of(visible: QuerySet[Message], numbers: Collection[int]) -> list[ToldFact]:
    """Those of these messages (`MOST_ANSWERS` at most) that the reader may see, the oldest first, and how many hear of each. Two queries."""
    rows = list(
        visible.filter(pk__in=numbers)
        .order_by("id")
        .values(
            "id",
            "record_id",
            "kind",
            "subject",
            "posted_at",
            "inbound_id",
            "company_id",
            "author_address",
            "author_name",
            title=F("record__title"),
            known_as=F("author__name"),
            received_at=F("inbound__received_at"),
            routed_at=F("inbound__routed_at"),
            door=F("inbound__door"),
            state=F("inbound__state"),
            mail_from=F("inbound__mail_from"),
            header_from=F("inbound__header_from"),
            came_as=F("inbound__subject"),
            error=F("inbound__error"),
            verdict=F("inbound__verdict"),
        )[:MOST_ANSWERS]
    )
    heard = _heard([row["id"] for row in rows])
    return [_told(row, heard) for row in rows]


def _heard(numbers: Sequence[int]) -> Counter[tuple[int, str]]:
    """How many hear of each message on which way, as far as anybody counts. One query."""
    if not numbers:
        return Counter()
    pieces = [
        Notification.objects.filter(message=number).order_by().values_list("message_id", "channel")[:MOST_HEARERS]
        for number in numbers
    ]
    return Counter(pieces[0] if len(pieces) == 1 else pieces[0].union(*pieces[1:], all=True))


def _told(row: Mapping[str, Any], heard: Counter[tuple[int, str]]) -> ToldFact:
    return ToldFact(
        posted=PostedFact(
            message_id=row["id"],
            record_id=row["record_id"],
            record_title=row["title"] or "",
            author=row["known_as"] or row["author_name"] or row["author_address"],
            author_address=row["author_address"],
            kind=row["kind"],
            posted_at=row["posted_at"],
            reasons=(),
        ),
        subject=row["subject"] or row["title"] or "",
        came=_came(
            row, row["inbound_id"], row["came_as"], own_part(row["verdict"], row["record_id"], row["company_id"])
        )
        if row["inbound_id"]
        else None,
        by_mail=heard[row["id"], Channel.MAIL.value],
        in_app=heard[row["id"], Channel.INBOX.value],
    )


_CAME = (
    "id",
    "received_at",
    "routed_at",
    "door",
    "state",
    "mail_from",
    "header_from",
    "subject",
    "error",
    "verdict",
)


def came_of(
    visible: QuerySet[InboundMessage], numbers: Collection[int], *, cut: Collection[int] | None
) -> tuple[CameFact, ...]:
    """Those of these mails (`MOST_ANSWERS` at most) that the reader may see, as he may see them, the newest first. One query; one more
    where there is something to cut."""
    rows = visible.filter(pk__in=numbers).order_by("-id").values(*_CAME)[:MOST_ANSWERS]
    return _all_came(list(rows), cut)


def _all_came(rows: Sequence[Mapping[str, Any]], cut: Collection[int] | None) -> tuple[CameFact, ...]:
    hidden = hidden_from(cut, [row["verdict"] for row in rows])
    return tuple(_came(row, row["id"], row["subject"], hidden.verdict(row["verdict"])) for row in rows)


def became(visible: QuerySet[Message], inbound_id: int) -> tuple[int, ...]:
    """The messages that a mail became. One query."""
    return tuple(visible.filter(inbound_id=inbound_id).order_by("id").values_list("pk", flat=True)[:MOST_ANSWERS])


_RECENT = """
(SELECT id, mail_from, header_from FROM (
    SELECT id, mail_from, header_from FROM postroom_inboundmessage
    WHERE state = %s AND state IN ('held', 'failed', 'refused', 'discarded') ORDER BY id DESC LIMIT %s
) AS recent WHERE lower(mail_from) = lower(%s) OR strpos(lower(header_from), lower(%s)) > 0)
"""


def unmade(visible: QuerySet[InboundMessage], address: str, *, cut: Collection[int] | None) -> tuple[CameFact, ...]:
    """Mails of this sender that became no message, among the newest `RECENT_INBOUND` of all in each of these states. Two queries at most;
    one more where there is something to cut.

    A sender whose address only ends like this one is another."""
    normal = normalize(address)
    pieces = " UNION ALL ".join(_RECENT for _ in UNMADE)
    values = [value for state in UNMADE for value in (state.value, RECENT_INBOUND, address, address)]
    with connection.cursor() as cursor:
        cursor.execute(pieces, values)
        numbers = [number for number, *senders in cursor.fetchall() if normal in map(_normal, senders)]
    rows = visible.filter(pk__in=numbers).order_by("-id").values(*_CAME) if numbers else ()
    return _all_came(list(rows[:MOST_UNMADE]), cut)


def _normal(sender: str) -> str:
    found = parse_one(sender)
    return found.normal if found is not None else ""


def _came(row: Mapping[str, Any], inbound_id: int, subject: str, seen: Sequence[Mapping[str, Any]]) -> CameFact:
    return CameFact(
        inbound_id=inbound_id,
        received_at=row["received_at"],
        sender=row["header_from"] or row["mail_from"],
        door=row["door"],
        state=InboundState(row["state"]),
        routed_at=row["routed_at"],
        subject=subject,
        error=row["error"],
        reasons=verdict_reasons(seen),
    )


# -- mails that left


def mails_of_message(visible: QuerySet[Delivery], message_id: int, *, before: int | None, size: int) -> list[MailFact]:
    """The newest first. One query."""
    return _mails([_before(visible.filter(mail__message_id=message_id), before)], size)


def mails_among(
    visible: QuerySet[Delivery], *, deliveries: Collection[int] = (), mails: Collection[int] = ()
) -> list[MailFact]:
    """By their own numbers, or by those of the mails as they were composed. One query."""
    wanted = Q(pk__in=deliveries) if deliveries else Q(mail_id__in=mails)
    return _mails([visible.filter(wanted)], MOST_ROWS)


def mails_to(visible: QuerySet[Delivery], address: str, *, before: int | None, size: int) -> list[MailFact]:
    """To this address in any case, the newest first. One query along the index of recipients, and the one of what is being sent."""
    rows = _before(visible.alias(lower=Lower("to_address")).filter(lower=address.strip().lower()), before)
    return _mails([rows.exclude(state=DeliveryState.SENDING), rows.filter(state=DeliveryState.SENDING)], size)


def _before(rows: QuerySet[Delivery], number: int | None) -> QuerySet[Delivery]:
    return rows if number is None else rows.filter(pk__lt=number)


def _mails(pieces: Sequence[QuerySet[Delivery]], size: int) -> list[MailFact]:
    asked = [
        piece.order_by("-id").values(
            "id",
            "to_address",
            "state",
            "created_at",
            "due_at",
            "waits_for",
            "reasons",
            "waited",
            "confirmed_at",
            "provider_message_id",
            subject=F("mail__subject"),
            message=F("mail__message_id"),
            record=F("mail__message__record_id"),
            title=F("mail__message__record__title"),
            known_as=F("mail__message__author__name"),
            author_name=F("mail__message__author_name"),
            author_address=F("mail__message__author_address"),
            kind=F("mail__message__kind"),
            posted_at=F("mail__message__posted_at"),
            why=F("notification__reasons"),
        )[:size]
        for piece in pieces
    ]
    rows = asked[0] if len(asked) == 1 else asked[0].union(*asked[1:], all=True)
    return sorted(map(_mail, rows), key=lambda mail: -mail.delivery_id)[:size]


def _mail(row: Mapping[str, Any]) -> MailFact:
    is_waiting = row["state"] in WAITING
    waits_for = row["waits_for"] if is_waiting and isinstance(row["waits_for"], dict) else None
    return MailFact(
        delivery_id=row["id"],
        address=row["to_address"],
        subject=row["subject"],
        state=DeliveryState(row["state"]),
        created_at=row["created_at"],
        due_at=row["due_at"] if is_waiting else None,
        waits_for=reasons_from_json([waits_for])[0] if waits_for else None,
        reasons=reasons_from_json(row["reasons"] or ()),
        waited=waited_of(row["waited"]),
        confirmed_at=row["confirmed_at"],
        provider_id=row["provider_message_id"],
        posted=_posted(row) if row["message"] else None,
    )


def _posted(row: Mapping[str, Any]) -> PostedFact:
    return PostedFact(
        message_id=row["message"],
        record_id=row["record"],
        record_title=row["title"] or "",
        author=row["known_as"] or row["author_name"] or row["author_address"],
        author_address=row["author_address"],
        kind=row["kind"],
        posted_at=row["posted_at"],
        reasons=reasons_from_json(row["why"] or ()),
    )


# -- what people wrote


def answers_to(visible: QuerySet[Message], message_ids: Collection[int]) -> list[WroteFact]:
    """To any of these, the newest first; what our own people wrote below it is no answer of a recipient, and is told all the same. One query."""
    return _wrote([visible.filter(parent_id__in=message_ids).exclude(kind=MessageKind.SYSTEM)], (False,), MOST_ROWS)


def written_by(
    visible: QuerySet[Message], address: str, *, before: int | None, size: int, answering: Collection[int]
) -> list[WroteFact]:
    """By the contacts of this address, the newest first; and as an answer to one of these messages, by whom no contact stands for. One query."""
    rows = visible.exclude(kind=MessageKind.SYSTEM)
    stray = rows.filter(parent_id__in=answering, author__isnull=True, author_address__iexact=address)
    before_it = rows if before is None else rows.filter(pk__lt=before)
    own = Message.objects.filter(pk__in=_newest_of(before_it, normalize(address) or address.lower(), size))
    return _wrote([own, stray] if answering else [own], (True, False), size)


_NEWEST_OF = """
SELECT said.id FROM postroom_contact AS known CROSS JOIN LATERAL ({piece}) AS said
WHERE known.normal = %s AND known.is_active ORDER BY said.id DESC LIMIT %s
"""


def _newest_of(rows: QuerySet[Message], normal: str, size: int) -> RawSQL:
    """The numbers of the newest that the contacts of this address wrote. The index of authors has each one's in their order, so that of
    who wrote ten thousand a page is read; a union of all would be gathered and sorted."""
    piece = rows.filter(author_id=RawSQL("known.id", [])).order_by("-id").values("id")[:size]
    statement, values = piece.query.sql_with_params()
    return RawSQL(_NEWEST_OF.format(piece=statement), [*values, normal, size])  # noqa: S611 (a constant)


def _wrote(pieces: Sequence[QuerySet[Message]], asked: Iterable[bool], size: int) -> list[WroteFact]:
    found = [
        piece.order_by("-id").values(
            "id",
            "record_id",
            "inbound_id",
            "parent_id",
            "kind",
            "posted_at",
            "author_name",
            "author_address",
            "subject",
            title=F("record__title"),
            known_as=F("author__name"),
            words=Left("body__text", _WORDS),
            verdict=F("inbound__verdict"),
            is_asked=Value(is_asked),
        )[:size]
        for piece, is_asked in zip(pieces, asked, strict=False)
    ]
    rows = found[0] if len(found) == 1 else found[0].union(*found[1:], all=True)
    return sorted(map(_one_written, rows), key=lambda one: -one.message_id)


def _one_written(row: Mapping[str, Any]) -> WroteFact:
    is_note = row["kind"] == MessageKind.NOTE
    return WroteFact(
        message_id=row["id"],
        record_id=row["record_id"],
        inbound_id=row["inbound_id"],
        title=row["title"] or row["subject"],
        who=row["known_as"] or row["author_name"] or row["author_address"],
        words="" if is_note else " ".join((row["words"] or "").split())[:200],
        posted_at=row["posted_at"],
        parent_id=row["parent_id"],
        is_automatic=any(AUTOMATIC in reason.code for reason in verdict_reasons(row["verdict"] or ())),
        is_note=is_note,
        is_asked=row["is_asked"],
    )


# -- what is known of addresses


def evidence_of(company_ids: Collection[int], address: str, *, cursor: str, size: int) -> list[EvidenceFact]:
    """What was counted against it and whose delivery retention took, the newest first. One query."""
    kept = Delivery.objects.filter(pk=OuterRef("delivery_id"))
    rows = BounceEvent.objects.filter(
        older("happened_at", cursor), health__company_id__in=company_ids, health__address=normalize(address)
    )
    return [
        EvidenceFact(
            id=row.pk,
            health_id=row.health_id,
            kind=row.kind,
            status=row.status,
            reply=row.reply,
            happened_at=row.happened_at,
        )
        for row in rows.exclude(Exists(kept)).order_by("-happened_at", "-id")[:size]
    ]


def times_of(
    company_ids: Collection[int], addresses: Collection[str], *, before: int | None = None, size: int = MOST_ROWS
) -> list[TimeFact]:
    """When campaigns left these out, the newest first. One query."""
    normals = {normal for one in addresses if (normal := normalize(one))}
    rows = Suppression.objects.filter(health__company_id__in=company_ids, health__address__in=normals)
    rows = rows if before is None else rows.filter(pk__lt=before)
    return [
        TimeFact(
            id=row.pk,
            health_id=row.health_id,
            address=row.health.address,
            reasons=reasons_from_json(one for one in row.reasons if isinstance(one, dict)),
            who=row.who,
            since=row.since,
            expires_at=row.expires_at,
            released_at=row.released_at,
            released_who=row.released_who,
            released_why=row.released_why,
        )
        for row in rows.select_related("health").order_by("-id")[:size]
    ]
