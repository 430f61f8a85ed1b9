"""Mail HTML: what the HTML of a message needs before strangers' programs show it.

Duty: links made absolute (a mail has no page that they could be relative to, O-73), and pictures that stand inside the HTML as ``data:``
addresses taken out, to travel as parts of their own: most mail programs show no ``data:`` pictures.
Laws: never raises; one pass over the tags; a picture is what its first bytes say, not what its address says; what cannot be a picture
leaves its alternative text. Nothing here makes HTML safe to show: that is the sanitiser's trade.
Standards: RFC 2392 (``cid:``), RFC 2397 (``data:``), RFC 3986 5 (resolution of references).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from urllib.parse import unquote_to_bytes, urljoin

from postroom.core.mime.composing import OutgoingAttachment
from postroom.core.mime.markup import Token, tokens, unescape

MAX_PICTURES = 50
MAX_PICTURE = 15_000_000  # bytes

# Attribute by attribute, so that what looks like one inside the quotes of another is not one.
_ATTRIBUTE = re.compile(r"""(?P<name>[^\s"'<>/=]++)(?P<equals>\s*+=\s*+)(?P<value>"[^"]*+"|'[^']*+'|[^\s"'>]++)""")
_ADDRESSES = frozenset(("href", "src", "background", "poster"))
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_PERHAPS_RELATIVE = re.compile(
    r"""(?:href|src|background|poster)\s*+=\s*+["']?+\s*+(?!https?:|mailto:|tel:|cid:|data:|#)""", re.IGNORECASE
)
_PERHAPS_DATA = re.compile(r"""src\s*=\s*["']?\s*data:""", re.IGNORECASE)


def has_relative_links(html: str) -> bool:
    """Whether something in it may need `absolute_links`."""
    lowered = html.lower()
    return any(name in lowered for name in _ADDRESSES) and _PERHAPS_RELATIVE.search(html) is not None


def absolute_links(html: str, base_url: str) -> str:
    """``href`` and ``src`` that name no scheme, resolved against ``base_url`` (``https://desk.example``). Fragments stay."""
    if not base_url or not has_relative_links(html):
        return html
    base = base_url.rstrip("/") + "/"

    def absolute(match: re.Match[str]) -> str:
        address = _bare(match["value"]) if match["name"].lower() in _ADDRESSES else ""
        if not address or address[0] == "#" or _SCHEME.match(address):
            return match[0]
        try:
            resolved = urljoin(base, address)
        except ValueError:  # "//[" and its like
            return match[0]
        return f'{match["name"]}{match["equals"]}"{escape(resolved)}"'

    return _with_tags(html, lambda token: _ATTRIBUTE.sub(absolute, html[token.start : token.end]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """HTML whose ``data:`` pictures are named by ``cid:``, and these pictures, each once."""

    html: str
    pictures: tuple[OutgoingAttachment, ...] = ()


def take_out_pictures(html: str) -> Pictured:
    """The pictures inside the HTML become parts. PNG, JPEG, GIF and WebP; of anything else the alternative text stays."""
    if "data:" not in html.lower() or not _PERHAPS_DATA.search(html):
        return Pictured(html=html)
    found: dict[str, OutgoingAttachment] = {}

    def replaced(token: Token) -> str:
        tag = html[token.start : token.end]
        for match in _ATTRIBUTE.finditer(tag):
            if match["name"].lower() != "src":
                continue
            address = _bare(match["value"])
            is_data = address[:5].lower() == "data:"
            return _shown(tag, match, _read_picture(address), found) if is_data else tag
        return tag

    return Pictured(html=_with_tags(html, replaced, only="img"), pictures=tuple(found.values()))


def _shown(tag: str, match: re.Match[str], content: bytes | None, found: dict[str, OutgoingAttachment]) -> str:
    """The tag with its picture's Content-ID; without one what stands for the picture."""
    kind = picture_type(content) if content else ""
    if content is None or not kind:
        written = (one["value"] for one in _ATTRIBUTE.finditer(tag) if one["name"].lower() == "alt")
        return escape(_bare(next(written, "")))
    identifier = f"{sha256(content).hexdigest()[:24]}@postroom"
    if identifier not in found:
        if len(found) >= MAX_PICTURES:
            return ""
        name = f"picture-{len(found) + 1}.{kind.removeprefix('image/')}"
        found[identifier] = OutgoingAttachment(name=name, content_type=kind, content=content, content_id=identifier)
    return f'{tag[: match.start("value")]}"cid:{identifier}"{tag[match.end("value") :]}'


def _read_picture(address: str) -> bytes | None:
    """The bytes of a ``data:`` address; None when it is too large or none."""
    head, comma, data = address.partition(",")
    if not comma or len(data) > 2 * MAX_PICTURE:
        return None
    raw = unquote_to_bytes(data)
    if head.lower().endswith(";base64"):
        try:
            raw = b64decode(raw + b"=" * (-len(raw) % 4))
        except ValueError:
            return None
    return raw if 0 < len(raw) <= MAX_PICTURE else None


def picture_type(content: bytes) -> str:
    """The media type of a picture that mail programs show, by its first bytes; ``""`` for anything else."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return ""


def _bare(value: str) -> str:
    """An attribute's value without quotes, references and the blanks that browsers pass over."""
    bare = value[1:-1] if value[:1] in ("'", '"') else value
    return unescape(bare).strip(" \t\r\n\f")


def _with_tags(html: str, change: Callable[[Token], str], *, only: str = "") -> str:
    """The HTML with its opening tags (of one name, or all that have attributes) changed."""
    pieces: list[str] = []
    end = 0
    for token in tokens(html):
        if not token.name or token.is_closing or not token.attributes or (only and token.name != only):
            continue
        pieces += (html[end : token.start], change(token))
        end = token.end
    pieces.append(html[end:])
    return "".join(pieces)
