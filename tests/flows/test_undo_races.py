"""Taking back in the very moment in which a deliverer takes it, or somebody else takes it back, too."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connections

from postroom.core.terms.states import Role
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.queue import send_now
from postroom.flows.records import create_record, follow
from postroom.flows.undo_message import TakenBack, undo_message
from postroom.store.models import Delivery, Follower, Member, Message, Notification, Record, RecordKind
from tests.flows.outgoing_mails import a_company, a_server, ports_with
from tests.people import add_contact, add_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ROUNDS = 25


@pytest.fixture
def ports(transactional_db: None) -> Ports:
    a_server()
    RecordKind.objects.get_or_create(key="ticket", defaults={"label": "Ticket", "label_plural": "Tickets"})
    return ports_with()


@pytest.fixture
def alice(ports: Ports) -> Member:
    return add_member(a_company(), "Alice", "alice@northwind.example", role=Role.ADMINISTRATOR)


@pytest.fixture
def record(ports: Ports, alice: Member) -> Record:
    record = create_record(ports, company_id=alice.company_id, kind="ticket", title="Poster", author=alice)
    carla = add_contact("Customer Carla", "carla@customer.example", alice.company)
    follow(ports, record_id=record.pk, contact_id=carla.pk, by=alice)
    return record


def at_once(*works: Callable[[], object]) -> list[object]:
    """What each came to, or the exception's class; all begin in the same moment."""
    gate, found = threading.Barrier(len(works)), [None] * len(works)

    def run(number: int, work: Callable[[], object]) -> None:
        gate.wait(90)
        try:
            found[number] = work()  # type: ignore[call-overload]
        except Exception as error:
            found[number] = type(error)  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return list(found)


def test_either_a_deliverer_has_it_or_its_author_never_both(ports: Ports, record: Record, alice: Member) -> None:
    ends: Counter[str] = Counter()
    for _ in range(ROUNDS):
        message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>", may_be_undone=True)
        numbers = list(Delivery.objects.filter(mail__message=message).values_list("pk", flat=True))
        send_now(ports, numbers, member=alice)
        undone, batch = at_once(
            lambda pk=message.pk: undo_message(ports, message_id=pk, author=alice),
            lambda: claim_and_compose(ports, "worker", 100, shelf=Shelf()),
        )
        taken = {ready.ticket.delivery_id for ready in batch.ready}  # type: ignore[attr-defined]
        if isinstance(undone, TakenBack):
            ends["taken back"] += 1
            assert not taken & set(numbers)
            assert not Message.objects.filter(pk=message.pk).exists()
            assert not Delivery.objects.filter(pk__in=numbers).exists()
        else:
            ends["sent"] += 1
            assert Message.objects.filter(pk=message.pk).exists()
            assert set(Delivery.objects.filter(pk__in=numbers).values_list("pk", flat=True)) == set(numbers)
        Delivery.objects.filter(pk__in=numbers).delete()
    print(dict(ends))


def test_two_windows_take_it_back_once(ports: Ports, record: Record, alice: Member) -> None:
    for _ in range(ROUNDS):
        message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>", may_be_undone=True)
        undo = [lambda pk=message.pk: undo_message(ports, message_id=pk, author=alice)] * 3
        found = at_once(*undo)
        assert sum(isinstance(one, TakenBack) for one in found) == 1
        assert found.count(Message.DoesNotExist) == 2
    assert not Notification.objects.exists()
    assert Follower.objects.filter(record=record).count() == 2


def test_a_reader_who_answers_in_the_same_moment_loses_nothing(ports: Ports, record: Record, alice: Member) -> None:
    bob = add_member(alice.company, "Bob", "bob@northwind.example", role=Role.MANAGER)
    for _ in range(ROUNDS):
        message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>", may_be_undone=True)
        undone, answer = at_once(
            lambda pk=message.pk: undo_message(ports, message_id=pk, author=alice),
            lambda: post_message(ports, record_id=record.pk, author=bob, html="<p>y</p>", may_be_undone=True),
        )
        assert isinstance(undone, TakenBack)
        assert isinstance(answer, Message), answer
        assert Message.objects.filter(pk=answer.pk).exists()
