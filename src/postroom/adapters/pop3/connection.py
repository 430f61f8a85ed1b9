"""A POP3 connection over a guarded socket.

Duty: poplib's commands with our reader below them: answers are bounded in size and time, the lines of a mail
may be as long as they are, and nothing can be smuggled in before the encryption.
Standards: RFC 1939, RFC 2449 (CAPA, response codes), RFC 2595 (STLS), RFC 5034 (AUTH).
"""

from __future__ import annotations

import base64
import contextlib
import poplib
import socket
import ssl

from postroom.adapters.mailbox.connecting import PATIENCE, connect, encrypt, sasl_xoauth2
from postroom.adapters.mailbox.reading import BoundedReader
from postroom.core.terms.mailboxes import MailboxEndpoint

LINE_MAX = 8 * 1024  # bytes of a line that is no mail's
LIST_ALLOWANCE = 32 * 1024 * 1024  # bytes of a listing: half a million mails
OVERHEAD = 64 * 1024
CHUNK = 64 * 1024  # bytes of a mail's line that are taken at once


class GuardedPop3(poplib.POP3):
    """poplib's client on our socket and reader. Refusals raise error_proto, losses OSError or EOFError."""

    def __init__(self, endpoint: MailboxEndpoint) -> None:
        self.endpoint = endpoint
        self.reader: BoundedReader
        try:
            super().__init__(endpoint.host, endpoint.port, timeout=endpoint.timeout)
        except BaseException:
            self.close()
            raise

    def start_tls(self) -> None:
        """STLS. Raises ssl.SSLError."""
        self._ask("STLS")
        if self.reader.has_unread:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "words were smuggled in before the encryption")
        self._adopt(encrypt(self.sock, self.endpoint))

    def log_in_with_token(self) -> None:
        """AUTH XOAUTH2; the reason of a refusal comes as a challenge, and the refusal after it.

        In two steps, because a token makes the command longer than servers take (RFC 5034 4).
        """
        self._ask("AUTH XOAUTH2")
        answer = self._ask(base64.b64encode(sasl_xoauth2(self.endpoint).encode()).decode())
        if not answer.startswith(b"+OK"):
            reason = _decoded(answer[1:].strip())
            try:
                self._ask("")
            except poplib.error_proto as error:
                raise poplib.error_proto(b"%b %b" % (_words(error), reason)) from error
            raise poplib.error_proto(reason)

    def retrieve(self, command: str, max_bytes: int) -> bytes | None:
        """The mail that RETR or TOP answers with; None when it has more than ``max_bytes``.

        A mail that turns out to be too large is read to its end and thrown away: the session can go on.
        Raises PeerTalksTooMuch when it has no end worth waiting for.
        """
        self._putline(command.encode())
        self.reader.begin(OVERHEAD + 4 * max_bytes)
        self._read_reply()
        lines: list[bytes] = []
        total = 0
        is_start = True
        while (line := self._read_line(CHUNK)) not in (b".\r\n", b".\n") or not is_start:
            if is_start and line.startswith(b"."):
                line = line[1:]
            is_start = line.endswith(b"\n")
            total += len(line)
            if total <= max_bytes:
                lines.append(line)
            else:
                lines.clear()
        return b"".join(lines) if total <= max_bytes else None

    def say_goodbye(self, seconds: float) -> None:
        """QUIT, if the server takes it within this time; the connection is closed in any case."""
        self.reader = BoundedReader(self.sock, silence=seconds, patience=seconds)
        try:
            self._ask("QUIT")
        finally:
            self.close()

    def _ask(self, command: str) -> bytes:
        """The one line that answers; raises ``error_proto`` with a refusal."""
        self._putline(command.encode())
        return self._read_reply()

    def _read_reply(self) -> bytes:
        line, _ = self._getline()
        if not line.startswith(b"+"):
            raise poplib.error_proto(line)
        return line

    def _read_line(self, limit: int) -> bytes:
        line = self.reader.readline(limit)
        if not line or (not line.endswith(b"\n") and len(line) < limit):
            raise EOFError("the connection was closed")
        return line

    # What poplib asks of us

    def _create_socket(self, timeout: float) -> socket.socket:  # noqa: ARG002
        self._adopt(connect(self.endpoint))
        self.reader.begin(LIST_ALLOWANCE)
        return self.sock

    def _putline(self, line: bytes) -> None:
        if b"\r" in line or b"\n" in line:
            raise ValueError("a command is one line")
        self.reader.begin(LIST_ALLOWANCE)
        self.sock.settimeout(self.endpoint.timeout)
        self.sock.sendall(line + b"\r\n")

    def _getline(self) -> tuple[bytes, int]:
        line = self._read_line(LINE_MAX)
        if not line.endswith(b"\n"):
            raise ValueError(f"a line of more than {LINE_MAX} bytes")
        return line.rstrip(b"\r\n"), len(line)

    def close(self) -> None:
        if file := getattr(self, "file", None):
            file.close()
        if sock := getattr(self, "sock", None):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _adopt(self, sock: socket.socket) -> None:
        self.sock = sock
        timeout = self.endpoint.timeout
        self.reader = BoundedReader(sock, silence=timeout, patience=timeout * PATIENCE)


def _decoded(challenge: bytes) -> bytes:
    with contextlib.suppress(ValueError):
        return base64.b64decode(challenge)
    return challenge


def _words(error: poplib.error_proto) -> bytes:
    return error.args[0] if error.args and isinstance(error.args[0], bytes) else b""
