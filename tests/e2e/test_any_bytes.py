"""A thousand strange mails through each door, and all of them to the end: kept, routed, and what follows from them sent.

STRANGE_MAILS in the environment is another number than 1000.
"""

from __future__ import annotations

import logging
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from time import perf_counter

import pytest

from postroom.core.terms.states import DeliveryState, Door, InboundState
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.accept_message import accept_messages
from postroom.flows.check_recipient import check_recipients
from postroom.flows.fetch_mailbox import fetch_now
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.store.models import Delivery, InboundMessage, OutgoingMail, Record
from postroom.wiring import ports
from tests.cli.conftest import Command
from tests.cli.conftest import postroom as postroom  # noqa: PLC0414 - a fixture
from tests.e2e.installation import installed
from tests.e2e.strange_mails import Maker
from tests.flows.scripted_mailbox import ScriptedMailbox, make_mailbox, ports_with
from tests.laboratory.ports import Port
from tests.laboratory.sink import CountingSinkProcess
from tests.laboratory.waiting import wait_until
from tests.people import House, add_server, build_house, write_mail
from tests.workers.open_door import OpenDoor, Peer, open_door

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(3000)]

COUNT = int(os.environ.get("STRANGE_MAILS", "1000"))
SENDERS = (
    "carla@customer.example",
    "",
    "alice@box.test",
    "x" * 200 + "@customer.example",
    "grüße@bücher.example",
    '"a b"@c.example',
)
CLEAR_REPLY = re.compile(r"(250 2\.0\.0|554 5\.4\.6|552 5\.3\.4) ")


@pytest.fixture
def house() -> House:
    """With two conversations that strange mails may answer, and with the loop breaker off."""
    house = build_house()
    set_parameter(ports(), "mail.gateway.loop.threshold", "0", member=house.alice)
    return house


@pytest.fixture
def door() -> Iterator[OpenDoor]:
    real = ports()
    with open_door(ports=real, accept=partial(accept_messages, real), check=partial(check_recipients, real)) as door:
        yield door


@pytest.fixture
def maker(house: House, door: OpenDoor) -> Maker:
    """It knows what a customer or a server out there may know of us."""
    for number in range(2):
        say(
            door.smtp_port, "EHLO", write_mail(Message_ID=f"<known-{number}@customer.example>"), "", ["support@in.test"]
        )
    route_all()
    sent = OutgoingMail.objects.order_by("id")
    bounces = [
        f"bounce+{make_token(ports().address_keys, TokenPurpose.BOUNCE, number)}@in.test"
        for number in Delivery.objects.values_list("pk", flat=True)
    ]
    known_ids = [b"<known-0@customer.example>", *(mail.header_message_id.encode() for mail in sent)]
    addresses = [*(mail.reply_to_address for mail in sent), *bounces]
    return Maker(random.Random(), known_ids, [address.encode() for address in addresses])


def say(port: int, greet: str, raw: bytes, sender: str, recipients: list[str]) -> list[str]:
    """Hand a mail over as it is; the replies to it."""
    with Peer(port, greet=greet) as peer:
        return _say_on(peer, raw, sender, recipients, replies=1 if greet == "EHLO" else len(recipients))


def _say_on(peer: Peer, raw: bytes, sender: str, recipients: list[str], *, replies: int) -> list[str]:
    assert peer.say(f"MAIL FROM:<{sender}> SMTPUTF8").startswith("250 ")
    for recipient in recipients:
        assert peer.say(f"RCPT TO:<{recipient}>").startswith("250 ")
    assert peer.say("DATA").startswith("354 ")
    ended = raw if raw.endswith(b"\r\n") or not raw else raw + b"\r\n"
    peer.send(re.sub(rb"(\A|\r\n)\.", rb"\1..", ended) + b".\r\n")
    return [peer.reply() for _ in range(replies)]


def route_all() -> None:
    while route_waiting(ports()):
        pass


def judge(began: float, caplog: pytest.LogCaptureFixture, expected: int, door: Door) -> None:
    """All is routed at the first try, and nobody complained."""
    accepted = perf_counter()
    route_all()
    rows = InboundMessage.objects.filter(door=door)
    troubled = list(rows.exclude(error="").values_list("pk", "error")[:5])
    states = Counter(rows.values_list("state", flat=True))
    assert not troubled, states
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert rows.count() >= expected
    assert not states.keys() & {InboundState.RECEIVED, InboundState.FAILED}, states
    assert not rows.filter(attempt_count__gt=0).exists()
    print(
        f"{door}: {expected} accepted in {accepted - began:.1f} s, routed in {perf_counter() - accepted:.1f} s: "
        f"{dict(states)}, {Record.objects.count()} records"
    )


