"""Requests by which providers hand in a mail, as their documentations show them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from postroom.core.delivery.tracking import HookPost

RAW = (
    b"Message-ID: <one@customer.example>\r\nFrom: Carla Conti <carla@customer.example>\r\nTo: help@box.test\r\n"
    b"Subject: Gr\xfc\xdfe\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Sch\xf6ne Gr\xfc\xdfe\r\n"
)
ASCII_RAW = RAW.decode("latin-1").encode("ascii", "replace")
MAIL_FROM, RCPT = "carla@customer.example", "help@box.test"
BOUNDARY = "x-form-boundary"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    field: str
    name: str
    content_type: str
    content: bytes


def form(fields: dict[str, bytes | str], *files: File) -> HookPost:
    """As multipart/form-data."""
    parts = []
    for name, value in fields.items():
        content = value if isinstance(value, bytes) else value.encode()
        parts.append(b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), content))
    for file in files:
        head = f'Content-Disposition: form-data; name="{file.field}"; filename="{file.name}"\r\nContent-Type: {file.content_type}'
        parts.append(head.encode() + b"\r\n\r\n" + file.content)
    line = b"--" + BOUNDARY.encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return HookPost(headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, body=body)


def as_json(told: Any) -> HookPost:
    return HookPost(headers={"content-type": "application/json"}, body=json.dumps(told).encode())


def signed_by_mailgun(secret: str, *, seconds_ago: int = 0, token: str = "f" * 50) -> dict[str, bytes | str]:
    moment = str(int(time.time()) - seconds_ago)
    signature = hmac.new(secret.encode(), f"{moment}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": moment, "token": token, "signature": signature, "sender": MAIL_FROM, "recipient": RCPT}


def handed_in(provider: str, *, address: str, secret: str = "key") -> HookPost:  # noqa: S107
    """`RAW` (in ASCII where the provider sends it as a JSON text) from this provider."""
    match provider:
        case "mailgun":
            return form({**signed_by_mailgun(secret), "body-mime": RAW})
        case "sendgrid":
            envelope = json.dumps({"from": MAIL_FROM, "to": [RCPT, "sales@box.test"]})
            return form({"email": RAW, "envelope": envelope, "charsets": "{}"})
        case "postmark":
            headers = [{"Name": "Return-Path", "Value": f"<{MAIL_FROM}>"}, {"Name": "X-Spam-Score", "Value": "0"}]
            told = {"RawEmail": ASCII_RAW.decode(), "Headers": headers, "OriginalRecipient": RCPT, "MessageID": "m1"}
            return as_json(told)
        case "sparkpost":
            content = {"email_rfc822": base64.b64encode(RAW).decode(), "email_rfc822_is_base64": True}
            event = {"content": content, "msg_from": MAIL_FROM, "rcpt_to": RCPT, "protocol": "smtp"}
            return as_json([{"msys": {"relay_message": event}}, {"msys": {}}])
        case "mandrill":
            events = json.dumps([{"event": "inbound", "ts": 1, "msg": {"raw_msg": ASCII_RAW.decode(), "email": RCPT}}])
            signed = f"{address}mandrill_events{events}".encode()
            signature = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha1).digest()).decode()
            kind = "application/x-www-form-urlencoded"
            sent = {"content-type": kind, "x-mandrill-signature": signature}
            return HookPost(headers=sent, body=urlencode({"mandrill_events": events}).encode())
        case _:
            raise ValueError(provider)
