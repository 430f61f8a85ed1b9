"""Makes HTML harmless with ammonia (nh3): an allow-list of elements, attributes, styles and schemes.

Laws: no script, form, frame, style sheet, SVG or MathML survives; links open apart and tell nothing of us;
``cid:`` images stay, to be resolved by the page; what cannot be parsed becomes text. The time is linear in the length (`flattening`).
"""

from __future__ import annotations

import nh3

from postroom.adapters.html.flattening import flattened, is_overgrown

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
_ATTRIBUTES = {tag: set(names) | _COMMON for tag, names in nh3.ALLOWED_ATTRIBUTES.items()} | {
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


_SILENT = {"script", "style", "title", "head", "noscript", "template", "iframe", "object", "svg", "math"}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_SILENT,
    attributes=_ATTRIBUTES,
    filter_style_properties=_STYLES,
    url_schemes={"http", "https", "mailto", "tel", "cid"},
    link_rel="noopener noreferrer nofollow",
    url_relative="deny",  # a relative address would ask our own pages, with the reader's session
)


class Sanitizer:
    """Stateless; ready to be shared."""

    def sanitize(self, html: str) -> str:
        if is_overgrown(html):
            html = flattened(html, _TAGS, _SILENT)
        return _CLEANER.clean(html)
