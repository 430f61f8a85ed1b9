"""The fields of machine-readable report parts: groups of header-like lines (RFC 3464 2.1, RFC 8098 3.1, RFC 5965 3.1).

Laws: never raises; folded lines are joined; names are lower case; what is no field is left out.
"""

from __future__ import annotations

import re

from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.words import storable
from postroom.core.terms.addresses import normalize

Group = dict[str, list[str]]

_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*)[ \t]*:(.*)$")
_UTF8_ESCAPE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_ADDRESS = re.compile(r"[^\s<>\"(),;:]+@[^\s<>\"(),;:]+")
_MAX_LINES = 20_000
_MAX_VALUE = 2_000
_MAX_ADDRESS_FIELD = 1_000  # characters; the search for an address takes time with the square of it


def read_groups(content: bytes) -> list[Group]:
    """The groups of a part, separated by empty lines; empty groups are left out."""
    charset = "iso2022_jp" if b"\x1b$" in content else "utf-8"
    text = storable(content.decode(charset, "replace")).replace("\r\n", "\n").replace("\r", "\n")
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
            if match[1].lower() == "final-recipient" and "final-recipient" in groups[-1]:
                groups.append({})  # the empty line between two recipients was left out
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
    value = value[:_MAX_ADDRESS_FIELD]
    kind, semicolon, rest = value.partition(";")
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


def part_groups(mail: ParsedMail, types: tuple[str, ...]) -> list[Group] | None:
    """The groups of the parts of these types; None when there is no such part."""
    parts = [part for part in mail.report_parts if part.content_type.lower() in types]
    return [group for part in parts for group in read_groups(part.content)] if parts else None


def merged_groups(groups: list[Group]) -> Group:
    """All the fields, whatever group they stood in."""
    merged: Group = {}
    for group in groups:
        for name, values in group.items():
            merged.setdefault(name, []).extend(values)
    return merged


def report_type(mail: ParsedMail) -> str:
    """The parameter, also out of a content type that is written wrongly (T-106)."""
    parameter = mail.content_params.get("report-type", "")
    if not parameter and "report-type" in (written := mail.header("Content-Type")[:_MAX_VALUE]).lower():
        found = re.search(r"report-type\s{0,9}=\s{0,9}\"?([\w-]+)", written, re.IGNORECASE)
        parameter = found[1] if found else ""
    return parameter.strip('" ').lower()


def bare_value(value: str) -> str:
    """A typed field without its type: ``smtp; 550 no`` is ``550 no``."""
    match = re.match(r"[\w-]{1,20}\s{0,20};", value)
    return (value[match.end() :] if match else value).strip()[:_MAX_VALUE]
