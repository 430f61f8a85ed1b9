"""Two companies share the house: neither sees nor changes what is the other's, or what belongs to both."""

from __future__ import annotations

import pytest

from postroom.adapters.html.sanitizing import Sanitizer
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState, Role
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.access import NotAllowed, is_house_administrator, visible_inbound
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import save_domain, save_server, set_parameter
from postroom.flows.settle_inbound import refuse_held
from postroom.store.models import AliasDomain, Company, InboundMessage, Member, OutgoingServer
from postroom.wiring import ports
from tests.people import House, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def stranger(house: House) -> Member:
    """The administrator of the other company."""
    domain = AliasDomain.objects.create(name="other.test")
    other = Company.objects.create(name="Other", alias_domain=domain)
    return add_member(other, "Otto", "otto@other.test", role=Role.ADMINISTRATOR)


def hold_a_mail(to: str = "postmaster@in.test") -> InboundMessage:
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=(to,))
    pk = accept_message(ports(), Arrival(door=Door.SMTP, raw=write_mail(to=to), envelope=envelope))
    while route_waiting(ports()):
        pass
    return InboundMessage.objects.get(pk=pk)


def test_held_mail_belongs_to_the_company_whose_domain_it_was_sent_to(house: House, stranger: Member) -> None:
    held = hold_a_mail()
    assert (held.state, held.company) == (InboundState.HELD, house.company)
    assert not visible_inbound(stranger).exists()
    assert visible_inbound(house.alice).get() == held
    with pytest.raises(InboundMessage.DoesNotExist):
        refuse_held(ports(), held.pk, member=stranger)


def test_parameters_are_the_houses(house: House, stranger: Member) -> None:
    with pytest.raises(NotAllowed, match="every company"):
        set_parameter(ports(), "mail.retry.days", "9", member=stranger)
    stranger.user.is_superuser = True
    assert set_parameter(ports(), "mail.retry.days", "9", member=stranger) == "9"


def test_the_administrator_of_the_only_company_is_the_houses(house: House) -> None:
    assert is_house_administrator(house.alice)
    assert not is_house_administrator(house.bob)


def test_nobody_changes_another_companys_domain_or_a_shared_server(house: House, stranger: Member) -> None:
    shared = OutgoingServer.objects.create(name="shared", host="127.0.0.1")
    with pytest.raises(NotAllowed):
        save_domain(ports(), {"id": house.domain.pk, "default_from": "otto"}, member=stranger)
    with pytest.raises(NotAllowed):
        save_server(ports(), {"id": shared.pk, "port": 26}, member=stranger)
    with pytest.raises(NotAllowed):
        save_server(ports(), {"name": "new", "host": "127.0.0.1", "company": house.company}, member=stranger)
    own = save_server(ports(), {"name": "own", "host": "127.0.0.1", "company": stranger.company}, member=stranger)
    assert own.company == stranger.company


def test_a_new_server_for_every_company_needs_a_house_administrator(house: House, stranger: Member) -> None:
    with pytest.raises(NotAllowed):
        save_server(ports(), {"name": "new", "host": "127.0.0.1", "company": None}, member=stranger)
    with pytest.raises(NotAllowed):
        save_server(ports(), {"name": "new", "host": "127.0.0.1"}, member=stranger)


def test_a_mail_cannot_make_a_page_of_ours_be_asked_for() -> None:
    clean = Sanitizer().sanitize(
        '<img src="/settings/changes/"><img src="cid:logo"><img src="https://a.example/p.png">'
    )
    assert "/settings/" not in clean
    assert "cid:logo" in clean
