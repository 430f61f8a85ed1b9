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
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from postroom.adapters.smtp.capabilities import Capabilities, read_capabilities
from postroom.adapters.smtp.client_certificates import load_client_certificate
from postroom.adapters.smtp.dialogue import Dialogue, RefusedError, TroubleError, deadline, expect, plain_words
from postroom.adapters.smtp.sasl import Mechanism, external, login, oauthbearer, plain, xoauth2
from postroom.core.delivery.wire import Authentication, Encryption, Endpoint, Phase
from postroom.core.terms.secret import Secret
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.steps import Step

TokenSource = Callable[[], Awaitable[Secret]]

_MOST_ADDRESSES = 8
_TLS_GOODBYE = 2.0  # seconds waited for the peer's close_notify


class Watcher(Protocol):
    """Looks on: who tests a server wants to see every step."""

    def begins(self, step: Step) -> None: ...
    def heard(self, reply: SmtpReply) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTrouble:
    """Why no mail can be given to this server now: its refusal, or in plain words what failed."""

    phase: Phase
    reply: SmtpReply | None = None
    trouble: str = ""
    tls: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeted:
    """A connection ready for MAIL; its protocol is a `Dialogue` until another takes over. ``tls`` as in `WireOutcome`."""

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


def ssl_context_for(endpoint: Endpoint) -> ssl.SSLContext:
    """`default_ssl_context` with the endpoint's client certificate. Raises ValueError when that cannot be used."""
    context = default_ssl_context(verify_certificate=endpoint.verify_certificate)
    if endpoint.authentication is Authentication.CERTIFICATE:
        load_client_certificate(context, endpoint.client_certificate, endpoint.client_key)
    return context


async def shake_hands(
    endpoint: Endpoint,
    *,
    ssl_context: ssl.SSLContext | None = None,
    access_token: TokenSource | None = None,
    watcher: Watcher | None = None,
) -> Greeted | ServerTrouble:
    """Within the endpoint's time-outs.

    ``ssl_context`` replaces `ssl_context_for` (own authorities) and then decides alone what is verified and shown.
    ``access_token`` is asked for every connection, and OAUTHBEARER or XOAUTH2 used.
    """
    handshake = _Handshake(endpoint, ssl_context, access_token, watcher)
    try:
        return await handshake.run()
    except RefusedError as refusal:
        trouble = handshake.trouble(reply=refusal.reply)
    except TroubleError as error:
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
        trouble = handshake.trouble(plain_words(error))
    except BaseException:
        handshake.abandon()
        raise
    handshake.abandon()
    return trouble


