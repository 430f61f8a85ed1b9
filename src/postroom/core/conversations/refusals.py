"""What refused senders are told, in the language of their own mail: English or German.

Laws: pure; linear; the words are a person's who writes for the company, not a server's. In doubt English. Standards: RFC 3282
(Content-Language), RFC 3834 3 (what an automatic answer says).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_READ = 2_000  # characters of a mail
_WORD = re.compile(r"[a-zäöüß]{2,20}", re.IGNORECASE)
_GERMAN = frozenset(
    "und der die das nicht ich sie wir ist mit für auf bitte danke hallo guten grüße grüßen gruß eine einen mein meine ihre ihnen"
    " haben wurde noch auch bei vom zum zur sehr geehrte geehrter herr frau".split()
)
_ENGLISH = frozenset(
    "and the not you we is are with for on please thanks thank hello dear regards your our have has was were this that"
    " my me will would from about best kind hi".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """``answer`` as in the decision; ``recipient`` and ``company`` as people write them."""

    answer: str
    recipient: str
    company: str
    subject: str


_WORDS = {
    "en": {
        "policy": "Your mail to {recipient} was not taken: only people who are known there may write to it.",
        "catchall": "Your mail to {recipient} was not taken: this address only takes answers to mails of {company}. "
        "Please write to the company's contact address.",
        "": "Your mail was not taken: there is no mailbox {recipient} here.",
        "subject": "Subject: {subject}",
    },
    "de": {
        "policy": "Ihre E-Mail an {recipient} wurde nicht angenommen: Dorthin darf nur schreiben, wer dort bekannt ist.",
        "catchall": "Ihre E-Mail an {recipient} wurde nicht angenommen: Diese Adresse nimmt nur Antworten auf E-Mails von {company} an. "
        "Bitte schreiben Sie an die Kontaktadresse des Unternehmens.",
        "": "Ihre E-Mail wurde nicht angenommen: Ein Postfach {recipient} gibt es hier nicht.",
        "subject": "Betreff: {subject}",
    },
}


def refusal_html(refusal: Refusal, language: str) -> tuple[str, str]:
    """What happened, and which mail it is about: two paragraphs."""
    words = _WORDS.get(language, _WORDS["en"])
    names = {"recipient": escape(refusal.recipient), "company": escape(refusal.company)}
    said = words.get(refusal.answer, words[""]).format_map(names)
    about = words["subject"].format_map({"subject": escape(refusal.subject)})
    return f"<p>{said}</p>", f"<p>{about}</p>"


def language_of(content_language: str, text: str) -> str:
    """``de`` or ``en``: as the mail says of itself, else as its words are."""
    named = content_language.strip().lower()[:2]
    if named in _WORDS:
        return named
    found = {word.lower() for word in _WORD.findall(text[:_READ])}
    return "de" if len(found & _GERMAN) > len(found & _ENGLISH) else "en"
