"""A POP3 server in a few lines, for tests that need one that errs on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.laboratory.scripted import Line

Answer = bytes | Callable[[Line, bytes], None]  # the whole answer, or who says it (line, command)
RAW = b"Subject: x\r\n\r\nHello.\r\n"


def listing(*rows: bytes) -> bytes:
    return b"+OK\r\n" + b"".join(row + b"\r\n" for row in rows) + b".\r\n"


def content(raw: bytes) -> bytes:
    """A mail as RETR answers with it, dots stuffed."""
    return b"+OK\r\n" + (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def pop3_server(
    answers: Mapping[bytes, Answer] | None = None, greeting: bytes = b"+OK ready\r\n"
) -> Callable[[Line], None]:
    """A script that obeys: each command gets the answer whose beginning fits best, else a plain +OK."""
    known: dict[bytes, Answer] = {
        b"UIDL": listing(b"1 a", b"2 b", b"3 c"),
        b"LIST": listing(b"1 20", b"2 20", b"3 20"),
        b"RETR": content(RAW),
        b"QUIT": _say_goodbye,
        **(answers or {}),
    }

    def play(line: Line) -> None:
        line.say(greeting)
        while True:
            command = line.hear()
            matching = [beginning for beginning in known if command.startswith(beginning)]
            answer = known[max(matching, key=len)] if matching else b"+OK\r\n"
            if callable(answer):
                answer(line, command)
            else:
                line.say(answer)

    return play


def _say_goodbye(line: Line, _: bytes) -> None:
    line.say(b"+OK bye\r\n")
    line.hang_up()
