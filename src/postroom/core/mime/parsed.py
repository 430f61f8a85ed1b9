"""What a mail says once it has been read: the result of `mime.parsing.parse`.

Header texts are decoded (RFC 2047) and hold no line breaks. Nothing here is trusted: it is what the peer wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from postroom.core.terms.addresses import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A part that is no body. ``content`` is decoded; ``sha256`` its hex digest; ``content_id`` without brackets or ``""``."""

    name: str
    content_type: str
    content: bytes
    sha256: str
    content_id: str = ""
    is_inline: bool = False

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPart:
    """A part of a multipart/report (RFC 6522), or a delivery-status or quoted message found elsewhere, decoded."""

    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time as a calendar writes it: ``local`` (naive) in the zone that it names, and the instant where that is known."""

    local: datetime
    zone: str = ""  # as named: "Europe/Berlin", "W. Europe Standard Time", "UTC", "" for the reader's own
    is_day: bool = False  # a whole day; the time of day is midnight
    at: datetime | None = None  # aware, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A meeting in a text/calendar part (RFC 5545). What was not said is ``""`` or None."""

    method: str = ""  # REQUEST, REPLY, CANCEL, ... (RFC 5546), "" when none is known
    uid: str = ""
    summary: str = ""
    location: str = ""
    organizer_name: str = ""
    organizer_address: str = ""
    start: Moment | None = None
    end: Moment | None = None
    attendees: int = 0
    is_recurring: bool = False
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """A mail that somebody passed on: what it says of itself. The one who forwards may have changed all of it."""

    author: Address | None = None
    date: datetime | None = None  # aware, UTC; only where it could be read
    written_date: str = ""  # as it stands there
    subject: str = ""
    message_id: str = ""  # only of an attached mail
    is_attached: bool = False  # as message/rfc822, else within the text


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """A mail that was read. Every field is there whatever the bytes were; ``defects`` says what was wrong with them."""

    headers: tuple[tuple[str, str], ...] = ()  # in order; names as written, values unfolded and decoded
    message_id: str = ""  # with angle brackets, "" without one
    subject: str = ""
    date: datetime | None = None  # aware, UTC
    header_from: tuple[Address, ...] = ()
    sender: Address | None = None
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    resent_to: tuple[Address, ...] = ()  # Resent-To and Resent-Cc
    delivered_to: tuple[
        str, ...
    ] = ()  # Delivered-To, X-Original-To, Envelope-To, X-Envelope-To: normal forms, nearest hop first
    return_path: str | None = None  # normal form, "" for <>, None when the header is missing
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    content_type: str = "text/plain"
    content_params: dict[str, str] = field(default_factory=dict)
    text: str = ""  # the plain body, "" when there is none
    html: str = ""  # the HTML body as sent, NOT sanitised
    reply_text: str = ""  # the new words: text without quotation and signature
    attachments: tuple[Attachment, ...] = ()
    report_parts: tuple[ReportPart, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    forwarded: Forwarded | None = None
    is_signed: bool = False  # S/MIME or PGP; the signature was not verified
    is_encrypted: bool = False
    signatures: tuple[Attachment, ...] = ()  # detached ones: kept, and no attachments
    defects: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The first header of this name, decoded, or ``""``."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), "")

    def all_headers(self, name: str) -> tuple[str, ...]:
        name = name.lower()
        return tuple(value for key, value in self.headers if key.lower() == name)

    @property
    def author(self) -> Address | None:
        """The first From address, else the Sender."""
        return self.header_from[0] if self.header_from else self.sender
