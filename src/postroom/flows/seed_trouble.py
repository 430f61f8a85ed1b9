"""The demo's bad luck: one mail that was refused, one that came back, one of which nobody knows; so that red envelopes can be seen at once.

Laws: as `seed_demo`: through the flows of real work, with the words that servers say. Nothing leaves: what a relay would have answered
is played here, in one transaction in which alone capture mode is off.
"""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.mime.markup import text_to_html
from postroom.core.terms.addresses import normalize
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.smtp_replies import read_reply
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.deliver_mail import ReadyMail, Shelf, claim_and_compose
from postroom.flows.letterbox import bounce
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.records import create_record
from postroom.flows.recover_journals import put_back
from postroom.flows.route_message import route_waiting
from postroom.store.models import Company, Contact, Installation, LetterboxMail, Member, OutgoingServer

WORKER = "the demo"
_NOBODY = "ines.alt@muster.example"
_LOST = "johan@lindqvist.example"


def seed_trouble(ports: Ports, company: Company, author: Member, *, full_mailbox: str) -> None:
    """``full_mailbox``: the address of somebody to whom a mail waits in the queue."""
    claim_and_compose(ports, WORKER, 1000, shelf=Shelf())  # captured: the Letterbox has something to show
    _come_back(ports, full_mailbox)
    with transaction.atomic():
        relay = OutgoingServer.objects.create(
            name="Relay of the web host",
            host="smtp.lumen.example",
            priority=1,
            per_minute_limit=300,
            from_filter="lumen.example",
        )
        Installation.objects.update(is_capturing=False)  # nobody else sees it: the transaction ends with it on
        _write_to(ports, company, author, "Order 1038 · floor lamp", "Ines Alt", _NOBODY)
        _write_to(ports, company, author, "Order 1040 · desk lamp", "Johan Lindqvist", _LOST)
        _play_the_relay(ports)
        Installation.objects.update(is_capturing=True)
        # archived, so that whoever enters a server of his own is answered through that one
        OutgoingServer.objects.filter(pk=relay.pk).update(priority=20, is_active=False)


def _come_back(ports: Ports, address: str) -> None:
    """His provider's report comes in at our door, is routed, and finds its delivery."""
    letter = LetterboxMail.objects.filter(to_address=address).latest("id")

    def arrive(envelope: Envelope, raw: bytes) -> None:
        accept_messages(ports, [Arrival(door=Door.SMTP, raw=raw, envelope=envelope, peer="the demo")])

    bounce(replace(ports, submit=arrive), letter.pk, "5.2.2", member=None)
    while route_waiting(ports):
        pass


def _write_to(ports: Ports, company: Company, author: Member, title: str, name: str, address: str) -> None:
    contact = Contact.objects.create(company=company, name=name, address=address, normal=normalize(address))
    order = create_record(
        ports,
        company_id=company.pk,
        kind="sales_order",
        title=title,
        author=author,
        contact_id=contact.pk,
        responsible_id=author.pk,
    )
    text = f"Hello {name.split(maxsplit=1)[0]},\n\nyour order is packed and leaves our house today."
    post_message(ports, record_id=order.pk, author=author, html=text_to_html(text))


def _play_the_relay(ports: Ports) -> None:
    """What it says to each; colleagues' mails go back into the queue."""
    batch = claim_and_compose(ports, WORKER, 100, shelf=Shelf())
    said = [(ready.ticket, outcome) for ready in batch.ready if (outcome := _outcome(ready)) is not None]
    told = {ticket.delivery_id for ticket, _ in said}
    put_back(WORKER, [ready.ticket for ready in batch.ready if ready.ticket.delivery_id not in told])
    record_outcomes(ports, WORKER, said)


def _outcome(ready: ReadyMail) -> WireOutcome | None:
    number, (to, *_) = ready.ticket.delivery_id, ready.wire.envelope.rcpt_to
    if to == _NOBODY:
        refused = read_reply(550, [f"5.1.1 <{to}>: Recipient address rejected: User unknown"])
        return replace(_CUT, key=number, phase=Phase.RCPT, reply=refused, trouble="", duration=0.08)
    return replace(_CUT, key=number) if to == _LOST else None


_CUT = WireOutcome(
    key=0,
    phase=Phase.BODY,
    reply=None,
    trouble="the connection was reset by the peer",
    connection="smtp.lumen.example:587#1",
    tls="TLSv1.3",
    duration=31.4,
)
