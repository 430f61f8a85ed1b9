"""What the rules look at: a mail as it was read, the way it came, what its bytes and its HTML show, and what could be checked of it.

Laws: pure; never raises; linear. The mail is read by `mime.parsing` alone: whoever wonders about a rule sees the mail as everything else here
does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from postroom.core.mailtest.markup_facts import MarkupFacts, read_markup
from postroom.core.mailtest.received import Hop, read_path
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse, parse_headers

LONGEST_LINE = 998  # RFC 5322 2.1.1


class Source(StrEnum):
    """Where the mail to be looked at came from, and so what it can tell."""

    MAIL = "mail"  # as it came over the wire: everything
    HEADERS = "headers"  # a header alone
    OUTLOOK = "outlook"  # rebuilt from an Outlook file: its bytes are not those of the wire
    SEED = "seed"  # sent by us through a server, and read back

    @property
    def has_body(self) -> bool:
        return self is not Source.HEADERS

    @property
    def is_original(self) -> bool:
        """Whether its bytes are those that travelled: signatures, lines and sizes mean something."""
        return self in (Source.MAIL, Source.SEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFacts:
    """What the bytes show. ``longest_line`` without its end."""

    size: int = 0
    longest_line: int = 0
    has_8bit_header: bool = False
    has_8bit_body: bool = False  # and nothing declares it


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFacts:
    """All of it. ``hops``: the first one first."""

    source: Source
    mail: ParsedMail
    wire: WireFacts
    hops: tuple[Hop, ...]
    markup: MarkupFacts

    @property
    def author_domain(self) -> str:
        """In A-labels, ``""`` without an author."""
        return self.mail.header_from[0].normal.rpartition("@")[2] if self.mail.header_from else ""

    @property
    def entrance(self) -> Hop | None:
        """The hop at which the mail came in from the world, the nearest one: its word on the peer is what SPF is about."""
        return next((hop for hop in reversed(self.hops) if hop.is_from_the_world), None)

    @property
    def first_seen_at(self) -> datetime | None:
        """When a server took it first."""
        return next((hop.at for hop in self.hops if hop.at is not None and not hop.skew), None)

    @property
    def received_at(self) -> datetime | None:
        """When the last server took it."""
        return next((hop.at for hop in reversed(self.hops) if hop.at is not None and not hop.skew), None)


def take_facts(raw: bytes, source: Source) -> MailFacts:
    """What a mail shows."""
    mail = parse(raw) if source.has_body else parse_headers(raw)
    return MailFacts(
        source=source,
        mail=mail,
        wire=_wire(raw) if source.is_original else WireFacts(size=len(raw)),
        hops=read_path(mail.all_headers("received")),
        markup=read_markup(mail.html) if mail.html else MarkupFacts(),
    )


_LONG_LINE = re.compile(rb"[^\r\n]{%d,}" % (LONGEST_LINE + 1))
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
_DECLARES_8BIT = re.compile(rb"^content-transfer-encoding:[ \t]{0,20}(?:8bit|binary)", re.IGNORECASE | re.MULTILINE)
_END_OF_HEADER = re.compile(rb"\n\r?\n")


def _wire(raw: bytes) -> WireFacts:
    end = _END_OF_HEADER.search(raw)
    body = end.end() if end else len(raw)
    longest = max((len(one) for one in _LONG_LINE.findall(raw)), default=0)
    return WireFacts(
        size=len(raw),
        longest_line=longest,
        has_8bit_header=_EIGHT_BIT.search(raw, 0, body) is not None,
        has_8bit_body=_EIGHT_BIT.search(raw, body) is not None and _DECLARES_8BIT.search(raw) is None,
    )