@pytest.mark.parametrize("kind", [Door.SMTP, Door.LMTP])
def test_a_thousand_strange_mails_over_a_door_are_all_routed(
    kind: Door, maker: Maker, door: OpenDoor, caplog: pytest.LogCaptureFixture
) -> None:
    maker.dice.seed(f"{kind} 20260305")
    dice, began = maker.dice, perf_counter()
    local = ["support@in.test", "sales@in.test", "catchall@in.test", "bounce@in.test", "postmaster"]
    local += [address.decode() for address in maker.known_addresses]
    port, greet = (door.smtp_port, "EHLO") if kind == Door.SMTP else (door.lmtp_port, "LHLO")
    replies: Counter[str] = Counter()
    with Peer(port, greet=greet) as peer:
        for _ in range(COUNT):
            recipients = dice.sample(local, dice.choice((1, 1, 1, 2, 3)))
            raw = maker.mail(to=recipients[0].encode())
            heard = _say_on(
                peer, raw, dice.choice(SENDERS), recipients, replies=1 if kind == Door.SMTP else len(recipients)
            )
            assert all(CLEAR_REPLY.match(reply) for reply in heard), heard
            replies[heard[0][:3]] += 1
    assert replies["250"] > 0.95 * COUNT
    judge(began, caplog, replies["250"], kind)


def test_a_thousand_strange_mails_on_the_pipe_are_all_routed(
    maker: Maker, postroom: Command, caplog: pytest.LogCaptureFixture
) -> None:
    maker.dice.seed("pipe 20260305")
    dice, began = maker.dice, perf_counter()
    codes: Counter[int] = Counter()
    for _ in range(COUNT):
        raw = maker.mail(to=dice.choice((b"support@in.test", b"sales@in.test", *maker.known_addresses)))
        recipients = dice.choice(((), ("--rcpt", "support@in.test"), ("--rcpt", "sales@in.test", "--mail-from", "<>")))
        answer = postroom("receive", *recipients, stdin=raw)
        assert answer.code in (0, 65), answer
        assert "Traceback" not in answer.err
        codes[answer.code] += 1
    assert codes[0] > 0.95 * COUNT
    judge(began, caplog, codes[0], Door.PIPE)


def test_a_thousand_strange_mails_in_a_mailbox_are_all_routed(
    maker: Maker, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    maker.dice.seed("imap 20260305")
    dice, began = maker.dice, perf_counter()
    box = ScriptedMailbox()
    mailbox = make_mailbox(company=house.company, fallback_kind=house.lead)
    for _ in range(COUNT):
        box.put(maker.mail(to=dice.choice((b"support@in.test", b"nobody@in.test", *maker.known_addresses))))
    taken = 0
    while True:
        done = fetch_now(ports_with(box), mailbox.pk)
        assert not done.trouble
        taken += done.taken
        if not done.has_more:
            break
    assert taken == COUNT
    judge(began, caplog, COUNT, Door.IMAP)


def test_what_strange_mails_make_us_send_is_sendable(
    maker: Maker, door: OpenDoor, caplog: pytest.LogCaptureFixture
) -> None:
    """Followers hear of them, strangers get their refusals: with the subjects, names and files that came in."""
    maker.dice.seed("sending 20260305")
    began = perf_counter()
    with Peer(door.smtp_port, greet="EHLO") as peer:
        for _ in range(COUNT // 4):
            _say_on(peer, maker.mail(), "carla@customer.example", ["support@in.test"], replies=1)
    judge(began, caplog, 0, Door.SMTP)
    smtp, lmtp = Port(), Port()
    with CountingSinkProcess() as sink:
        add_server(port=sink.smtp_port)
        with installed("deliverer", smtp=smtp, lmtp=lmtp) as postroom_itself:
            waiting = Delivery.objects.filter(state__in=[DeliveryState.QUEUED, DeliveryState.SENDING])
            wait_until(lambda: not waiting.exists(), "everything left", 900)
            states = Counter(Delivery.objects.values_list("state", flat=True))
            assert states.keys() == {DeliveryState.SENT}, postroom_itself.logs()
        assert len(sink.accepted()) == states[DeliveryState.SENT]
    for port in (smtp, lmtp):
        port.release()
    print(f"{states[DeliveryState.SENT]} mails sent of them, {perf_counter() - began:.1f} s in all")
