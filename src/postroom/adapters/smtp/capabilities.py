"""What a server said it can do, read from its answer to EHLO (RFC 5321 4.1.1.1).

Laws: what is not understood is not offered; reading never raises.
Standards: RFC 2920 PIPELINING, RFC 1870 SIZE, RFC 6152 8BITMIME, RFC 6531 SMTPUTF8, RFC 3207 STARTTLS,
RFC 4954 AUTH, RFC 9422 LIMITS.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """``size_limit`` in bytes and ``mail_limit`` in transactions a connection: None when there is none."""

    has_size: bool = False
    size_limit: int | None = None
    has_pipelining: bool = False
    has_8bitmime: bool = False
    has_smtputf8: bool = False
    has_starttls: bool = False
    auth: frozenset[str] = frozenset()
    mail_limit: int | None = None


def read_capabilities(text: str) -> Capabilities:
    """``text``: of the reply to EHLO; the server's name, then one keyword with its words a line."""
    offers: dict[str, list[str]] = {}
    for line in text.split("\n")[1:]:
        keyword, *words = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]  # "AUTH=" is older than RFC 2554
        offers.setdefault(keyword, []).extend(words)
    limits = [word[8:] for word in offers.get("LIMITS", []) if word.startswith("MAILMAX=")]
    return Capabilities(
        has_size="SIZE" in offers,
        size_limit=_positive(offers.get("SIZE", [])[:1]),
        has_pipelining="PIPELINING" in offers,
        has_8bitmime="8BITMIME" in offers,
        has_smtputf8="SMTPUTF8" in offers,
        has_starttls="STARTTLS" in offers,
        auth=frozenset(offers.get("AUTH", [])),
        mail_limit=_positive(limits[:1]),
    )


def _positive(words: list[str]) -> int | None:
    """RFC 1870 3: ``SIZE 0`` and ``SIZE`` alone mean that no fixed limit is in force."""
    word = words[0] if words else ""
    if not (word.isascii() and word.isdigit() and len(word) <= 20):
        return None
    return int(word) or None
