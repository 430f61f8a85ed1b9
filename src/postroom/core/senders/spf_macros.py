"""Macros in SPF records (RFC 7208 7): ``%{d}``, ``%{ir}``, ``%{l1r-}`` and the rest.

Laws: pure; linear. What is no macro string is a `MacroError`. A name that grows too long loses labels on its left (7.3).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_MACRO = re.compile(r"%(?:([%_-])|\{([A-Za-z])(\d{0,3})(r?)([.\-+,/_=]*)\})", re.IGNORECASE)
_LETTERS = "slodipvh"
_TOPLABEL = re.compile(r"\.(?=[A-Za-z0-9-]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")
MAX_NAME = 253


class MacroError(ValueError):
    """The text is no macro string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroValues:
    """What the letters stand for. ``validated_name`` is ``unknown`` where the peer's name could not be proven (7.3)."""

    sender: str  # local@domain
    domain: str
    ip: Ip
    helo: str
    validated_name: str = "unknown"

    def letter(self, letter: str) -> str:
        local, _, sender_domain = self.sender.rpartition("@")
        return {
            "s": self.sender,
            "l": local,
            "o": sender_domain,
            "d": self.domain,
            "i": dotted(self.ip),
            "p": self.validated_name,
            "v": "in-addr" if self.ip.version == 4 else "ip6",
            "h": self.helo,
        }[letter]


def dotted(ip: Ip) -> str:
    """RFC 7208 7.3: an IPv6 address is its nibbles with dots."""
    return str(ip) if ip.version == 4 else ".".join(f"{int(ip):032x}")


def reverse_name(ip: Ip) -> str:
    """The name whose PTR records tell what the address is called."""
    return ip.reverse_pointer


def check_macros(text: str, *, is_domain: bool) -> None:
    """Raises `MacroError` for what is no macro string, or with ``is_domain`` no domain-spec (7.1)."""
    end = 0
    for found in _MACRO.finditer(text):
        _check_literal(text[end : found.start()])
        if found[2] and (found[2].lower() not in _LETTERS or (found[3] and int(found[3]) == 0)):
            raise MacroError(f"%{{{found[2]}}} is no macro")
        end = found.end()
    _check_literal(text[end:])
    if is_domain and not (text.endswith("}") and end == len(text)) and not _TOPLABEL.search(text):
        raise MacroError(f"{text[:60]!r} does not end like a domain")


def _check_literal(text: str) -> None:
    if "%" in text or not all("!" <= char <= "~" for char in text):
        raise MacroError(f"{text[:60]!r} is no text of a record")


def expand(text: str, values: MacroValues) -> str:
    """The text with its macros filled in."""
    return _MACRO.sub(lambda found: _value(found, values), text)


def expand_domain(text: str, values: MacroValues) -> str:
    """A name to ask for: in lower case, without the last dot, cut to what a name may have."""
    name = expand(text, values).rstrip(".").lower()
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def needs_validated_name(text: str) -> bool:
    return any((found[2] or "").lower() == "p" for found in _MACRO.finditer(text))


def _value(found: re.Match[str], values: MacroValues) -> str:
    if found[1]:
        return {"%": "%", "_": " ", "-": "%20"}[found[1]]
    letter, digits, is_reversed, delimiters = found[2], found[3], bool(found[4]), found[5] or "."
    parts = re.split("[" + re.escape(delimiters) + "]", values.letter(letter.lower()))
    if is_reversed:
        parts.reverse()
    if digits:
        parts = parts[-int(digits) :]
    text = ".".join(parts)
    return quote(text, safe="-_.~") if letter.isupper() else text
