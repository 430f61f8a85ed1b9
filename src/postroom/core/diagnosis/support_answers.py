"""What support asks first, answered from what is known.

Duty: which way the mail went, by what kind of server, whether the evidence is the mail itself or a forwarded copy, which mail like it worked,
what changed before, whether it is one case or all, and whether what came back is as it should be.
Laws: pure; an answer that nobody can give says so and says what would help, it is never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

UNKNOWN = "Not known here."
_DOORS = {
    "smtp": "by SMTP at the own door: a mail server or a provider delivers or forwards to it",
    "lmtp": "by LMTP at the own door: the mail server of this house hands it on",
    "imap": "fetched from a mailbox by IMAP (an incoming mail server is used)",
    "pop3": "fetched from a mailbox by POP3 (an incoming mail server is used)",
    "pipe": "through a pipe of the mail server of this machine",
    "http": "handed in over HTTP, by a provider or a program",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """A mail of the same way that worked."""

    what: str
    at: datetime
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What is known of the case. Counts are of the last seven days: ``alike`` of mails of the same way (alias or recipient's domain), ``others``
    of all other mails in that direction; of each how many, and how many did not arrive."""

    direction: str = ""  # "in", "out", or "" for the whole house
    is_answer: bool = False
    door: str = ""
    mailbox: str = ""
    server: str = ""
    record: str = ""
    kind: str = ""
    at: datetime | None = None
    is_forwarded_copy: bool = False
    forwarded_author: str = ""
    is_original: bool = False  # its bytes are in the bundle
    works: Like | None = None
    changes: Sequence[tuple[datetime, str]] = ()  # the newest first, those before the case
    broke_after: datetime | None = None  # the first failure, if there were none before
    alike: tuple[int, int] = (0, 0)
    others: tuple[int, int] = (0, 0)
    way: str = ""  # "to support@in.example", "to shop.example"
    state: str = ""
    has_report: bool = False
    is_red: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``facts``: the same for programs."""

    key: str
    question: str
    answer: str
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"key": self.key, "question": self.question, "answer": self.answer, "facts": self.facts}


def answers(facts: CaseFacts) -> tuple[Answer, ...]:
    """All questions, in the order in which they are asked."""
    looks = (_evidence, _which, _flow, _server, _example, _changes, _generic, _expected)
    return tuple(look(facts) for look in looks)


def _evidence(facts: CaseFacts) -> Answer:
    question = "Is the original mail at hand, or a forwarded copy of it?"
    if facts.is_forwarded_copy:
        by = f" of {facts.forwarded_author}" if facts.forwarded_author else ""
        told = (
            f"The mail is a forwarded copy: it holds another mail{by}. A forward has its own headers, so it tells only in part how the "
            "original travelled; ask whoever got or wrote the original for it as a file (.eml or .msg)."
        )
    elif facts.is_original:
        told = "The mail itself is in the bundle, with all its headers."
    else:
        told = f"{UNKNOWN} Its bytes were cleaned up, or the bundle is about no single mail."
    return Answer(key="evidence", question=question, answer=told, facts={"forwarded_copy": facts.is_forwarded_copy, "original": facts.is_original})  # fmt: skip


def _which(facts: CaseFacts) -> Answer:
    when = f"{facts.at:%Y-%m-%d %H:%M:%S} UTC" if facts.at is not None else ""
    told = ", ".join(one for one in (facts.record and f"record {facts.record}", facts.kind, when) if one)
    return Answer(key="record", question="Which record is concerned, and when was it?", answer=told or UNKNOWN)


def _flow(facts: CaseFacts) -> Answer:
    match facts.direction, facts.is_answer:
        case "in", True:
            told = "An answer that came in to a message of this house."
        case "in", _:
            told = "A mail that came in and answers nothing that was sent from here."
        case "out", True:
            told = "A notification: a mail came in, and people who follow the record hear of it."
        case "out", _:
            told = "A message that was written or made here and sent from here."
        case _:
            told = "The whole house: no single mail was named."
    question = "Which way is it: the notification of a reply that came in, or a message sent from here?"
    return Answer(key="flow", question=question, answer=told, facts={"direction": facts.direction})


def _server(facts: CaseFacts) -> Answer:
    question = "Is an incoming mail server used, or is mail forwarded by another server or provider? And outgoing?"
    if facts.direction == "in":
        told = f"It came {_DOORS.get(facts.door, facts.door or 'in an unknown way')}"
        told += f", mailbox {facts.mailbox}." if facts.mailbox else "."
    elif facts.direction == "out":
        told = f"It goes by the outgoing server {facts.server}." if facts.server else "No server was chosen yet."
    else:
        told = "See settings.json: mailboxes, doors and outgoing servers with their presets."
    return Answer(key="server", question=question, answer=told, facts={"door": facts.door, "server": facts.server})


def _example(facts: CaseFacts) -> Answer:
    question = "Is there an example of such a mail that went well?"
    if facts.works is None:
        told = f"None is known{f' {facts.way}' if facts.way else ''}."
        return Answer(key="example", question=question, answer=told)
    told = f"Yes: {facts.works.what}, {facts.works.at:%Y-%m-%d %H:%M:%S} UTC."
    return Answer(key="example", question=question, answer=told, facts={"message_id": facts.works.message_id})


def _changes(facts: CaseFacts) -> Answer:
    question = "Were settings of mail changed lately? Did it stop working after that?"
    if not facts.changes:
        return Answer(key="changes", question=question, answer="Nothing was changed in the two weeks before.")
    listed = "; ".join(f"{at:%Y-%m-%d %H:%M} {what}" for at, what in facts.changes[:8])
    told = f"{len(facts.changes)} changes in the two weeks before, the newest first: {listed}."
    if facts.broke_after is not None:
        last = next((at for at, _ in facts.changes if at <= facts.broke_after), None)
        if last is not None:
            told += f" The first failure of this kind was at {facts.broke_after:%Y-%m-%d %H:%M} UTC, after the change of {last:%Y-%m-%d %H:%M}."
    return Answer(key="changes", question=question, answer=told, facts={"count": len(facts.changes)})


def _generic(facts: CaseFacts) -> Answer:
    question = "Is it a general trouble, or one of this case alone?"
    (alike, alike_bad), (others, others_bad) = facts.alike, facts.others
    if not alike + others:
        return Answer(
            key="generic", question=question, answer=f"{UNKNOWN} There was no such mail in the last seven days."
        )
    way = facts.way or "of this kind"
    told = f"In the last seven days {alike_bad} of {alike} mails {way} did not get through, and {others_bad} of {others} others."
    if alike_bad and others_bad * 5 > others:
        told += " So it looks general."
    elif alike_bad > 1:
        told += " So it looks specific to this way."
    elif alike_bad == 1:
        told += " So it looks like this mail alone."
    return Answer(key="generic", question=question, answer=told, facts={"alike": [alike, alike_bad], "others": [others, others_bad]})  # fmt: skip


def _expected(facts: CaseFacts) -> Answer:
    question = "Does it work as it should? A bounce is to come back here and turn the envelope red."
    if facts.direction == "out" and facts.has_report:
        told = (
            "Yes: the report of the failure came back and was recognised, and the envelope is red."
            if facts.is_red
            else "A report came back, but the envelope is not red: see the timeline."
        )
    elif facts.direction == "out" and facts.state in ("failed", "bounced"):
        told = "The next server refused it at once, so no bounce had to come back; the envelope is red."
    elif facts.direction == "out" and facts.state == "sent":
        told = (
            "The next server took it and nothing came back. If it did not arrive, look there, and into the spam folder."
        )
    elif facts.direction == "in":
        told = f"It is {facts.state}; the reasons are in the timeline and in replay.json." if facts.state else UNKNOWN
    else:
        told = f"It is {facts.state}." if facts.state else UNKNOWN
    return Answer(key="expected", question=question, answer=told, facts={"state": facts.state})
