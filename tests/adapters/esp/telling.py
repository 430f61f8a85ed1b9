"""Events as providers post them: the documented shapes, written by hand, and signed as the provider signs."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from postroom.core.delivery.tracking import HookPost
from tests.adapters.esp.providing import TOKEN

MAILGUN_KEY = "mailgun-signing-key"
RESEND_SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
CERTIFICATE_AT = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
AT = dt.datetime(2026, 11, 21, 5, 40, 30, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What happened, for any provider's words."""

    message_id: str = "provider-message-1"
    token: str = TOKEN
    recipient: str = "carla@customer.example"
    at: dt.datetime = AT
    text: str = "550 5.1.1 No such user here"
    event_id: str = "event-1"


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How a provider tells: ``kinds`` in its own words, ``write`` makes the body, ``sign`` the header fields."""

    kinds: dict[str, dict[str, Any]]
    write: Callable[[dict[str, Any], Told], Any]
    sign: Callable[[bytes], dict[str, str]] = field(default=lambda _: {})
    signing_secret: str = ""


def post_of(provider: str, kind: str, told: Told = Told()) -> HookPost:
    """A genuine request that tells this one event."""
    voice = VOICES[provider]
    return signed(provider, json.dumps(voice.write(voice.kinds[kind], told)).encode())


def signed(provider: str, body: bytes) -> HookPost:
    headers = {"content-type": "application/json", **VOICES[provider].sign(body)}
    return HookPost(headers=headers, body=body)


# -- Amazon: SES events inside SNS notifications


@lru_cache
def amazon_key() -> tuple[rsa.RSAPrivateKey, bytes]:
    """A key as Amazon might have one, and its certificate (PEM)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM)


def sns(kind: str, message: str, *, version: str = "1", **more: str) -> dict[str, str]:
    """An SNS message, signed as documented."""
    fields = {
        "Type": kind,
        "MessageId": "sns-message-1",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:ses-events",
        "Message": message,
        "Timestamp": "2026-11-21T05:40:30.000Z",
        **more,
    }
    order = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    if kind == "Notification":
        order = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    text = "".join(f"{name}\n{fields[name]}\n" for name in order if name in fields)
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303
    signature = amazon_key()[0].sign(text.encode(), padding.PKCS1v15(), digest)
    return fields | {
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": CERTIFICATE_AT,
    }


def _ses(kind: dict[str, Any], told: Told) -> Any:
    name = kind["eventType"]
    moment = told.at.isoformat().replace("+00:00", "Z")
    bounced = {"emailAddress": told.recipient, "action": "failed", "status": "5.1.1", "diagnosticCode": told.text}
    parts: dict[str, dict[str, Any]] = {
        "Bounce": {
            "bounceType": kind.get("bounceType", "Permanent"),
            "bounceSubType": "General",
            "bouncedRecipients": [bounced],
        },
        "Complaint": {"complainedRecipients": [{"emailAddress": told.recipient}], "complaintFeedbackType": "abuse"},
        "Delivery": {"recipients": [told.recipient], "smtpResponse": "250 2.6.0 Message received"},
        "DeliveryDelay": {
            "delayType": "MailboxFull",
            "delayedRecipients": [{"emailAddress": told.recipient, "status": "4.2.2", "diagnosticCode": told.text}],
        },
        "Reject": {"reason": "Bad content"},
    }
    event = {
        "eventType": name,
        "mail": {
            "timestamp": moment,
            "messageId": told.message_id,
            "source": "notifications@northwind.example",
            "destination": [told.recipient],
            "headersTruncated": False,
            "headers": [{"name": "Subject", "value": "Your order"}],
            "tags": {"ses:configuration-set": ["tracking"], **({"postroom": [told.token]} if told.token else {})},
        },
    }
    part = "deliveryDelay" if name == "DeliveryDelay" else name.lower()
    return sns("Notification", json.dumps(event | {part: parts.get(name, {})}), Timestamp=moment)


# -- the others


def _brevo(kind: dict[str, Any], told: Told) -> Any:
    return {
        "email": told.recipient,
        "id": 4711,
        "date": "2026-11-21 06:40:30",
        "ts_epoch": int(told.at.timestamp() * 1000),
        "message-id": told.message_id,
        "subject": "Your order",
        "reason": told.text,
        "X-Mailin-custom": json.dumps({"postroom": told.token}) if told.token else None,
        **kind,
    }


