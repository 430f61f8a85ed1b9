"""What a batch of a made-up house consists of: the columns that are written, what became of a delivery, and all that follows from a number.

Laws: pure but for the dice that it is handed; the same number gives the same answer in every batch and thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from random import Random

from django.db import models

from postroom.core.terms.reasons import because, reasons_as_json
from postroom.core.terms.states import DeliveryState, MessageKind, NotificationState
from postroom.flows.seed_people import Colleague, House, StoredFile
from postroom.flows.seed_plan import Plan
from postroom.flows.seed_words import Writer, as_html
from postroom.store.models import (
    Activity,
    Attachment,
    Attempt,
    Delivery,
    Follower,
    InboundMessage,
    LetterboxMail,
    Message,
    MessageBody,
    MessageIdentifier,
    Notification,
    OutgoingContent,
    OutgoingMail,
    RawMail,
    Record,
    ReportedRecipient,
    SeenMail,
)

KINDS = (("ticket", 45), ("lead", 15), ("invoice", 14), ("sales_order", 12), ("task", 6), ("purchase_order", 4), ("applicant", 3), ("contact", 1))  # fmt: skip
MAILED_IN = frozenset({"ticket", "lead", "applicant"})  # kinds that strangers' mails become
READERS = (1, 1, 1, 2, 2, 2, 3, 3, 4, 6, 9, 14)  # of a message: how they compare, not how many
MASS_EVERY = 8  # batches; one message of such a batch goes to very many
MASS_MOST = 3_000
STILL_WAITING = 0.004  # of all messages: the youngest, whose mails have not left yet
UNREAD = 0.03
WALL = b"=_seeded"

COLUMNS: dict[type[models.Model], tuple[str, ...]] = {
    Record: (
        "company_id", "kind_id", "title", "contact_id", "contact_name", "contact_address", "responsible_id", "stage", "alias_id",
        "created_at", "updated_at", "is_done", "unanswered_since",
    ),
    Follower: ("record_id", "contact_id", "notes"),
    Activity: ("company_id", "record_id", "kind", "summary", "note", "due_on", "assignee_id", "planned_at", "state"),
    InboundMessage: (
        "company_id", "door", "mailbox_id", "peer", "mail_from", "rcpt_to", "size", "state", "due_at", "error", "subject",
        "header_from", "message_id", "verdict", "received_at", "routed_at", "authentication",
    ),
    RawMail: ("inbound_id", "raw"),
    SeenMail: ("key", "inbound_id", "seen_at"),
    Message: (
        "company_id", "record_id", "parent_id", "kind", "author_id", "author_name", "author_address", "subject", "message_id",
        "inbound_id", "text_digest", "is_unverified", "attachment_count", "posted_at",
    ),
    MessageBody: ("message_id", "html", "quoted_html", "text", "addressed", "changes"),
    MessageIdentifier: ("identifier", "message_id"),
    Attachment: ("message_id", "name", "content_type", "size", "sha256"),
    Notification: (
        "company_id", "message_id", "contact_id", "author_id", "channel", "state", "failure_type", "failure_reason", "reasons", "is_read",
    ),
    OutgoingMail: (
        "company_id", "message_id", "from_name", "from_address", "reply_to_name", "reply_to_address", "subject", "header_message_id",
        "in_reply_to", "references", "alias_domain_id", "created_at",
    ),
    OutgoingContent: ("mail_id", "content_headers", "body"),
    Delivery: (
        "mail_id", "company_id", "notification_id", "to_name", "to_address", "state", "lane", "due_at", "waits_for", "deadline_at",
        "attempt_count", "server_id", "reasons", "failure_type", "failure_reason", "blame", "created_at", "finished_at",
    ),
    Attempt: (
        "delivery_id", "server_id", "tried_at", "duration_ms", "phase", "code", "enhanced", "text", "connection", "tls", "state",
    ),
    ReportedRecipient: ("inbound_id", "delivery_id", "address", "action", "status", "reply", "blame", "reason"),
    LetterboxMail: ("company_id", "delivery_id", "return_path", "to_address", "from_display", "subject", "raw", "captured_at", "is_read"),
}  # fmt: skip
NUMBERED = (InboundMessage, OutgoingMail, Notification, Delivery)  # what rows of the same batch name


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that the batches share."""

    plan: Plan
    houses: Sequence[House]
    writer: Writer
    files: Sequence[StoredFile]
    stages: dict[str, tuple[str, ...]]  # of each kind in use
    first_record: int
    first_message: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a delivery, and how often that happens in ten thousand."""

    often: int
    state: DeliveryState
    seen_as: NotificationState
    failure: str = ""
    said: tuple[int, str, str] = (250, "2.0.0", "OK queued")
    blame: str = ""


FATES = (
    Fate(9_560, DeliveryState.SENT, NotificationState.SENT),
    Fate(150, DeliveryState.BOUNCED, NotificationState.BOUNCE, "mail_bounce", blame="mailbox"),
    Fate(120, DeliveryState.FAILED, NotificationState.EXCEPTION, "mail_email_invalid", (550, "5.1.1", "User unknown"), "address"),
    Fate(60, DeliveryState.FAILED, NotificationState.EXCEPTION, "mail_smtp", (554, "5.7.1", "Refused by policy"), "policy"),
    Fate(80, DeliveryState.CANCELLED, NotificationState.CANCELED),
    Fate(20, DeliveryState.COMPLAINED, NotificationState.SENT),
    Fate(10, DeliveryState.UNKNOWN, NotificationState.EXCEPTION, "unknown", (0, "", ""), "network"),
)  # fmt: skip
FATE_OF = tuple(fate for fate in FATES for _ in range(fate.often // 10))
BOUNCE = "552 5.2.2 The mailbox is full."
FOLLOWS = json.dumps(reasons_as_json([because("audience.follows", name="a follower"), because("audience.mail")]))
IN_APP = json.dumps(reasons_as_json([because("audience.follows", name="a colleague"), because("audience.inbox")]))
WHY_HELD = json.dumps([{"decision": "Hold", "reasons": reasons_as_json([because("nobody.known", recipients="info")])}])
WHY_DISCARDED = json.dumps([{"decision": "Discard", "reasons": reasons_as_json([because("auto_reply.of_nothing")])}])
PROVEN = json.dumps({"proof": "proven", "author_domain": "", "return_path_denied": False, "findings": [], "reasons": []})  # fmt: skip
UNPROVEN = json.dumps(
    {
        "proof": "unproven",
        "author_domain": "post.example",
        "return_path_denied": False,
        "findings": [],
        "reasons": reasons_as_json([because("sender.nothing", author="somebody@post.example", domain="post.example")]),
    }
)


# -- what follows from a number


def mixed(number: int, salt: int) -> int:
    """A number that looks thrown, always the same for the same."""
    return ((number + 1) * 2_654_435_761 + salt * 40_503) % 4_294_967_291 >> 7


def record_kind(stage: Stage, record: int) -> str:
    place = mixed(record, 1) % 100
    for kind, often in KINDS:
        place -= often
        if place < 0:
            return kind if kind in stage.stages else next(iter(stage.stages))
    return KINDS[0][0]


def kind_of_message(stage: Stage, place: int) -> MessageKind:
    record, luck = stage.plan.record_of[place], mixed(place, 2) % 100
    if stage.plan.before[place] < 0:
        return MessageKind.COMMENT if record_kind(stage, record) in MAILED_IN else MessageKind.SYSTEM
    return MessageKind.COMMENT if luck < 73 else MessageKind.NOTE if luck < 88 else MessageKind.SYSTEM


def is_incoming(stage: Stage, place: int) -> bool:
    if kind_of_message(stage, place) is not MessageKind.COMMENT:
        return False
    return stage.plan.before[place] < 0 or mixed(place, 3) % 100 < 48


def responsible_of(house: House, record: int) -> Colleague | None:
    """A few have most of the work, and some records are nobody's."""
    luck = mixed(record, 4) % 1000
    if luck < 150:
        return None
    return house.staff[int(len(house.staff) * ((luck - 150) / 850) ** 2)]


