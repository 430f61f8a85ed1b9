"""Send a test mail: it goes the way of all mail, and the page tells what became of it."""

from __future__ import annotations

import dataclasses

import pytest
from django.test import Client

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, Role
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.route_message import route_waiting
from postroom.store.models import Alias, AliasDomain, Company, Member, Record
from postroom.web.settings import aliases as place
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alias(ada: Member) -> Alias:
    domain = AliasDomain.objects.create(name="postroom.test")
    Company.objects.filter(pk=ada.company_id).update(alias_domain=domain)
    return Alias.objects.create(company=ada.company, domain=domain, name="support", kind_id="ticket")


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def take_in(envelope: Envelope, raw: bytes) -> None:
    """What the door does."""
    accept_messages(ports(), [Arrival(door=Door.SMTP, raw=raw, envelope=envelope, peer="127.0.0.1 (here.test)")])


def test_a_test_mail_becomes_a_record_and_the_alias_is_valid(
    window: Client, alias: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "ports", lambda: dataclasses.replace(ports(), submit=take_in))
    page = f"/settings/aliases/{alias.pk}/"
    assert "No mail has come to it" in window.get(page).content.decode()
    sent = window.post(f"{page}test/", headers=HTMX)
    unique = sent.context["unique"]
    waiting = window.get(f"{page}tested/?mail={unique}&looks=1", headers=HTMX).content.decode()
    assert "It is here" in waiting
    assert "load delay" in waiting
    while route_waiting(ports()):
        pass
    done = window.get(f"{page}tested/?mail={unique}&looks=2", headers=HTMX).content.decode()
    record = Record.objects.get(title=f"Test of {alias}")
    assert f"/records/{record.pk}/" in done
    assert "load delay" not in done
    alias.refresh_from_db()
    assert alias.status == "valid"


def test_a_closed_door_is_said(window: Client, alias: Alias, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(envelope: Envelope, raw: bytes) -> None:
        raise ConnectionRefusedError("Connection refused")

    monkeypatch.setattr(place, "ports", lambda: dataclasses.replace(ports(), submit=closed))
    assert "Connection refused" in window.post(f"/settings/aliases/{alias.pk}/test/", headers=HTMX).content.decode()


def test_it_is_not_waited_for_for_ever(window: Client, alias: Alias) -> None:
    text = window.get(f"/settings/aliases/{alias.pk}/tested/?mail=abc&looks=40", headers=HTMX).content.decode()
    assert "was not routed" in text
    assert "load delay" not in text


def test_others_send_none(signed_in: SignedIn, alias: Alias, bob: Member) -> None:
    stranger = seeding.a_member("eve", "Eve Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)
    for member in (bob, stranger):
        assert signed_in(member).post(f"/settings/aliases/{alias.pk}/test/").status_code == 403
    assert signed_in(stranger).post("/settings/aliases/987654/test/").status_code == 404
