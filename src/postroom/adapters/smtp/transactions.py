"""Mails over one connection: MAIL, RCPT, DATA, content, and which reply belongs to whom.

Laws: replies are matched to commands by counting alone (RFC 2920 3.1); a server that answers what was not
asked has lost count and is left. The journal hears `started` after the 354 and before the first byte of
content; from then until the reply no other mail of this connection has content on the wire. A refusal
concerns its mail only. A mail whose commands were out when the connection died, but not its content, is
handed back to be tried once on a fresh connection. One whose end of data was out is unknown; an end of data
that was never written cannot have been accepted.

Pipelining, where offered: RFC 2920 3.1 lets MAIL, RCPT and RSET stand anywhere in a group and DATA at its
end, and says "the actual transfer of message content is explicitly allowed to be the first command in a
group": so the final dot of one mail travels with MAIL, RCPT and DATA of the next, whose content waits for
its own 354. If all recipients were refused and the server says 354 all the same, a lone dot ends the
transaction (ibid.). Without pipelining every command waits for its reply; so it is done, too, with a server
that offered it and answered only the first command of a group.
Standards: RFC 5321 3.3, 4.3.2, 4.5.3.2; RFC 2920; RFC 9422.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from postroom.adapters.smtp.commands import QUIT, mail_command, refusal
from postroom.adapters.smtp.content import END_OF_DATA, WireContent
from postroom.adapters.smtp.exchanges import (
    IN_BODY,
    IN_DATA,
    IN_MAIL,
    IN_RCPT,
    TO_DATA,
    TO_END,
    TO_MAIL,
    TO_NOTHING,
    TO_QUIT,
    TO_RCPT,
    Exchange,
    Job,
)
from postroom.adapters.smtp.handshake import Greeted
from postroom.adapters.smtp.patience import Patience
from postroom.adapters.smtp.replies import RawReply, ReplyReader, as_reply, out_of_place
from postroom.core.delivery.wire import Endpoint, Phase, WireJournal, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

_WRITTEN_WHOLE = 131_072  # bytes; a longer mail goes in pieces, as fast as the peer takes them
_PIECE = 65_536
_PIECES_A_TURN = 4  # then the event loop serves the others
_QUIT_TIMEOUT = 5.0  # seconds
_CLOSED = "the server closed the connection"


class Office(Protocol):
    """What a session needs of its pool."""

    def take(self) -> Job | None:
        """The next mail that still wants to be sent."""

    def settle(self, job: Job, outcome: WireOutcome) -> None: ...

    def group_was_forgotten(self) -> None:
        """The server offers pipelining, and answered only the first of several commands."""

    def journal_failed(self, job: Job, error: Exception) -> None: ...

    def session_idles(self, session: Session) -> None: ...

    def session_ended(self, session: Session, carried: Job | None) -> None: ...


class Session(asyncio.Protocol):
    """One connection, from the end of the handshake on. Driven by its transport and its pool."""

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
        asks_singly: bool = False,
    ) -> None:
        self.label = label
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._office = office
        self._endpoint = endpoint
        self._journal = journal
        self._derive = content.derive
        self._clock = clock
        self._transport = greeted.transport
        self._capabilities = greeted.capabilities
        self._pipelines = greeted.capabilities.has_pipelining and not asks_singly
        self._tls = greeted.tls
        self._reader = ReplyReader()
        self._expected: deque[int] = deque()
        self._current: Exchange | None = None  # to whom the next reply belongs, if not to a lone dot or QUIT
        self._following: Exchange | None = None  # its commands went out behind the current one's content
        self._needs_reset = False
        self._pieces: Iterator[bytes] | None = None  # of a long content
        self._is_paused = False
        self._has_turn = False
        limit = endpoint.mails_per_connection
        self._left = min(limit, greeted.capabilities.mail_limit or limit)
        self._is_quitting = False
        self._is_dead = False
        self.served = 0  # mails accepted on this connection
        self.farewell = ""  # what the server said when it ended the connection, if it said something
        self._patience = Patience(self._loop, self._waited_enough)
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
        self._patience.wait(self._endpoint.reply_timeout)
        return True

    def rest(self) -> None:
        self._patience.wait(self._endpoint.idle_timeout)

    def quit(self) -> None:
        """Say goodbye; `Office.session_ended` follows."""
        if self._is_dead or self._is_quitting:
            return
        self._is_quitting = True
        self._expected.append(TO_QUIT)
        self._transport.write(QUIT)
        self._patience.wait(min(_QUIT_TIMEOUT, self._endpoint.reply_timeout))

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
        self._break(f"the connection broke: {exc}" if exc else _CLOSED)
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if not self._has_turn:
            self._write_pieces()

    # Replies, in the order of a transaction.

    def _reply(self, raw: RawReply, ahead: int) -> None:
        """``ahead``: how many more came with it."""
        if not self._expected:
            self._break("the server spoke without being asked")
            return
        step = self._expected.popleft()
        exchange = self._current
        if step >= TO_NOTHING or exchange is None:
            self._plain_replied(step, raw)
        elif step == TO_END:
            self._end_replied(exchange, raw)
        elif raw[0] == 421:
            self._said_goodbye(exchange, raw)
        elif step == TO_MAIL:
            self._mail_replied(exchange, raw)
        elif step == TO_RCPT:
            self._rcpt_replied(exchange, raw)
        elif step == TO_DATA:
            self._data_replied(exchange, raw, ahead)
        elif 200 <= raw[0] < 300:
            self._advance(exchange)
        else:
            self._break("the server refused RSET")

    def _mail_replied(self, exchange: Exchange, raw: RawReply) -> None:
        code = raw[0]
        if 200 <= code < 300:
            exchange.phase = IN_RCPT
        elif code >= 400:
            exchange.refused = (IN_MAIL, as_reply(raw))
        else:
            self._lost_count(exchange, raw)
            return
        self._advance(exchange)

    def _rcpt_replied(self, exchange: Exchange, raw: RawReply) -> None:
        code = raw[0]
        if 200 <= code < 300:
            exchange.recipient_answered(None)
        elif code >= 400:
            exchange.recipient_answered(as_reply(raw))
        else:
            self._lost_count(exchange, raw)
            return
        self._advance(exchange)

    def _data_replied(self, exchange: Exchange, raw: RawReply, ahead: int) -> None:
        code = raw[0]
        if code >= 400:
            if exchange.refused is None:
                exchange.refused = (IN_DATA, as_reply(raw))
            self._refused(exchange)
        elif code != 354 or ahead:  # what came behind a 354 answers a content that it cannot have seen
            self._lost_count(exchange, raw)
        elif exchange.refused is None:
            self._send_content(exchange)
        elif exchange.accepted:  # MAIL was refused, a recipient was not: nobody knows what a dot would send
            self._lost_count(exchange, raw)
        else:
            self._expected.append(TO_NOTHING)
            self._transport.write(END_OF_DATA)
            self._refused(exchange, needs_reset=False)

    def _end_replied(self, exchange: Exchange, raw: RawReply) -> None:
        code = raw[0]
        if not exchange.is_ended:
            self._spoke_early(exchange, raw)
        elif code >= 400 or 200 <= code < 300:
            self._current = self._following
            self._following = None
            self._settle(exchange, IN_BODY, as_reply(raw))
            self.served += code < 400
            if code == 421:
                self._break(_CLOSED)
            elif self._current is None:
                self._needs_reset = code >= 400
                self._office.session_idles(self)
        else:  # neither yes nor no: nobody knows
            self._current = None
            trouble = f"the answer to the mail was no SMTP: {out_of_place(raw).text}"
            self._settle(exchange, IN_BODY, None, trouble)
            self._break(trouble)

    def _spoke_early(self, exchange: Exchange, raw: RawReply) -> None:
        """In the middle of the content: a refusal (too big, going down) is an answer, a yes is not."""
        self._current = None
        reply = as_reply(raw) if raw[0] >= 400 else out_of_place(raw)
        self._settle(exchange, IN_DATA, reply)
        self._break("the server answered before the mail ended")

    def _plain_replied(self, step: int, raw: RawReply) -> None:
        """To QUIT, or to a dot without a mail: of no consequence, unless it ends the connection."""
        if step == TO_QUIT:
            self._transport.close()
        elif raw[0] == 421 or not raw[0]:
            self._break(_CLOSED)

    def _said_goodbye(self, exchange: Exchange, raw: RawReply) -> None:
        """421 before the content. On a used connection it means just that: the mail tries a fresh one."""
        self.farewell = as_reply(raw).text
        if exchange.is_opening:
            self._current = None
            self._settle(exchange, *(exchange.refused or (exchange.phase, as_reply(raw))))
        self._break(_CLOSED)

    def _lost_count(self, exchange: Exchange, raw: RawReply) -> None:
        """On a used connection it may be a mail before that brought it out of step: this one tries a fresh one."""
        if exchange.is_opening or exchange.refused is not None:
            self._current = None
            self._settle(exchange, *(exchange.refused or (exchange.phase, out_of_place(raw))))
        self._break("the server lost count")

    def _refused(self, exchange: Exchange, *, needs_reset: bool = True) -> None:
        assert exchange.refused is not None  # noqa: S101
        self._current = None
        self._needs_reset = needs_reset
        self._settle(exchange, *exchange.refused)
        self._office.session_idles(self)

    # Commands and content.

    def _prepare(self, job: Job, *, is_opening: bool = False) -> Exchange | None:
        """None, and the mail settled, when this server's abilities cannot carry it."""
        mail = job.mail
        try:
            size = mail.size
            refused = refusal(mail, size, self._capabilities)
            exchange = Exchange(
                job,
                sender=mail_command(mail, size, self._capabilities) if refused is None else b"",
                content=self._derive(mail.chunks) if refused is None else [],
                size=size,
                began=self._clock(),
                is_opening=is_opening,
            )
        except Exception as error:  # a bug in this mail: whoever gave it hears, and the connection lives
            if not job.future.done():
                job.future.set_exception(error)
            return None
        if refused is not None:
            self._settle(exchange, *refused)
            return None
        self._left -= 1
        return exchange

    def _opening(self, exchange: Exchange) -> bytes:
        """What goes out before the content: all of it, or one command to a server that is asked singly."""
        needs_reset, self._needs_reset = self._needs_reset, False
        if self._pipelines:
            steps, lines = exchange.group(needs_reset=needs_reset)
            self._expected.extend(steps)
            return lines
        step, line = exchange.first_command(needs_reset=needs_reset)
        self._expected.append(step)
        return line

    def _advance(self, exchange: Exchange) -> None:
        """The next command to a server that is asked singly. With pipelining all are out: nothing to do."""
        if not exchange.unsent:
            return
        if exchange.refused is not None:
            self._refused(exchange)
            return
        step, line = exchange.unsent.popleft()
        self._expected.append(step)
        self._transport.write(line)

    def _send_content(self, exchange: Exchange) -> None:
        try:
            self._journal.started(exchange.job.mail.key)
        except Exception as error:  # whatever the reason: what was not noted is not sent
            self._current = None
            self._office.journal_failed(exchange.job, error)
            self._break("the wire journal failed")
            return
        exchange.phase = IN_BODY
        self._expected.append(TO_END)
        if exchange.size > _WRITTEN_WHOLE:
            self._pieces = _pieces(exchange.content)
            self._write_pieces()
            return
        exchange.is_ended = True
        self._transport.write(b"".join((*exchange.content, END_OF_DATA, self._follow())))

    def _write_pieces(self) -> None:
        self._has_turn = False
        if self._pieces is not None:
            self._patience.wait(self._endpoint.body_timeout)
        for _ in range(_PIECES_A_TURN):
            if self._pieces is None or self._current is None or self._is_paused or self._transport.is_closing():
                return
            piece = next(self._pieces, None)
            if piece is not None:
                self._transport.write(piece)
                continue
            self._pieces = None
            self._current.is_ended = True
            self._transport.write(END_OF_DATA + self._follow())
        if self._pieces is not None:
            self._has_turn = True
            self._loop.call_soon(self._write_pieces)

    def _follow(self) -> bytes:
        """The commands of the next mail, to travel behind this one's end."""
        if not self._pipelines:
            return b""
        while self._left > 0 and (job := self._office.take()) is not None:
            self._following = self._prepare(job)
            if self._following is not None:
                return self._opening(self._following)
        return b""

    # Ends.

    def _settle(self, exchange: Exchange, phase: Phase, reply: SmtpReply | None, trouble: str = "") -> None:
        outcome = exchange.outcome(phase, reply, trouble, connection=self.label, tls=self._tls, now=self._clock())
        self._office.settle(exchange.job, outcome)

    def _break(self, trouble: str) -> None:
        """The end of this connection. What is on it gets its outcome, or is carried to a fresh one."""
        if self._is_dead:
            return
        self._is_dead = True
        self._patience.stop()
        self._transport.abort()
        exchange, following = self._current, self._following
        self._current = self._following = self._pieces = None
        carried = following.job if following is not None else None
        if exchange is None:
            pass
        elif exchange.phase is IN_BODY:
            self._settle(exchange, IN_BODY if exchange.is_ended else IN_DATA, None, trouble)
        elif exchange.refused is not None:
            self._settle(exchange, *exchange.refused)
        elif exchange.is_opening and exchange.job.is_retried:
            self._settle(exchange, exchange.phase, None, trouble)
        else:
            carried = exchange.job
        if carried is not None:
            carried.is_retried = True
        self._office.session_ended(self, carried)

    def _wait_on(self) -> None:
        endpoint = self._endpoint
        if self._is_quitting:
            return
        if not self._expected:
            self._patience.wait(endpoint.idle_timeout)
        elif self._expected[0] == TO_END:
            self._patience.wait(endpoint.body_timeout)
        else:
            self._patience.wait(endpoint.reply_timeout)

    def _waited_enough(self) -> None:
        if self._expected or self._is_quitting:
            if self._pipelines and self._current is not None and self._current.phase in (IN_RCPT, IN_DATA):
                self._office.group_was_forgotten()
            self._break(f"no answer within {self._patience.seconds:g} seconds")
        else:
            self.quit()


def _pieces(content: list[bytes]) -> Iterator[bytes]:
    for chunk in content:
        for at in range(0, len(chunk), _PIECE):
            yield chunk[at : at + _PIECE]
