"""A finding of the doctor: what is wrong, with evidence, cause, cure, and whose turn it is; and how many findings become few.

Laws: pure. Evidence is verbatim (a record, a reply, a number with its date), never a guess; cause and cure are reasons, so that pages
translate them. `fold` puts the root first and what only follows from it below it: each effect stands under the deepest cause that
explains it for the same subject, for one that it touches, or for the whole house. A cause is as grave as what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from postroom.core.diagnosis.acting import Actor
from postroom.core.diagnosis.finding_codes import EXPLAIN_ALL, FOLLOWS, KINDS, FindingCode, Severity
from postroom.core.terms.reasons import Reason, because

HOUSE = "the house"  # a subject that touches all others
LONGEST_EVIDENCE = 500  # characters of one piece
MOST_EVIDENCE = 10  # pieces of findings that are told as one


def server_named(name: str) -> str:
    return f"server {name}"


def mailbox_named(name: str) -> str:
    return f"mailbox {name}"


def domain_named(name: str) -> str:
    return f"domain {name}"


def action_named(name: str) -> str:
    return f"action {name}"


class FixKind(StrEnum):
    """What a page can do at once, because it is safe and can be undone."""

    TEST_SERVER = "test_server"
    RESUME_SERVER = "resume_server"
    TEST_MAILBOX = "test_mailbox"
    RUN_ACTION = "run_action"
    SWITCH_ON_ACTION = "switch_on_action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """``target``: the number or key of what it is done to."""

    kind: FixKind
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecord:
    """A record to publish. ``name`` without the last dot, ``value`` whole (strings of a TXT record joined)."""

    type: str
    name: str
    value: str

    def as_json(self) -> dict[str, str]:
        return {"type": self.type, "name": self.name, "value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``about``: other subjects that it touches. ``detail`` names the case within the code (``certificate_expired``), ``""``: none."""

    code: FindingCode
    severity: Severity
    subject: str
    cause: Reason
    cure: Reason
    who: Actor
    evidence: tuple[str, ...] = ()
    detail: str = ""
    about: frozenset[str] = frozenset()
    publish: tuple[PublishedRecord, ...] = ()
    fix: Fix | None = None

    @property
    def touches(self) -> frozenset[str]:
        return self.about | {self.subject}


_NO_FACTS: Mapping[str, object] = {}


