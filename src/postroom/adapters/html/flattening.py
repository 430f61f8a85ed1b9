"""Makes overgrown HTML shallow, before a parser sees it whose time grows with the square of how deep elements stand in each other, and of
how many attributes one of them has.

Laws: linear, one pass. What comes out is written anew: only tags of the list given, each closed where its parent is, every attribute in
quotes, no comments, scripts or anything else whose end could be disputed. So the parser finds the very tree that was counted here,
whatever was written. Text is never lost; what stands deeper than `MOST_DEEP` stands there without its own elements.
Standards: WHATWG HTML 13.1.2.4 (end tags that may be left out).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from html import escape
from itertools import islice

from postroom.core.mime.markup import tokens, unescape

MOST_DEEP = 100
MOST_ATTRIBUTES = 40  # of one element
MANY = 4_000  # "<": with fewer the square is small
LONG = 60_000  # characters: a shorter one has not enough attributes for theirs to be large

_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_ATTRIBUTE = re.compile(r"""([a-zA-Z][a-zA-Z-]{0,30})\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"'>]++)""")
_BLOCKS = frozenset(
    "address article aside blockquote center details div dl figure footer h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre"
    " section table ul".split()
)
_CELL, _ROW = frozenset(("td", "th", "caption")), frozenset(("tr", "td", "th", "caption"))
_PART = frozenset(("tbody", "tfoot", "thead", "colgroup")) | _ROW
_LISTS, _TABLE = frozenset(("ul", "ol", "dl")), frozenset(("table",))
_FENCES = _CELL | _TABLE
_ENDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {  # what a tag ends that is open, and how far it reaches
    **dict.fromkeys(_BLOCKS, (frozenset(("p",)), _FENCES)),
    "li": (frozenset(("li", "p")), _LISTS | _FENCES),
    "dt": (frozenset(("dt", "dd", "p")), _LISTS | _FENCES),
    "dd": (frozenset(("dt", "dd", "p")), _LISTS | _FENCES),
    "a": (frozenset(("a",)), _FENCES),
    **dict.fromkeys(_CELL, (_CELL, _TABLE)),
    "tr": (_ROW, _TABLE),
    **dict.fromkeys(("tbody", "tfoot", "thead", "colgroup"), (_PART, _TABLE)),
}


def is_overgrown(html: str) -> bool:
    """Whether it may be deep, or have an element of very many attributes."""
    return len(html) > LONG or html.count("<") > MANY


def flattened(html: str, allowed: Collection[str], silent: Collection[str]) -> str:
    """``allowed``: the tags that stay; ``silent``: those whose whole content goes."""
    writer = _Writer(allowed)
    hidden = ""
    for token in tokens(html):
        if hidden:
            if token.is_closing and token.name == hidden:
                hidden = ""
        elif not token.name:
            writer.pieces.append(escape(unescape(html[token.start : token.end]), quote=False))
        elif token.name in silent:
            hidden = "" if token.is_closing else token.name
        elif token.name in allowed:
            writer.close(token.name) if token.is_closing else writer.open(token.name, token.attributes)
    writer.finish()
    return "".join(writer.pieces)


class _Writer:
    """Keeps what is open; ``left_out`` counts opened elements that stand too deep to be written."""

    def __init__(self, allowed: Collection[str]) -> None:
        self.allowed = allowed
        self.pieces: list[str] = []
        self.stack: list[str] = []
        self.is_open: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def open(self, name: str, attributes: str) -> None:
        if (ends := _ENDS.get(name)) is not None:
            self._close_outermost(*ends)
        if name in _VOID:
            self.pieces.append(f"<{name}{_rewritten(attributes)}>")
        elif len(self.stack) >= MOST_DEEP:
            self.left_out[name] += 1
        else:
            self.pieces.append(f"<{name}{_rewritten(attributes)}>")
            self.stack.append(name)
            self.is_open[name] += 1

    def close(self, name: str) -> None:
        if self.left_out[name]:
            self.left_out[name] -= 1
        elif self.is_open[name]:
            fence = frozenset() if name == "table" else _TABLE if name in _PART else _FENCES
            if name in (open_ones := self._within(fence)):
                self._pop_down_to(len(self.stack) - 1 - open_ones[::-1].index(name))

    def _close_outermost(self, names: frozenset[str], fence: frozenset[str]) -> None:
        """The outermost of these that is open, and all in it."""
        if not any(self.is_open[one] for one in names):
            return
        within = self._within(fence)
        at = next((number for number, one in enumerate(within) if one in names), None)
        if at is not None:
            self._pop_down_to(len(self.stack) - len(within) + at)

    def _within(self, fence: frozenset[str]) -> list[str]:
        """What is open inside the innermost of the fence."""
        at = len(self.stack)
        while at and self.stack[at - 1] not in fence:
            at -= 1
        return self.stack[at:]

    def _pop_down_to(self, length: int) -> None:
        while len(self.stack) > length:
            self._pop()

    def finish(self) -> None:
        self._pop_down_to(0)

    def _pop(self) -> None:
        name = self.stack.pop()
        self.is_open[name] -= 1
        self.pieces.append(f"</{name}>")


def _rewritten(attributes: str) -> str:
    found = []
    for match in islice(_ATTRIBUTE.finditer(attributes), MOST_ATTRIBUTES):
        name, value = match.groups()
        bare = value[1:-1] if value[0] in "\"'" else value
        found.append(f' {name.lower()}="{escape(unescape(bare))}"')
    return "".join(found)
