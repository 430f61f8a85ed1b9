from __future__ import annotations

import pytest

from postroom.core.mime.quotes import SeparatedReply, separate_reply

QUOTED = "\n\n> Dear Bob,\n> your bike is ready.\n"
UNMARKED = "\n\nDear Bob,\nyour bike is ready.\n"


@pytest.mark.parametrize(
    "attribution",
    [
        "On Tue, Jan 2, 2024 at 3:04 PM Alice <alice@shop.example> wrote:",
        "On Tue, Jan 2, 2024 at 3:04 PM Alice from the shop around the corner <\nalice@shop.example> wrote:",
        "On 02/01/2024 15:04, Alice wrote:",
        "On 2 Jan 2024, at 15:04, Alice <alice@shop.example> wrote:",
        "Am 02.01.2024 um 15:04 schrieb Alice:",
        "Am Di., 2. Jan. 2024 um 15:04 Uhr schrieb Alice <alice@shop.example>:",
        "Le mar. 2 janv. 2024 à 15:04, Alice <alice@shop.example> a écrit :",
        "Le 02/01/2024 à 15:04, Alice a écrit :",
        "El mar, 2 ene 2024 a las 15:04, Alice (<alice@shop.example>) escribió:",
        "Il giorno mar 2 gen 2024 alle ore 15:04 Alice <alice@shop.example> ha scritto:",
        "Op di 2 jan. 2024 om 15:04 schreef Alice <alice@shop.example>:",
        "Em ter., 2 de jan. de 2024 às 15:04, Alice <alice@shop.example> escreveu:",
        "wt., 2 sty 2024 o 15:04 Alice <alice@shop.example> napisał(a):",
        "W dniu 02.01.2024 o 15:04, Alice pisze:",
        "Den tis 2 jan. 2024 kl 15:04 skrev Alice <alice@shop.example>:",
        "tir. 2. jan. 2024 kl. 15:04 skrev Alice <alice@shop.example>:",
        "ti 2. tammik. 2024 klo 15.04 Alice <alice@shop.example> kirjoitti:",
        "út 2. 1. 2024 v 15:04 odesílatel Alice <alice@shop.example> napsal:",
        "вт, 2 янв. 2024 г. в 15:04, Alice <alice@shop.example>:",
        "02.01.2024 15:04, Alice пишет:",
        "Alice <alice@shop.example>, 2 Oca 2024 Sal, 15:04 tarihinde şunu yazdı:",
        "Alice <alice@shop.example> 于2024年1月2日周二 15:04写道：",
        "2024年1月2日(火) 15:04 Alice <alice@shop.example>:",
        "2024년 1월 2일 (화) 오후 3:04, Alice <alice@shop.example>님이 작성:",
        "Vào Th 3, 2 thg 1, 2024 vào lúc 15:04 Alice <alice@shop.example> đã viết:",
        "--- On Tue, 1/2/24, Alice <alice@shop.example> wrote:",
    ],
)
@pytest.mark.parametrize("quotation", [QUOTED, UNMARKED])
def test_an_attribution_begins_a_quotation_in_every_language(attribution: str, quotation: str) -> None:
    parts = separate_reply(f"Thank you, I come at noon.\n\n{attribution}{quotation}")
    assert parts.reply == "Thank you, I come at noon."
    assert parts.quoted.startswith(attribution.strip())
    assert parts.quoted.endswith("your bike is ready.")


