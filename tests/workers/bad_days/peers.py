"""Servers with a bad day: scripts for what `polite` with one wrong answer cannot say."""

from __future__ import annotations

import ssl
import threading
import warnings
from collections.abc import Sequence

from tests.adapters.smtp.certificates import make_authority, self_signed_context
from tests.adapters.smtp.scripted_peer import Answer, Connection, Does, Script, polite

EXTENSIONS = ("PIPELINING", "SIZE 50000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
AUTHORITY = make_authority()
CERTIFICATES = {
    "good": AUTHORITY.server_context("127.0.0.1", "localhost"),
    "expired": AUTHORITY.server_context("127.0.0.1", expired=True),
    "other": AUTHORITY.server_context("mail.elsewhere.example"),
    "self-signed": self_signed_context("127.0.0.1"),
    "unknown": make_authority().server_context("127.0.0.1"),
}


def says(verb: str, *answers: Answer, extensions: Sequence[str] = EXTENSIONS, starttls: str = "") -> Script:
    """A good server, but for its first answers to this verb."""
    context = CERTIFICATES[starttls] if starttls else None
    return polite(extensions=extensions, answers={verb: answers}, starttls=context)


def offers(*extensions: str, starttls: str = "") -> Script:
    """A good server that can do no more than this."""
    return polite(extensions=extensions, starttls=CERTIFICATES[starttls] if starttls else None)


def says_bytes(greeting: bytes) -> Script:
    """Not a mail server at all, perhaps; then it says nothing more."""

    def script(peer: Connection) -> None:
        peer.say(greeting)
        peer.sleep()

    return script


def says_bytes_and_goes(greeting: bytes) -> Script:
    def script(peer: Connection) -> None:
        peer.say(greeting)
        peer.drop()

    return script


def closes(*, hard: bool = False) -> Script:
    return lambda peer: peer.reset() if hard else peer.drop()


def trickles(verb: str, reply: bytes) -> Script:
    """This reply comes byte by byte."""
    return _slowly(verb, reply, [reply[at : at + 1] for at in range(len(reply))], 0.004)


def hesitates(verb: str, reply: bytes) -> Script:
    """This reply takes its time."""
    return _slowly(verb, reply, [reply], 0.2)


def _slowly(verb: str, reply: bytes, pieces: list[bytes], pause: float) -> Script:
    def script(peer: Connection) -> None:
        at_once = peer.say

        def say(*lines: str | bytes) -> None:
            if lines[0] is not reply:
                at_once(*lines)
                return
            for piece in pieces:
                threading.Event().wait(pause)
                at_once(piece)

        peer.say = say  # type: ignore[method-assign]
        polite(answers={verb: [reply]})(peer)

    return script


def after_starttls(behave: Script, *, more: bytes = b"") -> Script:
    """Says 220 to STARTTLS (and perhaps ``more`` in plain text), then does this instead of TLS."""

    def script(peer: Connection) -> None:
        peer.say("220 peer.example ESMTP")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 STARTTLS")
        peer.hear("STARTTLS")
        peer.say(b"220 2.0.0 go ahead\r\n" + more)
        behave(peer)

    return script


def old_tls() -> Script:
    """A server that never learned more than TLS 1.1."""
    context = AUTHORITY.server_context("127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return polite(starttls=context)


def drops_after_tls(peer: Connection) -> None:
    """The handshake succeeds, and then it is gone."""
    peer.say("220 peer.example ESMTP")
    peer.hear("EHLO")
    peer.say("250-peer.example", "250 STARTTLS")
    peer.hear("STARTTLS")
    peer.say("220 2.0.0 go ahead")
    peer.secure(CERTIFICATES["good"])
    peer.hear("EHLO")
    peer.drop()


def forgets_what_it_was_told(peer: Connection) -> None:
    """Offers PIPELINING, and throws away what came behind the command that it answers."""
    _greet(peer)
    while True:
        line = peer.hear()
        peer._rest = b""
        _answer_singly(peer, line)


def _greet(peer: Connection) -> None:
    peer.say("220 peer.example ESMTP")
    peer.hear("EHLO")
    peer.say("250-peer.example", "250 PIPELINING")


def _answer_singly(peer: Connection, line: str) -> None:
    match line[:4].upper():
        case "MAIL" | "RCPT" | "RSET":
            peer.say("250 2.1.0 ok")
        case "DATA":
            peer.say("354 go ahead")
            peer.hear_content()
            peer.say("250 2.0.0 taken")
        case "QUIT":
            peer.say("221 2.0.0 bye")
            peer.drop()
        case _:
            peer.say("502 5.5.2 what?")


def _to_the_content(peer: Connection) -> None:
    _greet(peer)
    peer.hear("MAIL")
    peer.hear("RCPT")
    peer.hear("DATA")
    peer.say("250 2.1.0 ok", "250 2.1.5 ok", "354 go ahead")


def in_the_content(answer: Answer) -> Script:
    """After a first part of a long mail, and before its end."""

    def script(peer: Connection) -> None:
        _to_the_content(peer)
        peer.hear_bytes(50_000)
        peer.answer(answer)
        if answer not in (Does.DROP, Does.RESET):
            _swallow(peer)

    return script


def _swallow(peer: Connection) -> None:
    while True:
        peer._rest = b""
        peer._receive()


def stops_reading(peer: Connection) -> None:
    """Takes a little of a long mail, then nothing more, and says nothing."""
    _to_the_content(peer)
    peer.hear_bytes(10_000)
    while not peer.server._is_over:
        threading.Event().wait(0.05)


def hears_no_dot(peer: Connection) -> None:
    """Takes the end of the mail for more of it."""
    _to_the_content(peer)
    peer.hear_content()
    peer.sleep()


def lines(code: int, count: int, last: str) -> bytes:
    """A reply of so many lines."""
    return b"".join(b"%d-line %d of a long story\r\n" % (code, n) for n in range(count)) + f"{code} {last}\r\n".encode()