def is_done(stage: Stage, record: int) -> bool:
    """Most records are done, the older the likelier."""
    return mixed(record, 8) % 100 < (90 if record < 0.9 * stage.plan.wish.records else 35)


def colleague_of(house: House, number: int) -> Colleague:
    return house.staff[int(len(house.staff) * (mixed(number, 6) % 1000 / 1000) ** 2)]


def alias_of(stage: Stage, record: int, house: House) -> tuple[int, str]:
    own = house.aliases.get(record_kind(stage, record)) or next(iter(house.aliases.values()))
    return own[record % len(own)]


@lru_cache(maxsize=100_000)
def _title_of(writer: Writer, seed: int, kind: str, record: int) -> str:
    return writer.subject(Random(seed * 1_000_003 + record), kind, record)  # noqa: S311


def title_of(stage: Stage, record: int) -> str:
    return _title_of(stage.writer, stage.plan.wish.seed, record_kind(stage, record), record)


def own_id_of(stage: Stage, house: House, place: int) -> str:
    number = stage.first_message + place
    return f"<{mixed(number, 7):07x}{number:09x}.postroom@{house.domain}>"


def audience_of(
    house: House, plan: Plan, place: int, readers: int, author: int | None
) -> Iterator[tuple[int, str, str]]:
    """So many different people: the customer, colleagues, then others."""
    record = plan.record_of[place]
    contact = plan.contact_of[record]
    seen = {author}
    people = [(house.first_contact + contact, house.customers[contact].name, house.customers[contact].address)]
    start, count = record % len(house.staff), len(house.staff)
    for step in range(min(count, 4)):
        one = house.staff[(start + step) % count]
        if not one.in_app:
            people.append((one.contact, one.name, one.address))
    first = mixed(record, 8) % len(house.customers)
    step = 0
    while readers:
        if step < len(people):
            one_of = people[step]
        else:
            at = (first + step - len(people)) % len(house.customers)
            if step - len(people) >= len(house.customers):
                return
            one_of = (house.first_contact + at, house.customers[at].name, house.customers[at].address)
        step += 1
        if one_of[0] not in seen:
            seen.add(one_of[0])
            readers -= 1
            yield one_of


