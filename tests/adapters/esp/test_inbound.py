"""What providers hand in: proven, raw mail kept to the byte, composed mail without a loss."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.esp import inbound, notices
from postroom.adapters.esp.forms import read_form
from postroom.adapters.esp.inbound import read_inbound
from postroom.adapters.esp.sessions import MAX_ANSWER
from postroom.core.delivery.tracking import HookPost, HookRefusal
from postroom.core.terms.ingress import INBOUND_PROVIDERS, HandedIn, InboundReading
from postroom.core.terms.secret import Secret
from tests.adapters.esp.handing_in import (
    ASCII_RAW,
    MAIL_FROM,
    RAW,
    RCPT,
    File,
    as_json,
    form,
    handed_in,
    signed_by_mailgun,
)
from tests.adapters.esp.scripted_api import Says, api_that

ADDRESS = "https://post.northwind.example/ingress/x/y/mime"
KEY = Secret("key")
PICTURE = bytes(range(256)) * 3
BINARY = File(field="attachment-1", name="p\u00e4per.png", content_type="image/png", content=PICTURE)


def one(reading: InboundReading | HookRefusal) -> HandedIn:
    assert isinstance(reading, InboundReading)
    assert len(reading.mails) == 1
    return reading.mails[0]


@pytest.mark.parametrize("provider", ["mailgun", "sendgrid", "postmark", "sparkpost", "mandrill"])
def test_raw_mail_is_kept_as_it_is(provider: str) -> None:
    mail = one(read_inbound(provider, handed_in(provider, address=ADDRESS), KEY, ADDRESS))
    assert mail.raw == (ASCII_RAW if provider in ("postmark", "mandrill") else RAW)
    assert mail.mail_from == ("" if provider == "mandrill" else MAIL_FROM)
    assert mail.rcpt_to[0] == RCPT


def test_all_recipients_of_the_envelope_are_kept() -> None:
    mail = one(read_inbound("sendgrid", handed_in("sendgrid", address=ADDRESS), KEY, ADDRESS))
    assert mail.rcpt_to == (RCPT, "sales@box.test")


@pytest.mark.parametrize("provider", ["mailgun", "mandrill"])
def test_what_is_signed_by_somebody_else_is_forged(provider: str) -> None:
    post = handed_in(provider, address=ADDRESS, secret="guessed")
    assert read_inbound(provider, post, KEY, ADDRESS) is HookRefusal.FORGED
    assert read_inbound(provider, handed_in(provider, address=ADDRESS), Secret(""), ADDRESS) is HookRefusal.FORGED


def test_mandrill_signs_the_address_too() -> None:
    post = handed_in("mandrill", address="https://elsewhere.example/")
    assert read_inbound("mandrill", post, KEY, ADDRESS) is HookRefusal.FORGED


HEADERS = [["From", "Carla <carla@customer.example>"], ["To", RCPT], ["Subject", "Gr\u00fc\u00dfe"], ["Message-Id", "<1@x>"],
           ["Received", "from a"], ["Received", "from b"], ["Content-Type", "multipart/mixed; boundary=old"]]  # fmt: skip


def check_composed(raw: bytes, files: list[tuple[str, bytes]]) -> None:
    """As a mail program would read it."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["From"] == "Carla <carla@customer.example>"
    assert str(mail["Subject"]) == "Gr\u00fc\u00dfe"
    assert raw.count(b"Content-Type: multipart/mixed") <= 1
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert text.get_content().strip() == "Sch\u00f6n."
    assert html is not None
    assert html.get_content().strip() == "<p>Sch\u00f6n.</p>"
    found = [
        (str(part.get_filename()), part.get_payload(decode=True))
        for part in mail.walk()
        if part.get_content_disposition() in ("attachment", "inline")
    ]
    assert found == files


def test_a_mail_is_composed_of_mailguns_fields() -> None:
    fields = signed_by_mailgun("key") | {
        "message-headers": json.dumps(HEADERS),
        "body-plain": "Sch\u00f6n.",
        "body-html": "<p>Sch\u00f6n.</p>",
        "attachment-count": "1",
        "content-id-map": json.dumps({"<pic>": "attachment-1"}),
    }
    raw = one(read_inbound("mailgun", form(fields, BINARY), KEY, ADDRESS)).raw
    check_composed(raw, [("p\u00e4per.png", PICTURE)])
    assert raw.count(b"Received: ") == 2
    assert b"Content-ID: <pic>" in raw


