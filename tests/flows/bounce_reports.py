"""Deliveries to people outside, and what may come back from them: reports as other people's servers write them."""

from __future__ import annotations

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.ports import Ports
from postroom.flows.route_message import route_waiting
from postroom.store.models import Company, Contact, Delivery, InboundMessage, Message, Notification, OutgoingMail
from tests.flows.outgoing_mails import a_mail, deliveries

GONE = ("5.1.1", "550 5.1.1 No such user here")
CLOSED = ("5.2.1", "550 5.2.1 This mailbox is disabled")
FULL = ("5.2.2", "552 5.2.2 The mailbox is over quota")
POLICY = ("5.7.1", "554 5.7.1 Message blocked as spam")
SENDER = ("5.7.26", "550 5.7.26 The sender fails DMARC")


def sent_to(ports: Ports, company: Company, *contacts: Contact, mail: OutgoingMail | None = None) -> list[Delivery]:
    """A message that left, one delivery for each, with its notification."""
    mail = mail or a_mail(company, at=ports.clock.now())
    message = Message.objects.create(company=company, posted_at=ports.clock.now())
    rows = deliveries(mail, *[one.address for one in contacts], at=ports.clock.now(), state="sent")
    for row, contact in zip(rows, contacts, strict=True):
        row.notification = Notification.objects.create(company=company, message=message, contact=contact, state="sent")
        row.finished_at = ports.clock.now()
        row.save()
    return rows


def return_path(ports: Ports, delivery: Delivery) -> str:
    """The envelope sender of its mail: what comes there is about this delivery."""
    return f"bounce+{make_token(ports.address_keys, TokenPurpose.BOUNCE, delivery.pk)}@in.test"


def report(
    address: str, said: tuple[str, str] = GONE, *, action: str = "failed", message_id: str = "", number: int = 1
) -> bytes:
    """A delivery report (RFC 3464) on one recipient."""
    original = f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n" if message_id else ""
    return (
        "From: MAILER-DAEMON@reader.example\r\nTo: bounce@in.test\r\nSubject: Undelivered Mail\r\n"
        f"Message-ID: <dsn{number}@reader.example>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; reader.example\r\n\r\n"
        f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {said[0]}\r\n"
        f"Diagnostic-Code: smtp; {said[1]}\r\n{original}\r\n--b--\r\n"
    ).encode()


def complaint(address: str, number: int = 1) -> bytes:
    """A feedback report (RFC 5965)."""
    return (
        "From: feedback@reader.example\r\nTo: bounce@in.test\r\nSubject: Complaint\r\n"
        f"Message-ID: <arf{number}@reader.example>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSomebody called this spam.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: loop/1\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: {address}\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: Your order\r\n\r\n--b--\r\n"
    ).encode()


def accept(ports: Ports, raw: bytes, to: str, sender: str = "") -> int:
    return accept_message(ports, Arrival(door=Door.SMTP, raw=raw, envelope=Envelope(mail_from=sender, rcpt_to=(to,))))


def arrive(ports: Ports, raw: bytes, to: str, sender: str = "") -> InboundMessage:
    """Accepted and routed."""
    number = accept(ports, raw, to, sender)
    while route_waiting(ports):
        pass
    return InboundMessage.objects.get(pk=number)
