"""The page of stopped loops: what is held, why, and the three decisions."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState, Role
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.store.models import Company, InboundMessage, LoopHold, Member, Parameter, Record
from postroom.wiring import ports
from tests.people import House, add_member, build_house, write_mail
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    """Carla has written more than may be, and so have many others."""
    house = build_house()
    set_parameter(ports(), "mail.gateway.loop.threshold", "2", member=None)
    write("carla@customer.example", 4, "support@in.test")
    for number in range(9):
        write(f"stranger{number}@many.example", 1, "sales@in.test")
    write("<script>alert(1)</script>@bad.example", 1, "sales@in.test")
    write("stranger77@many.example", 3, "sales@in.test")
    return house


def write(sender: str, count: int, to: str) -> None:
    accept_messages(
        ports(),
        [
            Arrival(
                door=Door.SMTP,
                raw=write_mail(
                    sender=sender, to=to, subject=f"Question {n} <b>", text=f"Question number {n}, {sender}"
                ),
                envelope=Envelope(mail_from=sender, rcpt_to=(to,)),
            )
            for n in range(count)
        ],
    )
    route()


def route() -> None:
    while route_waiting(ports()):
        pass


@pytest.fixture
def window(signed_in: SignedIn, house: House) -> Client:
    return signed_in(house.alice)


def test_each_group_tells_target_author_count_reason_and_the_newest_mails(window: Client, house: House) -> None:
    shown = window.get("/inbound/loops/").content.decode()
    for words in (
        "support@in.test",
        "carla@customer.example has written 2 mails to support@in.test within the window",
        "2 mails held",
        "sales@in.test has made 10 records within the window",
        "These are real: let them in",
        "Allow this sender",
        "Question 3 &lt;b&gt;",
    ):
        assert words in shown, words
    assert "<b>" not in shown.partition("<body")[2].replace("<b></b>", "")


def test_the_alarm_on_the_first_page_leads_to_its_target(window: Client, house: House) -> None:
    link = f"/inbound/loops/?target=alias:{house.support.pk}"
    assert f'href="{link}"' in window.get("/").content.decode()
    shown = window.get(link).content.decode()
    assert "carla@customer.example" in shown
    assert "sales@in.test" not in shown


def test_to_release_routes_again_and_says_how_many(window: Client, house: House) -> None:
    before = Record.objects.count()
    posted = {"target": f"alias:{house.support.pk}", "author": "carla@customer.example", "act": "release"}
    answer = window.post("/inbound/loops/act/", posted, follow=True)
    assert "2 mails are routed again." in answer.content.decode()
    route()
    assert Record.objects.count() == before + 2


def test_to_allow_a_sender_puts_him_on_the_list(window: Client, house: House) -> None:
    posted = {"target": f"alias:{house.support.pk}", "author": "carla@customer.example", "act": "allow"}
    answer = window.post("/inbound/loops/act/", posted, follow=True)
    assert "carla@customer.example is on the allow-list now." in answer.content.decode()
    assert Parameter.objects.get(key="mail.gateway.allowed").value == "carla@customer.example"


def test_to_let_it_be_ends_the_alarm_and_holds_on(window: Client, house: House) -> None:
    posted = {"target": f"alias:{house.support.pk}", "author": "carla@customer.example", "act": "leave"}
    answer = window.post("/inbound/loops/act/", posted, follow=True)
    assert "2 mails stay held." in answer.content.decode()
    assert f"target=alias:{house.support.pk}" not in window.get("/").content.decode()
    assert InboundMessage.objects.filter(state=InboundState.HELD, loop_holds__subject=posted["target"]).count() == 2


@pytest.mark.parametrize("posted", [{}, {"act": "burn"}, {"act": "allow", "author": "nobody"}])
def test_what_is_no_decision_is_not_found(window: Client, posted: dict[str, str]) -> None:
    assert window.post("/inbound/loops/act/", posted).status_code == 404


def test_agents_and_other_companies_see_nothing_of_it(signed_in: SignedIn, house: House) -> None:
    assert signed_in(house.bob).get("/inbound/loops/").status_code == 403
    other = Company.objects.create(name="Other", alias_domain=house.domain)
    stranger = add_member(other, "Olga", "olga@other.example", role=Role.MANAGER)
    their = signed_in(stranger)
    assert "carla@customer.example" not in their.get("/inbound/loops/").content.decode()
    their.post("/inbound/loops/act/", {"target": f"alias:{house.support.pk}", "act": "release"})
    assert LoopHold.objects.filter(subject=f"alias:{house.support.pk}", ended_at=None).count() == 2


def test_a_manager_who_is_no_house_administrator_may_not_change_the_list(signed_in: SignedIn, house: House) -> None:
    manager = add_member(house.company, "Mona", "mona@box.test", role=Role.MANAGER)
    window = signed_in(manager)
    assert "Allow this sender" not in window.get("/inbound/loops/").content.decode()
    posted = {"target": f"alias:{house.support.pk}", "author": "carla@customer.example", "act": "allow"}
    assert window.post("/inbound/loops/act/", posted).status_code == 403
    assert not Parameter.objects.filter(key="mail.gateway.allowed").exists()


def test_nothing_held_says_so(signed_in: SignedIn, alice: Member) -> None:
    assert "No loop was stopped" in signed_in(alice).get("/inbound/loops/").content.decode()
