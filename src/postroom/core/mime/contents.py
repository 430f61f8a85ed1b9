"""Contents: what the parts of a mail amount to, when bodies, files, invitations and signatures are put in their places.

Duty: from sorted parts to the values of `ParsedMail` that are no header fields.
Laws: never raises, linear; what is rare (winmail.dat, calendars, armour, pictures by location) costs the ordinary mail one look.
Standards: RFC 1847 (signed, encrypted), RFC 2557 (Content-Location), RFC 3156 and RFC 9580 7 (PGP), RFC 8551 (S/MIME), RFC 6047 (calendars).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape

from postroom.core.mime.attachments import read_attachments, read_report_parts
from postroom.core.mime.bodies import Sorted, html_to_text
from postroom.core.mime.embedded import holds_tnef, unpack
from postroom.core.mime.forwards import is_forward_subject, read_attached, read_forwarded
from postroom.core.mime.headers import HeaderBlock
from postroom.core.mime.html_quotes import separate_html_reply
from postroom.core.mime.invitations import read_invitation
from postroom.core.mime.markup import MAX_HTML
from postroom.core.mime.parsed import Attachment, Forwarded, Invitation, ReportPart
from postroom.core.mime.parts import Part
from postroom.core.mime.quotes import SeparatedReply, separate_reply
from postroom.core.mime.words import decode_words

MAX_REPLY_SOURCE = 256 * 1024  # characters of a body in which new words are told from quoted ones
MAX_INVITATIONS = 3
MAX_LOCATIONS = 100  # pictures that are shown by their Content-Location


@dataclass(slots=True, kw_only=True)
class Contents:
    """See `ParsedMail`: the fields have the same names and meanings."""

    text: str = ""
    html: str = ""
    reply_text: str = ""
    attachments: tuple[Attachment, ...] = ()
    report_parts: tuple[ReportPart, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    forwarded: Forwarded | None = None
    is_signed: bool = False
    is_encrypted: bool = False
    signatures: tuple[Attachment, ...] = ()
    defects: tuple[str, ...] = ()


def read_contents(parts: Sorted, block: HeaderBlock) -> Contents:
    """Everything but the header block, whose subject tells whether a mail was forwarded."""
    found = Contents(text=parts.text(), html=parts.html(), is_signed=parts.is_signed, is_encrypted=parts.is_encrypted)
    if parts.attachments:
        _take_attachments(found, parts)
    if parts.signatures:
        found.signatures = read_attachments(parts.signatures, "")[0]
    if parts.calendars:
        found.invitations = _invitations(parts.calendars)
    if parts.report_parts:
        found.report_parts = read_report_parts(parts.report_parts)
    text = found.text
    if "-----BEGIN PGP " in text[:MAX_REPLY_SOURCE]:
        found.is_encrypted = found.is_encrypted or _BEGIN_ENCRYPTED in text
        found.is_signed = found.is_signed or _BEGIN_SIGNED in text
        text = _without_armour(text[:MAX_REPLY_SOURCE])
    _read_words(found, text, block, is_report=parts.is_report)
    found.defects = (*parts.defects, *found.defects)
    return found


# -- files -----------------------------------------------------------------------------------------------


def _take_attachments(found: Contents, parts: Sorted) -> None:
    if found.html and any(part.location for part in parts.attachments):
        found.html = _with_locations(found.html, parts.attachments)
    found.attachments, found.defects = read_attachments(parts.attachments, found.html)
    if holds_tnef(found.attachments):
        opened = unpack(found.attachments)
        found.attachments = tuple(opened.attachments)
        found.defects = (*found.defects, *opened.defects)
        if not found.text and not found.html:
            found.text, found.html = opened.text, opened.html
        elif not found.html and opened.html and not found.text.strip():
            found.html = opened.html


_SOURCE = re.compile(r"""(\s(?:src|background)\s{0,9}=\s{0,9}["']?)([^"'\s<>]{1,998})""", re.IGNORECASE)


def _with_locations(html: str, parts: Iterable[Part]) -> str:
    """Pictures that the HTML names by their Content-Location (RFC 2557 8.2) are named by a Content-ID instead, as all others."""
    known: dict[str, str] = {}
    for part in parts:
        if part.location and len(known) < MAX_LOCATIONS:
            part.content_id = part.content_id or f"location-{len(known) + 1}"
            known.setdefault(part.location, part.content_id)

    def named(match: re.Match[str]) -> str:
        found = known.get(match[2]) or known.get(unescape(match[2]))
        return f"{match[1]}cid:{found}" if found else match[0]

    return _SOURCE.sub(named, html[:MAX_HTML]) + html[MAX_HTML:]


def _invitations(parts: Iterable[Part]) -> tuple[Invitation, ...]:
    """The meetings, each once: programs send the same calendar as an alternative and as a file."""
    found: list[Invitation] = []
    for part in parts:
        charset, method = part.parameters.get("charset", ""), part.parameters.get("method", "")
        one = read_invitation(part.content()[0], charset=charset or "utf-8", method=method)
        if one is not None and one not in found:
            found.append(one)
        if len(found) == MAX_INVITATIONS:
            break
    return tuple(found)


# -- words -----------------------------------------------------------------------------------------------

_BEGIN_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_BEGIN_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_END_SIGNATURE = "-----END PGP SIGNATURE-----"
_BEGIN_ENCRYPTED = "-----BEGIN PGP MESSAGE-----"


def _without_armour(text: str) -> str:
    """The words of a clear-signed text (RFC 9580 7), with what stands around it."""
    before, begin, rest = text.partition(_BEGIN_SIGNED)
    if not begin:
        return text
    _, _, rest = rest.partition("\n\n")  # behind the Hash lines
    words, _, rest = rest.partition(_BEGIN_SIGNATURE)
    _, _, after = rest.partition(_END_SIGNATURE)
    return before + f"\n{words}".replace("\n- -", "\n-")[1:] + after


def _read_words(found: Contents, text: str, block: HeaderBlock, *, is_report: bool) -> None:
    """The new words, and what was forwarded below them: of the plain body, or of the HTML when that is all there is.

    A forward is new to its readers: all of it is the reply.
    """
    if text:
        text = text[:MAX_REPLY_SOURCE]
        parts = separate_reply(text)
        if parts.rest:
            found.forwarded = read_forwarded(_subject(block), parts.rest)
    elif found.html:
        fresh, quoted = separate_html_reply(found.html[:MAX_REPLY_SOURCE])
        parts = separate_reply(html_to_text(fresh))
        subject = _subject(block)
        rest = parts.rest or (html_to_text(quoted) if quoted and is_forward_subject(subject) else "")
        if rest:
            found.forwarded = read_forwarded(subject, rest)
            text = html_to_text(found.html[:MAX_REPLY_SOURCE])
    else:
        parts = _NO_WORDS
    found.reply_text = text.strip("\n").rstrip() if found.forwarded else parts.reply
    if found.forwarded is None and found.report_parts and not is_report:
        found.forwarded = read_attached(found.attachments)


def _subject(block: HeaderBlock) -> str:
    return decode_words(block.first("subject"))


_NO_WORDS = SeparatedReply(reply="", quoted="", signature="")
