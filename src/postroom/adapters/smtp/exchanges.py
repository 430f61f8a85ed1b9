"""One mail on its way over one connection: what was asked, what was answered, what it comes to. No I/O.

Standards: RFC 5321 3.3 (the order of a transaction), RFC 2920 3.1 (what may travel together).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from postroom.adapters.smtp.commands import DATA, RSET, rcpt_command
from postroom.core.delivery.wire import Phase, WireMail, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

# What the next reply answers, and the phases: plain names, an enum's members are slow to look up.
TO_RSET: Final = 0
TO_MAIL: Final = 1
TO_RCPT: Final = 2
TO_DATA: Final = 3
TO_END: Final = 4  # the final dot
TO_NOTHING: Final = 5  # a final dot without content and recipients
TO_QUIT: Final = 6
IN_MAIL, IN_RCPT, IN_DATA, IN_BODY = Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY

_USUAL: Final = (TO_MAIL, TO_RCPT, TO_DATA)


class Job:
    """A mail that waits for its outcome."""

    __slots__ = ("future", "is_retried", "mail")

    def __init__(self, mail: WireMail, future: asyncio.Future[WireOutcome]) -> None:
        self.mail = mail
        self.future = future
        self.is_retried = False


class Exchange:
    """``phase`` is the one whose reply is waited for. ``began`` in the clock's seconds."""

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
        self, job: Job, *, sender: bytes, content: list[bytes], size: int, began: float, is_opening: bool
    ) -> None:
        self.job = job
        self.sender = sender  # the MAIL command
        self.content = content
        self.size = size
        self.began = began
        self.is_opening = is_opening  # on a connection that has just been made
        self.phase = IN_MAIL
        self.is_ended = False  # the final dot was written
        self.accepted = 0
        self.refused: tuple[Phase, SmtpReply] | None = None
        self.refusals: list[tuple[str, SmtpReply]] = []
        self.unsent: deque[tuple[int, bytes]] | None = None  # only for a server that wants to be asked singly

    def group(self, *, needs_reset: bool) -> tuple[Sequence[int], bytes]:
        """Everything before the content, to be written at once, and what its replies answer."""
        recipients = self.job.mail.envelope.rcpt_to
        if len(recipients) == 1 and not needs_reset:
            return _USUAL, self.sender + rcpt_command(recipients[0]) + DATA
        commands = self._commands(needs_reset=needs_reset)
        return [step for step, _ in commands], b"".join([line for _, line in commands])

    def first_command(self, *, needs_reset: bool) -> tuple[int, bytes]:
        """The same, command by command: the others follow from `next_command`."""
        self.unsent = self._commands(needs_reset=needs_reset)
        return self.unsent.popleft()

    def _commands(self, *, needs_reset: bool) -> deque[tuple[int, bytes]]:
        commands = deque([(TO_RSET, RSET)] if needs_reset else [])
        commands.append((TO_MAIL, self.sender))
        commands.extend((TO_RCPT, rcpt_command(each)) for each in self.job.mail.envelope.rcpt_to)
        commands.append((TO_DATA, DATA))
        return commands

    def recipient_answered(self, refusal: SmtpReply | None) -> None:
        recipients = self.job.mail.envelope.rcpt_to
        asked = self.accepted + len(self.refusals)
        if refusal is None:
            self.accepted += 1
        else:
            self.refusals.append((recipients[asked], refusal))
        if asked + 1 < len(recipients):
            return
        self.phase = IN_DATA
        if not self.accepted and self.refused is None:
            self.refused = (IN_RCPT, _deciding(self.refusals))

    def outcome(
        self, phase: Phase, reply: SmtpReply | None, trouble: str, *, connection: str, tls: str, now: float
    ) -> WireOutcome:
        mail = self.job.mail
        tells_apart = self.refusals and phase is not IN_MAIL and len(mail.envelope.rcpt_to) > 1
        return WireOutcome(
            key=mail.key,
            phase=phase,
            reply=reply,
            trouble=trouble,
            connection=connection,
            tls=tls,
            duration=now - self.began,
            refusals=tuple(self.refusals) if tells_apart else (),
        )


def _deciding(refusals: list[tuple[str, SmtpReply]]) -> SmtpReply:
    """Temporary unless proven permanent: the first that is not final speaks for all."""
    return next((reply for _, reply in refusals if not reply.is_permanent), refusals[0][1])
