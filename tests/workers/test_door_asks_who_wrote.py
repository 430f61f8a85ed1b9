"""From a connection at the SMTP door to a record: two forged mails and a good one, with real signatures and a real name server."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from postroom.adapters.authenticity.desk import SenderDesk
from postroom.core.terms.states import AliasPolicy
from postroom.flows.accept_message import accept_messages
from postroom.flows.check_recipient import check_recipients
from postroom.flows.ports import Ports
from postroom.flows.route_message import route_waiting
from postroom.store.models import Alias, Delivery, InboundMessage, Message
from postroom.wiring import ports
from postroom.workers.smtp_session import SmtpSession
from tests.adapters.dkim.test_verifying import BODY, HEAD, rsa_key, signed
from tests.adapters.dns.name_server import NameServer
from tests.people import House, add_contact, build_house
from tests.workers.open_door import LOOPBACK, OpenDoor, open_door

pytestmark = pytest.mark.django_db(transaction=True)

SUPPORT = "support@in.test"


@pytest.fixture
def house() -> House:
    house = build_house()
    add_contact("Customer Carla", "carla@shop.example")
    return house


@pytest.fixture
def real() -> Iterator[Ports]:
    with NameServer() as names:
        key = f"v=DKIM1; p={rsa_key()[1]}"
        names.txt["s1._domainkey.shop.example"] = [(key[:200], key[200:])]
        names.txt["_dmarc.shop.example"] = [("v=DMARC1; p=reject; adkim=s",)]
        names.txt["evil.example"] = [("v=spf1 +all",)]
        desk = SenderDesk([(LOOPBACK, names.port)])
        yield replace(ports(), senders=desk)
        desk.close()


@pytest.fixture
def door(real: Ports, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenDoor]:
    """Whose peers seem to come from the internet: the loopback is home, where nothing is asked."""

    def from_afar(session: SmtpSession) -> str:
        return f"203.0.113.9 ({session._helo})"

    monkeypatch.setattr(SmtpSession, "_peer", from_afar)
    with open_door(ports=real, accept=partial(accept_messages, real), check=partial(check_recipients, real)) as opened:
        yield opened


def hand_in(door: OpenDoor, raw: bytes, sender: str) -> None:
    with smtplib.SMTP(LOOPBACK, door.smtp_port, local_hostname="mx.evil.example", timeout=60) as peer:
        peer.sendmail(sender, [SUPPORT], raw)


def test_two_forged_mails_and_a_good_one(house: House, real: Ports, door: OpenDoor) -> None:
    Alias.objects.filter(name="support").update(policy=AliasPolicy.KNOWN_CONTACTS)
    unsigned = (HEAD + b"\r\n" + BODY).replace(b"<a@", b"<b@")
    changed = signed().replace(b"parcel?", b"money?").replace(b"<a@shop", b"<c@shop")
    hand_in(door, signed(), "bounce@mailer.example")
    hand_in(door, unsigned, "ceo@evil.example")
    hand_in(door, changed, "ceo@evil.example")
    while route_waiting(real):
        pass

    told = {row.message_id: (row.state, row.authentication["proof"]) for row in InboundMessage.objects.all()}
    assert told == {
        "<a@shop.example>": ("routed", "proven"),
        "<b@shop.example>": ("refused", "spoofed"),
        "<c@shop.example>": ("refused", "spoofed"),
    }
    message = Message.objects.get()
    assert message.author is not None
    assert (message.author.name, message.is_unverified) == ("Customer Carla", False)
    assert not Delivery.objects.exclude(
        to_address__in=["alice@box.test", "bob@box.test"]
    ).exists()  # no answer to anybody


def test_the_peers_address_and_name_are_kept_with_the_mail(house: House, door: OpenDoor) -> None:
    hand_in(door, signed(), "bounce@mailer.example")
    assert InboundMessage.objects.get().peer == "203.0.113.9 (mx.evil.example)"
