"""An SMTP server that forgets nothing: each mail that it accepts is a line in a file, written before the 250.

Duty: to prove of a sender that nothing is lost and nothing goes out twice, whoever is killed and when. It can
also be a bad peer on purpose, see `Behaviour`. With ten thousand mails a second it is not what is measured.
Standards: RFC 5321, RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 1870, RFC 4954 (any PLAIN login will do).

Run as a program it is a process of its own: ``python counting.py --port N --ledger FILE [--behaviour JSON]``.
Needs nothing but the standard library (and uvloop, when it is there).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)
PATH = re.compile(rb"^(?:MAIL FROM|RCPT TO):\s*<([^>]*)>", re.IGNORECASE)
END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedMail:
    """One mail that was answered with 250 (or whose 250 was withheld, see `Behaviour.cut_before_reply`)."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    message_id: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the server does other than accepting. Recipients are named by address."""

    answers: dict[str, str] = field(default_factory=dict)  # reply to RCPT, such as "550 5.1.1 unknown"
    greylisted: tuple[str, ...] = ()  # 451 to the first RCPT for each, 250 afterwards
    cut_before_reply: tuple[str, ...] = ()  # accepted and noted, but the connection dies before the 250
    reply_delay: float = 0.0  # seconds between the end of DATA and its reply
    chain_file: str = ""  # PEM with key and certificate: offers STARTTLS

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Behaviour:
        found = json.loads(text)
        return cls(
            **{
                **found,
                "greylisted": tuple(found["greylisted"]),
                "cut_before_reply": tuple(found["cut_before_reply"]),
            }
        )


