"""One conversation with one peer, in SMTP or LMTP.

Duty: commands in, replies out; a mail is answered with 250 when `Reception.arrivals` says that it is durable.
Built on aiosmtpd's protocol classes; reading of mails, addresses, errors and the end of things is our own.

Laws:
- Our own faults are 451 4.3.0, never 5xx (law 1 of the house), and the session goes on.
- A mail ends with CR LF . CR LF and with nothing else: bare LF or CR are content (no SMTP smuggling, CVE-2023-51764).
- So does a command line end with CR LF alone (RFC 5321 2.3.8): what holds a bare LF or CR is refused up to the next CR LF.
- Nothing said in clear text survives STARTTLS (RFC 3207 6, CVE-2011-0411).
- A peer that closes its half after its last command still gets its replies.

Standards: RFC 5321; RFC 2033 (LMTP: one reply per recipient); RFC 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8),
2920 (PIPELINING), 2034 (ENHANCEDSTATUSCODES), 3207 (STARTTLS). Not spoken: AUTH, BDAT, DSN, VRFY's answer, EXPN, ETRN.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door as DoorKind
from postroom.flows.accept_message import Arrival
from postroom.workers.group_commit import Unanswered
from postroom.workers.reception import END_OF_MAIL, MailReading, Reception
from postroom.workers.smtp_arguments import Refused, read_path, refuse_mail_parameters, shown
from postroom.workers.trace_header import protocol_name, received_line

logger = logging.getLogger(__name__)

TOLD_UNKNOWN = 5  # refused recipients of one session that the log names: who tries names fills no disk

BLOCK = 64 * 1024
FAREWELL = 5.0  # seconds that a peer has to take the last reply
BARE_LINE_END = "500 5.5.2 A line ends with CR LF, and holds neither alone"
OUR_FAULT = "451 4.3.0 We have a problem of our own; please try again later"

Command = Callable[[str | None], Awaitable[None]]


@dataclass(slots=True)
class _Transaction:
    """What MAIL and RCPT have said so far."""

    mail_from: str
    smtputf8: bool
    rcpt_to: list[str] = field(default_factory=list)
    turned_away: int = 0  # recipients beyond the limit


class SmtpSession(SMTP):
    """The SMTP side of a connection; `LmtpSession` differs in a few words."""

    door = DoorKind.SMTP
    greetings: tuple[str, ...] = ("HELO", "EHLO")
    line_length_limit = BLOCK  # how much the stream reader buffers; aiosmtpd takes it from here

    def __init__(self, reception: Reception) -> None:
        self.reception = reception
        self.limits = reception.limits
        super().__init__(
            None,
            data_size_limit=reception.limits.message_size,
            enable_SMTPUTF8=True,
            hostname=reception.hostname,
            timeout=reception.limits.command_timeout,
            loop=asyncio.get_running_loop(),
        )
        self._commands: dict[str, Command] = {
            **{greeting: self._greeter(greeting) for greeting in self.greetings},
            "STARTTLS": self._starttls,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": self._noop,
            "VRFY": self._vrfy,
            "QUIT": self._quit,
        }
        self._transaction: _Transaction | None = None
        self._address = ""
        self._helo = ""
        self._is_extended = False
        self._is_encrypted = False
        self._is_busy = False
        self._is_over = False
        self._bad_commands = 0
        self._idle_commands = 0
        self._unknown_recipients = 0

    def __dir__(self) -> list[str]:
        """Nothing. On each new connection aiosmtpd looks for commands among all names, which costs more than the mail;
        ours are in ``_commands``.
        """
        return []

    # ---- the connection

    def eof_received(self) -> bool:
        """The peer says no more; he may still listen. (TLS knows no half-closed connection.)"""
        self._reader.feed_eof()
        return not self._is_encrypted

    def _timeout_cb(self) -> None:
        """aiosmtpd's timer ran out. A peer that does not even take replies would not take this one."""
        logger.info("session timed out", extra={"peer": self._address})
        if self._writer.transport.get_write_buffer_size():
            self.abort()
        else:
            self._part("421 4.4.2 You took too long, goodbye")

    def say_goodbye(self) -> None:
        """The door closes: at once for who only waits, after its reply for who has a command under way."""
        self._is_over = True
        if not self._is_busy:
            self._part("421 4.3.2 We are closing, please try again later")

    def abort(self) -> None:
        """Now, whatever is under way: nothing was answered, so nothing is lost."""
        self._is_over = True
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    def _part(self, farewell: str) -> None:
        self._is_over = True
        transport = self._writer.transport
        if not transport.is_closing():
            self._writer.write(farewell.encode("ascii") + b"\r\n")
            transport.close()
            if transport.get_write_buffer_size():  # it closes when all is taken, and a deaf peer takes nothing
                self.loop.call_later(FAREWELL, transport.abort)

    async def _handle_client(self) -> None:
        """The life of a connection; aiosmtpd starts it and cancels it when the connection is lost."""
        peer = self._writer.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        if self.reception.is_closing:
            self._part("421 4.3.2 We are closing, please try again later")
            return
        if refusal := self.reception.connections.admit(self._address):
            self._part(refusal)
            return
        self.reception.enter(self)
        try:
            await self.push(f"220 {self.hostname} {self.door.upper()} Postroom")
            while not self._is_over:
                await self._next_command()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            logger.debug("connection lost", extra={"peer": self._address})
        finally:
            self.reception.leave(self)
            self.reception.connections.leave(self._address)
            if self.transport is not None:
                self.transport.close()

    async def _next_command(self) -> None:
        line = await self._read_command()
        self._is_busy = True
        try:
            await self._obey(line)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            raise
        except Exception as error:
            await self._own_fault(error)
        finally:
            self._is_busy = False
        if self._is_over or self.reception.is_closing:
            self._part("421 4.3.2 We are closing, please try again later")

    async def _own_fault(self, error: Exception) -> None:
        """A bug of ours: it costs this mail a delay and nobody else anything."""
        self._transaction = None
        logger.error("session failed", exc_info=error, extra={"peer": self._address})
        await self.push(OUR_FAULT)

    async def _read_command(self) -> bytes:
        """A line without its end; what is longer than the buffer is read away and answered as too long.

        A line that ends with a bare LF is answered at once and goes on until CR LF: nothing of it is a command.
        """
        cut, is_bare = b"", False  # the end of what was read away
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as overrun:
                cut = (await self._reader.readexactly(overrun.consumed))[-1:]
                continue
            if not (cut + line).endswith(b"\r\n"):
                if not is_bare:
                    await self._complain(BARE_LINE_END)
                is_bare = True
            elif is_bare:
                cut, is_bare = b"", False
            else:
                return b"\xff" * (self.limits.command_line + 1) if cut else line[:-2]
            if self._is_over:
                raise ConnectionAbortedError("sent away")

    async def _obey(self, line: bytes) -> None:
        if len(line) > self.limits.command_line:
            await self._complain("500 5.5.2 The line is too long")
            return
        if b"\r" in line:
            await self._complain(BARE_LINE_END)
            return
        text = line.decode("utf-8", "surrogateescape")
        word, _, rest = text.partition(" ")
        verb = word.upper()
        command = self._commands.get(verb)
        if command is None:
            await self._unknown_command(verb)
            return
        self._reset_timeout()
        await command(rest.strip() or None)

    async def _unknown_command(self, verb: str) -> None:
        if verb in ("GET", "POST", "PUT", "CONNECT", "HOST:", "USER-AGENT:"):
            self._part("421 4.7.0 This is a mail server, goodbye")  # a browser was sent here by somebody's page
        elif verb in ("AUTH", "BDAT", "ETRN", "EXPN", "HELP", "TURN"):
            await self._complain("502 5.5.1 Not implemented")
        else:
            await self._complain("500 5.5.2 Not a command")

    async def push(self, status: str | bytes) -> None:
        """Send a reply: lines without line ends, joined by CR LF."""
        self._writer.write((status if isinstance(status, bytes) else status.encode("utf-8", "replace")) + b"\r\n")
        await self._writer.drain()

    async def _complain(self, reply: str) -> None:
        """A reply to what no good client says; who goes on and on is sent away."""
        self._bad_commands += 1
        if self._bad_commands > self.limits.bad_commands:
            self._part("421 4.7.0 Too many errors, goodbye")
            return
        await self.push(reply)

    async def _is_idling(self) -> bool:
        """Count a command that brings no mail nearer; True when the peer was sent away for it."""
        self._idle_commands += 1
        if self._idle_commands > self.limits.idle_commands:
            self._part("421 4.7.0 Too many commands without a mail, goodbye")
            return True
        return False

    # ---- greeting and small talk

    def _greeter(self, verb: str) -> Command:
        async def greet(name: str | None) -> None:
            if not name:
                await self._complain(f"501 5.5.4 Syntax: {verb} name")
            elif not await self._is_idling():
                self._transaction = None
                self._helo = name
                self._is_extended = verb != "HELO"
                await self.push("\r\n".join(self._welcome()))

        return greet

    def _welcome(self) -> list[str]:
        if not self._is_extended:
            return [f"250 {self.hostname}"]
        lines = [
            self.hostname,
            f"SIZE {self.limits.message_size}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        if self.reception.tls is not None and not self._is_encrypted:
            lines.append("STARTTLS")
        return [*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]

    async def _noop(self, _argument: str | None) -> None:
        if not await self._is_idling():
            await self.push("250 2.0.0 Ok")

    async def _rset(self, _argument: str | None) -> None:
        if not await self._is_idling():
            self._transaction = None
            await self.push("250 2.0.0 Ok")

    async def _vrfy(self, _argument: str | None) -> None:
        if not await self._is_idling():
            await self.push("252 2.5.0 Send some mail and see")

    async def _quit(self, _argument: str | None) -> None:
        self._part("221 2.0.0 Goodbye")

    async def _starttls(self, argument: str | None) -> None:
        if argument:
            await self._complain("501 5.5.4 Syntax: STARTTLS")
        elif self.reception.tls is None or self._is_encrypted or not self._is_extended:
            await self._complain("503 5.5.1 STARTTLS is not possible here")
        else:
            await self._start_tls(self.reception.tls)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        # Between these three lines the loop must not turn: the peer's handshake belongs to the new protocol.
        self._reader._buffer.clear()  # type: ignore[attr-defined]
        self._writer.write(b"220 2.0.0 Go ahead\r\n")
        secure = await self.loop.start_tls(
            self._writer.transport,
            self,
            context,
            server_side=True,
            ssl_handshake_timeout=self.limits.tls_timeout,
            ssl_shutdown_timeout=5.0,
        )
        if secure is None:
            raise ConnectionResetError("closed during the handshake")
        self.transport = secure
        self._reader._transport = secure  # type: ignore[attr-defined]
        self._writer._transport = secure  # type: ignore[attr-defined]
        self._transport = secure  # the flow control of StreamReaderProtocol looks here
        self._over_ssl = True
        self._is_encrypted = True
        self._is_extended = False
        self._helo = ""
        self._transaction = None

    # ---- the mail

    async def _mail(self, argument: str | None) -> None:
        if not self._helo:
            await self._complain(f"503 5.5.1 Say {self.greetings[-1]} first")
            return
        if self._transaction is not None:
            await self._complain("503 5.5.1 There is a transaction already")
            return
        path = read_path(argument, "FROM", utf8=False)
        if isinstance(path, Refused):
            await self._complain(path.reply)
            return
        if refusal := refuse_mail_parameters(path.parameters, self.limits.message_size):
            if not await self._is_idling():
                await self.push(refusal)
            return
        self._transaction = _Transaction(path.address, "SMTPUTF8" in path.parameters)
        await self.push("250 2.1.0 Ok")

    async def _rcpt(self, argument: str | None) -> None:
        transaction = self._transaction
        if transaction is None:
            await self._complain("503 5.5.1 Say MAIL first")
            return
        path = read_path(argument, "TO", utf8=transaction.smtputf8)
        if isinstance(path, Refused):
            await self._complain(path.reply)
        elif not path.address:
            await self._complain("501 5.1.3 There is no recipient")
        elif path.parameters:
            await self._complain(f"555 5.5.4 Unknown parameter {shown(min(path.parameters))}")
        elif len(transaction.rcpt_to) >= self.limits.recipients:
            transaction.turned_away += 1  # the rest of a list may be under way, and is heard to its end
            say = self._complain if transaction.turned_away > self.limits.turned_away else self.push
            await say(f"452 4.5.3 At most {self.limits.recipients} recipients in one transaction")
        else:
            await self._add_recipient(transaction, path.address)

    async def _add_recipient(self, transaction: _Transaction, address: str) -> None:
        try:
            is_accepted = await self._is_accepted(address)
        except Unanswered:
            await self.push(OUR_FAULT)
            return
        if is_accepted:
            transaction.rcpt_to.append(address)
            await self.push("250 2.1.5 Ok")
            return
        self._unknown_recipients += 1
        if self._unknown_recipients > self.limits.unknown_recipients:
            self._part("421 4.7.0 Too many unknown recipients, goodbye")
            return
        if self._unknown_recipients <= TOLD_UNKNOWN:
            who = {"peer": self._address, "mail_from": transaction.mail_from, "rcpt_to": address}
            logger.info("recipient refused: 550 5.1.1 no such mailbox here", extra=who)
        await self.push(f"550 5.1.1 <{shown(address)}>: no such mailbox here")

    async def _is_accepted(self, address: str) -> bool:
        """What is remembered ends with its second, however often it is named meanwhile. Raises `Unanswered`."""
        lately = self.reception.lately
        if address in lately:
            return True
        is_accepted = (await self.reception.recipients.ask(address)).accepted
        if is_accepted:
            lately.add(address)
        return is_accepted

    async def _data(self, argument: str | None) -> None:
        if argument:
            await self._complain("501 5.5.4 Syntax: DATA")
        elif self._transaction is None:
            await self._complain("503 5.5.1 Say MAIL first")
        elif not self._transaction.rcpt_to:
            if not await self._is_idling():  # who sends all at once could not know
                await self.push("503 5.5.1 There is no valid recipient")
        else:
            await self._take_mail(self._transaction)
            self._reset_timeout()

    async def _take_mail(self, transaction: _Transaction) -> None:
        self._transaction = None
        await self.push("354 End with <CR><LF>.<CR><LF>")
        mail = MailReading(self.reception)
        try:
            await self._read_mail(mail)
            if not mail.refusal:
                unique = self.reception.ids.hex(8)
                mail.finish(self._trace(transaction, unique))
            if mail.refusal:
                await self.push(self._per_recipient(transaction, lambda _: mail.refusal))
            else:
                await self._store(transaction, mail.raw, unique)
        finally:
            mail.forget()

    async def _read_mail(self, mail: MailReading) -> None:
        """Until the end of the mail, even if it is refused: only then may a reply be sent."""
        reader = self._reader
        # The dot may come at once; it, too, must follow a line end to be the end. aiosmtpd reaches into the buffer as well.
        reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        give_up_at = self.loop.time() + self.limits.data_timeout
        is_complete = False
        while not is_complete:
            self._reset_timeout(max(0.001, min(self.limits.data_block_timeout, give_up_at - self.loop.time())))
            try:
                block = await reader.readuntil(END_OF_MAIL)
                is_complete = True
            except asyncio.LimitOverrunError as overrun:
                block = await reader.readexactly(overrun.consumed)
            mail.add(block)
            if mail.size > self.limits.drained:
                self._part(mail.refusal)
                raise ConnectionAbortedError("the mail does not end")
        self._reset_timeout()

    def _trace(self, transaction: _Transaction, unique: str) -> bytes:
        return received_line(
            helo=self._helo,
            address=self._address,
            hostname=self.hostname,
            protocol=protocol_name(
                lmtp=self.door is DoorKind.LMTP,
                extended=self._is_extended,
                tls=self._is_encrypted,
                utf8=transaction.smtputf8,
            ),
            unique=unique,
            recipients=transaction.rcpt_to,
            now=self.reception.clock.now(),
        )

    async def _store(self, transaction: _Transaction, raw: bytes, unique: str) -> None:
        arrival = Arrival(
            door=self.door,
            raw=raw,
            envelope=Envelope(
                mail_from=transaction.mail_from,
                rcpt_to=tuple(dict.fromkeys(transaction.rcpt_to)),
                smtputf8=transaction.smtputf8,
            ),
            peer=self._peer(),
        )
        try:
            number = await self.reception.arrivals.ask(arrival)
        except Unanswered:
            self.reception.lately.forget()
            await self.push(self._per_recipient(transaction, lambda _: OUR_FAULT))
            return
        self._idle_commands = 0
        logger.debug("accepted", extra={"inbound": number, "trace": unique, "peer": self._address, "size": len(raw)})
        await self.push(self._per_recipient(transaction, lambda who: f"250 2.0.0 {who}Ok, kept as {number}"))

    def _per_recipient(self, _transaction: _Transaction, reply: Callable[[str], str]) -> str:
        """SMTP has one reply for all."""
        return reply("")

    def _peer(self) -> str:
        helo = "".join(char if char.isascii() and char.isprintable() else "?" for char in self._helo)
        return f"{self._address} ({helo[:200]})"


class LmtpSession(SmtpSession):
    """RFC 2033: LHLO instead of EHLO, and after the mail one reply for each accepted recipient, in order."""

    door = DoorKind.LMTP
    greetings = ("LHLO",)

    def _per_recipient(self, transaction: _Transaction, reply: Callable[[str], str]) -> str:
        return "\r\n".join(reply(f"<{shown(who)}> ") for who in transaction.rcpt_to)
