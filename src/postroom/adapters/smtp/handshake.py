"""From a host name to a connection that takes mail: connect, greeting, EHLO, STARTTLS, AUTH.

Laws: whatever goes wrong here is a fact about the server (`ServerTrouble`, with the phase it happened in),
never about a mail, and never raises. Encryption that was asked for is never done without: no STARTTLS
offered is trouble. What the server said before TLS is forgotten, and a byte in plain text after its 220
ends the connection (an attacker's reply, put before the encrypted ones; RFC 3207 6). Certificates and host
names are verified unless the endpoint names the exception; TLS 1.2 at least. A password travels encrypted,
or in clear only where somebody chose `Encryption.NONE` for this server; no step of ours leads there.
Replies at AUTH are cleaned of the secret: some servers echo it.
Standards: RFC 5321 3.1, 3.2 (HELO where EHLO is refused), RFC 3207, RFC 8314 (implicit TLS), RFC 4954.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from postroom.adapters.smtp.capabilities import Capabilities, read_capabilities
from postroom.adapters.smtp.replies import RawReply, ReplyReader, as_reply
from postroom.adapters.smtp.sasl import Mechanism, login, plain, xoauth2
from postroom.core.delivery.wire import Encryption, Endpoint, Phase
from postroom.core.terms.secret import Secret
from postroom.core.terms.smtp_replies import SmtpReply

TokenSource = Callable[[], Awaitable[Secret]]

_MOST_ADDRESSES = 8
_TLS_GOODBYE = 2.0  # seconds waited for the peer's close_notify


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTrouble:
    """Why no mail can be given to this server now: its refusal, or in plain words what failed."""

    phase: Phase
    reply: SmtpReply | None = None
    trouble: str = ""
    tls: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeted:
    """A connection ready for MAIL. ``tls`` as in `WireOutcome`."""

    transport: asyncio.Transport
    capabilities: Capabilities
    tls: str


def default_ssl_context(*, verify_certificate: bool) -> ssl.SSLContext:
    """The system's trusted authorities, host names checked, TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def shake_hands(
    endpoint: Endpoint, *, ssl_context: ssl.SSLContext | None = None, access_token: TokenSource | None = None
) -> Greeted | ServerTrouble:
    """Within the endpoint's time-outs.

    ``ssl_context`` replaces `default_ssl_context` (a client certificate, own authorities) and then decides
    alone what is verified. ``access_token`` is asked for every connection, and XOAUTH2 used.
    """
    handshake = _Handshake(endpoint, ssl_context, access_token)
    try:
        return await handshake.run()
    except _RefusedError as refusal:
        trouble = handshake.trouble(reply=refusal.reply)
    except _TroubleError as error:
        trouble = handshake.trouble(str(error))
    except ssl.SSLCertVerificationError as error:
        trouble = handshake.trouble(f"the certificate was not accepted: {error.verify_message}")
    except ssl.SSLError as error:
        trouble = handshake.trouble(f"the TLS handshake failed: {_plain_reason(error)}")
    except socket.gaierror as error:
        trouble = handshake.trouble(f"the name {endpoint.host} could not be resolved: {error.strerror}")
    except UnicodeError:
        trouble = handshake.trouble(f"{endpoint.host!r} is no host name")
    except OSError as error:
        trouble = handshake.trouble(_plain(error))
    except BaseException:
        handshake.abandon()
        raise
    handshake.abandon()
    return trouble


class _RefusedError(Exception):
    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class _TroubleError(Exception):
    """Its text is for people."""


