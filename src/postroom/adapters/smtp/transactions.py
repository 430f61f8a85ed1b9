"""Mails over one connection: MAIL, RCPT, DATA, content, and which reply belongs to whom.

Laws: replies are matched to commands by counting alone (RFC 2920 3.1); whoever answers what was not asked has lost count and
the connection is dropped. The journal hears `started` after the 354 and before the first byte of content; between the two,
and until the reply, no other mail of this connection has content on the wire. A refusal concerns its mail only. What had no
content on the wire when the connection died is handed back (`carried`), once for each mail; what had all of it is unknown; an
end of data that was never written cannot have been accepted.

Pipelining, where offered: RFC 2920 3.1 lets MAIL, RCPT and RSET stand anywhere in a group, DATA only at its end, and says that
"the actual transfer of message content is explicitly allowed to be the first command in a group": so the final dot of one
mail and MAIL, RCPT, DATA of the next travel together, and the content of the next waits for its 354. If every recipient
was refused and the server says 354 all the same, a lone dot ends the transaction (ibid.). Without pipelining each command
waits for its reply.
Deviation: 8-bit content goes as it is to a server without 8BITMIME (RFC 6152 3 would have us convert); ours is 7-bit.
Standards: RFC 5321, RFC 2920, RFC 1870, RFC 6152, RFC 6531.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from postroom.adapters.smtp.content import END_OF_DATA, WireContent
from postroom.adapters.smtp.handshake import Greeted
from postroom.adapters.smtp.replies import RawReply, ReplyReader, as_reply, out_of_place
from postroom.core.delivery.wire import Endpoint, Phase, WireJournal, WireMail, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

_WRITTEN_WHOLE = 131_072  # bytes of content that go in one write; more goes in pieces, as fast as the peer takes them
_PIECE = 65_536
_QUIT_TIMEOUT = 5.0  # seconds

# What the next reply answers. Plain numbers: an enum's members cost a tenth of a mail's time here.
_RSET: Final = 0
_MAIL: Final = 1
_RCPT: Final = 2
_DATA: Final = 3
_END: Final = 4  # the final dot
_NOTHING: Final = 5  # a final dot without content and recipients
_QUIT: Final = 6
_GROUP: Final = (_MAIL, _RCPT, _DATA)

_IN_MAIL, _IN_RCPT, _IN_DATA, _IN_BODY = Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY


class Job:
    """A mail that waits for its outcome."""

    __slots__ = ("future", "is_retried", "mail")

    def __init__(self, mail: WireMail, future: asyncio.Future[WireOutcome]) -> None:
        self.mail = mail
        self.future = future
        self.is_retried = False


class Office(Protocol):
    """What a session needs of its pool."""

    def take(self) -> Job | None:
        """The next mail that still wants to be sent."""

    def settle(self, job: Job, outcome: WireOutcome) -> None: ...

    def journal_failed(self, job: Job, error: Exception) -> None: ...

    def session_idles(self, session: Session) -> None: ...

    def session_ended(self, session: Session, carried: Job | None) -> None: ...


class _Exchange:
    """One mail on its way over this connection."""

    __slots__ = (
        "accepted",
        "began",
        "content",
        "is_ended",
        "is_opening",
        "job",
        "phase",
        "refusals",
        "refused",
        "sender",
        "size",
        "unsent",
    )

    def __init__(self, job: Job, sender: str, content: list[bytes], size: int, began: float, is_opening: bool) -> None:
        self.job = job
        self.sender = sender  # the MAIL command
        self.content = content
        self.size = size
        self.began = began
        self.is_opening = is_opening  # first on a fresh connection
        self.phase = _IN_MAIL  # whose reply is waited for
        self.is_ended = False  # the final dot was written
        self.accepted = 0
        self.refused: tuple[Phase, SmtpReply] | None = None
        self.refusals: list[tuple[str, SmtpReply]] = []
        self.unsent: deque[tuple[int, bytes]] = deque()


class Session(asyncio.Protocol):
    """One connection, from after the handshake to its end. Driven by its transport and its pool, in one event loop."""

    def __init__(
        self,
        greeted: Greeted,
        *,
        office: Office,
        endpoint: Endpoint,
        label: str,
        journal: WireJournal,
        content: WireContent,
        clock: Callable[[], float],
    ) -> None:
        self.label = label
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._office = office
        self._endpoint = endpoint
        self._journal = journal
        self._derive = content.derive
        self._clock = clock
        self._transport = greeted.transport
        self._capabilities = greeted.capabilities
        self._tls = greeted.tls
        self._reader = ReplyReader()
        self._expected: deque[int] = deque()
        self._current: _Exchange | None = None  # the replies to RSET, MAIL, RCPT, DATA and END are this one's
        self._following: _Exchange | None = None  # its commands went out behind the current one's content
        self._needs_reset = False
        self._pieces: Iterator[bytes] | None = None  # of content that goes as fast as the peer takes it
        self._is_paused = False
        self._count = 0
        self._limit = min(endpoint.mails_per_connection, greeted.capabilities.mail_limit or endpoint.mails_per_connection)
        self._is_quitting = False
        self._is_dead = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._transport.set_protocol(self)

    @property
    def is_used_up(self) -> bool:
        return self._count >= self._limit

    # --- the pool asks -------------------------------------------------------------------------------------------

    def begin(self, job: Job) -> bool:
        """Send this mail, now: the connection idles. False when the mail was settled without the wire."""
        exchange = self._prepare(job)
        if exchange is None:
            return False
        self._current = exchange
        self._transport.write(self._opening(exchange))
        self._arm(self._endpoint.reply_timeout)
        return True

    def idle(self) -> None:
        self._arm(self._endpoint.idle_timeout)

    def quit(self) -> None:
        """Say goodbye; `Office.session_ended` follows."""
        if self._is_dead or self._is_quitting:
            return
        self._is_quitting = True
        self._expected.append(_QUIT)
        self._transport.write(b"QUIT\r\n")
        self._arm(min(_QUIT_TIMEOUT, self._endpoint.reply_timeout))

    def abort(self, trouble: str) -> None:
        """Drop the connection; what is on it gets the outcome that a broken connection gives."""
        self._break(trouble)

    # --- the transport tells -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        replies = self._reader.feed(data)
        ahead = len(replies)
        for raw in replies:
            if self._is_dead:
                return
            ahead -= 1
            self._reply(raw, ahead)
        if replies and not self._is_dead:
            self._wait_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(f"the connection broke: {exc}" if exc else "the server closed the connection")
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._pieces is not None and not self._is_dead:
            self._arm(self._endpoint.body_timeout)
            self._write_pieces()

    # --- replies -------------------------------------------------------------------------------------------------

    def _reply(self, raw: RawReply, ahead: int) -> None:
        if not self._expected:
            self._break("the server spoke without being asked")
            return
        step = self._expected.popleft()
        exchange = self._current
        if step >= _NOTHING or exchange is None:
            self._plain_reply(step, raw)
        elif step == _END:
            self._end_replied(exchange, raw)
        elif raw[0] == 421:
            self._said_goodbye(step, exchange, raw)
        elif step == _MAIL:
            self._mail_replied(exchange, raw)
        elif step == _RCPT:
            self._rcpt_replied(exchange, raw)
        elif step == _DATA:
            self._data_replied(exchange, raw, ahead)
        elif 200 <= raw[0] < 300:  # RSET
            self._advance(exchange)
        else:
            self._break("the server refused RSET")

    def _plain_reply(self, step: int, raw: RawReply) -> None:
        """To QUIT, or to the dot that ended a transaction without recipients: of no consequence, unless it says goodbye."""
        if step == _QUIT:
            self._transport.close()
        elif raw[0] == 421 or not raw[0]:
            self._break("the server closed the connection")

    def _mail_replied(self, exchange: _Exchange, raw: RawReply) -> None:
        code = raw[0]
        if 200 <= code < 300:
            exchange.phase = _IN_RCPT
            self._advance(exchange)
        elif code >= 400:
            exchange.refused = (Phase.MAIL, as_reply(raw))
            self._advance(exchange)
        else:
            self._lost_count(exchange, raw)

    def _rcpt_replied(self, exchange: _Exchange, raw: RawReply) -> None:
        code = raw[0]
        recipients = exchange.job.mail.envelope.rcpt_to
        asked = exchange.accepted + len(exchange.refusals)
        if 200 <= code < 300:
            exchange.accepted += 1
        elif code >= 400:
            exchange.refusals.append((recipients[asked], as_reply(raw)))
        else:
            self._lost_count(exchange, raw)
            return
        if asked + 1 == len(recipients):
            exchange.phase = _IN_DATA
            if not exchange.accepted and exchange.refused is None:
                exchange.refused = (Phase.RCPT, _deciding(exchange.refusals))
        self._advance(exchange)

    def _data_replied(self, exchange: _Exchange, raw: RawReply, ahead: int) -> None:
        code = raw[0]
        if code == 354:
            if ahead:  # it answers a content that it cannot have seen
                self._lost_count(exchange, raw)
            elif exchange.refused is None:
                self._send_content(exchange)
            else:
                self._send_nothing(exchange)
        elif code >= 400:
            if exchange.refused is None:
                exchange.refused = (Phase.DATA, as_reply(raw))
            self._refused(exchange)
        else:
            self._lost_count(exchange, raw)

    def _end_replied(self, exchange: _Exchange, raw: RawReply) -> None:
        code = raw[0]
        is_answer = 200 <= code < 300 or code >= 400
        if not exchange.is_ended:  # an early word, in the middle of the content
            reply = as_reply(raw) if code >= 400 else out_of_place(raw)
            self._current = None
            self._settle(exchange, Phase.DATA, reply)
            self._break("the server answered before the mail ended")
        elif not is_answer:
            self._current = None
            trouble = f"the answer to the mail was no SMTP: {out_of_place(raw).text}"
            self._settle(exchange, Phase.BODY, None, trouble)
            self._break(trouble)
        else:
            self._current = self._following
            self._following = None
            self._settle(exchange, _IN_BODY, as_reply(raw))
            if code == 421:
                self._break("the server closed the connection")
            elif self._current is None:
                self._needs_reset = code >= 400
                self._next()

    def _said_goodbye(self, step: int, exchange: _Exchange, raw: RawReply) -> None:
        """421 before the content. Later on a connection it is about the connection: the mail tries a fresh one."""
        if exchange.is_opening and step != _RSET:
            self._current = None
            refused = exchange.refused or (exchange.phase, as_reply(raw))
            self._settle(exchange, *refused)
        self._break("the server closed the connection")

    def _lost_count(self, exchange: _Exchange, raw: RawReply) -> None:
        self._current = None
        self._settle(exchange, *(exchange.refused or (exchange.phase, out_of_place(raw))))
        self._break("the server lost count")

    # --- commands ------------------------------------------------------------------------------------------------

    def _prepare(self, job: Job) -> _Exchange | None:
        """An exchange for this mail; None, and the mail settled, when this server's abilities cannot carry it."""
        mail = job.mail
        size = mail.size
        needs_utf8 = _needs_smtputf8(mail)
        refused = self._unsendable(mail, size, needs_utf8)
        if refused is not None:
            self._office.settle(job, self._outcome(job, *refused))
            return None
        sender = self._mail_command(mail, size, needs_utf8)
        exchange = _Exchange(job, sender, self._derive(mail.chunks), size, self._clock(), not self._count)
        self._count += 1
        return exchange

    def _unsendable(self, mail: WireMail, size: int, needs_utf8: bool) -> tuple[Phase, SmtpReply] | None:
        """What we know the answer to beforehand is answered in the server's stead, with the code it would use."""
        envelope = mail.envelope
        limit = self._capabilities.size_limit
        if limit is not None and size > limit:
            return _IN_MAIL, SmtpReply(552, "5.3.4", f"the mail has {size} bytes, the server takes {limit} at most")
        if not "".join((envelope.mail_from, *envelope.rcpt_to)).isprintable():
            return _IN_MAIL, SmtpReply(501, "5.1.7", "an address holds a character that no command can carry")
        if not envelope.rcpt_to:
            return _IN_RCPT, SmtpReply(554, "5.5.1", "no recipient")
        if needs_utf8 and not self._capabilities.has_smtputf8:
            return _IN_MAIL, SmtpReply(550, "5.6.7", "the server does not take internationalized addresses (SMTPUTF8)")
        return None

    def _mail_command(self, mail: WireMail, size: int, needs_utf8: bool) -> str:
        capabilities = self._capabilities
        parameters = ""
        if capabilities.has_size:
            parameters = f" SIZE={size}"
        if capabilities.has_8bitmime and not all(map(bytes.isascii, mail.chunks)):
            parameters += " BODY=8BITMIME"
        if needs_utf8:
            parameters += " SMTPUTF8"
        return f"MAIL FROM:<{mail.envelope.mail_from}>{parameters}\r\n"

    def _opening(self, exchange: _Exchange) -> bytes:
        """What goes out before the content: all of it, or the first command when the server wants to be asked singly."""
        recipients = exchange.job.mail.envelope.rcpt_to
        if not self._capabilities.has_pipelining:
            return self._first_of(exchange, recipients)
        reset = ""
        if self._needs_reset:
            self._needs_reset = False
            self._expected.append(_RSET)
            reset = "RSET\r\n"
        if len(recipients) == 1:
            self._expected.extend(_GROUP)
            return f"{reset}{exchange.sender}RCPT TO:<{recipients[0]}>\r\nDATA\r\n".encode()
        self._expected.extend((_MAIL, *[_RCPT] * len(recipients), _DATA))
        commands = "".join([f"RCPT TO:<{each}>\r\n" for each in recipients])
        return f"{reset}{exchange.sender}{commands}DATA\r\n".encode()

    def _first_of(self, exchange: _Exchange, recipients: tuple[str, ...]) -> bytes:
        unsent = exchange.unsent
        if self._needs_reset:
            self._needs_reset = False
            unsent.append((_RSET, b"RSET\r\n"))
        unsent.append((_MAIL, exchange.sender.encode()))
        unsent.extend((_RCPT, f"RCPT TO:<{each}>\r\n".encode()) for each in recipients)
        unsent.append((_DATA, b"DATA\r\n"))
        step, line = unsent.popleft()
        self._expected.append(step)
        return line

    def _advance(self, exchange: _Exchange) -> None:
        """The next command of a server that is asked singly. With pipelining all of them are out: nothing to do."""
        if not exchange.unsent:
            return
        step, line = exchange.unsent.popleft()
        if exchange.refused is not None:
            self._refused(exchange)
            return
        self._expected.append(step)
        self._transport.write(line)

    def _send_content(self, exchange: _Exchange) -> None:
        try:
            self._journal.started(exchange.job.mail.key)
        except Exception as error:  # without a note nothing goes over the wire, whatever the journal's reason
            self._current = None
            self._office.journal_failed(exchange.job, error)
            self._break("the wire journal failed")
            return
        exchange.phase = _IN_BODY
        self._expected.append(_END)
        if exchange.size <= _WRITTEN_WHOLE:
            exchange.is_ended = True
            exchange.content.append(END_OF_DATA)
            exchange.content.append(self._follow())
            self._transport.write(b"".join(exchange.content))
        else:
            self._pieces = _pieces(exchange.content)
            self._write_pieces()

    def _write_pieces(self) -> None:
        exchange, pieces = self._current, self._pieces
        assert exchange is not None and pieces is not None  # noqa: S101
        while not self._is_paused:
            piece = next(pieces, None)
            if piece is None:
                self._pieces = None
                exchange.is_ended = True
                self._transport.write(END_OF_DATA + self._follow())
                return
            self._transport.write(piece)

    def _follow(self) -> bytes:
        """The commands of the next mail, to travel behind this one's end."""
        while self._capabilities.has_pipelining and self._count < self._limit:
            job = self._office.take()
            if job is None:
                break
            self._following = self._prepare(job)
            if self._following is not None:
                return self._opening(self._following)
        return b""

    def _send_nothing(self, exchange: _Exchange) -> None:
        """Everybody was refused, yet the server asks for content: end it at once (RFC 2920 3.1)."""
        self._expected.append(_NOTHING)
        self._transport.write(END_OF_DATA)
        self._refused(exchange, needs_reset=False)

    def _refused(self, exchange: _Exchange, *, needs_reset: bool = True) -> None:
        assert exchange.refused is not None  # noqa: S101
        self._current = None
        self._needs_reset = needs_reset
        self._settle(exchange, *exchange.refused)
        self._next()

    def _next(self) -> None:
        if not self._is_dead:
            self._office.session_idles(self)

    # --- outcomes ------------------------------------------------------------------------------------------------

    def _settle(self, exchange: _Exchange, phase: Phase, reply: SmtpReply | None, trouble: str = "") -> None:
        self._office.settle(exchange.job, self._outcome(exchange.job, phase, reply, trouble, exchange))

    def _outcome(
        self,
        job: Job,
        phase: Phase,
        reply: SmtpReply | None,
        trouble: str = "",
        exchange: _Exchange | None = None,
    ) -> WireOutcome:
        several = exchange is not None and len(job.mail.envelope.rcpt_to) > 1
        return WireOutcome(
            key=job.mail.key,
            phase=phase,
            reply=reply,
            trouble=trouble,
            connection=self.label,
            tls=self._tls,
            duration=self._clock() - exchange.began if exchange is not None else 0.0,
            refusals=tuple(exchange.refusals) if exchange is not None and several else (),
        )

    def _break(self, trouble: str) -> None:
        """The end of this connection, whoever caused it. At most one mail is carried to another."""
        if self._is_dead:
            return
        self._is_dead = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        carried = self._following.job if self._following is not None else None
        exchange = self._current
        if exchange is not None:
            if exchange.phase is _IN_BODY:
                self._settle(exchange, Phase.BODY if exchange.is_ended else Phase.DATA, None, trouble)
            elif exchange.refused is not None:
                self._settle(exchange, *exchange.refused)
            elif exchange.job.is_retried and exchange.is_opening:
                self._settle(exchange, exchange.phase, None, trouble)
            else:
                exchange.job.is_retried = exchange.is_opening
                carried = exchange.job
        self._current = self._following = None
        self._office.session_ended(self, carried)

    # --- time ----------------------------------------------------------------------------------------------------

    def _wait_on(self) -> None:
        if not self._expected:
            self._arm(self._endpoint.idle_timeout)
        elif self._expected[0] == _END:
            self._arm(self._endpoint.body_timeout)
        elif not self._is_quitting:
            self._arm(self._endpoint.reply_timeout)

    def _arm(self, seconds: float) -> None:
        """One timer a connection, moved only when it would ring too late: cheap enough for every reply."""
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._timer_at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        left = self._deadline - self._loop.time()
        if left > 0.001:
            self._arm(left)
        elif self._expected:
            self._break("no answer in time")
        else:
            self.quit()


def _needs_smtputf8(mail: WireMail) -> bool:
    envelope = mail.envelope
    return envelope.smtputf8 or not (envelope.mail_from.isascii() and all(map(str.isascii, envelope.rcpt_to)))


def _deciding(refusals: list[tuple[str, SmtpReply]]) -> SmtpReply:
    """Temporary unless proven permanent: the first that is not final speaks for all."""
    return next((reply for _, reply in refusals if not reply.is_permanent), refusals[0][1])


def _pieces(content: list[bytes]) -> Iterator[bytes]:
    for chunk in content:
        for at in range(0, len(chunk), _PIECE):
            yield chunk[at : at + _PIECE]
