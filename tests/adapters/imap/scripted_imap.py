"""An IMAP server in a few lines, for tests that need one that errs on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from postroom.adapters.imap.client import ImapSession
from tests.laboratory.scripted import Line

Answer = bytes | Callable[[Line, bytes, bytes], None]  # words before "TAG OK", or who says all (line, tag, command)
CAPABILITIES = b"IMAP4rev1 IDLE MOVE UIDPLUS"
SELECTED = (
    b"* FLAGS (\\Seen \\Deleted)\r\n* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\n"
)


def imap_server(
    answers: Mapping[bytes, Answer] | None = None,
    *,
    capabilities: bytes = CAPABILITIES,
    greeting: bytes = b"* OK ready\r\n",
) -> Callable[[Line], None]:
    """A script that obeys: each command gets the answer whose beginning fits best, else a plain OK."""
    known: dict[bytes, Answer] = {
        b"CAPABILITY": b"* CAPABILITY " + capabilities + b"\r\n",
        b"SELECT": SELECTED,
        b"UID SEARCH": b"* SEARCH 1 2 3\r\n",
        b"LOGOUT": b"* BYE see you\r\n",
        **(answers or {}),
    }

    def play(line: Line) -> None:
        line.say(greeting)
        while True:
            tag, _, command = line.hear().partition(b" ")
            matching = [beginning for beginning in known if command.startswith(beginning)]
            answer = known[max(matching, key=len)] if matching else b""
            if callable(answer):
                answer(line, tag, command)
            else:
                line.say(answer, tag + b" OK done\r\n")

    return play


def be_impatient(session: ImapSession) -> None:
    """From now on half a second of silence is too much for this open connection; how long the login took is another matter."""
    assert session._client is not None
    session._client.wire.reader._silence = 0.5


def no(words: bytes) -> Answer:
    """A refusal in these words."""
    return lambda line, tag, _: line.say(tag + b" NO " + words + b"\r\n")


def sizes(**claimed: int) -> bytes:
    """The answer to a question for sizes: ``sizes(u1=10, u2=20)``."""
    rows = enumerate(claimed.items(), start=1)
    return b"".join(
        b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (row, int(name[1:]), size) for row, (name, size) in rows
    )


def piece(uid: int, content: bytes, offset: int = 0) -> bytes:
    """A piece of a mail, as a literal."""
    return b"* 1 FETCH (UID %d BODY[]<%d> {%d}\r\n%b)\r\n" % (uid, offset, len(content), content)