class _Handshake:
    """One attempt. ``phase`` says how far it came."""

    def __init__(self, endpoint: Endpoint, ssl_context: ssl.SSLContext | None, token: TokenSource | None) -> None:
        self._endpoint = endpoint
        self._given_context = ssl_context
        self._token = token
        self._dialogue = Dialogue()
        self._capabilities = Capabilities()
        self._tls = ""
        self.phase = Phase.CONNECT

    async def run(self) -> Greeted:
        await self._connect()
        self.phase = Phase.GREETING
        _expect(await self._reply(), 220)
        await self._greet()
        if self._endpoint.encryption is Encryption.STARTTLS:
            await self._start_tls()
            await self._greet()
        if self._endpoint.username:
            self.phase = Phase.AUTH
            await self._authenticate()
        self._dialogue.check()
        return Greeted(transport=self._dialogue.transport, capabilities=self._capabilities, tls=self._tls)

    def trouble(self, text: str = "", *, reply: SmtpReply | None = None) -> ServerTrouble:
        return ServerTrouble(phase=self.phase, reply=reply, trouble=text, tls=self._tls)

    def abandon(self) -> None:
        self._dialogue.abort()

    async def _connect(self) -> None:
        endpoint = self._endpoint
        loop = asyncio.get_running_loop()
        async with _deadline(endpoint.connect_timeout):
            connected = await _connect_socket(endpoint.host, endpoint.port, endpoint.connect_timeout)
            if endpoint.encryption is not Encryption.TLS:
                await loop.create_connection(lambda: self._dialogue, sock=connected)
                return
            await loop.create_connection(
                lambda: self._dialogue,
                sock=connected,
                ssl=self._ssl_context(),
                server_hostname=endpoint.host,
                ssl_handshake_timeout=endpoint.connect_timeout,
                ssl_shutdown_timeout=_TLS_GOODBYE,
            )
            self._note_tls()

    async def _greet(self) -> None:
        """EHLO, or HELO for a server that does not know it; then there are no extensions."""
        self.phase = Phase.EHLO
        self._capabilities = Capabilities()
        reply = await self._command(f"EHLO {self._endpoint.ehlo_name}")
        if reply.is_permanent:
            _expect(await self._command(f"HELO {self._endpoint.ehlo_name}"), 250)
            return
        _expect(reply, 250)
        self._capabilities = read_capabilities(reply.text)

    async def _start_tls(self) -> None:
        self.phase = Phase.STARTTLS
        if not self._capabilities.has_starttls:
            raise _TroubleError("the server does not offer STARTTLS")
        reply = await self._command("STARTTLS")
        if reply.code != 220:  # no other says that the next byte is TLS
            raise _RefusedError(reply)
        if not self._dialogue.is_silent:
            raise _TroubleError("plain text came after the answer to STARTTLS: somebody may be listening in")
        async with _deadline(self._endpoint.connect_timeout):
            secured = await asyncio.get_running_loop().start_tls(
                self._dialogue.transport,
                self._dialogue,
                self._ssl_context(),
                server_hostname=self._endpoint.host,
                ssl_handshake_timeout=self._endpoint.connect_timeout,
                ssl_shutdown_timeout=_TLS_GOODBYE,
            )
        if secured is None:
            raise _TroubleError("the server closed the connection during the TLS handshake")
        self._dialogue.transport = secured
        self._note_tls()

    def _ssl_context(self) -> ssl.SSLContext:
        return self._given_context or default_ssl_context(verify_certificate=self._endpoint.verify_certificate)

    def _note_tls(self) -> None:
        secured = self._dialogue.transport.get_extra_info("ssl_object")
        self._tls = (secured.version() if secured is not None else None) or ""

    async def _authenticate(self) -> None:
        mechanisms = [each for each in await self._mechanisms() if each.name in self._capabilities.auth]
        if not mechanisms:
            offered = ", ".join(sorted(self._capabilities.auth))
            raise _TroubleError(f"the server offers no login that we know (it offers: {offered or 'none'})")
        for mechanism in mechanisms:
            reply = await self._exchange(mechanism)
            if 200 <= reply.code < 300:
                return
            if reply.code != 504:  # only an unknown mechanism earns another: no password is tried twice
                break
        raise _RefusedError(reply)

    async def _mechanisms(self) -> Sequence[Mechanism]:
        endpoint = self._endpoint
        if self._token is None:
            return plain(endpoint.username, endpoint.password), login(endpoint.username, endpoint.password)
        try:
            return [xoauth2(endpoint.username, await self._token())]
        except Exception as error:
            raise _TroubleError(f"no access token: {error}") from error

    async def _exchange(self, mechanism: Mechanism) -> SmtpReply:
        initial = f" {mechanism.initial.reveal()}" if mechanism.initial is not None else ""
        reply = await self._command(f"AUTH {mechanism.name}{initial}")
        for answer in mechanism.answers:
            if reply.code != 334:
                break
            reply = await self._command(answer.reveal())
        if reply.code == 334:
            reply = await self._command("*")  # RFC 4954 4: cancels, to be answered with 501
        return self._without_secrets(reply, mechanism)

    def _without_secrets(self, reply: SmtpReply, mechanism: Mechanism) -> SmtpReply:
        text = reply.text
        for secret in (self._endpoint.password, mechanism.initial, *mechanism.answers):
            if secret:
                text = text.replace(secret.reveal(), "********")
        return SmtpReply(reply.code, reply.enhanced, text)

    async def _command(self, line: str) -> SmtpReply:
        self._dialogue.check()
        self._dialogue.transport.write(line.encode("ascii", "replace") + b"\r\n")
        return await self._reply()

    async def _reply(self) -> SmtpReply:
        async with _deadline(self._endpoint.reply_timeout):
            return await self._dialogue.reply()


class Dialogue(asyncio.Protocol):
    """One command, one reply: the slow and thorough way to speak."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._reader = ReplyReader()
        self._replies: deque[RawReply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost = ""
        self._connected = False

    @property
    def is_silent(self) -> bool:
        """Nothing came that was not asked for."""
        return not self._replies and self._reader.is_between_replies

    def check(self) -> None:
        """Before the next command, and before the connection is handed on."""
        if self._lost:
            raise _TroubleError(self._lost)
        if not self.is_silent:
            raise _TroubleError("the server sent more than it was asked for")

    async def reply(self) -> SmtpReply:
        while not self._replies:
            if self._lost:
                raise _TroubleError(self._lost)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return as_reply(self._replies.popleft())

    def abort(self) -> None:
        if self._connected:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connected = True

    def data_received(self, data: bytes) -> None:
        self._replies.extend(self._reader.feed(data))
        if self._replies:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = f"the connection broke: {_plain(exc)}" if exc else "the server closed the connection"
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def _connect_socket(host: str, port: int, timeout: float) -> socket.socket:  # noqa: ASYNC109
    """The first address that answers. Each has its share of the time: a dead one leaves the others theirs."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    infos = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[:_MOST_ADDRESSES]
    trouble: OSError = TimeoutError()
    for left, (family, kind, proto, _, address) in zip(range(len(infos), 0, -1), infos, strict=True):
        candidate = socket.socket(family, kind, proto)
        try:
            candidate.setblocking(False)
            async with asyncio.timeout((end - loop.time()) / left):
                await loop.sock_connect(candidate, address)
        except OSError as error:
            candidate.close()
            trouble = error
        except BaseException:
            candidate.close()
            raise
        else:
            return candidate
    raise trouble


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        if error.errno:  # the operating system's own patience ended first
            raise
        raise _TroubleError(f"no answer within {seconds:g} seconds") from error


def _expect(reply: SmtpReply, code: int) -> None:
    """The same first digit is enough (RFC 5321 4.2.1)."""
    if reply.code // 100 != code // 100:
        raise _RefusedError(reply)


def _plain(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, ConnectionError) and not str(error):
        return "the server closed the connection"
    return str(error) or type(error).__name__


def _plain_reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
