"""A peer that follows a script: for everything that no real server does, but some server somewhere will.

The script is a function that gets a `Line` for each connection and says and hears what it likes. What it
asserts is raised in the test, at the end of the ``with`` block.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.laboratory.ports import LOOPBACK

ABANDON = 60.0  # seconds after which a script that hears nothing gives up


class Hangup(Exception):  # noqa: N818 - the way a connection ends
    """The other side has left, or the script wants to."""


class Line:
    """One connection, seen from the server."""

    def __init__(self, peer: ScriptedPeer, sock: socket.socket, number: int) -> None:
        self.number = number  # of the connection, from 1
        self._peer = peer
        self._sock = sock
        self._buffer = b""

    def say(self, *words: bytes) -> None:
        """Send these bytes as they are."""
        try:
            self._sock.sendall(b"".join(words))
        except OSError as error:
            raise Hangup from error

    def hear(self) -> bytes:
        """The next line, without its end; it is also noted in the peer's `ScriptedPeer.heard`."""
        while b"\n" not in self._buffer:
            try:
                data = self._sock.recv(65536)
            except OSError as error:
                raise Hangup from error
            if not data:
                raise Hangup
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        self._peer.heard.append(line.rstrip(b"\r"))
        return line.rstrip(b"\r")

    def hear_nothing_more(self) -> None:
        """Stay silent until the other side leaves."""
        while True:
            self.hear()

    def drip(self, words: bytes, every: float) -> None:
        """Say the words byte by byte, with a pause of this many seconds after each, until the test ends."""
        for byte in words:
            self.drip_chunks(bytes([byte]), count=1, every=every)

    def drip_chunks(self, chunk: bytes, *, count: int, every: float) -> None:
        """Say the same ``count`` times, with a pause of ``every`` seconds after each."""
        for _ in range(count):
            self.say(chunk)
            if self._peer.is_over.wait(every):
                raise Hangup

    def encrypt(self, chain_file: Path) -> None:
        """Go on under TLS; what was heard before is forgotten."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain_file)
        self.encrypt_with(context)

    def encrypt_with(self, context: ssl.SSLContext) -> None:
        """As `encrypt`, with a context that is there already."""
        try:
            self._sock = context.wrap_socket(self._sock, server_side=True)
        except OSError as error:
            raise Hangup from error
        self._buffer = b""

    def hang_up(self) -> None:
        """Close the connection in the middle of whatever it was."""
        raise Hangup

    def close(self) -> None:
        self._sock.close()


class ScriptedPeer:
    """Listens on ``port`` and plays the script on each connection, in a thread each."""

    def __init__(self, script: Callable[[Line], None]) -> None:
        self.heard: list[bytes] = []
        self.is_over = threading.Event()
        self._script = script
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def connections(self) -> int:
        """How many came so far."""
        return len(self._threads)

    def __enter__(self) -> Self:
        self._acceptor = threading.Thread(target=self._accept, name="scripted-peer", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(ABANDON)
        for thread in self._threads:
            thread.join(ABANDON)
        if self._failures and error is None:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(ABANDON)
            line = Line(self, sock, self.connections + 1)
            thread = threading.Thread(target=self._play, args=(line,), name="scripted-line", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, line: Line) -> None:
        try:
            self._script(line)
        except Hangup:
            pass
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            line.close()
