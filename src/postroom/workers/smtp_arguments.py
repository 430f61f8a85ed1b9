"""Reading what stands behind MAIL FROM: and RCPT TO: (RFC 5321 4.1.2, 4.1.1.11; RFC 1870, 6152, 6531).

Laws: pure; reading never raises, it returns the argument or the reply that refuses it. Lenient where no harm comes of it
(spaces after the colon, missing brackets, a source route, which is dropped as RFC 5321 F.2 allows), strict where a log or a
database would suffer: control characters, bytes that are no UTF-8, endless addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postroom.workers.limits import MAX_ADDRESS_TEXT

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PATH = re.compile(rf"<(?P<path>(?:{_QUOTED}|[^<>\"])*)>|(?P<bare>[^\s<>]+)")
_SOURCE_ROUTE = re.compile(r"@[^:\s]*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path: ``address`` is bare, ``""`` for ``<>``; ``parameters`` have upper-case names, ``""`` for absent values."""

    address: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """The reply to an argument that cannot be used."""

    reply: str


def read_path(argument: str | None, keyword: str, *, utf8: bool = True) -> Path | Refused:
    """``argument`` is what follows MAIL or RCPT, decoded as UTF-8 with surrogates for other bytes; ``keyword`` FROM or TO."""
    syntax = Refused(f"501 5.5.4 Syntax: {'MAIL' if keyword == 'FROM' else 'RCPT'} {keyword}:<address>")
    head, colon, rest = (argument or "").partition(":")
    if not colon or head.strip().upper() != keyword:
        return syntax
    found = _PATH.match(rest := rest.strip())
    if found is None:
        return syntax
    parameters = _read_parameters(rest[found.end() :])
    if parameters is None:
        return syntax
    address = found["bare"] if found["path"] is None else _SOURCE_ROUTE.sub("", found["path"].strip(), count=1)
    refusal = _refusal_of(address, utf8=utf8 or "SMTPUTF8" in parameters)
    return Refused(refusal) if refusal else Path(address=address, parameters=parameters)


def _read_parameters(text: str) -> dict[str, str] | None:
    if text and not text[0].isspace():
        return None
    found: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name) or (equals and not value):
            return None
        found[name.upper()] = value
    return found


def _refusal_of(address: str, *, utf8: bool) -> str:
    if len(address) > MAX_ADDRESS_TEXT:
        return "501 5.1.3 The address is too long"
    if any(char < " " or char == "\x7f" for char in address):
        return "501 5.1.3 There are control characters in the address"
    try:
        address.encode("utf-8")
    except UnicodeEncodeError:
        return "501 5.1.3 The address is not UTF-8"
    if not address.isascii() and not utf8:
        return "553 5.6.7 An address beyond ASCII needs SMTPUTF8"
    if address and "@" in address and not all(address.rpartition("@")[::2]):
        return "501 5.1.3 The address is malformed"
    return ""
