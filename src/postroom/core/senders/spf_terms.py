"""SPF records: read into terms (RFC 7208 4.5, 4.6, 5, 6, 12).

Laws: pure; linear. A syntax error anywhere makes the whole record unusable (4.6), as `SpfSyntaxError`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from postroom.core.senders.results import Result
from postroom.core.senders.spf_macros import MacroError, check_macros
from postroom.core.terms.remembering import remembered

_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)\Z")
_MECHANISM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(?=[:/]|\Z)(.*)\Z")
_DUAL_CIDR = re.compile(r"(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?\Z")
_QUALIFIERS = {"": Result.PASS, "+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}
MOST_TERMS = 400


class SpfSyntaxError(ValueError):
    """The record is none; the text says where."""


class Mechanism(StrEnum):
    """RFC 7208 5."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"

    @property
    def asks(self) -> bool:
        """Whether it counts against the limit of look-ups (4.6.4)."""
        return self not in (Mechanism.ALL, Mechanism.IP4, Mechanism.IP6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A mechanism. ``target`` is the domain-spec with its macros, ``""`` for the domain itself."""

    mechanism: Mechanism
    result: Result
    target: str = ""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    prefix4: int = 32
    prefix6: int = 128
    text: str = ""  # as it stands in the record


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfRecord:
    """The mechanisms in order, and where to go on when none of them matches."""

    terms: tuple[Term, ...]
    redirect: str = ""


def is_spf(text: str) -> bool:
    """RFC 7208 4.5: the version is a word of its own."""
    return text[:6].lower() == "v=spf1" and text[6:7] in ("", " ")


@remembered(most=4096, longest=1000)
def read_record(text: str) -> SpfRecord:
    """Raises `SpfSyntaxError`."""
    words = text[6:].split(" ")
    if len(words) > MOST_TERMS:
        raise SpfSyntaxError("the record has too many terms")
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in filter(None, words):
        try:
            if modifier := _MODIFIER.match(word):
                _take_modifier(modifiers, modifier[1].lower(), modifier[2])
            else:
                terms.append(_term(word))
        except MacroError as error:
            raise SpfSyntaxError(str(error)) from None
    return SpfRecord(terms=tuple(terms), redirect=modifiers.get("redirect", ""))


def _take_modifier(modifiers: dict[str, str], name: str, value: str) -> None:
    if name in ("redirect", "exp"):
        if name in modifiers or not value:
            raise SpfSyntaxError(f"{name}= stands twice or is empty")
        check_macros(value, is_domain=True)
        modifiers[name] = value
    else:
        check_macros(value.replace("%{c}", "").replace("%{r}", "").replace("%{t}", ""), is_domain=False)


def _term(word: str) -> Term:
    found = _MECHANISM.match(word)
    if found is None:
        raise SpfSyntaxError(f"{word[:60]!r} is no term")
    try:
        mechanism = Mechanism(found[2].lower())
    except ValueError:
        raise SpfSyntaxError(f"there is no mechanism {found[2][:40]!r}") from None
    result, rest = _QUALIFIERS[found[1]], found[3]
    match mechanism:
        case Mechanism.ALL:
            if rest:
                raise SpfSyntaxError("all takes nothing")
            return Term(mechanism=mechanism, result=result, text=word)
        case Mechanism.IP4 | Mechanism.IP6:
            return Term(mechanism=mechanism, result=result, network=_network(mechanism, rest), text=word)
        case Mechanism.INCLUDE | Mechanism.EXISTS:
            return Term(mechanism=mechanism, result=result, target=_target(rest, needed=True), text=word)
        case Mechanism.PTR:
            return Term(mechanism=mechanism, result=result, target=_target(rest, needed=False), text=word)
        case Mechanism.A | Mechanism.MX:
            return _with_prefixes(mechanism, result, rest, word)


def _target(rest: str, *, needed: bool) -> str:
    if not rest and not needed:
        return ""
    if not rest.startswith(":") or len(rest) == 1:
        raise SpfSyntaxError("a mechanism lacks its domain")
    check_macros(rest[1:], is_domain=True)
    return rest[1:]


def _with_prefixes(mechanism: Mechanism, result: Result, rest: str, word: str) -> Term:
    """A slash belongs to a macro when braces are around it (``%{d/}``)."""
    place = rest.find("/", rest.rfind("}") + 1)
    target, prefixes = (rest, "") if place < 0 else (rest[:place], rest[place:])
    found = _DUAL_CIDR.match(prefixes)
    if found is None or (prefixes and found[1] is None and found[2] is None):
        raise SpfSyntaxError(f"{word[:60]!r} has no good prefix length")
    prefix4, prefix6 = int(found[1] or 32), int(found[2] or 128)
    if found[1] == "0":
        prefix4 = 0
    if found[2] == "0":
        prefix6 = 0
    if prefix4 > 32 or prefix6 > 128:
        raise SpfSyntaxError(f"{word[:60]!r} has no good prefix length")
    return Term(
        mechanism=mechanism,
        result=result,
        target=_target(target, needed=False),
        prefix4=prefix4,
        prefix6=prefix6,
        text=word,
    )


def _network(mechanism: Mechanism, rest: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    address, slash, prefix = rest[1:].partition("/")
    if not rest.startswith(":") or (slash and not re.fullmatch(r"0|[1-9]\d{0,2}", prefix)):
        raise SpfSyntaxError("an address is missing or wrong")
    try:
        if mechanism is Mechanism.IP4:
            return ipaddress.IPv4Network((address, int(prefix) if slash else 32), strict=False)
        return ipaddress.IPv6Network((address, int(prefix) if slash else 128), strict=False)
    except ValueError:
        raise SpfSyntaxError(f"{address[:60]!r} is no network") from None
