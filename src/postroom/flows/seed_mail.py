"""One batch of a made-up house: some thousand messages with all that hangs on them, written by COPY in one transaction.

Laws: what a batch holds follows from the plan and its number, so that it may be written by any thread, and again after a rollback.
Rows are what the flows of real work would have left: an incoming mail has its verdict, its bytes and its fingerprint, a message its
identifiers, each reader a notification, each outside reader a delivery with its attempts. Nothing of it leaves: see `seed_house`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from django.db import models

from postroom.core.terms.reasons import because, reasons_as_json
from postroom.core.terms.states import (
    ActivityKind,
    ActivityState,
    DeliveryState,
    Door,
    InboundState,
    MessageKind,
    NotificationState,
)
from postroom.flows.seed_people import House
from postroom.flows.seed_plan import BATCH
from postroom.flows.seed_rows import (
    BOUNCE,
    COLUMNS,
    FATE_OF,
    FOLLOWS,
    IN_APP,
    MASS_EVERY,
    MASS_MOST,
    NUMBERED,
    PROVEN,
    READERS,
    STILL_WAITING,
    UNPROVEN,
    UNREAD,
    WHY_DISCARDED,
    WHY_HELD,
    Stage,
    alias_of,
    attempt,
    audience_of,
    colleague_of,
    is_done,
    is_incoming,
    kind_of_message,
    mixed,
    own_id_of,
    raw_mail,
    record_kind,
    rendered,
    responsible_of,
    sending_reasons,
    title_of,
)
from postroom.flows.seed_words import as_html
from postroom.store.bulk import insert_rows, reserve
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


def write_batch(stage: Stage, batch: int) -> int:
    """Write it; how many rows. Inside a transaction."""
    made = _Batch(stage=stage, number=batch, dice=Random(f"{stage.plan.wish.seed} batch {batch}"))  # noqa: S311
    made.write()
    return sum(len(rows) for rows in made.rows.values())


@dataclass(slots=True, kw_only=True)
class _Batch:
    """The rows of one batch while they are made."""

    stage: Stage
    number: int
    dice: Random
    rows: defaultdict[type[models.Model], list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    first: dict[type[models.Model], int] = field(default_factory=dict)

    def write(self) -> None:
        plan = self.stage.plan
        places = plan.places(self.number)
        deliveries = plan.deliveries_in(self.number)
        room = {InboundMessage: 2 * BATCH + deliveries, OutgoingMail: BATCH, Delivery: deliveries}
        room[Notification] = deliveries + 2 * BATCH
        self.first = {model: reserve(model, room[model]) for model in NUMBERED}
        for place, readers in zip(places, self._readers(places, deliveries), strict=True):
            self._message(place, readers)
        self._letters()
        for model, columns in COLUMNS.items():
            rows = self.rows[model]
            numbers: Sequence[int] | None = None
            if model is Record:
                numbers = [self.stage.first_record + row[-1] for row in rows]
                rows = [row[:-1] for row in rows]
            elif model is Message:
                numbers = range(self.stage.first_message + places.start, self.stage.first_message + places.stop)
            elif model in self.first:
                numbers = range(self.first[model], self.first[model] + len(rows))
            insert_rows(model, columns, rows, numbers=numbers)

    def _readers(self, places: range, total: int) -> list[int]:
        """How many outside readers each message has; together ``total``, as far as somebody may hear of them."""
        able = [place for place in places if kind_of_message(self.stage, place) is MessageKind.COMMENT]
        counts = dict.fromkeys(places, 0)
        if not able:
            return list(counts.values())
        if self.number % MASS_EVERY == 0 and total > 2 * len(able):
            counts[able[0]] = min(MASS_MOST, total // 3, self._most(able[0]))
            total -= counts[able.pop(0)]
        weights = self.dice.choices(READERS, k=len(able))
        every = sum(weights) or 1
        before = 0
        carried = 0
        for place, weight in zip(able, weights, strict=True):
            share = total * (before + weight) // every - total * before // every + carried
            counts[place] = min(share, self._most(place))
            carried = share - counts[place]
            before += weight
        return list(counts.values())

    def _most(self, place: int) -> int:
        house = self._house(self.stage.plan.record_of[place])
        return len(house.customers)

    def _house(self, record: int) -> House:
        return self.stage.houses[self.stage.plan.company_of[record]]

    # -- one message

    def _message(self, place: int, readers: int) -> None:
        stage, plan, dice = self.stage, self.stage.plan, self.dice
        record = plan.record_of[place]
        house, at = self._house(record), plan.when(place)
        kind, is_in = kind_of_message(stage, place), is_incoming(stage, place)
        title = title_of(stage, record)
        if plan.before[place] < 0:
            self._record(record, house, title, is_in)
        contact = plan.contact_of[record]
        customer = house.customers[contact]
        colleague = colleague_of(house, record if place % 3 else place)
        author = (house.first_contact + contact, customer.name, customer.address) if is_in else (
            (colleague.contact, colleague.name, colleague.address) if kind is not MessageKind.SYSTEM else (None, "Postroom", "")
        )  # fmt: skip
        number, own_id = stage.first_message + place, own_id_of(stage, house, place)
        answered = plan.before[place]
        parent_id = own_id_of(stage, house, answered) if answered >= 0 else ""
        text = stage.writer.text(dice, author[1]) if kind is not MessageKind.SYSTEM else ""
        subject = (f"Re: {title}" if answered >= 0 else title) if is_in else ""
        alias = alias_of(stage, record, house)
        files = 1 + (place % 3 == 0) if kind is not MessageKind.SYSTEM and dice.random() < 0.08 else 0
        inbound, sender_id = None, ""
        if is_in:
            sender_id = f"<{own_id[1:14]}@{customer.address.partition('@')[2]}>"
            inbound = self._arrival(house, author[1:], alias, subject, sender_id, text, at, record, answered >= 0)
        self.rows[Message].append(
            (
                house.id, stage.first_record + record, stage.first_message + answered if answered >= 0 else None, kind.value,
                author[0], author[1], author[2], subject[:1000], sender_id or own_id, inbound,
                f"{dice.getrandbits(256):064x}", is_in and dice.random() < 0.03, files, at,
            )
        )  # fmt: skip
        self._say(number, kind, text, title, is_in, alias, answered)
        identifiers = [(own_id, number)] + ([(sender_id, number)] if sender_id else [])
        self.rows[MessageIdentifier].extend(identifiers)
        for one in range(files):
            file = stage.files[(place + one) % len(stage.files)]
            self.rows[Attachment].append((number, file.name, file.content_type, file.size, file.sha256))
        if kind is not MessageKind.SYSTEM:
            self._in_app(house, number, author[0], place)
        if readers:
            self._mail(house, place, readers, author, title, own_id, parent_id, text)
        if dice.random() < 0.02:
            self._stray(house, at, place)

    def _record(self, record: int, house: House, title: str, is_in: bool) -> None:
        stage, plan = self.stage, self.stage.plan
        contact = plan.contact_of[record]
        customer = house.customers[contact]
        colleague = responsible_of(house, record)
        kind = record_kind(stage, record)
        stages = stage.stages.get(kind, ())
        is_known = record % 10 != 3
        updated, is_over = plan.when(plan.last_of[record]), is_done(stage, record)
        row = (
            house.id, kind, title, house.first_contact + contact if is_known else None, customer.name, customer.address,
            colleague.member if colleague else None, stages[mixed(record, 5) % len(stages)] if stages else "",
            alias_of(stage, record, house)[0] if is_in else None, plan.when(plan.first_of[record]), updated,
            is_over, updated if is_incoming(stage, plan.last_of[record]) and not is_over else None, record,
        )  # fmt: skip
        self.rows[Record].append(row)
        if colleague and not is_over and record % 3 == 0:
            self.rows[Activity].append(
                (
                    house.id, stage.first_record + record, ActivityKind.CALL.value, f"Call {customer.name}"[:200], "",
                    (updated + timedelta(days=record % 21 - 7)).date(), colleague.member, updated, ActivityState.PLANNED.value,
                )
            )  # fmt: skip
        followers = {one.contact: True for one in house.staff[: 1 + record % 3]}
        if colleague:
            followers[colleague.contact] = True
        if is_known and record % 4 == 0:
            followers[house.first_contact + contact] = False
        if record % 20_000 == 17:  # a record that a crowd follows
            followers |= {house.first_contact + one: False for one in range(min(300, len(house.customers)))}
        self.rows[Follower].extend(
            (stage.first_record + record, contact, is_inside) for contact, is_inside in followers.items()
        )

    def _say(
        self, number: int, kind: MessageKind, text: str, title: str, is_in: bool, alias: tuple[int, str], answered: int
    ) -> None:
        quoted = ""
        changes: list[list[str]] = []
        if kind is MessageKind.SYSTEM:
            changes = [["Stage", "New", "In progress"]] if answered >= 0 else []
            text = "" if changes else f"{title} was created."
        elif is_in and answered >= 0 and number % 5:
            quoted = f"<blockquote>{as_html(self.stage.writer.text(self.dice, 'Postroom'))}</blockquote>"
        addressed = {"to": [["", alias[1]]], "cc": []} if is_in else {}
        html = as_html(text) if text and not changes else ""
        self.rows[MessageBody].append((number, html, quoted, text, json.dumps(addressed), json.dumps(changes)))

    # -- on the way in

    def _arrival(
        self,
        house: House,
        author: tuple[str, str],
        alias: tuple[int, str],
        subject: str,
        message_id: str,
        text: str,
        at: datetime,
        record: int,
        is_answer: bool,
    ) -> int:
        if is_answer:
            decision: dict[str, object] = {"decision": "AppendToRecord", "record_id": self.stage.first_record + record}
            reasons = [because("reply.token", message=message_id)]
        else:
            decision = {"decision": "CreateRecord", "kind": record_kind(self.stage, record), "alias_id": alias[0], "company_id": house.id}  # fmt: skip
            reasons = [
                because("alias.takes", recipient=alias[1], alias=alias[1], kind=decision["kind"]),
                because("policy.everyone", alias=alias[1], author=author[1]),
            ]
        verdict = json.dumps([decision | {"reasons": reasons_as_json(reasons)}])
        return self._inbound(
            house.id, house, author, alias[1], InboundState.ROUTED, subject, message_id, verdict, text, at
        )

    def _inbound(
        self,
        company: int | None,
        house: House,
        author: tuple[str, str],
        to: str,
        state: InboundState,
        subject: str,
        message_id: str,
        verdict: str,
        text: str,
        at: datetime,
    ) -> int:
        number = self.first[InboundMessage] + len(self.rows[InboundMessage])
        name, address = author
        raw = raw_mail(f"{name} <{address}>", to, subject, message_id, text, at)
        is_fetched = number % 4 == 0
        self.rows[InboundMessage].append(
            (
                company, Door.IMAP.value if is_fetched else Door.SMTP.value, house.mailbox if is_fetched else None,
                "198.51.100.7", address, [to], len(raw), state.value, at,
                "ValueError: a made-up fault" if state is InboundState.FAILED else "", subject[:1000], f"{name} <{address}>"[:500],
                message_id, verdict, at, at + timedelta(seconds=1), UNPROVEN if number % 9 == 0 else PROVEN,
            )
        )  # fmt: skip
        self.rows[RawMail].append((number, raw))
        key = sha256(f"{self.stage.first_message} {message_id} {number}".encode()).hexdigest()
        self.rows[SeenMail].append((key, number, at))
        return number

    def _stray(self, house: House, at: datetime, place: int) -> None:
        """Mail that became no message: held, refused, discarded, or a fault."""
        dice = self.dice
        customer = house.customers[dice.randrange(len(house.customers))]
        fate = dice.random()
        state, verdict = InboundState.HELD, WHY_HELD
        if fate < 0.35:
            state, verdict = InboundState.DISCARDED, WHY_DISCARDED
        elif fate < 0.68:
            state, verdict = InboundState.REFUSED, WHY_HELD.replace('"Hold"', '"Refuse"')
        elif fate < 0.7:
            state = InboundState.FAILED
        company = None if state is InboundState.HELD and dice.random() < 0.5 else house.id
        subject = self.stage.writer.subject(dice, "ticket", place)
        message_id = f"<stray.{dice.getrandbits(64):016x}@{customer.address.partition('@')[2]}>"
        text = self.stage.writer.text(dice, customer.name)
        author = (customer.name, customer.address)
        self._inbound(company, house, author, f"info@{house.domain}", state, subject, message_id, verdict, text, at)

    # -- on the way out

    def _in_app(self, house: House, message: int, author: int | None, place: int) -> None:
        """Colleagues who hear of it in the app."""
        plan = self.stage.plan
        first = place % len(house.staff)
        nearby = [house.staff[0], house.staff[first]] if place % 5 == 0 else [house.staff[first]]
        is_read = place < plan.wish.messages * (1 - UNREAD)
        for one in dict.fromkeys(one for one in nearby if one.in_app and one.contact != author):
            self.rows[Notification].append(
                (
                    house.id,
                    message,
                    one.contact,
                    author,
                    "inbox",
                    NotificationState.SENT.value,
                    "",
                    "",
                    IN_APP,
                    is_read,
                )
            )

    def _mail(
        self,
        house: House,
        place: int,
        readers: int,
        author: tuple[int | None, str, str],
        title: str,
        own_id: str,
        parent_id: str,
        text: str,
    ) -> None:
        stage, at = self.stage, self.stage.plan.when(place)
        mail = self.first[OutgoingMail] + len(self.rows[OutgoingMail])
        self.rows[OutgoingMail].append(
            (
                house.id, stage.first_message + place, author[1], author[2], house.name, f"catchall@{house.domain}", f"Re: {title}"[:1000],
                own_id, parent_id, f"{parent_id} {own_id}".strip(), house.domain_id, at,
            )
        )  # fmt: skip
        self.rows[OutgoingContent].append((mail, *rendered(text)))
        lane = 2 if readers > 200 else 1 if readers > 20 else 0
        is_young = place >= stage.plan.wish.messages * (1 - STILL_WAITING)
        for contact, name, address in audience_of(house, stage.plan, place, readers, author[0]):
            self._deliver(
                house, stage.first_message + place, mail, author[0], contact, name, address, lane, at, is_young
            )

    def _deliver(
        self,
        house: House,
        message: int,
        mail: int,
        author: int | None,
        contact: int,
        name: str,
        address: str,
        lane: int,
        at: datetime,
        is_young: bool,
    ) -> None:
        dice, rows = self.dice, self.rows
        notification = self.first[Notification] + len(rows[Notification])
        number = self.first[Delivery] + len(rows[Delivery])
        if is_young:
            self._waiting(house, message, mail, author, contact, name, address, lane, at)
            return
        fate = FATE_OF[int(dice.random() * len(FATE_OF))]
        code, enhanced, said = fate.said
        is_ill = fate.failure != ""
        why = (
            (BOUNCE if fate.state is DeliveryState.BOUNCED else f"The server said: {code} {enhanced} {said}")
            if is_ill
            else ""
        )
        rows[Notification].append(
            (house.id, message, contact, author, "mail", fate.seen_as.value, fate.failure, why, FOLLOWS, True)
        )
        took = timedelta(seconds=1 + dice.random() * 4)
        tries = 0 if fate.state is DeliveryState.CANCELLED else 1
        if tries and dice.random() < 0.04:
            tries = 2
            took += timedelta(minutes=10)
            rows[Attempt].append(attempt(number, house, at, 451, "4.7.1", "Greylisted, come back later", "deferred"))
        if tries:
            rows[Attempt].append(
                attempt(number, house, at + took, code, enhanced, said, fate.state.value if code != 250 else "sent")
            )
        rows[Delivery].append(
            (
                mail, house.id, notification, name, address, fate.state.value, lane, at, None, at + timedelta(days=5), tries,
                house.server, sending_reasons(house), fate.failure, why, fate.blame, at, at + took,
            )
        )  # fmt: skip
        if fate.state is DeliveryState.BOUNCED and number % 2:
            self._report(house, number, address, at + took)

    def _waiting(
        self, house: House, message: int, mail: int, author: int | None, contact: int, name: str, address: str, lane: int, at: datetime
    ) -> None:  # fmt: skip
        """A delivery that has not left yet, with what it waits for."""
        rows, dice = self.rows, self.dice
        notification = self.first[Notification] + len(rows[Notification])
        number = self.first[Delivery] + len(rows[Delivery])
        rows[Notification].append(
            (house.id, message, contact, author, "mail", NotificationState.READY.value, "", "", FOLLOWS, True)
        )
        luck = dice.random()
        state, wait, due, tries = DeliveryState.QUEUED, None, at, 0
        if luck < 0.2:
            state, wait, due, tries = DeliveryState.DEFERRED, because("wait.transient", reply="451 4.7.1 Greylisted"), at + timedelta(minutes=20), 1  # fmt: skip
            rows[Attempt].append(attempt(number, house, at, 451, "4.7.1", "Greylisted", "deferred"))
        elif luck < 0.4:
            wait = because("wait.paused", server=house.server_name)
        elif luck < 0.5:
            wait, due = because("wait.daily_limit", server=house.server_name, limit=20_000, until="tomorrow"), at + timedelta(days=1)  # fmt: skip
        elif luck < 0.6:
            due = at + timedelta(days=2)
        rows[Delivery].append(
            (
                mail, house.id, notification, name, address, state.value, lane, due, json.dumps(wait.as_json()) if wait else None,
                at + timedelta(days=30), tries, house.server if wait else None, "[]", "", "", "", at, None,
            )
        )  # fmt: skip

    def _report(self, house: House, delivery: int, address: str, at: datetime) -> None:
        """What came back from a full mailbox."""
        reasons = [because("report.bounce", addresses=address), because("report.by_token", deliveries=delivery)]
        verdict = json.dumps([{"decision": "RecordReport", "reasons": reasons_as_json(reasons)}])
        author = ("Mail Delivery System", f"mailer-daemon@{address.partition('@')[2]}")
        text = f"The mail to {address} could not be delivered.\n\n{BOUNCE}"
        message_id = f"<report.{delivery}@{address.partition('@')[2]}>"
        to, subject = f"bounce@{house.domain}", "Undelivered Mail Returned to Sender"
        inbound = self._inbound(
            house.id, house, author, to, InboundState.ROUTED, subject, message_id, verdict, text, at
        )
        self.rows[ReportedRecipient].append(
            (inbound, delivery, address, "failed", "5.2.2", BOUNCE, "mailbox", "mailbox_full")
        )

    def _letters(self) -> None:
        """What capture mode kept of the mail of this batch: one in a hundred."""
        mails = {self.first[OutgoingMail] + place: row for place, row in enumerate(self.rows[OutgoingMail])}
        for place, row in enumerate(self.rows[Delivery]):
            if place % 100 or row[5] != DeliveryState.SENT:
                continue
            mail = mails[row[0]]
            sender = f"{mail[2]} <{mail[3]}>"
            raw = raw_mail(sender, row[4], mail[6], mail[7], "This mail was captured.", row[16])
            self.rows[LetterboxMail].append(
                (
                    row[1],
                    self.first[Delivery] + place,
                    mail[5],
                    row[4],
                    sender[:500],
                    mail[6],
                    raw,
                    row[17],
                    place % 3 > 0,
                )
            )
