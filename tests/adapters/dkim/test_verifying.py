"""DKIM signatures checked: our own, dkimpy's, changed ones, and any bytes."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from functools import lru_cache

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.dkim.raw_mail import RawMail, relaxed_body, simple_body
from postroom.adapters.dkim.signing import DkimWriter
from postroom.adapters.dkim.verifying import verify_signatures
from postroom.core.senders.questions import TROUBLE, Answer, AnswerStatus, Question
from postroom.core.senders.results import MethodResult, Result
from tests.adapters.dkim.verifying import NOW, make_keys
from tests.core.senders.zones import conclude

HEAD = (
    b"From: Customer Carla <carla@shop.example>\r\nTo: support@ours.example\r\n"
    b"Subject: My  parcel\r\n\tis late\r\nDate: Mon, 2 Mar 2026 12:00:00 +0000\r\nMessage-ID: <a@shop.example>\r\n"
)
BODY = b"Hello,\r\n\r\nwhere  is my parcel? \r\n\r\n\r\n"
NAME = "s1._domainkey.shop.example"


@lru_cache(maxsize=1)
def rsa_key() -> tuple[bytes, str]:
    """In PEM (PKCS 1), and the text of p=."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem, b64encode(public).decode("ascii")


@lru_cache(maxsize=16)
def signed(form: bytes = b"relaxed/relaxed", *, length: bool = False) -> bytes:
    """By dkimpy."""
    raw = HEAD + b"\r\n" + BODY
    header, body = form.split(b"/")
    signature: bytes = dkim.sign(raw, b"s1", b"shop.example", rsa_key()[0], canonicalize=(header, body), length=length)
    return signature + raw


def verify(raw: bytes, record: str = "", *, trouble: bool = False, at: int = 0) -> tuple[MethodResult, ...]:
    record = record or f"v=DKIM1; k=rsa; p={rsa_key()[1]}"

    def answer(question: Question) -> Answer:
        if trouble:
            return TROUBLE
        if question.name == NAME:
            return Answer(AnswerStatus.FOUND, (record,))
        return Answer(AnswerStatus.NO_NAME)

    return conclude(verify_signatures(RawMail(raw), author_domain="shop.example", received_at=at), answer)


def result(raw: bytes, record: str = "", **more: object) -> Result:
    (found,) = verify(raw, record, **more)  # type: ignore[arg-type]
    return found.result


@pytest.mark.parametrize("form", [b"relaxed/relaxed", b"relaxed/simple", b"simple/simple", b"simple/relaxed"])
def test_what_another_implementation_signs_is_right(form: bytes) -> None:
    (found,) = verify(signed(form))
    assert (found.result, found.domain) == (Result.PASS, "shop.example")


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_what_we_sign_is_right(algorithm: str) -> None:
    key, names = make_keys("shop.example")[algorithm]
    writer = DkimWriter()
    fields = writer.signatures([key], HEAD, writer.body_hash(BODY), signed_at=NOW)
    ((name, record),) = names.items()
    raw = fields + HEAD + b"\r\n" + BODY

    def answer(question: Question) -> Answer:
        assert f"{question.name}." == name.decode()
        return Answer(AnswerStatus.FOUND, (record.decode(),))

    (found,) = conclude(verify_signatures(RawMail(raw), author_domain="shop.example"), answer)
    assert found.result is Result.PASS


def test_another_implementations_ed25519_is_right() -> None:
    from nacl.signing import SigningKey

    key = SigningKey.generate()
    raw = HEAD + b"\r\n" + BODY
    head = dkim.sign(
        raw, b"s1", b"shop.example", b64encode(bytes(key)), signature_algorithm=b"ed25519-sha256",
        canonicalize=(b"relaxed", b"relaxed"),
    )  # fmt: skip
    record = f"v=DKIM1; k=ed25519; p={b64encode(bytes(key.verify_key)).decode()}"
    assert result(head + raw, record) is Result.PASS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"parcel?", b"money?"),
        (b"My  parcel", b"Your parcel"),
        (b"Carla <carla@", b"Carla <mallory@"),
        (b"Hello,\r\n\r\n", b"Hello,\r\n"),
    ],
)
def test_what_was_changed_is_not_right(old: bytes, new: bytes) -> None:
    assert result(signed().replace(old, new)) is Result.FAIL


def test_what_relays_do_is_right_in_the_relaxed_form() -> None:
    raw = signed()
    assert result(b"Received: from a by b\r\n" + raw) is Result.PASS
    assert result(raw.replace(b"My  parcel\r\n\tis", b"My parcel is")) is Result.PASS
    assert result(raw + b"\r\n\r\n") is Result.PASS
    assert result(raw.replace(b"\r\n", b"\n")) is Result.PASS  # a pipe gives LF
    assert result(raw.replace(b"where  is", b"where \t is")) is Result.PASS


