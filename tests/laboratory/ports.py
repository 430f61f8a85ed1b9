"""Loopback ports that nobody else gets.

A port number that was merely found free can be taken by another test before the server binds it. So a `Port`
stays bound, without listening, for as long as its server needs it: the kernel then gives the number to nobody
who asks for any free port, while a server that sets SO_REUSEADDR (all of ours do) may still listen on it.
Where a system does not allow that, the start fails and is tried again with new ports (see `daemon`).
"""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


class Port:
    """A reserved TCP port on 127.0.0.1; ``int(port)`` is its number."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, 0))
        self.number: int = self._socket.getsockname()[1]

    def __int__(self) -> int:
        return self.number

    def __str__(self) -> str:
        return str(self.number)

    def release(self) -> None:
        self._socket.close()


def closed_port() -> Port:
    """A port that refuses every connection until it is released."""
    return Port()


def answers(port: int, timeout: float = 10.0) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False


def greeting(port: int, timeout: float = 10.0) -> str:
    """The first line of whoever listens on this port, or ``""``."""
    try:
        with (
            socket.create_connection((LOOPBACK, port), timeout=timeout) as peer,
            peer.makefile("rb") as lines,
        ):
            return lines.readline(1000).decode("utf-8", "replace").strip()
    except OSError:
        return ""