@pytest.mark.parametrize(
    "block",
    [
        "From: Alice <alice@shop.example>\nSent: Tuesday, January 2, 2024 3:04 PM\nTo: Bob\nSubject: Your bike",
        "________________________________\nFrom: Alice <alice@shop.example>\nSent: Tuesday\nTo: Bob "
        "<bob@x.example>\nSubject: Bike",
        "-----Original Message-----\nFrom: Alice\nSent: Tuesday\nTo: Bob\nSubject: Bike",
        "Von: Alice <alice@shop.example>\nGesendet: Dienstag, 2. Januar 2024 15:04\nAn: Bob\nBetreff: Ihr Rad",
        "De : Alice <alice@shop.example>\nEnvoyé : mardi 2 janvier 2024 15:04\nÀ : Bob\nObjet : Votre vélo",
        "De: Alice <alice@shop.example>\nEnviado: martes, 2 de enero de 2024\nPara: Bob\nAsunto: Su bicicleta",
        "Da: Alice <alice@shop.example>\nInviato: martedì 2 gennaio 2024\nA: Bob\nOggetto: La bici",
        "*Van:* Alice\n*Verzonden:* dinsdag 2 januari 2024\n*Aan:* Bob\n*Onderwerp:* Fiets",
        "Od: Alice <alice@shop.example>\nWysłano: wtorek\nDo: Bob\nTemat: Rower",
        "Från: Alice <alice@shop.example>\nSkickat: den 2 januari 2024\nTill: Bob\nÄmne: Cykel",
        "发件人：Alice <alice@shop.example>\n发送时间：2024年1月2日\n收件人：Bob\n主题：自行车",
        "差出人: Alice <alice@shop.example>\n送信日時: 2024年1月2日\n宛先: Bob\n件名: 自転車",
        "-------- Ursprüngliche Nachricht --------\nVon: Alice",
    ],
)
def test_a_quoted_header_block_ends_the_reply(block: str) -> None:
    parts = separate_reply(f"Thank you, I come at noon.\n\n{block}{UNMARKED}")
    assert parts.reply == "Thank you, I come at noon."
    assert parts.quoted.startswith(block.splitlines()[0])
    assert parts.quoted.endswith("your bike is ready.")


@pytest.mark.parametrize(
    "words",
    [
        "Please send from: Berlin\nTo: Paris\nDate: 5 May\nWeight: 3 kg",
        "From: Berlin\nTo: Paris\nDate: 5 May",
        "Date: Wednesday 3, October\nTime: 7:00\nAddress: 130 Fox St\n\nPlease bring your ID.",
        "On Monday I wrote to you about this:\nthe bike squeaks.",
        "On blah-blah-blah",
        "He said:\nno.",
        "I saw on 3.4.2024 at 10:30 that it costs:\n\n10 €",
        "My list:\n\n-----\n1. a bike\n-----\n2. a bell",
        "Sent from my desk, which is much easier than my mobile phone.",
        "Sent from my iPhone it looks wrong, so I tried Outlook, and there it looks even worse than "
        "it did before, I think.",
        "Original message: was it lost?",
        "Price -- 10 €\n-- or more",
        "Please call me: 030 123456:",
    ],
)
def test_what_only_looks_like_a_quotation_stays(words: str) -> None:
    assert separate_reply(words) == SeparatedReply(reply=words, quoted="", signature="")


def test_answers_between_quoted_lines_are_all_kept() -> None:
    text = (
        "Hello Alice,\n\nOn Tue, Jan 2, 2024 at 3:04 PM Alice wrote:\n> Which colour?\nBlue.\n> And "
        "the bell?\n\nLoud.\n\n"
        "> Anything else?\n\nNo, thank you.\nBob"
    )
    parts = separate_reply(text)
    assert parts.reply.split("\n\n")[0] == "Hello Alice,"
    assert [line for line in parts.reply.splitlines() if line] == [
        "Hello Alice,",
        "Blue.",
        "Loud.",
        "No, thank you.",
        "Bob",
    ]
    assert "> And the bell?" in parts.quoted


def test_an_answer_below_the_quotation_is_the_reply() -> None:
    assert separate_reply("On 2 Jan 2024, Alice wrote:\n> Which colour?\n\nBlue.").reply == "Blue."


def test_an_attribution_behind_words_on_the_same_line_is_cut_off() -> None:
    assert (
        separate_reply("Blue. On Tue, Jan 2, 2024 at 3:04 PM, alice@shop.example wrote:\n> Which colour?").reply
        == "Blue."
    )
    assert (
        separate_reply("Blue.--- On Tue, Jan 2, 2024 at 3:04 PM, alice@shop.example wrote:\n> Which?").reply == "Blue."
    )


