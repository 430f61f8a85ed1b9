"""The page of DKIM keys: from a new key to the one after it, records to copy, nothing private, nothing of others."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from postroom.store.models import AliasDomain, Company, DkimKey, Member
from tests.web.conftest import SignedIn

PLACE = "/settings/dkim/"


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def made(window: Client, algorithm: str = "ed25519", **more: object) -> DkimKey:
    values = {"domain": "Northwind.example", "algorithm": algorithm, "company": "", **more}
    assert window.post(f"{PLACE}create/", values).status_code == 303
    return DkimKey.objects.latest("id")


def act(window: Client, key: DkimKey, step: str) -> DkimKey:
    assert window.post(f"{PLACE}act/", {"id": key.pk, "step": step}).status_code == 303
    key.refresh_from_db()
    return key


def shown(window: Client) -> str:
    return unescape(window.get(PLACE).content.decode())


def test_before_the_first_key_the_page_says_what_one_is_for(window: Client) -> None:
    assert "Mail is not signed yet" in shown(window)


def test_a_key_is_made_published_and_signs(window: Client) -> None:
    key = made(window)
    page = shown(window)
    assert "gpp_maybe" in page
    assert f"{key.selector}._domainkey.northwind.example" in page
    assert f"v=DKIM1; k=ed25519; p={key.public_key}" in page
    assert f'3600 IN TXT ( "v=DKIM1; k=ed25519; p={key.public_key}" )' in page
    assert f'data-copy="dkim-value-{key.pk}"' in page
    assert act(window, key, "activate").state == "active"
    page = shown(window)
    assert "Rotate" in page
    assert "gpp_maybe" not in page


def test_a_rotation_by_the_buttons(window: Client) -> None:
    old = act(window, made(window), "activate")
    assert window.post(f"{PLACE}rotate/", {"domain": "northwind.example"}).status_code == 303
    new = DkimKey.objects.latest("id")
    assert (new.state, new.pk != old.pk) == ("prepared", True)
    assert act(window, new, "activate").state == "active"
    old.refresh_from_db()
    assert old.state == "retired"
    page = shown(window)
    assert "Leave this record published" in page
    assert act(window, old, "activate").state == "active"  # the way back
    assert act(window, old, "retire").state == "retired"


def test_nothing_private_is_on_the_page(window: Client) -> None:
    key = act(window, made(window, "rsa"), "activate")
    page = shown(window)
    assert "PRIVATE" not in page
    assert bytes(key.private_key).decode() not in page
    assert bytes(key.private_key).decode() not in window.get("/settings/changes/").content.decode()


def test_a_key_that_cannot_be_opened_is_told_with_what_to_do(window: Client) -> None:
    act(window, made(window), "activate")
    DkimKey.objects.update(private_key=b"of another house")
    page = shown(window)
    assert "cannot be opened" in page
    assert "mail waits" in page
    assert "make a new one" in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"domain": "localhost"}, "no domain with mail addresses"),
        ({"domain": ""}, "This field is required"),
        ({"algorithm": "rot13"}, "Select a valid choice"),
        ({"company": "999"}, "Select a valid choice"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_made(window: Client, wrong: dict[str, str], words: str) -> None:
    values = {"domain": "northwind.example", "algorithm": "rsa", "company": "", **wrong}
    answer = window.post(f"{PLACE}create/", values)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not DkimKey.objects.exists()


@pytest.mark.parametrize("values", [{}, {"id": "1"}, {"id": "x", "step": "retire"}, {"id": "7", "step": "activate"}])
def test_a_key_that_there_is_not_changes_nothing(window: Client, values: dict[str, str]) -> None:
    answer = window.post(f"{PLACE}act/", values, follow=True)
    assert "There is no such DKIM key." in answer.content.decode()


def test_a_domain_without_an_active_key_is_not_rotated(window: Client) -> None:
    made(window)
    answer = window.post(f"{PLACE}rotate/", {"domain": "northwind.example"}, follow=True)
    assert "No key signs for northwind.example" in answer.content.decode()
    assert DkimKey.objects.count() == 1


def test_another_companys_administrator_sees_and_makes_only_the_own(
    signed_in: SignedIn, ada: Member, mallory: Member, company: Company
) -> None:
    theirs = made(signed_in(mallory_for(mallory)), company=mallory.company_id, domain="elsewhere.example")
    key = DkimKey.objects.create(
        domain="northwind.example", company=company, selector="s", algorithm="rsa", created_at=theirs.created_at
    )
    window = signed_in(mallory)
    page = shown(window)
    assert "elsewhere.example" in page
    assert "northwind.example" not in page
    assert "every company" not in page
    assert act(window, key, "activate").state == "prepared"
    values = {"domain": "northwind.example", "algorithm": "rsa", "company": str(mallory.company_id)}
    assert window.post(f"{PLACE}create/", values).status_code == 403


def mallory_for(mallory: Member) -> Member:
    """Her company owns a domain."""
    mallory.company.alias_domain = AliasDomain.objects.create(name="elsewhere.example")
    mallory.company.save()
    return mallory


@pytest.mark.parametrize("login", ["alice", "bob", "rita"])
def test_who_is_no_administrator_is_not_let_in(request: pytest.FixtureRequest, signed_in: SignedIn, login: str) -> None:
    window = signed_in(request.getfixturevalue(login))
    assert window.get(PLACE).status_code == 403
    assert window.post(f"{PLACE}create/", {"domain": "a.example", "algorithm": "rsa"}).status_code == 403
    assert window.post(f"{PLACE}rotate/", {"domain": "a.example"}).status_code == 403
    assert window.post(f"{PLACE}act/", {"id": "1", "step": "retire"}).status_code == 403
