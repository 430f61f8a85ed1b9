"""Signing in and out, and who stands before closed doors."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from postroom.store.models import Member
from tests.web.conftest import SignedIn
from tests.web.seeding import PASSWORD


def test_a_stranger_is_led_to_the_sign_in_and_back(client: Client, bob: Member) -> None:
    answer = client.get("/records/?who=mine")
    assert answer.status_code == 302
    assert answer["Location"] == "/login/?next=/records/%3Fwho%3Dmine"

    answer = client.post(answer["Location"], {"username": "bob", "password": PASSWORD, "next": "/records/?who=mine"})
    assert (answer.status_code, answer["Location"]) == (302, "/records/?who=mine")


def test_an_agent_signs_in_without_being_staff_of_django(client: Client, bob: Member) -> None:
    assert not bob.user.is_staff
    answer = client.post("/login/", {"username": "bob", "password": PASSWORD}, follow=True)
    assert answer.status_code == 200
    assert b"Bob Brandt" in answer.content


def test_the_way_back_never_leads_to_another_site(client: Client, bob: Member) -> None:
    answer = client.post("/login/", {"username": "bob", "password": PASSWORD, "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_a_wrong_password_is_refused_in_words(client: Client, bob: Member) -> None:
    answer = client.post("/login/", {"username": "bob", "password": "guess"})
    assert answer.status_code == 200
    assert b"do not belong together" in answer.content


def test_a_user_who_is_no_member_is_told_so(client: Client, db: None) -> None:
    get_user_model().objects.create_user("eve", password=PASSWORD)
    answer = client.post("/login/", {"username": "eve", "password": PASSWORD})
    assert b"not a member of Postroom yet" in answer.content

    client.force_login(get_user_model().objects.get(username="eve"))
    answer = client.get("/")
    assert answer.status_code == 403
    assert b"not a member yet" in answer.content


def test_an_account_that_is_switched_off_sees_nothing_more(signed_in: SignedIn, bob: Member) -> None:
    window = signed_in(bob)
    assert window.get("/").status_code == 200
    bob.user.is_active = False
    bob.user.save()
    assert window.get("/").status_code == 302


def test_signing_out_needs_a_post(signed_in: SignedIn, bob: Member) -> None:
    window = signed_in(bob)
    assert window.get("/logout/").status_code == 405
    assert window.get("/").status_code == 200
    assert window.post("/logout/")["Location"] == "/login/"
    assert window.get("/").status_code == 302


def test_a_fragment_for_a_stranger_reloads_the_page_instead_of_showing_a_form_in_a_corner(
    client: Client, db: None
) -> None:
    answer = client.get("/attention/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (401, "true")


@pytest.mark.parametrize("place", ["/password/", "/search/"])
def test_the_shell_has_no_open_side_door(client: Client, db: None, place: str) -> None:
    assert client.get(place).status_code == 302


def test_the_password_page_wears_the_shell(signed_in: SignedIn, bob: Member) -> None:
    assert signed_in(bob).get("/password/").status_code == 200