def _mailgun(kind: dict[str, Any], told: Told) -> Any:
    moment, random = str(int(time.time())), "0123456789" * 5
    digest = hmac.digest(MAILGUN_KEY.encode(), f"{moment}{random}".encode(), hashlib.sha256).hex()
    return {
        "signature": {"timestamp": moment, "token": random, "signature": digest},
        "event-data": {
            "timestamp": told.at.timestamp(),
            "id": told.event_id,
            "recipient": told.recipient,
            "message": {"headers": {"message-id": told.message_id.strip("<>"), "to": told.recipient}},
            "user-variables": {"postroom": told.token} if told.token else {},
            "delivery-status": {"code": 550, "message": told.text, "description": ""},
            **kind,
        },
    }


def _mailjet(kind: dict[str, Any], told: Told) -> Any:
    return {
        "time": int(told.at.timestamp()),
        "MessageID": told.message_id,
        "Message_GUID": "1ab23cd4",
        "email": told.recipient,
        "Payload": json.dumps({"postroom": told.token}) if told.token else "",
        "comment": told.text,
        **kind,
    }


def _postmark(kind: dict[str, Any], told: Told) -> Any:
    person = "Recipient" if kind["RecordType"] in ("Delivery", "SubscriptionChange") else "Email"
    moment = {"Delivery": "DeliveredAt", "SubscriptionChange": "ChangedAt"}.get(kind["RecordType"], "BouncedAt")
    return {
        "ID": 42,
        "MessageID": told.message_id,
        "MessageStream": "outbound",
        "Metadata": {"postroom": told.token} if told.token else {},
        "Details": told.text,
        person: told.recipient,
        moment: told.at.isoformat().replace("+00:00", "Z"),
        **kind,
    }


def _resend(kind: dict[str, Any], told: Told) -> Any:
    headers = [{"name": "X-Metadata", "value": json.dumps({"postroom": told.token})}] if told.token else []
    data = {
        "email_id": told.message_id,
        "from": "Alice <notifications@northwind.example>",
        "to": [told.recipient],
        "subject": "Your order",
        "headers": headers,
    }
    if kind["type"] == "email.bounced":
        data["bounce"] = {"message": told.text, "type": "Permanent", "subType": "General"}
    return {"created_at": told.at.isoformat().replace("+00:00", "Z"), "data": data, **kind}


def _sign_resend(body: bytes) -> dict[str, str]:
    return svix_headers(body, int(time.time()))


def svix_headers(body: bytes, moment: int, secret: str = RESEND_SECRET) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"msg_1.{moment}.".encode() + body, hashlib.sha256)
    return {
        "svix-id": "msg_1",
        "svix-timestamp": str(moment),
        "svix-signature": f"v1,b2xkIG9uZQ== v1,{base64.b64encode(digest).decode()}",
    }


def _sendgrid(kind: dict[str, Any], told: Told) -> Any:
    return [
        {
            "email": told.recipient,
            "timestamp": int(told.at.timestamp()),
            "smtp-id": "<mail1@northwind.example>",
            "sg_event_id": told.event_id,
            "sg_message_id": "14c5d75ce93.dfd.64b469",
            "anymail_id": told.message_id,
            "reason": told.text,
            **({"postroom": told.token} if told.token else {}),
            **kind,
        }
    ]


@lru_cache
def sendgrid_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def sendgrid_public_key() -> str:
    """As SendGrid shows it."""
    der = (
        sendgrid_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(der).decode()


def _sign_sendgrid(body: bytes) -> dict[str, str]:
    moment = str(int(time.time()))
    signature = sendgrid_key().sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": moment,
    }


def _sparkpost(kind: dict[str, Any], told: Told) -> Any:
    event = {
        "event_id": told.event_id,
        "transmission_id": told.message_id,
        "timestamp": str(int(told.at.timestamp())),
        "raw_rcpt_to": told.recipient,
        "rcpt_meta": {"postroom": told.token} if told.token else {},
        "raw_reason": told.text,
        **kind,
    }
    outer = "unsubscribe_event" if "unsubscribe" in kind["type"] else "message_event"
    return [{"msys": {outer: event}}]


