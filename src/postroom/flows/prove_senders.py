"""Proving senders: before a mail is routed, what is known about its author is found out and stored with it.

Duty: `prove_waiting` takes mails that nobody looked at, has them checked side by side, and notes what is done. `authenticity_now`
does one at once, for those who explain. Laws: outside the routing transaction, and no network inside any (law 8). A mail waits for its own
answers only, and no longer than ``mail.authentication.seconds``; the mails beside it go on. Nothing is lost: whose checker dies is
taken by another when the lease ends. Mail from home never comes by here (`accept_message`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from postroom.core.mime.parsing import parse_headers
from postroom.core.mime.words import storable
from postroom.core.routing.arrival import AT_HOME, SIGNS, path_of, read_peer
from postroom.core.routing.authenticity import (
    ArrivedMail,
    Authenticity,
    Checked,
    Observed,
    Path,
    authenticity_as_json,
    judge,
    not_asked,
)
from postroom.core.routing.submission import UNKNOWN_ENTRANCE, Submission, read_submission
from postroom.core.senders.authentication_results import read_servers
from postroom.core.terms.networks import Network, read_networks
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.states import Door
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.flows.watch_receiving import note_unnamed_relay
from postroom.store.models import InboundMessage, Mailbox
from postroom.store.queries.unproven import Unproven, any_unproven, give_back, note_proofs, take_unproven

PATIENCE = 0.1  # seconds in which most answers come: a batch waits so long for its own
GLANCE = 0.03  # seconds, where none of the waiting is new
MOST_WAITING = 1_000  # mails being checked at once in this process
MOST_BYTES = 64 * 1024 * 1024  # of them; beyond it, large mails wait
_GRACE = timedelta(seconds=5)  # beyond the seconds of a check, until another may take the mail


def prove_waiting(ports: Ports, limit: int) -> int:
    """Take up to ``limit`` mails whose senders nobody looked at, and note what is known by now. How many were noted."""
    waiting = ports.senders.waiting()
    room = min(limit, MOST_WAITING - waiting)
    for_the_desk: dict[int, ArrivedMail] = {}
    done: dict[int, Checked] = {}
    if room > 0 and any_unproven(ports.clock.now()):
        values = parameters(ports)
        seconds = values.number("mail.authentication.seconds")
        too_many: dict[int, datetime] = {}
        size = ports.senders.waiting_bytes()
        for one in _take(ports, seconds, room):
            if one.raw is None and size > MOST_BYTES:
                too_many[one.id] = one.due_at
                continue
            try:
                mail = _arrived(ports, one, values)
            except (KeyError, OSError):  # its bytes are gone: routing says so, of this mail alone
                done[one.id] = Checked(found=not_asked("sender.unreadable"), due_at=one.due_at)
                continue
            found = _known_at_once(mail, values)
            if found is not None:
                done[one.id] = Checked(found=found, due_at=one.due_at)
            else:
                size += len(mail.raw)
                for_the_desk[one.id] = mail
        ports.senders.take(for_the_desk, seconds=seconds)
        if too_many:
            give_back(too_many)
    if waiting or for_the_desk:
        done |= ports.senders.finished(wait=PATIENCE if for_the_desk else GLANCE)
    if done:
        due = {number: one.due_at or ports.clock.now() for number, one in done.items()}
        note_proofs({number: _as_text(one.found) for number, one in done.items()}, due)
    return len(done)


def note_limited(found: Mapping[int, Authenticity]) -> None:
    """What is believed of these in the end, where their routing showed that somebody's word does not reach so far."""
    for number, one in found.items():
        InboundMessage.objects.filter(pk=number).update(authentication=_storable(authenticity_as_json(one)))


def _as_text(found: Authenticity) -> str:
    """JSON that the database takes, whatever a stranger's name server says."""
    return json.dumps(_storable(authenticity_as_json(found)))


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            return {name: _storable(one) for name, one in value.items()}
        case list():
            return [_storable(one) for one in value]
        case _:
            return value


def authenticity_now(
    ports: Ports,
    raw: bytes,
    *,
    door: Door,
    peer: str = "",
    mail_from: str = "",
    mailbox_id: int | None = None,
) -> Authenticity:
    """As a router would find it now. Waits for the network: never inside a transaction."""
    values = parameters(ports)
    servers = ""
    if mailbox_id is not None:
        servers = Mailbox.objects.filter(pk=mailbox_id).values_list("authserv_ids", flat=True).first() or ""
    now = ports.clock.now()
    one = Unproven(
        id=0,
        door=door,
        peer=peer,
        mail_from=mail_from,
        received_at=now,
        due_at=now,
        mailbox_id=mailbox_id,
        servers=servers,
        raw=raw,
    )
    mail = _arrived(ports, one, values)
    return _known_at_once(mail, values) or ports.senders.check(
        mail, seconds=values.number("mail.authentication.seconds")
    )


def _take(ports: Ports, seconds: int, room: int) -> Sequence[Unproven]:
    now = ports.clock.now()
    return take_unproven(now, now + timedelta(seconds=seconds) + _GRACE, room)


def _arrived(ports: Ports, one: Unproven, values: Parameters) -> ArrivedMail:
    peer = read_peer(one.peer)
    relays = read_networks(values.words("mail.authentication.relays"))
    path = path_of(one.door, peer, relays, by_provider=one.hook_id is not None)
    named = one.servers if one.mailbox_id is not None else values.text("mail.authentication.servers")
    servers = frozenset() if path is Path.HANDED_IN else read_servers(named)
    raw = one.raw if one.raw is not None else ports.blobs.get(one.sha256)
    submission = _submission(raw, one.door, servers, relays, path)
    if path is Path.HERE and submission.is_from_outside and not submission.is_signed_in:
        path = (
            Path.RELAYED
        )  # a server of ours that nobody named, or something that hides who knocks: it is no program of ours
        if one.id:
            note_unnamed_relay(ports, peer.ip, submission.server)
    return ArrivedMail(
        raw=raw,
        path=path,
        ip=peer.ip,
        helo=peer.helo,
        mail_from=one.mail_from.strip("<>"),
        servers=frozenset() if path is Path.DIRECT else servers,
        sealers=frozenset(one.lower() for one in values.words("mail.authentication.sealers")),
        received_at=int(one.received_at.timestamp()) if path is Path.DIRECT else 0,
        submission=submission,
        due_at=one.due_at,
    )


def _submission(raw: bytes, door: Door, servers: frozenset[str], relays: tuple[Network, ...], path: Path) -> Submission:
    """Nothing is read of what comes from a stranger's server: it is the entrance."""
    if path is Path.DIRECT:
        return UNKNOWN_ENTRANCE
    received = parse_headers(raw).all_headers("received")
    known = (*relays, *AT_HOME) if path is Path.HERE else relays
    return read_submission(received, door=door, servers=servers, relays=known)


def _known_at_once(mail: ArrivedMail, values: Parameters) -> Authenticity | None:
    """What takes no question: senders are not checked, or nothing in the mail speaks of one."""
    if not values.is_on("mail.authentication.check"):
        return not_asked("sender.off")
    if mail.path is Path.DIRECT:
        return None
    head = parse_headers(mail.raw)
    if any(name.lower() in SIGNS for name, _ in head.headers):
        return None
    author = head.header_from[0].normal if head.header_from else ""
    from_fields = len(head.all_headers("from"))
    return judge(Observed(path=mail.path, author=author, from_fields=from_fields, submission=mail.submission))
