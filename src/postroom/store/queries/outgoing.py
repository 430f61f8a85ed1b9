"""Mails to be sent, as the deliverer reads them: facts, in as many queries for a thousand as for one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from postroom.core.mime.composing import RenderedBody
from postroom.core.terms.addresses import Address
from postroom.store.models import Attachment

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
    is_of_the_house: bool
    created_at: datetime
    body: RenderedBody

    @property
    def size(self) -> int:
        return len(self.body.body) + len(self.body.content_headers)


# Plain SQL: the deliverer reads every mail once through here, and model fields cost as much as the reading.
_SIZES = "SELECT mail_id, octet_length(body) FROM postroom_outgoingcontent WHERE mail_id = ANY(%s)"
_MAILS = """
    SELECT m.id, m.company_id, m.message_id, m.from_name, m.from_address, m.reply_to_name, m.reply_to_address, m.subject,
           m.header_message_id, m.in_reply_to, m."references", m.extra_headers::text, m.null_return_path,
           m.forced_server_id, m.alias_domain_id, m.is_of_the_house,
           extract(epoch FROM m.created_at)::float8, c.content_headers, c.body
    FROM postroom_outgoingmail m JOIN postroom_outgoingcontent c ON c.mail_id = m.id
    WHERE m.id = ANY(%s)
"""


def files_of_message(message_id: int) -> dict[str, int]:
    """The attachments of a message: number by SHA-256. Of files that are there twice the first."""
    rows = Attachment.objects.filter(message_id=message_id).order_by("-id")
    return dict(rows.values_list("sha256", "id"))


def content_sizes(mail_ids: Sequence[int]) -> dict[int, int]:
    """Bytes of the bodies, without reading them."""
    with connection.cursor() as cursor:
        cursor.execute(_SIZES, [list(mail_ids)])
        return dict(cursor.fetchall())


def load_mails(mail_ids: Sequence[int]) -> Iterator[MailFacts]:
    """Those of them that have their content still. One query."""
    if not mail_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MAILS, [list(mail_ids)])
        for row in cursor.fetchall():
            yield _mail(*row)


def _mail(  # the columns above, in their order
    pk: int,
    company_id: int,
    message_row: int | None,
    from_name: str,
    from_address: str,
    reply_to_name: str,
    reply_to_address: str,
    subject: str,
    message_id: str,
    in_reply_to: str,
    references: str,
    extra_headers: str,
    null_return_path: bool,
    forced_server_id: int | None,
    alias_domain_id: int | None,
    is_of_the_house: bool,
    created: float,
    content_headers: bytes,
    body: bytes,
) -> MailFacts:
    return MailFacts(
        id=pk,
        company_id=company_id,
        message_row=message_row,
        from_name=from_name,
        from_address=from_address,
        reply_to=tuple(_addresses(reply_to_name, reply_to_address)) if reply_to_address else (),
        subject=subject,
        message_id=message_id,
        in_reply_to=tuple(_IDENTIFIER.findall(in_reply_to)),
        references=tuple(_IDENTIFIER.findall(references)),
        extra=() if extra_headers == "[]" else tuple(_pairs(json.loads(extra_headers))),
        null_return_path=null_return_path,
        forced_server_id=forced_server_id,
        alias_domain_id=alias_domain_id,
        is_of_the_house=is_of_the_house,
        created_at=datetime.fromtimestamp(created, UTC),
        body=RenderedBody(content_headers=bytes(content_headers), body=bytes(body)),
    )


def _addresses(name: str, spec: str) -> Iterator[Address]:
    local, _, domain = spec.strip().strip("<>").rpartition("@")
    if local:
        yield Address(name=name, local=local, domain=domain)


def _pairs(stored: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for pair in stored:
        if isinstance(pair, list) and len(pair) == 2:
            yield str(pair[0]), str(pair[1])
