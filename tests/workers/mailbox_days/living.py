"""The fetching flow lives through all the bad days, on sockets and on PostgreSQL, and the tables tell what came of each.

Laws: sessions, leases, acceptance, reconciliation and routing are the real ones. First the bad day: one fetch. Then the server has
mended its ways, one more mail arrives, and the mailbox is fetched from, compared, and everything is routed. Nothing is asserted here.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import OperationalError

from postroom.core.mime.parsing import parse_headers
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxSession, TroubleKind
from postroom.flows import fetch_mailbox
from postroom.flows.fetch_mailbox import LeaseLost, MailboxFetch, fetch_now
from postroom.flows.ports import Ports
from postroom.flows.reconcile_mailbox import Reconciliation, reconcile_mailbox
from postroom.flows.reset_mailbox import ResetTo, reset_mailbox
from postroom.flows.route_message import route_waiting
from postroom.store.models import Company, InboundMessage, Mailbox, Record, RecordKind
from postroom.wiring import ports as wired_ports
from tests.laboratory.ports import closed_port
from tests.laboratory.scripted import ScriptedPeer
from tests.workers.mailbox_days.expecting import Day
from tests.workers.mailbox_days.servers import Folder, MailboxServer

PATIENCE = 60.0  # seconds that a server may say nothing
SILENCE = 3.0  # the same, on days that are about silence
ROUNDS = 4  # of fetching, once all is well

_Store = Callable[[Any, Any, Any, Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of a day."""

    done: MailboxFetch | None  # of the bad fetch; None when it raised
    raised: str  # what it raised, "" for nothing
    taken: int  # mails of the mailbox that were here after it
    last_error: str
    error_count: int
    pause: float | None  # seconds
    lost_there: list[str]  # subjects that had left the server and were not here, at that moment
    last_error_later: str
    records: dict[str, int]  # by subject, in the end
    wanted: set[str]  # subjects of all that ever lay in the mailbox
    unmarked: list[str]  # subjects to which the right thing has not happened on the server
    reconciliation: Reconciliation


def live_through(days: Sequence[Day]) -> dict[str, Lived]:
    """By the days' names."""
    company = Company.objects.create(name="Northwind")
    kind = RecordKind.objects.get(key="ticket")
    numbers = count(1)
    return {day.name: _Living(day, next(numbers), company, kind).live() for day in days}


class _Living:
    def __init__(self, day: Day, number: int, company: Company, kind: RecordKind) -> None:
        self._day = day
        self._number = number
        self._company = company
        self._kind = kind
        self._folder = Folder()
        self._server = MailboxServer(self._folder, day.faults(), is_pop3=day.is_pop3, **dict(day.server))
        self._ever: list[bytes] = []
        self._ports = replace(wired_ports(), mailbox_session=self._session)

    def live(self) -> Lived:
        with ExitStack() as stack:
            peer = stack.enter_context(ScriptedPeer(self._server))
            port = int(stack.enter_context(_nobody())) if self._day.is_closed else peer.port
            for n in (1, 2, 3):
                self._arrive(n)
            mailbox = self._mailbox(port)
            lived = self._bad_fetch(mailbox)
            if self._day.after is not None:
                self._day.after(self._folder)
                self._ever += [raw for raw in self._folder.mails.values() if raw not in self._ever]
            self._mend(mailbox, peer.port)
            self._arrive(4)
            for _ in range(ROUNDS):
                fetch_now(self._ports, mailbox.pk)
            found = reconcile_mailbox(self._ports, mailbox.pk)
            while route_waiting(self._ports):
                pass
            return replace(lived, **self._look(mailbox), reconciliation=found)

    def _arrive(self, n: int) -> None:
        raw = self._mail(n)
        self._ever.append(raw)
        self._folder.put(raw)

    def _mail(self, n: int) -> bytes:
        who = f"carla{self._number}.{n}@customer{self._number}.example"
        return (
            f"Message-ID: <day{self._number}-{n}@customer.example>\r\nFrom: Carla <{who}>\r\nTo: help@box.test\r\n"
            f"Subject: day {self._number} mail {n}\r\n\r\n{who} writes on line {n} of day {self._number}.\r\n.\r\n"
        ).encode()

    def _mailbox(self, port: int) -> Mailbox:
        columns: dict[str, Any] = {
            "company": self._company,
            "name": self._day.name[:100],
            "protocol": "pop3" if self._day.is_pop3 else "imap",
            "host": "127.0.0.1",
            "port": port,
            "encryption": "none",
            "username": "help@box.test",
            "secret": wired_ports().vault.seal("open sesame"),
            "is_confirmed": True,
            "fallback_kind": self._kind,
        }
        if self._day.ours == "other key":
            columns["secret"] = b"sealed with another key"
        return Mailbox.objects.create(**{**columns, **self._day.mailbox})

    def _session(self, endpoint: MailboxEndpoint) -> MailboxSession:
        return wired_ports().mailbox_session(replace(endpoint, timeout=self._patience()))

    def _patience(self) -> float:
        is_silent = self._day.expected.kind is TroubleKind.TIMEOUT and not self._server.is_mended
        return SILENCE if is_silent else PATIENCE

    def _bad_fetch(self, mailbox: Mailbox) -> Lived:
        done, raised = None, ""
        with _breaking(self._day.ours, self._ports, mailbox.pk) as ports:
            try:
                done = fetch_now(ports, mailbox.pk)
            except (OperationalError, LeaseLost) as error:
                raised = type(error).__name__
        mailbox.refresh_from_db()
        pause = mailbox.paused_until - mailbox.fetched_at if mailbox.paused_until and mailbox.fetched_at else None
        here = set(InboundMessage.objects.filter(mailbox=mailbox).values_list("subject", flat=True))
        return Lived(
            done=done,
            raised=raised,
            taken=InboundMessage.objects.filter(mailbox=mailbox).count(),
            last_error=mailbox.last_error,
            error_count=mailbox.error_count,
            pause=pause.total_seconds() if pause else None,
            lost_there=[_subject(raw) for raw in self._folder.gone if _subject(raw) not in here | self._expunged()],
            last_error_later="",
            records={},
            wanted=set(),
            unmarked=[],
            reconciliation=Reconciliation(mailbox_id=mailbox.pk),
        )

    def _expunged(self) -> set[str]:
        """What others took away before we ever saw it."""
        is_ours = "expunges a mail" in self._day.name
        return {_subject(raw) for raw in self._folder.gone} if is_ours else set()

    def _mend(self, mailbox: Mailbox, port: int) -> None:
        self._server.is_mended = True
        facts: dict[str, Any] = {"host": "127.0.0.1", "port": port, "encryption": "none", "leased_until": None}
        if mailbox.after_fetch == "shred" or (self._day.is_pop3 and mailbox.after_fetch.startswith("move")):
            facts["after_fetch"] = "mark_seen"
        if self._day.ours == "other key":
            facts["secret"] = wired_ports().vault.seal("open sesame")
        if "LOGINDISABLED" in self._server.capabilities.decode():
            self._server.capabilities = b"IMAP4rev1 IDLE MOVE UIDPLUS"
        Mailbox.objects.filter(pk=mailbox.pk).update(**facts)
        if self._day.ours == "reset":
            reset_mailbox(self._ports, mailbox.pk, ResetTo.BEGINNING, member=None)

    def _look(self, mailbox: Mailbox) -> dict[str, Any]:
        mailbox.refresh_from_db()
        beginning = f"day {self._number} "
        titles = Record.objects.filter(title__startswith=beginning).values_list("title", flat=True)
        never_seen = self._expunged()
        return {
            "last_error_later": mailbox.last_error,
            "records": dict(Counter(titles)),
            "wanted": {_subject(raw) for raw in self._ever} - never_seen,
            "unmarked": self._unmarked(mailbox),
        }

    def _unmarked(self, mailbox: Mailbox) -> list[str]:
        there = self._folder.mails
        if self._day.ours == "small limit":  # what was not taken whole stays as it is
            return []
        if mailbox.after_fetch == "mark_seen" and mailbox.protocol == "imap":
            return [_subject(raw) for uid, raw in there.items() if "\\Seen" not in self._folder.flags[uid]]
        if mailbox.after_fetch == "delete":
            return [_subject(raw) for raw in there.values()]
        if mailbox.after_fetch.startswith("move"):
            moved = self._folder.others.get("Done", [])
            return [_subject(raw) for raw in self._ever if raw not in moved or raw in there.values()]
        return []


