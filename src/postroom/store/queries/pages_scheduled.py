"""Scheduled messages and templates as pages show them. Laws: see `store.queries.pages`; few rows, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, QuerySet
from django.db.models.functions import JSONObject

from postroom.core.mime.markup import html_to_text
from postroom.core.terms.states import MessageKind
from postroom.store.models import MailTemplate, ScheduledFile, ScheduledMessage
from postroom.store.queries.pages_chatter import AttachmentFact
from postroom.store.queries.pages_settings import SettingRow

MOST = 100
EXCERPT = 280  # characters
READ_FOR_EXCERPT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledFact:
    """A message that waits for its date, or for a person when ``trouble`` says why it could not be posted."""

    id: int
    record_id: int
    record_title: str
    author_id: int | None
    author: str
    author_address: str
    kind: MessageKind
    subject: str
    html: str
    excerpt: str
    scheduled_at: datetime
    trouble: str
    files: tuple[AttachmentFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFact:
    """A template that can be chosen. ``languages``: its own first."""

    id: int
    name: str
    kind: str
    languages: tuple[str, ...]


def scheduled_rows(rows: QuerySet[ScheduledMessage]) -> tuple[ScheduledFact, ...]:
    """Those due first come first. One query."""
    files = ArraySubquery(
        ScheduledFile.objects.filter(scheduled=OuterRef("pk"))
        .order_by("id")
        .values(one=JSONObject(id="id", name="name", content_type="content_type", size="size", is_inline="is_inline"))
    )
    found = list(
        rows.order_by("scheduled_at", "id").values(
            "id",
            "record_id",
            "author_id",
            "author_name",
            "kind",
            "subject",
            "html",
            "scheduled_at",
            "trouble",
            title=F("record__title"),
            address=F("author__contact__address"),
            listed=files,
        )[:MOST]
    )
    return tuple(_fact(row, tuple(AttachmentFact(**file) for file in row["listed"])) for row in found)


def _fact(row: Mapping[str, Any], files: tuple[AttachmentFact, ...]) -> ScheduledFact:
    text = " ".join(html_to_text(row["html"][:READ_FOR_EXCERPT]).split())
    return ScheduledFact(
        id=row["id"],
        record_id=row["record_id"],
        record_title=row["title"],
        author_id=row["author_id"],
        author=row["author_name"],
        author_address=row["address"] or "",
        kind=MessageKind(row["kind"]),
        subject=row["subject"],
        html=row["html"],
        excerpt=text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…",
        scheduled_at=row["scheduled_at"],
        trouble=row["trouble"],
        files=files,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpostedFact:
    """A message that could not be posted at its date."""

    id: int
    about: str
    trouble: str


def unposted(rows: QuerySet[ScheduledMessage], most: int = 8) -> tuple[UnpostedFact, ...]:
    """Those that wait for a person. One query."""
    found = (
        rows.exclude(trouble="").order_by("-scheduled_at").values("id", "subject", "trouble", "record__title")[:most]
    )
    return tuple(
        UnpostedFact(id=row["id"], about=row["subject"] or row["record__title"], trouble=row["trouble"])
        for row in found
    )


def scheduled_file(rows: QuerySet[ScheduledMessage], file_id: int) -> ScheduledFile | None:
    """A file of one of these scheduled messages."""
    return ScheduledFile.objects.filter(pk=file_id, scheduled__in=rows).first()


def template_choices(rows: QuerySet[MailTemplate]) -> tuple[TemplateFact, ...]:
    """By name. Two queries."""
    found = rows.select_related("kind").prefetch_related("variants")[:MOST]
    return tuple(
        TemplateFact(
            id=row.pk,
            name=row.name,
            kind=row.kind_id or "",
            languages=(row.language, *(one.language for one in row.variants.all())),
        )
        for row in found
    )


def template_rows(rows: QuerySet[MailTemplate]) -> tuple[SettingRow, ...]:
    """For the list of the settings."""
    found = rows.select_related("kind", "company").prefetch_related("variants")
    return tuple(
        SettingRow(
            id=row.pk,
            name=row.name,
            about=" · ".join(
                part
                for part in (
                    row.kind.label_plural if row.kind else "",
                    ", ".join((row.language, *(one.language for one in row.variants.all()))),
                    row.subject,
                )
                if part
            ),
            company=row.company.name if row.company else "",
            is_active=row.is_active,
            tone="ok" if row.is_active else "quiet",
            word="in_use" if row.is_active else "off",
        )
        for row in found[:500]
    )
