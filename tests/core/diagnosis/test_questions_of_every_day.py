"""The questions that people ask at night: which way the mail should go, in English and German, however they put it."""

from __future__ import annotations

import pytest

from postroom.core.diagnosis.intent import read_question
from postroom.core.diagnosis.symptoms import Symptom

OUT, IN, QUEUED = Symptom.NOT_SENDING, Symptom.NOT_RECEIVING, Symptom.QUEUED
ASKED = [
    ("why do mails not go out", OUT),
    ("mails are not going out", OUT),
    ("why is nothing being sent", OUT),
    ("Es gehen keine Mails raus", OUT),
    ("Warum geht keine Mail mehr raus?", OUT),
    ("no mail leaves", OUT),
    ("emails don't get sent", OUT),
    ("emails don’t get sent", OUT),
    ("nothing goes out any more", OUT),
    ("nothing gets out", OUT),
    ("we cannot send mail", OUT),
    ("I can't send emails", OUT),
    ("sending does not work", OUT),
    ("sending is broken", OUT),
    ("outgoing mail stopped", OUT),
    ("outbound mail is not working", OUT),
    ("postroom stopped sending", OUT),
    ("why aren't my mails leaving", OUT),
    ("my mail never left", OUT),
    ("mails don't get through", OUT),
    ("our mails do not arrive at customers", OUT),
    ("customers do not receive our mails", OUT),
    ("customers don't get our emails", OUT),
    ("our customers get no mail from us", OUT),
    ("sven@slow.test has no mail from us", OUT),
    ("carla@customer.example never got my mail", OUT),
    ("why did the mail to peter@bad.test not arrive", OUT),
    ("my message was not delivered to the client", OUT),
    ("Warum wird nichts gesendet", OUT),
    ("Es werden keine E-Mails verschickt", OUT),
    ("Nichts geht raus", OUT),
    ("Wir können keine Mails versenden", OUT),
    ("Der Versand funktioniert nicht", OUT),
    ("Mails gehen nicht mehr hinaus", OUT),
    ("Mails verlassen das Haus nicht", OUT),
    ("Ich kann nichts verschicken", OUT),
    ("Unsere Mails kommen bei Kunden nicht an", OUT),
    ("Kunden bekommen keine Mails von uns", OUT),
    ("Kunden erhalten unsere Nachrichten nicht", OUT),
    ("Warum kommen unsere Mails nicht an", OUT),
    ("Mails kommen nicht durch", OUT),
    ("carla@customer.example hat keine Mail von uns bekommen", OUT),
    ("nobody receives our newsletter", OUT),
    ("invoices are not sent", OUT),
    ("we receive no mail", IN),
    ("we are not receiving emails", IN),
    ("I don't get any mail", IN),
    ("why do we get no mails from customers", IN),
    ("nothing comes in", IN),
    ("no mail comes in any more", IN),
    ("incoming mail stopped", IN),
    ("mails from carla@customer.example don't arrive here", IN),
    ("customers cannot send us mail", IN),
    ("no mail arrives", IN),
    ("Es kommt nichts mehr rein", IN),
    ("Es kommen keine Mails herein", IN),
    ("Wir bekommen keine Mails mehr", IN),
    ("Ich erhalte keine Nachrichten", IN),
    ("Wir empfangen nichts", IN),
    ("Warum kommen keine Mails bei uns an", IN),
    ("Mails von Kunden kommen nicht bei uns an", IN),
    ("Wir bekommen nichts von carla@customer.example", IN),
    ("Das Postfach wird nicht abgerufen", IN),
    ("why is mail so slow", QUEUED),
    ("mails are slow", QUEUED),
    ("mail is sent very slowly", QUEUED),
    ("why does it take so long until mails leave", QUEUED),
    ("our mails are late", QUEUED),
    ("Warum dauert der Versand so lange", QUEUED),
    ("Mails kommen verspätet an", QUEUED),
    ("Warum sind die Mails so langsam", QUEUED),
    ("mails are queued and not sent", QUEUED),
    ("Our mails do not arrive in the inbox but in spam", Symptom.SPAM),
    ("Unsere Mails kommen nicht an, sondern im Spam", Symptom.SPAM),
    ("Antworten kommen nicht im Ticket an", Symptom.NO_REPLIES),
    ("customers do not get our replies, they come back as undeliverable", Symptom.BOUNCES),
    ("login does not work, authentication failed", Symptom.AUTHENTICATION_FAILED),
    ("mails are sent twice", Symptom.DUPLICATES),
    ("Warum wurde die Mail zweimal verschickt", Symptom.DUPLICATES),
]


@pytest.mark.parametrize(("asked", "symptom"), ASKED)
def test_verb_direction_and_negation_name_the_symptom(asked: str, symptom: Symptom) -> None:
    assert read_question(asked).symptom is symptom


@pytest.mark.parametrize(
    "asked", ["did carla@customer.example get my mail", "hat Carla meine Mail bekommen", "we send mail"]
)
def test_who_denies_nothing_complains_of_no_direction(asked: str) -> None:
    assert read_question(asked).symptom in (None, OUT if "send" in asked else None)


@pytest.mark.parametrize(
    "asked",
    [
        "what is wrong", "What's wrong?", "whats wrong here", "what is going on", "is everything ok?", "is something wrong", "mail is broken",
        "e-mail does not work", "was ist los", "Was ist denn los?", "Was stimmt nicht", "Was läuft schief?", "Ist alles in Ordnung?",
        "Mail geht nicht", "Gibt es Probleme?",
    ],
)  # fmt: skip
def test_who_asks_what_is_wrong_asks_about_everything(asked: str) -> None:
    found = read_question(asked)
    assert found.is_about_all
    assert found.symptom is None
    assert found.is_understood


@pytest.mark.parametrize(
    "asked", ["what is for lunch", "what is wrong with carla@customer.example", "why do mails bounce"]
)
def test_other_questions_are_not_about_everything(asked: str) -> None:
    assert not read_question(asked).is_about_all
