"""Feeds mails to an SMTP server over several sessions at once, each mail different: the same mail twice would be recognised,
and nothing done about it. (Postfix's smtp-source repeats one mail.)

It pipelines as real servers do (RFC 2920). Law: each mail is sent only after the one before it on the same session was answered with 250.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from postroom.cli.telling import Trouble

PATIENCE = 60.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class Posted:
    """A mail with its envelope. No line of it begins with a dot."""

    mail_from: str
    rcpt_to: str
    raw: bytes


def feed(port: int, *, host: str, sessions: int, count: int, mail: Callable[[int], Posted]) -> None:
    """Send mails 0 to ``count`` - 1, shared out among the sessions. Returns when all are answered; raises `Trouble`."""
    troubles: list[str] = []

    def session(first: int) -> None:
        try:
            _session(host, port, range(first, count, sessions), mail)
        except (OSError, ValueError) as error:
            troubles.append(str(error))

    threads = [threading.Thread(target=session, args=(number,), name=f"feed-{number}") for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise Trouble(f"The door did not take the mails: {troubles[0]}")


def _session(host: str, port: int, numbers: range, mail: Callable[[int], Posted]) -> None:
    with closing(socket.create_connection((host, port), timeout=PATIENCE)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = connection.makefile("rb")

        def ask(command: bytes, expected: bytes) -> None:
            if command:
                connection.sendall(command)
            line = answers.readline()
            while line[3:4] == b"-":
                line = answers.readline()
            if not line.startswith(expected):
                raise ValueError(f"{line.decode(errors='replace').strip()} (to {command[:60]!r})")

        ask(b"", b"220")
        ask(b"EHLO bench.test\r\n", b"250")
        for number in numbers:
            one = mail(number)
            ask(f"MAIL FROM:<{one.mail_from}>\r\nRCPT TO:<{one.rcpt_to}>\r\nDATA\r\n".encode(), b"250")
            ask(b"", b"250")
            ask(b"", b"354")
            ask(one.raw + b".\r\n", b"250")
        ask(b"QUIT\r\n", b"221")
