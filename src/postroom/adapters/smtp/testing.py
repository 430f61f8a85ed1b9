"""Test Connection: an outgoing server is asked step by step, as far as it would take a mail, and given none.

    connect -> TLS -> greeting -> EHLO -> STARTTLS -> TLS -> EHLO -> login -> MAIL -> RCPT -> DATA, and cut after the 354

Laws: the final dot is never written, so nothing can be delivered (RFC 5321 4.1.1.4: a mail ends with it). Whatever goes wrong is
part of the result; nothing is tried twice. Everything has its time, and the whole has `LONGEST` seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.x509 import load_der_x509_certificate

from postroom.adapters.smtp.capabilities import Capabilities
from postroom.adapters.smtp.dialogue import Dialogue, RefusedError, TroubleError, expect
from postroom.adapters.smtp.handshake import Greeted, ServerTrouble, TokenSource, shake_hands
from postroom.core.delivery.probing import FollowProbe, Probe, ProbeOrder, ProbeStep
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.steps import Step

LONGEST = 90.0  # seconds, for all steps together
_QUIT_TIMEOUT = 2.0


def probe_server(
    order: ProbeOrder,
    *,
    ssl_context: ssl.SSLContext | None = None,
    access_token: TokenSource | None = None,
    follow: FollowProbe | None = None,
) -> Probe:
    """Blocks. ``ssl_context`` and ``access_token`` as in `handshake.shake_hands`; ``follow`` gets, before the first step, what tells the
    steps so far, to be asked from any thread. Not from a thread with a running loop."""
    notes = _Notes()
    if follow is not None:
        follow(lambda: tuple(notes.steps))
    with asyncio.Runner() as runner:
        return runner.run(_bounded(order, notes, ssl_context, access_token))


@dataclass(slots=True)
class _Notes:
    """Writes down the steps as they happen. The last one is open until the next begins or the end comes."""

    clock: Callable[[], float] = time.monotonic
    steps: list[ProbeStep] = field(default_factory=list)
    since: float = 0.0

    def begins(self, step: Step, about: str = "") -> None:
        self.ends()
        self.steps.append(ProbeStep(step=step, about=about))
        self.since = self.clock()

    def heard(self, reply: SmtpReply) -> None:
        self.steps[-1] = replace(self.steps[-1], reply=reply)

    def ends(self, *, is_ok: bool = True) -> None:
        if self.steps and self.since:
            self.steps[-1] = replace(self.steps[-1], duration=self.clock() - self.since, is_ok=is_ok)
        self.since = 0.0

    def add(self, step: Step, about: str) -> None:
        """To the last step of this name."""
        for at in range(len(self.steps) - 1, -1, -1):
            if self.steps[at].step is step:
                self.steps[at] = replace(self.steps[at], about=about)
                return


async def _bounded(
    order: ProbeOrder, notes: _Notes, ssl_context: ssl.SSLContext | None, token: TokenSource | None
) -> Probe:
    try:
        async with asyncio.timeout(LONGEST):
            return await _probe(order, notes, ssl_context, token)
    except TimeoutError:
        return _failed(notes, f"no answer within {LONGEST:g} seconds")


async def _probe(
    order: ProbeOrder, notes: _Notes, ssl_context: ssl.SSLContext | None, token: TokenSource | None
) -> Probe:
    greeted = await shake_hands(order.endpoint, ssl_context=ssl_context, access_token=token, watcher=notes)
    if isinstance(greeted, ServerTrouble):
        if greeted.reply is not None and notes.steps:
            notes.heard(greeted.reply)
        return _failed(notes, greeted.trouble, tls=greeted.tls)
    notes.add(Step.TLS, _certificate(greeted))
    dialogue = greeted.transport.get_protocol()
    assert isinstance(dialogue, Dialogue)  # noqa: S101 - it is, until a session takes over
    conversation = _Conversation(order, dialogue, greeted.capabilities, notes)
    trouble = await conversation.run()
    notes.ends(is_ok=conversation.is_ok)
    await conversation.leave()
    until, fingerprint = _end_of_certificate(greeted)
    return Probe(
        steps=tuple(notes.steps),
        trouble=trouble,
        tls=greeted.tls,
        announced_size=greeted.capabilities.size_limit or 0,
        certificate_until=until,
        fingerprint=fingerprint,
    )


def _failed(notes: _Notes, trouble: str, *, tls: str = "") -> Probe:
    if not notes.steps:
        notes.begins(Step.CONNECT)
    notes.ends(is_ok=False)
    return Probe(steps=tuple(notes.steps), trouble=trouble, tls=tls)


class _Conversation:
    """From MAIL to the 354."""

    def __init__(self, order: ProbeOrder, dialogue: Dialogue, capabilities: Capabilities, notes: _Notes) -> None:
        self._order = order
        self._dialogue = dialogue
        self._capabilities = capabilities
        self._notes = notes
        self._patience = order.endpoint.reply_timeout
        self._is_open = False  # the server waits for a mail
        self.is_ok = False

    async def run(self) -> str:
        """The trouble, ``""`` when there is none or a reply says it."""
        try:
            for number, sender in enumerate(self._order.senders):
                if number:
                    await self._dialogue.ask("RSET", self._patience)
                await self._say(Step.MAIL, f"MAIL FROM:<{sender}>", sender)
            await self._say(Step.RCPT, f"RCPT TO:<{self._order.recipient}>", self._order.recipient)
            self._notes.begins(Step.DATA)
            reply = await self._dialogue.ask("DATA", self._patience)
            self._notes.heard(reply)
            self._is_open = reply.code == 354
            if not self._is_open:
                raise RefusedError(reply)
        except RefusedError:
            return ""
        except TroubleError as error:
            return str(error)
        self.is_ok = True
        return ""

    async def _say(self, step: Step, command: str, address: str) -> None:
        self._notes.begins(step, address)
        if not address.isprintable():
            raise TroubleError("the address holds a character that no command can carry")
        if not address.isascii():
            if not self._capabilities.has_smtputf8:
                self._refuse(SmtpReply(550, "5.6.7", "the server does not take internationalized addresses (SMTPUTF8)"))
            command += " SMTPUTF8" if step is Step.MAIL else ""
        reply = await self._dialogue.ask(command, self._patience)
        self._notes.heard(reply)
        expect(reply, 250)

    def _refuse(self, reply: SmtpReply) -> None:
        self._notes.heard(reply)
        raise RefusedError(reply)

    async def leave(self) -> None:
        """Cut where a mail is awaited; elsewhere politely."""
        if not self._is_open:
            with suppress(TroubleError):  # it may have gone already
                await self._dialogue.ask("QUIT", _QUIT_TIMEOUT)
        self._dialogue.abort()
        await asyncio.sleep(0)  # lets the socket be closed


def _certificate(greeted: Greeted) -> str:
    """``TLSv1.3, mail.example.com until Jun  1 12:00:00 2027 GMT``; who it is, only where it was verified."""
    if not greeted.tls:
        return ""
    shown = greeted.transport.get_extra_info("peercert") or {}
    names = [name for kind, name in shown.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    if not names:
        return f"{greeted.tls}, certificate not verified"
    return f"{greeted.tls}, {names[0]} until {shown.get('notAfter', '?')}"


def _end_of_certificate(greeted: Greeted) -> tuple[datetime | None, str]:
    """Until when it is good, and its fingerprint; also where it was not verified."""
    secured = greeted.transport.get_extra_info("ssl_object")
    shown = secured.getpeercert(binary_form=True) if secured is not None else None
    if not shown:
        return None, ""
    fingerprint = hashlib.sha256(shown).hexdigest()
    try:
        return load_der_x509_certificate(shown).not_valid_after_utc, fingerprint
    except ValueError:  # it is odd, and still the same one as before or not
        return None, fingerprint