def test_a_mail_is_composed_of_sendgrids_fields_in_their_charsets() -> None:
    fields: dict[str, bytes | str] = {
        "headers": "From: Carla <carla@customer.example>\nSubject: Gr\u00fc\u00dfe\nReceived: from a\n by b\nMIME-Version: 1.0\n",
        "text": "Sch\u00f6n.".encode("latin-1"),
        "html": "<p>Sch\u00f6n.</p>",
        "charsets": json.dumps({"text": "iso-8859-1", "html": "UTF-8"}),
        "attachment-info": json.dumps({"attachment1": {"filename": "x"}}),
        "envelope": json.dumps({"from": MAIL_FROM, "to": [RCPT]}),
    }
    nameless = File(field="attachment1", name="..", content_type="nonsense", content=PICTURE)
    raw = one(read_inbound("sendgrid", form(fields, nameless), KEY, ADDRESS)).raw
    check_composed(raw, [("..", PICTURE)])


def test_a_mail_is_composed_of_postmarks_fields() -> None:
    told = {
        "FromFull": {"Email": "carla@customer.example", "Name": "Carla"},
        "ToFull": [{"Email": RCPT, "Name": ""}],
        "Subject": "Gr\u00fc\u00dfe",
        "Date": "Mon, 2 Mar 2026 08:00:00 +0000",
        "Headers": [{"Name": "Message-ID", "Value": "<1@x>"}],
        "TextBody": "Sch\u00f6n.",
        "HtmlBody": "<p>Sch\u00f6n.</p>",
        "Attachments": [{"Name": "p.bin", "ContentType": "application/x", "Content": base64.b64encode(PICTURE).decode()}],
        "OriginalRecipient": RCPT,
    }  # fmt: skip
    raw = one(read_inbound("postmark", as_json(told), KEY, ADDRESS)).raw
    check_composed(raw.replace(b'"Carla" <', b"Carla <"), [("p.bin", PICTURE)])


def test_a_mail_is_composed_of_mailjets_fields() -> None:
    told = {
        "Sender": MAIL_FROM,
        "Recipient": RCPT,
        "Headers": dict(HEADERS) | {"Received": ["from a", "from b"]},
        "Text-part": "Sch\u00f6n.",
        "Html-part": "<p>Sch\u00f6n.</p>",
        "Parts": [
            {"ContentRef": "Text-part", "Headers": {}},
            {
                "ContentRef": "Attachment1",
                "Headers": {
                    "Content-Type": "image/png; name=p.png",
                    "Content-Disposition": 'attachment; filename="p.png"',
                },
            },
        ],
        "Attachment1": base64.b64encode(PICTURE).decode(),
    }
    mail = one(read_inbound("mailjet", as_json(told), KEY, ADDRESS))
    check_composed(mail.raw, [("p.png", PICTURE)])
    assert (mail.mail_from, mail.rcpt_to) == (MAIL_FROM, (RCPT,))


class _Answer:
    def __init__(self, status: int) -> None:
        self.status_code = status
        self.headers = {"Content-Type": "image/png"}
        self.content = PICTURE


def test_brevos_attachments_are_fetched_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []
    status = [200]

    class Session:
        def __init__(self, *_: float, most: int) -> None: ...
        def __enter__(self) -> Session:
            return self

        def __exit__(self, *_: object) -> None: ...
        def get(self, url: str, headers: dict[str, str]) -> _Answer:
            asked.append((url, headers["api-key"]))
            return _Answer(status[0])

    monkeypatch.setattr(inbound, "GuardedSession", Session)
    item = {
        "Headers": dict(HEADERS) | {"Delivered-To": RCPT, "Return-Path": f"<{MAIL_FROM}>"},
        "RawTextBody": "Sch\u00f6n.",
        "RawHtmlBody": "<p>Sch\u00f6n.</p>",
        "Attachments": [{"Name": "p.png", "DownloadToken": "a/b", "ContentType": "image/png"}],
    }
    post = as_json({"items": [item]})
    mail = one(read_inbound("brevo", post, KEY, ADDRESS))
    check_composed(mail.raw, [("p.png", PICTURE)])
    assert (mail.mail_from, mail.rcpt_to) == (MAIL_FROM, (RCPT,))
    assert asked == [("https://api.brevo.com/v3/inbound/attachments/a%2Fb", "key")]
    status[0] = 500
    with pytest.raises(OSError, match="cannot be fetched"):
        read_inbound("brevo", post, KEY, ADDRESS)


