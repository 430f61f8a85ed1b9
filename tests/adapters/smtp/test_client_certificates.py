"""Saying who we are by a certificate: TLS that asks for one, AUTH EXTERNAL behind it, and pairs that do not fit."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ssl
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from postroom.adapters.smtp import client_certificates
from postroom.adapters.smtp.client_certificates import read_client_certificate
from postroom.core.delivery.wire import Authentication, Encryption, Endpoint, Phase
from postroom.core.terms.secret import Secret

from .certificates import Authority, make_authority
from .posting import endpoint, mails, post, post_one
from .scripted_peer import ScriptedPeer, polite

NOTHING = Secret("")


def a_pair(
    authority: Authority, name: str = "postroom", passphrase: str = "", *, is_rsa: bool = False
) -> tuple[str, str]:
    """Certificate and key, PEM."""
    key = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2090, 1, 1, tzinfo=dt.UTC))
    )
    certificate = builder.sign(authority.key, hashes.SHA256())
    sealing = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return (
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing).decode(),
    )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


def asking(authority: Authority) -> ssl.SSLContext:
    """A server that lets nobody in without a certificate of this authority."""
    context = authority.server_context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.pem)
    return context


def with_pair(port: int, pair: tuple[str, str], **more: object) -> Endpoint:
    to = endpoint(port, encryption=Encryption.TLS, verify_certificate=False)
    certificate, key = pair
    values = {
        "authentication": Authentication.CERTIFICATE,
        "client_certificate": certificate,
        "client_key": Secret(key),
        **more,
    }
    return dataclasses.replace(to, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_rsa", [False, True])
def test_a_certificate_opens_the_door_and_nothing_else_is_said(authority: Authority, is_rsa: bool) -> None:
    with ScriptedPeer(polite(extensions=["AUTH PLAIN"]), tls=asking(authority)) as server:
        outcomes = post(with_pair(server.port, a_pair(authority, is_rsa=is_rsa), username="alice"), *mails(3))
        assert all(each.is_accepted for each in outcomes)
    assert not any(line.startswith("AUTH") for line in server.connections[0].heard)


@pytest.mark.parametrize(("username", "said"), [("", "AUTH EXTERNAL ="), ("alice", "AUTH EXTERNAL YWxpY2U=")])
def test_where_external_is_offered_it_is_said(authority: Authority, username: str, said: str) -> None:
    with ScriptedPeer(polite(extensions=["AUTH PLAIN EXTERNAL"]), tls=asking(authority)) as server:
        assert post_one(with_pair(server.port, a_pair(authority), username=username)).is_accepted
    assert said in server.connections[0].heard


def test_a_certificate_of_a_stranger_is_refused_and_that_is_trouble(authority: Authority) -> None:
    with ScriptedPeer(polite(), tls=asking(authority)) as server:
        outcome = post_one(with_pair(server.port, a_pair(make_authority())))
    assert outcome.phase.is_before_mail
    assert "TLS handshake failed" in outcome.trouble or "connection" in outcome.trouble


def test_a_certificate_that_cannot_be_used_is_trouble_in_plain_words(authority: Authority) -> None:
    with ScriptedPeer(polite(), tls=asking(authority)) as server:
        outcome = post_one(with_pair(server.port, ("no certificate", "no key")))
    assert (outcome.phase, outcome.reply) == (Phase.CONNECT, None)
    assert outcome.trouble.startswith("the client certificate cannot be used: there is no certificate in PEM")


def test_the_key_lies_on_no_disk_in_clear_and_nothing_stays(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str] = []
    real = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, file: Path, password: str) -> None:
        seen.append(Path(file).read_text())
        real(self, file, password=password)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    certificate, key = a_pair(authority)
    client_certificates.load_client_certificate(ssl.create_default_context(), certificate, Secret(key))
    assert "BEGIN ENCRYPTED PRIVATE KEY" in seen[0]
    assert "BEGIN PRIVATE KEY" not in seen[0]
    assert list(tmp_path.iterdir()) == []


def test_a_pair_is_read_and_its_passphrase_taken_away(authority: Authority) -> None:
    certificate, key = a_pair(authority, passphrase="open sesame")
    found = read_client_certificate(certificate, Secret(key), Secret("open sesame"))
    assert (found.subject, found.expires_at.year) == ("CN=postroom", 2090)
    assert "BEGIN PRIVATE KEY" in found.key.reveal()
    again = read_client_certificate(certificate, found.key, Secret("not needed"))
    assert again == found
    assert found.key.reveal() not in repr(found)


@pytest.mark.parametrize("wrong", ["certificate", "key", "stranger", "passphrase", "no passphrase"])
def test_a_pair_that_does_not_fit_says_why(authority: Authority, wrong: str) -> None:
    certificate, key = a_pair(authority, passphrase="open sesame")
    passphrase, words = "open sesame", ""
    match wrong:
        case "certificate":
            certificate, words = "x", "no certificate in PEM"
        case "key":
            key, words = "x", "no private key in PEM"
        case "stranger":
            key, words = a_pair(authority)[1], "does not belong"
        case "passphrase":
            passphrase, words = "wrong", "with this passphrase"
        case _:
            passphrase, words = "", "protected with a passphrase"
    with pytest.raises(ValueError, match=words):
        read_client_certificate(certificate, Secret(key), Secret(passphrase))
