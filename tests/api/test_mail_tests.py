"""The mail test for programs."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from tests.core.mailtest.samples import a_mail

if TYPE_CHECKING:
    from postroom.store.models import Company, Member

PLACE = "/api/v1/mail-tests"
RAW = a_mail(top="", DKIM_Signature=None, To=None)


@pytest.fixture
def key(company: Company) -> str:
    """Of an administrator of the house."""
    from postroom.core.terms.states import Role
    from tests.web import seeding

    return key_of(seeding.a_member("olga", "Olga Owner", company, Role.ADMINISTRATOR))


def key_of(member: Member) -> str:
    from postroom.flows.api_keys import make_key
    from postroom.wiring import ports

    return make_key(ports(), member=member, name="x", scope="all").text


def post(key: str, body: bytes | dict[str, Any], content_type: str = "message/rfc822") -> Any:
    if isinstance(body, dict):
        body, content_type = json.dumps(body).encode(), "application/json"
    return Client().generic("POST", PLACE, body, content_type=content_type, headers={"Authorization": f"Bearer {key}"})


def test_a_mail_is_tested_and_the_report_can_be_asked_for_again(key: str) -> None:
    answer = post(key, RAW)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["state"], told["source"], told["report"]["score"]) == ("finished", "mail", 7.5)
    assert told["report"]["arithmetic"] == "10 - 1.5 - 1 = 7.5"
    assert told["report"]["author"] == "Alice <alice@northwind.example>"
    lost = {one["code"]: one for one in told["report"]["findings"] if one["outcome"] == "lost"}
    assert set(lost) == {"dkim_none", "to_missing"}
    assert lost["to_missing"]["what_to_do"].startswith("Write the recipient into To")
    again = Client().get(f"{PLACE}/{told['id']}", headers={"Authorization": f"Bearer {key}"})
    assert again.json() == told


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ({"raw": RAW.decode(), "name": "one", "offline": True}, "mail"),
        ({"raw": RAW.decode(), "name": "half a letter \ud83d", "offline": True}, "mail"),
        ({"raw_base64": b64encode(RAW).decode()}, "mail"),
        ({"headers": RAW.partition(b"\r\n\r\n")[0].decode(), "offline": True}, "headers"),
    ],
    ids=["raw", "half a letter", "base64", "headers"],
)
def test_it_comes_as_json_too(key: str, body: dict[str, Any], source: str) -> None:
    answer = post(key, body)
    assert answer.status_code == 200, answer.content
    assert answer.json()["source"] == source


def test_a_seed_message_is_answered_at_once_and_followed_by_its_number(key: str, company: Company) -> None:
    from postroom.store.models import Delivery, Mailbox
    from tests.web import seeding

    server = seeding.a_server("Our relay", username="mailer@northwind.example")
    mailbox = Mailbox.objects.create(
        company=company, name="Tests", host="imap.box.test", username="tests@box.test", is_confirmed=True
    )
    answer = post(key, {"server_id": server.pk, "mailbox_id": mailbox.pk})
    assert answer.status_code == 202, answer.content
    assert (answer.json()["state"], answer.json()["report"]) == ("waiting", None)
    assert Delivery.objects.get().to_address == "tests@box.test"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b" \r\n", 422),
        ({"raw": "x", "headers": "y"}, 400),
        ({"raw": 5}, 400),
        ({"raw_base64": "%%%"}, 400),
        ({"server_id": "1", "mailbox_id": 1}, 400),
        ({"server_id": 1, "mailbox_id": 1}, 404),
        ({}, 400),
    ],
    ids=["nothing", "both", "a number", "no base64", "a text", "no such server", "empty"],
)
def test_what_is_none_is_refused(key: str, body: bytes | dict[str, Any], status: int) -> None:
    from postroom.store.models import MailTest

    assert post(key, body).status_code == status
    assert not MailTest.objects.exists()


def test_another_kind_of_content_is_refused(key: str) -> None:
    assert post(key, RAW, "text/plain").status_code == 415


def test_it_is_for_administrators_of_the_house(alice: Member, mallory: Member) -> None:
    for member in (alice, mallory):
        assert post(key_of(member), RAW).status_code == 403
