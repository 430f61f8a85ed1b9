"""queue: what waits and for what, and what can be done about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom.core.terms.reasons import because
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Company, Delivery, OutgoingMail
from tests.cli.conftest import Command

pytestmark = pytest.mark.django_db

THEN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


@pytest.fixture
def mail() -> OutgoingMail:
    company = Company.objects.create(name="Northwind Prints")
    return OutgoingMail.objects.create(
        company=company, subject="Your prints", header_message_id="<1@postroom.test>", created_at=THEN
    )


def a_delivery(mail: OutgoingMail, state: DeliveryState, **facts: object) -> Delivery:
    values = {"due_at": THEN, "deadline_at": THEN + timedelta(days=5), "created_at": THEN, **facts}
    return Delivery.objects.create(
        mail=mail, company=mail.company, to_address="carla@customer.example", state=state, **values
    )


def test_what_waits_is_listed_with_what_it_waits_for(postroom: Command, mail: OutgoingMail) -> None:
    reason = because("wait.paused", server="Relay")
    waiting = a_delivery(mail, DeliveryState.DEFERRED, waits_for=reason.as_json())
    a_delivery(mail, DeliveryState.SENT, finished_at=THEN)
    (row,) = postroom("queue", "list", "--state", "deferred", "--json").data
    assert (row["id"], row["to"], row["subject"]) == (waiting.pk, "carla@customer.example", "Your prints")
    assert row["why"] == "The server Relay is paused."
    assert row["due_at"] == "2026-01-05T10:00:00+00:00"
    assert "Your prints" in postroom("queue", "list").out


def test_the_list_is_as_long_as_asked_for_and_newest_first(postroom: Command, mail: OutgoingMail) -> None:
    rows = [a_delivery(mail, DeliveryState.SENT, finished_at=THEN) for _ in range(3)]
    listed = postroom("queue", "list", "--limit", "2", "--json").data
    assert [row["id"] for row in listed] == [rows[2].pk, rows[1].pk]


def test_an_empty_queue_says_so(postroom: Command) -> None:
    assert postroom("queue", "list").out == "Nothing there.\n"
    assert postroom("queue", "list", "--json").data == []


def test_failed_deliveries_are_queued_again_by_number(postroom: Command, mail: OutgoingMail) -> None:
    failed = a_delivery(mail, DeliveryState.FAILED, finished_at=THEN, failure_reason="550 no")
    answer = postroom("queue", "retry", str(failed.pk))
    assert (answer.code, answer.out) == (0, "1 delivery changed.\n")
    failed.refresh_from_db()
    assert failed.state == DeliveryState.QUEUED


def test_all_of_a_state_are_changed_at_once(postroom: Command, mail: OutgoingMail) -> None:
    for _ in range(3):
        a_delivery(mail, DeliveryState.QUEUED)
    a_delivery(mail, DeliveryState.SENT, finished_at=THEN)
    answer = postroom("queue", "cancel", "--all", "--json")
    assert (answer.code, len(answer.data["done"]), answer.data["refused"]) == (0, 3, {})
    assert Delivery.objects.filter(state=DeliveryState.CANCELLED).count() == 3


def test_what_waits_is_sent_now(postroom: Command, mail: OutgoingMail) -> None:
    waiting = a_delivery(mail, DeliveryState.DEFERRED, due_at=THEN + timedelta(days=3650))
    assert postroom("queue", "send", "--all").code == 0
    waiting.refresh_from_db()
    assert waiting.due_at < THEN + timedelta(days=3650)


def test_what_cannot_be_changed_is_named_with_its_reason(postroom: Command, mail: OutgoingMail) -> None:
    sent = a_delivery(mail, DeliveryState.SENT, finished_at=THEN)
    queued = a_delivery(mail, DeliveryState.QUEUED)
    answer = postroom("queue", "cancel", str(sent.pk), str(queued.pk), "999999", "--json")
    assert answer.code == 1
    assert answer.data["done"] == [queued.pk]
    assert set(answer.data["refused"]) == {str(sent.pk), "999999"}
    assert all(answer.data["refused"].values())


@pytest.mark.parametrize("words", [[], ["1", "--all"], ["--all", "--state", "lost"], ["one"]])
def test_a_wrong_call_changes_nothing_and_ends_with_2(postroom: Command, mail: OutgoingMail, words: list[str]) -> None:
    a_delivery(mail, DeliveryState.QUEUED)
    assert postroom("queue", "cancel", *words).code == 2
    assert Delivery.objects.get().state == DeliveryState.QUEUED