class Ledger:
    """The file: a line per mail, appended with one write, so that a kill loses none that was acknowledged."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, mail_from: bytes, rcpt_to: list[bytes], message_id: bytes, size: int) -> None:
        os.write(self._file, b"%b\t%b\t%b\t%d\n" % (mail_from, b" ".join(rcpt_to), message_id, size))

    def close(self) -> None:
        os.close(self._file)


def read_ledger(path: Path) -> Iterator[AcceptedMail]:
    """The mails of a ledger, in the order of their acceptance."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.endswith("\n"):
                mail_from, rcpt_to, message_id, size = line.rstrip("\n").split("\t")
                yield AcceptedMail(
                    mail_from=mail_from, rcpt_to=tuple(rcpt_to.split()), message_id=message_id, size=int(size)
                )


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(
        self, ledger: Ledger, behaviour: Behaviour, context: ssl.SSLContext | None, greylist: set[str]
    ) -> None:
        self._ledger = ledger
        self._behaviour = behaviour
        self._context = context
        self._greylist = greylist
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._mail_from = b""
        self._rcpt_to: list[bytes] = []
        self._in_data = False
        self._scanned = 0
        self._waits = False  # for the reply's delay or for the TLS handshake
        self._upgrade: asyncio.Task[None] | None = None
        self._is_secure = False
        self._transport: asyncio.Transport  # known once the connection is made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        if not self._is_secure:
            self._transport.write(b"220 sink.lab.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._waits and (self._take_mail() if self._in_data else self._take_command()):
            pass
        if self._replies:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()

    def _take_command(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end]).strip()
        del self._buffer[: end + 1]
        self._obey(line)
        return True

    def _obey(self, line: bytes) -> None:
        match line[:4].upper():
            case b"MAIL":
                self._mail_from, self._rcpt_to = _address(line), []
                self._say(b"250 2.1.0 Ok")
            case b"RCPT":
                self._judge(_address(line))
            case b"DATA" if self._rcpt_to:
                self._in_data, self._scanned = True, 0
                self._say(b"354 End data with <CR><LF>.<CR><LF>")
            case b"DATA":
                self._say(b"554 5.5.1 No valid recipients")
            case b"EHLO":
                self._introduce()
            case b"HELO" | b"RSET" | b"NOOP":
                self._mail_from, self._rcpt_to = b"", []
                self._say(b"250 2.0.0 Ok")
            case b"AUTH":
                self._say(b"235 2.7.0 Welcome" if line.upper().startswith(b"AUTH PLAIN ") else b"504 5.5.4 Only PLAIN")
            case b"STAR" if self._context and not self._is_secure:
                self._secure(self._context)
            case b"QUIT":
                self._say(b"221 2.0.0 Bye")
                self._flush_and_close()
            case _:
                self._say(b"502 5.5.2 Unknown command")

    def _introduce(self) -> None:
        offers = [
            b"sink.lab.test",
            b"PIPELINING",
            b"SIZE 100000000",
            b"8BITMIME",
            b"SMTPUTF8",
            b"ENHANCEDSTATUSCODES",
        ]
        offers.append(b"AUTH PLAIN")
        if self._context and not self._is_secure:
            offers.append(b"STARTTLS")
        self._replies.extend(b"250-%b\r\n" % offer for offer in offers[:-1])
        self._say(b"250 " + offers[-1])

    def _judge(self, recipient: bytes) -> None:
        address = recipient.decode("utf-8", "replace")
        if answer := self._behaviour.answers.get(address):
            self._say(answer.encode())
        elif address in self._behaviour.greylisted and address not in self._greylist:
            self._greylist.add(address)
            self._say(b"451 4.7.1 Greylisted, come again")
        else:
            self._rcpt_to.append(recipient)
            self._say(b"250 2.1.5 Ok")

    def _take_mail(self) -> bool:
        if self._buffer.startswith(b".\r\n"):
            end, length = 0, 3
        else:
            end, length = self._buffer.find(END, max(0, self._scanned - len(END))), len(END)
        if end < 0:
            self._scanned = len(self._buffer)
            return False
        self._accept(self._buffer[: end + 2] if end else bytearray())
        del self._buffer[: end + length]
        self._in_data = False
        return True

    def _accept(self, raw: bytearray) -> None:
        header_end = raw.find(b"\r\n\r\n")
        found = MESSAGE_ID.search(raw, 0, header_end if header_end >= 0 else len(raw))
        self._ledger.note(self._mail_from, self._rcpt_to, found[1] if found else b"", len(raw))
        if any(one.decode("utf-8", "replace") in self._behaviour.cut_before_reply for one in self._rcpt_to):
            self._replies.clear()
            self._waits = True
            self._transport.abort()
        elif self._behaviour.reply_delay:
            self._waits = True
            asyncio.get_running_loop().call_later(self._behaviour.reply_delay, self._reply_late)
        else:
            self._say(b"250 2.0.0 Ok: noted")

    def _reply_late(self) -> None:
        self._waits = False
        self._say(b"250 2.0.0 Ok: noted")
        if not self._transport.is_closing():
            self._go_on()

    def _secure(self, context: ssl.SSLContext) -> None:
        self._say(b"220 2.0.0 Ready to start TLS")
        self._transport.write(b"".join(self._replies))
        self._replies.clear()
        self._buffer.clear()
        self._waits = self._is_secure = True
        self._upgrade = asyncio.get_running_loop().create_task(self._shake_hands(context))

    async def _shake_hands(self, context: ssl.SSLContext) -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            upgraded = await asyncio.get_running_loop().start_tls(self._transport, self, context, server_side=True)
            assert upgraded is not None
            self._transport = upgraded
            self._waits = False
            self._go_on()

    def _flush_and_close(self) -> None:
        self._transport.write(b"".join(self._replies))
        self._replies.clear()
        self._waits = True
        self._transport.close()

    def _say(self, reply: bytes) -> None:
        self._replies.append(reply + b"\r\n")


def _address(line: bytes) -> bytes:
    found = PATH.match(line)
    return found[1].replace(b"\t", b" ").replace(b" ", b"_") if found else b""


async def listen(port: int, ledger: Ledger, behaviour: Behaviour) -> asyncio.Server:
    """A server on 127.0.0.1; port 0 takes any that is free."""
    context = None
    if behaviour.chain_file:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(behaviour.chain_file)
    greylist: set[str] = set()
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: Peer(ledger, behaviour, context, greylist), "127.0.0.1", port, backlog=512, reuse_address=True
    )


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, which is twice as fast."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def serve_until_told(port: int, ledger: Ledger, behaviour: Behaviour) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    server = await listen(port, ledger, behaviour)
    await told.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP sink that notes each mail before it says 250.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--behaviour", default=Behaviour().as_json())
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(serve_until_told(given.port, Ledger(given.ledger), Behaviour.from_json(given.behaviour)))


if __name__ == "__main__":
    main()
