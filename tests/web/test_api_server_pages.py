"""Servers that are a provider's HTTP API on the pages: chosen, tried, told about events; keys go in and never come out."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.store.models import Delivery, DeliveryEvent, Member, OutgoingServer, ProviderHook
from postroom.wiring import ports
from tests.adapters.esp.scripted_api import Says, api_that
from tests.flows.outgoing_mails import a_mail, deliveries
from tests.web import seeding
from tests.web.conftest import SignedIn

NEW = "/settings/servers/new/"
MAILGUN = {
    "provider": "mailgun",
    "name": "Gun",
    "option_region": "eu",
    "option_domain": "mg.northwind.example",
    "password": "key-4711",
    "purpose": "both",
    "priority": "10",
    "is_active": "on",
}


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


@pytest.fixture
def gun(window: Client, ada: Member) -> OutgoingServer:
    answer = window.post(f"{NEW}?provider=mailgun", {**MAILGUN, "company": ada.company_id})
    assert answer.status_code == 303, answer.content.decode()
    return OutgoingServer.objects.get()


def html(window: Client, place: str) -> str:
    answer = window.get(place)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_provider_is_chosen_by_a_plain_link_and_says_what_it_wants(window: Client) -> None:
    assert 'href="?provider=mailgun"' in html(window, NEW)
    page = html(window, f"{NEW}?provider=mailgun")
    for piece in ("Sending domain", "option_domain", "A sending key of the domain", "Europe"):
        assert piece in page, piece
    assert 'name="host"' not in page
    assert 'name="host"' in html(window, f"{NEW}?provider=pigeon")


def test_what_was_entered_is_stored_and_the_key_is_sealed(gun: OutgoingServer, window: Client) -> None:
    assert (gun.transport, gun.provider, gun.signs_dkim) == ("api", "mailgun", False)
    assert gun.provider_options == {"region": "eu", "domain": "mg.northwind.example"}
    assert ports().vault.open(bytes(gun.secret)).reveal() == "key-4711"
    page = html(window, f"/settings/servers/{gun.pk}/")
    assert "key-4711" not in page
    assert "mg.northwind.example" in page
    assert "Mailgun, HTTP API" in html(window, "/settings/servers/")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"option_domain": ""}, "This field is required"),
        ({"option_domain": "two words"}, "Enter a valid value"),
        ({"option_region": "moon"}, "not one of the available choices"),
        ({"password": ""}, "This field is required"),
        ({"name": ""}, "This field is required"),
        ({"daily_limit": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_right_is_told_at_its_field(window: Client, wrong: dict[str, str], told: str) -> None:
    answer = window.post(f"{NEW}?provider=mailgun", {**MAILGUN, **wrong})
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert not OutgoingServer.objects.exists()


def test_an_empty_key_keeps_the_stored_one_and_the_provider_stays(gun: OutgoingServer, window: Client) -> None:
    changed = {**MAILGUN, "company": gun.company_id, "password": "", "provider": "brevo", "name": "Gun two"}
    assert window.post(f"/settings/servers/{gun.pk}/", changed).status_code == 303
    gun.refresh_from_db()
    assert (gun.name, gun.provider) == ("Gun two", "mailgun")
    assert ports().vault.open(bytes(gun.secret)).reveal() == "key-4711"


def test_it_is_tried_with_one_question(gun: OutgoingServer, window: Client) -> None:
    with api_that(always=Says(status=401, json={"message": "Forbidden"})) as api:
        OutgoingServer.objects.update(provider_options={**gun.provider_options, "api_url": api.url})
        answer = window.post(f"/settings/servers/{gun.pk}/test/", headers={"HX-Request": "true"})
    assert "may not be asked about, or is wrong" in answer.content.decode()
    assert "key-4711" not in answer.content.decode()
    assert "test failed" in html(window, "/settings/servers/")
    window.post(f"/settings/servers/{gun.pk}/", {**MAILGUN, "company": gun.company_id, "option_region": "us"})
    gun.refresh_from_db()
    assert gun.provider_options["api_url"]  # what no field is for stays


def test_the_address_for_events_is_made_shown_renewed_and_signed(gun: OutgoingServer, window: Client) -> None:
    place = f"/settings/servers/{gun.pk}/"
    assert "/hooks/mailgun/" not in html(window, place)
    assert not ProviderHook.objects.exists()  # looking makes none
    window.post(f"{place}hook/", {"step": "make"})
    page = html(window, place)
    assert "/hooks/mailgun/" in page
    assert "is missing: without it no event is believed" in page
    first = bytes(ProviderHook.objects.get().token)
    window.post(f"{place}hook/", {"step": "secret", "secret": "events-are-signed"})
    page = html(window, place)
    assert "events-are-signed" not in page
    assert "is missing: without it" not in page
    window.post(f"{place}hook/", {"step": "renew"})
    assert bytes(ProviderHook.objects.get().token) != first
    window.post(f"{place}hook/", {"step": "secret", "secret": "  "})
    assert bytes(ProviderHook.objects.get().signing_secret)
    window.post(f"{place}hook/", {"step": "forget"})
    assert not bytes(ProviderHook.objects.get().signing_secret)
    assert window.post(f"{place}hook/", {"step": "dance"}).status_code == 404


def test_another_companys_administrator_sees_and_changes_nothing(
    gun: OutgoingServer, signed_in: SignedIn, mallory: Member
) -> None:
    stranger = signed_in(mallory)
    assert stranger.get(f"/settings/servers/{gun.pk}/").status_code == 404
    for step in ("make", "renew", "secret", "forget"):
        answer = stranger.post(f"/settings/servers/{gun.pk}/hook/", {"step": step, "secret": "mine"})
        assert answer.status_code == 403
    assert stranger.post(f"/settings/servers/{gun.pk}/release/").status_code == 403
    assert not ProviderHook.objects.exists()


def test_what_the_provider_told_is_part_of_the_deliverys_story(window: Client, ada: Member) -> None:
    now = ports().clock.now()
    (row,) = deliveries(a_mail(ada.company, at=now), "carla@customer.example", at=now, state="sent")
    Delivery.objects.update(provider_message_id="<mg-4711@mailgun>", confirmed_at=now)
    DeliveryEvent.objects.create(
        delivery=row, kind="complained", event_id="1", told_at=now, recorded_at=now, text="<b>this is spam</b>"
    )
    page = html(window, f"/queue/{row.pk}/")
    assert "The recipient complained about it" in page
    assert "&lt;b&gt;this is spam&lt;/b&gt;" in page
    assert "The recipient's server took it" in page
    assert "mg-4711@mailgun" in page


def test_the_smtp_form_offers_no_transport_that_it_cannot_fill(window: Client, ada: Member) -> None:
    assert 'value="api"' not in html(window, NEW)
    server = seeding.a_server(company=ada.company)
    values = {"transport": "api", "name": "X", "company": ada.company_id, "purpose": "both", "priority": "1"}
    assert window.post(f"/settings/servers/{server.pk}/", values).status_code == 422