class _Handshake:
    """One attempt. ``phase`` says how far it came."""

    def __init__(
        self,
        endpoint: Endpoint,
        ssl_context: ssl.SSLContext | None,
        token: TokenSource | None,
        watcher: Watcher | None,
    ) -> None:
        self._watcher = watcher
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
        self._begins(Step.GREETING)
        expect(await self._reply(), 220)
        await self._greet()
        if self._endpoint.encryption is Encryption.STARTTLS:
            await self._start_tls()
            await self._greet()
        if mechanisms := await self._mechanisms():
            await self._authenticate(mechanisms)
        self._dialogue.check()
        return Greeted(transport=self._dialogue.transport, capabilities=self._capabilities, tls=self._tls)

    def _begins(self, step: Step) -> None:
        if self._watcher is not None:
            self._watcher.begins(step)

    def trouble(self, text: str = "", *, reply: SmtpReply | None = None) -> ServerTrouble:
        return ServerTrouble(phase=self.phase, reply=reply, trouble=text, tls=self._tls)

    def abandon(self) -> None:
        self._dialogue.abort()

    async def _connect(self) -> None:
        endpoint = self._endpoint
        loop = asyncio.get_running_loop()
        self._begins(Step.CONNECT)
        context = self._ssl_context() if endpoint.encryption is Encryption.TLS else None
        async with deadline(endpoint.connect_timeout):
            connected = await _connect_socket(endpoint.host, endpoint.port, endpoint.connect_timeout)
            if context is None:
                await loop.create_connection(lambda: self._dialogue, sock=connected)
                return
            self._begins(Step.TLS)
            await loop.create_connection(
                lambda: self._dialogue,
                sock=connected,
                ssl=context,
                server_hostname=endpoint.host,
                ssl_handshake_timeout=endpoint.connect_timeout,
                ssl_shutdown_timeout=_TLS_GOODBYE,
            )
            self._note_tls()

    async def _greet(self) -> None:
        """EHLO, or HELO for a server that does not know it; then there are no extensions."""
        self.phase = Phase.EHLO
        self._begins(Step.EHLO)
        self._capabilities = Capabilities()
        reply = await self._command(f"EHLO {self._endpoint.ehlo_name}")
        if reply.is_permanent:
            expect(await self._command(f"HELO {self._endpoint.ehlo_name}"), 250)
            return
        expect(reply, 250)
        self._capabilities = read_capabilities(reply.text)

    async def _start_tls(self) -> None:
        self.phase = Phase.STARTTLS
        self._begins(Step.STARTTLS)
        if not self._capabilities.has_starttls:
            raise TroubleError("the server does not offer STARTTLS")
        reply = await self._command("STARTTLS")
        if reply.code != 220:  # no other says that the next byte is TLS
            raise RefusedError(reply)
        if not self._dialogue.is_silent:
            raise TroubleError("plain text came after the answer to STARTTLS: somebody may be listening in")
        self._begins(Step.TLS)
        async with deadline(self._endpoint.connect_timeout):
            secured = await asyncio.get_running_loop().start_tls(
                self._dialogue.transport,
                self._dialogue,
                self._ssl_context(),
                server_hostname=self._endpoint.host,
                ssl_handshake_timeout=self._endpoint.connect_timeout,
                ssl_shutdown_timeout=_TLS_GOODBYE,
            )
        if secured is None:
            raise TroubleError("the server closed the connection during the TLS handshake")
        self._dialogue.transport = secured
        self._note_tls()

    def _ssl_context(self) -> ssl.SSLContext:
        if self._given_context is not None:
            return self._given_context
        try:
            return ssl_context_for(self._endpoint)
        except ValueError as error:
            raise TroubleError(f"the client certificate cannot be used: {error}") from error

    def _note_tls(self) -> None:
        secured = self._dialogue.transport.get_extra_info("ssl_object")
        self._tls = (secured.version() if secured is not None else None) or ""

    async def _authenticate(self, mechanisms: Sequence[Mechanism]) -> None:
        usable = [each for each in mechanisms if each.name in self._capabilities.auth]
        if not usable:
            offered = ", ".join(sorted(self._capabilities.auth))
            raise TroubleError(f"the server offers no login that we know (it offers: {offered or 'none'})")
        for mechanism in usable:
            reply = await self._exchange(mechanism)
            if self._watcher is not None:
                self._watcher.heard(reply)
            if 200 <= reply.code < 300:
                return
            if reply.code != 504:  # only an unknown mechanism earns another: no password is tried twice
                break
        raise RefusedError(reply)

    async def _mechanisms(self) -> Sequence[Mechanism]:
        """Those that fit the endpoint; none: it wants no login."""
        endpoint = self._endpoint
        if endpoint.authentication is Authentication.CERTIFICATE:
            if "EXTERNAL" not in self._capabilities.auth:
                return ()  # the handshake said it all
            self._begins_login()
            return (external(endpoint.username),)
        if endpoint.authentication is Authentication.TOKEN or (self._token is not None and endpoint.username):
            self._begins_login()
            token = await self._access_token()
            bearer = oauthbearer(endpoint.username, token, host=endpoint.host, port=endpoint.port)
            return xoauth2(endpoint.username, token), bearer
        if not endpoint.username:
            return ()
        self._begins_login()
        return plain(endpoint.username, endpoint.password), login(endpoint.username, endpoint.password)

    def _begins_login(self) -> None:
        self.phase = Phase.AUTH
        self._begins(Step.LOGIN)

    async def _access_token(self) -> Secret:
        if self._token is None:
            raise TroubleError("no access token: nobody is named who gives them")
        try:
            async with deadline(self._endpoint.reply_timeout):
                return await self._token()
        except Exception as error:
            raise TroubleError(f"no access token: {error}") from error

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
            if secret and len(secret.reveal()) > 1:  # a lone sign hides nothing, and stands everywhere
                text = text.replace(secret.reveal(), "********")
        return SmtpReply(reply.code, reply.enhanced, text)

    async def _command(self, line: str) -> SmtpReply:
        self._dialogue.check()
        self._dialogue.transport.write(line.encode("ascii", "replace") + b"\r\n")
        return await self._reply()

    async def _reply(self) -> SmtpReply:
        async with deadline(self._endpoint.reply_timeout):
            reply = await self._dialogue.reply()
        if self._watcher is not None and self.phase is not Phase.AUTH:  # replies to a login are cleaned first
            self._watcher.heard(reply)
        return reply


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


def _plain_reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
