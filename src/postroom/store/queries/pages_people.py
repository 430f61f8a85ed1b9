"""One contact: what is known of it, and every conversation with it that the reader may see. Laws: see `store.queries.pages`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from postroom.store.models import Contact, Record
from postroom.store.queries.colleagues import known_to
from postroom.store.queries.pages import PAGE_ROWS, Page, cursor_of, older, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFact:
    """A person or an organisation. ``member_id``: of a colleague."""

    id: int
    name: str
    address: str
    language: str
    company: str
    company_id: int | None
    member_id: int | None
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRow:
    """A record that has to do with a contact. ``is_own``: it is the record's contact, and does not only follow."""

    id: int
    title: str
    kind: str
    kind_label: str
    icon: str
    stage: str
    responsible: str
    updated_at: datetime
    is_own: bool


def contact_fact(contact_id: int, company_ids: list[int]) -> ContactFact | None:
    """A contact that these companies know. One query."""
    row = (
        Contact.objects.filter(known_to(company_ids), pk=contact_id)
        .values(
            "id", "name", "address", "language", "is_active", "company_id", of=F("company__name"), at=F("member__id")
        )
        .first()
    )
    if row is None:
        return None
    return ContactFact(
        id=row["id"],
        name=row["name"],
        address=row["address"],
        language=row["language"],
        company=row["of"] or "",
        company_id=row["company_id"],
        member_id=row["at"],
        is_active=row["is_active"],
    )


def conversations_with(
    visible: QuerySet[Record], contact_id: int, *, cursor: str = "", size: int = PAGE_ROWS
) -> Page[ConversationRow]:
    """Records whose contact it is, or which it follows, of every kind, last written on first. Three queries: the two ways to a record are
    walked along their own indexes, then merged."""
    asked = visible.filter(older("updated_at", cursor)).filter(merged_into=None).order_by("-updated_at", "-id")
    pieces = [
        list(rows.values_list("updated_at", "id")[: size + 1])
        for rows in (asked.filter(contact_id=contact_id), asked.filter(followers__contact_id=contact_id))
    ]
    own = {pk for _, pk in pieces[0]}
    newest = sorted({*pieces[0], *pieces[1]}, reverse=True)[: size + 1]
    rows = {
        row["id"]: row
        for row in Record.objects.filter(pk__in=[pk for _, pk in newest]).values(
            "id",
            "title",
            "stage",
            "updated_at",
            "kind_id",
            label=F("kind__label"),
            sign=F("kind__icon"),
            who=F("responsible__contact__name"),
        )
    }
    return page_of(
        [rows[pk] for _, pk in newest if pk in rows],
        size,
        lambda row: ConversationRow(
            id=row["id"],
            title=row["title"],
            kind=row["kind_id"],
            kind_label=row["label"],
            icon=row["sign"],
            stage=row["stage"],
            responsible=row["who"] or "",
            updated_at=row["updated_at"],
            is_own=row["id"] in own,
        ),
        lambda row: cursor_of(row["updated_at"], row["id"]),
    )
