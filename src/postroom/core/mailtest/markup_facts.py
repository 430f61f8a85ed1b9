"""What the HTML of a mail does, beside its words: links, pictures, what is hidden, what a mail program will not run.

Laws: pure; never raises; one pass over the tags of `mime.markup`, and no more of them than a budget; nothing is fetched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from postroom.core.mime.markup import MAX_HTML, Token, attributes, tokens, unescape

MOST_LINKS = 500
MOST_PICTURES = 500
LONGEST_TEXT = 300  # characters of a link's words
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_SILENT = frozenset(("head", "style", "script", "title", "template", "noscript", "textarea"))
_HIDES = re.compile(
    r"display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|mso-hide\s{0,3}:\s{0,3}all"
    r"|opacity\s{0,3}:\s{0,3}0(?:\.0{1,3})?\s{0,3}(?:;|!|\Z)|max-height\s{0,3}:\s{0,3}0",
    re.IGNORECASE,
)
_SMALL = re.compile(r"font-size\s{0,3}:\s{0,3}[01](?:\.\d{1,3})?(?:px|pt|%)?\s{0,3}(?:;|!|\Z)", re.IGNORECASE)
_WORDS = frozenset(
    ("span", "font", "p", "b", "i", "small")
)  # tables and boxes are set to 0 for their gaps, and their cells back again
_COLOUR = re.compile(r"(?:\A|;)\s{0,9}color\s{0,3}:\s{0,3}([#\w]{3,20})", re.IGNORECASE)
_GROUND = re.compile(r"background(?:-color)?\s{0,3}:\s{0,3}([#\w]{3,20})", re.IGNORECASE)
_SIZE = re.compile(r"(?:\A|;)\s{0,9}(width|height)\s{0,3}:\s{0,3}(\d{1,5})(?:\.\d{1,3})?px", re.IGNORECASE)
_TINY = 2  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """``address`` as written, its references resolved; ``text`` is what a reader sees."""

    address: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """``is_remote``: it is fetched when the mail is read. ``is_tiny``: nobody can see it."""

    address: str
    alt: str = ""
    is_remote: bool = False
    is_tiny: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkupFacts:
    """``seen`` and ``hidden``: characters of text that a reader sees, and does not see."""

    links: tuple[Link, ...] = ()
    pictures: tuple[Picture, ...] = ()
    seen: int = 0
    hidden: int = 0
    hidden_words: str = ""  # a sample
    active: tuple[str, ...] = ()  # elements and attributes that run: script, onclick, ...
    forms: tuple[str, ...] = ()  # where they send what is typed, "" for nowhere


def read_markup(html: str) -> MarkupFacts:
    """What it does."""
    html = html[:MAX_HTML]
    reader = _Reader()
    for token in tokens(html):
        if token.name:
            reader.tag(token)
        else:
            reader.text(html[token.start : token.end])
    reader.end_link()
    return MarkupFacts(
        links=tuple(reader.links),
        pictures=tuple(reader.pictures),
        seen=reader.seen,
        hidden=reader.hidden,
        hidden_words=reader.hidden_words,
        active=tuple(dict.fromkeys(reader.active)),
        forms=tuple(reader.forms),
    )


@dataclass(slots=True)
class _Reader:
    links: list[Link] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    seen: int = 0
    hidden: int = 0
    hidden_words: str = ""
    _hidden_in: str = ""  # the element that hides, and how deep in its likes
    _hidden_depth: int = 0
    _silent_in: str = ""
    _href: str | None = None
    _words: str = ""

    def text(self, text: str) -> None:
        if self._silent_in or text.isspace():
            return
        words = " ".join((unescape(text) if "&" in text else text).split())
        count = sum(map(len, words.split(" ")))
        if self._hidden_depth:
            self.hidden += count
            if len(self.hidden_words) < LONGEST_TEXT:
                self.hidden_words = f"{self.hidden_words} {words}"[:LONGEST_TEXT].strip()
            return
        self.seen += count
        if self._href is not None and len(self._words) < LONGEST_TEXT:
            self._words = f"{self._words}{words}"[:LONGEST_TEXT]

    def tag(self, token: Token) -> None:
        name = token.name
        if token.is_closing:
            self._close(name)
            return
        found = attributes(token) if token.attributes else {}
        self._note_active(name, found)
        if name in _SILENT and not self._silent_in and not token.attributes.endswith("/"):
            self._silent_in = name
        if self._silent_in:
            return
        if self._hidden_depth:
            self._hidden_depth += name == self._hidden_in
        elif name not in _VOID and _is_hidden(name, found):
            self._hidden_in, self._hidden_depth = name, 1
        if name in ("a", "area"):
            self.end_link()
            if href := found.get("href", "").strip():
                self._href = href
        elif name == "img":
            self._picture(found)
        elif name == "form" and len(self.forms) < MOST_LINKS:
            self.forms.append(found.get("action", ""))

    def _close(self, name: str) -> None:
        if name == self._silent_in:
            self._silent_in = ""
        elif self._hidden_depth and name == self._hidden_in:
            self._hidden_depth -= 1
        if name == "a":
            self.end_link()

    def end_link(self) -> None:
        if self._href is not None and len(self.links) < MOST_LINKS:
            self.links.append(Link(address=self._href, text=self._words.strip()))
        self._href, self._words = None, ""

    def _picture(self, found: dict[str, str]) -> None:
        source = found.get("src", "").strip()
        if not source or len(self.pictures) >= MOST_PICTURES:
            return
        sizes = {name: found.get(name, "") for name in ("width", "height")}
        sizes |= {name.lower(): size for name, size in _SIZE.findall(found.get("style", "")[:2_000])}
        is_tiny = all(
            size.removesuffix("px").isdigit() and int(size.removesuffix("px")[:6]) <= _TINY for size in sizes.values()
        )
        is_remote = source.lower().startswith(("http://", "https://", "//"))
        self.pictures.append(
            Picture(
                address=source[:LONGEST_TEXT], alt=found.get("alt", "").strip(), is_remote=is_remote, is_tiny=is_tiny
            )
        )

    def _note_active(self, name: str, found: dict[str, str]) -> None:
        if len(self.active) >= MOST_LINKS:
            return
        if name in ("script", "iframe", "object", "applet"):
            self.active.append(name)
        self.active += [one for one in found if one.startswith("on") and len(one) < 30]


def _is_hidden(name: str, found: dict[str, str]) -> bool:
    style = found.get("style", "")[:2_000]
    if style and (_HIDES.search(style) or (name in _WORDS and _SMALL.search(style))):
        return True
    colour, ground = _COLOUR.search(style), _GROUND.search(style)
    return colour is not None and ground is not None and colour[1].lower() == ground[1].lower()
