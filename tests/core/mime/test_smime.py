"""S/MIME mails that are signed and not encrypted are read; what is in another envelope stays a file."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.mime.parsing import parse
from postroom.core.mime.smime import signed_content

INNER = (
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
    b'--x\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="prices.csv"\r\n\r\na;b\r\n--x--\r\n'
)
# as programs write it that do not know its length yet: each begins with 80, and ends with 00 00
IN_PIECES = bytes.fromhex(
    "3080 06092a864886f70d010702 a080 3080 020101 3180 300d06096086480165030402010500 0000"
    "3080 06092a864886f70d010701 a080 2480"
)


@lru_cache
def signed(content: bytes = INNER, *, is_detached: bool = False) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Carla")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    certificate = made.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    options = [pkcs7.PKCS7Options.Binary] + ([pkcs7.PKCS7Options.DetachedSignature] if is_detached else [])
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, options)


def mail_of(content: bytes, kind: str = "; smime-type=signed-data") -> bytes:
    head = f"From: Carla <carla@customer.example>\r\nContent-Type: application/pkcs7-mime{kind}; name=smime.p7m\r\n"
    return head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content)


def test_what_was_signed_is_read_in_the_envelopes_place() -> None:
    found = parse(mail_of(signed()))
    assert found.text.strip() == "Gr\u00fc\u00dfe"
    assert [one.name for one in found.attachments] == ["prices.csv"]
    assert [one.name for one in found.signatures] == ["smime.p7m"]
    assert (found.is_signed, found.is_encrypted) == (True, False)


def test_nobody_has_to_say_that_it_is_signed() -> None:
    assert parse(mail_of(signed(), kind="")).text.strip() == "Gr\u00fc\u00dfe"


def test_an_envelope_within_an_envelope_is_opened_and_not_without_end() -> None:
    content = INNER
    for _ in range(8):
        content = mail_of(signed(content))
    found = parse(content)
    assert len(found.signatures) == 4
    assert [one.name for one in found.attachments] == ["smime.p7m"]


def test_content_in_pieces_of_unknown_number_is_read() -> None:
    pieces = b"".join(b"\x04\x05" + INNER[at : at + 5] for at in range(0, len(INNER) - len(INNER) % 5, 5))
    rest = INNER[len(INNER) - len(INNER) % 5 :]
    data = IN_PIECES + pieces + b"\x04" + bytes([len(rest)]) + rest + b"\0\0" * 5
    assert signed_content(data) == INNER


BROKEN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a letter": lambda: b"0",
    "a beginning": lambda: b"0\x80",
    "a length": lambda: b"\x30\x89" + b"\xff" * 20,
    "detached": lambda: signed(is_detached=True),
    "cut off": lambda: signed()[:40],
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_cannot_be_opened_stays_a_file(how: str) -> None:
    content = BROKEN[how]()
    assert signed_content(content) is None
    found = parse(mail_of(content))
    assert [one.name for one in found.attachments] == ["smime.p7m"]
    assert found.is_signed


def test_what_is_encrypted_stays_a_file() -> None:
    enveloped = bytes.fromhex("3080 06092a864886f70d010703 a080 3080 020100")
    found = parse(mail_of(enveloped, kind=""))
    assert (found.is_encrypted, [one.name for one in found.attachments]) == (True, ["smime.p7m"])


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 200))
def test_damage_never_raises(noise: bytes, start: int, length: int) -> None:
    whole = signed()
    signed_content(whole[:start] + noise + whole[start + length :])
    signed_content(IN_PIECES + noise)
