"""The judgement on a mail: all rules asked in order, a report with a score and its arithmetic.

Laws: pure; never raises for what a mail holds. The report is a value that is stored, shown, and given to programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom.core.mailtest.authentication import check_authentication
from postroom.core.mailtest.content import check_content
from postroom.core.mailtest.evidence import MOST_SYMBOLS, SenderChecks, SpamUnchecked, SpamVerdict
from postroom.core.mailtest.facts import MailFacts, Source
from postroom.core.mailtest.findings import (
    TestFinding,
    arithmetic_of,
    finding_as_row,
    finding_from_row,
    found,
    in_points,
    score_of,
)
from postroom.core.mailtest.header import check_header
from postroom.core.mailtest.leading import check_attachments, check_links
from postroom.core.mailtest.lists import check_lists, check_size
from postroom.core.mailtest.path import check_path, in_words, skew_in_words
from postroom.core.mailtest.rules import RuleCode
from postroom.core.mime.words import storable

SUSPECTED = 2.0  # of a filter's points below its threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldHop:
    """A hop, as it is shown."""

    by: str
    from_: str
    protocol: str
    at: str
    delay: str  # "" where nobody can tell
    skew: str  # "" for a clock that is believed


@dataclass(frozen=True, slots=True, kw_only=True)
class MailReport:
    """What the mail test found. ``tenths``: the score in tenths of a point, of 100."""

    source: Source
    subject: str
    header_from: str
    message_id: str
    size: int
    tenths: int
    arithmetic: str
    findings: tuple[TestFinding, ...]
    hops: tuple[ToldHop, ...] = ()

    @property
    def score(self) -> str:
        """``8.5``, of ten."""
        return in_points(self.tenths)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "score": self.tenths / 10,
            "of": 10,
            "arithmetic": self.arithmetic,
            "source": self.source.value,
            "subject": self.subject,
            "from": self.header_from,
            "message_id": self.message_id,
            "size": self.size,
            "findings": [one.as_json() for one in self.findings],
            "path": [
                {
                    "by": hop.by,
                    "from": hop.from_,
                    "with": hop.protocol,
                    "at": hop.at,
                    "delay": hop.delay,
                    "clock": hop.skew,
                }
                for hop in self.hops
            ],
        }


def judge(facts: MailFacts, checks: SenderChecks, spam: SpamVerdict | SpamUnchecked) -> MailReport:
    """All rules, what costs points first within each section's order."""
    findings = (
        *check_authentication(facts, checks),
        *check_path(facts),
        *check_header(facts),
        *check_content(facts),
        *check_links(facts),
        *check_attachments(facts),
        *check_lists(facts, checks),
        *check_size(facts),
        *_filter(spam),
    )
    mail = facts.mail
    return MailReport(
        source=facts.source,
        subject=storable(mail.subject[:500]),
        header_from=storable(mail.header("from")[:500]),
        message_id=storable(mail.message_id[:500]),
        size=facts.wire.size,
        tenths=score_of(findings),
        arithmetic=arithmetic_of(findings),
        findings=findings,
        hops=tuple(_told(facts)),
    )


def _filter(spam: SpamVerdict | SpamUnchecked) -> list[TestFinding]:
    match spam:
        case SpamUnchecked():
            return [found(RuleCode.SPAM_UNCHECKED, why=spam.why)]
        case SpamVerdict():
            lines = [
                f"{f'{one.points:+g} ' if one.points is not None else ''}{one.name} {one.text}".strip()
                for one in sorted(spam.symbols[:MOST_SYMBOLS], key=lambda one: -abs(one.points or 0.0))
            ]
            code = RuleCode.SPAM_GOOD
            if spam.is_spam:
                code = RuleCode.SPAM_FOUND
            elif spam.score >= SUSPECTED:
                code = RuleCode.SPAM_SUSPECTED
            return [found(code, evidence=lines, score=f"{spam.score:g}", threshold=f"{spam.threshold:g}")]


def _told(facts: MailFacts) -> list[ToldHop]:
    return [
        ToldHop(
            by=storable(hop.by),
            from_=storable(f"{hop.helo} [{hop.ip}]" if hop.ip and hop.ip not in hop.helo else hop.helo),
            protocol=storable(hop.protocol),
            at=f"{hop.at:%Y-%m-%d %H:%M:%S} UTC" if isinstance(hop.at, datetime) else "",
            delay=in_words(hop.delay) if hop.delay is not None else "",
            skew=skew_in_words(hop.skew) if hop.skew else "",
        )
        for hop in facts.hops
    ]


# ---- kept with the test


def report_as_row(report: MailReport) -> dict[str, Any]:
    """As it is stored; `report_from_row` reads it."""
    return {
        "source": report.source.value,
        "subject": report.subject,
        "from": report.header_from,
        "message_id": report.message_id,
        "size": report.size,
        "tenths": report.tenths,
        "arithmetic": report.arithmetic,
        "findings": [finding_as_row(one) for one in report.findings],
        "hops": [[hop.by, hop.from_, hop.protocol, hop.at, hop.delay, hop.skew] for hop in report.hops],
    }


def report_from_row(row: Mapping[str, Any] | None) -> MailReport | None:
    """None for none, or for one of a version that wrote it otherwise."""
    try:
        if not row:
            return None
        return MailReport(
            source=Source(row["source"]),
            subject=str(row["subject"]),
            header_from=str(row["from"]),
            message_id=str(row["message_id"]),
            size=int(row["size"]),
            tenths=int(row["tenths"]),
            arithmetic=str(row["arithmetic"]),
            findings=tuple(one for each in row["findings"] if (one := finding_from_row(each)) is not None),
            hops=tuple(
                ToldHop(by=one[0], from_=one[1], protocol=one[2], at=one[3], delay=one[4], skew=one[5])
                for one in row["hops"]
            ),
        )
    except (KeyError, ValueError, TypeError, IndexError):
        return None
