"""A question in words becomes a symptom, addresses, domains, identifiers and the text of an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.diagnosis.intent import LONGEST, MOST, read_question
from postroom.core.diagnosis.symptoms import Symptom


@pytest.mark.parametrize(
    ("asked", "symptom"),
    [
        ("why do mails to x bounce", Symptom.BOUNCES),
        ("Warum kommen Mails an kunde.example zurück?", Symptom.BOUNCES),
        ("Alles unzustellbar", Symptom.BOUNCES),
        ("is customer.example refusing us?", Symptom.BOUNCES),
        ("Our mails land in spam", Symptom.SPAM),
        ("Mails sind im Spamordner gelandet", Symptom.SPAM),
        ("Why are mails not sent?", Symptom.NOT_SENDING),
        ("Warum werden keine Mails verschickt, nichts geht raus", Symptom.NOT_SENDING),
        ("Nothing leaves", Symptom.NOT_SENDING),
        ("Connection refused", Symptom.CONNECTION_REFUSED),
        ("Der Server ist nicht erreichbar", Symptom.CONNECTION_REFUSED),
        ("authentication failed", Symptom.AUTHENTICATION_FAILED),
        ("Anmeldung am Server schlägt fehl", Symptom.AUTHENTICATION_FAILED),
        ("no replies come to our tickets", Symptom.NO_REPLIES),
        ("Antworten kommen nicht im Ticket an", Symptom.NO_REPLIES),
        ("we get every mail twice", Symptom.DUPLICATES),
        ("Warum kommen E-Mails doppelt an?", Symptom.DUPLICATES),
        ("why are my mails stuck in the queue", Symptom.QUEUED),
        ("Mails hängen in der Warteschlange", Symptom.QUEUED),
        ("daily limit reached", Symptom.DAILY_LIMIT),
        ("Unser Tageslimit ist erreicht", Symptom.DAILY_LIMIT),
        ("a delivery failed but there is no error shown", Symptom.NO_ERROR),
        ("fehlgeschlagen ohne Fehlermeldung", Symptom.NO_ERROR),
        ("Why don't we receive mail?", Symptom.NOT_RECEIVING),
        ("Wir bekommen keine Mails mehr", Symptom.NOT_RECEIVING),
    ],
)
def test_words_name_a_symptom_in_english_and_german(asked: str, symptom: Symptom) -> None:
    assert read_question(asked).symptom is symptom


@pytest.mark.parametrize("asked", ["", "hello", "Guten Morgen", "?!", "what is for lunch"])
def test_where_no_word_fits_there_is_no_symptom(asked: str) -> None:
    found = read_question(asked)
    assert found.symptom is None
    assert not found.is_understood


def test_addresses_domains_and_identifiers_are_told_apart() -> None:
    found = read_question(
        "Did <abc.1@post.example> reach Carla@Customer.example at partner.example or MÜLLER.example.?"
    )
    assert found.message_ids == ("<abc.1@post.example>",)
    assert [one.lower() for one in found.addresses] == ["carla@customer.example"]
    assert found.domains[0] == "partner.example"
    assert "customer.example" not in found.domains


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("what does '550 5.7.1 rejected by policy' mean?", "550 5.7.1 rejected by policy"),
        ("Was heißt 421 4.7.0 Try again later", "421 4.7.0 Try again later"),
        ("5.1.1 bad destination", "5.1.1 bad destination"),
        (
            "smtplib.SMTPServerDisconnected: no. It was ConnectionRefusedError: [Errno 111]",
            "ConnectionRefusedError: [Errno 111]",
        ),
        ("we see [AUTHENTICATIONFAILED] Invalid credentials", "[AUTHENTICATIONFAILED] Invalid credentials"),
    ],
)
def test_the_text_of_an_error_is_taken_out(asked: str, error: str) -> None:
    assert read_question(asked).error == error


def test_a_file_is_no_domain() -> None:
    assert read_question("please look at mail.eml and report.txt").domains == ()


def test_only_so_much_of_a_question_is_read() -> None:
    found = read_question(" ".join(f"a{number}@customer.example" for number in range(500)) + " bounce")
    assert len(found.addresses) == MOST
    assert len(found.text) <= LONGEST


@given(st.text(max_size=3000))
def test_any_text_can_be_asked(text: str) -> None:
    read_question(text)
