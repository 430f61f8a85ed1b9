"""ARC: a chain of seals by those who passed a mail on, each saying what it found when the mail came (RFC 8617).

Laws: as of `verifying`. A chain is whole or nothing: every seal and the newest signature must be right. Whether a chain counts
is not decided here: anybody can seal anything.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field

from postroom.adapters.dkim.public_keys import KeyTrouble, read_key
from postroom.adapters.dkim.raw_mail import Field, RawMail, canonical_field, without_signature
from postroom.adapters.dkim.verifying import ALGORITHMS, LONGEST_FIELD, Unusable, check, read_signature
from postroom.core.senders.authentication_results import as_finding, read_field
from postroom.core.senders.questions import Asking, Question, RecordType
from postroom.core.senders.results import Method, MethodResult, Result
from postroom.core.senders.tag_lists import TagListError, read_tags, without_blanks
from postroom.core.terms.addresses import normalize_domain

MOST_SETS = 20
_RESULTS, _SIGNATURE, _SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """``sealers``: d= of the seals, oldest first. ``reported``: what the sealers said they found, oldest first."""

    result: Result
    detail: str = ""
    sealers: tuple[str, ...] = ()
    reported: tuple[tuple[MethodResult, ...], ...] = ()

    def vouches_for(self, author_domain: str, sealers: frozenset[str]) -> bool:
        """Whether all who sealed count, and one of them found the author proven."""
        if self.result is not Result.PASS or not sealers.issuperset(self.sealers):
            return False
        return any(
            one.method is Method.DMARC and one.is_pass and one.domain == author_domain
            for findings in self.reported
            for one in findings
        )


@dataclass(slots=True, kw_only=True)
class _Set:
    results: Field | None = None
    signature: Field | None = None
    seal: Field | None = None
    tags: dict[str, str] = field(default_factory=dict)


class _Broken(Exception):  # noqa: N818 (an answer about a chain, not a fault)
    pass


def verify_chain(mail: RawMail) -> Asking[Chain]:
    """RFC 8617 5.2. No ARC fields: the result is ``none``."""
    try:
        sets = _gather(mail)
        if not sets:
            return Chain(result=Result.NONE)
        sealers = tuple(normalize_domain(one.tags["d"]) for one in sets)
        newest = sets[-1].signature
        if newest is None:
            raise _Broken("a set is not whole")
        signature = read_signature(newest, is_arc=True)
    except (_Broken, Unusable, KeyError) as error:
        return Chain(
            result=Result.FAIL, detail=str(error) if isinstance(error, _Broken | Unusable) else "a seal is not whole"
        )
    result, detail = yield from check(mail, signature)
    if result is not Result.PASS:
        return Chain(result=_chain_result(result), detail=detail, sealers=sealers)
    for number in range(len(sets), 0, -1):
        result, detail = yield from _check_seal(sets[:number])
        if result is not Result.PASS:
            return Chain(result=_chain_result(result), detail=f"seal {number}: {detail}", sealers=sealers)
    reported = tuple(_reported(one.results) for one in sets)
    return Chain(result=Result.PASS, detail=f"{len(sets)} seals", sealers=sealers, reported=reported)


def _chain_result(result: Result) -> Result:
    return Result.TEMPERROR if result is Result.TEMPERROR else Result.FAIL


def _gather(mail: RawMail) -> list[_Set]:
    """The sets by their numbers, whole and without gaps. Raises `_Broken`."""
    sets: dict[int, _Set] = {}
    for name, attribute in ((_RESULTS, "results"), (_SIGNATURE, "signature"), (_SEAL, "seal")):
        for found in mail.named(name):
            number = _instance(found)
            one = sets.setdefault(number, _Set())
            if getattr(one, attribute) is not None:
                raise _Broken(f"set {number} is there twice")
            setattr(one, attribute, found)
    ordered = [sets[number] for number in sorted(sets)]
    if sorted(sets) != list(range(1, len(sets) + 1)):
        raise _Broken("a set is missing")
    for number, one in enumerate(ordered, 1):
        if one.results is None or one.signature is None or one.seal is None:
            raise _Broken(f"set {number} is not whole")
        one.tags = _tags(one.seal)
        if one.tags.get("cv") != ("none" if number == 1 else "pass") or "h" in one.tags:
            raise _Broken(f"seal {number} says that the chain was broken")
    return ordered


def _instance(found: Field) -> int:
    text = found[1][:LONGEST_FIELD].decode("utf-8", "replace")
    for part in text.split(";", 60):
        name, equals, value = part.partition("=")
        if equals and name.strip().lower() == "i":
            value = value.strip()
            if value.isascii() and value.isdigit() and len(value) <= 2 and 1 <= int(value) <= MOST_SETS:
                return int(value)
            break
    raise _Broken("a set has no good number")


def _tags(seal: Field) -> dict[str, str]:
    if len(seal[1]) > LONGEST_FIELD:
        raise _Broken("a seal is too long")
    try:
        return read_tags(seal[1].decode("utf-8"))
    except (TagListError, UnicodeDecodeError):
        raise _Broken("a seal cannot be read") from None


def _check_seal(sets: list[_Set]) -> Asking[tuple[Result, str]]:
    """RFC 8617 5.1.1: a seal signs all sets up to its own, relaxed, in order."""
    newest = sets[-1]
    try:
        algorithm = newest.tags["a"].lower()
        domain, selector = normalize_domain(newest.tags["d"]), normalize_domain(newest.tags["s"])
        signature = b64decode(without_blanks(newest.tags["b"]), validate=True)
    except (KeyError, binascii.Error, ValueError):
        return Result.FAIL, "it cannot be read"
    if algorithm not in ALGORITHMS or not domain or not selector:
        return Result.FAIL, "it cannot be read"
    answer = yield Question(f"{selector}._domainkey.{domain}", RecordType.TXT)
    if answer.is_trouble:
        return Result.TEMPERROR, "nobody could tell the key"
    try:
        key = read_key(answer.records[0] if answer.records else "", algorithm)
    except KeyTrouble as trouble:
        return Result.FAIL, str(trouble)
    return (Result.PASS, "") if key.verifies(signature, _sealed_data(sets)) else (Result.FAIL, "it is not right")


def _sealed_data(sets: list[_Set]) -> bytes:
    parts: list[bytes] = []
    for one in sets:
        fields = [found for found in (one.results, one.signature, one.seal) if found is not None]
        if one is sets[-1]:
            fields[-1] = without_signature(fields[-1])
        parts += [canonical_field(found, relaxed=True) for found in fields]
    return b"\r\n".join(parts)


def _reported(results: Field | None) -> tuple[MethodResult, ...]:
    """ARC-Authentication-Results: ``i=1; server; method=result …``."""
    if results is None:
        return ()
    value = results[1].replace(b"\r\n", b"").decode("utf-8", "replace").partition(";")[2]
    read = read_field(value)
    found = (as_finding(one, read.server) for one in read.statements)
    return tuple(one for one in found if one is not None)
