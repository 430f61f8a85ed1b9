"""A connection that a watchman cuts when its time is over, whatever the other side does, drop by drop.

Law: the time is for everything together, from the first packet on, before and after the line was secured.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(slots=True)
class WatchedLine:
    """``socket`` is another one after `secure`."""

    socket: socket.socket

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Go on in TLS with whoever can prove to be ``host``. Raises OSError."""
        self.socket = context.wrap_socket(self.socket, server_hostname=host, do_handshake_on_connect=False)
        self.socket.do_handshake()

    def cut(self) -> None:
        """Whoever waits on it is told that it ended."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


@contextmanager
def watched_line(host: str, port: int, seconds: float) -> Iterator[WatchedLine]:
    """Connected; closed at the end of the block. Raises OSError, and ValueError for what can be no name of a host."""
    line = WatchedLine(socket.create_connection((host, port), timeout=seconds))
    watchman = threading.Timer(seconds, line.cut)
    watchman.daemon = True
    watchman.start()
    try:
        yield line
    finally:
        watchman.cancel()
        line.socket.close()
