"""A connection to a place that was aimed at, which a watchman cuts when its time is over.

Laws: what was checked is what is connected to; TLS is verified for the name that was asked for; the time is for everything together,
whatever the other side does, drop by drop.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from postroom.adapters.fetching.targets import Target


@dataclass(slots=True)
class _Line:
    """A connection that a watchman may cut, before and after it was secured (which makes another socket of it)."""

    socket: socket.socket

    def cut(self) -> None:
        """Whoever waits on it is told that it ended."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


@contextmanager
def open_line(target: Target, seconds: float, context: ssl.SSLContext | None) -> Iterator[http.client.HTTPConnection]:
    """Ready to be asked. ``context`` None: no TLS. Raises OSError."""
    line = _Line(socket.create_connection((target.address, target.port), timeout=seconds))
    watchman = threading.Timer(seconds, line.cut)
    watchman.daemon = True
    watchman.start()
    connection = http.client.HTTPConnection(target.host, target.port)
    try:
        if context is not None:
            secured = context.wrap_socket(line.socket, server_hostname=target.host, do_handshake_on_connect=False)
            line.socket = secured
            secured.do_handshake()
        connection.sock = line.socket
        yield connection
    finally:
        watchman.cancel()
        connection.close()
        line.socket.close()
