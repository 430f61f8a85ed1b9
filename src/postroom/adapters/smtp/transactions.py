"""Mails over one connection: MAIL, RCPT, DATA, content, and which reply belongs to whom.

Laws: replies are matched to commands by counting alone (RFC 2920 3.1); a server that answers what was not asked has
lost count and is left. The journal hears `started` after the 354 and before the first byte of content; from then until
the reply no other mail of this connection has content on the wire. A refusal concerns its mail only. A mail whose
commands were out when the connection died, but not its content, is handed back to be tried once on a fresh connection.
One whose end of data was out is unknown; an end of data that was never written cannot have been accepted.

Pipelining, where offered: RFC 2920 3.1 lets MAIL, RCPT and RSET stand anywhere in a group and DATA at its end, and says
"the actual transfer of message content is explicitly allowed to be the first command in a group": so the final dot of
one mail travels with MAIL, RCPT and DATA of the next, whose content waits for its own 354. If all recipients
were refused and the server says 354 all the same, a lone dot ends the transaction (ibid.). Without pipelining every
command waits for its reply.
Standards: RFC 5321 3.3, 4.3.2, 4.5.3.2; RFC 2920; RFC 9422.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from postroom.adapters.smtp.commands import DATA, QUIT, RSET, mail_command, rcpt_command, refusal
from postroom.adapters.smtp.content import END_OF_DATA, WireContent
from postroom.adapters.smtp.handshake import Greeted
from postroom.adapters.smtp.replies import RawReply, ReplyReader, as_reply, out_of_place
from postroom.core.delivery.wire import Endpoint, Phase, WireJournal, WireMail, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

_WRITTEN_WHOLE = (
    131_072  # bytes that go in one write; a longer mail goes in pieces, as fast as the peer takes them
)
_PIECE = 65_536
_QUIT_TIMEOUT = 5.0  # seconds

# What the next reply answers, and the phases: plain names, looking up an enum's member costs too much up here.
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

    def __init__(
        self, job: Job, sender: bytes, content: list[bytes], size: int, began: float, is_opening: bool
    ) -> None:
        self.job = job
        self.sender = sender  # the MAIL command
        self.content = content
        self.size = size
        self.began = began
        self.is_opening = is_opening  # on a connection that has just been made
        self.phase = _IN_MAIL  # whose reply is waited for
        self.is_ended = False  # the final dot was written
        self.accepted = 0
        self.refused: tuple[Phase, SmtpReply] | None = None
        self.refusals: list[tuple[str, SmtpReply]] = []
        self.unsent: deque[tuple[int, bytes]] | None = (
            None  # commands of a server that wants to be asked singly
        )


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
        self._current: _Exchange | None = (
            None  # to whom the next reply belongs, unless it is to _NOTHING or _QUIT
        )
        self._following: _Exchange | None = None  # its commands went out behind the current one's content
        self._needs_reset = False
        self._pieces: Iterator[bytes] | None = None  # of a long content
        self._is_paused = False
        self._left = min(
            endpoint.mails_per_connection, greeted.capabilities.mail_limit or endpoint.mails_per_connection
        )
        self._is_quitting = False
        self._is_dead = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._patience = 0.0
        self._transport.set_protocol(self)

    @property
    def is_used_up(self) -> bool:
        return self._left <= 0

    # What the pool asks.

    def begin(self, job: Job, *, is_opening: bool = False) -> bool:
        """Send this mail, now: the connection idles. False when the mail was settled without the wire."""
        exchange = self._prepare(job, is_opening=is_opening)
        if exchange is None:
            return False
        self._current = exchange
        self._transport.write(self._opening(exchange))
        self._arm(self._endpoint.reply_timeout)
        return True

    def rest(self) -> None:
        self._arm(self._endpoint.idle_timeout)

    def quit(self) -> None:
        """Say goodbye; `Office.session_ended` follows."""
        if self._is_dead or self._is_quitting:
            return
        self._is_quitting = True
        self._expected.append(_QUIT)
        self._transport.write(QUIT)
        self._arm(min(_QUIT_TIMEOUT, self._endpoint.reply_timeout))

    def abort(self, trouble: str) -> None:
        """Drop the connection; what is on it gets the outcome that a broken connection gives."""
        self._break(trouble)

    # What the transport tells.

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

    # Replies, in the order of a transaction.

    def _reply(self, raw: RawReply, ahead: int) -> None:
        """``ahead``: how many more came with it."""
        if not self._expected:
            self._break("the server spoke without being asked")
            return
        step = self._expected.popleft()
        exchange = self._current
        if step >= _NOTHING or exchange is None:
            self._plain_replied(step, raw)
        elif step == _END:
            self._end_replied(exchange, raw)
        elif raw[0] == 421:
            self._said_goodbye(exchange, step, raw)
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

    def _mail_replied(self, exchange: _Exchange, raw: RawReply) -> None:
        code = raw[0]
        if 200 <= code < 300:
            exchange.phase = _IN_RCPT
        elif code >= 400:
            exchange.refused = (_IN_MAIL, as_reply(raw))
        else:
            self._lost_count(exchange, raw)
            return
        if exchange.unsent:
            self._advance(exchange)

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
                exchange.refused = (_IN_RCPT, _deciding(exchange.refusals))
        if exchange.unsent:
            self._advance(exchange)

    def _data_replied(self, exchange: _Exchange, raw: RawReply, ahead: int) -> None:
        code = raw[0]
        if code >= 400:
            if exchange.refused is None:
                exchange.refused = (_IN_DATA, as_reply(raw))
            self._refused(exchange)
        elif code != 354 or ahead:  # what came behind a 354 answers a content that it cannot have seen
            self._lost_count(exchange, raw)
        elif exchange.refused is None:
            self._send_content(exchange)
        elif exchange.accepted:  # MAIL was refused, a recipient was not: nobody knows what a dot would send
            self._lost_count(exchange, raw)
        else:
            self._expected.append(_NOTHING)
            self._transport.write(END_OF_DATA)
            self._refused(exchange, needs_reset=False)

    def _end_replied(self, exchange: _Exchange, raw: RawReply) -> None:
        code = raw[0]
        if not exchange.is_ended:
            self._spoke_early(exchange, raw)
        elif code >= 400 or 200 <= code < 300:
            self._current = self._following
            self._following = None
            self._settle(exchange, _IN_BODY, as_reply(raw))
            if code == 421:
                self._break("the server closed the connection")
            elif self._current is None:
                self._needs_reset = code >= 400
                self._office.session_idles(self)
        else:  # neither yes nor no: nobody knows
            self._current = None
            trouble = f"the answer to the mail was no SMTP: {out_of_place(raw).text}"
            self._settle(exchange, _IN_BODY, None, trouble)
            self._break(trouble)

    def _spoke_early(self, exchange: _Exchange, raw: RawReply) -> None:
        """In the middle of the content: a refusal (too big, going down) is an answer, a yes is not."""
        self._current = None
        reply = as_reply(raw) if raw[0] >= 400 else out_of_place(raw)
        self._settle(exchange, _IN_DATA, reply)
        self._break("the server answered before the mail ended")

    def _plain_replied(self, step: int, raw: RawReply) -> None:
        """To QUIT, or to a dot without a mail: of no consequence, unless it ends the connection."""
        if step == _QUIT:
            self._transport.close()
        elif raw[0] == 421 or not raw[0]:
            self._break("the server closed the connection")

    def _said_goodbye(self, exchange: _Exchange, step: int, raw: RawReply) -> None:
        """421 before the content. Later on a connection it is about the connection: the mail tries a fresh one."""
        if exchange.is_opening and step != _RSET:
            self._current = None
            self._settle(exchange, *(exchange.refused or (exchange.phase, as_reply(raw))))
        self._break("the server closed the connection")

    def _lost_count(self, exchange: _Exchange, raw: RawReply) -> None:
        self._current = None
        self._settle(exchange, *(exchange.refused or (exchange.phase, out_of_place(raw))))
        self._break("the server lost count")

    def _refused(self, exchange: _Exchange, *, needs_reset: bool = True) -> None:
        assert exchange.refused is not None  # noqa: S101
        self._current = None
        self._needs_reset = needs_reset
        self._settle(exchange, *exchange.refused)
        self._office.session_idles(self)

    # Commands and content.

    def _prepare(self, job: Job, *, is_opening: bool = False) -> _Exchange | None:
        """An exchange for this mail; None, and the mail settled, when this server's abilities cannot carry it."""
        mail = job.mail
        try:
            size = mail.size
            refused = refusal(mail, size, self._capabilities)
            if refused is not None:
                self._office.settle(job, self._outcome(job, *refused))
                return None
            sender = mail_command(mail, size, self._capabilities)
            exchange = _Exchange(job, sender, self._derive(mail.chunks), size, self._clock(), is_opening)
        except (
            Exception
        ) as error:  # a bug, its own mail's: whoever gave it shall hear, and the connection lives
            if not job.future.done():
                job.future.set_exception(error)
            return None
        self._left -= 1
        return exchange

    def _opening(self, exchange: _Exchange) -> bytes:
        """What goes out first: everything before the content, or one command if the server wants to be asked singly."""
        sender = exchange.sender
        recipients = list(map(rcpt_command, exchange.job.mail.envelope.rcpt_to))
        needs_reset, self._needs_reset = self._needs_reset, False
        if not self._capabilities.has_pipelining:
            unsent = deque([(_RSET, RSET)] if needs_reset else [])
            unsent.append((_MAIL, sender))
            unsent.extend((_RCPT, each) for each in recipients)
            unsent.append((_DATA, DATA))
            exchange.unsent = unsent
            step, line = unsent.popleft()
            self._expected.append(step)
            return line
        if needs_reset:
            self._expected.append(_RSET)
            sender = RSET + sender
        if len(recipients) == 1:
            self._expected.extend(_GROUP)
            return sender + recipients[0] + DATA
        self._expected.extend((_MAIL, *(_RCPT for _ in recipients), _DATA))
        return sender + b"".join(recipients) + DATA

    def _advance(self, exchange: _Exchange) -> None:
        """The next command to a server that is asked singly. With pipelining all of them are out: nothing to do."""
        if not exchange.unsent:
            return
        if exchange.refused is not None:
            self._refused(exchange)
            return
        step, line = exchange.unsent.popleft()
        self._expected.append(step)
        self._transport.write(line)

    def _send_content(self, exchange: _Exchange) -> None:
        try:
            self._journal.started(exchange.job.mail.key)
        except Exception as error:  # whatever the reason: what was not noted is not sent
            self._current = None
            self._office.journal_failed(exchange.job, error)
            self._break("the wire journal failed")
            return
        exchange.phase = _IN_BODY
        self._expected.append(_END)
        if exchange.size > _WRITTEN_WHOLE:
            self._pieces = _pieces(exchange.content)
            self._write_pieces()
            return
        exchange.is_ended = True
        self._transport.write(b"".join((*exchange.content, END_OF_DATA, self._follow())))

    def _write_pieces(self) -> None:
        while self._pieces is not None and not self._is_paused and not self._transport.is_closing():
            piece = next(self._pieces, None)
            if piece is not None:
                self._transport.write(piece)
            elif self._current is not None:
                self._pieces = None
                self._current.is_ended = True
                self._transport.write(END_OF_DATA + self._follow())

    def _follow(self) -> bytes:
        """The commands of the next mail, to travel behind this one's end."""
        if not self._capabilities.has_pipelining:
            return b""
        while self._left > 0 and (job := self._office.take()) is not None:
            self._following = self._prepare(job)
            if self._following is not None:
                return self._opening(self._following)
        return b""

    # Outcomes.

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
        refusals: tuple[tuple[str, SmtpReply], ...] = ()
        if (
            exchange is not None
            and exchange.refusals
            and phase is not _IN_MAIL
            and len(job.mail.envelope.rcpt_to) > 1
        ):
            refusals = tuple(exchange.refusals)
        return WireOutcome(
            key=job.mail.key,
            phase=phase,
            reply=reply,
            trouble=trouble,
            connection=self.label,
            tls=self._tls,
            duration=self._clock() - exchange.began if exchange is not None else 0.0,
            refusals=refusals,
        )

    def _break(self, trouble: str) -> None:
        """The end of this connection. What is on it gets its outcome, or is carried to a fresh one (one mail at most)."""
        if self._is_dead:
            return
        self._is_dead = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        exchange, following = self._current, self._following
        self._current = self._following = None
        carried = following.job if following is not None else None
        if exchange is None:
            pass
        elif exchange.phase is _IN_BODY:
            self._settle(exchange, _IN_BODY if exchange.is_ended else _IN_DATA, None, trouble)
        elif exchange.refused is not None:
            self._settle(exchange, *exchange.refused)
        elif exchange.is_opening and exchange.job.is_retried:
            self._settle(exchange, exchange.phase, None, trouble)
        else:
            carried = exchange.job
        if carried is not None:
            carried.is_retried = True
        self._office.session_ended(self, carried)

    # Time.

    def _wait_on(self) -> None:
        if self._is_quitting:
            return
        if not self._expected:
            self._arm(self._endpoint.idle_timeout)
        elif self._expected[0] == _END:
            self._arm(self._endpoint.body_timeout)
        else:
            self._arm(self._endpoint.reply_timeout)

    def _arm(self, seconds: float) -> None:
        """One timer a connection, moved only when it would ring too late: cheap enough for every reply."""
        self._patience = seconds
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._deadline < self._timer_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline - self._loop.time() > 0.001:
            self._set_timer()
        elif self._expected or self._is_quitting:
            self._break(f"no answer within {self._patience:g} seconds")
        else:
            self.quit()


def _deciding(refusals: list[tuple[str, SmtpReply]]) -> SmtpReply:
    """Temporary unless proven permanent: the first that is not final speaks for all."""
    return next((reply for _, reply in refusals if not reply.is_permanent), refusals[0][1])


def _pieces(content: list[bytes]) -> Iterator[bytes]:
    for chunk in content:
        for at in range(0, len(chunk), _PIECE):
            yield chunk[at : at + _PIECE]