def found(
    code: FindingCode,
    subject: str = HOUSE,
    *,
    evidence: Iterable[str] = (),
    severity: Severity | None = None,
    who: Actor | None = None,
    detail: str = "",
    about: Iterable[str] = (),
    publish: Iterable[PublishedRecord] = (),
    fix: Fix | None = None,
    cause: Reason | None = None,
    cure: Reason | None = None,
    facts: Mapping[str, object] = _NO_FACTS,
) -> Finding:
    """A finding with the sentences of its code, filled with ``facts``, unless cause and cure are known better."""
    kind = KINDS[code]
    return Finding(
        code=code,
        severity=severity or kind.severity,
        subject=subject,
        cause=cause or because(f"finding.{code}", **facts),
        cure=cure or because(f"heal.{code}", **facts),
        who=who or kind.who,
        evidence=tuple(piece[:LONGEST_EVIDENCE] for piece in evidence),
        detail=detail,
        about=frozenset(about),
        publish=tuple(publish),
        fix=fix,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A finding with what only follows from it. ``severity`` is that of the gravest among them; ``times``: so often it says the same;
    ``since``: when the watch saw it first, None where it has not."""

    finding: Finding
    severity: Severity
    follows: tuple[Folded, ...] = ()
    times: int = 1
    since: datetime | None = None

    def all(self) -> Iterator[Finding]:
        """It, and what follows from it."""
        yield self.finding
        for one in self.follows:
            yield from one.all()

    @property
    def told_follows(self) -> tuple[Folded, ...]:
        """What follows, for people: what would only repeat the sentence above it is left out, and what follows from that moves up."""
        told: list[Folded] = []
        for one in self.follows:
            said_already = (one.finding.subject, str(one.finding.cause)) == (
                self.finding.subject,
                str(self.finding.cause),
            )
            told += one.told_follows if said_already else (one,)
        return tuple(told)

    def as_json(self, tell: Callable[[Reason], str] = str) -> dict[str, object]:
        """For programs; ``tell`` makes the sentences (in another language)."""
        one = self.finding
        return {
            "code": one.code.value,
            "severity": self.severity.value,
            "subject": one.subject,
            "evidence": list(one.evidence),
            "cause": tell(one.cause),
            "cure": tell(one.cure),
            "who": one.who.value,
            "detail": one.detail or None,
            "records": [record.as_json() for record in one.publish],
            "fix": {"kind": one.fix.kind.value, "target": one.fix.target} if one.fix else None,
            "since": self.since.isoformat() if self.since else None,
            "follows": [follower.as_json(tell) for follower in self.follows],
        }


def fold(findings: Iterable[Finding]) -> tuple[Folded, ...]:
    """Root causes first: the gravest, of equally grave ones the deepest. Nothing is dropped but what stands twice."""
    once = {(*_place(finding), finding.evidence): finding for finding in findings}
    ordered = sorted(once.values(), key=_place)
    children: dict[int, list[int]] = {}
    roots: list[int] = []
    for place, finding in enumerate(ordered):
        parent = next((cause for cause in range(place) if _explains(ordered[cause], finding)), None)
        if parent is None:
            roots.append(place)
        else:
            children.setdefault(parent, []).append(place)
    folded = [_folded(place, ordered, children) for place in roots]
    return tuple(sorted(folded, key=_order))


def _order(one: Folded) -> tuple[int, bool, tuple[int, str, str]]:
    """Among what is only good to know, what happens to mail goes before how things are set."""
    is_still = one.severity is Severity.INFO and not one.finding.code.happens
    return one.severity.rank, is_still, _place(one.finding)


def is_well(folded: Iterable[Folded]) -> bool:
    """Whether there is no error."""
    return all(one.severity is not Severity.ERROR for one in folded)


def _place(finding: Finding) -> tuple[int, str, str]:
    return finding.code.rank, finding.subject, finding.detail


def _explains(cause: Finding, effect: Finding) -> bool:
    if cause.severity is Severity.NOT_APPLICABLE or cause.code is effect.code:
        return False
    if cause.code in EXPLAIN_ALL:
        return True
    if effect.code not in FOLLOWS.get(cause.code, frozenset()) or not _bears_clue(cause, effect):
        return False
    if cause.severity is Severity.UNCHECKED and effect.severity is not Severity.UNCHECKED:
        return cause.subject == HOUSE
    return HOUSE in (cause.subject, effect.subject) or not cause.touches.isdisjoint(effect.touches)


_NO_SETTINGS = frozenset({FindingCode.NOT_RUNNING, FindingCode.ROLE_MISSING, FindingCode.TABLES_BEHIND})


def _bears_clue(cause: Finding, effect: Finding) -> bool:
    """What changed before is told under what broke: under an error, or under the failures themselves; never where no setting can be guilty."""
    if effect.code is not FindingCode.CHANGED_BEFORE or cause.code is FindingCode.FAILING_MUCH:
        return True
    return cause.severity is Severity.ERROR and cause.code not in _NO_SETTINGS


def _folded(place: int, ordered: list[Finding], children: Mapping[int, list[int]]) -> Folded:
    finding = ordered[place]
    follows = _said_once(_folded(child, ordered, children) for child in children.get(place, ()))
    gravest = min((finding.severity, *(one.severity for one in follows)), key=lambda severity: severity.rank)
    if not (finding.severity.is_problem or finding.severity is Severity.INFO):
        gravest = finding.severity if not any(one.severity.is_problem for one in follows) else gravest
    return Folded(finding=finding, severity=gravest, follows=follows)


def _said_once(followers: Iterable[Folded]) -> tuple[Folded, ...]:
    """Those that would read the same become one, with the evidence of all."""
    groups: dict[tuple[str, str, str], list[Folded]] = {}
    for one in followers:
        groups.setdefault((one.finding.code.value, one.finding.subject, str(one.finding.cause)), []).append(one)
    return tuple(_joined(group) if len(group) > 1 else group[0] for group in groups.values())


def _joined(group: Sequence[Folded]) -> Folded:
    evidence = tuple(dict.fromkeys(piece for one in group for piece in one.finding.evidence))[:MOST_EVIDENCE]
    about = frozenset(subject for one in group for subject in one.finding.about)
    gravest = min(group, key=lambda one: one.severity.rank)
    return replace(
        gravest,
        finding=replace(gravest.finding, evidence=evidence, about=about),
        follows=_said_once(deeper for one in group for deeper in one.follows),
        times=sum(one.times for one in group),
    )
