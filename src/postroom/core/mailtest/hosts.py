"""Hosts in links: whose they are, and what is odd about them.

Laws: pure; never raises. Whose a host is, is told by its last labels: no list of public suffixes is at hand, and a guess that is wrong
only calls two tenants of one suffix kin. Standards: RFC 3986 3.2, RFC 3492 (punycode), UTS 39 (mixed scripts, as far as mails need it).
"""

from __future__ import annotations

import ipaddress
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_URL = 4_000  # characters that are looked at
_SECOND_LEVELS = frozenset(("ac", "co", "com", "edu", "go", "gob", "gov", "gouv", "ne", "net", "nom", "or", "org"))
_SCRIPTS = frozenset(("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"))
_LIKE_LATIN = frozenset("аеорсухіјѕһԁԛԝӏɡɩοανκρτυχ")  # letters of others that are drawn as Latin ones
SHORTENERS = frozenset(
    (
        "adf.ly", "bit.ly", "bitly.com", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "j.mp", "lc.chat", "lnkd.in", "ow.ly", "qr.ae", "rb.gy",
        "rebrand.ly", "s.id", "short.io", "shorturl.at", "soo.gd", "t.co", "t.ly", "tiny.cc", "tinyurl.com", "tr.im", "u.to", "urlz.fr",
        "v.gd", "vk.cc", "x.co",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an address leads. ``host`` in lower case, as written; ``has_login``: a name (and password) stands before the host."""

    scheme: str
    host: str
    has_login: bool = False


def read_target(url: str) -> Target | None:
    """None for an address without a scheme, or one that is none."""
    try:
        parts = urlsplit("".join(url[:LONGEST_URL].split()))
        return Target(
            scheme=parts.scheme.lower(),
            host=(parts.hostname or "").rstrip("."),
            has_login="@" in parts.netloc,
        ) if parts.scheme else None  # fmt: skip
    except ValueError:
        return None


def is_number(host: str) -> bool:
    """An IP address, also one that is written as a single number."""
    if host.isascii() and host.isdigit():
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def organisation(host: str) -> str:
    """The labels that tell whose it is: ``a.b.example.co.uk`` is ``example.co.uk``."""
    labels = host.lower().strip(".").split(".")
    count = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS else 2
    return ".".join(labels[-count:])


def are_kin(one: str, other: str) -> bool:
    """Whether two hosts are of one house."""
    return organisation(plain(one)) == organisation(plain(other))


def plain(host: str) -> str:
    """A-labels, and without the ``www`` in front."""
    with suppress(UnicodeError):
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    return host.lower().removeprefix("www.")


def shown(host: str) -> str:
    """As a reader's program shows it: U-labels."""
    labels = []
    for label in host[:253].split("."):
        try:
            labels.append(label[4:].encode("ascii").decode("punycode") if label[:4].lower() == "xn--" else label)
        except (UnicodeError, ValueError, OverflowError):
            labels.append(label)
    return ".".join(labels)


def looks_like_another(host: str) -> bool:
    """A label of letters of several scripts, or one of another script that could be read as a Latin one."""
    return any(_deceives(label) for label in shown(host).split(".") if not label.isascii())


def _deceives(label: str) -> bool:
    letters = [char for char in label.lower() if char.isalpha()]
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in letters} & _SCRIPTS
    if len(scripts) > 1:
        return True
    return bool(letters) and all(char in _LIKE_LATIN or (char.isascii() and char.isalpha()) for char in letters)
