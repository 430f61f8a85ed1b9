"""An SMTP server that plays a script: real sockets on loopback, a thread a connection.

    def script(peer: Connection) -> None:
        peer.say("220 peer.example ESMTP")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 PIPELINING")
        ...

    with ScriptedPeer(script) as server:
        ...  # speak to 127.0.0.1, server.port

Most bad days need one deviation from the usual: `polite(answers={"RCPT": ["550 5.1.1 no such user"]})` is a
whole server that answers the first RCPT so. When the client goes away, the script ends quietly; an assertion
that failed in a script is raised at the end of the ``with`` block.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import TracebackType

PATIENCE = 60.0  # seconds a script waits for the client


class Does(Enum):
    """What a polite server may do instead of answering."""

    DROP = "closes the connection"
    RESET = "resets the connection"
    SLEEP = "says nothing until the client goes away"


Answer = str | bytes | Does
Script = Callable[["Connection"], None]


class ClientLeftError(Exception):
    """The client closed the connection, or the test is over."""


@dataclass(frozen=True, kw_only=True)
class ReceivedMail:
    """``content`` as it came: stuffed, with CRLF, without the final dot."""

    connection: int
    mail: str
    rcpts: tuple[str, ...]
    content: bytes


@dataclass
class Connection:
    """One client. ``number`` counts from 0."""

    server: ScriptedPeer
    socket: socket.socket
    number: int
    heard: list[str] = field(default_factory=list)
    is_closed: bool = False
    _rest: bytes = b""

    def say(self, *lines: str | bytes) -> None:
        """Lines without their ends; bytes go out exactly as they are."""
        self._send(b"".join(line if isinstance(line, bytes) else line.encode() + b"\r\n" for line in lines))

    def hear(self, begins: str = "") -> str:
        """The next command, without its end."""
        line = self._until(b"\r\n").decode("utf-8", "replace")
        self.heard.append(line)
        assert line.upper().startswith(begins), f"heard {line!r} instead of {begins}"
        return line

    def hear_content(self) -> bytes:
        if self._pending(3) == b".\r\n":
            self._rest = self._rest[3:]
            return b""
        return self._until(b"\r\n.\r\n") + b"\r\n"

    def hear_bytes(self, count: int) -> bytes:
        """Exactly so many bytes, of whatever."""
        self._pending(count)
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def has_more(self) -> bool:
        """Whether the client has sent more than was heard already (what travelled in the same packets)."""
        return bool(self._rest)

    def sleep(self) -> None:
        """Say nothing more until the client goes away."""
        while True:
            self._receive()

    def drop(self) -> None:
        self.socket.close()
        raise ClientLeftError

    def reset(self) -> None:
        """Close with RST, as a crashed machine or a firewall does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.drop()

    def secure(self, context: ssl.SSLContext) -> None:
        """TLS from here on. A handshake that fails is the client's right: the script ends."""
        try:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.socket.close()
            raise ClientLeftError from error
        self.server.adopt(self.socket)

    def answer(self, answer: Answer) -> None:
        match answer:
            case Does.DROP:
                self.drop()
            case Does.RESET:
                self.reset()
            case Does.SLEEP:
                self.sleep()
            case str() | bytes():
                self.say(answer)

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._receive()
        taken, _, self._rest = self._rest.partition(end)
        return taken

    def _pending(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._receive()
        return self._rest[:count]

    def _receive(self) -> None:
        try:
            data = self.socket.recv(65_536)
        except (OSError, ValueError) as error:
            raise ClientLeftError from error
        if not data:
            raise ClientLeftError
        self._rest += data

    def _send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ClientLeftError from error


class ScriptedPeer:
    """Connection n plays script n; the last script plays for all that follow."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[Connection] = []
        self.mails: list[ReceivedMail] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._changed = threading.Condition()
        self._is_over = False

    def __enter__(self) -> ScriptedPeer:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._is_over = True
        with self._changed:
            sockets = [self._listener, *self._sockets]
        for each in sockets:
            close_hard(each)
        for thread in self._threads:
            thread.join(PATIENCE)
        if self._failures and error is None:
            raise self._failures[0]

    def adopt(self, each: socket.socket) -> None:
        with self._changed:
            self._sockets.append(each)

    def keep(self, mail: ReceivedMail) -> None:
        with self._changed:
            self.mails.append(mail)
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[ScriptedPeer], bool], timeout: float = PATIENCE) -> None:
        """For tests in another thread than the client's."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout), "it did not happen"

    def touch(self) -> None:
        """Make `wait_until` look again."""
        with self._changed:
            self._changed.notify_all()

    def _accept(self) -> None:
        while not self._is_over:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(PATIENCE)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.adopt(client)
            number = len(self.connections)
            connection = Connection(self, client, number)
            with self._changed:
                self.connections.append(connection)
                self._changed.notify_all()
            script = self._scripts[min(number, len(self._scripts) - 1)]
            self._start(partial(self._play, connection, script))

    def _play(self, connection: Connection, script: Script) -> None:
        try:
            if self._tls is not None:
                connection.secure(self._tls)
            script(connection)
        except ClientLeftError:
            pass
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            close_hard(connection.socket)
            connection.is_closed = True
            self.touch()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()


def close_hard(each: socket.socket) -> None:
    """Wakes whoever reads or accepts on it."""
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


def polite(
    *,
    extensions: Sequence[str] = (
        "PIPELINING",
        "SIZE 50000000",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
    ),
    answers: Mapping[str, Sequence[Answer]] | None = None,
    starttls: ssl.SSLContext | None = None,
) -> Script:
    """A server that takes every mail and keeps it in ``server.mails``, but for what ``answers`` says.

    ``answers`` maps a verb (``GREETING``, ``EHLO``, ``HELO``, ``STARTTLS``, ``AUTH``, ``AUTH+`` behind a
    challenge, ``MAIL``, ``RCPT``, ``DATA``, ``END``, ``RSET``, ``QUIT``) to what is said the first, second, …
    time on a connection; then, and for other verbs, the usual is said. With ``starttls`` STARTTLS is offered,
    until it is used.
    """

    def script(peer: Connection) -> None:
        planned = {verb: iter(each) for verb, each in (answers or {}).items()}
        _Polite(peer, tuple(extensions), planned, starttls).serve()

    return script


class _Polite:
    def __init__(
        self,
        peer: Connection,
        extensions: tuple[str, ...],
        planned: dict[str, Iterator[Answer]],
        starttls: ssl.SSLContext | None,
    ) -> None:
        self._peer = peer
        self._extensions = extensions
        self._planned = planned
        self._starttls = starttls
        self._mail = ""
        self._rcpts: list[str] = []

    def serve(self) -> None:
        self._answer("GREETING", "220 peer.example ESMTP")
        while True:
            line = self._peer.hear()
            match re.split(r"[ :]", line, maxsplit=1)[0].upper():
                case "EHLO":
                    self._ehlo()
                case "HELO":
                    self._answer("HELO", "250 peer.example")
                case "STARTTLS" if self._starttls is not None:
                    self._secure(self._starttls)
                case "AUTH":
                    self._auth()
                case "MAIL":
                    self._mail_from(line)
                case "RCPT":
                    self._rcpt_to(line)
                case "DATA":
                    self._data()
                case "RSET":
                    self._mail, self._rcpts = "", []
                    self._answer("RSET", "250 2.0.0 flushed")
                case "QUIT":
                    self._answer("QUIT", "221 2.0.0 bye")
                    self._peer.drop()
                case _:
                    self._peer.say("502 5.5.2 what?")

    def _answer(self, verb: str, usual: Answer) -> str:
        """What was said, as text."""
        answer = next(self._planned.get(verb, iter(())), usual)
        self._peer.answer(answer)
        return answer.decode("latin-1") if isinstance(answer, bytes) else str(answer)

    def _ehlo(self) -> None:
        extensions = (*self._extensions, "STARTTLS") if self._starttls else self._extensions
        lines = ["peer.example", *extensions]
        usual = [f"250-{line}\r\n" for line in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
        self._answer("EHLO", "".join(usual).encode())

    def _secure(self, context: ssl.SSLContext) -> None:
        if self._answer("STARTTLS", "220 2.0.0 go ahead").startswith("220"):
            self._peer.secure(context)
            self._starttls = None

    def _auth(self) -> None:
        said = self._answer("AUTH", "235 2.7.0 welcome")
        while said.startswith("334"):
            self._peer.hear()
            said = self._answer("AUTH+", "235 2.7.0 welcome")

    def _mail_from(self, line: str) -> None:
        if self._answer("MAIL", "250 2.1.0 sender ok").startswith("250"):
            self._mail, self._rcpts = line, []

    def _rcpt_to(self, line: str) -> None:
        usual = "250 2.1.5 recipient ok" if self._mail else "503 5.5.1 MAIL first"
        if self._answer("RCPT", usual).startswith(("250", "251")):
            self._rcpts.append(line)

    def _data(self) -> None:
        usual = "354 go ahead" if self._rcpts else "554 5.5.1 no valid recipients"
        if not self._answer("DATA", usual).startswith("354"):
            return
        content = self._peer.hear_content()
        mail, rcpts = self._mail, tuple(self._rcpts)
        self._mail, self._rcpts = "", []
        self._peer.server.keep(ReceivedMail(connection=self._peer.number, mail=mail, rcpts=rcpts, content=content))
        self._answer("END", "250 2.0.0 taken")


@contextmanager
def closed_port() -> Iterator[int]:
    """A port where nobody listens, and nobody else will as long as the block lasts."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def wait_for(condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
    """Looks again and again until it is so. For what gives no signal: files, processes."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        threading.Event().wait(0.005)
