"""The round trip with real servers: Postfix, Dovecot, PostgreSQL, and Postroom's own processes between them.

Customer Carla writes, Alice and Bob hear of it and answer from their mail programs, an address that is gone comes back as a
delivery report. Mail for in.test enters by LMTP, except answers to the catchall: those lie in a mailbox that is fetched.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email import message_from_bytes
from time import perf_counter

import pytest

from postroom.core.terms.states import Door, InboundState, NotificationState
from postroom.store.models import Follower, InboundMessage, Mailbox, Message, Notification, Record
from postroom.wiring import ports
from tests.e2e.installation import DEADLINE, Installation, installed
from tests.laboratory.availability import requires_dovecot, requires_postfix
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.mail_client import compose_reply, envelope_of, send, submit, text_of
from tests.laboratory.ports import LOOPBACK, Port
from tests.laboratory.postfix import Postfix
from tests.laboratory.waiting import wait_until
from tests.people import House, add_contact, add_server, build_house, write_mail

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, requires_postfix, requires_dovecot]

ALICE, BOB, CARLA, REPLIES = "alice@box.test", "bob@box.test", "carla@customer.example", "replies@box.test"
CHECKS_AS = "mail.box.test"  # the company's Postfix, to whose findings about senders the mailbox listens
USERS = {ALICE: "alices word", BOB: "bobs word", CARLA: "carlas word", REPLIES: "nobodys word"}


@dataclass(frozen=True)
class Town:
    """The servers, the company, and its Postroom."""

    postfix: Postfix
    dovecot: Dovecot
    postroom: Installation
    house: House

    def carla_writes(self) -> Record:
        """To support@; the ticket that comes of it, once Alice and Bob have their mail."""
        send(self.postfix.smtp_port, write_mail(f"Customer Carla <{CARLA}>", "support@in.test"))
        wait_until(Record.objects.exists, "there is a ticket", DEADLINE)
        for address in (ALICE, BOB):
            self.dovecot.wait_for_mail(address, deadline=DEADLINE)
        return Record.objects.get()

    def messages_of(self, record: Record, count: int) -> list[Message]:
        """Its messages, oldest first, as soon as there are at least ``count``."""

        def enough() -> list[Message]:
            found = list(record.messages.order_by("id").select_related("body", "author"))
            return found if len(found) >= count else []

        return wait_until(enough, f"the ticket has {count} messages", DEADLINE)


def checked(raw: bytes) -> bytes:
    """As a filter of the company's Postfix would mark what its own people hand in (RFC 8601)."""
    return f"Authentication-Results: {CHECKS_AS}; dmarc=pass header.from=box.test\r\n".encode("ascii") + raw


@pytest.fixture
def town() -> Iterator[Town]:
    began = perf_counter()
    smtp, lmtp = Port(), Port()
    house = build_house()
    with ExitStack() as stack:
        stack.callback(smtp.release)
        stack.callback(lmtp.release)
        dovecot = stack.enter_context(Dovecot(USERS))
        settings = {
            "recipient_delimiter": "+",
            "virtual_alias_maps": f"inline:{{ {{ catchall@in.test = {REPLIES} }} }}",
        }
        relays = {
            "in.test": f"lmtp:inet:{LOOPBACK}:{lmtp}",
            "box.test": dovecot.lmtp_transport,
            "customer.example": dovecot.lmtp_transport,
        }
        postfix = stack.enter_context(Postfix(relays, settings=settings))
        add_server(LOOPBACK, postfix.smtp_port)
        Mailbox.objects.create(
            company=house.company,
            name="Replies",
            host="localhost",
            port=dovecot.imaps_port,
            username=REPLIES,
            secret=ports().vault.seal(USERS[REPLIES]),
            is_confirmed=True,
            authserv_ids=CHECKS_AS,
        )
        trusting = {"SSL_CERT_FILE": str(dovecot.ca_file)}
        roles = ("door", "router", "deliverer", "watcher")
        postroom = stack.enter_context(installed(*roles, smtp=smtp, lmtp=lmtp, settings=trusting))
        print(f"the town was there after {perf_counter() - began:.1f} s")
        began = perf_counter()
        yield Town(postfix=postfix, dovecot=dovecot, postroom=postroom, house=house)
        print(f"the story took {perf_counter() - began:.1f} s")


