"""Lists of records and the head of one record, for pages and the API. Laws: see `store.queries.pages`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import unescape
from itertools import product
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject, Left
from django.utils.html import strip_tags

from postroom.core.terms.record_values import ValueField
from postroom.core.terms.states import MessageKind
from postroom.store.models import (
    Alias,
    Contact,
    Follower,
    Member,
    Message,
    Notification,
    Record,
    RecordKind,
)
from postroom.store.models.words import Words, all_words
from postroom.store.queries.colleagues import follows_as_colleague, is_colleague, known_to, works_for
from postroom.store.queries.newest_first import newest, newest_among
from postroom.store.queries.pages import PAGE_ROWS, Page, cursor_of, older, page_of
from postroom.store.queries.pages_chatter import FAILED

SNIPPET = 160
MOST_FOLLOWERS = 200  # of one record that a page shows
MOST_CUTS = 200  # companies times kinds (twice, for open and done) that one question is made of


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFact:
    """A kind of record, with its stages in order."""

    key: str
    label: str
    label_plural: str
    icon: str
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordWish:
    """What a list shall show. ``responsible``: a member's id, 0 for nobody's, None for all; ``is_done``: None for open and done ones."""

    kind: str = ""
    kinds: Sequence[str] = ()  # without ``kind``: the keys of all kinds, where they are known; else they are asked for
    search: str = ""
    stage: str = ""
    responsible: int | None = None
    contact: int | None = None
    is_done: bool | None = None
    is_unanswered: bool = False  # somebody outside waits for an answer
    follower: int | None = None  # a contact: records that it follows
    failed_author: int | None = None  # a contact: records on which somebody did not get what they wrote
    cursor: str = ""
    size: int = PAGE_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """A record in a list, with the beginning of what was last written on it."""

    id: int
    kind: str
    title: str
    contact: str
    contact_address: str
    stage: str
    responsible_id: int | None
    responsible: str
    company: str
    updated_at: datetime
    is_done: bool = False
    unanswered_since: datetime | None = None
    last_kind: str = ""
    last_author: str = ""
    last_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerFact:
    """Who hears of what is written on a record."""

    contact_id: int
    name: str
    address: str
    is_colleague: bool
    comments: bool
    notes: bool
    changes: bool = False
    activities: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFact:
    """The head of a record's page."""

    id: int
    title: str
    kind: KindFact
    stage: str
    company_id: int
    company: str
    contact_id: int | None
    contact_name: str
    contact_address: str
    contact_language: str
    responsible_id: int | None
    responsible: str
    values: Mapping[str, Any]
    fields: tuple[ValueField, ...]
    alias: str
    created_at: datetime
    updated_at: datetime
    merged_into: int | None
    is_done: bool = False
    unanswered_since: datetime | None = None
    followers: tuple[FollowerFact, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact:
    """Somebody to choose from a list: a contact, or the contact of a colleague."""

    id: int
    name: str
    address: str
    is_colleague: bool = False


def kinds() -> tuple[KindFact, ...]:
    """The kinds in use, in their order."""
    return tuple(_kind(kind) for kind in RecordKind.objects.filter(is_active=True))


def record_list(visible: QuerySet[Record], wish: RecordWish, company_ids: Sequence[int]) -> Page[RecordRow]:
    """Records of these companies, last written on first. Two queries, another for rare words; one more where ``wish`` names no kinds."""
    found = _found(_newest(visible, wish, company_ids))
    return _page(found, wish.size)


def record_rows(visible: QuerySet[Record], record_ids: Sequence[int]) -> tuple[RecordRow, ...]:
    """These records, as far as they are visible, last written on first. One query."""
    return _page(_found(visible.filter(pk__in=record_ids).order_by().values("pk")), len(record_ids)).rows


def written_since(
    visible: QuerySet[Record], wish: RecordWish, company_ids: Sequence[int], since: datetime, most: int = PAGE_ROWS
) -> tuple[RecordRow, ...]:
    """The rows of the list on which something was written at ``since`` or later, newest first. As `record_list`."""
    recent = replace(wish, cursor="", size=most)
    return record_list(visible.filter(updated_at__gte=since), recent, company_ids).rows


def how_many(visible: QuerySet[Record], wish: RecordWish, company_ids: Sequence[int], most: int) -> int:
    """How many fit, at most one more than ``most``. Two queries at most."""
    return len(_newest(visible, replace(wish, size=most), company_ids))


def aliases_of(kind: str, company_ids: Sequence[int], most: int = 5) -> tuple[str, ...]:
    """The addresses to which somebody may write to make records of this kind (``""``: of any). One query."""
    rows = Alias.objects.filter(company_id__in=company_ids, forced_record=None, owner_record=None, retired_at=None)
    if kind:
        rows = rows.filter(kind_id=kind)
    return tuple(str(row) for row in rows.select_related("domain").order_by("name", "id")[:most])


def record_ids_of(visible: QuerySet[Record], wish: RecordWish, record_ids: Collection[int]) -> frozenset[int]:
    """Which of these the wish lets in; what it searches for is not asked."""
    these = visible.filter(pk__in=list(record_ids))
    asked = replace(wish, search="", cursor="")
    wanted, picked = _along(these, asked), _picked(these, asked)
    return frozenset((wanted if picked is None else wanted & picked).values_list("pk", flat=True))


def _page(found: Sequence[Mapping[str, Any]], size: int) -> Page[RecordRow]:
    return page_of(found, size, _record_row, lambda row: cursor_of(row["updated_at"], row["id"]))


def _found(record_ids: Sequence[int] | QuerySet[Record, Any]) -> list[Mapping[str, Any]]:
    latest = (
        Message.objects.filter(record=OuterRef("pk"))
        .exclude(kind=MessageKind.SYSTEM)
        .order_by("-id")
        .values(
            one=JSONObject(
                kind="kind",
                author="author_name",
                said=Left("body__text", SNIPPET),
                html_said=Left("body__html", 6 * SNIPPET),
            )
        )
    )
    return list(
        Record.objects.filter(pk__in=record_ids)
        .order_by("-updated_at", "-id")
        .annotate(last=Subquery(latest[:1]))
        .values(
            "id",
            "kind_id",
            "title",
            "contact_name",
            "contact_address",
            "stage",
            "responsible_id",
            "updated_at",
            "is_done",
            "unanswered_since",
            "last",
            contact_known=F("contact__name"),
            person=F("responsible__contact__name"),
            company_name=F("company__name"),
        )
    )


def _newest(
    visible: QuerySet[Record], wish: RecordWish, company_ids: Sequence[int]
) -> list[int] | QuerySet[Record, Any]:
    """The rows of the page and one more, each piece read along its own part of an index, then merged; where there is one
    piece, the question for it."""
    along, (columns, cuts) = _along(visible, wish), _cuts(wish, company_ids)
    picked = _picked(visible, wish)
    if picked is not None:
        found = newest_among(along, picked, columns, cuts, wish.size + 1)
    elif cuts:
        found = newest(along, columns, cuts, wish.size + 1)
    else:
        return along.order_by("-updated_at", "-id").values("pk")[: wish.size + 1]
    return [pk for _, pk in found]


def _cuts(wish: RecordWish, company_ids: Sequence[int]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns before the time in the index that serves this wish, and the values of each piece. None where another index
    serves it: an index can be walked in the order of time only within one value of each column."""
    if wish.contact is not None or wish.failed_author is not None:
        return (), []
    halves = [False, True] if wish.is_done is None else [wish.is_done]
    if wish.responsible:
        return ("is_done",), [(half,) for half in halves]
    if wish.is_unanswered:
        return ("company_id",), [(company_id,) for company_id in company_ids[:MOST_CUTS]]
    kinds = (
        [wish.kind] if wish.kind else wish.kinds or list(RecordKind.objects.order_by().values_list("key", flat=True))
    )
    cuts = list(product(company_ids, kinds, halves))
    return ("company_id", "kind_id", "is_done"), cuts if len(cuts) <= MOST_CUTS else []


def _along(visible: QuerySet[Record], wish: RecordWish) -> QuerySet[Record]:
    """What an index leads to: one of the record's own columns, or that of failures by their author, who has few."""
    rows = visible.filter(older("updated_at", wish.cursor))
    if wish.kind:
        rows = rows.filter(kind_id=wish.kind)
    if wish.stage:
        rows = rows.filter(stage=wish.stage)
    if wish.responsible is not None:
        rows = rows.filter(responsible_id=wish.responsible or None)
    if wish.contact is not None:
        rows = rows.filter(contact_id=wish.contact)
    if wish.is_done is not None:
        rows = rows.filter(is_done=wish.is_done)
    if wish.is_unanswered:
        rows = rows.filter(unanswered_since__isnull=False, is_done=False)
    if wish.failed_author is not None:
        failures = Notification.objects.filter(author_id=wish.failed_author, state__in=FAILED)
        rows = rows.filter(pk__in=failures.values("message__record_id"))
    return rows


def _picked(visible: QuerySet[Record], wish: RecordWish) -> QuerySet[Record] | None:
    """What is told elsewhere, by words and by followers, and may be common or rare. None where nothing of it is asked."""
    rows, question = visible, all_words(wish.search)
    if question is not None:
        rows = rows.alias(words=Words("title", "contact_name", "contact_address")).filter(words=question)
    if wish.follower is not None:
        rows = rows.filter(pk__in=Follower.objects.filter(contact_id=wish.follower).values("record_id"))
    return None if rows is visible else rows


def _record_row(row: Mapping[str, Any]) -> RecordRow:
    words = row["last"] or {}
    return RecordRow(
        id=row["id"],
        kind=row["kind_id"],
        title=row["title"],
        contact=row["contact_known"] or row["contact_name"],
        contact_address=row["contact_address"],
        stage=row["stage"],
        responsible_id=row["responsible_id"],
        responsible=row["person"] or "",
        company=row["company_name"],
        updated_at=row["updated_at"],
        is_done=row["is_done"],
        unanswered_since=row["unanswered_since"],
        last_kind=words.get("kind", ""),
        last_author=words.get("author", ""),
        last_words=_first_words(words.get("said") or "", words.get("html_said") or ""),
    )


def _first_words(text: str, html: str) -> str:
    """The beginning of the text, or of what the HTML says without its tags."""
    plain = text or unescape(
        strip_tags(html.replace("<br", " <br").replace("</p>", " </p>").replace("</li>", " </li>"))
    )
    return " ".join(plain.split())[:SNIPPET]


def followers(record_id: int, most: int = MOST_FOLLOWERS) -> tuple[FollowerFact, ...]:
    """Colleagues first, then by name; at most ``most``."""
    rows = _following(Follower.objects.filter(record_id=record_id), most)
    return tuple(FollowerFact(**one) for one in rows.values_list(_FOLLOWER, flat=True))


_FOLLOWER = JSONObject(
    contact_id="contact_id",
    name="contact__name",
    address="contact__address",
    is_colleague=follows_as_colleague(),
    comments="comments",
    notes="notes",
    changes="changes",
    activities="activities",
)


def _following(rows: QuerySet[Follower], most: int = MOST_FOLLOWERS) -> QuerySet[Follower]:
    return rows.order_by(F("contact__member__id").asc(nulls_last=True), "contact__name", "id")[:most]


def find_people(company_ids: list[int], search: str, most: int = 8) -> tuple[PersonFact, ...]:
    """Contacts whose name or address has words that begin like this, colleagues first. Nothing typed: nobody."""
    question = all_words(search)
    if question is None:
        return ()
    rows = (
        Contact.objects.filter(known_to(company_ids), is_active=True)
        .annotate(words=Words("name", "address"), colleague=is_colleague(company_ids))
        .filter(words=question)
        .order_by("-colleague", "name", "id")
        .values("id", "name", "address", "colleague")[:most]
    )
    return tuple(_person(row) for row in rows)


def people(contact_ids: list[int], company_ids: list[int]) -> tuple[PersonFact, ...]:
    """These contacts, as far as one of the companies knows them."""
    rows = (
        Contact.objects.filter(known_to(company_ids), pk__in=contact_ids)
        .annotate(colleague=is_colleague(company_ids))
        .order_by("name", "id")
        .values("id", "name", "address", "colleague")
    )
    return tuple(_person(row) for row in rows)


def colleagues(company_ids: list[int], most: int = 200) -> tuple[PersonFact, ...]:
    """Who works for these companies, by name; ``id`` is the member's."""
    rows = (
        Member.objects.filter(works_for(company_ids))
        .order_by("contact__name", "id")
        .values("id", name=F("contact__name"), address=F("contact__address"))[:most]
    )
    return tuple(PersonFact(id=row["id"], name=row["name"], address=row["address"], is_colleague=True) for row in rows)


def _kind(kind: RecordKind) -> KindFact:
    return KindFact(
        key=kind.key,
        label=kind.label,
        label_plural=kind.label_plural,
        icon=kind.icon,
        stages=tuple(str(stage) for stage in kind.stages),
    )


def _person(row: Mapping[str, Any]) -> PersonFact:
    return PersonFact(id=row["id"], name=row["name"], address=row["address"], is_colleague=row["colleague"])
