"""A mailbox whose every answer the test decides, and a diary of what was asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection

from postroom.core.terms.mailboxes import (
    Acknowledgement,
    AfterFetch,
    Completeness,
    EnteredStep,
    FetchedMail,
    MailboxCursor,
    MailboxEndpoint,
    MailboxListing,
    MailboxSession,
    MailboxStep,
    MailboxTrouble,
)
from postroom.flows.ports import Ports
from postroom.store.models import Company, InboundMessage, Mailbox, RawMail
from postroom.wiring import ports as wired_ports


class ScriptedMailbox:
    """An IMAP folder in memory: mails by UID, with a session that behaves as `MailboxSession` promises."""

    def __init__(self) -> None:
        self.mails: dict[int, FetchedMail] = {}
        self.uidvalidity = 7
        self.next_uid = 1
        self.diary: list[str] = []
        self.trouble: dict[str, MailboxTrouble] = {}
        self.before: dict[str, Callable[[], object]] = {}
        self.last_step = MailboxStep.CONNECT
        self.endpoints: list[MailboxEndpoint] = []

    def put(self, raw: bytes, completeness: Completeness = Completeness.WHOLE, size: int = 0) -> int:
        uid, self.next_uid = self.next_uid, self.next_uid + 1
        self.mails[uid] = FetchedMail(uid=uid, raw=raw, size=size or len(raw), completeness=completeness)
        return uid

    def session(self, endpoint: MailboxEndpoint) -> MailboxSession:
        self.endpoints.append(endpoint)
        return _Session(self)

    def note(self, what: str, detail: str = "") -> None:
        self.diary.append(f"{what} {detail}".strip())
        if what in self.before:
            self.before.pop(what)()
        if what in self.trouble:
            raise self.trouble[what]


class _Session:
    def __init__(self, box: ScriptedMailbox) -> None:
        self._box = box
        self._cursor = MailboxCursor()
        self._open: set[int] = set()
        self._bell = threading.Event()

    def open(self) -> None:
        self._box.note("open")

    def steps(self) -> Sequence[EnteredStep]:
        return (EnteredStep(step=self._box.last_step, is_ok="open" not in self._box.trouble, seconds=0.0),)

    def fetch_new(self, cursor: MailboxCursor, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        holds = cursor.uidvalidity == self._box.uidvalidity
        self._cursor = cursor if holds else MailboxCursor(uidvalidity=self._box.uidvalidity)
        return self._fetch(limit)

    def _fetch(self, limit: int) -> Iterator[FetchedMail]:
        cursor = self._cursor
        wanted = [uid for uid in sorted(self._box.mails) if uid > cursor.last_uid or uid in cursor.open_uids]
        self._box.note("fetch", f"after {cursor.last_uid}, at most {limit}")
        self._open = set(wanted[:limit])
        for uid in wanted[:limit]:
            self._box.note("mail", str(uid))
            yield self._box.mails[uid]

    def acknowledge(self, uids: Collection[int | str], how: Acknowledgement) -> None:
        if how.after is not AfterFetch.NOTHING or "acknowledge" not in self._box.trouble:
            self._box.note("acknowledge", f"{','.join(map(str, uids))} {how}")
        taken = {int(uid) for uid in uids}
        self._open -= taken
        last = max(self._cursor.last_uid, *taken)
        left = (self._open | self._cursor.open_uids) - taken
        self._cursor = replace(self._cursor, last_uid=last, open_uids=frozenset(uid for uid in left if uid < last))

    def cursor(self) -> MailboxCursor:
        return self._cursor

    def end(self) -> MailboxCursor:
        return MailboxCursor(uidvalidity=self._box.uidvalidity, last_uid=max(self._box.mails, default=0))

    def list_uids(self) -> MailboxListing:
        self._box.note("list")
        return MailboxListing(uidvalidity=self._box.uidvalidity, uids=frozenset(map(str, self._box.mails)))

    def check(self, how: Acknowledgement) -> None:
        self._box.note("check", str(how))

    def wait_for_new(self, seconds: float) -> bool:
        self._box.note("wait")
        self._bell.wait(seconds)
        self._bell.clear()
        return False

    def interrupt(self) -> None:
        self._bell.set()

    def close(self) -> None:
        self._box.diary.append("close")


def make_mailbox(name: str = "Support", **changes: Any) -> Mailbox:
    """A confirmed mailbox of a company."""
    ports = wired_ports()
    company, _ = Company.objects.get_or_create(name="Postroom Test")
    facts: dict[str, Any] = {
        "company": company,
        "name": name,
        "host": "imap.postroom.test",
        "username": "support@postroom.test",
        "secret": ports.vault.seal("correct horse"),
        "is_confirmed": True,
    }
    return Mailbox.objects.create(**{**facts, **changes})


def ports_with(box: ScriptedMailbox) -> Ports:
    """The real ports, with this mailbox behind every address."""
    return _with(wired_ports(), mailbox_session=box.session)


def _with(ports: Ports, **changes: Any) -> Ports:
    return replace(ports, **changes)


def kept_mails() -> list[bytes]:
    """All that came in, in order."""
    ports = wired_ports()
    found = []
    for inbound in InboundMessage.objects.order_by("pk"):
        raw = RawMail.objects.get(pk=inbound.pk)
        found.append(bytes(raw.raw) if raw.raw is not None else ports.blobs.get(raw.sha256))
    return found


def forget_jobs() -> None:
    """The end of a test empties the tables of models; Procrastinate's are none."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
