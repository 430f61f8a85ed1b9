"""A door on real sockets for a test: its event loop runs in a thread, what it accepts lands in a list.

`Storeroom` stands for the database: it can be down, slow, or choke on one mail. Where the database itself matters, tests
pass the real flows instead.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from django.db import OperationalError

from postroom.core.routing.verdicts import RecipientVerdict
from postroom.core.terms.configuration import Configuration
from postroom.flows.accept_message import Arrival
from postroom.flows.ports import Ports
from postroom.workers.limits import DoorLimits
from postroom.workers.smtp_listener import Address, Door

LOOPBACK = "127.0.0.1"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STRANGERS = ("nobody@postroom.test", "mallory@postroom.test")


@dataclass(slots=True, eq=False)
class Storeroom:
    """Keeps arrivals; everybody but `STRANGERS` has a mailbox."""

    kept: list[Arrival] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    is_down: bool = False
    chokes_on: bytes = b""
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go_on.set()

    def accept(self, arrivals: Sequence[Arrival]) -> list[int]:
        assert self.may_go_on.wait(60)
        if self.is_down:
            raise OperationalError("the server closed the connection unexpectedly")
        if self.chokes_on and any(self.chokes_on in arrival.raw for arrival in arrivals):
            raise ValueError("a bug of ours")
        self.kept += arrivals
        self.groups.append(len(arrivals))
        return list(range(len(self.kept) - len(arrivals) + 1, len(self.kept) + 1))

    def check(self, addresses: Sequence[str]) -> dict[str, RecipientVerdict]:
        if self.is_down:
            raise OperationalError("connection refused")
        return {address: RecipientVerdict(accepted=address not in STRANGERS) for address in addresses}

    @property
    def contents(self) -> list[bytes]:
        """What peers sent: without the line that the door put on top."""
        return [without_trace(arrival.raw) for arrival in self.kept]


def without_trace(raw: bytes) -> bytes:
    """What the peer sent: behind the line that ends with the time of `NOON`."""
    assert raw.startswith(b"Received: from ")
    return raw.partition(b"+0000\r\n")[2]


@dataclass(slots=True, eq=False)
class OpenDoor:
    """A door that is open, and the loop it lives in."""

    door: Door
    loop: asyncio.AbstractEventLoop
    smtp_port: int
    lmtp_port: int

    def stop(self) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self.door.stop(), self.loop)

    def waiting_mails(self) -> int:
        """How many mails were read and wait for their commit."""
        reception = self.door._reception
        return 0 if reception is None else reception.arrivals.unanswered

    def open_sessions(self) -> int:
        reception = self.door._reception
        return 0 if reception is None else len(reception.sessions)

    def in_loop(self, question: Callable[[], Any]) -> Any:
        async def ask() -> Any:
            return question()

        return asyncio.run_coroutine_threadsafe(ask(), self.loop).result(60)


def ports_for_a_door(**settings: Any) -> Ports:
    """As much of `Ports` as a door touches."""
    return cast(
        "Ports",
        SimpleNamespace(
            configuration=Configuration(hostname="mx.postroom.test", **settings),
            clock=SimpleNamespace(now=lambda: NOON),
            ids=SimpleNamespace(hex=secrets.token_hex),
        ),
    )


@contextmanager
def open_door(
    storeroom: Storeroom | None = None,
    *,
    limits: DoorLimits | None = None,
    accept: Callable[[Sequence[Arrival]], Sequence[int]] | None = None,
    check: Callable[[Sequence[str]], Mapping[str, RecipientVerdict]] | None = None,
    ports: Ports | None = None,
    smtp: Address | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    **settings: Any,
) -> Iterator[OpenDoor]:
    """An SMTP and an LMTP door on free ports of 127.0.0.1."""
    storeroom = storeroom or Storeroom()
    anywhere = Address(host=LOOPBACK, port=0)
    door = Door(
        ports or ports_for_a_door(**settings),
        smtp=smtp or anywhere,
        lmtp=anywhere,
        limits=limits or DoorLimits(),
        accept=accept or storeroom.accept,
        check=check or storeroom.check,
    )
    loop = loop_factory()
    thread = threading.Thread(target=loop.run_forever, name="door")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(door.start(), loop).result(60)
        yield OpenDoor(door, loop, door.smtp_port, door.lmtp_port)
    finally:
        storeroom.may_go_on.set()
        asyncio.run_coroutine_threadsafe(door.stop(), loop).result(90)
        asyncio.run_coroutine_threadsafe(_wind_up(), loop).result(90)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _wind_up() -> None:
    """Connections that are being closed need a turn or two of the loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=60)
    await asyncio.sleep(0)


class Peer:
    """A peer that says exactly what the test says, byte for byte."""

    def __init__(self, port: int, *, greet: str = "") -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=60)
        self.lines = self.socket.makefile("rb")
        if greet:
            assert self.reply().startswith("220 ")
            assert self.say(f"{greet} client.example").startswith("250")

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self.lines.close()
            self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)

    def say(self, line: str) -> str:
        self.send(line + "\r\n")
        return self.reply()

    def reply(self) -> str:
        """The next reply, its lines joined by a newline; ``""`` when the door hung up."""
        found: list[str] = []
        while line := self.lines.readline():
            found.append(line.decode("utf-8").rstrip("\r\n"))
            if line[3:4] != b"-":
                break
        return "\n".join(found)

    def begin_mail(self, *recipients: str, sender: str = "carla@customer.example") -> None:
        """Up to the 354."""
        assert self.say(f"MAIL FROM:<{sender}>").startswith("250 ")
        for recipient in recipients or ("support@postroom.test",):
            assert self.say(f"RCPT TO:<{recipient}>").startswith("250 ")
        assert self.say("DATA").startswith("354 ")

    def is_hung_up(self) -> bool:
        """Waits for the end of the connection."""
        try:
            return self.lines.read() is not None
        except ConnectionResetError:
            return True
