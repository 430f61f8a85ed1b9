"""Our mail as anymail takes it.

Duty: a `WireMail` becomes an `AnymailMessage`. For a provider that takes whole mails the raw bytes go along and leave as they are;
for the others the mail is taken apart here, by the same reader that reads all mail: text, HTML, shown images, files, header fields.
Laws: what the provider writes itself (Date, MIME fields, signatures) is not given twice; everything else is kept.
"""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from email.mime.base import MIMEBase
from email.policy import compat32

from anymail.message import AnymailMessage

from postroom.core.delivery.providers import Keeps, Provider
from postroom.core.delivery.wire import WireMail
from postroom.core.mime.parsing import parse
from postroom.core.terms.addresses import Address, format_address

TOKEN = "postroom"  # under which the token travels as metadata  # noqa: S105

_WRITTEN_BY_THE_PROVIDER = frozenset(
    "from to cc bcc sender subject reply-to date mime-version content-type content-transfer-encoding content-disposition"
    " dkim-signature received return-path".split()
)
_FORBIDDEN = {  # by the provider's documentation
    "mailjet": frozenset("message-id list-id user-agent x-mailer x-feedback-id delivered-to".split()),
}

_TRACKING = frozenset({"mailgun", "mailjet", "postmark", "sendgrid"})  # where anymail can turn it off, mail by mail


class RawMessage(AnymailMessage):
    """A mail that some payloads send as it is."""

    raw: bytes = b""


def message_for(mail: WireMail, provider: Provider) -> RawMessage:
    """Raises anymail's errors for what no provider takes."""
    raw = b"".join(mail.chunks)
    parsed = parse(_head_of(raw) if provider.is_raw else raw)
    sender = parsed.header_from[0] if parsed.header_from else None
    message = RawMessage(
        subject=parsed.subject,
        from_email=_written(sender) if sender else "",
        to=[_recipient(mail.envelope.rcpt_to[0], parsed.to)],
        reply_to=[_written(one) for one in parsed.reply_to],
    )
    if mail.token:
        message.metadata = {TOKEN: mail.token}
    if provider.name in _TRACKING:  # it would rewrite our links
        message.track_opens = message.track_clicks = False
    if mail.envelope.mail_from and provider.envelope_sender is not Keeps.NO:
        message.envelope_sender = mail.envelope.mail_from
    if provider.is_raw:
        message.raw = raw
        return message
    _take_apart(message, message_from_bytes(raw, policy=compat32), provider)
    forbidden = _WRITTEN_BY_THE_PROVIDER | _FORBIDDEN.get(provider.name, frozenset())
    message.extra_headers = {name: value for name, value in parsed.headers if name.lower() not in forbidden}
    if provider.name == "postmark":
        message.extra_headers["X-PM-KeepID"] = "true"  # else it writes a Message-ID of its own
    return message


def _head_of(raw: bytes) -> bytes:
    """The header block: all that is asked of a mail that leaves as it is."""
    end = raw.find(b"\r\n\r\n")
    return raw if end < 0 else raw[: end + 4]


def _written(address: Address) -> str:
    return format_address(address.name, f"{address.local}@{address.domain}")


def _recipient(spec: str, shown: tuple[Address, ...]) -> str:
    """The envelope decides; the name is that of the To field."""
    name = next((one.name for one in shown if f"{one.local}@{one.domain}".lower() == spec.lower()), "")
    return format_address(name, spec) if name else spec


def _take_apart(message: RawMessage, mail: Message, provider: Provider) -> None:
    has_text = False
    for part in _leaves(mail):
        kind, disposition = part.get_content_type(), part.get_content_disposition()
        is_file = disposition == "attachment" or bool(part.get_filename()) or bool(part["Content-ID"])
        if kind == "text/plain" and not is_file and not has_text:
            message.body, has_text = _text_of(part), True
        elif kind == "text/html" and not is_file and not message.alternatives:
            message.attach_alternative(_text_of(part), "text/html")
        else:
            message.attachments.append(_file_of(part, provider))


def _leaves(mail: Message) -> list[Message]:
    """An attached mail is a leaf, and stays closed."""
    if mail.get_content_maintype() == "multipart" and mail.is_multipart():
        return [leaf for part in mail.get_payload() if isinstance(part, Message) for leaf in _leaves(part)]
    return [mail]


def _text_of(part: Message) -> str:
    content = part.get_payload(decode=True)
    return content.decode("utf-8", "replace").replace("\r\n", "\n") if isinstance(content, bytes) else ""


def _file_of(part: Message, provider: Provider) -> MIMEBase:
    found = MIMEBase("application", "octet-stream")
    del found["Content-Type"], found["MIME-Version"]
    for name in ("Content-Type", "Content-Transfer-Encoding", "Content-ID"):
        if part[name]:
            found[name] = " ".join(str(part[name]).split())
    file_name = part.get_filename() or ""
    is_shown = part.get_content_disposition() == "inline" and bool(part["Content-ID"]) and provider.keeps_inline_images
    if not is_shown:
        del found["Content-ID"]  # or it would count as shown
    parameters = {"filename": file_name} if file_name else {}
    found.add_header("Content-Disposition", "inline" if is_shown else "attachment", **parameters)
    found.set_payload(part.get_payload())
    return found
