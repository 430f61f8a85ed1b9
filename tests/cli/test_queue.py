"""queue: what waits and for what, and what can be done about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom.core.terms.reasons import because
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Attempt, Company, Delivery, OutgoingContent, OutgoingMail, OutgoingServer
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


def test_lists_and_changes_are_narrowed_by_the_same_words(postroom: Command, mail: OutgoingMail) -> None:
    server = OutgoingServer.objects.create(name="Relay")
    wanted = a_delivery(mail, DeliveryState.QUEUED, server=server, lane=2, waits_for=because("wait.paused").as_json())
    a_delivery(mail, DeliveryState.QUEUED, lane=2, waits_for=because("wait.paused").as_json())
    a_delivery(mail, DeliveryState.QUEUED, server=server, lane=0)
    words = ("--gate", "paused", "--lane", "campaign", "--server", "Relay", "--to", "carla@customer.example")
    (row,) = postroom("queue", "list", *words, "--json").data
    assert (row["id"], row["gate"], row["server"]) == (wanted.pk, "paused", "Relay")
    assert postroom("queue", "cancel", "--all", *words, "--json").data["done"] == [wanted.pk]


@pytest.mark.parametrize("words", [("--gate", "none"), ("--lane", "fast"), ("--server", "nobody")])
def test_a_filter_that_makes_no_sense_says_what_would(
    postroom: Command, mail: OutgoingMail, words: tuple[str, str]
) -> None:
    answer = postroom("queue", "list", *words)
    assert answer.code == 2
    assert words[1] in answer.err


def an_unknown(mail: OutgoingMail) -> Delivery:
    row = a_delivery(mail, DeliveryState.UNKNOWN, finished_at=THEN, failure_reason="The worker died.")
    Attempt.objects.create(
        delivery=row, tried_at=THEN, phase="body", connection="relay.example:587#1", tls="TLSv1.3", state="unknown"
    )
    return row


def test_unknown_outcomes_are_listed_with_what_is_known(postroom: Command, mail: OutgoingMail) -> None:
    assert postroom("queue", "unknown").out == "Every outcome is known.\n"
    row = an_unknown(mail)
    (known,) = postroom("queue", "unknown", "--json").data
    assert (known["id"], known["connection"], known["message_id"]) == (
        row.pk,
        "relay.example:587#1",
        "<1@postroom.test>",
    )
    assert "<1@postroom.test>" in postroom("queue", "unknown").out


@pytest.mark.parametrize(("word", "state"), [("--arrived", "sent"), ("--again", "cancelled"), ("--give-up", "failed")])
def test_unknown_outcomes_are_decided_by_number_or_all(
    postroom: Command, mail: OutgoingMail, word: str, state: str
) -> None:
    OutgoingContent.objects.create(mail=mail, content_headers=b"", body=b"x")
    one, other = an_unknown(mail), an_unknown(mail)
    assert postroom("queue", "resolve", str(one.pk), word).out == "1 delivery changed.\n"
    assert (postroom("queue", "resolve", "--all", word, "--json").data)["done"] == [other.pk]
    assert {Delivery.objects.get(pk=row.pk).state for row in (one, other)} == {state}
    assert postroom("queue", "resolve", str(one.pk), word).code == 1


@pytest.mark.parametrize("words", [("1",), ("1", "--arrived", "--again"), ("--arrived",), ("1", "--all", "--arrived")])
def test_a_decision_that_is_none_changes_nothing(postroom: Command, mail: OutgoingMail, words: tuple[str, ...]) -> None:
    row = an_unknown(mail)
    assert postroom("queue", "resolve", *words).code == 2
    row.refresh_from_db()
    assert row.state == DeliveryState.UNKNOWN
