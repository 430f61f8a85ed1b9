"""ARC: chains that dkimpy makes, whole and broken, and what they are worth."""

from __future__ import annotations

from functools import lru_cache

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.dkim.arc import Chain, verify_chain
from postroom.adapters.dkim.raw_mail import RawMail
from postroom.core.senders.questions import TROUBLE, Answer, AnswerStatus, Question
from postroom.core.senders.results import Result
from tests.adapters.dkim.test_verifying import BODY, HEAD, rsa_key
from tests.core.senders.zones import conclude

AUTHOR = "shop.example"


def sealed(raw: bytes, domain: str, results: str, server: str = "") -> bytes:
    """As a relay at ``domain`` passes a mail on that it found to be so."""
    server = server or f"mx.{domain}"
    raw = f"Authentication-Results: {server}; {results}\r\n".encode() + raw
    fields = dkim.arc_sign(raw, b"s1", domain.encode(), rsa_key()[0], server.encode())
    assert fields, "no chain was made"
    return b"".join(fields) + raw


@lru_cache(maxsize=1)
def a_chain() -> bytes:
    """A list found the author proven, changed the subject, and a forwarder found the list's seal whole."""
    first = sealed(
        HEAD + b"\r\n" + BODY, "list.example", f"dmarc=pass header.from={AUTHOR}; spf=pass smtp.mailfrom={AUTHOR}"
    )
    return sealed(first, "forward.example", "arc=pass")


def verify(raw: bytes, *, trouble: bool = False) -> Chain:
    def answer(question: Question) -> Answer:
        if trouble:
            return TROUBLE
        return Answer(AnswerStatus.FOUND, (f"v=DKIM1; p={rsa_key()[1]}",))

    return conclude(verify_chain(RawMail(raw)), answer)


def test_no_fields_are_no_chain() -> None:
    assert verify(HEAD + b"\r\n" + BODY).result is Result.NONE


def test_a_chain_of_two_is_whole() -> None:
    chain = verify(a_chain())
    assert (chain.result, chain.sealers) == (Result.PASS, ("list.example", "forward.example")), chain.detail


def test_it_vouches_only_where_everybody_in_it_counts() -> None:
    chain = verify(a_chain())
    assert chain.vouches_for(AUTHOR, frozenset({"list.example", "forward.example"}))
    assert not chain.vouches_for(AUTHOR, frozenset({"list.example"}))
    assert not chain.vouches_for(AUTHOR, frozenset())
    assert not chain.vouches_for("bank.example", frozenset({"list.example", "forward.example"}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"where  is", b"there is"),
        (b"My  parcel", b"Your parcel"),
        (b"dmarc=pass", b"dmarc=none"),
        (b"cv=pass", b"cv=fail"),
        (b"cv=none", b"cv=pass"),
    ],
)
def test_a_chain_that_was_touched_is_broken(old: bytes, new: bytes) -> None:
    raw = a_chain()
    assert old in raw
    head, _, body = raw.partition(b"\r\n\r\n")
    changed = head.replace(old, new, 1) + b"\r\n\r\n" + body.replace(old, new)
    assert verify(changed).result is Result.FAIL


def test_a_missing_or_doubled_field_breaks_it() -> None:
    fields = a_chain().split(b"\r\nARC-")
    for place in range(len(fields)):
        without = b"\r\nARC-".join(fields[:place] + fields[place + 1 :])
        if place and b"ARC-" in without:
            assert verify(without).result is Result.FAIL
    twice = a_chain().replace(b"ARC-Seal:", b"ARC-Seal: i=1; cv=none; b=AAAA\r\nARC-Seal:", 1)
    assert verify(twice).result is Result.FAIL


def test_no_answer_is_no_failure() -> None:
    assert verify(a_chain(), trouble=True).result is Result.TEMPERROR


def test_a_chain_of_very_many_is_not_followed() -> None:
    sets = b"".join(
        b"ARC-Seal: i=%d; a=rsa-sha256; cv=pass; d=x.example; s=s1; b=AAAA\r\n" % number for number in range(1, 60)
    )
    assert verify(sets + HEAD + b"\r\n" + BODY).result is Result.FAIL


@pytest.mark.slow
@given(st.binary(max_size=300))
def test_nothing_raises_for_any_bytes(noise: bytes) -> None:
    for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
        verify(name + b": i=1;" + noise + b"\r\n" + a_chain())
        verify(name + b":" + noise + b"\r\n" + HEAD + b"\r\n" + BODY)
