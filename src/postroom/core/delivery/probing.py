"""A test of an outgoing server: what is to be tried, and how far it came. The vocabulary between `flows.test_server` and SMTP.

Laws: a test never delivers anything: after the server's 354 the connection is cut without the final dot, and without that dot there
is no mail (RFC 5321 4.1.1.4). What fails is a value. No secret is in a `Probe`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from postroom.core.delivery.wire import Endpoint
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOrder:
    """Try this. ``senders`` are tried at MAIL, one after the other, the last one as far as DATA; ``recipient`` at RCPT."""

    endpoint: Endpoint
    senders: tuple[str, ...]
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """One step that was begun. ``about`` is what was said or seen; ``duration`` in seconds."""

    step: Step
    about: str = ""
    reply: SmtpReply | None = None
    duration: float = 0.0
    is_ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """``trouble``: what failed without a reply, in plain words. ``announced_size`` in bytes, 0: none; None: it did not come so far."""

    steps: tuple[ProbeStep, ...]
    trouble: str = ""
    tls: str = ""
    announced_size: int | None = None
    certificate_until: datetime | None = None  # of the server
    fingerprint: str = ""  # SHA-256 of its certificate, in hex

    @property
    def failed(self) -> ProbeStep | None:
        return next((step for step in self.steps if not step.is_ok), None)

    @property
    def is_ok(self) -> bool:
        return self.failed is None and bool(self.steps)


FollowProbe = Callable[[Callable[[], Sequence[ProbeStep]]], None]
"""Is given what tells the steps so far, the last one perhaps still open (without duration)."""
