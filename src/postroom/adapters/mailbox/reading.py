"""Reading from a server that may be silent, slow, endless or a liar.

Laws: no answer grows beyond its allowance; no read lasts longer than the silence that is tolerated, and no
answer longer than the patience for it, however steadily it drips. The standard library checks none of that:
imaplib asks the system for as many bytes as a literal promises, poplib gives up at lines of 2 KB.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time

CHUNK = 64 * 1024
PACE = 256 * 1024  # bytes that renew the patience: a large mail over a slow line is no drip


class PeerTalksTooMuch(Exception):  # noqa: N818 - it is no error of ours
    """The answer is longer than anything we asked for."""


class BoundedReader:
    """A buffered reader of a connected socket. Times in seconds, sizes in bytes."""

    def __init__(self, sock: socket.socket, *, silence: float, patience: float) -> None:
        self._sock = sock
        self._silence = silence
        self._patience = patience
        self._buffer = bytearray()
        self._allowance = 0
        self._deadline = 0.0
        self._since_renewal = 0

    def begin(self, allowance: int) -> None:
        """A question was asked: its answer may have ``allowance`` bytes, and the patience starts anew."""
        self._allowance = allowance + len(self._buffer)
        self._renew()

    def readline(self, limit: int) -> bytes:
        """Up to and with the next LF, at most ``limit`` bytes; less than a line, or ``b""``, at the end."""
        scanned = 0
        while (end := self._buffer.find(b"\n", scanned)) < 0 and len(self._buffer) < limit:
            scanned = len(self._buffer)
            if not self._fill():
                return self._take(len(self._buffer))
        return self._take(min(end + 1 if end >= 0 else limit, limit))

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes; fewer at the end. What is not allowed is not read: `PeerTalksTooMuch`."""
        if size > self._allowance:
            raise PeerTalksTooMuch(f"{size} bytes were announced")
        while len(self._buffer) < size:
            if not self._fill():
                break
        return self._take(min(size, len(self._buffer)))

    @property
    def has_unread(self) -> bool:
        """Whether bytes are here that nobody has taken: what came with an earlier answer."""
        return bool(self._buffer) or self.has_decrypted

    @property
    def has_decrypted(self) -> bool:
        """Whether TLS holds bytes that the system no longer announces."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    @property
    def has_line(self) -> bool:
        """Whether `readline` would answer at once."""
        return b"\n" in self._buffer

    def take_in(self) -> None:
        """Buffer what is there, without waiting. Raises EOFError at the end."""
        self._sock.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            data = self._sock.recv(CHUNK)
            if not data:
                raise EOFError("the connection was closed")
            self._buffer += data
        if len(self._buffer) > self._allowance + CHUNK:
            raise PeerTalksTooMuch("a line does not end")

    def _fill(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer does not end")
        self._sock.settimeout(min(self._silence, left))
        data = self._sock.recv(CHUNK)
        self._buffer += data
        self._since_renewal += len(data)
        if len(self._buffer) > self._allowance + CHUNK:
            raise PeerTalksTooMuch("the answer does not end")
        if self._since_renewal >= PACE:
            self._renew()
        return bool(data)

    def _take(self, size: int) -> bytes:
        self._allowance -= size
        if self._allowance < 0:
            raise PeerTalksTooMuch("the answer does not end")
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    def _renew(self) -> None:
        self._deadline = time.monotonic() + self._patience
        self._since_renewal = 0


def is_readable(sock: socket.socket, other: socket.socket, seconds: float) -> tuple[bool, bool]:
    """Waits until one of two sockets can be read, for at most ``seconds``; which of them can."""
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        poller.register(other, select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(seconds * 1000)}
        return sock.fileno() in ready, other.fileno() in ready
    found, _, _ = select.select([sock, other], [], [], seconds)
    return sock in found, other in found
