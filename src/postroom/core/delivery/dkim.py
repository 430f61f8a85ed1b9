"""Which keys sign a mail, what their selectors are called, and what must stand in DNS for them.

Laws: d= is the domain of the From, or the nearest parent for which we have a key, so that DMARC finds both aligned. A key of a
company signs that company's mail alone; a key of nobody signs everybody's. One key for each algorithm, the newest.
Standards: RFC 6376 3.6 (records), RFC 7489 3.1.1 and RFC 9989 (alignment), RFC 1035 3.3.14 (strings of a TXT record).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import postroom.core.delivery.sentences  # noqa: F401 - the sentences of the reasons of signing
from postroom.core.terms.addresses import is_mail_domain

STRING = 255  # bytes of a string in a TXT record


class DkimAlgorithm(StrEnum):
    """With what a key signs. Every receiver knows RSA; those who know Ed25519 find its signature beside it."""

    RSA = "rsa"
    ED25519 = "ed25519"

    @property
    def label(self) -> str:
        return "RSA" if self is DkimAlgorithm.RSA else "Ed25519"


ALGORITHMS = {"rsa": (DkimAlgorithm.RSA,), "ed25519": (DkimAlgorithm.ED25519,), "both": tuple(DkimAlgorithm)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKeyFact:
    """A key that signs. ``domain`` in A-labels; ``company_id`` None: for everybody's mail."""

    id: int
    domain: str
    selector: str
    algorithm: DkimAlgorithm
    company_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord:
    """A TXT record. ``name`` without the last dot; ``value`` whole."""

    name: str
    value: str

    @property
    def strings(self) -> tuple[str, ...]:
        """The value in pieces that fit."""
        return tuple(self.value[start : start + STRING] for start in range(0, len(self.value), STRING))

    @property
    def zone_line(self) -> str:
        """As a zone file has it (RFC 1035 5.1)."""
        quoted = " ".join(f'"{piece}"' for piece in self.strings)
        return f"{self.name}. 3600 IN TXT ( {quoted} )"


def fitting_keys(from_domain: str, company_id: int, keys: Iterable[DkimKeyFact]) -> tuple[DkimKeyFact, ...]:
    """The keys among these that sign a mail with this From: of the nearest domain, RSA first. Empty: none fits."""
    mine = [key for key in keys if key.company_id in (None, company_id)]
    for domain in with_parents(from_domain):
        if found := [key for key in mine if key.domain == domain]:
            return tuple(_best(found))
    return ()


def with_parents(domain: str) -> Iterator[str]:
    """``a.b.example``, ``b.example``: never a single label, which is nobody's."""
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def _best(keys: Sequence[DkimKeyFact]) -> Iterator[DkimKeyFact]:
    """One for each algorithm: the company's own before everybody's, then the newest."""
    for algorithm in DkimAlgorithm:
        of_it = [key for key in keys if key.algorithm is algorithm]
        if of_it:
            yield max(of_it, key=lambda key: (key.company_id is not None, key.id))


def is_signable(domain: str) -> bool:
    """Whether records can stand below it (it is normalised): no single label, no address, and room for what stands before it.

    RFC 6376 3.6.2.1; RFC 1035 2.3.4: a name has 255 octets, that is 253 letters.
    """
    return is_mail_domain(domain) and len(domain) <= 253 - len("pr202611aa._domainkey.")


def selectors_of(day: date, taken: Collection[str]) -> Iterator[str]:
    """New selectors in their order: ``pr202611a`` to ``pr202611z``, then ``pr202611aa`` and so on."""
    number = 0
    while True:
        selector = f"pr{day:%Y%m}{_letters(number)}"
        if selector not in taken:
            yield selector
        number += 1


def _letters(number: int) -> str:
    text = chr(97 + number % 26)
    return text if number < 26 else _letters(number // 26 - 1) + text


class RecordState(StrEnum):
    """What DNS shows of a key."""

    PUBLISHED = "published"
    MISSING = "missing"
    DIFFERENT = "different"  # there is a record, with another key
    SEVERAL = "several"  # RFC 6376 3.6.2.2: which one counts is undefined
    UNKNOWN = "unknown"  # nobody could tell


def judge_records(found: Sequence[str] | None, wanted: DnsRecord) -> RecordState:
    """``found``: the TXT records at the key's name, None when nobody could tell. Blanks and other tags do not matter."""
    if found is None:
        return RecordState.UNKNOWN
    if not found:
        return RecordState.MISSING
    if len(found) > 1:
        return RecordState.SEVERAL
    there, ours = _tags(found[0]), _tags(wanted.value)
    is_same = (there.get("k", "rsa"), there.get("p")) == (ours["k"], ours["p"])
    return RecordState.PUBLISHED if is_same else RecordState.DIFFERENT


def _tags(value: str) -> dict[str, str]:
    """RFC 6376 3.2."""
    pairs = (part.partition("=") for part in value.split(";"))
    return {name.strip(): "".join(text.split()) for name, _, text in pairs if name.strip()}


def record_of(domain: str, selector: str, algorithm: str, public_key: str) -> DnsRecord:
    """What must be published for a key."""
    return DnsRecord(name=f"{selector}._domainkey.{domain}", value=f"v=DKIM1; k={algorithm}; p={public_key}")
