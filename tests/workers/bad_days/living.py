"""A real deliverer lives through all the bad days at once, and the tables tell what came of each.

Laws: PostgreSQL, sockets, journal, claims, pools and recording are the real ones; the clock of the queue is set by hand, so that
"in a minute" can be told from "in two". First the bad day: every mail meets its server. Then time goes by, all servers have
mended their ways, and one more mail is given to each. Nothing is asserted here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q

from postroom.core.delivery.wire import Endpoint
from postroom.core.terms.reasons import reasons_from_json
from postroom.flows.ports import Ports
from postroom.store.models import Attempt, Company, Contact, Delivery, Message, Notification, OutgoingServer
from postroom.wiring import smtp_pool
from postroom.workers import deliverer
from postroom.workers.deliverer import Deliverer
from tests.adapters.smtp.scripted_peer import Connection, ScriptedPeer, polite
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, deliveries, ports_with
from tests.laboratory.ports import closed_port
from tests.laboratory.waiting import wait_until
from tests.workers.bad_days.expecting import IMPATIENT, PATIENT, Day
from tests.workers.bad_days.peers import AUTHORITY, CERTIFICATES

PATIENCE = 400.0
SECOND_WAVE = 5  # seconds on the hand clock: those who wait in vain begin when the others are done
NEXT_MAIL = "next@reader.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A delivery as it stands. ``why`` is what it says about itself, ``again_in`` seconds."""

    state: str
    why: str
    blame: str
    kind: str
    attempts: int
    again_in: float | None
    notification: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of a day: of the mail it is about, of all its mails, of its server, and of all of them afterwards."""

    row: Row
    states: Mapping[str, int]
    tried: int  # rows in the history
    circuit_in: float | None  # seconds until the server is tried again; None: its circuit is closed
    later: str
    next_mail: str
    circuit_later: bool
    taken: int  # mails that the server has noted, in the end


class _Servers:
    """The scripted peers of all days."""

    def __init__(self, stack: ExitStack) -> None:
        self.is_mended = threading.Event()
        self.good = stack.enter_context(ScriptedPeer(polite()))
        self._stack = stack

    def stand_up(self, day: Day) -> tuple[int, ScriptedPeer]:
        if not day.scripts:
            holder = closed_port()
            self._stack.callback(holder.release)
            return int(holder), self.good
        if day.tls or day.server.get("encryption") == "tls":  # it will be another who has learned
            context = CERTIFICATES[day.tls] if day.tls else None
            return self._stack.enter_context(ScriptedPeer(*day.scripts, tls=context)).port, self.good

        def script(peer: Connection) -> None:
            if self.is_mended.is_set():
                polite(starttls=CERTIFICATES["good"])(peer)
            else:
                day.scripts[min(peer.number, len(day.scripts) - 1)](peer)

        peer = self._stack.enter_context(ScriptedPeer(script))
        return peer.port, peer


class _Running:
    """A deliverer in a thread of its own."""

    def __init__(self, ports: Ports) -> None:
        self._is_there = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(ports)))
        self._thread.start()
        assert self._is_there.wait(PATIENCE)

    async def _live(self, ports: Ports) -> None:
        self._loop = asyncio.get_running_loop()
        self._deliverer = Deliverer(ports, "bad-days")
        self._is_there.set()
        await self._deliverer.run()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._deliverer.stop)
        self._thread.join(PATIENCE)


@contextmanager
def _delivering(ports: Ports) -> Iterator[None]:
    running = _Running(ports)
    try:
        yield
    finally:
        running.stop()


def live_through(days: Sequence[Day], folder: Path) -> dict[str, Lived]:
    """By the days' names."""
    clock = HandClock()
    (folder / "authority.pem").write_text(AUTHORITY.pem)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patched:
        ports = ports_with(folder, clock)
        servers = _Servers(stack)
        world = _World(ports, clock, a_company(), servers)
        for day in days:
            world.begin(day)
        patched.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
        patched.setattr(deliverer, "smtp_pool", world.pool)
        stack.enter_context(_delivering(ports))
        wait_until(world.is_quiet, "every mail has met its server", PATIENCE)
        world.call(seconds=SECOND_WAVE)
        wait_until(world.is_quiet, "the mails of the silent servers, too", PATIENCE)
        found = {day.name: world.look(day) for day in days}
        world.go_on()
        wait_until(world.is_quiet, "every mail has met its server again", PATIENCE)
        return {day.name: world.look_again(day, *found[day.name]) for day in days}


