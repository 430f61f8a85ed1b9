"""The FROM filter as people write it: addresses and domains, checked one by one.

Laws: the order in which they were written stays (the first address is the one that a test uses, O-105); each is stored once, in its
normal form. What is neither an address nor a domain is named, with what would be right. `servers.read_filter` reads what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.core.terms.addresses import normalize, normalize_domain

_BETWEEN = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFilter:
    """``entries`` in order, normalised; ``mistakes``: a sentence for each word that is neither."""

    entries: tuple[str, ...]
    mistakes: tuple[str, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(entry for entry in self.entries if "@" in entry)

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(entry for entry in self.entries if "@" not in entry)

    def __str__(self) -> str:
        return ", ".join(self.entries)


def read_written(text: str) -> WrittenFilter:
    """Separated by commas, semicolons or white space. ``@example.com`` is the domain."""
    entries: dict[str, None] = {}
    mistakes: list[str] = []
    for word in filter(None, _BETWEEN.split(text)):
        entry, mistake = _read(word)
        if mistake:
            mistakes.append(mistake)
        else:
            entries[entry] = None
    return WrittenFilter(entries=tuple(entries), mistakes=tuple(mistakes))


def _read(word: str) -> tuple[str, str]:
    """What it means, or what is wrong with it."""
    neither = f"{word} is neither an address nor a domain"
    if "*" in word or "?" in word:
        return "", f"{neither}: there are no wildcards, name each domain (subdomains, too)."
    if "://" in word or "/" in word:
        return "", f"{neither}: write the domain alone, such as example.com."
    if "<" in word or ">" in word or '"' in word:
        return "", f"{neither}: write the address alone, without a name."
    if "@" in word[1:]:
        found = normalize(word)
        return found, "" if found else f"{neither}: an address is written name@example.com."
    domain = normalize_domain(word.removeprefix("@"))
    if not domain or ("." not in domain and domain != "localhost"):
        return "", f"{neither}: write a whole domain such as example.com, or an address such as name@example.com."
    return domain, ""


def sender_to_test(
    from_filter: str, default_froms: Sequence[str], tester: str = "", last_resorts: Sequence[str] = ()
) -> str:
    """Which From a test of a server with this filter uses (O-105); ``""`` when there is none.

    The filter's first address; else a default From that it names; else postmaster at its first domain (RFC 5321 4.5.1: it exists);
    without filter the tester's own address, else a default From, else a last resort.
    """
    written = read_written(from_filter)
    defaults = [found for each in default_froms if (found := normalize(each))]
    if written.addresses:
        return written.addresses[0]
    if written.domains:
        named = [each for each in defaults if each.rpartition("@")[2] in written.domains]
        return named[0] if named else f"postmaster@{written.domains[0]}"
    for candidate in (tester, *defaults, *last_resorts):
        if found := normalize(candidate):
            return found
    return ""
