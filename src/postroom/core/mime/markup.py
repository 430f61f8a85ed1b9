"""Markup: between the HTML of mails and plain text, without building a tree.

Duty: to cut HTML into tags and text, to read it as plain text (blocks, lists, quotations and links kept;
scripts, styles and what is hidden dropped), and to write plain text as HTML.
Laws: never raises; one pass, whatever the markup is; nothing here makes HTML safe to show (that is a
sanitiser's trade).
Standards: WHATWG HTML 13.2.5 (tokenisation, as far as mails need it), RFC 3676 4.5 (quote marks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from html import unescape as _unescape
from typing import NamedTuple

MAX_FOOTNOTES = 200
MAX_QUOTE_DEPTH = 20
MAX_HTML = 1_000_000  # characters that are read as text; the HTML itself is kept whole


class Token(NamedTuple):
    """A tag (``name`` in lower case) or, with the name ``""``, a stretch of text: ``html[start:end]``."""

    start: int
    end: int
    name: str
    is_closing: bool = False
    attributes: str = ""


_TAG = re.compile(r"""<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,40})((?:[^"'>]++|"[^"]*+"|'[^']*+')*+)>""")
_TAG_WITH_BROKEN_QUOTES = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,40})([^>]*+)>")
_RAW_TEXT = {
    name: re.compile(rf"</{name}[\s/>]", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "noframes", "xmp")
}


def tokens(html: str) -> Iterator[Token]:
    """The tags and texts of ``html`` in order.

    Comments, declarations and the contents of scripts are passed over.
    """
    tag_pattern = _TAG
    position = text_start = 0
    last_end = html.rfind(">")
    while 0 <= (position := html.find("<", position)) < last_end:
        match = tag_pattern.match(html, position)
        if match is None and tag_pattern is _TAG and html[position + 1 : position + 2].isalpha():
            tag_pattern = _TAG_WITH_BROKEN_QUOTES  # a quote never closes: quotes are not looked for again
            match = tag_pattern.match(html, position)
        end = match.end() if match else _end_of_declaration(html, position)
        if not end:
            position += 1
            continue
        if position > text_start:
            yield Token(text_start, position, "")
        if match is not None:
            name = match[2].lower()
            yield Token(position, end, name, match[1] == "/", match[3])
            if name in _RAW_TEXT and not match[1]:
                closing = _RAW_TEXT[name].search(html, end)
                end = closing.start() if closing else len(html)
        position = text_start = end
    if text_start < len(html):
        yield Token(text_start, len(html), "")


def _end_of_declaration(html: str, position: int) -> int:
    """Behind the comment, declaration or processing instruction that opens here.

    0 when it is none or never closes.
    """
    if html.startswith("<!--", position):
        if html.startswith(("<!-->", "<!--->"), position):
            return html.find(">", position) + 1
        end = html.find("-->", position + 4)
        return end + 3 if end >= 0 else len(html)
    if html.startswith(("<!", "<?", "</"), position):
        return html.find(">", position) + 1
    return 0


_PARAGRAPHS = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "form",
     "fieldset")
)  # fmt: skip
_LINES = frozenset(
    ("div", "tr", "li", "dt", "dd", "section", "article", "header", "footer", "nav", "aside", "main",
     "figure", "figcaption", "address", "center", "caption", "details", "summary", "legend", "option",
     "body", "html")
)  # fmt: skip
_CELLS = frozenset(("td", "th"))
_DROPPED = frozenset(("head", "script", "style", "title", "template", "noframes", "textarea", "xmp"))
_VOID = frozenset(
    (
        "br",
        "hr",
        "img",
        "input",
        "meta",
        "link",
        "base",
        "col",
        "area",
        "embed",
        "source",
        "track",
        "wbr",
        "param",
    )
)
_HIDDEN = re.compile(r"display\s*:\s*none|\shidden(?:\s|=|/|\Z)|mso-hide\s*:\s*all", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-zA-Z_:][\w:.-]{0,60})\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""")
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\ufeff\u034f\u00ad"))


def attributes(token: Token) -> dict[str, str]:
    """The attributes of a tag, names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(token.attributes[:20_000]):
        value = match[2] or match[3] or match[4] or ""
        found.setdefault(match[1].lower(), unescape(value) if "&" in value else value)
    return found


def unescape(text: str) -> str:
    """Character references resolved.

    Numbers too long to be characters, on which the standard library raises, are replaced.
    """
    return _unescape(_TOO_LONG.sub("\ufffd", text) if "&#" in text else text)


_TOO_LONG = re.compile(r"&#0*(?:[0-9]{8,}|[xX][0-9a-fA-F]{8,});?")


