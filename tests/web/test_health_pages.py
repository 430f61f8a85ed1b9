"""The page of the house's health: findings, cures, records to publish, and guided symptoms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from postroom.core.terms.states import Role
from postroom.flows.watch_house import watch_house
from tests.doctor.faults import failures_after_a_change
from tests.doctor.ward import DOMAIN, Ward
from tests.web import seeding

pytestmark = pytest.mark.django_db


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    with Ward(monkeypatch) as made:
        monkeypatch.setattr("postroom.web.settings.health.ports", lambda: made.ports)
        yield made


@pytest.fixture
def olga(ward: Ward) -> Client:
    """An administrator of the house, signed in."""
    client = Client()
    client.force_login(seeding.a_member("olga", "Olga Owner", ward.house.company, Role.ADMINISTRATOR).user)
    return client


def test_a_look_asks_nobody_and_says_so(ward: Ward, olga: Client) -> None:
    ward.spf("nothing")
    text = olga.get("/settings/health/").content.decode()
    assert "The house itself knows of nothing that is wrong." in text
    assert "SPF record" not in text
    assert "Test everything" in text


def test_a_test_names_cause_evidence_cure_turn_and_the_record_to_publish(ward: Ward, olga: Client) -> None:
    ward.spf("nothing")
    text = olga.post("/settings/health/").content.decode()
    for words in (
        f"{DOMAIN} has no SPF record",
        f"{DOMAIN} TXT nothing",
        "v=spf1 a:relay.northwind.example",
        'data-copy="finding-1-1"',
        "Whose turn: you, or whoever looks after this Postroom and its domain",
        "Test again",
    ):
        assert words in text, words


def test_what_follows_stands_below_its_cause(ward: Ward, olga: Client) -> None:
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    ward.refused(550, "5.7.26", "This mail has been blocked because the sender is unauthenticated. SPF DKIM")
    text = olga.post("/settings/health/").content.decode()
    assert 0 < text.index("has 2 SPF records") < text.index("Follows from it") < text.index("Mails refused lately: 1")
    assert text.count("Whose turn") == 1


def test_a_symptom_stops_at_its_cause(ward: Ward, olga: Client) -> None:
    ward.spf("nothing")
    text = olga.post("/settings/health/", {"symptom": "no-error"}).content.decode()
    assert "A delivery failed and no error is shown" in text
    assert f"{DOMAIN} has no SPF record" in text
    assert "<b>DKIM</b>" not in text
    unasked = olga.get("/settings/health/?symptom=no-error").content.decode()
    assert "Not checked" in unasked
    assert "Nothing of this was found." in unasked


def test_the_page_that_mends_it_is_a_click_away(ward: Ward, olga: Client) -> None:
    ward.set_server(paused_at=ward.now)
    assert f'href="/settings/servers/{ward.server.pk}/"' in olga.get("/settings/health/").content.decode()


# ---- the watch


def test_a_finding_says_since_when_it_is_there_once_the_watch_saw_it(ward: Ward, olga: Client) -> None:
    ward.spf("nothing")
    assert "Seen since" not in olga.post("/settings/health/").content.decode()
    watch_house(ward.ports)
    assert "Seen since" in olga.post("/settings/health/").content.decode()


def test_what_follows_says_since_when_too(ward: Ward, olga: Client) -> None:
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    ward.refused(550, "5.7.26", "This mail has been blocked because the sender is unauthenticated. SPF DKIM")
    watch_house(ward.ports)
    text = olga.post("/settings/health/").content.decode()
    assert "Seen since" in text[text.index("Mails refused lately: 1") :]


def test_what_the_watch_saw_outside_stands_on_the_page_that_asks_nobody(ward: Ward, olga: Client) -> None:
    ward.spf("nothing")
    watch_house(ward.ports)
    text = olga.get("/settings/health/").content.decode()
    for words in ("Found by the watch, outside", f"{DOMAIN} has no SPF record", "New with that look"):
        assert words in text, words


def test_a_house_that_was_never_looked_at_says_so(ward: Ward, olga: Client) -> None:
    assert "has not looked by itself yet" in olga.get("/settings/health/").content.decode()


def test_a_webhook_is_set_with_a_secret_that_is_shown_once_and_tried(ward: Ward, olga: Client) -> None:
    place = "/settings/health/webhook/"
    text = olga.post(place, {"action": "save", "url": "https://hooks.example.com/postroom"}).content.decode()
    assert "whsec_" in text
    text = olga.post(place, {"action": "test"}).content.decode()
    assert "It refuses the connection." in text
    german = olga.get("/settings/health/", headers={"Accept-Language": "de"}).content.decode()
    assert "Er lehnt die Verbindung ab." in german
    assert "whsec_" not in text
    text = olga.post(place, {"action": "save", "url": "http://hooks.example.com/"}).content.decode()
    assert "An https address is needed" in text


def test_changes_stand_among_the_failures_in_the_order_of_time(ward: Ward, olga: Client) -> None:
    failures_after_a_change(ward)
    text = olga.get("/settings/health/").content.decode()
    broke = text.index("Mail began to fail: 60 of 62")
    assert broke < text.index("parameter mail.default.from was changed", text.index("What changed before it broke"))
