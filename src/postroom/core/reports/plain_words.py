"""The words of an HTML body, for looking things up in it; not for showing. Linear time, whatever the bytes."""

from __future__ import annotations

from html import unescape

_MAX_HTML = 100_000  # characters that are looked at
_UNSEEN = ("style", "script", "head", "title")
_BREAKS = frozenset(
    {"br", "p", "div", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "hr"}
)


def words_of(html: str) -> str:
    """Text without tags; blocks become lines."""
    first, *tags = html[:_MAX_HTML].split("<")
    words = [first]
    unseen = ""
    for tag in tags:
        inside, _, after = tag.partition(">")
        name = inside[:20].lower().strip("/ \t\r\n").partition(" ")[0]
        if unseen:
            if inside.startswith("/") and name == unseen:
                unseen = ""
                words.append(after)
            continue
        if name in _UNSEEN and not inside.startswith("/"):
            unseen = name
            continue
        words.append("\n" if name in _BREAKS else "" if "@" in inside else " ")
        words.append(f"<{inside}>{after}" if _is_address(inside) else after)
    return unescape("".join(words))


def _is_address(inside: str) -> bool:
    """``<bob@example.org>`` that somebody forgot to escape."""
    return "@" in inside and len(inside) <= 320 and not any(char in ' ="/' for char in inside)
