"""Reading what stands behind MAIL FROM: and RCPT TO: (RFC 5321 4.1.2, 4.1.1.11; RFC 1870, 6152, 6531).

Laws: pure; reading never raises, it returns the argument or the reply that refuses it. Lenient where no harm comes of it
(spaces after the colon, missing brackets, a source route, which is dropped as RFC 5321 F.2 allows), strict where a log or a
database would suffer: control characters, bytes that are no UTF-8, endless addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from postroom.workers.limits import MAX_ADDRESS_TEXT

LONGEST_REPLY = 500  # RFC 5321 4.5.3.1.5: 512 with code and line end
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


def refuse_mail_parameters(parameters: Mapping[str, str], message_size: int) -> str:
    """The reply that refuses the parameters of MAIL, or ``""``. ``message_size`` is the largest mail in bytes."""
    size = parameters.get("SIZE", "0")
    if not (size.isascii() and size.isdigit() and len(size) <= 20):
        return "501 5.5.4 Syntax: SIZE=number"
    if int(size) > message_size:
        return f"552 5.3.4 A mail may have {message_size} bytes at most"
    if parameters.get("BODY", "7BIT").upper() not in ("7BIT", "8BITMIME"):
        return "501 5.5.4 BODY is 7BIT or 8BITMIME"
    if parameters.get("SMTPUTF8"):
        return "501 5.5.4 SMTPUTF8 takes no value"
    if unknown := parameters.keys() - {"SIZE", "BODY", "SMTPUTF8", "AUTH"}:  # AUTH=<> may be said to anybody
        return f"555 5.5.4 Unknown parameter {shown(min(unknown))}"
    return ""


def shown(text: str) -> str:
    """What a peer said, fit to be said back to it."""
    return "".join(char if char.isprintable() else "?" for char in text)[: LONGEST_REPLY - 60]


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
