"""A small client of SpamAssassin's spamd: one mail, one question, one answer.

Laws: never raises for what the server does; it has so many seconds for all of it, however slowly it drips; no more of an answer is read than
a report can have. A mail that is larger than spamc itself would hand over is not asked about. Nothing is learned, reported or changed.
Standards: SPAMC/SPAMD protocol 1.5 (REPORT, SYMBOLS), as spamd's own PROTOCOL file has it.
"""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from postroom.core.mailtest.evidence import MOST_SYMBOLS, SpamSymbol, SpamUnchecked, SpamVerdict
from postroom.core.terms.reasons import because

PORT = 783
LARGEST_MAIL = 512_000  # bytes, as of spamc
LARGEST_ANSWER = 256 * 1024
LONGEST_TEXT = 200  # characters about a rule
_STATUS = re.compile(rb"SPAMD/[0-9.]{1,9} (\d{1,5}) ?([^\r\n]{0,200})")
_SPAM = re.compile(
    r"(true|yes|false|no)\s{0,9};\s{0,9}(-?\d{1,9}(?:\.\d{1,9})?)\s{0,9}/\s{0,9}(-?\d{1,9}(?:\.\d{1,9})?)\s*",
    re.IGNORECASE,
)
_ROW = re.compile(r"\s{0,9}(-?\d{1,4}(?:\.\d{1,4})?)\s{1,9}([A-Z][A-Z0-9_]{1,99})(?:\s{1,99}(\S.*))?")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,99}")


class _NoVerdict(Exception):  # noqa: N818 - an answer, not a fault
    """It said something else than a verdict: the end of a code ``piece.spam.…``, and the words of its refusal."""

    def __init__(self, what: str, reply: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.reply = reply


@dataclass(frozen=True, slots=True)
class _Answer:
    score: float
    threshold: float
    is_spam: bool
    body: str


def ask_spamd(host: str, port: int, raw: bytes, *, seconds: float) -> SpamVerdict | SpamUnchecked:
    """What it says about the mail, within ``seconds``. Blocks."""
    if len(raw) > LARGEST_MAIL:
        return _unchecked("too_large", size=len(raw), most=LARGEST_MAIL)
    place, deadline = f"{host}:{port}", monotonic() + seconds
    try:
        told = _ask(host, port, b"REPORT", raw, deadline)
        symbols = tuple(_rows(told.body)) or _names(_ask(host, port, b"SYMBOLS", raw, deadline).body)
    except TimeoutError:
        return _unchecked("silent", place=place, seconds=f"{seconds:g}")
    except _NoVerdict as why:
        return _unchecked(why.what, place=place, reply=why.reply)
    except (OSError, UnicodeError) as error:
        return _unchecked("unreachable", place=place, error=type(error).__name__)
    return SpamVerdict(score=told.score, threshold=told.threshold, is_spam=told.is_spam, symbols=symbols)


def _unchecked(what: str, **facts: object) -> SpamUnchecked:
    return SpamUnchecked(why=because(f"piece.spam.{what}", **facts))


def _ask(host: str, port: int, verb: bytes, raw: bytes, deadline: float) -> _Answer:
    with socket.create_connection((host, port), timeout=_left(deadline)) as wire:
        question = b"%s SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % (verb, len(raw))
        wire.settimeout(_left(deadline))
        wire.sendall(question + raw)
        wire.shutdown(socket.SHUT_WR)
        return _read(_received(wire, deadline))


def _left(deadline: float) -> float:
    """Seconds. Raises TimeoutError when there are none."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _received(wire: socket.socket, deadline: float) -> bytes:
    """All that it says until it hangs up."""
    pieces: list[bytes] = []
    size = 0
    while True:
        wire.settimeout(_left(deadline))
        piece = wire.recv(65_536)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise _NoVerdict("flood")


def _read(answer: bytes) -> _Answer:
    """What refuses ends after its first line: no empty line, no fields, no body."""
    status = _STATUS.match(answer)
    if status is None:
        raise _NoVerdict("stranger" if answer else "hung_up")
    if status[1] != b"0":
        raise _NoVerdict("refused", status[2].decode("utf-8", "replace").strip() or status[1].decode())
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        raise _NoVerdict("broken")
    fields = dict(_fields(head.decode("utf-8", "replace")))
    length = fields.get("content-length", "")
    if length.isascii() and length.isdigit() and len(body) < int(length[:9]):
        raise _NoVerdict("broken")
    spam = _SPAM.fullmatch(fields.get("spam", ""))
    if spam is None:
        raise _NoVerdict("no_verdict")
    score, threshold = float(spam[2]), float(spam[3])
    if not (math.isfinite(score) and math.isfinite(threshold)):
        raise _NoVerdict("no_verdict")
    is_spam = spam[1].lower() in ("true", "yes")
    return _Answer(score, threshold, is_spam, body.decode("utf-8", "replace"))


def _fields(head: str) -> Iterator[tuple[str, str]]:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        yield name.strip().lower(), value.strip()


def _rows(report: str) -> Iterator[SpamSymbol]:
    """The table below the line of dashes: points, rule, description."""
    rows = 0
    for line in report.split("\n"):
        row = _ROW.fullmatch(line.rstrip())
        if row is not None and rows < MOST_SYMBOLS:
            rows += 1
            yield SpamSymbol(name=row[2], points=float(row[1]), text=(row[3] or "")[:LONGEST_TEXT])


def _names(body: str) -> tuple[SpamSymbol, ...]:
    names = [word.strip() for word in body.replace("\n", ",").split(",")[:MOST_SYMBOLS]]
    return tuple(SpamSymbol(name=name) for name in names if _NAME.fullmatch(name))