def test_a_quoted_line_that_a_relay_wrapped_is_still_quoted() -> None:
    quoted = "> Dear Bob, please tell us which of the many colours of our catalogue you\nprefer by now.\n> Alice"
    assert separate_reply(f"Blue.\n\n{quoted}").reply == "Blue."


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nBob\nBob's Bikes\n+49 30 123456",
        "--\nBob\nBob's Bikes\nsince 1970",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPad",
        "Wysłane z iPhone'a",
        "Skickat från min iPhone",
        "Get Outlook for Android<https://aka.ms/x>",
        "Sent from Mail for Windows",
        "Sent via Samsung Galaxy",
        "_______________________________________________\nusers mailing list\nusers@lists.example",
    ],
)
@pytest.mark.parametrize("quotation", ["", f"\n\nOn Tue, Jan 2, 2024 at 3:04 PM Alice <a@shop.example> wrote:{QUOTED}"])
def test_a_signature_is_no_reply_but_kept(signature: str, quotation: str) -> None:
    parts = separate_reply(f"I come at noon.\n\n{signature}{quotation}")
    assert parts.reply == "I come at noon."
    assert parts.signature == signature.rstrip()


def test_a_name_below_dashes_at_the_end_of_a_mail_is_a_signature() -> None:
    assert separate_reply("I come at noon.\n\n--\nBob").reply == "I come at noon."


@pytest.mark.parametrize("block", ["-- \nBob", "--\nBring the blue one.\nSent with Sparrow"])
def test_few_lines_between_dashes_and_a_quotation_may_be_last_words_and_stay(block: str) -> None:
    parts = separate_reply(
        f"I come at noon.\n\n{block}\n\nOn Tue, Jan 2, 2024 at 3:04 PM Alice <a@shop.example> wrote:{QUOTED}"
    )
    assert parts.reply == f"I come at noon.\n\n{block}"
    assert not parts.signature


def test_a_long_text_behind_two_dashes_is_no_signature() -> None:
    text = "Before.\n--\n" + "\n".join(f"Line {number} of what I really want to say." for number in range(20))
    assert separate_reply(text).reply == text


@pytest.mark.parametrize(
    "block",
    [
        "---------- Forwarded message ---------\nFrom: Alice <alice@shop.example>\nDate: Tue\nSubject: Bike\nTo: Bob",
        "Begin forwarded message:\n\nFrom: Alice <alice@shop.example>\nSubject: Bike",
        "-------- Weitergeleitete Nachricht --------\nVon: Alice",
        "Début du message transféré :\n\n> De: Alice <alice@shop.example>\n> Objet: Vélo",
        "---------- 転送メッセージ ----------\n差出人: Alice",
    ],
)
def test_what_is_forwarded_below_words_is_kept_with_them(block: str) -> None:
    text = f"> What is this?\nPlease look at it.\n\n{block}\n\nOn 2 Jan 2024 at 10:00, Carla wrote:\n> Hi\n\n-- \nAlice"
    parts = separate_reply(text)
    assert parts.reply == text.partition("\n")[2]
    assert parts.quoted == "> What is this?"
    assert parts.rest.startswith(block.partition("\n")[0])


def test_a_forward_that_is_itself_marked_is_quoted() -> None:
    parts = separate_reply("Thanks!\n\n> Begin forwarded message:\n>\n> From: Alice <alice@shop.example>")
    assert parts.reply == "Thanks!"


def test_a_forward_without_own_words_is_its_own_reply() -> None:
    text = "---------- Forwarded message ---------\nFrom: Alice <a@x.example>\nSubject: Invoice\n\nThe invoice."
    assert separate_reply(text) == SeparatedReply(reply=text, quoted="", signature="")


def test_a_mail_that_only_quotes_has_no_reply() -> None:
    parts = separate_reply("On 2 Jan 2024 at 10:00, Alice wrote:\n> Hello\n")
    assert (parts.reply, parts.quoted) == ("", "On 2 Jan 2024 at 10:00, Alice wrote:\n> Hello")


@pytest.mark.parametrize("text", ["", "\n\n", "\r\n", " "])
def test_nothing_yields_nothing(text: str) -> None:
    assert separate_reply(text) == SeparatedReply(reply="", quoted="", signature="")


def test_a_very_long_text_is_all_new() -> None:
    """Nobody typed it, and looking for quotations in ten megabytes holds up everybody's mail for a minute."""
    text = "Log\n" + "> line\n" * 100_000
    assert separate_reply(text) == SeparatedReply(reply=text, quoted="", signature="")