def test_a_second_author_in_front_breaks_what_signed_the_author_once_more() -> None:
    raw = signed()
    assert b"from" in raw[:600].lower()
    names = re.search(rb"h=([^;]*);", raw)
    assert names is not None
    forged = b"From: The Bank <ceo@bank.example>\r\n" + raw
    count = len(re.findall(rb"from", names[1]))
    assert (result(forged) is Result.FAIL) is (count > 1)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=DKIM1; k=rsa; p=", Result.PERMERROR),  # withdrawn
        ("v=DKIM2; k=rsa; p=KEY", Result.PERMERROR),
        ("v=DKIM1; k=ed25519; p=KEY", Result.PERMERROR),
        ("v=DKIM1; h=sha1; p=KEY", Result.PERMERROR),
        ("v=DKIM1; s=tlsrpt; p=KEY", Result.PERMERROR),
        ("v=DKIM1; p=!!!", Result.PERMERROR),
        ("v=DKIM1; p=AAAA", Result.PERMERROR),
        ("k=rsa; p=KEY", Result.PASS),
        ("p=KEY; t=y:s", Result.PASS),
        ("v=DKIM1; h=sha1:sha256; s=email; p=KEY", Result.PASS),
        ("not a record at all", Result.PERMERROR),
    ],
)
def test_key_records(record: str, expected: Result) -> None:
    assert result(signed(), record.replace("KEY", rsa_key()[1])) is expected


def test_a_bare_rsa_key_is_a_key() -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(rsa_key()[0], None).public_key()
    bare = b64encode(key.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
    assert result(signed(), f"v=DKIM1; p={bare}") is Result.PASS


def test_a_weak_key_does_not_count() -> None:
    modulus = (1 << 511) | 1
    body = b"\x02\x41\x00" + modulus.to_bytes(64, "big") + b"\x02\x03\x01\x00\x01"
    record = "v=DKIM1; p=" + b64encode(b"\x30" + bytes([len(body)]) + body).decode()
    assert result(signed(), record) is Result.POLICY


def test_no_key_and_no_answer_are_told_apart() -> None:
    raw = signed().replace(b"s=s1;", b"s=s2;")
    assert result(raw) is Result.PERMERROR
    assert result(signed(), trouble=True) is Result.TEMPERROR


def test_a_part_of_the_body_does_not_count() -> None:
    raw = signed(b"relaxed/simple", length=True)
    assert result(raw) is Result.PASS  # it covers everything
    assert result(raw + b"Please pay to another account.\r\n") is Result.POLICY


def test_an_expired_signature_fails_where_the_time_is_known() -> None:
    key, names = make_keys("shop.example")["rsa"]
    writer = DkimWriter()
    fields = writer.signatures([key], HEAD, writer.body_hash(BODY), signed_at=NOW, expires_at=NOW + 100)
    ((_, record),) = names.items()
    raw = fields + HEAD + b"\r\n" + BODY

    def at(moment: int) -> Result:
        answer = Answer(AnswerStatus.FOUND, (record.decode(),))
        (found,) = conclude(
            verify_signatures(RawMail(raw), author_domain="shop.example", received_at=moment), lambda _: answer
        )
        return found.result

    assert (at(NOW + 50), at(NOW + 100_000), at(0)) == (Result.PASS, Result.FAIL, Result.PASS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"a=rsa-sha256", b"a=rsa-sha1"),
        (rb"v=1;", b"v=2;"),
        (rb"v=1;", b""),
        (rb"d=shop.example", b"d="),
        (rb"i=@shop.example", b"i=@evil.example"),
        (rb"q=dns/txt", b"q=other/txt"),
        (rb"c=relaxed/relaxed", b"c=loose/loose"),
        (rb"bh=", b"bh=!"),
        (rb"s=s1;", b"s=s1; s=s1;"),
    ],
)
def test_signatures_that_are_none(old: bytes, new: bytes) -> None:
    assert old in signed()
    assert result(signed().replace(old, new, 1)) is Result.PERMERROR


def test_of_many_signatures_the_authors_own_are_checked_first() -> None:
    noise = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=n%d.example; s=x; h=from; bh=AAAA; b=AAAA\r\n" % number
        for number in range(50)
    )
    found = verify(noise + signed())
    assert found[0].result is Result.PASS
    assert len(found) == 6


@pytest.mark.slow
def test_hostile_mails_take_no_time() -> None:
    """Blanks without end are one pass: where each start is searched to its end, thirty thousand take seconds."""
    began = time.process_time()
    for blank in (b" ", b"\t", b"\r\n", b" \r\n", b"\r", b"\n", b"\r\n "):
        many = blank * (500_000 // len(blank))
        signature = (
            b"DKIM-Signature: v=1; a=rsa-sha256; d=shop.example; s=s1; h=from; bh=AAAA; b=" + many[:15_000] + b"\r\n"
        )
        verify(signature + HEAD + b"\r\n" + many + b"x" + many)
        verify(b"DKIM-Signature:" + many + b"b" + many + b"=" + many + b"\r\n" + HEAD + b"\r\n" + BODY)
    assert time.process_time() - began < 30


@given(st.binary(max_size=500))
def test_the_canonical_bodies_are_what_another_implementation_makes(body: bytes) -> None:
    from dkim.canonicalization import Relaxed, Simple

    body = (
        body.replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    )  # without a last line end the others disagree, too
    assert simple_body(body) == Simple.canonicalize_body(body)
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


@pytest.mark.slow
@given(st.binary(max_size=400))
def test_nothing_raises_for_any_bytes(noise: bytes) -> None:
    verify(noise)
    verify(b"DKIM-Signature:" + noise + b"\r\n" + HEAD + b"\r\n" + BODY)
    verify(b"DKIM-Signature: v=1; a=rsa-sha256; d=shop.example; s=s1; h=from; bh=AAAA; b=" + noise + b"\r\n\r\n")
    verify(signed(), noise.decode("latin-1"))
