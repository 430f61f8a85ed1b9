"""loop: what the breaker holds, and letting it pass or be."""

from __future__ import annotations

import pytest

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.store.models import InboundMessage, Parameter, Record
from postroom.wiring import ports
from tests.cli.conftest import Command
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db

CARLA = "carla@customer.example"


@pytest.fixture
def house() -> House:
    """Four mails of Carla's, where two may be."""
    house = build_house()
    set_parameter(ports(), "mail.gateway.loop.threshold", "2", member=None)
    envelope = Envelope(mail_from=CARLA, rcpt_to=("support@in.test",))
    texts = ("Where is it?", "Still nothing came.", "Please call me.", "I shall write to the paper.")
    accept_messages(ports(), [Arrival(door=Door.SMTP, raw=write_mail(text=one), envelope=envelope) for one in texts])
    route()
    return house


def route() -> None:
    while route_waiting(ports()):
        pass


def test_what_is_held_is_listed_by_target_and_author(postroom: Command, house: House) -> None:
    answer = postroom("loop", "list", "--json")
    (row,) = answer.data
    assert answer.code == 1
    assert (row["target"], row["name"], row["author"]) == (f"alias:{house.support.pk}", "support@in.test", CARLA)
    assert row["count"] == 2
    assert "within the window" in row["reason"]
    assert "support@in.test" in postroom("loop", "list").out


def test_nothing_held_says_so(postroom: Command) -> None:
    answer = postroom("loop", "list")
    assert (answer.code, answer.out) == (0, "No loop was stopped.\n")


def test_release_routes_again(postroom: Command, house: House) -> None:
    assert postroom("loop", "release", f"alias:{house.support.pk}", "--author", CARLA).out == "Routed again: 2.\n"
    route()
    assert Record.objects.count() == 4


def test_allow_changes_the_list(postroom: Command, house: House) -> None:
    assert "Routed again: 2." in postroom("loop", "allow", CARLA).out
    assert Parameter.objects.get(key="mail.gateway.allowed").value == CARLA
    assert postroom("loop", "allow", "nobody").code == 2


def test_leave_keeps_the_mails_held(postroom: Command, house: House) -> None:
    assert postroom("loop", "leave", f"alias:{house.support.pk}").out == "Left as they are, held: 2.\n"
    assert InboundMessage.objects.filter(state=InboundState.HELD).count() == 2
    assert postroom("loop", "list").code == 0


def test_a_target_for_which_nothing_is_held_is_said_to_be_none(postroom: Command) -> None:
    for verb in ("release", "leave"):
        answer = postroom("loop", verb, "77")
        assert (answer.code, "postroom loop list" in answer.err) == (1, True)
