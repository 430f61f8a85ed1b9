"""A certificate authority of the laboratory's own, and a certificate for localhost and 127.0.0.1."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files: ``chain`` holds the server's key and certificate in one, as Postfix likes it."""

    ca_file: Path
    certificate: Path
    key: Path
    chain: Path


def make_certificates(folder: Path, *names: str) -> Certificates:
    """Write a new authority and its certificate for localhost, 127.0.0.1 and ``names``, valid for a day."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _sign(_name("Postroom laboratory CA"), ca_key.public_key(), _name("Postroom laboratory CA"), ca_key, [])
    key = ec.generate_private_key(ec.SECP256R1())
    known_as: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", *names)]
    known_as.append(x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")))
    own = _sign(_name("localhost"), key.public_key(), ca.subject, ca_key, known_as)

    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    found = Certificates(
        ca_file=folder / "ca.pem",
        certificate=folder / "cert.pem",
        key=folder / "key.pem",
        chain=folder / "chain.pem",
    )
    found.ca_file.write_bytes(ca.public_bytes(pem))
    found.certificate.write_bytes(own.public_bytes(pem))
    found.key.write_bytes(key_pem)
    found.chain.write_bytes(key_pem + own.public_bytes(pem))
    found.key.chmod(0o600)
    found.chain.chmod(0o600)
    return found


def _sign(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    known_as: list[x509.GeneralName],
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - a certificate needs the real clock
    is_authority = not known_as
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if known_as:
        builder = builder.add_extension(x509.SubjectAlternativeName(known_as), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