def html_to_text(html: str, *, footnotes: bool = False) -> str:
    """HTML as plain text. With ``footnotes`` a link's address follows at the end under its number (O-61)."""
    writer = _TextWriter(footnotes=footnotes)
    html = html[:MAX_HTML]
    for token in tokens(html):
        if token.name:
            writer.tag(token)
        else:
            writer.text(html[token.start : token.end])
    return writer.finished()


class _TextWriter:
    """Writes lines: quotation depth, indentation and list marks in front, blank lines between paragraphs."""

    def __init__(self, *, footnotes: bool) -> None:
        self.footnotes = footnotes
        self.lines: list[str] = []
        self.line: list[str] = []
        self.blank_wanted = False
        self.quote_depth = 0
        self.pre_depth = 0
        self.lists: list[int] = []  # 0 for bullets, else the next number
        self.mark = ""
        self.cell_start = -1  # how many lines there were when the cell began; -1 outside of cells
        self.cell_text = 0  # and how many pieces its line had
        self.pending_break = False  # a paragraph ended in a cell: a break, if more comes in it
        self.dropped = ""  # the element whose content is passed over, and how deep in its likes
        self.dropped_depth = 0
        self.links: dict[str, int] = {}
        self.link: tuple[str, int] | None = None

    def text(self, text: str) -> None:
        if self.dropped:
            return
        if "&" in text:
            text = unescape(text)
        if not text.isascii():
            text = text.translate(_INVISIBLE)
        if self.pre_depth:
            first, *rest = text.replace("\r\n", "\n").replace("\xa0", " ").split("\n")
            self.line.append(first)
            for more in rest:
                self._end_line(keep_empty=True)
                self.line.append(more)
            return
        text = _SPACES.sub(" ", text)
        if text[:1] == " " and (not self.line or self.line[-1][-1:] in (" ", "")):
            text = text[1:]
        if text:
            if self.pending_break and text.strip():
                self._end_line()
                self.blank_wanted, text = True, text.lstrip()
            self.line.append(text)

    def tag(self, token: Token) -> None:
        name = token.name
        if self.dropped:
            self._tag_in_dropped(token)
        elif name in _DROPPED:
            if not token.is_closing and not token.attributes.endswith("/"):
                self.dropped, self.dropped_depth = name, 1
        elif (
            not token.is_closing
            and "style" in token.attributes
            and name not in _VOID
            and _HIDDEN.search(token.attributes)
        ):
            self.dropped, self.dropped_depth = name, 1
        elif name in _CELLS:
            self._cell_tag(is_closing=token.is_closing)
        elif name in ("p", "div") and self._is_edge_of_cell(is_closing=token.is_closing):
            pass
        elif name in _LINES:
            self._line_tag(name, token.is_closing)
        elif name in _PARAGRAPHS:
            self._paragraph_tag(name, token)
        elif name == "br":
            self._end_line(keep_empty=True)
        elif name == "hr":
            self._end_line()
            self.line.append("---")
            self._end_line()
        elif name == "img":
            self.text(escape(attributes(token).get("alt", "")))
        elif name == "a" and self.footnotes:
            self._link_tag(token)

    def _cell_tag(self, *, is_closing: bool) -> None:
        """A row of short cells is one line, also where each cell holds a paragraph."""
        self.pending_break = False
        self.cell_start = -1 if is_closing else len(self.lines)
        if not is_closing and self.line:
            self.text(" ")
        self.cell_text = len(self.line)

    def _is_edge_of_cell(self, *, is_closing: bool) -> bool:
        """Whether a paragraph begins with its cell, or may end with it: then the row goes on."""
        if self.cell_start != len(self.lines) or self.lists or self.pre_depth:
            return False
        has_text = len(self.line) > self.cell_text
        if is_closing and has_text:
            self.pending_break = True
        return is_closing or not has_text

    def _tag_in_dropped(self, token: Token) -> None:
        if token.name == self.dropped:
            self.dropped_depth += -1 if token.is_closing else 1
            if not self.dropped_depth:
                self.dropped = ""
        elif self.dropped == "head" and (token.name in _PARAGRAPHS or token.name in _LINES):  # it never closes
            self.dropped = ""
            self.tag(token)

    def _line_tag(self, name: str, is_closing: bool) -> None:
        self._end_line()
        if name == "li" and not is_closing:
            number = self.lists[-1] if self.lists else 0
            self.mark = f"{number}. " if number else "- "
            if number:
                self.lists[-1] += 1

    def _paragraph_tag(self, name: str, token: Token) -> None:
        is_closing = token.is_closing
        self._end_line()
        match name:
            case "ul" | "ol":
                self.blank_wanted = self.blank_wanted or len(self.lists) == is_closing  # an outermost list
                if is_closing:
                    del self.lists[-1:]
                elif len(self.lists) < 20:
                    self.lists.append(_first_number(token) if name == "ol" else 0)
                return
            case "blockquote" if is_closing:
                self.quote_depth = max(0, self.quote_depth - 1)
            case "blockquote":
                self._write_blank()  # in the depth that it leaves
                self.quote_depth = min(self.quote_depth + 1, MAX_QUOTE_DEPTH)
                return
            case "pre":
                self.pre_depth = max(0, self.pre_depth + (-1 if is_closing else 1))
            case _:
                pass
        self.blank_wanted = True

    def _link_tag(self, token: Token) -> None:
        if not token.is_closing:
            href = attributes(token).get("href", "").strip()
            self.link = (href, len(self.line)) if href.lower().startswith(("http://", "https://", "mailto:")) else None
        elif self.link is not None:
            href, begun = self.link
            label = "".join(self.line[begun:]).strip()
            self.link = None
            if label and label not in (href, href.removeprefix("mailto:")):
                if len(self.links) < MAX_FOOTNOTES:
                    self.links.setdefault(href, len(self.links) + 1)
                if href in self.links:
                    self.line.append(f" [{self.links[href]}]")

    def _end_line(self, *, keep_empty: bool = False) -> None:
        self.pending_break = False
        text = "".join(self.line)
        text = text.rstrip() if self.pre_depth else text.strip()
        self.line = []
        if not text and not keep_empty:
            return
        if self.blank_wanted and text:
            self._write_blank()
        indent = "  " * max(0, len(self.lists) - 1)
        self._write(f"{indent}{self.mark}{text}" if text else "")
        if text:
            self.mark = ""

    def _write_blank(self) -> None:
        self.blank_wanted = False
        if self.lines and self.lines[-1].strip("> "):
            self._write("")

    def _write(self, text: str) -> None:
        prefix = ">" * self.quote_depth
        self.lines.append(f"{prefix} {text}" if prefix and text else prefix + text)

    def finished(self) -> str:
        self._end_line()
        text = "\n".join(self.lines).strip("\n")
        text = _MANY_BLANKS.sub("\n\n", text)
        if self.links:
            text += "\n\n" + "\n".join(f"[{number}] {href}" for href, number in self.links.items())
        return text


