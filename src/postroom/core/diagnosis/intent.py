"""What a question is about: "why do mails to carla@customer.example bounce?" in the words of the doctor.

Duty: `read_question` finds in a question, in English or German, the symptom, addresses, domains, Message-IDs and the text of an error.
Laws: pure, never raises, bounded; a guess is never more than the words bear. Words that name a symptom count by their weight, the
heaviest symptom wins; at a tie the one that stands first in the table, which goes from the particular to the general. Which way mail
should go and does not (`mail_flow`) counts as a word does. Where no word fits, there is no symptom, and whoever answers says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from postroom.core.diagnosis.mail_flow import SOMEBODY, Flow, asks_about_all, read_flow
from postroom.core.diagnosis.symptoms import Symptom
from postroom.core.terms.addresses import normalize, normalize_domain

LONGEST = 2_000  # characters of a question that are read
MOST = 5  # addresses, domains, identifiers

_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}")
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,200}>")
_DOMAIN = re.compile(
    r"(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}(?:[a-z]{2,24}|xn--[a-z0-9-]{1,59})(?![\w-])", re.I
)
_REPLY = re.compile(
    r"(?<![\w.])[245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3}\b|\S)[^\n]{0,500}|(?<![\w.])[245]\.\d{1,3}\.\d{1,3}\b[^\n]{0,500}"
)
_EXCEPTION = re.compile(
    r"(?:\b(?:[a-z_]{1,40}\.){0,5}[A-Za-z]{1,60}(?:Error|Exception)\b|\[(?:AUTHENTICATIONFAILED|ALERT|[A-Z]{4,30})\]|SSL:)[^\n]{0,500}"
)
_QUOTED = re.compile(r"[\"“„»'`]([^\"“”„«»'`\n]{12,500})[\"”“«'`]")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d{3}")

# Stems of words; with a blank: words that stand together, in this order, with not more than five between.
_WEIGHTS: Mapping[Symptom, str] = {
    Symptom.DUPLICATES: "twice:3 duplicat:3 doppelt:3 zweimal:3 mehrfach:2 double:2 doubled:3 two copies:3 zwei kopien:3",
    Symptom.DAILY_LIMIT: "daily limit:5 limit:3 quota:3 kontingent:3 tageslimit:5 tageslimits:5 sendelimit:4 rate limit:3 too many:2 zu viele:2",
    Symptom.AUTHENTICATION_FAILED: (
        "authentic:3 authentifizier:3 anmeld:3 login:3 logins:3 password:3 passwort:3 credential:3 zugangsdaten:3 einloggen:3 log in:3 535:3 "
        "oauth:2 token:2 app password:4"
    ),
    Symptom.CONNECTION_REFUSED: (
        "connection refused:5 verbindung abgelehnt:5 verbindung verweigert:5 refused connection:4 cannot connect:4 can't connect:4 timed out:3 "
        "timeout:3 zeitüberschreitung:3 keine verbindung:4 verbindung:2 connect:2 connection:2 unreachable:3 nicht erreichbar:4"
    ),
    Symptom.SPAM: "spam:4 junk:4 spamordner:5 spamverdacht:5 werbung:2 phishing:3",
    Symptom.NO_REPLIES: (
        "replies:3 reply:2 antwort:3 antworten:3 answer:2 answers:2 replies not:2 no replies:4 keine antwort:4 keine antworten:4 "
        "answers not:2 antworten nicht:3 come back record:2"
    ),
    Symptom.NO_ERROR: "no error:4 without error:5 kein fehler:4 ohne fehler:5 keine fehlermeldung:5 ohne fehlermeldung:5 no reason:2 disappear:2 verschwind:2 lost:2",
    Symptom.QUEUED: "queue:4 queued:5 queues:4 warteschlange:5 stuck:4 hängen:3 hängt:3 stecken:3 steckt:3 waiting:2 waits:2 wartet:2 warten:2 deferred:3 delayed:3 verzögert:3",
    Symptom.BOUNCES: (
        "bounc:5 unzustellbar:5 zurückgekommen:4 kommen zurück:4 kommt zurück:4 come back:2 comes back:2 returned:3 rückläufer:5 rejected:3 "
        "reject:3 refus:2 abgewiesen:4 abgelehnt:3 zurückgewiesen:4 undeliverable:5 undelivered:4 not delivered:3 nicht zugestellt:3 mailer-daemon:5 "
        "550:3 554:3"
    ),
    Symptom.NOT_RECEIVING: (
        "receiv:2 incoming:4 eingehend:4 eingang:3 posteingang:3 fetch:4 abgerufen:4 abholen:4 abruf:4 mailbox:2 postfach:2 imap:3 pop3:3 "
        "empfang:3 kommt nicht an uns:4"
    ),
    Symptom.NOT_SENDING: "send:1 sends:1 sending:1 senden:1 versand:2 verschickt:1 gesendet:1 failed:1 fehlgeschlagen:2 smtp:1",
}  # fmt: skip
_OF_FLOW: Mapping[Flow, Symptom] = {
    Flow.OUT: Symptom.NOT_SENDING,
    Flow.IN: Symptom.NOT_RECEIVING,
    Flow.SLOW: Symptom.QUEUED,
}
_FLOW_WEIGHT = 4  # of verb, direction and negation together
_NOT_DOMAINS = frozenset("eml msg txt html toml py log pdf".split())  # of files
_STEMS = frozenset(
    "duplicat authentic authentifizier anmeld credential verschwind bounc receiv disappear reject refus".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was understood. ``language``: in which it was asked, ``""`` where its words do not tell. ``symptom`` None: no word names one. ``domains`` without those of the addresses; ``error``: a reply, verbatim; ``is_about_all``: what is wrong at all."""

    text: str
    language: str = ""
    symptom: Symptom | None = None
    addresses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    error: str = ""
    is_about_all: bool = False

    @property
    def is_understood(self) -> bool:
        return bool(
            self.symptom or self.addresses or self.domains or self.message_ids or self.error or self.is_about_all
        )


