"""What a person's mail program does: write, reply to a mail that really lies in the mailbox, submit.

Programs differ, and the differences are what threading must survive: some drop References, some ignore
Reply-To, people change subjects and delete quotations. Every one of those is an argument here.
"""

from __future__ import annotations

import email.policy
import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import format_datetime, getaddresses, localtime, make_msgid, parseaddr, parsedate_to_datetime
from html import escape
from pathlib import Path

from tests.laboratory.ports import LOOPBACK


def compose_new(
    *,
    author: str,
    to: Sequence[str] | str,
    subject: str,
    body: str,
    html: str = "",
    cc: Sequence[str] = (),
    attachments: Sequence[tuple[str, bytes, str]] = (),
    headers: Sequence[tuple[str, str]] = (),
    message_id: str = "",
) -> bytes:
    """A new mail with CRLF line ends.

    ``attachments`` are (file name, content, MIME type); ``headers`` are added as they are.
    """
    mail = _begin(author=author, to=[to] if isinstance(to, str) else list(to), subject=subject, message_id=message_id)
    if cc:
        mail["Cc"] = ", ".join(cc)
    for name, value in headers:
        mail[name] = value
    mail.set_content(body)
    if html:
        mail.add_alternative(html, subtype="html")
    for name, content, mime_type in attachments:
        main, _, sub = mime_type.partition("/")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return mail.as_bytes()


def compose_reply(
    raw: bytes,
    *,
    body: str,
    author: str,
    changed_subject: bool = False,
    keep_references: bool = True,
    keep_reply_to: bool = True,
    quote: bool = True,
    html: bool = False,
    reply_all: bool = False,
) -> bytes:
    """The reply that ``author`` sends from a mail program to the mail ``raw``.

    ``keep_references=False`` leaves out References and In-Reply-To; ``keep_reply_to=False`` writes to From
    although there is a Reply-To; ``changed_subject`` replaces the subject altogether; ``quote`` puts "On ...
    wrote:" and the old text below the new one; ``html`` adds an alternative with a block quotation;
    ``reply_all`` keeps others in Cc.
    """
    original = BytesParser(policy=email.policy.compat32).parsebytes(raw)
    subject = _decoded(original, "Subject")
    mail = _begin(
        author=author,
        to=[reply_target(raw, keep_reply_to=keep_reply_to)],
        subject="Something else altogether" if changed_subject else _as_reply(subject),
    )
    if reply_all and (others := _others(original, author, mail["To"])):
        mail["Cc"] = ", ".join(others)
    message_id = " ".join(str(original.get("Message-ID", "")).split())
    if keep_references and message_id:
        mail["In-Reply-To"] = message_id
        mail["References"] = " ".join([*str(original.get("References", "")).split(), message_id])
    lead = f"On {_decoded(original, 'Date') or 'an earlier day'}, {_decoded(original, 'From')} wrote:"
    old = text_of(original)
    mail.set_content(f"{body}\n\n{lead}\n{_quoted(old)}" if quote else f"{body}\n")
    if html:
        mail.add_alternative(_as_html(body, lead, old, quote=quote), subtype="html")
    return mail.as_bytes()


def reply_target(raw: bytes, *, keep_reply_to: bool = True) -> str:
    """Whom a reply to this mail goes to: Reply-To when there is one and the program honours it, else From."""
    original = BytesParser(policy=email.policy.compat32).parsebytes(raw, headersonly=True)
    return (_decoded(original, "Reply-To") if keep_reply_to else "") or _decoded(original, "From")


def envelope_of(raw: bytes) -> tuple[str, list[str]]:
    """The envelope that a mail program would use: the bare From, and everybody in To and Cc."""
    mail = BytesParser(policy=email.policy.compat32).parsebytes(raw, headersonly=True)
    recipients = getaddresses([str(value) for name in ("To", "Cc") for value in mail.get_all(name, [])])
    return parseaddr(str(mail.get("From", "")))[1], [address for _, address in recipients if address]


def text_of(mail: Message) -> str:
    """The first text part, decoded; of HTML alone, its source."""
    for part in mail.walk():
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return content.decode(part.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
    return ""


def submit(
    port: int,
    mail_from: str,
    rcpt_to: Sequence[str] | str,
    raw: bytes,
    *,
    login: tuple[str, str] | None = None,
    ca_file: Path | None = None,
) -> None:
    """Hand a mail to a server on loopback; with ``ca_file`` by verified STARTTLS, with ``login`` after AUTH.

    Raises `smtplib.SMTPException` when it is refused (also when only some recipients are).
    """
    recipients = [rcpt_to] if isinstance(rcpt_to, str) else list(rcpt_to)
    with smtplib.SMTP(LOOPBACK, port, local_hostname="mailprogram.test", timeout=60) as peer:
        if ca_file:
            peer.starttls(context=ssl.create_default_context(cafile=str(ca_file)))
        if login:
            peer.login(*login)
        if refused := peer.sendmail(mail_from, recipients, raw):
            raise smtplib.SMTPRecipientsRefused(refused)


def send(port: int, raw: bytes, *, login: tuple[str, str] | None = None, ca_file: Path | None = None) -> None:
    """`submit` with the envelope that the mail's own headers name."""
    mail_from, rcpt_to = envelope_of(raw)
    submit(port, mail_from, rcpt_to, raw, login=login, ca_file=ca_file)


def _begin(*, author: str, to: Sequence[str], subject: str, message_id: str = "") -> EmailMessage:
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["Date"] = format_datetime(localtime())
    mail["From"] = author
    mail["To"] = ", ".join(to)
    mail["Subject"] = subject
    mail["Message-ID"] = message_id or make_msgid(domain=parseaddr(author)[1].rpartition("@")[2] or "mailprogram.test")
    mail["User-Agent"] = "Laboratory Mail 1.0"
    return mail


def _as_reply(subject: str) -> str:
    return subject if subject.lower().startswith("re:") else f"Re: {subject}"


def _others(original: Message, author: str, target: str) -> list[str]:
    spared = {parseaddr(author)[1].lower(), parseaddr(target)[1].lower()}
    named = getaddresses([_decoded(original, "To"), _decoded(original, "Cc")])
    return [address for _, address in named if address and address.lower() not in spared]


def _quoted(text: str) -> str:
    return "".join(f"> {line}".rstrip() + "\n" for line in text.rstrip().split("\n"))


def _as_html(body: str, lead: str, old: str, *, quote: bool) -> str:
    new = f'<div dir="ltr">{escape(body)}</div>'
    if not quote:
        return new
    quotation = f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex">{escape(old)}</blockquote>'
    return f'{new}<br><div class="gmail_quote"><div class="gmail_attr">{escape(lead)}<br></div>{quotation}</div>'


def _decoded(mail: Message, name: str) -> str:
    """A header on one line, encoded words decoded; the date in UTC as people read it."""
    value = " ".join(str(mail.get(name, "")).split())
    if name == "Date" and value:
        return parsedate_to_datetime(value).astimezone(UTC).strftime("%a, %d %b %Y at %H:%M")
    return str(make_header(decode_header(value)))
