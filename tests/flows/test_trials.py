"""Tests that are watched while they go on: their steps, their outcome, called off, lost, and of their starter alone."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from postroom.core.terms.states import Role
from postroom.flows import trials
from postroom.flows.access import NotAllowed
from postroom.store.models import Mailbox, OutgoingServer, Trial
from postroom.wiring import ports
from postroom.workers import trials as worker
from tests.adapters.smtp.scripted_peer import ScriptedPeer, polite
from tests.laboratory.waiting import wait_until
from tests.web import seeding


@pytest.mark.django_db(transaction=True)
def test_the_steps_of_a_server_are_written_down_and_the_outcome_stays_with_it() -> None:
    ada = seeding.a_member("ada", "Ada Admin", seeding.a_company(), Role.ADMINISTRATOR)
    with ScriptedPeer(polite()) as peer:
        server = seeding.a_server(host="127.0.0.1", port=peer.port, encryption="none", company=ada.company)
        trial = trials.begin_trial(ports(), "server", server.pk, member=ada)
        assert trials.begin_trial(ports(), "server", server.pk, member=ada).id == trial.id, "the one that goes on"
        worker.start(trial.id).join(60)
    found = trials.trial_of(ports(), trial.id, member=ada)
    assert found is not None
    assert found.is_over
    assert not found.trouble
    assert [one.step for one in found.steps][-3:] == ["mail", "rcpt", "data"]
    server.refresh_from_db()
    assert isinstance(server.test_result, dict)
    assert server.test_result["ok"]


def _until(over: threading.Event) -> None:
    """A server that says nothing."""
    over.wait(60)


@pytest.mark.django_db(transaction=True)
def test_one_that_is_called_off_stores_nothing() -> None:
    ada = seeding.a_member("ada", "Ada Admin", seeding.a_company(), Role.ADMINISTRATOR)
    over = threading.Event()
    with ScriptedPeer(lambda _connection: _until(over)) as peer:
        server = seeding.a_server(host="127.0.0.1", port=peer.port, encryption="none", company=ada.company)
        trial = trials.begin_trial(ports(), "server", server.pk, member=ada)
        thread = worker.start(trial.id)
        wait_until(lambda: trials.trial_of(ports(), trial.id, member=ada).steps, "a step is seen")  # type: ignore[union-attr]
        off = trials.cancel_trial(ports(), trial.id, member=ada)
        assert off is not None
        assert off.is_cancelled
        over.set()
    thread.join(60)
    server.refresh_from_db()
    assert server.tested_at is None


@pytest.mark.django_db
def test_only_its_starter_looks_at_it_and_only_who_may_begins_one() -> None:
    company = seeding.a_company()
    ada = seeding.a_member("ada", "Ada Admin", company, Role.ADMINISTRATOR)
    other = seeding.a_member("carl", "Carl Admin", company, Role.ADMINISTRATOR)
    bob = seeding.a_member("bob", "Bob Agent", company, Role.AGENT)
    stranger = seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)
    server = seeding.a_server(company=company)
    trial = trials.begin_trial(ports(), "server", server.pk, member=ada)
    assert trials.trial_of(ports(), trial.id, member=other) is None
    assert trials.cancel_trial(ports(), trial.id, member=other) is None
    for member in (bob, stranger):
        with pytest.raises(NotAllowed):
            trials.begin_trial(ports(), "server", server.pk, member=member)
    with pytest.raises(Mailbox.DoesNotExist):
        trials.begin_trial(ports(), "mailbox", 987_654, member=ada)
    with pytest.raises(OutgoingServer.DoesNotExist):
        trials.begin_trial(ports(), "server", 987_654, member=ada)


@pytest.mark.django_db
def test_one_that_nobody_works_at_any_more_is_said_to_be_lost_and_old_ones_are_forgotten() -> None:
    ada = seeding.a_member("ada", "Ada Admin", seeding.a_company(), Role.ADMINISTRATOR)
    server = seeding.a_server(company=ada.company)
    trial = trials.begin_trial(ports(), "server", server.pk, member=ada)
    Trial.objects.update(started_at=ports().clock.now() - trials.LONGEST - timedelta(seconds=1))
    found = trials.trial_of(ports(), trial.id, member=ada)
    assert found is not None
    assert (found.is_over, found.trouble) == (True, "lost")
    Trial.objects.update(started_at=ports().clock.now() - trials.KEPT - timedelta(seconds=1))
    fresh = trials.begin_trial(ports(), "server", server.pk, member=ada)
    assert [one.pk for one in Trial.objects.all()] == [fresh.id]
