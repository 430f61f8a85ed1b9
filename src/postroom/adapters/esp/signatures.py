"""Signatures of events that anymail does not check, or checks only with a package more.

Standards: Standard Webhooks (Svix; Resend signs so): HMAC-SHA256 over id, moment and body, five minutes of tolerance. Amazon SNS: RSA over named
fields, version 1 with SHA-1 and 2 with SHA-256, by a certificate that lies at an address of Amazon's and nowhere else.
Laws: nothing is fetched but from there; comparison takes the same time for all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_TOLERANCE = 300  # seconds
_MOMENT = re.compile(r"[0-9]{1,12}")
_AMAZON = r"https://sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_AMAZON + r"/SimpleNotificationService-[A-Za-z0-9]{1,80}\.pem")
_CONFIRMATION = re.compile(_AMAZON + r"/\?Action=ConfirmSubscription&[\x21-\x7e]{1,2000}")
_OF_A_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_OF_A_SUBSCRIPTION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def is_signed_as_standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """``secret`` as shown by the provider (``whsec_…``), ``now`` in seconds since 1970."""
    message_id, moment = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
    if not message_id or not _MOMENT.fullmatch(moment) or abs(now - int(moment)) > _TOLERANCE:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    digest = hmac.digest(key, f"{message_id}.{moment}.".encode() + body, hashlib.sha256)
    expected = b"v1," + base64.b64encode(digest)
    given = headers.get("svix-signature", "").encode().split()
    return any(hmac.compare_digest(expected, one) for one in given[:10])


def is_signed_by_amazon(message: Mapping[str, object], fetch: Callable[[str], bytes]) -> bool:
    """``fetch`` gets the certificate, and raises OSError or ValueError when it cannot."""
    address = str(message.get("SigningCertURL", ""))
    if not _CERTIFICATE.fullmatch(address):
        return False
    version = {"1": hashes.SHA1, "2": hashes.SHA256}.get(str(message.get("SignatureVersion")))
    if version is None:
        return False
    names = _OF_A_NOTIFICATION if message.get("Type") == "Notification" else _OF_A_SUBSCRIPTION
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
    try:
        signature = base64.b64decode(str(message.get("Signature", "")), validate=True)
        key = x509.load_pem_x509_certificate(fetch(address)).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        key.verify(signature, signed.encode(), padding.PKCS1v15(), version())
    except (InvalidSignature, ValueError):
        return False
    return True


def is_amazons_confirmation(address: str) -> bool:
    """Whether asking this address confirms a subscription, and does nothing else."""
    return _CONFIRMATION.fullmatch(address) is not None
