"""What others found out about a mail: those who check senders, and a spam filter. Facts, as the rules get them."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.core.senders.results import Method, MethodResult
from postroom.core.terms.reasons import Reason

MOST_SYMBOLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderChecks:
    """``findings``: our own and those of named servers. ``is_asked``: the DNS was asked. ``hearsay``: what a server wrote into the mail
    whose word does not count here. ``ip``, ``helo``, ``mail_from``: what SPF was asked about; ``by``: the server that said so."""

    findings: tuple[MethodResult, ...] = ()
    is_asked: bool = False
    is_body_known: bool = True
    hearsay: tuple[MethodResult, ...] = ()
    ip: str = ""
    helo: str = ""
    mail_from: str = ""
    by: str = ""

    def of(self, method: Method) -> tuple[MethodResult, ...]:
        return tuple(one for one in self.findings if one.method is method)

    def said(self, method: Method) -> tuple[str, ...]:
        """The hearsay on a method, one line each."""
        return tuple(
            f"{one.by}: {one.method.value}={one.result.value} {one.domain}".strip()
            for one in self.hearsay
            if one.method is method
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamSymbol:
    """A rule of the filter that hit. ``points``: as the filter counts, None where it did not say."""

    name: str
    points: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamVerdict:
    """What a filter said: spam from ``threshold`` on."""

    score: float
    threshold: float
    is_spam: bool
    symbols: tuple[SpamSymbol, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamUnchecked:
    """Why no filter said anything: the end of a sentence."""

    why: Reason