VOICES: dict[str, Voice] = {
    "amazon_ses": Voice(
        kinds={
            "delivered": {"eventType": "Delivery"},
            "bounced": {"eventType": "Bounce"},
            "soft": {"eventType": "Bounce", "bounceType": "Transient"},
            "deferred": {"eventType": "DeliveryDelay"},
            "complained": {"eventType": "Complaint"},
            "rejected": {"eventType": "Reject"},
            "accepted": {"eventType": "Send"},
            "opened": {"eventType": "Open"},
        },
        write=_ses,
    ),
    "brevo": Voice(
        kinds={
            "delivered": {"event": "delivered"},
            "bounced": {"event": "hard_bounce"},
            "soft": {"event": "soft_bounce"},
            "deferred": {"event": "deferred"},
            "complained": {"event": "spam"},
            "rejected": {"event": "blocked"},
            "accepted": {"event": "request"},
            "unsubscribed": {"event": "unsubscribe"},
            "opened": {"event": "unique_opened"},
        },
        write=_brevo,
    ),
    "mailgun": Voice(
        kinds={
            "delivered": {"event": "delivered"},
            "bounced": {"event": "failed", "severity": "permanent", "reason": "bounce"},
            "deferred": {"event": "failed", "severity": "temporary", "reason": "generic"},
            "complained": {"event": "complained"},
            "rejected": {"event": "rejected", "reject": {"reason": "Sandbox subdomains are for test purposes only"}},
            "unsubscribed": {"event": "unsubscribed"},
            "opened": {"event": "opened"},
        },
        write=_mailgun,
        signing_secret=MAILGUN_KEY,
    ),
    "mailjet": Voice(
        kinds={
            "delivered": {"event": "sent", "smtp_reply": "sent (250 2.0.0 OK)"},
            "bounced": {"event": "bounce", "hard_bounce": True, "error": "user unknown"},
            "deferred": {"event": "bounce", "hard_bounce": False, "error": "greylisted"},
            "complained": {"event": "spam", "source": "JMRPP"},
            "rejected": {"event": "blocked", "error": "preblocked"},
            "unsubscribed": {"event": "unsub"},
            "opened": {"event": "open"},
        },
        write=_mailjet,
    ),
    "postmark": Voice(
        kinds={
            "delivered": {"RecordType": "Delivery"},
            "bounced": {"RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1},
            "soft": {"RecordType": "Bounce", "Type": "SoftBounce", "TypeCode": 4096},
            "deferred": {"RecordType": "Bounce", "Type": "Transient", "TypeCode": 2},
            "complained": {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 512},
            "rejected": {"RecordType": "Bounce", "Type": "Blocked", "TypeCode": 100000},
            "unsubscribed": {
                "RecordType": "SubscriptionChange",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
            },
            "opened": {"RecordType": "Open"},
        },
        write=_postmark,
    ),
    "resend": Voice(
        kinds={
            "delivered": {"type": "email.delivered"},
            "bounced": {"type": "email.bounced"},
            "deferred": {"type": "email.delivery_delayed"},
            "complained": {"type": "email.complained"},
            "accepted": {"type": "email.sent"},
            "opened": {"type": "email.opened"},
        },
        write=_resend,
        sign=_sign_resend,
        signing_secret=RESEND_SECRET,
    ),
    "sendgrid": Voice(
        kinds={
            "delivered": {"event": "delivered", "response": "250 OK"},
            "bounced": {"event": "bounce", "type": "bounce", "status": "5.1.1"},
            "deferred": {"event": "deferred", "response": "451 4.2.1 later", "attempt": "1"},
            "complained": {"event": "spamreport"},
            "rejected": {"event": "dropped", "reason": "Bounced Address"},
            "accepted": {"event": "processed"},
            "unsubscribed": {"event": "unsubscribe"},
            "opened": {"event": "open"},
        },
        write=_sendgrid,
        sign=_sign_sendgrid,
    ),
    "sparkpost": Voice(
        kinds={
            "delivered": {"type": "delivery"},
            "bounced": {"type": "bounce", "bounce_class": "10", "error_code": "550"},
            "deferred": {"type": "delay"},
            "complained": {"type": "spam_complaint"},
            "rejected": {"type": "policy_rejection"},
            "accepted": {"type": "injection"},
            "unsubscribed": {"type": "list_unsubscribe"},
            "opened": {"type": "open"},
        },
        write=_sparkpost,
    ),
}
