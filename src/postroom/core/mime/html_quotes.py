"""Quotes in HTML: what a mail program marked as quoted, cut out of the new words.

Duty: to split the HTML body at the containers that mail programs put around quotations, for showing them
folded.
Laws: never raises, one pass; every character of the input is in exactly one of the two results, in order;
elements may stay open in either, so both are sanitised afterwards; a mail without words of its own is left
whole.
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
    r"|ms-outlook-mobile-reference-message|yahoo-quoted|aolmail_|messageReplySection|spark_quote|mailru-blockquote"
    r"|ntes-mailmaster-quote|isReplyContent|bloop_original|airmail_on|mb-quote|mail-quote|quoted-message|reply-intro"
    r"|class\s*=\s*[\"']?cite\b|name\s*=\s*[\"']?quote\b|GroupWiseMessageBody|superhuman-reply|edo-reply",
    re.IGNORECASE,
)
_REST = re.compile(
    r"""\bid\s*=\s*["']?(?:divRplyFwdMsg|x_divRplyFwdMsg|appendonsend|OutlookMessageHeader|stopSpelling|zwchr|replySplit)\b""",
    re.IGNORECASE,
)
_RULE = re.compile(
    r"border-top:\s{0,9}(?:#B5C4DF\s+1pt\s+solid"
    r"|(?:1(?:\.0)?p[tx]\s{1,9})?solid\s{1,9}(?:#(?:B5C4DF|E1E1E1)|rgb\((?:181,\s?196,\s?223|225,\s?225,\s?225)\)))",
    re.IGNORECASE,
)
_CONTAINERS = frozenset(("div", "blockquote", "span", "section"))
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
    spans = _Cutter(html).spans()
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


class _Cutter:
    """Walks over the tags and notes where quotations and their attributions stand, in order and apart."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.found: list[tuple[int, int]] = []
        self.texts: list[Token] = []  # the last ones before the present token
        self.opened: Token | None = None  # the container that is open ...
        self.depth = 0  # ... and how deep in elements of its name
        self.doubtful: Token | None = None  # a plain block quotation whose first text decides

    def spans(self) -> list[tuple[int, int]]:
        for token in tokens(self.html):
            if self.opened is not None:
                self._inside(self.opened, token)
            elif not token.name:
                self._text(token)
            elif not token.is_closing:
                if self._is_rest(token):
                    self.found.append((token.start, len(self.html)))
                    return self.found
                self._tag(token)
        if self.opened is not None:
            self.found.append((self.opened.start, len(self.html)))
        return self.found

    def _inside(self, opened: Token, token: Token) -> None:
        if token.name != opened.name:
            return
        self.depth += -1 if token.is_closing else 1
        if not self.depth:
            self.found.append((opened.start, token.end))
            self.opened, self.texts = None, []

    def _text(self, token: Token) -> None:
        text = self.html[token.start : token.end]
        if text.isspace():
            return
        if self.doubtful is not None and certainty_of_attribution(_plain(text[:_LONGEST])) > 1:
            self._open(self.doubtful)
        else:
            self.texts = [*self.texts[1 - _MOST_TEXTS :], token]
        self.doubtful = None

    def _tag(self, token: Token) -> None:
        if token.name in _CONTAINERS and _CONTAINER.search(token.attributes):
            self.found += _attribution_before(self.html, self.texts)
            self._open(token)
        elif token.name == "blockquote":
            attribution = _attribution_before(self.html, self.texts)
            if attribution:
                self.found += attribution
                self._open(token)
            else:
                self.doubtful = token

    def _open(self, container: Token) -> None:
        self.opened, self.depth = container, 1

    def _is_rest(self, token: Token) -> bool:
        """Whether everything from here on is quoted: the marks of Outlook and its kin."""
        return bool(_REST.search(token.attributes)) or (token.name == "div" and _is_header_rule(self.html, token))


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
