"""The fields of machine-readable report parts: groups of header-like lines (RFC 3464 2.1, RFC 8098 3.1, RFC 5965 3.1).

Laws: never raises; folded lines are joined; names are lower case; what is no field is left out.
"""

from __future__ import annotations

import re

from postroom.core.mime.words import storable
from postroom.core.terms.addresses import normalize

Group = dict[str, list[str]]

_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*)[ \t]*:(.*)$")
_UTF8_ESCAPE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_ADDRESS = re.compile(r"[^\s<>\"(),;:]+@[^\s<>\"(),;:]+")
_MAX_LINES = 20_000
_MAX_ADDRESS_FIELD = 1_000  # characters; the search for an address takes time with the square of it


def read_groups(content: bytes) -> list[Group]:
    """The groups of a part, separated by empty lines; empty groups are left out."""
    text = storable(content.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\r", "\n")
    groups: list[Group] = [{}]
    last: list[str] | None = None
    for line in text.split("\n")[:_MAX_LINES]:
        if not line.strip():
            if groups[-1]:
                groups.append({})
            last = None
        elif line[0] in " \t" and last:
            last[-1] = f"{last[-1]} {line.strip()}".strip()
        elif match := _FIELD.match(line):
            last = groups[-1].setdefault(match[1].lower(), [])
            last.append(match[2].strip())
    return [group for group in groups if group]


def read_head(text: str) -> Group:
    """The fields of a quoted mail's header."""
    groups = read_groups(text.encode("utf-8", "replace"))
    return groups[0] if groups else {}


def first(group: Group, *names: str) -> str:
    """The first value of the first of these fields that has one, or ``""``."""
    return next((value for name in names for value in group.get(name, ()) if value), "")


def read_typed_address(value: str) -> str:
    """``rfc822; <Bob@example.org>`` or ``utf-8; b\\x{f6}b@example.org`` (RFC 6533) normalised; ``""`` for no address."""
    kind, semicolon, rest = value[:_MAX_ADDRESS_FIELD].partition(";")
    text = (rest if semicolon else value).strip()
    if semicolon and kind.strip().lower().startswith("utf-8"):
        text = _UTF8_ESCAPE.sub(_unescape, text)
    whole = normalize(text)
    if whole:
        return whole
    found = _ADDRESS.search(text)
    return normalize(found[0]) if found else ""


def _unescape(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else match[0]
