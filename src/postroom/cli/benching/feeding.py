"""Feeds mails to an SMTP server over several sessions at once, each mail different: the same mail twice would be recognised,
and nothing done about it. (Postfix's smtp-source repeats one mail.)

It pipelines as real servers do (RFC 2920). Law: each mail is sent only after the one before it on the same session was answered with 250.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing

from postroom.cli.telling import Trouble

PATIENCE = 60.0  # seconds for an answer


def feed(port: int, *, host: str, sessions: int, count: int, recipient: str, mail: Callable[[int], bytes]) -> None:
    """Send mails 0 to ``count`` - 1, shared out among the sessions. Returns when all are answered; raises `Trouble`."""
    troubles: list[str] = []

    def session(first: int) -> None:
        try:
            _session(host, port, range(first, count, sessions), recipient, mail)
        except (OSError, ValueError) as error:
            troubles.append(str(error))

    threads = [threading.Thread(target=session, args=(number,), name=f"feed-{number}") for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise Trouble(f"The door did not take the mails: {troubles[0]}")


def _session(host: str, port: int, numbers: range, recipient: str, mail: Callable[[int], bytes]) -> None:
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
            envelope = b"MAIL FROM:<customer%d@customers.test>\r\nRCPT TO:<%s>\r\n" % (number, recipient.encode())
            ask(envelope + b"DATA\r\n", b"250")
            ask(b"", b"250")
            ask(b"", b"354")
            ask(mail(number) + b".\r\n", b"250")  # no line of these mails begins with a dot
        ask(b"QUIT\r\n", b"221")
