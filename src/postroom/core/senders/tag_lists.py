"""Tag lists: ``v=1; a=rsa-sha256; …`` as DKIM, ARC and DMARC write them (RFC 6376 3.2).

Laws: pure; linear in the length of the text; a name that stands twice makes the whole list unreadable.
"""

from __future__ import annotations

_BLANKS = str.maketrans("", "", " \t\r\n")


class TagListError(ValueError):
    """This is no tag list; the text says why."""


def read_tags(text: str) -> dict[str, str]:
    """Names as written (they are case-sensitive), values without blanks around them. Raises `TagListError`."""
    tags: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or not name.isascii() or not name.replace("_", "a").isalnum():
            raise TagListError("it is no list of tags")
        if name in tags:
            raise TagListError(f"the tag {name[:20]} stands twice")
        tags[name] = value.strip()
    return tags


def without_blanks(value: str) -> str:
    """The value without the blanks that folding left in it."""
    return value.translate(_BLANKS)