def read_question(text: str) -> Question:
    """The first `LONGEST` characters of it."""
    asked = " ".join(text[:LONGEST].replace("\0", " ").split())
    message_ids = _once(_MESSAGE_ID.findall(asked))
    rest = _MESSAGE_ID.sub(" ", asked)
    error = _error(rest)
    addresses = _once(filter(None, (normalize(found.strip(".")) for found in _ADDRESS.findall(rest))))
    without = _ADDRESS.sub(" ", rest.replace(error, " ") if error else rest)
    domains = _once(
        name
        for found in _DOMAIN.findall(without)
        if found.rpartition(".")[2].lower() not in _NOT_DOMAINS and (name := normalize_domain(found))
    )
    said = _ADDRESS.sub(f" {SOMEBODY} ", rest.replace(error, " ") if error else rest)
    for domain in domains:
        said = re.sub(re.escape(domain), f" {SOMEBODY} ", said, flags=re.IGNORECASE)
    symptom = _symptom(said) or (_symptom(error) if error else None)
    is_named = bool(addresses or domains or message_ids or error)
    return Question(
        text=asked,
        language=_language(without),
        symptom=symptom,
        addresses=addresses,
        domains=domains,
        message_ids=message_ids,
        error=error,
        is_about_all=not is_named and symptom is None and asks_about_all(_words(said)),
    )


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MOST]


def _error(text: str) -> str:
    """A server's reply or an exception, to the end of its line or of its quotation marks."""
    for quoted in _QUOTED.findall(text):
        if _REPLY.search(quoted) or _EXCEPTION.search(quoted):
            return str(quoted).strip()
    places = [found for found in (_REPLY.search(text), _EXCEPTION.search(text)) if found]
    if not places:
        return ""
    return min(places, key=lambda found: found.start())[0].strip(" \"'“”„?")


_COMMON: Mapping[str, frozenset[str]] = {
    "de": frozenset(
        "warum wieso weshalb wie wo wann was welche kommen kommt kam keine kein nicht ist sind war wird werden wurde der das den dem ein eine "
        "einen von zu auf bei und oder aber ich wir uns mein meine unser unsere bekomme bekommen bedeutet heißt gehen geht nach mit für über "
        "hängt hängen landen landet".split()
    ),
    "en": frozenset(
        "why what how where when which is are was were do does did the a of to and or but my our we i it not from with for about mean means "
        "get gets go goes come comes".split()
    ),
}


def _language(text: str) -> str:
    """The one of which more common words stand there."""
    words = [word.lower() for word in _WORD.findall(text)]
    counts = {language: sum(word in common for word in words) for language, common in _COMMON.items()}
    language = max(counts, key=lambda one: counts[one])
    return language if counts[language] > min(counts.values()) else ""


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text.replace("’", "'"))]


def _symptom(text: str) -> Symptom | None:
    words = _words(text)
    weights = {symptom: _weight(spec, words) for symptom, spec in _WEIGHTS.items()}
    if (flow := read_flow(words)) is not None:
        weights[_OF_FLOW[flow]] += _FLOW_WEIGHT
    heaviest = max(weights.values())
    return next(symptom for symptom, weight in weights.items() if weight == heaviest) if heaviest else None


def _weight(spec: str, words: list[str]) -> int:
    total = 0
    for phrase, weight in _phrases(spec):
        if _stands(phrase, words):
            total += weight
    return total


def _phrases(spec: str) -> list[tuple[list[str], int]]:
    """``connection refused:5 connect:2`` --> words and weight of each."""
    found: list[tuple[list[str], int]] = []
    words: list[str] = []
    for piece in spec.split():
        word, colon, weight = piece.partition(":")
        words.append(word)
        if colon:
            found.append((words, int(weight)))
            words = []
    return found


_MOST_APART = 5


def _stands(phrase: list[str], words: list[str]) -> bool:
    """In this order, each within `_MOST_APART` words of the one before."""
    for start, word in enumerate(words):
        if not _is(phrase[0], word):
            continue
        at = start
        for wanted in phrase[1:]:
            at = next(
                (place for place in range(at + 1, min(at + 2 + _MOST_APART, len(words))) if _is(wanted, words[place])),
                -1,
            )
            if at < 0:
                break
        if at >= 0:
            return True
    return False


def _is(wanted: str, word: str) -> bool:
    return word.startswith(wanted) if wanted in _STEMS or len(wanted) > 6 else word == wanted