class _World:
    def __init__(self, ports: Ports, clock: HandClock, company: Company, servers: _Servers) -> None:
        self._ports = ports
        self._clock = clock
        self._company = company
        self._servers = servers
        self._patience: dict[int, float] = {}  # by port
        self._slow_tls: set[int] = set()
        self._new_afterwards: set[int] = set()
        self._ids: dict[str, tuple[int, list[int], ScriptedPeer]] = {}  # of the server and of its mails
        self._next: dict[str, int] = {}

    def begin(self, day: Day) -> None:
        port, peer = self._servers.stand_up(day)
        self._patience[port] = day.patience
        if day.is_new_afterwards or day.patience == IMPATIENT:
            self._new_afterwards.add(port)
        if day.server.get("encryption") == "starttls":
            self._slow_tls.add(port)
        columns = {"name": "Relay", "host": "127.0.0.1", "port": port, "encryption": "none", "max_connections": 1}
        columns |= {name: value for name, value in day.server.items() if name != "password"}
        if "password" in day.server:
            columns["secret"] = self._ports.vault.seal(day.server["password"])
        server = OutgoingServer.objects.create(**columns)
        who = [day.recipient] if day.mails == 1 else [f"reader{n}@reader.example" for n in range(day.mails)]
        after = SECOND_WAVE if day.patience == IMPATIENT else 0
        mails = self._queue(server, day.text, who, is_last_chance=day.is_last_chance, after=after)
        self._ids[day.name] = (server.pk, mails, peer)

    def _queue(
        self, server: OutgoingServer, text: str, who: Sequence[str], *, is_last_chance: bool = False, after: float = 0
    ) -> list[int]:
        now = self._clock.now() + timedelta(seconds=after)
        mail = a_mail(self._company, at=now, text=text, forced_server=server)
        message = Message.objects.create(company=self._company, subject="Your order", posted_at=now)
        found = []
        for number, address in enumerate(who):
            contact = Contact.objects.create(name="Carla", address=address, normal=address)
            told = Notification.objects.create(company=self._company, message=message, contact=contact)
            end = {"deadline_at": now} if is_last_chance else {}
            due_at = now - timedelta(seconds=len(who) - number)
            found += deliveries(mail, address, at=now, notification=told, **{"due_at": due_at, **end})
        return [row.pk for row in found]

    def pool(self, endpoint: Endpoint, *arguments: Any, **named: Any) -> Any:
        """With the patience of the day; once all is well again, with all the patience there is."""
        seconds = PATIENT if self._servers.is_mended.is_set() else self._patience.get(endpoint.port, PATIENT)
        connecting = seconds if endpoint.port in self._slow_tls else PATIENT
        mine = dataclasses.replace(
            endpoint, connect_timeout=connecting, reply_timeout=seconds, body_timeout=seconds, idle_timeout=PATIENT
        )
        return smtp_pool(mine, *arguments, **named)

    def is_quiet(self) -> bool:
        """Nobody is on the way, and nobody is due."""
        is_due = Q(state__in=["queued", "deferred"], due_at__lte=self._clock.now())
        return not Delivery.objects.filter(is_due | Q(state="sending")).exists()  # one look: they move meanwhile

    def look(self, day: Day) -> tuple[Lived, int]:
        server_id, ids, _ = self._ids[day.name]
        rows = list(Delivery.objects.filter(pk__in=ids).order_by("pk").select_related("notification"))
        about = next((row for row in rows if row.state != "sent"), rows[0])
        server = OutgoingServer.objects.get(pk=server_id)
        lived = Lived(
            row=self._row(about),
            states=Counter(row.state for row in rows),
            tried=Attempt.objects.filter(delivery=about).count(),
            circuit_in=self._seconds_to(server.broken_until),
            later="",
            next_mail="",
            circuit_later=False,
            taken=0,
        )
        return lived, about.pk

    def _row(self, row: Delivery) -> Row:
        last = Attempt.objects.filter(delivery=row).order_by("-pk").first()
        reply = f"{last.code} {last.enhanced} {last.text}" if last else ""
        waits = "; ".join(map(str, reasons_from_json([row.waits_for]))) if row.waits_for else ""
        assert row.notification is not None
        return Row(
            state=row.state,
            why=row.failure_reason or waits or reply,
            blame=row.blame,
            kind=row.failure_type,
            attempts=row.attempt_count,
            again_in=self._seconds_to(row.due_at) if row.state in ("queued", "deferred") else None,
            notification=row.notification.state,
        )

    def _seconds_to(self, moment: datetime | None) -> float | None:
        return None if moment is None else (moment - self._clock.now()).total_seconds()

    def go_on(self) -> None:
        """Ten minutes later, and nobody has a bad day any more."""
        self._servers.is_mended.set()
        for server_id, _, peer in self._ids.values():
            server = OutgoingServer.objects.get(pk=server_id)
            if server.port != peer.port or server.host != "127.0.0.1" or server.port in self._new_afterwards:
                # A server that moved, or a pool that has no patience: the next mail has new connections.
                server.host, server.port, server.mails_per_connection = "127.0.0.1", peer.port, 99
            if peer is self._servers.good:
                server.encryption = "none"
            server.username = ""
            server.save()
        for name, (server_id, _, _) in self._ids.items():
            server = OutgoingServer.objects.get(pk=server_id)
            (self._next[name],) = self._queue(server, "The next one.", [NEXT_MAIL], after=600)
        self.call(minutes=10)

    def call(self, **later: float) -> None:
        """So much later, somebody wakes the deliverer."""
        self._clock.pass_by(**later)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('postroom_outgoing', '')")

    def look_again(self, day: Day, lived: Lived, about: int) -> Lived:
        server_id, _, peer = self._ids[day.name]
        server = OutgoingServer.objects.get(pk=server_id)
        return dataclasses.replace(
            lived,
            later=Delivery.objects.get(pk=about).state,
            next_mail=Delivery.objects.get(pk=self._next[day.name]).state,
            circuit_later=server.broken_until is not None,
            taken=len(peer.mails),
        )