def _first_number(token: Token) -> int:
    """Of an ordered list; 1 unless ``start`` says otherwise."""
    written = attributes(token).get("start", "") if "start" in token.attributes else ""
    return int(written) if written.isascii() and written.isdigit() and 0 < len(written) < 7 and int(written) else 1


_MANY_BLANKS = re.compile(r"\n{4,}")
_LINK_SIGNS = re.compile(r"https?://[^\s<>\"\x00-\x1f]{1,2000}|@")
_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_MOST_LOCAL = 64  # characters (RFC 5321 4.5.3.1.1)


def text_to_html(text: str) -> str:
    """Plain text as HTML: escaped, its addresses linked, line breaks and runs of spaces kept."""
    pieces: list[str] = []
    end = 0
    for start, found in _links(text):
        href = found if "://" in found else "mailto:" + found
        pieces.append(_escaped(text[end:start]))
        pieces.append(f'<a href="{escape(href)}">{escape(found)}</a>')
        end = start + len(found)
    pieces.append(_escaped(text[end:]))
    return "".join(pieces)


def _links(text: str) -> Iterator[tuple[int, str]]:
    """Where they begin, and their text. An address is looked for from its @ on: whoever writes none costs nothing."""
    done = at = 0
    while sign := _LINK_SIGNS.search(text, at):
        at = sign.end()
        if sign[0] != "@":
            done = at
            yield sign.start(), _without_trailing_punctuation(sign[0])
            continue
        begin = _local_begins(text, done, sign.start())
        if begin < sign.start() and (domain := _DOMAIN.match(text, at)):
            done = at = domain.end()
            yield begin, text[begin:done]


def _local_begins(text: str, least: int, end: int) -> int:
    begin, least = end, max(least, end - _MOST_LOCAL)
    while begin > least and (text[begin - 1].isalnum() or text[begin - 1] in "_.+-"):
        begin -= 1
    return begin


def _without_trailing_punctuation(url: str) -> str:
    url = url.rstrip(".,;:!?'*_")
    while url.endswith((")", "]")) and url.count(url[-1]) > url.count("(["[")]".index(url[-1])]):
        url = url[:-1].rstrip(".,;:!?'*_")
    return url


def _escaped(text: str) -> str:
    text = escape(text, quote=False).replace("\r\n", "\n").replace("\t", "    ")
    if "  " in text:
        text = text.replace("  ", " &nbsp;")
    if text.startswith(" ") or "\n " in text:
        text = text.replace("\n ", "\n&nbsp;")
    return text.replace("\n", "<br>\n")