def test_a_customers_mail_becomes_a_ticket_and_the_answers_come_back_to_it(town: Town) -> None:
    record = town.carla_writes()
    (question,) = town.messages_of(record, 1)
    (at_alices,), (at_bobs,) = town.dovecot.mails(ALICE), town.dovecot.mails(BOB)
    assert record.title == "My parcel is late"
    assert question.author_address == CARLA
    assert "where is my parcel?" in question.body.text
    for raw in (at_alices, at_bobs):
        mail = message_from_bytes(raw)
        assert mail["Subject"] == "My parcel is late"
        assert "where is my parcel?" in text_of(mail)
        assert mail["Return-Path"].startswith("<bounce+")
    assert message_from_bytes(at_alices)["Message-ID"] == message_from_bytes(at_bobs)["Message-ID"]

    # Bob's program forgets References, and he changes the subject: the address he answers to is enough
    raw = compose_reply(
        at_bobs,
        body="It left on Monday.",
        author=f"Bob <{BOB}>",
        changed_subject=True,
        keep_references=False,
        html=True,
    )
    assert "+" in envelope_of(raw)[1][0]
    send(town.postfix.smtp_port, checked(raw))
    _, answer = town.messages_of(record, 2)
    assert (answer.author, answer.is_unverified) == (town.house.bob.contact, False)
    assert "It left on Monday." in answer.body.html
    assert "where is my parcel?" not in answer.body.html
    assert "where is my parcel?" in answer.body.quoted_html
    _, at_alices = town.dovecot.wait_for_mail(ALICE, 2, DEADLINE)
    assert "It left on Monday." in text_of(message_from_bytes(at_alices))

    # Alice writes to the catchall itself: References are enough, too
    raw = compose_reply(at_alices, body="Thank you, Bob.", author=f"Alice <{ALICE}>")
    bare = raw.replace(envelope_of(raw)[1][0].encode(), b"catchall@in.test")
    submit(town.postfix.smtp_port, ALICE, "catchall@in.test", checked(bare))
    _, _, thanks = town.messages_of(record, 3)
    assert thanks.author == town.house.alice.contact
    _, at_bobs = town.dovecot.wait_for_mail(BOB, 2, DEADLINE)
    assert "Thank you, Bob." in text_of(message_from_bytes(at_bobs))

    town.postfix.wait_until_idle()
    assert len(town.dovecot.mails(ALICE)) == len(town.dovecot.mails(BOB)) == 2, "nobody hears himself"
    assert Record.objects.get() == record
    doors = list(InboundMessage.objects.order_by("id").values_list("door", "state"))
    routed = InboundState.ROUTED
    assert doors == [(Door.LMTP, routed), (Door.IMAP, routed), (Door.IMAP, routed)]
    assert len(town.dovecot.mails(REPLIES)) == 2, "what is fetched stays, marked as seen"
    wait_until(lambda: all("\\Seen" in flags for flags in town.dovecot.flags(REPLIES)), "they are marked", DEADLINE)
    states = wait_until(_settled_states, "all notifications are sent", DEADLINE)
    assert states == [NotificationState.SENT] * 4


def test_a_recipient_that_is_gone_turns_red_with_the_reason_and_no_other(town: Town) -> None:
    record = town.carla_writes()
    ghost = add_contact("Ghost", "ghost@box.test", town.house.company)
    Follower.objects.create(record=record, contact=ghost)
    (at_bobs,) = town.dovecot.mails(BOB)
    send(town.postfix.smtp_port, compose_reply(at_bobs, body="On its way.", author=f"Bob <{BOB}>"))
    _, answer = town.messages_of(record, 2)

    came_back = Notification.objects.filter(message=answer, state=NotificationState.BOUNCE)
    wait_until(came_back.exists, "it came back", DEADLINE)
    red = came_back.get()
    assert red.contact == ghost
    assert red.failure_type == "mail_bounce"
    assert "550 5.1.1" in red.failure_reason
    assert "ghost@box.test" in red.failure_reason
    states = wait_until(_settled_states, "all notifications are settled", DEADLINE)
    assert states == [NotificationState.SENT] * 3 + [NotificationState.BOUNCE]
    report = InboundMessage.objects.order_by("id").last()
    assert report is not None
    assert (report.door, report.mail_from, report.state) == (Door.LMTP, "", InboundState.ROUTED)
    assert report.rcpt_to[0].startswith("bounce+")
    assert record.messages.count() == 2, "a report is no message"
    assert Record.objects.count() == 1


def test_mail_for_nobody_is_refused_in_the_session_and_never_comes_in(town: Town) -> None:
    with smtplib.SMTP(LOOPBACK, town.postroom.smtp_port, timeout=90) as peer:
        peer.ehlo("mx.customer.example")
        assert peer.mail(CARLA)[0] == 250
        code, text = peer.rcpt("nobody@in.test")
        assert (code, text[:5]) == (550, b"5.1.1")
        assert peer.rcpt("support@in.test")[0] == 250, "the others are served"
        assert peer.rset()[0] == 250
    assert not InboundMessage.objects.exists()
    # through Postfix, Carla hears it from Postfix
    submit(town.postfix.smtp_port, CARLA, "nobody@in.test", write_mail(to="nobody@in.test"))
    (report,) = town.dovecot.wait_for_mail(CARLA, deadline=DEADLINE)
    assert b"5.1.1" in report
    assert not InboundMessage.objects.exists()


def _settled_states() -> list[str]:
    """The states of all notifications, once none is on its way."""
    states = list(Notification.objects.order_by("id").values_list("state", flat=True))
    if NotificationState.READY in states:
        return []
    return sorted(states, key=lambda state: state != NotificationState.SENT)
