"""Which findings can be the cause of what somebody asks about, and which are other people's trouble.

Law: what befell other recipients, and what only will happen, explains nothing; of mails that wait, what holds them does. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import HOUSE, Finding, Folded, domain_named, server_named
from postroom.core.diagnosis.symptoms import Symptom


def _codes(words: str) -> frozenset[FindingCode]:
    return frozenset(map(FindingCode, words.split()))


NOT_OF_LEAVING = frozenset({Symptom.SPAM, Symptom.NO_REPLIES, Symptom.NOT_RECEIVING, Symptom.DUPLICATES})
_FORETOLD = _codes("server_certificate_ends server_tls_ends token_ends door_tls_ends")
_OF_OTHERS = _codes(
    "addresses_refused mails_refused mails_deferred queue_waits failing_much mails_held outcomes_unknown"
)
_HOLDS_ALL = _codes(
    "database_unreachable tables_behind disk_broken disk_low not_running role_missing role_hung secrets_unreadable staging_lock capture_mode "
    "server_missing schedule_off schedule_failing schedule_late"
)
_HOLDS = _codes("server_paused server_limit server_slowed")  # warnings, and yet mail waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``is_named``: certain mails are asked about, ``domains`` are those of their recipients; ``is_of_leaving``: why they did not arrive;
    ``waits``: some of them have not left; ``servers``: by name, through which those must go."""

    domains: frozenset[str] = frozenset()
    is_named: bool = False
    is_of_leaving: bool = False
    waits: bool = False
    servers: frozenset[str] = frozenset()


def what_counts(findings: Iterable[Folded], asked: Asked) -> tuple[Folded, ...]:
    """Those that can be the cause; what follows from one that cannot stands for itself."""
    return tuple(_those(findings, asked))


def _those(findings: Iterable[Folded], asked: Asked) -> Iterator[Folded]:
    for one in findings:
        if _counts(one.finding, asked):
            yield one
        else:
            yield from _those(one.follows, asked)


def _counts(one: Finding, asked: Asked) -> bool:
    if one.code in _FORETOLD and one.severity is not Severity.ERROR:
        return False
    if not asked.is_named or not (one.severity.is_problem or one.severity is Severity.INFO):
        return True
    if one.code in _OF_OTHERS or not asked.is_of_leaving:
        return one.code not in _OF_OTHERS
    if asked.waits and one.code in _HOLDS_ALL:
        return True
    if one.severity is not Severity.ERROR and one.code not in _HOLDS:
        return False
    mine = {*map(domain_named, asked.domains), *map(server_named, asked.servers)}
    return one.subject != HOUSE and not one.touches.isdisjoint(mine)
