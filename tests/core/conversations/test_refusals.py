"""What refused senders are told, in the language of their own mail."""

from __future__ import annotations

import pytest

from postroom.core.conversations.refusals import Refusal, language_of, refusal_html


@pytest.mark.parametrize(
    ("named", "text", "language"),
    [
        ("", "Hallo,\n\nwo ist mein Paket?\n\nViele Grüße\nCarla", "de"),
        ("", "Sehr geehrte Damen und Herren, bitte senden Sie mir eine Rechnung.", "de"),
        ("", "Hello,\n\nwhere is my parcel?\n\nBest regards\nCarla", "en"),
        ("", "Where is my Paket?", "en"),
        ("", "", "en"),
        ("", "Où est mon colis?", "en"),
        ("de-AT", "Hello, this is for you", "de"),
        ("en", "Hallo, das ist nicht für Sie", "en"),
        ("fr", "Hallo, das ist nicht für Sie", "de"),
    ],
)
def test_the_language_is_what_the_mail_says_of_itself_else_its_words(named: str, text: str, language: str) -> None:
    assert language_of(named, text) == language


@pytest.mark.parametrize("answer", ["policy", "catchall", "unknown"])
@pytest.mark.parametrize("language", ["en", "de", "xx"])
def test_every_refusal_has_words_and_nothing_of_a_stranger_is_markup(answer: str, language: str) -> None:
    refusal = Refusal(answer=answer, recipient="<b>@in.test", company="Lamps & {Sons}", subject="<script>{x}")
    body, about = refusal_html(refusal, language)
    assert "&lt;b&gt;@in.test" in body
    assert "&lt;script&gt;{x}" in about
    assert ("E-Mail" in body) is (language == "de")
    assert ("Lamps &amp; {Sons}" in body) is (answer == "catchall")
