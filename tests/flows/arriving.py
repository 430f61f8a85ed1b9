"""Mail that comes in, from raw bytes to what became of it, for the tests of receiving."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage, MIMEPart

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.post_message import post_message
from postroom.flows.route_message import route_waiting
from postroom.store.models import Delivery, InboundMessage, Message, OutgoingMail, Record
from postroom.wiring import ports
from tests.people import House, write_mail

CARLA = "carla@customer.example"


def arrive(
    raw: bytes | EmailMessage | MIMEPart,
    *recipients: str,
    sender: str = CARLA,
    door: Door = Door.SMTP,
    mailbox_id: int | None = None,
) -> InboundMessage:
    """Through the door and the router. Without recipients as fetched: headers decide."""
    raw = raw if isinstance(raw, bytes) else raw.as_bytes()
    envelope = Envelope(mail_from=sender, rcpt_to=recipients) if recipients else None
    place = door if recipients or door is not Door.SMTP else Door.IMAP
    inbound_id = accept_message(ports(), Arrival(door=place, raw=raw, envelope=envelope, mailbox_id=mailbox_id))
    route_all()
    return InboundMessage.objects.get(pk=inbound_id)


def route_all() -> None:
    while route_waiting(ports()):
        pass


def why(inbound: InboundMessage) -> list[str]:
    """The codes of the reasons."""
    return [reason["code"] for decision in inbound.verdict for reason in decision["reasons"]]


def answers() -> list[OutgoingMail]:
    """What was written to refused senders, in order."""
    return list(OutgoingMail.objects.filter(message=None).order_by("id"))


def words_of(mail: OutgoingMail) -> str:
    """What an outgoing mail says, its line breaks of transport undone."""
    return bytes(mail.content.body).replace(b"=\r\n", b"").decode()


@dataclass(frozen=True)
class Thread:
    """A record with a message of ours, and the mail of it that went to the customer."""

    record: Record
    message: Message
    mail: OutgoingMail
    delivery: Delivery

    @property
    def reply_address(self) -> str:
        return self.mail.reply_to_address

    @property
    def message_id(self) -> str:
        return self.mail.header_message_id


def a_thread(house: House, *, to: str = "support@in.test") -> Thread:
    """Customer Carla asked, Alice answered."""
    arrive(write_mail(to=to, Message_ID="<question@customer.example>"), to)
    record = Record.objects.latest("id")
    message = post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Tomorrow!</p>", to_customer=True)
    delivery = Delivery.objects.filter(mail__message=message).get(to_address=CARLA)
    return Thread(record=record, message=message, mail=delivery.mail, delivery=delivery)


def return_path(delivery: Delivery) -> str:
    return f"bounce+{make_token(ports().address_keys, TokenPurpose.BOUNCE, delivery.pk)}@in.test"


def a_report(
    *recipients: str,
    action: str = "failed",
    status: str = "5.1.1",
    original: str = "",
    kind: str = "multipart/report; report-type=delivery-status",
    author: str = "MAILER-DAEMON@relay.example",
    to: str = "bounce@in.test",
) -> bytes:
    """An RFC 3464 report; ``original`` is the Message-ID of the mail it returns."""
    blocks = "".join(
        f"\r\nFinal-Recipient: rfc822; {one}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} no such user\r\n"
        for one in recipients
    )
    returned = (
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {original}\r\nSubject: Re: parcel\r\n\r\n"
        if original
        else ""
    )
    return (
        f"From: {author}\r\nTo: {to}\r\nSubject: Undelivered Mail\r\nMessage-ID: <dsn-{abs(hash(recipients))}@relay.example>\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: {kind}; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.example\r\n{blocks}\r\n"
        f"{returned}--b--\r\n"
    ).encode()