def test_a_large_attachment_of_brevo_comes_whole() -> None:
    """What a provider answers to a mail of ours is short; what it keeps for us is not."""
    large = "x" * (2 * MAX_ANSWER)
    item = {
        "Headers": dict(HEADERS) | {"Delivered-To": RCPT},
        "RawTextBody": "See there.",
        "Attachments": [{"Name": "large.txt", "DownloadToken": "large"}],
    }
    with api_that(Says(text=large)) as api:
        found = read_inbound("brevo", as_json({"items": [item]}), KEY, ADDRESS, brevo_url=f"{api.url}/")
    (file,) = [part for part in message_from_bytes(one(found).raw).walk() if part.get_filename()]
    assert file.get_payload(decode=True) == large.encode()


def test_amazons_certificate_is_fetched_once_for_many_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(address: str) -> bytes:
        asked.append(address)
        return b"no certificate"

    monkeypatch.setattr(notices, "ask", ask)
    notices.amazons_certificate.cache_clear()
    address = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
    message = {"Type": "Notification", "Message": "{}", "SigningCertURL": address, "SignatureVersion": "2"}
    for _ in range(3):
        assert read_inbound("amazon_ses", as_json(message), KEY, ADDRESS) is HookRefusal.FORGED
    assert asked == [address]
    notices.amazons_certificate.cache_clear()


def test_amazons_mail_is_proven_and_its_subscription_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    is_proven = [True]
    monkeypatch.setattr(inbound, "is_signed_by_amazon", lambda _message, _fetch: is_proven[0])
    told = {
        "notificationType": "Received",
        "content": base64.b64encode(RAW).decode(),
        "mail": {"source": MAIL_FROM},
        "receipt": {"recipients": [RCPT], "action": {"type": "SNS", "encoding": "BASE64"}},
    }
    post = as_json({"Type": "Notification", "Message": json.dumps(told)})
    mail = one(read_inbound("amazon_ses", post, KEY, ADDRESS))
    assert (mail.raw, mail.mail_from, mail.rcpt_to) == (RAW, MAIL_FROM, (RCPT,))
    address = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=y"
    greeting = as_json({"Type": "SubscriptionConfirmation", "SubscribeURL": address})
    assert read_inbound("amazon_ses", greeting, KEY, ADDRESS) == InboundReading(confirm_at=address)
    elsewhere = as_json({"Type": "SubscriptionConfirmation", "SubscribeURL": "https://evil.example/"})
    assert read_inbound("amazon_ses", elsewhere, KEY, ADDRESS) is HookRefusal.UNREADABLE
    is_proven[0] = False
    assert read_inbound("amazon_ses", post, KEY, ADDRESS) is HookRefusal.FORGED


@pytest.mark.parametrize("provider", INBOUND_PROVIDERS)
@given(body=st.binary(max_size=300), kind=st.sampled_from(["application/json", "multipart/form-data; boundary=b", "x"]))
def test_whatever_comes_is_read_or_refused(provider: str, body: bytes, kind: str) -> None:
    found = read_inbound(provider, HookPost(headers={"content-type": kind}, body=body), KEY, ADDRESS)
    assert isinstance(found, InboundReading | HookRefusal)


def test_an_attached_mail_stays_one() -> None:
    file = replace(BINARY, name="mail.eml", content_type="message/rfc822", content=ASCII_RAW)
    fields = signed_by_mailgun("key") | {"message-headers": "[]", "body-plain": "see there", "attachment-count": "1"}
    raw = one(read_inbound("mailgun", form(fields, file), KEY, ADDRESS)).raw
    (attached,) = [part for part in message_from_bytes(raw).walk() if part.get_content_type() == "message/rfc822"]
    assert attached.get_payload(0)["Message-ID"] == "<one@customer.example>"


# ---- forms


def test_a_form_is_read_to_the_byte() -> None:
    post = form({"a": b"\r\n--no boundary\xff\r\n", "b": ""}, BINARY)
    found = read_form(post.headers["content-type"], post.body)
    assert found.fields == {"a": b"\r\n--no boundary\xff\r\n", "b": b""}
    assert found.files["attachment-1"].content == PICTURE
    assert found.files["attachment-1"].name == "p\u00e4per.png"
    assert read_form("application/x-www-form-urlencoded", b"a=%FC+b&c=").fields == {"a": b"\xfc b", "c": b""}


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_what_is_no_form_is_said_to_be_none(kind: str) -> None:
    with pytest.raises(ValueError, match=r"form|boundary"):
        read_form(kind, b"nothing")


def test_a_hostile_form_of_a_megabyte_is_read_in_no_time() -> None:
    began = time.perf_counter()
    for body in (b"--b" * 350_000, b"--b\r\n" * 200_000, b"-" * 1_000_000, b'--b\r\nA: "' + b"\\" * 1_000_000):
        with suppress(ValueError):
            read_form("multipart/form-data; boundary=b", body)
    print(f"{time.perf_counter() - began:.2f} s")
