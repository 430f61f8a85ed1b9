"""Mails to be sent, as the deliverer reads them: facts, in as many queries for a thousand as for one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F
from django.db.models.functions import Length

from postroom.core.mime.composing import RenderedBody
from postroom.core.terms.addresses import Address
from postroom.store.models import Attachment, OutgoingContent, OutgoingMail

_IDENTIFIER = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFacts:
    """A mail as it was composed for a group of recipients. ``size`` in bytes."""

    id: int
    company_id: int
    message_row: int | None
    from_name: str
    from_address: str
    reply_to: tuple[Address, ...]
    subject: str
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    extra: tuple[tuple[str, str], ...]
    null_return_path: bool
    forced_server_id: int | None
    alias_domain_id: int | None
    created_at: datetime
    body: RenderedBody

    @property
    def size(self) -> int:
        return len(self.body.body) + len(self.body.content_headers)


def files_of_message(message_id: int) -> dict[str, int]:
    """The attachments of a message: number by SHA-256. Of files that are there twice the first."""
    rows = Attachment.objects.filter(message_id=message_id).order_by("-id")
    return dict(rows.values_list("sha256", "id"))


def content_sizes(mail_ids: Sequence[int]) -> dict[int, int]:
    """Bytes of the bodies, without reading them."""
    rows = OutgoingContent.objects.filter(pk__in=mail_ids).values_list("pk", Length("body"))
    return dict(rows)


def load_mails(mail_ids: Sequence[int]) -> Iterator[MailFacts]:
    """Those of them that have their content still. One query."""
    if not mail_ids:
        return
    rows = OutgoingMail.objects.filter(pk__in=mail_ids, content__isnull=False).values(
        "id",
        "company_id",
        "message_id",
        "from_name",
        "from_address",
        "reply_to_name",
        "reply_to_address",
        "subject",
        "header_message_id",
        "in_reply_to",
        "references",
        "extra_headers",
        "null_return_path",
        "forced_server_id",
        "alias_domain_id",
        "created_at",
        content_headers=F("content__content_headers"),
        body=F("content__body"),
    )
    for row in rows:
        yield _mail(row)


def _mail(row: Mapping[str, Any]) -> MailFacts:
    return MailFacts(
        id=row["id"],
        company_id=row["company_id"],
        message_row=row["message_id"],
        from_name=row["from_name"],
        from_address=row["from_address"],
        reply_to=tuple(_addresses(row["reply_to_name"], row["reply_to_address"])),
        subject=row["subject"],
        message_id=row["header_message_id"],
        in_reply_to=tuple(_IDENTIFIER.findall(row["in_reply_to"])),
        references=tuple(_IDENTIFIER.findall(row["references"])),
        extra=tuple(_pairs(row["extra_headers"])),
        null_return_path=row["null_return_path"],
        forced_server_id=row["forced_server_id"],
        alias_domain_id=row["alias_domain_id"],
        created_at=row["created_at"],
        body=RenderedBody(content_headers=bytes(row["content_headers"]), body=bytes(row["body"])),
    )


def _addresses(name: str, spec: str) -> Iterator[Address]:
    local, _, domain = spec.strip().strip("<>").rpartition("@")
    if local:
        yield Address(name=name, local=local, domain=domain)


def _pairs(stored: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for pair in stored:
        if isinstance(pair, list) and len(pair) == 2:
            yield str(pair[0]), str(pair[1])