@contextmanager
def _nobody() -> Iterator[int]:
    holder = closed_port()
    try:
        yield int(holder)
    finally:
        holder.release()


def _subject(raw: bytes) -> str:
    return parse_headers(raw).subject


@contextmanager
def _breaking(what: str, ports: Ports, mailbox_id: int) -> Iterator[Ports]:
    """Something of ours is broken meanwhile."""
    store: _Store = fetch_mailbox._Round._store
    with pytest.MonkeyPatch.context() as patched:
        if what.startswith("database"):
            target, name = {
                "database before storing": (fetch_mailbox, "accept_messages"),
                "database before marking": (fetch_mailbox._Round, "_acknowledge"),
                "database before the cursor": (fetch_mailbox, "store_cursor"),
            }[what]
            patched.setattr(target, name, _raising(OperationalError("the connection was closed")))
        elif what.startswith("disk full"):
            patched.setattr(fetch_mailbox, "accept_messages", _full_after(1 if what.endswith("later") else 0))
            patched.setattr(fetch_mailbox, "BATCH_BYTES", 1)
        elif what == "no time":
            patched.setattr(fetch_mailbox, "BUDGET", timedelta(0))
        elif what == "small limit":
            ports = replace(ports, configuration=replace(ports.configuration, max_message_size=10))
        elif what.startswith(("robbed", "read by")):
            patched.setattr(fetch_mailbox._Round, "_store", _robbed(what, store, ports, mailbox_id))
        yield ports


def _raising(error: Exception) -> Callable[..., Any]:
    def refuse(*_: object) -> None:
        raise error

    return refuse


def _full_after(fits: int) -> Callable[..., list[int]]:
    accept, calls = fetch_mailbox.accept_messages, count()

    def store(ports: Ports, arrivals: Sequence[Any]) -> list[int]:
        if next(calls) >= fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return accept(ports, arrivals)

    return store


def _robbed(what: str, store: _Store, ports: Ports, mailbox_id: int) -> Callable[..., None]:
    is_done = False

    def robbed(self: Any, *arguments: Any) -> None:
        nonlocal is_done
        is_first, is_done = not is_done, True
        if not is_first:
            store(self, *arguments)
            return
        if what == "robbed after storing":
            store(self, *arguments)
        Mailbox.objects.filter(pk=mailbox_id).update(leased_by="", leased_until=None)
        if what == "read by another":
            fetch_now(ports, mailbox_id, holder="another")
        Mailbox.objects.filter(pk=mailbox_id).update(leased_by="another")
        if what != "robbed after storing":
            store(self, *arguments)

    return robbed
