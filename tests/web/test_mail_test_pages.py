"""The mail test as pages: a file, a paste, a seed message; a score with its reasons; nothing of the mail is shown as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation

from postroom.core.terms.reasons import SENTENCES, because
from postroom.core.terms.states import MailTestState, Role
from postroom.flows.mail_tests import finish_mail_test
from postroom.flows.open_rooms import open_rooms
from postroom.store.models import Delivery, Installation, Mailbox, MailTest
from postroom.web.templatetags.postroom import because as told
from postroom.wiring import ports
from tests.core.mailtest.samples import a_mail
from tests.laboratory.outlook_file import outlook_file
from tests.web import seeding

pytestmark = pytest.mark.django_db

PLACE = "/settings/mail-tests/"


@pytest.fixture
def olga(db: None) -> Client:
    """An administrator of the house, signed in; the house has a server and a mailbox."""
    company = seeding.a_company()
    client = Client()
    client.force_login(seeding.a_member("olga", "Olga Owner", company, Role.ADMINISTRATOR).user)
    seeding.a_server("Our relay", username="mailer@northwind.example")
    Mailbox.objects.create(
        company=company, name="Tests", host="imap.box.test", username="tests@box.test", is_confirmed=True
    )
    return client


def upload(client: Client, raw: bytes, name: str = "printers.eml") -> str:
    """The page that it leads to."""
    answer = client.post(PLACE, {"file": SimpleUploadedFile(name, raw)}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_file_gets_a_score_with_its_arithmetic_and_reasons(olga: Client) -> None:
    text = upload(olga, a_mail(To=None, top="", DKIM_Signature=None))
    for words in (
        "New printers on the third floor",
        "7.5 of 10",
        "10 - 1.5 - 1 = 7.5",
        "It names no recipient",
        "Write the recipient into To",
        "printers.eml",
    ):
        assert words in text, words


def test_what_the_mail_holds_is_escaped(olga: Client) -> None:
    text = upload(
        olga,
        a_mail(
            "x",
            '<a href="https://evil.example/"><script>alert(1)</script>www.bank.example</a>',
            Subject="<img src=x onerror=alert(1)>",
        ),
    )
    assert "&lt;img src=x onerror" in text
    assert "<img src=x" not in text
    assert "alert(1)</script>" not in text


def test_a_pasted_header_is_taken_for_one(olga: Client) -> None:
    header = a_mail(top="", DKIM_Signature=None).partition(b"\r\n\r\n")[0].decode()
    answer = olga.post(PLACE, {"mail": header}, follow=True)
    assert MailTest.objects.get().source == "headers"
    assert "The content was not checked" in answer.content.decode()


@pytest.mark.slow
def test_an_outlook_file_is_read(olga: Client) -> None:
    text = upload(
        olga,
        outlook_file(subject="From Outlook", body="They smoke.", sender=("Alice", "alice@northwind.example")),
        "mail.msg",
    )
    assert "From Outlook" in text
    assert MailTest.objects.get().source == "outlook"


def test_nothing_is_refused_in_words(olga: Client) -> None:
    answer = olga.post(PLACE, {"mail": " "})
    assert answer.status_code == 422
    assert "There is no mail" in answer.content.decode()
    assert not MailTest.objects.exists()


def send(client: Client, **more: str) -> str:
    values = {"server": str(seeding.OutgoingServer.objects.get().pk), "mailbox": str(Mailbox.objects.get().pk)}
    return client.post(f"{PLACE}send/", {**values, **more}, follow=True).content.decode()


def test_a_seed_message_is_followed_until_it_is_over(olga: Client) -> None:
    text = send(olga)
    assert "From Our relay to Tests" in text
    assert 'hx-trigger="load delay:2s"' in text
    row = MailTest.objects.get()
    assert Delivery.objects.get().to_address == "tests@box.test"
    finish_mail_test(ports(), row.pk, MailTestState.FAILED, trouble=because("mailtest.seed.failed", reply="550 no"))
    piece = olga.get(f"{PLACE}{row.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "The mail was not taken: 550 no" in piece
    assert "hx-get" not in piece
    assert "<html" not in piece


def test_where_mail_is_captured_the_page_says_not_applicable(olga: Client) -> None:
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=seeding.NOW)
    assert "Not applicable: mail of this house is captured" in send(olga)
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [({"to": "nonsense"}, "That is no mail address."), ({"server": "x"}, "Choose a server and a mailbox.")],
)
def test_what_was_chosen_wrongly_is_said(olga: Client, typed: dict[str, str], said: str) -> None:
    assert said in send(olga, **typed)
    assert not MailTest.objects.exists()


def test_tests_of_the_last_days_are_listed(olga: Client) -> None:
    upload(olga, a_mail(top="", DKIM_Signature=None))
    MailTest.objects.create(source="seed", name="A -> B", asked_at=seeding.NOW - timedelta(days=1))
    text = olga.get(PLACE).content.decode()
    assert "New printers on the third floor" in text
    assert "did not come back" in text


def test_a_test_that_is_not_there_is_not_found(olga: Client) -> None:
    assert olga.get(f"{PLACE}999/").status_code == 404


def test_all_of_a_sentence_is_told_in_the_readers_language() -> None:
    because_nobody = because("mailtest.spf_unchecked", why=because("piece.nobody_asked"))
    with translation.override("de"):
        assert told(because_nobody) == "SPF wurde nicht geprüft: niemand wurde gefragt."
    assert told(because_nobody) == "SPF was not checked: nobody was asked."


def test_no_piece_of_a_sentence_stays_english_among_german_words() -> None:
    open_rooms()
    pieces = sorted(code for code in SENTENCES if code.startswith("piece."))
    assert len(pieces) > 5
    with translation.override("de"):
        assert [code for code in pieces if told(because(code)) == str(because(code))] == []
