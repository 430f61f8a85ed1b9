"""How it travelled: delays between servers, clocks that are off, steps without encryption. RFC 5321 4.4, RFC 3848."""

from __future__ import annotations

from postroom.core.mailtest.facts import MailFacts
from postroom.core.mailtest.findings import TestFinding, found
from postroom.core.mailtest.received import LONG, Hop
from postroom.core.mailtest.rules import RuleCode


def check_path(facts: MailFacts) -> list[TestFinding]:
    """What the Received fields say."""
    hops = facts.hops
    if not hops:
        return [found(RuleCode.PATH_UNCHECKED)]
    findings = []
    slow = [hop for hop in hops if hop.delay is not None and hop.delay > LONG]
    if slow:
        worst = max(slow, key=lambda hop: hop.delay or 0.0)
        findings.append(
            found(
                RuleCode.PATH_DELAY,
                evidence=[f"{_named(hop)}: {in_words(hop.delay or 0.0)}" for hop in slow],
                server=_named(worst),
                time=in_words(worst.delay or 0.0),
            )
        )
    skewed = [hop for hop in hops if hop.skew]
    if skewed:
        lines = [f"{_named(hop)}: {skew_in_words(hop.skew)}" for hop in skewed]
        findings.append(found(RuleCode.PATH_SKEW, evidence=lines, servers=", ".join(map(_named, skewed[:3]))))
    if plain := [hop for hop in hops if hop.is_plain]:
        lines = [f"{hop.helo or hop.ip} -> {_named(hop)}: {hop.protocol}" for hop in plain]
        findings.append(found(RuleCode.PATH_PLAIN, evidence=lines, server=_named(plain[0])))
    if not slow:
        total = sum(hop.delay or 0.0 for hop in hops)
        findings.append(found(RuleCode.PATH_GOOD, count=len(hops), time=in_words(total)))
    return findings


def _named(hop: Hop) -> str:
    return hop.by or hop.helo or hop.ip or "?"


def skew_in_words(seconds: float) -> str:
    """Of a clock that is ahead ``+3 min``, of one that is behind ``−3 min``: understood in all languages."""
    return f"{'+' if seconds > 0 else '−'}{in_words(abs(seconds))}"


def in_words(seconds: float) -> str:
    """``90`` as ``1 min 30 s``; the two largest units, by the signs that all languages have for them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 172_800:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
