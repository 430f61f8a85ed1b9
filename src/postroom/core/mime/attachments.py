"""Attachments: their names, types and contents, whatever the sender made of them.

Laws: a name is one file name, never a path, never empty, without control characters or direction tricks;
content is decoded once and named by its hash; an image that the HTML shows is inline whatever its disposition
says.
Standards: RFC 2183, RFC 2231, RFC 2392 (cid URLs), RFC 5322 (the subject names an attached mail).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from urllib.parse import unquote

from postroom.core.mime.defects import Defect
from postroom.core.mime.headers import read_block
from postroom.core.mime.parsed import Attachment, ReportPart
from postroom.core.mime.parts import Part
from postroom.core.mime.words import decode_words

MAX_NAME = 200  # bytes in UTF-8; common file systems stop at 255
MAX_EXTENSION = 20
DEFAULT_NAME = "attachment"

_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-signature": ".p7s",
    "application/pkcs7-mime": ".p7m",
    "application/x-pkcs7-mime": ".p7m",
    "application/ms-tnef": ".dat",
    "application/vnd.ms-tnef": ".dat",
    "application/zip": ".zip",
    "application/json": ".json",
    "application/xml": ".xml",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "message/feedback-report": ".txt",
    "message/global": ".eml",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/xml": ".xml",
    "video/mp4": ".mp4",
}
_TYPES = {extension: kind for kind, extension in reversed(_EXTENSIONS.items())} | {
    ".htm": "text/html",
    ".jpeg": "image/jpeg",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".txt": "text/plain",
}
_SPECIAL_NAMES = {
    "text/calendar": "invite.ics",
    "application/ms-tnef": "winmail.dat",
    "application/vnd.ms-tnef": "winmail.dat",
}
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff<>:"|?*]')
_DEVICES = frozenset(  # no file names for Windows
    ("con", "prn", "aux", "nul", *(f"{word}{number}" for word in ("com", "lpt") for number in range(1, 10)))
)
_CID = re.compile(r"""cid:([^\s"'<>)]{1,998})""", re.IGNORECASE)
_ATTACHED_MAILS = frozenset(("message/rfc822", "message/global"))


def read_attachments(parts: Sequence[Part], html: str) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
    """The attachments of these leaves and the defects of their encodings.

    ``html`` tells which of them it shows.
    """
    shown = {unquote(cid).lower() for cid in _CID.findall(html)} if "cid:" in html or "CID:" in html else set()
    attachments: list[Attachment] = []
    defects: tuple[str, ...] = ()
    for part in parts:
        content, in_order = part.content()
        if not in_order:
            defects = (Defect.BAD_TRANSFER_ENCODING,)
        name = attachment_name(part, content)
        attachments.append(
            Attachment(
                name=name,
                content_type=part.content_type,
                content=content,
                sha256=sha256(content).hexdigest(),
                content_id=part.content_id,
                is_inline=bool(shown) and _is_shown(part, name, shown),
            )
        )
    return tuple(attachments), defects


def _is_shown(part: Part, name: str, shown: set[str]) -> bool:
    """By its Content-ID, or by its name as some programs do (I-19)."""
    return (bool(part.content_id) and part.content_id.lower() in shown) or name.lower() in shown


def read_report_parts(parts: Iterable[Part]) -> tuple[ReportPart, ...]:
    """The decoded parts of a report (RFC 6522), in order."""
    return tuple(ReportPart(content_type=part.content_type, content=part.content()[0]) for part in parts)


def attachment_name(part: Part, content: bytes) -> str:
    """The file name of a part.

    What the sender says, else the subject of an attached mail, else a default by type.
    """
    written = part.disposition_parameters.get("filename") or part.parameters.get("name") or ""
    name = clean_name(written)
    if name:
        return name
    if part.content_type in _ATTACHED_MAILS:
        subject = decode_words(read_block(content, 0, len(content)).first("subject"))
        return (clean_name(subject.replace("/", "-").replace("\\", "-")) or DEFAULT_NAME) + ".eml"
    location = part.location.partition("?")[0].rpartition("/")[2]
    if location and "." in location and clean_name(location):
        return clean_name(unquote(location))
    return _SPECIAL_NAMES.get(part.content_type) or DEFAULT_NAME + _EXTENSIONS.get(part.content_type, "")


def type_by_name(name: str) -> str:
    """The media type that the extension of a file name tells; where mails say none."""
    _, dot, extension = name.rpartition(".")
    return _TYPES.get(dot + extension.lower()[:10], "application/octet-stream")


def clean_name(name: str) -> str:
    """A file name without path, control characters, direction overrides and the names of devices, at most `MAX_NAME` long.

    ``""`` if nothing stays.
    """
    name = name.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    name = _FORBIDDEN.sub("_", " ".join(name.split())).strip(" .") if name.strip(". ") else ""
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        name = f"_{name}"
    if len(name.encode("utf-8", "replace")) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode("utf-8", "replace")) > MAX_EXTENSION:
        stem, dot, extension = name, "", ""
    room = MAX_NAME - len((dot + extension).encode("utf-8", "replace"))
    return stem[:MAX_NAME].encode("utf-8", "replace")[:room].decode("utf-8", "ignore").rstrip() + dot + extension