# -- what stands on the wire


def attempt(delivery: int, house: House, at: datetime, code: int, enhanced: str, said: str, state: str) -> tuple[object, ...]:  # fmt: skip
    phase = "rcpt" if code >= 500 else "body"
    return (delivery, house.server, at, 84, phase, code, enhanced, said, f"smtp.{house.domain}:587#1", "TLSv1.3", state)


@lru_cache(maxsize=256)
def sending_reasons(house: House) -> str:
    facts = {"sender": f"info@{house.domain}", "domain": house.domain, "server": house.server_name}
    return json.dumps(
        reasons_as_json([because("server.domain_of_from", **facts), because("from.kept_filter", **facts)])
    )


def raw_mail(sender: str, to: str, subject: str, message_id: str, text: str, at: datetime) -> bytes:
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: {message_id}\r\nDate: {at:%d %b %Y %H:%M:%S +0000}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + text.replace("\n", "\r\n")
        + "\r\n"
    ).encode()


def rendered(text: str) -> tuple[bytes, bytes]:
    plain = text.replace("\n", "\r\n").encode()
    html = as_html(text).encode()
    kind = b"; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    body = b"--%b\r\nContent-Type: text/plain%b%b\r\n--%b\r\nContent-Type: text/html%b%b\r\n--%b--\r\n" % (
        WALL, kind, plain, WALL, kind, html, WALL,
    )  # fmt: skip
    return b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n' % WALL, body
