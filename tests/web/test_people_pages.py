"""The pages of people and companies: invited, shown a link once, switched off; and what others get to see."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from postroom.flows.manage_people import invitation_link
from postroom.store.models import Company, Member
from postroom.wiring import ports
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def values(ada: Member, **changes: str) -> dict[str, str]:
    return {
        "name": "Charlie Chen",
        "address": "charlie@postroom.test",
        "role": "agent",
        "company": str(ada.company_id),
        "by": "link",
    } | changes


def test_somebody_is_invited_and_joins_by_the_link(window: Client, ada: Member, client: Client) -> None:
    answer = window.post("/settings/people/new/", values(ada))
    charlie = Member.objects.get(contact__name="Charlie Chen")
    assert answer["Location"] == f"/settings/people/{charlie.pk}/"
    assert "invited" in window.get("/settings/people/?q=charlie").content.decode()
    shown = window.post(f"/settings/people/{charlie.pk}/act/", {"step": "link"})
    assert shown["Cache-Control"] == "no-store"
    found = re.search(r"/join/\S+?/\S+?/", shown.content.decode())
    assert found
    place = found.group()
    assert "Welcome, Charlie Chen" in client.get(place).content.decode()
    assert client.post(place, {"password": "12345678", "again": "12345678"}).status_code == 422
    assert client.post(place, {"password": "a-quiet-harbour", "again": "another"}).status_code == 422
    assert client.post(place, {"password": "a-quiet-harbour", "again": "a-quiet-harbour"})["Location"] == "/"
    assert client.get("/records/").status_code == 200
    assert Client().get(place).status_code == 410
    assert Client().post(place, {"password": "a-quiet-harbour", "again": "a-quiet-harbour"}).status_code == 410


def test_what_cannot_be_is_said_at_its_field(window: Client, ada: Member) -> None:
    for change in ({"address": "nobody"}, {"role": "emperor"}, {"company": "987654"}, {"name": ""}):
        assert window.post("/settings/people/new/", values(ada, **change)).status_code == 422, change
    assert Member.objects.count() == 1


def test_a_placeholder_address_is_warned_about(window: Client, ada: Member, bob: Member) -> None:
    bob.contact.address = "bob@example.com"
    bob.contact.save()
    assert "placeholder address" in window.get("/settings/people/").content.decode()
    assert "reach nobody" in window.get(f"/settings/people/{bob.pk}/").content.decode()
    ada.contact.address = "admin@yourcompany.com"
    ada.contact.save()
    assert "Your address is a placeholder" in window.get("/settings/mine/").content.decode()


def test_somebody_is_switched_off_and_on_and_nobody_switches_himself_off(
    window: Client, ada: Member, bob: Member
) -> None:
    window.post(f"/settings/people/{bob.pk}/act/", {"step": "off"})
    bob.user.refresh_from_db()
    assert not bob.user.is_active
    window.post(f"/settings/people/{bob.pk}/act/", {"step": "on"})
    bob.user.refresh_from_db()
    assert bob.user.is_active
    said = window.post(f"/settings/people/{ada.pk}/act/", {"step": "off"}, follow=True).content.decode()
    assert "Nobody takes away the own role" in said
    assert window.post(f"/settings/people/{bob.pk}/act/", {"step": "promote"}).status_code == 404


def test_others_see_and_change_nobody(signed_in: SignedIn, bob: Member, mallory: Member, ada: Member) -> None:
    for member in (bob, mallory):
        window = signed_in(member)
        assert window.get(f"/settings/people/{ada.pk}/").status_code in (403, 404)
        assert window.post(f"/settings/people/{ada.pk}/act/", {"step": "link"}).status_code in (403, 404)
    assert "Ada Admin" not in signed_in(mallory).get("/settings/people/").content.decode()
    assert signed_in(bob).get("/settings/people/").status_code == 403


def test_a_company_is_founded_and_seen_by_its_founder(window: Client, ada: Member) -> None:
    window.post("/settings/companies/new/", {"name": "Second", "is_active": "on"})
    made = Company.objects.get(name="Second")
    assert made in ada.companies.all()
    assert "Second" in window.get("/settings/companies/").content.decode()


def test_i_sign_out_everywhere_else(signed_in: SignedIn, ada: Member) -> None:
    here, there = signed_in(ada), signed_in(ada)
    assert "Signed in in 2 places" in here.get("/settings/mine/").content.decode()
    assert here.post("/security/everywhere/", {"back": "/settings/mine/"})["Location"] == "/settings/mine/"
    assert "Signed in in 1 place" in here.get("/settings/mine/").content.decode()
    assert there.get("/settings/mine/").status_code == 302


def test_the_settings_are_found_by_their_words(signed_in: SignedIn, ada: Member, bob: Member) -> None:
    text = signed_in(ada).get("/settings/?q=loop.minutes").content.decode()
    assert "mail.gateway.loop.minutes" in text
    text = signed_in(bob).get("/settings/").content.decode()
    assert "/settings/mine/" in text
    assert "/settings/parameters/" not in text


def test_changes_are_told_in_words_and_filtered(window: Client, ada: Member) -> None:
    window.post("/settings/parameters/mail.retry.days/", {"value": "3"})
    window.post("/settings/companies/new/", {"name": "Second", "is_active": "on"})
    text = window.get("/settings/changes/").content.decode()
    assert "Parameter: mail.retry.days" in text
    assert "Company: Second" in text
    assert "is_active" not in text
    text = window.get("/settings/changes/?kind=parameter").content.decode()
    assert "Company: Second" not in text
    assert "No such change" in window.get("/settings/changes/?who=zoe").content.decode()


def test_a_link_for_a_new_password_joins_nobody(client: Client, bob: Member) -> None:
    uid, token = urlsafe_base64_encode(force_bytes(bob.user_id)), default_token_generator.make_token(bob.user)
    assert client.get(f"/join/{uid}/{token}/").status_code == 410
    assert (
        client.post(
            f"/join/{uid}/{token}/", {"password": "a new and long one", "again": "a new and long one"}
        ).status_code
        == 410
    )


def test_a_link_for_somebody_who_signed_in_before_does_not_sign_in_past_the_second_factor(
    client: Client, ada: Member, bob: Member
) -> None:
    bob.user.last_login = ports().clock.now()
    bob.user.save()
    link = invitation_link(ports(), bob.pk, by=ada)
    password = "a new and rather long one"
    answer = client.post(link[link.index("/join/") :], {"password": password, "again": password})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")
    assert "_auth_user_id" not in client.session
