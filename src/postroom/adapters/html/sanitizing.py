"""Makes HTML harmless with ammonia (nh3): an allow-list of elements, attributes, styles and schemes.

Laws: no script, form, frame, style sheet, SVG or MathML survives; a style names no address; links open apart and tell nothing of us;
``cid:`` images stay, to be resolved by the page; what cannot be parsed becomes text. The time is linear in the length (`flattening`)
and bounded: HTML beyond `MAX_HTML` characters or `MAX_TAGS` tags is cut there and says so; the original mail has it all.
"""

from __future__ import annotations

import re

import nh3

from postroom.adapters.html.flattening import flattened, is_overgrown

MAX_HTML = 4_000_000  # characters: text costs little
MAX_TAGS = 50_000  # "<": a tag costs much; a newsletter of 100 kB has 3,000
CUT = "<hr><p><em>[Cut here: this mail is too long to be shown. The original has all of it.]</em></p>"

_TAGS = set(nh3.ALLOWED_TAGS) | {
    "font",
    "section",
    "article",
    "figure",
    "figcaption",
    "picture",
    "tfoot",
    "colgroup",
    "col",
}
_COMMON = {"dir", "lang", "title", "align", "valign", "width", "height", "bgcolor", "color", "style"}
_UNUSED = {"cite"}  # an address that nobody follows, and whose scheme is not looked at
_ATTRIBUTES = {tag: (set(names) - _UNUSED) | _COMMON for tag, names in nh3.ALLOWED_ATTRIBUTES.items()} | {
    "img": {"src", "alt"} | _COMMON,
    "td": {"colspan", "rowspan"} | _COMMON,
    "th": {"colspan", "rowspan", "scope"} | _COMMON,
    "table": {"border", "cellpadding", "cellspacing", "summary"} | _COMMON,
    "font": {"face", "size"} | _COMMON,
    "span": {"data-mention"} | _COMMON,  # who is mentioned: a look and no more, it tells nobody
    "*": _COMMON,
}
_STYLES = {
    "background-color", "border", "border-bottom", "border-collapse", "border-color", "border-left", "border-radius",
    "border-right", "border-spacing", "border-style", "border-top", "border-width", "color", "direction", "display",
    "font", "font-family", "font-size", "font-style", "font-weight", "height", "letter-spacing", "line-height",
    "list-style-type", "margin", "margin-bottom", "margin-left", "margin-right", "margin-top", "max-width", "min-width",
    "padding", "padding-bottom", "padding-left", "padding-right", "padding-top", "text-align", "text-decoration",
    "text-indent", "text-transform", "vertical-align", "white-space", "width", "word-break", "word-wrap",
}  # fmt: skip


_FUNCTION = re.compile(r"([a-zA-Z-]*+)\(")
_COLOURS = frozenset(("rgb", "rgba", "hsl", "hsla"))


def _checked(_element: str, name: str, value: str) -> str | None:
    """Of styles those whose values ask nobody for anything: colours may be computed, all else is plain."""
    if name != "style" or ("(" not in value and "\\" not in value):
        return value
    return ";".join(one for one in value.split(";") if _is_plain(one)) or None


def _is_plain(declaration: str) -> bool:
    functions = {name.lower() for name in _FUNCTION.findall(declaration)}
    return functions <= _COLOURS and declaration.count("(") == declaration.count(")") and "\\" not in declaration


_SILENT = {"script", "style", "title", "head", "noscript", "template", "iframe", "object", "svg", "math"}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_SILENT,
    attributes=_ATTRIBUTES,
    attribute_filter=_checked,
    filter_style_properties=_STYLES,
    url_schemes={"http", "https", "mailto", "tel", "cid"},
    link_rel="noopener noreferrer nofollow",
    url_relative="deny",  # a relative address would ask our own pages, with the reader's session
)


class Sanitizer:
    """Stateless; ready to be shared."""

    def sanitize(self, html: str) -> str:
        """The harmless HTML; cut, with a word about it, where there is too much of it."""
        length = _shown_length(html)
        shown = html[:length]
        if is_overgrown(shown):
            shown = flattened(shown, _TAGS, _SILENT)
        clean = _CLEANER.clean(shown)
        return clean if length == len(html) else clean + CUT


def _shown_length(html: str) -> int:
    """Where it is cut: before the tag that is one too many."""
    if html.count("<", 0, MAX_HTML) <= MAX_TAGS:
        return min(len(html), MAX_HTML)
    at = -1
    for _ in range(MAX_TAGS + 1):
        at = html.index("<", at + 1)
    return at
