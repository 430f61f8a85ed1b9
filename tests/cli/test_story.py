"""postroom story: one timeline for people and for programs."""

from __future__ import annotations

import pytest

from postroom.store.models import Attempt
from tests.cli.conftest import Command
from tests.flows.arriving import CARLA
from tests.flows.mail_of_carla import QUEUE_ID, Tale, tell_all
from tests.flows.outgoing_mails import HandClock, ports_with
from tests.people import build_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def tale(db: None) -> Tale:
    clock = HandClock()
    return tell_all(ports_with(clock=clock), clock, build_house())


def test_people_read_what_happened_in_its_order(postroom: Command, tale: Tale) -> None:
    answer = postroom("story", str(tale.message.pk))
    assert answer.code == 0
    words = [
        "Alice wrote a message",
        "was put into the queue",
        "451 4.7.1 Greylisted, come back in a few minutes",
        "Relay took the mail",
        f"known there as: {QUEUE_ID}",
        "was not delivered",
        "usually means: There is no such mailbox",
        "Customer Carla answered",
    ]
    places = [answer.out.index(word) for word in words]
    assert places == sorted(places)


def test_programs_read_the_same(postroom: Command, tale: Tale) -> None:
    found = postroom("story", QUEUE_ID, "--json").data
    assert (found["found_by"], found["mails"][0]["address"]) == ("relay", CARLA)
    assert [event["kind"] for event in found["events"]].count("attempt") == 3
    assert found["events"][-1]["sentence"] == "Customer Carla answered: My parcel is late"


def test_a_line_of_a_log_may_stand_there_as_it_is(postroom: Command, tale: Tale) -> None:
    words = f"Mar 1 12:15:00 mx postfix/smtp[12]: status=sent (250 2.0.0 Ok: queued as {QUEUE_ID})".split()
    assert postroom("story", *words, "--json").data["found_by"] == "relay"


def test_since_and_pages(postroom: Command, tale: Tale) -> None:
    found = postroom("story", CARLA, "--since", f"{tale.clock.now():%Y-%m-%d}", "--json").data
    assert [event["kind"] for event in found["events"]] == ["suppressed", "answer"]
    first = postroom("story", CARLA, "--limit", "1", "--json").data
    assert first["next"]
    assert (
        postroom("story", CARLA, "--limit", "1", "--after", first["next"], "--json").data["events"] != first["events"]
    )
    assert f"--after {first['next']}" in postroom("story", CARLA, "--limit", "1").err


def test_nothing_found_says_how_far_was_looked(postroom: Command, db: None) -> None:
    answer = postroom("story", "NOBODYKNOWS1")
    assert (answer.code, answer.out) == (1, "")
    assert "the newest 200,000 answers of servers" in answer.err


def test_what_is_no_time_is_said(postroom: Command, db: None) -> None:
    answer = postroom("story", CARLA, "--since", "yesterday")
    assert (answer.code, "No day and no time: yesterday" in answer.err) == (2, True)


def test_what_servers_say_does_not_command_the_terminal(postroom: Command, tale: Tale) -> None:
    Attempt.objects.filter(code=250).update(text="\x1b[2J\x1b]0;mine\x07[red]Ok[/red]\n: queued as AB12CD34")
    out = postroom("story", str(tale.message.pk)).out
    assert "\x1b" not in out
    assert "[red]Ok[/red]" in out
