"""Mails that carry a key to an account: which servers they may pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from postroom.core.terms.states import Role
from postroom.flows import manage_people
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.settings import save_server
from postroom.flows.unlock_member import give_password
from postroom.store.models import AliasDomain, Company, Delivery, Member, OutgoingMail, OutgoingServer
from tests.flows.asked_for_passwords import ask_for_new_password
from tests.flows.outgoing_mails import HandClock, a_server, ports_with
from tests.web import seeding

pytestmark = pytest.mark.django_db


@pytest.fixture
def ports() -> Ports:
    return ports_with(clock=HandClock())


@pytest.fixture
def lumen() -> Company:
    domain = AliasDomain.objects.create(name="lumen.example")
    company = seeding.a_company("Lumen")
    Company.objects.filter(pk=company.pk).update(alias_domain=domain)
    company.refresh_from_db()
    return company


@pytest.fixture
def bravo() -> Company:
    return seeding.a_company("Bravo")


@pytest.fixture
def alices(lumen: Company) -> OutgoingServer:
    """What an administrator of one company entered for that company."""
    return a_server(2599, name="alice's", company=lumen, priority=1)


def hilde(lumen: Company) -> Member:
    member = seeding.a_member("hilde", "Hilde House", lumen, Role.ADMINISTRATOR)
    User.objects.filter(pk=member.user_id).update(is_superuser=True)
    return Member.objects.get(pk=member.pk)


def of_both(lumen: Company) -> Member:
    member = seeding.a_member("charlie", "Charlie Chen", lumen, Role.AGENT)
    member.companies.add(Company.objects.get(name="Bravo"))
    return member


def of_another_alone_beside_the_home_one(lumen: Company) -> Member:
    member = seeding.a_member("bob", "Bob Brandt", lumen, Role.READ_ONLY)
    member.companies.set([Company.objects.get(name="Bravo")])
    return member


def ways(ports: Ports) -> list[int | None]:
    batch = claim_and_compose(ports, "worker-1", 100, shelf=Shelf(), most_bytes=1_000_000)
    return [ready.ticket.server_id for ready in batch.ready]


@pytest.mark.parametrize("who", [hilde, of_both, of_another_alone_beside_the_home_one])
def test_a_companys_own_server_never_carries_the_key_to_more_than_that_company(
    who: Callable[[Company], Member],
    ports: Ports,
    lumen: Company,
    bravo: Company,
    alices: OutgoingServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    member = who(lumen)
    ask_for_new_password(ports, member.user.get_username(), "/login/new-password/{uid}/{token}/")
    assert ways(ports) == []
    delivery = Delivery.objects.get()
    assert delivery.waits_for["code"] == "wait.no_house_server"
    assert "more than one company" in caplog.text, "the house is told"
    houses = a_server(2598, name="the house's", priority=90)
    Delivery.objects.update(due_at=ports.clock.now())
    batch = claim_and_compose(ports, "worker-1", 100, shelf=Shelf(), most_bytes=1_000_000)
    assert [ready.ticket.server_id for ready in batch.ready] == [houses.pk]
    reasons = [ready.ticket.reasons for ready in batch.ready]
    delivery.refresh_from_db()
    assert "server.of_the_house" in str(reasons)


@pytest.mark.parametrize("way", ["entered", "given to the house"])
def test_what_waits_for_a_server_of_the_house_is_due_with_the_moment_in_which_there_is_one(
    way: str, ports: Ports, lumen: Company, bravo: Company, alices: OutgoingServer
) -> None:
    ask_for_new_password(ports, hilde(lumen).user.get_username(), "/{uid}/{token}/")
    assert ways(ports) == []
    assert Delivery.objects.get().due_at > ports.clock.now()
    values = {"name": "the house's", "transport": "smtp", "host": "127.0.0.1", "port": 2598, "encryption": "none"}
    houses = save_server(ports, values if way == "entered" else {"id": alices.pk, "company_id": None}, member=None)
    delivery = Delivery.objects.get()
    assert (delivery.due_at, delivery.waits_for) == (ports.clock.now(), None)
    assert ways(ports) == [houses.pk]


def test_a_server_of_one_company_does_not_let_the_houses_mail_go(
    ports: Ports, lumen: Company, bravo: Company, alices: OutgoingServer
) -> None:
    ask_for_new_password(ports, hilde(lumen).user.get_username(), "/{uid}/{token}/")
    assert ways(ports) == []
    save_server(ports, {"id": alices.pk, "priority": 2}, member=None)
    assert ways(ports) == []
    assert Delivery.objects.get().waits_for["code"] == "wait.no_house_server"


def test_naming_a_companys_server_does_not_get_the_key_either(
    ports: Ports, lumen: Company, bravo: Company, alices: OutgoingServer
) -> None:
    ask_for_new_password(ports, hilde(lumen).user.get_username(), "/{uid}/{token}/")
    OutgoingMail.objects.update(forced_server=alices)
    assert ways(ports) == []


def test_a_member_of_that_company_alone_gets_the_link_by_its_own_server(
    ports: Ports, lumen: Company, bravo: Company, alices: OutgoingServer
) -> None:
    a_server(2598, name="the house's", priority=90)
    seeding.a_member("bob", "Bob Brandt", lumen, Role.AGENT)
    ask_for_new_password(ports, "bob", "/{uid}/{token}/")
    assert ways(ports) == [alices.pk]


def test_the_only_company_of_a_house_needs_no_server_beside_its_own(
    ports: Ports, lumen: Company, alices: OutgoingServer
) -> None:
    ask_for_new_password(ports, hilde(lumen).user.get_username(), "/{uid}/{token}/")
    assert ways(ports) == [alices.pk]


def test_an_invitation_to_more_than_one_company_leaves_by_the_houses_server(
    ports: Ports, lumen: Company, bravo: Company, alices: OutgoingServer
) -> None:
    boss = hilde(lumen)
    wish = {"name": "Charlie Chen", "address": "charlie@postroom.test", "role": Role.AGENT}
    made = manage_people.invite_person(
        ports,
        manage_people.PersonWish(companies=(lumen.pk, bravo.pk), **wish),  # type: ignore[arg-type]
        by=boss,
    )
    assert manage_people.send_invitation(ports, made.pk, by=boss)
    assert ways(ports) == []
    assert Delivery.objects.get().waits_for["code"] == "wait.no_house_server"


def test_where_no_mail_brings_the_link_the_operator_gives_a_password(ports: Ports, lumen: Company) -> None:
    member = hilde(lumen)
    assert give_password(ports, "hilde", "a-lighthouse-at-night")
    member.user.refresh_from_db()
    assert member.user.check_password("a-lighthouse-at-night")
    assert not give_password(ports, "nobody", "a-lighthouse-at-night")
