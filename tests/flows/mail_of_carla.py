"""A mail with a past: posted, put off twice, taken, bounced by a report days later, answered all the same. And an address with one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.smtp_replies import read_reply
from postroom.core.terms.states import Door
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.route_message import route_waiting
from postroom.store.models import Delivery, InboundMessage, Message, Record
from tests.flows.arriving import CARLA, a_report
from tests.flows.outgoing_mails import HandClock
from tests.people import House, add_contact, add_server, write_mail

QUEUE_ID = "4Zx9QK1dLpz2"
GREYLISTED = (451, "4.7.1 Greylisted, come back in a few minutes")
TAKEN = (250, f"2.0.0 Ok: queued as {QUEUE_ID}")


@dataclass(frozen=True)
class Tale:
    """What was made on the way."""

    ports: Ports
    clock: HandClock
    record: Record
    message: Message
    delivery: Delivery

    @property
    def message_id(self) -> str:
        return self.delivery.mail.header_message_id


def comes_in(ports: Ports, raw: bytes, to: str, sender: str = CARLA) -> InboundMessage:
    """Through the SMTP door and the router."""
    envelope = Envelope(mail_from=sender, rcpt_to=(to,))
    number = accept_message(ports, Arrival(door=Door.SMTP, raw=raw, envelope=envelope))
    while route_waiting(ports):
        pass
    return InboundMessage.objects.get(pk=number)


def offer(ports: Ports, *said: tuple[int, str]) -> None:
    """All that is due is claimed, and the server answers each with the next of these words."""
    worker = "worker-1"
    ready = claim_and_compose(ports, worker, len(said), shelf=Shelf()).ready
    assert len(ready) == len(said), "something else is due"
    outcomes = [
        (
            one.ticket,
            WireOutcome(key=one.ticket.delivery_id, phase=Phase.BODY, reply=read_reply(code, [text]), duration=0.2),
        )
        for one, (code, text) in zip(ready, said, strict=True)
    ]
    record_outcomes(ports, worker, outcomes, shelf=Shelf())


def return_path(ports: Ports, delivery: Delivery) -> str:
    return f"bounce+{make_token(ports.address_keys, TokenPurpose.BOUNCE, delivery.pk)}@in.test"


def tell_all(ports: Ports, clock: HandClock, house: House) -> Tale:
    """Carla asks; Alice answers; her server puts it off twice and takes it; a report says no; Carla writes all the same."""
    add_contact("Customer Carla", CARLA)
    add_server(name="Relay")
    comes_in(ports, write_mail(Message_ID="<question@customer.example>"), "support@in.test")
    record = Record.objects.latest("id")
    Delivery.objects.all().delete()  # the mails to the colleagues are another story
    clock.pass_by(minutes=10)
    message = post_message(ports, record_id=record.pk, author=house.alice, html="<p>Tomorrow!</p>", to_customer=True)
    Delivery.objects.exclude(to_address=CARLA).delete()
    delivery = Delivery.objects.select_related("mail").get()
    Delivery.objects.update(due_at=clock.now())
    for answer in (GREYLISTED, GREYLISTED, TAKEN):
        clock.pass_by(minutes=1)
        offer(ports, answer)
        clock.time = max(clock.now(), Delivery.objects.get().due_at + timedelta(seconds=1))
    clock.pass_by(days=2)
    comes_in(ports, a_report(CARLA), return_path(ports, delivery), sender="")
    clock.pass_by(hours=1)
    answer = write_mail(
        subject="Re: My parcel is late", text="It is there!\n", In_Reply_To=delivery.mail.header_message_id
    )
    comes_in(ports, answer, "support@in.test")
    return Tale(ports=ports, clock=clock, record=record, message=message, delivery=delivery)


def standing_still(ports: Ports, clock: HandClock) -> Ports:
    return replace(ports, clock=clock)
