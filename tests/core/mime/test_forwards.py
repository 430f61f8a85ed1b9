from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postroom.core.mime.forwards import is_forward_subject
from postroom.core.mime.parsed import Forwarded
from postroom.core.mime.parsing import parse
from postroom.core.mime.particulars import Particulars, particulars_as_json, particulars_of, read_particulars
from postroom.core.terms.addresses import Address
from tests.core.mime.mails import HEAD, TEXT, joined, mail, multipart, part

CARLA = Address("Customer Carla", "carla", "customer.example")
WORDS = "\n\nMy bike squeaks.\nCarla\n"


def forward(body: str, subject: str = "Fwd: My bike", kind: str = "text/plain; charset=utf-8") -> Forwarded | None:
    head = HEAD.replace(b"Subject: Bike", f"Subject: {subject}".encode())
    return parse(head + f"Content-Type: {kind}\r\n\r\n".encode() + body.encode()).forwarded


@pytest.mark.parametrize(
    ("subject", "block"),
    [
        ("Fwd: My bike", "---------- Forwarded message ---------\nFrom: Customer Carla <carla@customer.example>\nDate: Tue, 2 Jan 2024 at 15:04\nSubject: My bike\nTo: <bob@shop.example>"),
        ("WG: My bike", "Von: Customer Carla <carla@customer.example>\nGesendet: Dienstag, 2. Januar 2024 15:04\nAn: Bob <bob@shop.example>\nBetreff: My bike"),
        ("WG: My bike", "-----Ursprüngliche Nachricht-----\nVon: Customer Carla [mailto:carla@customer.example]\nGesendet: Dienstag\nAn: Bob\nBetreff: My bike"),
        ("Fwd: My bike", "Begin forwarded message:\n\nFrom: Customer Carla <carla@customer.example>\nSubject: My bike\nDate: 2 January 2024 at 15:04:05 CET\nTo: Bob <bob@shop.example>"),
        ("Fwd: My bike", "Begin forwarded message:\n\n> From: Customer Carla <carla@customer.example>\n> Subject: My bike\n> Date: 2 January 2024\n> To: Bob <bob@shop.example>\n>"),
        ("TR: My bike", "De : Customer Carla <carla@customer.example>\nEnvoyé : mardi 2 janvier 2024 15:04\nÀ : Bob\nObjet : My bike"),
        ("TR : My bike", "-------- Message transféré --------\nSujet : My bike\nDate : Tue, 2 Jan 2024 15:04:05 +0000\nDe : Customer Carla <carla@customer.example>\nPour : Bob"),
        ("RV: My bike", "De: Customer Carla <carla@customer.example>\nEnviado el: martes, 2 de enero de 2024 15:04\nPara: Bob\nAsunto: My bike"),
        ("I: My bike", "Da: Customer Carla <carla@customer.example>\nInviato: martedì 2 gennaio 2024 15:04\nA: Bob\nOggetto: My bike"),
        ("ENC: My bike", "De: Customer Carla <carla@customer.example>\nEnviada em: terça-feira, 2 de janeiro de 2024 15:04\nPara: Bob\nAssunto: My bike"),
        ("FW: My bike", "*Van:* Customer Carla <carla@customer.example>\n*Verzonden:* dinsdag 2 januari 2024\n*Aan:* Bob\n*Onderwerp:* My bike"),
        ("VB: My bike", "Från: Customer Carla <carla@customer.example>\nSkickat: den 2 januari 2024\nTill: Bob\nÄmne: My bike"),
        ("PD: My bike", "Od: Customer Carla <carla@customer.example>\nWysłano: wtorek, 2 stycznia 2024\nDo: Bob\nTemat: My bike"),
        ("VL: My bike", "Lähettäjä: Customer Carla <carla@customer.example>\nLähetetty: tiistai 2. tammikuuta 2024\nVastaanottaja: Bob\nAihe: My bike"),
        ("Fwd: My bike", "-------- Пересылаемое сообщение --------\nОт: Customer Carla <carla@customer.example>\nДата: 2 января 2024\nТема: My bike\nКому: Bob"),
        ("转发: My bike", "---------- 转发的邮件 ----------\n发件人：Customer Carla <carla@customer.example>\n日期：2024年1月2日\n主题：My bike\n收件人：Bob"),
        ("Fwd: My bike", "---------- 転送メッセージ ----------\n差出人: Customer Carla <carla@customer.example>\n日付: 2024年1月2日\n件名: My bike\n宛先: Bob"),
        ("İLT: My bike", "Kimden: Customer Carla <carla@customer.example>\nGönderildi: 2 Ocak 2024 Salı\nKime: Bob\nKonu: My bike"),
        ("Fwd: My bike", "Feladó: Customer Carla <carla@customer.example>\nElküldve: 2024. január 2.\nCímzett: Bob\nTárgy: My bike"),
        ("Fwd: My bike", "Odesílatel: x\nOd: Customer Carla <carla@customer.example>\nOdesláno: úterý 2. ledna 2024\nKomu: Bob\nPředmět: My bike"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", ["", "Alice, please look at this.\n\n"])
def test_who_wrote_what_was_passed_on(subject: str, block: str, words: str) -> None:
    found = forward(words + block + WORDS, subject)
    assert found is not None
    assert found.author == CARLA
    assert (found.subject, found.is_attached) == ("My bike", False)
    assert "2" in found.written_date or found.written_date == "Dienstag"


def test_a_date_is_an_instant_only_when_it_names_its_zone() -> None:
    block = "---------- Forwarded message ---------\nFrom: Carla <carla@customer.example>\nDate: {}\nSubject: x"
    zoned = forward(block.format("Tue, 2 Jan 2024 15:04:05 +0100") + WORDS)
    bare = forward(block.format("Tue, 2 Jan 2024 at 15:04") + WORDS)
    assert zoned is not None
    assert bare is not None
    assert zoned.date == datetime(2024, 1, 2, 14, 4, 5, tzinfo=UTC)
    assert (bare.date, bare.written_date) == (None, "Tue, 2 Jan 2024 at 15:04")


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("Re: My bike", "Thanks!\n\n-----Original Message-----\nFrom: Alice <alice@shop.example>\nSent: Tuesday\nTo: Carla\nSubject: My bike" + WORDS),
        ("AW: My bike", "Danke!\n\nVon: Alice <alice@shop.example>\nGesendet: Dienstag\nAn: Carla\nBetreff: My bike" + WORDS),
        ("Fwd: My bike", "I forgot to attach what I wanted to forward." + WORDS),
        ("My bike", "From: Berlin\nTo: Paris\nDate: 5 May" + WORDS),
        ("Forward gear", "It is broken." + WORDS),
    ],
)  # fmt: skip
def test_an_answer_is_no_forward(subject: str, body: str) -> None:
    assert forward(body, subject) is None


def test_a_forward_below_an_attribution_names_its_author() -> None:
    found = forward("Look.\n\nOn Tue, Jan 2, 2024 at 3:04 PM, Customer Carla <carla@customer.example> wrote:" + WORDS)
    assert found is not None
    assert found.author == CARLA


def test_a_forward_in_html_is_read_too() -> None:
    html = (
        '<div>Look.</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: '
        "<b>Customer Carla</b> &lt;<a href='mailto:carla@customer.example'>carla@customer.example</a>&gt;<br>Date: Tue, 2 Jan"
        " 2024 at 15:04<br>Subject: My bike<br>To: Bob<br></div><br>My bike squeaks.</div>"
    )
    found = forward(html, kind="text/html; charset=utf-8")
    assert found is not None
    assert (found.author, found.subject) == (CARLA, "My bike")


@pytest.mark.parametrize("encoding", ["7bit", "base64"])
def test_an_attached_mail_is_a_forward(encoding: str) -> None:
    inner = (
        b"From: Customer Carla <carla@customer.example>\r\nSubject: =?utf-8?q?R=C3=A4der?=\r\nMessage-ID: <9@customer.example>\r\n"
        b"Date: Tue, 2 Jan 2024 15:04:05 +0000\r\n\r\nMy bike squeaks."
    )
    if encoding == "base64":
        from base64 import encodebytes

        inner = encodebytes(inner)
    attached = part("message/rfc822", inner, Content_Transfer_Encoding=encoding)
    found = parse(multipart("mixed", TEXT, attached)).forwarded
    assert found == Forwarded(
        author=CARLA,
        date=datetime(2024, 1, 2, 15, 4, 5, tzinfo=UTC),
        written_date="Tue, 2 Jan 2024 15:04:05 +0000",
        subject="Räder",
        message_id="<9@customer.example>",
        is_attached=True,
    )


def test_several_attached_mails_and_returned_ones_are_no_forward() -> None:
    inner = part("message/rfc822", "From: carla@customer.example\r\n\r\nHi")
    assert parse(multipart("mixed", TEXT, inner, inner)).forwarded is None
    returned = multipart("report", TEXT, part("message/delivery-status", "Action: failed\r\n"), inner)
    assert parse(returned).forwarded is None


@pytest.mark.parametrize(
    "subject", ["Fwd: x", "FW: x", "WG:x", "TR : x", "[Fwd: x]", "Re: Fwd: x", "[list] Fwd: x", "转发：x", "Пер: x"]
)
def test_subjects_of_forwards(subject: str) -> None:
    assert is_forward_subject(subject)


@pytest.mark.parametrize("subject", ["", "x", "Re: x", "Forward: x", "Fwd", "AW: x", "VS: x", "Trip: x", "a Fwd: x"])
def test_subjects_of_other_mails(subject: str) -> None:
    assert not is_forward_subject(subject)


def test_what_is_stored_is_read_back() -> None:
    ics = "BEGIN:VEVENT\r\nSUMMARY:Meet\r\nDTSTART:20240702T130400Z\r\nDTEND;TZID=X:20240702T160400\r\nATTENDEE:x\r\nEND:VEVENT"
    raw = multipart(
        "signed",
        part(
            "text/plain", "---------- Forwarded message ---------\r\nFrom: Carla <c@x.example>\r\nSubject: x\r\n\r\nHi"
        ),
        part("text/calendar", ics),
    )
    found = parse(raw)
    assert found.forwarded is not None
    assert found.invitations
    stored = particulars_as_json(found)
    assert read_particulars(stored) == particulars_of(found)
    assert particulars_as_json(parse(mail())) is None


@pytest.mark.parametrize(
    "stored",
    [None, [], "x", {}, {"invitations": 1}, {"invitations": [1]}, {"forwarded": []}, {"is_signed": "yes"}],
)
def test_what_was_stored_by_another_house_says_nothing(stored: object) -> None:
    assert read_particulars(stored) == Particulars()


def test_stored_values_of_a_wrong_kind_are_left_out() -> None:
    found = read_particulars(
        {
            "invitations": [
                {"summary": 1, "start": {"local": "x"}, "end": {"local": "2024-01-02T15:04:05+00:00"}, "organizer": 7}
            ],
            "forwarded": {"author": ["a"], "date": 3},
        }
    )
    assert [(one.summary, one.start, one.end, one.organizer_name) for one in found.invitations] == [
        ("", None, None, "")
    ]
    assert found.forwarded == Forwarded(author=Address("a", "", ""))


def test_a_forward_of_many_parts_keeps_its_text() -> None:
    body = joined(
        "b1",
        part("text/plain", "FYI\r\n\r\nFrom: Carla <c@x.example>\r\nSent: Tuesday\r\nTo: Bob\r\nSubject: x\r\n\r\nHi"),
    )
    head = HEAD.replace(b"Subject: Bike", b"Subject: FW: x")
    found = parse(head + b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n" + body)
    assert found.reply_text == found.text.replace("\r", "").strip()
    assert found.forwarded is not None
