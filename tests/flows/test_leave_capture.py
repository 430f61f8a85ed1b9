"""The end of capture mode: what waits is spoken of first, and cancelled or sent as a person chose."""

from __future__ import annotations

import pytest

from postroom.core.terms.addresses import exists_nowhere
from postroom.core.terms.states import DeliveryState
from postroom.flows.access import NotAllowed
from postroom.flows.guard_installation import is_capturing
from postroom.flows.leave_capture import NotChosen, leave_capture, waiting_mails
from postroom.flows.ports import Ports
from postroom.store.models import Delivery, Installation
from tests.flows.outgoing_mails import a_company, a_mail, deliveries, ports_with
from tests.people import build_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def ports() -> Ports:
    return ports_with()


@pytest.fixture
def waiting(ports: Ports) -> list[Delivery]:
    """Two mails that wait, one of them to nobody, and one that left."""
    now = ports.clock.now()
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=now)
    mail = a_mail(a_company(), at=now)
    (hugo,) = deliveries(mail, "hugo@petit.example", at=now, state=DeliveryState.DEFERRED)
    (carla,) = deliveries(mail, "carla@customer-company.com", at=now)
    deliveries(mail, "daniel@okafor-lamps.com", at=now, state=DeliveryState.SENT, finished_at=now)
    return [hugo, carla]


def states() -> set[str]:
    return set(Delivery.objects.exclude(state=DeliveryState.SENT).values_list("state", flat=True))


@pytest.mark.usefixtures("waiting")
def test_it_is_told_how_many_wait_and_how_many_of_them_go_nowhere() -> None:
    found = waiting_mails()
    assert (found.count, found.made_up, found.example, found.is_more) == (2, 1, "hugo@petit.example", False)
    Installation.objects.update(is_capturing=False)
    assert waiting_mails().count == 0, "mail leaves already: there is nothing to choose"


@pytest.mark.usefixtures("waiting")
def test_while_nobody_chose_nothing_leaves(ports: Ports) -> None:
    with pytest.raises(NotChosen):
        leave_capture(ports, cancels=None, member=None)
    assert is_capturing()
    assert states() == {"deferred", "queued"}


@pytest.mark.usefixtures("waiting")
def test_what_waits_is_cancelled_before_mail_leaves(ports: Ports) -> None:
    assert leave_capture(ports, cancels=True, member=None) == 2
    assert not is_capturing()
    assert states() == {"cancelled"}


@pytest.mark.usefixtures("waiting")
def test_what_waits_leaves_where_a_person_says_so(ports: Ports) -> None:
    assert leave_capture(ports, cancels=False, member=None) == 0
    assert not is_capturing()
    assert states() == {"deferred", "queued"}


def test_where_nothing_waits_nothing_is_asked(ports: Ports) -> None:
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=ports.clock.now())
    assert leave_capture(ports, cancels=None, member=None) == 0
    assert not is_capturing()


@pytest.mark.usefixtures("waiting")
def test_too_many_are_cancelled_in_the_queue(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.flows.leave_capture.MOST", 1)
    found = waiting_mails()
    assert (found.count, found.is_more) == (1, True)
    with pytest.raises(NotChosen, match="More than 1"):
        leave_capture(ports, cancels=True, member=None)
    assert is_capturing()


@pytest.mark.usefixtures("waiting")
def test_only_an_administrator_of_the_house_lets_mail_leave(ports: Ports) -> None:
    with pytest.raises(NotAllowed):
        leave_capture(ports, cancels=True, member=build_house().bob)
    assert is_capturing()


@pytest.mark.parametrize(
    ("address", "is_nowhere"),
    [
        ("hugo@petit.example", True),
        ("lumen.TEST.", True),
        ("root@localhost", True),
        ("carla@example.com.au", False),
        ("carla@test-lamps.com", False),
        ("", False),
    ],
)
def test_names_that_are_kept_for_examples_exist_nowhere(address: str, is_nowhere: bool) -> None:
    assert exists_nowhere(address) is is_nowhere
