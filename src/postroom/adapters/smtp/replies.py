"""Cuts a byte stream into SMTP replies. No I/O.

Laws: reading never raises and keeps little, whatever the peer sends. What is no SMTP becomes a reply with
code 0 and ends the stream: after it nobody knows which reply belongs to which command.
Standards: RFC 5321 4.2 (the code of the last line counts; lines may end with a bare LF), 4.5.3.1.5 (512
bytes a line: we are more patient).
"""

from __future__ import annotations

import re

from postroom.core.terms.smtp_replies import SmtpReply, read_reply

MAX_LINE = 16_384  # bytes waited for without a line end
MAX_REPLY = 1_048_576  # bytes of one reply; more is no reply but an attack
KEPT_LINES = 100
KEPT_LINE = 1_000  # bytes
KEPT_BYTES = 8_000  # of the text of one reply

RawReply = tuple[int, list[bytes]]  # the code, and the lines as they came (code and separator included)

_CODES = {b"%d" % code: code for code in range(200, 600)}
_LAST_LINE = {b"%d " % code: code for code in range(200, 600)}
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class ReplyReader:
    """Feed it what arrives; it hands out the replies that are complete."""

    __slots__ = ("_kept", "_lines", "_rest", "_size", "is_broken")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._kept = 0
        self._size = 0
        self.is_broken = False

    @property
    def is_between_replies(self) -> bool:
        return not (self._rest or self._lines or self.is_broken)

    def feed(self, data: bytes) -> list[RawReply]:
        replies: list[RawReply] = []
        if self.is_broken:
            return replies
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            code = _LAST_LINE.get(line[:4])
            if code and not self._lines:
                replies.append((code, [line]))
            elif not self._take(line, replies):
                return replies
        if len(self._rest) > MAX_LINE:
            self._break(self._rest, replies)
        return replies

    def _take(self, line: bytes, replies: list[RawReply]) -> bool:
        """One line of a longer reply, or a curious one. False when the stream ends here."""
        code = _CODES.get(line[:3], 0)
        mark = line[3:4]
        self._size += len(line)
        is_last = mark in (b" ", b"\r", b"")
        if not code or not (is_last or mark == b"-") or self._size > MAX_REPLY:
            self._break(line, replies)
            return False
        if len(self._lines) < KEPT_LINES and self._kept < KEPT_BYTES:
            self._lines.append(line[:KEPT_LINE])
            self._kept += len(self._lines[-1])
        if is_last:
            replies.append((code, self._lines))
            self._lines, self._kept, self._size = [], 0, 0
        return True

    def _break(self, line: bytes, replies: list[RawReply]) -> None:
        self.is_broken = True
        self._rest, self._lines = b"", []
        replies.append((0, [line[:KEPT_LINE]]))


def as_reply(raw: RawReply) -> SmtpReply:
    """Text is UTF-8, else Latin-1; characters that no table should keep are replaced."""
    code, lines = raw
    if not code:
        return SmtpReply(0, "", _text(lines[0]))
    return read_reply(code, [_text(line[4:]) for line in lines])


def out_of_place(raw: RawReply) -> SmtpReply:
    """A reply that cannot answer its command (a 250 to DATA) is as good as garbage: code 0, its text kept."""
    return SmtpReply(0, "", "\n".join(_text(line) for line in raw[1]))


def _text(line: bytes) -> str:
    line = line.rstrip(b"\r\n ")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return text if text.isprintable() else _UNPRINTABLE.sub("\ufffd", text)
