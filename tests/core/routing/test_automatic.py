"""Machines and people: what counts as an automatic reply, what as automatic, and what must not."""

from __future__ import annotations

import pytest

from tests.core.routing.people import evidence

Headers = tuple[tuple[str, str], ...]


@pytest.mark.parametrize(
    "headers",
    [
        (("Auto-Submitted", "auto-replied"),),
        (("Auto-Submitted", "Auto-Replied (vacation)"),),
        (("Auto-Submitted", "auto-replied; owner-email=carla@customer.example"),),
        (("X-Autoreply", "yes"),),
        (("X-Autorespond", "The printer burns"),),
        (("X-Auto-Reply-From", "carla@customer.example"),),
        (("Precedence", "auto_reply"),),
        (("X-POST-MessageClass", "9; Autoresponder"),),
    ],
)
def test_these_headers_are_of_automatic_replies(headers: Headers) -> None:
    seen = evidence(headers=headers)
    assert seen.is_auto_reply
    assert seen.is_automatic


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Offer 7",
        "Automatische Antwort: Angebot 7",
        "Réponse automatique : devis",
        "Respuesta automática: oferta",
        "Risposta automatica: offerta",
        "Resposta automática: proposta",
        "Automatisch antwoord: offerte",
        "Autosvar: tilbud",
        "Automaattinen vastaus: tarjous",
        "Odpowiedź automatyczna: oferta",
        "自動応答: 見積",
        "自动回复: 报价",
        "Автоматический ответ: цена",
        "Out of Office: Offer 7",
        "Re: Out of the office",
        "Abwesenheitsnotiz: Angebot",
        "I am out of the office until Monday",
        "[Auto-Reply] Offer 7",
        "Resposta automàtica: oferta",
        "Automaatvastus: pakkumine",
        "Automātiskā atbilde: piedāvājums",
        "Automatinis atsakymas: pasiūlymas",
        "Automatski odgovor: ponuda",
        "Samodejni odgovor: ponudba",
        "Balasan otomatis: penawaran",
        "Trả lời tự động: báo giá",
        "ตอบกลับอัตโนมัติ: ใบเสนอราคา",
        "پاسخ خودکار: پیشنهاد",
        "Автоматичен отговор: оферта",
        "Εκτός γραφείου: προσφορά",
        "מחוץ למשרד: הצעה",
        "부재 중: 견적",
        "不在のお知らせ: 見積",
    ],
)
@pytest.mark.parametrize(
    ("headers", "mail_from"),
    [
        ((), ""),
        ((("Auto-Submitted", "auto-generated"),), "carla@customer.example"),
        ((("Precedence", "bulk"),), "carla@customer.example"),
    ],
    ids=["null reverse-path", "auto-generated", "bulk"],
)
def test_a_vacation_subject_and_a_second_sign_are_an_automatic_reply(
    subject: str, headers: Headers, mail_from: str
) -> None:
    assert evidence(subject=subject, headers=headers, mail_from=mail_from).is_auto_reply


@pytest.mark.parametrize(
    ("subject", "is_reply"),
    [
        ("Automatic reply: Offer 7", True),
        ("Out of office planning for July", False),
        ("Vacation reply forms", False),
        ("Offer 7", False),
    ],
)
def test_outlooks_wish_helps_a_vacation_subject_only_where_it_is_a_prefix(subject: str, is_reply: bool) -> None:
    assert evidence(subject=subject, headers=(("X-Auto-Response-Suppress", "All"),)).is_auto_reply is is_reply


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        ("Out of office: who stands in for Bob?", ()),
        ("Abwesenheit im Juli", ()),
        ("Offer", (("X-Auto-Response-Suppress", "All"),)),
        ("Offer", (("X-Auto-Response-Suppress", "OOF, AutoReply"),)),
        ("Offer", (("Auto-Submitted", "no"),)),
        ("Offer", (("X-Autoreply", "no"),)),
        ("Offer", (("Precedence", "normal"),)),
        ("Offer", (("X-Priority", "1"), ("Importance", "high"))),
    ],
)
def test_a_person_is_never_taken_for_a_machine(subject: str, headers: Headers) -> None:
    seen = evidence(subject=subject, headers=headers)
    assert not seen.is_auto_reply
    assert not seen.is_automatic


@pytest.mark.parametrize(
    "headers",
    [
        (("Auto-Submitted", "auto-generated"),),
        (("Auto-Submitted", "auto-notified; owner-email=x"),),
        (("Precedence", "bulk"),),
        (("Precedence", "List"),),
        (("Precedence", "junk"),),
        (("List-Id", "<news.customer.example>"),),
        (("List-Unsubscribe", "<https://customer.example/u>"),),
        (("Feedback-ID", "1:2:3:customer"),),
    ],
)
def test_these_are_automatic_but_no_replies(headers: Headers) -> None:
    seen = evidence(headers=headers)
    assert seen.is_automatic
    assert not seen.is_auto_reply


@pytest.mark.parametrize(
    "author",
    [
        "noreply@shop.example",
        "no-reply@shop.example",
        "Shop <do-not-reply+7@shop.example>",
        "owner-list@shop.example",
        "list-request@shop.example",
    ],
)
def test_who_reads_no_answers_is_automatic(author: str) -> None:
    assert evidence(author=author).is_automatic


@pytest.mark.parametrize("author", ["norepl@shop.example", "anna.noreply.schmidt@shop.example", "reply@shop.example"])
def test_who_is_merely_called_so_is_not(author: str) -> None:
    assert not evidence(author=author).is_automatic


def test_a_mail_server_does_not_reply_whatever_its_headers_say() -> None:
    seen = evidence(author="MAILER-DAEMON@customer.example", headers=(("Auto-Submitted", "auto-replied"),))
    assert not seen.is_auto_reply
    assert seen.is_automatic
