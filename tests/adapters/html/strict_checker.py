"""Says what is dangerous in HTML that should be harmless: written for the tests alone, by other means than the sanitiser's.

It reads the HTML with the standard library's parser and knows lists of its own: whatever is not on them is reported.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

ELEMENTS = frozenset(
    "a abbr acronym area article aside b bdi bdo blockquote br caption center cite code col colgroup data dd del details dfn div dl dt em"
    " figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li map mark nav ol p picture pre q rp rt rtc ruby s samp"
    " section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr".split()
)
ATTRIBUTES = frozenset(
    "href hreflang rel src alt title dir lang align valign width height bgcolor color style colspan rowspan scope border cellpadding"
    " cellspacing summary face size cite datetime start char charoff headers span".split()
)
ADDRESSES = frozenset(("href", "src", "cite"))
SCHEMES = ("http://", "https://", "mailto:", "tel:", "cid:")
_STYLE = re.compile(
    r"url|expression|image|import(?!ant)|behavior|binding|position|content|var\(|\\|@|[<>{}]", re.IGNORECASE
)
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f]")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS:
            self.found.append(f"element {tag}")
        for name, value in attrs:
            self._look_at(tag, name, value or "")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data[:40]!r}")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"declaration {decl[:40]!r}")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"instruction {data[:40]!r}")

    def unknown_decl(self, data: str) -> None:
        self.found.append(f"declaration {data[:40]!r}")

    def _look_at(self, tag: str, name: str, value: str) -> None:
        if name not in ATTRIBUTES:
            self.found.append(f"attribute {name} of {tag}")
        if name in ADDRESSES and not value.lower().startswith(SCHEMES):
            self.found.append(f"address {value[:60]!r} of {tag}")
        if name in ADDRESSES and _CONTROLS.search(value.split(":", maxsplit=1)[0]):
            self.found.append(f"control characters in the address of {tag}")
        if name == "style" and _STYLE.search(value):
            self.found.append(f"style {value[:80]!r} of {tag}")


def dangers(html: str) -> list[str]:
    """What should not be there; empty when all is well. Text that does not escape what it must is found as an element."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    if re.search(r"<(?![a-z/])|</(?![a-z])", html):
        reader.found.append("a bare <")
    for link in re.findall(r"<a\b[^>]*\bhref=[^>]*>", html):
        if 'rel="noopener noreferrer nofollow"' not in link:
            reader.found.append(f"a link that tells of us: {link[:60]}")
    return reader.found
