"""What a method of sender authentication found: one vocabulary for our own findings and for those of others (RFC 8601 2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """Which standard was followed."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    ARC = "arc"


class Result(StrEnum):
    """RFC 8601 2.7.1, 2.7.2; RFC 7208 2.6. ``POLICY``: it is right, but not good enough for us."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 (no secret)
    FAIL = "fail"
    SOFTFAIL = "softfail"
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Policy(StrEnum):
    """What a domain wants to become of mail that only claims to be its own (RFC 9989)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def is_strict(self) -> bool:
        return self is not Policy.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """One finding. ``domain`` is who answers for it: of the return path or HELO (SPF), d= (DKIM), the author's (DMARC), the
    last sealer's (ARC). ``by``: the authserv-id of who found it, ``""`` for ourselves. ``detail``: a few words for people."""

    method: Method
    result: Result
    domain: str = ""
    aligned: bool = False
    by: str = ""
    detail: str = ""
    policy: Policy | None = None  # DMARC: what the domain asks for

    @property
    def is_pass(self) -> bool:
        return self.result is Result.PASS


def read_result(word: str) -> Result | None:
    """A result as others write it; older words too (``hardfail``: RFC 7001)."""
    word = word.lower()
    if word == "hardfail":
        return Result.FAIL
    try:
        return Result(word)
    except ValueError:
        return None
