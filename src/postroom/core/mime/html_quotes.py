"""Quotes in HTML: what a mail program marked as quoted, cut out of the new words.

Duty: to split the HTML body at the containers that mail programs put around quotations, for showing them folded.
Laws: never raises, one pass; every character of the input is in exactly one of the two results, in order; elements may stay
open in either, so both are sanitised afterwards; a mail without words of its own is left whole.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from postroom.core.mime.markup import MAX_HTML, Token, html_to_text, tokens, unescape
from postroom.core.mime.quotes import certainty_of_attribution

_CONTAINER = re.compile(
    r"gmail_quote|gmail_extra|yahoo_quoted|moz-cite-prefix|protonmail_quote|tutanota_quote|zmail_extra|mailspring-quote"
    r"|wordsection-quote|aliyun_quote|foxmail-quote|qmbox|front-blockquote|missive_quote|hey_quote|o_mail_quote|postroom_quote"
    r"|type\s*=\s*[\"']?cite|\scite\s*=|__QUOTED_TEXT__|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container"
    r"|ms-outlook-mobile-reference-message",
    re.IGNORECASE,
)
_REST = re.compile(
    r"""\bid\s*=\s*["']?(?:divRplyFwdMsg|x_divRplyFwdMsg|appendonsend|OutlookMessageHeader|stopSpelling|zwchr|replySplit)\b""",
    re.IGNORECASE,
)
_RULE = re.compile(r"border-top:\s*solid\s+#(?:B5C4DF|E1E1E1)|border-top:\s*#B5C4DF\s+1pt\s+solid", re.IGNORECASE)
_LONGEST = 600  # characters of an attribution, with its entities
_MOST_TEXTS = 8  # texts in front of a container among which its attribution is looked for


class SeparatedHtml(NamedTuple):
    """The new HTML and the quoted HTML; both need sanitising."""

    fresh: str
    quoted: str


def separate_html_reply(html: str) -> SeparatedHtml:
    """The HTML of a reply without the quotations that mail programs marked, and these."""
    if len(html) > MAX_HTML:
        return SeparatedHtml(html, "")
    spans = _quoted_spans(html)
    if not spans:
        return SeparatedHtml(html, "")
    fresh: list[str] = []
    quoted: list[str] = []
    position = 0
    for start, end in spans:
        fresh.append(html[position:start])
        quoted.append(html[start:end])
        position = end
    fresh.append(html[position:])
    fresh_html = "".join(fresh)
    if "<img" not in fresh_html and not html_to_text(fresh_html).strip():
        return SeparatedHtml(html, "")
    return SeparatedHtml(fresh_html, "".join(quoted))


def _quoted_spans(html: str) -> list[tuple[int, int]]:
    """Where quotations stand, their attributions included, in order and apart."""
    spans: list[tuple[int, int]] = []
    texts: list[Token] = []  # the last ones before the present token
    opened: Token | None = None  # the container that is open ...
    depth = 0  # ... and how deep in elements of its name
    doubtful: Token | None = None  # a plain block quotation whose first text decides
    for token in tokens(html):
        if opened is not None:
            if token.name == opened.name:
                depth += -1 if token.is_closing else 1
                if not depth:
                    spans.append((opened.start, token.end))
                    opened, texts = None, []
            continue
        if not token.name:
            text = html[token.start : token.end]
            if text.isspace():
                continue
            if doubtful is not None and certainty_of_attribution(_plain(text[:_LONGEST])) > 1:
                opened, depth, doubtful = doubtful, 1, None
                continue
            doubtful = None
            texts = [*texts[1 - _MOST_TEXTS :], token]
            continue
        if token.is_closing:
            continue
        if _REST.search(token.attributes) or (token.name == "div" and _is_header_rule(html, token)):
            spans.append((token.start, len(html)))
            return spans
        is_quotation = token.name in ("div", "blockquote", "span", "section") and _CONTAINER.search(token.attributes)
        if is_quotation or token.name == "blockquote":
            attribution = _attribution_before(html, texts)
            if is_quotation or attribution:
                spans += attribution
                opened, depth = token, 1
            else:
                doubtful = token
    if opened is not None:
        spans.append((opened.start, len(html)))
    return spans


def _attribution_before(html: str, texts: list[Token]) -> list[tuple[int, int]]:
    """The spans of the last texts when together they say "On Monday Alice wrote:"."""
    joined = ""
    for number, token in enumerate(reversed(texts), start=1):
        joined = f"{_plain(html[max(token.start, token.end - _LONGEST) : token.end])} {joined}".strip()
        if len(joined) > _LONGEST:
            break
        if certainty_of_attribution(joined) > 1:
            return [(one.start, one.end) for one in texts[-number:]]
    return []


def _is_header_rule(html: str, token: Token) -> bool:
    """The line that Outlook draws above the fields of the quoted mail."""
    if "border" not in token.attributes or not _RULE.search(token.attributes):
        return False
    following = html_to_text(html[token.end : token.end + 1500])
    return "@" in following or following.count(":") >= 3


def _plain(text: str) -> str:
    """The words of a text between two tags."""
    return " ".join(unescape(text).split())


