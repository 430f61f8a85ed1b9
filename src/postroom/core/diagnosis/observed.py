"""Facts outside that nobody here sets: records, certificates, greetings, our own version; as they are seen now, and how they changed.

Laws: pure. A fact that could not be seen is left out, never taken for gone. What changes with every connection (numbers of sessions, dates
in greetings) is taken out. A change lies between the last look that saw the former value and the first that saw the new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from postroom.core.diagnosis.domain_facts import DomainFacts
from postroom.core.diagnosis.outside_clocks import DATE
from postroom.core.senders.questions import Asking, Question, RecordType

NONE = "none"
LONGEST = 1000  # characters of a value
MOST_KEYS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """``subject`` as findings name it; ``name`` of the fact, such as SPF."""

    subject: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChange:
    """``before`` was seen last at ``until``; ``after`` was seen first at ``at``."""

    subject: str
    name: str
    before: str
    after: str
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRecords:
    """What was seen of a domain. ``policy_host``: where its MTA-STS policy lies, ``""`` where it has none."""

    domain: DomainFacts
    seen: tuple[Observed, ...]
    mail_hosts: tuple[str, ...] = ()
    policy_host: str = ""


def observe_domain(facts: DomainFacts) -> Asking[DomainRecords]:
    """The questions are those of the checks: shared answers, none more on the wire but for selectors of prepared keys."""
    seen: list[Observed] = []
    mx = yield Question(facts.name, RecordType.MX)
    texts = yield Question(facts.name, RecordType.TXT)
    dmarc = yield Question(f"_dmarc.{facts.name}", RecordType.TXT)
    policies = (yield Question(f"_mta-sts.{facts.name}", RecordType.TXT)).records if facts.is_alias_domain else ()
    if not mx.is_trouble:
        seen.append(_fact(facts.subject, "MX", mx.records))
    if not texts.is_trouble:
        seen.append(_fact(facts.subject, "SPF", [one for one in texts.records if one.lower().startswith("v=spf1")]))
    if not dmarc.is_trouble:
        seen.append(_fact(facts.subject, "DMARC", dmarc.records))
    for key in facts.keys[:MOST_KEYS]:
        answer = yield Question(key.name, RecordType.TXT)
        if not answer.is_trouble:
            seen.append(_fact(facts.subject, f"DKIM {key.selector}"[:40], answer.records))
    has_policy = any(one.lower().startswith("v=sts") for one in policies)
    return DomainRecords(
        domain=facts,
        seen=tuple(seen),
        mail_hosts=mx.records,
        policy_host=f"mta-sts.{facts.name}" if has_policy else "",
    )


def storable(text: str) -> str:
    """Without what no table takes, whoever wrote it: NUL, and halves of characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _fact(subject: str, name: str, records: Sequence[str]) -> Observed:
    return Observed(subject=subject, name=name, value=(storable(" | ".join(sorted(records))) or NONE)[:LONGEST])


def observe_server(subject: str, *, greeting: str, fingerprint: str, until: datetime | None) -> Iterator[Observed]:
    """Of a server that was spoken to."""
    if said := steady_greeting(greeting):
        yield Observed(subject=subject, name="greeting", value=said)
    if fingerprint:
        end = f", good until {until:%Y-%m-%d}" if until else ""
        yield Observed(subject=subject, name="certificate", value=f"SHA-256 {fingerprint}{end}")


def steady_greeting(text: str) -> str:
    """A greeting without what is another one every time: its host name, and words that have no digit in them and are no date."""
    first, *rest = DATE.sub("", text[:1000]).split()[:40] or [""]
    return storable(
        " ".join([first, *(word for word in rest if not any(char.isdigit() or char in ":;" for char in word))])
    )[:200]


def changes_among(rows: Sequence[tuple[str, str, str, datetime, datetime]], since: datetime) -> tuple[FactChange, ...]:
    """``rows``: subject, name, value, first and last seen. The newest change first; none older than ``since``."""
    changes: list[FactChange] = []
    former: dict[tuple[str, str], tuple[str, datetime]] = {}
    for subject, name, value, first, last in sorted(rows, key=lambda row: row[3]):
        known = former.get((subject, name))
        if known is not None and known[0] != value and first >= since:
            changes.append(
                FactChange(subject=subject, name=name, before=known[0], after=value, until=known[1], at=first)
            )
        former[subject, name] = (value, last)
    return tuple(sorted(changes, key=lambda change: change.at, reverse=True))
