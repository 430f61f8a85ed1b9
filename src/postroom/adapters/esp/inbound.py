"""Mail that a provider hands in, proven and read.

Laws: what a provider signs is verified, before anything of it is believed; raw mail is kept to the byte, which django-anymail's views
(whose fields these are) would decode and lose; where only fields come, a mail is composed of them, with every attachment. What cannot be read is said to be so, never raised.
Standards: the providers' documentations of inbound webhooks; RFC 5322 of what is composed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import Message
from email.mime.multipart import MIMEMultipart
from typing import Any
from urllib.parse import quote

import requests

from postroom.adapters.esp.forms import Form, FormFile, read_form
from postroom.adapters.esp.notices import amazons_certificate
from postroom.adapters.esp.sessions import GuardedSession
from postroom.adapters.esp.signatures import is_amazons_confirmation, is_signed_by_amazon
from postroom.core.delivery.tracking import HookPost, HookRefusal
from postroom.core.terms.ingress import INBOUND_PROVIDERS, HandedIn, InboundReading
from postroom.core.terms.secret import Secret

_log = logging.getLogger(__name__)
_BREVO = "https://api.brevo.com/v3/inbound/attachments/"
_MOST_MAILS = 100  # in one request
_LARGEST_FILE = 64 * 1024 * 1024  # bytes; no provider takes mails of this size

Reading = InboundReading | HookRefusal


def read_inbound(provider: str, post: HookPost, secret: Secret, address: str, *, brevo_url: str = _BREVO) -> Reading:
    """``address``: at which it was handed in (some sign it). Raises OSError or ValueError when something cannot be fetched now."""
    if INBOUND_PROVIDERS[provider].needs_secret and not secret:
        return HookRefusal.FORGED
    try:
        return _READERS[provider](_Request(post=post, secret=secret, address=address, brevo_url=brevo_url))
    except _FetchLater as error:
        raise OSError(str(error)) from error
    except (
        Exception
    ) as error:  # a stranger's words: ValueError, KeyError, TypeError, AttributeError, RecursionError, LookupError
        _log.warning("a mail of %s could not be read: %s", provider, type(error).__name__)
        return HookRefusal.UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    post: HookPost
    secret: Secret
    address: str
    brevo_url: str


class _FetchLater(Exception):  # noqa: N818
    """A piece of the mail could not be had now."""


# -- providers with forms


def _mailgun(post: HookPost, secret: Secret) -> Reading:
    form = _form(post)
    signed = form.fields.get("timestamp", b"") + form.fields.get("token", b"")
    expected = hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()
    if not form.fields.get("timestamp") or not hmac.compare_digest(expected, form.text("signature")):
        return HookRefusal.FORGED
    if "body-mime" in form.fields:
        raw = form.fields["body-mime"]
    else:
        names = json.loads(form.text("content-id-map") or "{}")
        of_file = {file: content_id for content_id, file in names.items()}
        count = int(form.text("attachment-count") or 0)
        wanted = [f"attachment-{number}" for number in range(1, min(count, len(form.files)) + 1)]
        raw = _composed(
            headers=[(str(name), str(value)) for name, value in json.loads(form.text("message-headers"))],
            text=form.text("body-plain"),
            html=form.text("body-html"),
            attachments=[_attached(form.files[name], of_file.get(name)) for name in wanted if name in form.files],
        )
    reading = _reading(raw, form.text("sender"), [form.text("recipient")])
    return replace(reading, nonce=form.text("token"), signed_at=int(form.text("timestamp")))


def _sendgrid(post: HookPost) -> Reading:
    form = _form(post)
    if "email" in form.fields:
        raw = form.fields["email"]
    else:
        charsets = json.loads(form.text("charsets") or "{}")
        facts = json.loads(form.text("attachment-info") or "{}")
        raw = _composed(
            raw_headers=form.text("headers", str(charsets.get("headers", "utf-8")))
            if "headers" in form.fields
            else None,
            text=form.text("text", str(charsets.get("text", "utf-8"))),
            html=form.text("html", str(charsets.get("html", "utf-8"))),
            attachments=[
                _attached(file, (facts.get(name) or {}).get("content-id")) for name, file in sorted(form.files.items())
            ],
        )
    envelope = json.loads(form.text("envelope") or "{}")
    return _reading(raw, str(envelope.get("from") or ""), envelope.get("to") or [])


def _mandrill(post: HookPost, secret: Secret, address: str) -> Reading:
    form = _form(post)
    signed = address + "".join(name + form.text(name) for name in sorted(form.fields))
    expected = base64.b64encode(hmac.new(secret.reveal().encode(), signed.encode(), hashlib.sha1).digest()).decode()
    if not hmac.compare_digest(expected, post.headers.get("x-mandrill-signature", "")):
        return HookRefusal.FORGED
    events = [one for one in json.loads(form.text("mandrill_events")) if one.get("event") == "inbound"]
    mails = [
        HandedIn(raw=_bytes(one["msg"]["raw_msg"]), rcpt_to=_addresses([one["msg"].get("email")])) for one in events
    ]
    return InboundReading(mails=tuple(mails[:_MOST_MAILS]))


# -- providers with JSON


def _postmark(post: HookPost) -> Reading:
    told = _object(post.body)
    if told.get("RecordType", "Inbound") != "Inbound":
        return HookRefusal.UNREADABLE
    headers = [(str(one["Name"]), str(one["Value"])) for one in told.get("Headers") or []]
    sender = headers[0][1].strip().strip("<>") if headers and headers[0][0].lower() == "return-path" else ""
    if "RawEmail" in told:
        raw = _bytes(told["RawEmail"])
    else:
        given = [
            ("From", _full([told.get("FromFull")])),
            ("To", _full(told.get("ToFull"))),
            ("Cc", _full(told.get("CcFull"))),
            ("Subject", str(told.get("Subject") or "")),
            ("Date", str(told.get("Date") or "")),
            ("Reply-To", str(told.get("ReplyTo") or "")),
        ]
        there = {name.lower() for name, _ in headers}
        raw = _composed(
            headers=[*((name, value) for name, value in given if value and name.lower() not in there), *headers],
            text=str(told.get("TextBody") or ""),
            html=str(told.get("HtmlBody") or ""),
            attachments=[_from_json(one) for one in told.get("Attachments") or []],
        )
    return _reading(raw, sender, [told.get("OriginalRecipient")])


def _full(people: Any) -> str:
    found = [one for one in people or [] if isinstance(one, dict) and one.get("Email")]
    return ", ".join(
        f'"{_quoted(one.get("Name"))}" <{one["Email"]}>' if one.get("Name") else str(one["Email"]) for one in found
    )


def _quoted(name: Any) -> str:
    return str(name).replace("\\", "\\\\").replace('"', '\\"')


def _from_json(told: Mapping[str, Any]) -> Message:
    content = told.get("Content") or told["Data"]
    return _part(str(told.get("ContentType") or ""), base64.b64decode(content), told.get("Name"), told.get("ContentID"))


def _mailjet(post: HookPost) -> Reading:
    told = _object(post.body)
    parts = [one for one in told.get("Parts") or [] if "Attachment" in str(one.get("ContentRef") or "")]
    raw = _composed(
        headers=_flat(told.get("Headers") or {}),
        text=str(told.get("Text-part") or ""),
        html=str(told.get("Html-part") or ""),
        attachments=[_of_mailjet(one, told) for one in parts],
    )
    return _reading(raw, str(told.get("Sender") or ""), [told.get("Recipient")])


def _of_mailjet(part: Mapping[str, Any], told: Mapping[str, Any]) -> Message:
    facts = Message()
    for name, value in _flat(part.get("Headers") or {}):
        facts[name] = value
    content = base64.b64decode(str(told[part["ContentRef"]]))
    content_id = facts.get("Content-ID")
    return _part(facts.get_content_type(), content, facts.get_filename(), str(content_id) if content_id else None)


def _brevo(post: HookPost, secret: Secret, url: str) -> Reading:
    mails = []
    for told in _object(post.body)["items"][:_MOST_MAILS]:
        headers = _flat(told.get("Headers") or {})
        raw = _composed(
            headers=headers,
            text=str(told.get("RawTextBody") or ""),
            html=str(told.get("RawHtmlBody") or ""),
            attachments=[_of_brevo(one, secret, url) for one in told.get("Attachments") or []],
        )
        named = {name.lower(): value.strip().strip("<>") for name, value in headers}
        to = [named.get("delivered-to", ""), *(str(one) for one in told.get("Recipients") or [])]
        mails.append(HandedIn(raw=raw, mail_from=named.get("return-path", ""), rcpt_to=_addresses(to)))
    return InboundReading(mails=tuple(mails))


def _of_brevo(told: Mapping[str, Any], secret: Secret, url: str) -> Message:
    try:
        with GuardedSession(5.0, 20.0, most=_LARGEST_FILE) as session:
            headers = {"api-key": secret.reveal()}
            answer = session.get(url + quote(str(told["DownloadToken"]), safe=""), headers=headers)
    except (requests.RequestException, OSError, ValueError) as error:
        raise _FetchLater(f"an attachment cannot be fetched: {type(error).__name__}") from error
    if answer.status_code != requests.codes.ok:
        raise _FetchLater(f"an attachment cannot be fetched: HTTP {answer.status_code}")
    content_type = answer.headers.get("Content-Type") or str(told.get("ContentType") or "")
    return _part(content_type, answer.content, told.get("Name"), told.get("ContentID"))


def _sparkpost(post: HookPost) -> Reading:
    mails = []
    for one in json.loads(post.body)[:_MOST_MAILS]:
        event = one.get("msys", {}).get("relay_message")
        if event is None:
            continue
        content = event["content"]
        text = str(content["email_rfc822"])
        raw = base64.b64decode(text) if content.get("email_rfc822_is_base64") else _bytes(text)
        mails.append(
            HandedIn(raw=raw, mail_from=str(event.get("msg_from") or ""), rcpt_to=_addresses([event.get("rcpt_to")]))
        )
    return InboundReading(mails=tuple(mails))


def _amazon(post: HookPost) -> Reading:
    message = _object(post.body)
    kind = message.get("Type")
    try:
        is_proven = is_signed_by_amazon(message, amazons_certificate)
    except OSError as error:
        raise _FetchLater("Amazon's certificate") from error
    if not is_proven:
        return HookRefusal.FORGED
    topic = str(message.get("TopicArn", ""))[:300]
    if kind == "SubscriptionConfirmation":
        address = str(message.get("SubscribeURL", ""))
        if not is_amazons_confirmation(address):
            return HookRefusal.UNREADABLE
        return InboundReading(confirm_at=address, topic=topic)
    told = json.loads(message["Message"]) if kind == "Notification" else {}
    if told.get("notificationType") != "Received" or not told.get("content"):
        is_ordinary = kind != "Notification" or "content" not in told
        return InboundReading(topic=topic) if is_ordinary else HookRefusal.UNREADABLE
    action = told.get("receipt", {}).get("action", {})
    content = str(told["content"])
    raw = base64.b64decode(content) if str(action.get("encoding", "")).upper() == "BASE64" else _bytes(content)
    source = str(told.get("mail", {}).get("source") or "")
    reading = _reading(raw, source, told.get("receipt", {}).get("recipients") or [])
    return replace(reading, topic=topic, nonce=str(message.get("MessageId", "")))


_READERS: Mapping[str, Callable[[_Request], Reading]] = {
    "mailgun": lambda asked: _mailgun(asked.post, asked.secret),
    "sendgrid": lambda asked: _sendgrid(asked.post),
    "postmark": lambda asked: _postmark(asked.post),
    "mailjet": lambda asked: _mailjet(asked.post),
    "brevo": lambda asked: _brevo(asked.post, asked.secret, asked.brevo_url),
    "amazon_ses": lambda asked: _amazon(asked.post),
    "sparkpost": lambda asked: _sparkpost(asked.post),
    "mandrill": lambda asked: _mandrill(asked.post, asked.secret, asked.address),
}


# -- composing


def _composed(
    *,
    text: str,
    html: str,
    attachments: list[Message],
    headers: list[tuple[str, str]] | None = None,
    raw_headers: str | None = None,
) -> bytes:
    """A mail of all that was given. MIME fields of the original describe another structure, and are made anew."""
    given = [(name, " ".join(value.split("\n"))) for name, value in headers or () if not _is_of_structure(name)]
    if raw_headers is not None:
        given += _fields(raw_headers)
    head = b"".join(_field(name, value) for name, value in given)
    return head + _body(text, html, attachments).as_bytes(policy=policy.compat32.clone(linesep="\r\n"))


def _body(text: str, html: str, attachments: list[Message]) -> Message:
    """Text and HTML are alternatives; attachments stand beside them."""
    written = [_written(words, kind) for words, kind in ((text, "plain"), (html, "html")) if words]
    body = written[0] if len(written) == 1 else MIMEMultipart("alternative", _subparts=written)
    if not written:
        body = _written("", "plain")
    if attachments:
        body = MIMEMultipart("mixed", _subparts=[body, *attachments])
    return body


def _written(words: str, kind: str) -> Message:
    part = Message()
    part["MIME-Version"] = "1.0"
    part["Content-Type"] = f"text/{kind}; charset=utf-8"
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(base64.encodebytes(words.encode("utf-8", "surrogatepass")).decode("ascii"))
    return part


def _fields(raw: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in raw.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        elif ":" in line:
            name, _, value = line.partition(":")
            found.append((name.strip(), value.strip()))
    return [(name, value) for name, value in found if not _is_of_structure(name)]


def _is_of_structure(name: str) -> bool:
    return name.lower() in (
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "content-length",
    )


def _field(name: str, value: str) -> bytes:
    """As it was given; letters beyond ASCII as UTF-8 (RFC 6532). What is no field name is left out."""
    clean = "".join(char for char in name if "!" <= char <= "~" and char != ":")
    line = f"{clean}: {' '.join(value.replace(chr(0), '').splitlines())}\r\n" if clean else ""
    return line.encode("utf-8", "surrogateescape")


def _attached(file: FormFile, content_id: str | None) -> Message:
    return _part(file.content_type, file.content, file.name or None, content_id)


def _part(content_type: str, content: bytes, name: Any, content_id: Any) -> Message:
    """Encoded as base64, whatever it is, but for an attached mail: that one may have no encoding (RFC 2046 5.2.1)."""
    main = content_type.partition(";")[0].strip().lower()
    is_usable = main.count("/") == 1 and main.isascii() and main.isprintable() and " " not in main
    part = Message()
    part["Content-Type"] = (
        main if is_usable and not main.startswith(("multipart/", "message/")) else "application/octet-stream"
    )
    if main == "message/rfc822":
        part.replace_header("Content-Type", "message/rfc822")
        part.set_payload([message_from_bytes(content)])
    else:
        part.set_payload(base64.encodebytes(content).decode("ascii"))
        part["Content-Transfer-Encoding"] = "base64"
    part["Content-Disposition"] = "attachment" if content_id is None else "inline"
    if name:
        part.set_param("filename", " ".join(str(name).split()), header="Content-Disposition", charset="utf-8")
    if content_id:
        part["Content-ID"] = f"<{str(content_id).strip().strip('<>')}>"
    return part


# -- reading


def _form(post: HookPost) -> Form:
    return read_form(post.headers.get("content-type", ""), post.body)


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise TypeError("no object")
    return found


def _flat(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(name), str(value))
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _bytes(raw: Any) -> bytes:
    return str(raw).encode("utf-8", "surrogatepass")


def _addresses(found: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one).strip() for one in found if one and str(one).strip()))


def _reading(raw: bytes, mail_from: str, rcpt_to: Iterable[Any]) -> InboundReading:
    mail = HandedIn(raw=raw, mail_from=mail_from.strip().strip("<>"), rcpt_to=_addresses(rcpt_to))
    return InboundReading(mails=(mail,))
