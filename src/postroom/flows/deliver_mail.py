"""A mail leaves, first half: claimed, given a server and a sender, composed; the wire comes next, then `record_outcomes`.

    claim -> choose a server -> identify -> a place in its gates -> compose -> the worker sends, or it is captured, or waits, or fails

Laws: the claim is a transaction of its own and nothing is on the wire before it is committed. A constant number of queries
a batch. What waits for a server that is paused or in trouble is parked: it comes back when the gate opens (`wake_queue`). A body is read and rendered once for all its recipients. What cannot be composed fails with its reason, and never
takes its batch along. Captured mail meets no network: its capture and its state are one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction

from postroom.core.delivery.identity import Identity, NoIdentity, Sender, Sending, default_from, identify
from postroom.core.delivery.outcomes import given_up
from postroom.core.delivery.retry import next_attempt
from postroom.core.delivery.servers import Choice, MailFact, Wait, choose
from postroom.core.delivery.throttle import GateKey
from postroom.core.delivery.wire import ApiEndpoint, Endpoint, WireMail
from postroom.core.mime.composing import MailHeaders, needs_smtputf8, render_headers, splice
from postroom.core.terms.addresses import Address, normalize
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.reasons import Reason, because, reasons_as_json
from postroom.core.terms.states import Blame, DeliveryState, FailureType, NotificationState
from postroom.core.tokens.addresses import TokenPurpose, make_token, personal_reply_to
from postroom.flows.lifted_limits import wake_if_lifted
from postroom.flows.link_attachments import LighterMail, LighterMails, limit_of
from postroom.flows.pass_gates import Routed, domains_of, pass_gates
from postroom.flows.ports import Ports
from postroom.flows.reserve_sending import DestinationsKnown, Limits, give_back
from postroom.flows.sign_mail import Keyring
from postroom.flows.tell_pages import of_companies, tell_of_deliveries
from postroom.flows.ways_out import WaysOut, load_ways_out
from postroom.store import claims
from postroom.store.claims import AttemptRow, ClaimedRow, Mark, NotificationMark
from postroom.store.gates import Reservation
from postroom.store.models import LetterboxMail
from postroom.store.models.outgoing import PARKED
from postroom.store.queries.outgoing import MailFacts, content_sizes, load_mails

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)  # renewed while the worker lives
MOST_AT_ONCE = 1000
SHELF_BYTES = 64 * 1024 * 1024
CAMPAIGN_LANE = 2
URGENT_LANE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What recording must know of a delivery. ``server_id``: 0 is the server of the configuration, None nobody's."""

    delivery_id: int
    notification_id: int | None
    server_id: int | None
    lane: int
    attempt_count: int
    deadline_at: datetime
    reasons: list[dict[str, object]] | None = None  # why this server and this sender
    reserved: tuple[Reservation, ...] = ()  # its places in the gates
    domain: str = ""  # the recipient's
    message_id: str = ""  # for the log; a journal does not know it


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMail:
    """To be sent now, through this server."""

    ticket: Ticket
    endpoint: Endpoint | ApiEndpoint
    wire: WireMail


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedBatch:
    """``taken`` deliveries were claimed; those that are not ``ready`` are settled already. ``alarms`` are sentences about limits."""

    taken: int
    ready: tuple[ReadyMail, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass(slots=True)
class Shelf:
    """What a worker keeps between batches: mails lately used, the circuit of the configured server (it has no row), how many to claim."""

    most_bytes: int = SHELF_BYTES
    most_at_once: int = MOST_AT_ONCE  # as the settings were at the last batch
    configured_broken_until: datetime | None = None
    configured_trouble: str = ""
    configured_trouble_count: int = 0
    destinations: DestinationsKnown = field(default_factory=DestinationsKnown)
    gates: set[GateKey] = field(default_factory=set)  # whose rows are known to exist
    keyring: Keyring = field(default_factory=Keyring)
    lighter: LighterMails = field(default_factory=LighterMails)
    _mails: dict[int, MailFacts] = field(default_factory=dict)
    _bytes: int = 0

    def get(self, mail_id: int) -> MailFacts | None:
        return self._mails.get(mail_id)

    def put(self, mail: MailFacts) -> None:
        """The oldest go when there is no room; one mail always has room."""
        self._mails[mail.id] = mail
        self._bytes += mail.size
        while self._bytes > self.most_bytes and len(self._mails) > 1:
            first = next(iter(self._mails))
            self._bytes -= self._mails.pop(first).size


@dataclass(slots=True)
class _Settled:
    """What never comes to the wire."""

    marks: list[Mark] = field(default_factory=list)
    notifications: list[NotificationMark] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    letters: list[LetterboxMail] = field(default_factory=list)
    unused: list[Reservation] = field(default_factory=list)


def claim_and_compose(
    ports: Ports,
    worker: str,
    limit: int,
    *,
    shelf: Shelf,
    most_bytes: int = SHELF_BYTES,
    lanes: Sequence[int] = claims.LANES,
    busy: Collection[int] = (),
) -> ClaimedBatch:
    """Take up to ``limit`` deliveries, their bodies ``most_bytes`` at most (one is always taken). Servers that are ``busy`` get
    nothing but urgent mail. Raises database errors only."""
    now = ports.clock.now()
    rows = claims.claim(worker, min(limit, shelf.most_at_once), now=now, lease_until=now + LEASE, lanes=lanes)
    if not rows:
        return ClaimedBatch(taken=0)
    kept, mails = _read_mails(worker, rows, shelf, most_bytes)
    ways = load_ways_out(ports, shelf.configured_broken_until, shelf.configured_trouble)
    shelf.most_at_once = ways.parameters.number("mail.mail.queue.batch.size") or MOST_AT_ONCE
    settled = _Settled()
    shelf.keyring.refresh(ports, now)
    composer = _Composer(
        ports, ways, now, settled, shelf.keyring, shelf.lighter, tuple(ports.address_keys), frozenset(busy)
    )
    routed = [found for row in kept if (found := composer.route(row, mails.get(row.mail_id))) is not None]
    limits = Limits(ways.rows, shelf.destinations, domains_of(routed), now)
    passing, alarms = pass_gates(composer, routed, shelf.gates, limits)
    ready = [mail for one in passing if (mail := composer.compose(one)) is not None]
    if settled.marks:
        _settle(worker, settled, limits, shelf.destinations, now)
    return ClaimedBatch(taken=len(kept), ready=tuple(ready), alarms=tuple(alarms))


def _read_mails(
    worker: str, rows: Sequence[ClaimedRow], shelf: Shelf, most_bytes: int
) -> tuple[list[ClaimedRow], dict[int, MailFacts]]:
    """The mails of these rows, by id. Rows whose bodies are too much at once go back into the queue."""
    found: dict[int, MailFacts] = {}
    missing: list[int] = []
    for mail_id in dict.fromkeys(row.mail_id for row in rows):
        if (mail := shelf.get(mail_id)) is not None:
            found[mail_id] = mail
        else:
            missing.append(mail_id)
    too_much: list[int] = []
    if missing:
        sizes = content_sizes(missing)
        total, wanted = 0, list[int]()
        for mail_id in missing:
            total += sizes.get(mail_id, 0)
            has_room = total <= most_bytes or not (wanted or found)
            (wanted if has_room else too_much).append(mail_id)
        for mail in load_mails(wanted):
            found[mail.id] = mail
            shelf.put(mail)
    if too_much:
        claims.release(worker, [row.id for row in rows if row.mail_id in too_much])
    return [row for row in rows if row.mail_id not in too_much], found


@dataclass(slots=True)
class _Composer:
    """One batch."""

    ports: Ports
    ways: WaysOut
    now: datetime
    settled: _Settled
    keyring: Keyring
    lighter: LighterMails
    address_keys: Sequence[bytes]
    busy: frozenset[int] = frozenset()
    choices: dict[tuple[object, ...], tuple[Choice, Sender] | Wait | NoIdentity] = field(default_factory=dict)

    def route(self, row: ClaimedRow, mail: MailFacts | None) -> Routed | None:
        """None when there is no way now: then it is among the settled."""
        try:
            return self._route(row, mail)
        except Exception as error:
            self._our_fault(row, error)
            return None

    def compose(self, routed: Routed) -> ReadyMail | None:
        """None when there is nothing to send: then it is among the settled. A bug of ours delays this mail, and no other."""
        try:
            ready = self._compose(routed)
        except Exception as error:
            self._our_fault(routed.row, error)
            ready = None
        if ready is None:
            self.settled.unused += routed.reserved
        return ready

    def _our_fault(self, row: ClaimedRow, error: Exception) -> None:
        logger.error("delivery %d could not be composed", row.id, exc_info=error, extra={"delivery": row.id})
        pause = next_attempt(row.attempt_count + 1, self.now, self.ports.ids.fraction())
        reason = because("wait.our_fault", error=type(error).__name__)
        self._wait(row, Wait(reason=reason, until=pause), attempts=1)

    def _route(self, row: ClaimedRow, mail: MailFacts | None) -> Routed | None:
        recipient = normalize(row.to_address)
        if mail is None or not recipient:
            self._fail(row, *_trouble(row, mail))
            return None
        way = self._way_for(row, mail)
        match way:
            case Wait():
                self._wait(row, way)
            case NoIdentity():
                self._fail(row, way.failure_type, way.reason)
            case (choice, _) if choice.server.id in self.busy and row.lane != URGENT_LANE:
                reason = because("wait.busy", server=choice.server.name)
                self._wait(row, Wait(reason=reason, until=row.deadline_at, server_id=choice.server.id))
            case (choice, sender):
                return Routed(row=row, mail=mail, recipient=recipient, choice=choice, sender=sender)
        return None

    def other_way(self, routed: Routed, full: frozenset[int]) -> Routed | None:
        """By another server, where one may: the days of these are full."""
        way = self._way_for(routed.row, routed.mail, full)
        return replace(routed, choice=way[0], sender=way[1]) if isinstance(way, tuple) else None

    def wait_at_gate(self, routed: Routed, reason: Reason, until: datetime) -> None:
        self._wait(routed.row, Wait(reason=reason, until=until, server_id=routed.choice.server.id))

    def _compose(self, routed: Routed) -> ReadyMail | None:
        row, choice, mail = routed.row, routed.choice, routed.mail
        identity = routed.sender.for_delivery(lambda: make_token(self.address_keys, TokenPurpose.BOUNCE, row.id))
        wire = self._wire(row, routed.recipient, mail, identity)
        light = self._within_limit(choice, mail, wire)
        if light is not None:
            mail = light.mail
            wire = self._wire(row, routed.recipient, mail, identity)
        days = self.ways.parameters.number("mail.dkim.expiry_days")
        signed = self.keyring.sign(self.ports, mail, choice.server, identity, wire, days)
        if isinstance(signed, Reason):
            self._wait(row, Wait(reason=signed, until=self.now + LEASE, server_id=choice.server.id))
            return None
        identity, wire = signed
        reasons = _as_json(choice, identity)
        if light is not None:
            reasons.append(light.reason.as_json())
        if choice.server.is_letterbox:
            self._capture(row, mail, choice, identity, wire, reasons)
            return None
        return self._ready(routed, wire, reasons)

    def _way_for(
        self, row: ClaimedRow, mail: MailFacts, full: frozenset[int] = frozenset()
    ) -> tuple[Choice, Sender] | Wait | NoIdentity:
        """The same for all mails of a sender. ``full`` are servers whose day is over."""
        who = (mail.company_id, mail.from_name, mail.from_address, mail.null_return_path)
        key = (*who, mail.alias_domain_id, mail.forced_server_id, mail.is_of_the_house, row.lane == CAMPAIGN_LANE, full)
        if key not in self.choices:
            choice = self._choose(row, mail, full)
            if isinstance(choice, Wait):
                self.choices[key] = choice
                if choice.reason.code == "wait.no_house_server":
                    logger.warning("mail %s waits: %s", mail.id, choice.reason)
            else:
                sender = identify(self._sending(mail, choice))
                self.choices[key] = sender if isinstance(sender, NoIdentity) else (choice, sender)
        return self.choices[key]

    def _choose(self, row: ClaimedRow, mail: MailFacts, full: frozenset[int]) -> Choice | Wait:
        servers = self.ways.servers
        if full:
            servers = tuple(replace(one, is_full=True) if one.id in full else one for one in servers)
        fact = MailFact(
            header_from=normalize(mail.from_address),
            default_from=default_from(self.ways.domain_for(mail), self.ports.configuration.email_from),
            company_id=mail.company_id,
            is_campaign=row.lane == CAMPAIGN_LANE,
            forced_server_id=mail.forced_server_id,
            is_of_the_house=mail.is_of_the_house,
        )
        return choose(
            fact,
            servers,
            self.ways.order,
            self.now,
            configured=self.ways.configured,
            capturing=self.ways.capturing,
        )

    def _sending(self, mail: MailFacts, choice: Choice) -> Sending:
        return Sending(
            name=mail.from_name,
            address=mail.from_address,
            server=choice.server,
            is_forced=choice.is_forced,
            domain=self.ways.domain_for(mail),
            own_domains=self.ways.own_domains,
            order=self.ways.order,
            null_return_path=mail.null_return_path,
            last_resort=self.ports.configuration.email_from,
        )

    def _wire(self, row: ClaimedRow, recipient: str, mail: MailFacts, identity: Identity) -> WireMail:
        local, _, domain = row.to_address.strip().strip("<>").rpartition("@")
        headers = MailHeaders(
            header_from=identity.header_from,
            to=(Address(name=row.to_name, local=local, domain=domain),),
            reply_to=personal_reply_to(self.address_keys, mail.reply_to, recipient),
            subject=mail.subject,
            message_id=mail.message_id,
            date=mail.created_at,
            in_reply_to=mail.in_reply_to,
            references=mail.references,
            extra=self._marked(mail),
        )
        rcpt_to = f"{local}@{recipient.rpartition('@')[2]}"
        is_utf8 = not rcpt_to.isascii() or not identity.envelope_from.isascii() or needs_smtputf8(headers)
        envelope = Envelope(mail_from=identity.envelope_from, rcpt_to=(rcpt_to,), smtputf8=is_utf8)
        return WireMail(key=row.id, envelope=envelope, chunks=splice(render_headers(headers), mail.body))

    def _marked(self, mail: MailFacts) -> tuple[tuple[str, str], ...]:
        """What belongs to a record bears our mark since it was written; mails of programs get it here."""
        mark = self.ports.our_mark
        if any(name == "X-Postroom-Objects" and value.startswith(mark) for name, value in mail.extra):
            return tuple(mail.extra)
        return (*mail.extra, ("X-Postroom-Objects", f"{mark}; message={mail.message_row or ''}"))

    def _within_limit(self, choice: Choice, mail: MailFacts, wire: WireMail) -> LighterMail | None:
        """The mail with links for its largest files, where it is too large with them and links help."""
        size = 0 if choice.server.is_letterbox else self.ways.way(choice.server.id).comfortable_size
        limit = limit_of(self.ways.parameters, choice.server.name, size)
        if limit is None or wire.size <= limit.size:
            return None
        return self.lighter.get(self.ports, self.ways.parameters, mail, limit)

    def _ready(self, routed: Routed, wire: WireMail, reasons: list[dict[str, object]]) -> ReadyMail | None:
        row, choice = routed.row, routed.choice
        way = self.ways.way(choice.server.id)
        if way.endpoint is None:
            reason = because("wait.secret", server=choice.server.name)
            self._wait(row, Wait(reason=reason, until=self.now + LEASE, server_id=choice.server.id))
            return None
        if way.max_message_size and wire.size > way.max_message_size:
            facts = {"size": str(wire.size), "server": choice.server.name, "limit": str(way.max_message_size)}
            self._fail(row, FailureType.MAIL_SMTP, because("mail.too_large", **facts), blame=Blame.POLICY)
            return None
        if isinstance(way.endpoint, ApiEndpoint):
            wire = replace(wire, token=make_token(self.address_keys, TokenPurpose.BOUNCE, row.id))
        ticket = Ticket(
            delivery_id=row.id,
            notification_id=row.notification_id,
            server_id=choice.server.id,
            lane=row.lane,
            attempt_count=row.attempt_count,
            deadline_at=row.deadline_at,
            reasons=reasons,
            reserved=routed.reserved,
            domain=routed.domain,
            message_id=routed.mail.message_id,
        )
        return ReadyMail(ticket=ticket, endpoint=way.endpoint, wire=wire)

    def _capture(
        self,
        row: ClaimedRow,
        mail: MailFacts,
        choice: Choice,
        identity: Identity,
        wire: WireMail,
        reasons: list[dict[str, object]],
    ) -> None:
        server_id = choice.server.id if choice.server.id > 0 else None
        state = DeliveryState.SENT.value
        self.settled.letters.append(
            LetterboxMail(
                company_id=row.company_id,
                delivery_id=row.id,
                return_path=identity.envelope_from,
                to_address=normalize(row.to_address),
                from_display=str(identity.header_from)[:500],
                subject=mail.subject,
                raw=b"".join(wire.chunks),
                captured_at=self.now,
            )
        )
        self.settled.marks.append(
            Mark(id=row.id, state=state, attempts=1, server_id=server_id, reasons=reasons, finished_at=self.now)
        )
        self.settled.attempts.append(_captured(row.id, server_id, self.now))
        if row.notification_id is not None:
            self.settled.notifications.append(
                NotificationMark(id=row.notification_id, state=NotificationState.SENT.value)
            )

    def _wait(self, row: ClaimedRow, wait: Wait, *, attempts: int = 0) -> None:
        if self.now >= row.deadline_at:
            end = given_up(wait.reason, Blame.SERVER)
            self._fail(row, end.failure_type, end.reason or wait.reason, blame=Blame.SERVER)
            return
        state = DeliveryState.DEFERRED if row.attempt_count + attempts else DeliveryState.QUEUED
        until = row.deadline_at if wait.reason.code in PARKED else wait.until
        self.settled.marks.append(
            Mark(
                id=row.id,
                state=state.value,
                due_at=min(until, row.deadline_at),
                waits_for=wait.reason.as_json(),
                held_at=self.now,
                attempts=attempts,
                server_id=wait.server_id or None,
            )
        )

    def _fail(self, row: ClaimedRow, failure_type: FailureType, reason: Reason, *, blame: Blame = Blame.SENDER) -> None:
        self.settled.marks.append(
            Mark(
                id=row.id,
                state=DeliveryState.FAILED.value,
                failure_type=failure_type.value,
                failure_reason=str(reason),
                blame=(Blame.ADDRESS if failure_type in _OF_THE_RECIPIENT else blame).value,
                finished_at=self.now,
            )
        )
        if row.notification_id is not None:
            self.settled.notifications.append(
                NotificationMark(
                    id=row.notification_id,
                    state=NotificationState.EXCEPTION.value,
                    failure_type=failure_type.value,
                    failure_reason=str(reason),
                )
            )


_OF_THE_RECIPIENT = (FailureType.MAIL_EMAIL_INVALID, FailureType.MAIL_EMAIL_MISSING)


def _trouble(row: ClaimedRow, mail: MailFacts | None) -> tuple[FailureType, Reason]:
    """What is wrong with it whatever the server."""
    if mail is None:
        return FailureType.UNKNOWN, because("mail.no_content")
    if not row.to_address.strip():
        return FailureType.MAIL_EMAIL_MISSING, because("mail.no_recipient")
    return FailureType.MAIL_EMAIL_INVALID, because("mail.bad_recipient", recipient=row.to_address)


def _as_json(choice: Choice, identity: Identity) -> list[dict[str, object]]:
    return reasons_as_json((*choice.reasons, *identity.reasons))


def _captured(delivery_id: int, server_id: int | None, now: datetime) -> AttemptRow:
    return AttemptRow(
        delivery_id=delivery_id,
        server_id=server_id,
        tried_at=now,
        duration_ms=0,
        phase="body",
        code=250,
        enhanced="2.0.0",
        text=str(because("outcome.captured")),
        connection="",
        tls="",
        state=DeliveryState.SENT.value,
    )


def _settle(worker: str, settled: _Settled, limits: Limits, known: DestinationsKnown, now: datetime) -> None:
    with transaction.atomic():
        written = claims.mark(worker, settled.marks)
        wake_if_lifted(limits, known, settled.marks, written, now)
        letters = [letter for letter in settled.letters if letter.delivery_id in written]
        LetterboxMail.objects.bulk_create(letters, batch_size=200)
        claims.note_attempts([row for row in settled.attempts if row.delivery_id in written])
        claims.mark_notifications(settled.notifications)
        tell_of_deliveries(written, *of_companies("letterbox", (letter.company_id for letter in letters)))
        give_back(settled.unused)
