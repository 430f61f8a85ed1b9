"""Before routing it is found out who wrote a mail: stored, used, shown, and never at the price of a mail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.adapters.authenticity.desk import SenderDesk
from postroom.core.routing.authenticity import Proof
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import AliasPolicy, Door, InboundState
from postroom.flows.accept_message import Arrival, accept_message, accept_messages
from postroom.flows.explain_routing import explain
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.prove_senders import prove_waiting
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.flows.settle_inbound import attach_to_record, route_again
from postroom.store.models import (
    Alias,
    Follower,
    InboundMessage,
    Mailbox,
    Message,
    Notification,
    OutgoingMail,
    RawMail,
    Record,
    RefusalNotice,
)
from postroom.store.queries.unproven import take_unproven
from postroom.wiring import ports
from tests.adapters.dns.name_server import NameServer
from tests.people import House, add_contact, build_house, write_mail

pytestmark = pytest.mark.django_db

GOOD, EVIL = "198.51.100.7 (mx.customer.example)", "203.0.113.9 (evil.example)"
CARLA = "carla@customer.example"


@pytest.fixture
def house() -> House:
    house = build_house()
    add_contact("Customer Carla", CARLA)
    return house


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.txt["customer.example"] = [("v=spf1 ip4:198.51.100.7 -all",)]
        server.txt["_dmarc.customer.example"] = [("v=DMARC1; p=reject",)]
        server.txt["box.test"] = [("v=spf1 ip4:198.51.100.8 -all",)]
        yield server


@pytest.fixture
def real(names: NameServer) -> Iterator[Ports]:
    """The ports, with this name server."""
    desk = SenderDesk([("127.0.0.1", names.port)])
    try:
        yield replace(ports(), senders=desk)
    finally:
        desk.close()


def arrive(
    real: Ports,
    raw: bytes,
    *recipients: str,
    peer: str = GOOD,
    sender: str = CARLA,
    door: Door = Door.SMTP,
    mailbox: Mailbox | None = None,
) -> InboundMessage:
    envelope = Envelope(mail_from=sender, rcpt_to=recipients) if recipients else None
    mailbox_id = mailbox.pk if mailbox else None
    inbound_id = accept_message(real, Arrival(door=door, raw=raw, envelope=envelope, peer=peer, mailbox_id=mailbox_id))
    while route_waiting(real):
        pass
    return InboundMessage.objects.get(pk=inbound_id)


def proof(row: InboundMessage) -> Proof:
    return Proof(row.authentication["proof"])


def a_mailbox(house: House, servers: str = "") -> Mailbox:
    return Mailbox.objects.create(
        company=house.company, name="Support", host="imap.example", username="support", authserv_ids=servers
    )


def policy(name: AliasPolicy) -> None:
    Alias.objects.filter(name="support").update(policy=name)


# ---- stored and used


def test_a_proven_customer_is_the_author(house: House, real: Ports) -> None:
    row = arrive(real, write_mail(), "support@in.test")
    assert (row.state, proof(row)) == (InboundState.ROUTED, Proof.PROVEN)
    message = Message.objects.get()
    assert (message.author.name if message.author else "", message.is_unverified) == ("Customer Carla", False)


def test_a_forged_one_is_nobody_and_follows_nothing(house: House, real: Ports) -> None:
    row = arrive(real, write_mail(), "support@in.test", peer=EVIL)
    assert (row.state, proof(row)) == (InboundState.ROUTED, Proof.SPOOFED)
    message = Message.objects.get()
    assert (message.author, message.is_unverified, message.author_address) == (None, True, CARLA)
    assert not Follower.objects.filter(contact__normal=CARLA).exists()


def test_answering_a_forged_mail_does_not_make_it_genuine(house: House, real: Ports) -> None:
    """The customer who is written to from the page becomes a follower, not the author of what was forged."""
    arrive(real, write_mail(), "support@in.test", peer=EVIL)
    post_message(
        real, record_id=Record.objects.get().pk, author=house.alice, html="<p>Was it you?</p>", to_customer=True
    )
    assert Message.objects.order_by("id")[0].author is None


def test_a_forged_one_passes_no_policy_and_is_not_answered(house: House, real: Ports) -> None:
    policy(AliasPolicy.KNOWN_CONTACTS)
    row = arrive(real, write_mail(), "support@in.test", peer=EVIL)
    assert row.state == InboundState.REFUSED
    assert not Record.objects.exists()
    assert not OutgoingMail.objects.exists()
    assert not RefusalNotice.objects.exists()
    assert arrive(real, write_mail(Message_ID="<2@x.example>"), "support@in.test").state == InboundState.ROUTED


def test_a_colleagues_address_from_outside_is_held_where_only_colleagues_may_write(house: House, real: Ports) -> None:
    policy(AliasPolicy.COLLEAGUES)
    bob = write_mail(sender="Bob <bob@box.test>")
    row = arrive(real, bob, "support@in.test", peer=EVIL, sender="bob@box.test")
    assert (row.state, proof(row)) == (InboundState.HELD, Proof.UNPROVEN)
    good = arrive(
        real,
        write_mail(sender="Bob <bob@box.test>", Message_ID="<2@box.test>"),
        "support@in.test",
        peer="198.51.100.8 (mx.box.test)",
        sender="bob@box.test",
    )
    assert (good.state, proof(good)) == (InboundState.ROUTED, Proof.PROVEN)


def test_what_a_person_attaches_keeps_its_doubt(house: House, real: Ports) -> None:
    arrive(real, write_mail(), "support@in.test")
    policy(AliasPolicy.COLLEAGUES)
    held = arrive(
        real, write_mail(sender="Bob <bob@box.test>", Message_ID="<2@x.example>"), "support@in.test",
        peer=EVIL, sender="bob@box.test",
    )  # fmt: skip
    attach_to_record(real, held.pk, Record.objects.get().pk, member=None)
    message = Message.objects.order_by("-id")[0]
    assert (message.author, message.is_unverified) == (None, True)


def test_a_message_id_alone_does_not_make_an_author(house: House, real: Ports, names: NameServer) -> None:
    arrive(real, write_mail(), "support@in.test")
    own_id = OutgoingMail.objects.get().header_message_id
    del names.txt["_dmarc.customer.example"]
    answer = write_mail(Message_ID="<2@x.example>", In_Reply_To=own_id, subject="Re: x")
    row = arrive(replace(real), answer, "catchall@in.test", peer=EVIL)
    message = Message.objects.order_by("-id")[0]
    assert row.state in (InboundState.ROUTED, InboundState.HELD)
    if row.state == InboundState.ROUTED:
        assert message.is_unverified
        assert {one.contact.name for one in Notification.objects.filter(message=message)} >= {"Alice", "Bob"}


# ---- fetched mail


FIELD = b"Authentication-Results: mx.provider.example; dmarc=%b header.from=customer.example\r\n"


def test_a_mailboxs_own_server_is_believed(house: House, real: Ports, names: NameServer) -> None:
    mailbox = a_mailbox(house, "mx.provider.example")
    good = FIELD % b"pass" + write_mail(to="support@in.test")
    bad = FIELD % b"fail (p=reject)" + write_mail(to="support@in.test", Message_ID="<2@x.example>")
    assert proof(arrive(real, good, door=Door.IMAP, mailbox=mailbox)) is Proof.PROVEN
    assert proof(arrive(real, bad, door=Door.IMAP, mailbox=mailbox)) is Proof.SPOOFED
    assert names.asked == []


def test_a_server_that_nobody_named_is_not(house: House, real: Ports) -> None:
    raw = FIELD % b"pass" + write_mail(to="support@in.test")
    assert proof(arrive(real, raw, door=Door.IMAP, mailbox=a_mailbox(house))) is Proof.UNPROVEN
    row = arrive(real, FIELD % b"pass" + write_mail(Message_ID="<2@x.example>"), "support@in.test", peer=EVIL)
    assert proof(row) is Proof.SPOOFED


def test_the_servers_of_the_parameter_count_for_relays_and_not_for_mailboxes(house: House, real: Ports) -> None:
    set_parameter(real, "mail.authentication.servers", "MX.Provider.Example", member=None)
    set_parameter(real, "mail.authentication.relays", "203.0.113.0/24", member=None)
    raw = FIELD % b"pass" + write_mail()
    assert proof(arrive(real, raw, "support@in.test", peer=EVIL)) is Proof.PROVEN
    second = FIELD % b"pass" + write_mail(Message_ID="<2@x.example>")
    assert proof(arrive(real, second, "support@in.test", door=Door.LMTP, peer="")) is Proof.PROVEN
    third = FIELD % b"pass" + write_mail(Message_ID="<3@x.example>", to="support@in.test")
    assert proof(arrive(real, third, door=Door.IMAP, mailbox=a_mailbox(house))) is Proof.UNPROVEN


# ---- at home, switched off


def test_mail_from_home_is_asked_nothing_and_waits_for_nobody(house: House, real: Ports, names: NameServer) -> None:
    accept_message(
        real,
        Arrival(
            door=Door.SMTP,
            raw=write_mail(),
            envelope=Envelope(mail_from=CARLA, rcpt_to=("support@in.test",)),
            peer="127.0.0.1 (localhost)",
        ),
    )
    assert proof(InboundMessage.objects.get()) is Proof.NOT_APPLICABLE
    assert prove_waiting(real, 100) == 0
    assert route_waiting(real) == 1
    assert names.asked == []
    assert not Message.objects.get().is_unverified


def test_switched_off_nobody_is_asked(house: House, real: Ports, names: NameServer) -> None:
    set_parameter(real, "mail.authentication.check", "0", member=None)
    row = arrive(real, write_mail(), "support@in.test", peer=EVIL)
    assert proof(row) is Proof.NOT_APPLICABLE
    assert names.asked == []


# ---- explained, routed again


def test_explain_tells_who_wrote_it_and_stores_nothing(house: House, real: Ports) -> None:
    envelope = Envelope(mail_from=CARLA, rcpt_to=("support@in.test",))
    found = explain(real, write_mail(), envelope, Door.SMTP, peer=EVIL)
    assert found.authenticity.proof is Proof.SPOOFED
    assert any("only claims to be from carla@customer.example" in sentence for sentence in found.sentences)
    assert any(line.startswith("spf=fail customer.example") for line in found.authenticity.lines)
    assert not InboundMessage.objects.exists()


def test_routed_again_it_is_looked_at_again(house: House, real: Ports) -> None:
    policy(AliasPolicy.COLLEAGUES)
    mailbox = a_mailbox(house)
    raw = b"Authentication-Results: mx.provider.example; dmarc=pass header.from=box.test\r\n"
    row = arrive(
        real, raw + write_mail(sender="Bob <bob@box.test>", to="support@in.test"), door=Door.IMAP, mailbox=mailbox
    )
    assert row.state == InboundState.HELD
    Mailbox.objects.update(authserv_ids="mx.provider.example")
    route_again(real, row.pk, member=None)
    while route_waiting(real):
        pass
    row.refresh_from_db()
    assert (row.state, proof(row)) == (InboundState.ROUTED, Proof.PROVEN)


# ---- bad days


def strangers(count: int, first: int = 0) -> list[Arrival]:
    return [
        Arrival(
            door=Door.SMTP,
            raw=write_mail(
                sender=f"Carla <c@shop{number}.example>",
                Message_ID=f"<m{number}@shop.example>",
                subject=f"Case {number}",
            ),
            envelope=Envelope(mail_from=f"c@shop{number}.example", rcpt_to=("support@in.test",)),
            peer=EVIL,
        )
        for number in range(first, first + count)
    ]


@pytest.mark.slow
def test_a_dead_name_server_loses_nothing_and_delays_within_its_bound(
    house: House, real: Ports, names: NameServer
) -> None:
    names.trouble = "silent"
    set_parameter(real, "mail.authentication.seconds", "1", member=None)
    set_parameter(real, "mail.gateway.loop.threshold", "0", member=None)
    accept_messages(real, strangers(200))
    began = time.monotonic()
    while route_waiting(real):
        assert time.monotonic() - began < 150
    took = time.monotonic() - began
    print(f"200 mails with a dead name server: {took:.1f} s")
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {InboundState.ROUTED}
    assert Record.objects.count() == 200
    assert {row.authentication["reasons"][0]["code"] for row in InboundMessage.objects.all()} == {"sender.trouble"}


def test_one_slow_domain_holds_nobody_up(house: House, real: Ports, names: NameServer) -> None:
    names.silent |= {"shop0.example", "_dmarc.shop0.example"}
    set_parameter(real, "mail.authentication.seconds", "3", member=None)
    slow, *rest = accept_messages(real, strangers(4))
    deadline = time.monotonic() + 30
    while InboundMessage.objects.filter(pk__in=rest, state=InboundState.ROUTED).count() < 3:
        assert route_waiting(real)
        assert time.monotonic() < deadline
    assert InboundMessage.objects.get(pk=slow).state == InboundState.RECEIVED
    while route_waiting(real):
        assert time.monotonic() < deadline
    assert InboundMessage.objects.get(pk=slow).state == InboundState.ROUTED


def test_whose_checker_died_is_taken_by_another(house: House, real: Ports) -> None:
    (number,) = accept_messages(real, strangers(1))
    now = real.clock.now()
    taken = take_unproven(now, now + timedelta(seconds=10), 10)
    assert [one.id for one in taken] == [number]
    assert not take_unproven(now, now, 10)
    later = now + timedelta(seconds=11)
    assert [one.id for one in take_unproven(later, later, 10)] == [number]
    InboundMessage.objects.update(due_at=now)  # the lease of him who died is over
    while route_waiting(real):
        pass
    assert InboundMessage.objects.get().state == InboundState.ROUTED


def test_many_large_mails_are_not_all_held_in_memory_at_once(
    house: House, real: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom.flows.prove_senders.MOST_BYTES", 500_000)
    large = [
        replace(one, raw=one.raw.replace(b"where is", b"where " + b"x" * 70 * 1024 * 6 + b" is"))
        for one in (replace(arrival, raw=arrival.raw) for arrival in strangers(4))
    ]
    accept_messages(real, large)
    while route_waiting(real):
        pass
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {InboundState.ROUTED}


def test_a_mail_whose_bytes_are_gone_fails_alone(house: House, real: Ports) -> None:
    first, second = accept_messages(real, strangers(2))
    RawMail.objects.filter(inbound_id=first).update(raw=None, sha256="0" * 64)
    while route_waiting(real):
        pass
    states = dict(InboundMessage.objects.values_list("id", "state"))
    assert states[second] == InboundState.ROUTED
    assert InboundMessage.objects.get(pk=first).attempt_count == 1


def test_whatever_a_name_server_says_can_be_stored(house: House, real: Ports, names: NameServer) -> None:
    names.txt["customer.example"] = [("v=spf1 a:\\000\\255%{z} -all",)]
    names.txt["_dmarc.customer.example"] = [("v=DMARC1; p=\\000\\200",)]
    row = arrive(real, write_mail(), "support@in.test")
    assert row.state == InboundState.ROUTED
    assert row.authentication["findings"][0]["result"] == "permerror"
