"""An IMAP connection over a guarded socket, for IMAPClient to speak on.

Duty: imaplib's machinery of commands and answers with our reader below it (bounded answers, bounded waiting),
a STARTTLS that lets nothing be smuggled in, and an IDLE that another thread can end.
Standards: RFC 9051 and RFC 3501, RFC 2177 (IDLE), RFC 2595 (STARTTLS).
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imapclient import IMAPClient

from postroom.adapters.mailbox.connecting import PATIENCE, Goodbye, connect, encrypt
from postroom.adapters.mailbox.reading import BoundedReader, is_readable
from postroom.adapters.mailbox.waking import Waker
from postroom.core.terms.mailboxes import MailboxEndpoint

MAX_LINE = 1_000_000
ALLOWANCE = 8 * 1024 * 1024  # bytes of an answer that carries no mail
NEWS_ALLOWANCE = 64 * 1024  # bytes of one announcement during IDLE


class GuardedImap(imaplib.IMAP4):
    """imaplib's client on our socket and reader."""

    def __init__(self, endpoint: MailboxEndpoint) -> None:
        self.endpoint = endpoint
        self.reader: BoundedReader
        self._allowance = ALLOWANCE
        super().__init__(endpoint.host, endpoint.port)

    @contextmanager
    def allowing(self, size: int) -> Iterator[None]:
        """Answers to the commands inside may have this many bytes."""
        self._allowance = size
        try:
            yield
        finally:
            self._allowance = ALLOWANCE

    def start_tls(self) -> None:
        """STARTTLS; what the server said before counts for nothing afterwards. Raises ssl.SSLError."""
        kind, data = self._simple_command("STARTTLS")
        if kind != "OK":
            raise self.error(data[-1])
        if self.reader.has_unread:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "words were smuggled in before the encryption")
        self._adopt(encrypt(self.sock, self.endpoint))
        self.untagged_responses.clear()
        self._get_capabilities()

    def idle_until_news(self, seconds: float, waker: Waker) -> bool:
        """IDLE until the server announces mail (True), the bell rings, or ``seconds`` have passed.

        Raises ``error`` (and not ``abort``) when the server does not do that.
        """
        tag = self._command("IDLE")
        news = self._await_continuation(tag)
        end = time.monotonic() + seconds
        with waker.listening() as bell:
            while not news and (left := end - time.monotonic()) > 0:
                if self.reader.has_line:
                    news = self._next_is_news()
                elif self._is_rung_before_words(bell, left):
                    break
        self._leave_idle(tag)
        return news

    def say_goodbye(self, seconds: float) -> None:
        """LOGOUT, if the server takes it within this time; the connection is closed in any case."""
        self.reader = BoundedReader(self.sock, silence=seconds, patience=seconds)
        self.logout()

    def _await_continuation(self, tag: Any) -> bool:
        """Whether mail was announced before the server was ready to idle, as some do."""
        self.untagged_responses.clear()
        while self._get_response() is not None:
            self._check_bye()
            if answer := self.tagged_commands[tag]:
                del self.tagged_commands[tag]
                raise self.error(answer[1][-1])
        return self._has_news()

    def _is_rung_before_words(self, bell: socket.socket, seconds: float) -> bool:
        if not self.reader.has_decrypted:
            heard, rung = is_readable(self.sock, bell, seconds)
            if rung or not heard:
                return rung
        self.reader.begin(NEWS_ALLOWANCE)
        self.reader.take_in()
        return False

    def _next_is_news(self) -> bool:
        self.reader.begin(NEWS_ALLOWANCE)
        self.untagged_responses.clear()
        self._get_response()
        self._check_bye()
        return self._has_news()

    def _has_news(self) -> bool:
        return "EXISTS" in self.untagged_responses or "RECENT" in self.untagged_responses

    def _leave_idle(self, tag: Any) -> None:
        self.send(b"DONE\r\n")
        while not self.tagged_commands[tag]:
            self._check_bye()
            self._get_response()
        del self.tagged_commands[tag]
        self.untagged_responses.clear()

    # What imaplib asks of us

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        self.host, self.port = host, port
        self._adopt(connect(self.endpoint))
        self.reader.begin(ALLOWANCE)

    def read(self, size: int) -> bytes:
        data = self.reader.read(size)
        if len(data) < size:
            raise EOFError("the connection was closed in the middle of a mail")
        return data

    def readline(self) -> bytes:
        line = self.reader.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise self.abort(f"a line of more than {MAX_LINE} bytes")
        return line

    def send(self, data: Any) -> None:
        self.reader.begin(self._allowance)
        self.sock.settimeout(self.endpoint.timeout)
        self.sock.sendall(data)

    def shutdown(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _check_bye(self) -> None:
        if bye := self.untagged_responses.get("BYE"):
            raise Goodbye(str(bye[-1], "utf-8", "replace") if isinstance(bye[-1], bytes) else "BYE")

    def _adopt(self, sock: socket.socket) -> None:
        self.sock = sock
        timeout = self.endpoint.timeout
        self.reader = BoundedReader(sock, silence=timeout, patience=timeout * PATIENCE)


class ImapConnection(IMAPClient):  # type: ignore[misc]
    """IMAPClient's commands and parsers on a `GuardedImap`."""

    def __init__(self, endpoint: MailboxEndpoint) -> None:
        self._endpoint = endpoint
        super().__init__(endpoint.host, endpoint.port, ssl=False, timeout=endpoint.timeout)
        self.wire.debug = 0  # IMAPClient has every line formatted for its log

    @property
    def wire(self) -> GuardedImap:
        found: GuardedImap = self._imap
        return found

    def _create_IMAP4(self) -> GuardedImap:  # noqa: N802 - IMAPClient's name
        return GuardedImap(self._endpoint)

    def _set_read_timeout(self) -> None:
        """The reader sets it, before each read."""
