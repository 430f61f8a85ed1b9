"""What a rule found, and what it amounts to: the score with its arithmetic.

Laws: pure. Evidence is verbatim and bounded; why and what to do are reasons, so that pages translate them. The score is what is left of ten
points, never below none; its arithmetic can be followed line by line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from postroom.core.mailtest.rules import FULL, RULES, Outcome, RuleCode, Section
from postroom.core.mime.words import storable
from postroom.core.terms.reasons import Reason, because, reasons_from_json, template_of

MOST_EVIDENCE = 8  # pieces
LONGEST_EVIDENCE = 300  # characters of one


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord:
    """A record to publish: ``name`` without the last dot, ``value`` whole."""

    type: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFinding:
    """One rule's word on a mail. ``tenths``: what it costs; ``cure`` None where nothing is to be done."""

    __test__ = False

    code: RuleCode
    why: Reason
    cure: Reason | None = None
    evidence: tuple[str, ...] = ()
    publish: tuple[DnsRecord, ...] = ()

    @property
    def section(self) -> Section:
        return RULES[self.code].section

    @property
    def outcome(self) -> Outcome:
        return RULES[self.code].outcome

    @property
    def tenths(self) -> int:
        return RULES[self.code].tenths

    @property
    def points(self) -> str:
        """What it costs, as people read it: ``1.5``."""
        return in_points(self.tenths)

    def as_json(self) -> dict[str, object]:
        row: dict[str, object] = {
            "code": self.code.value,
            "section": self.section.value,
            "outcome": self.outcome.value,
            "points": self.tenths / 10,
            "why": str(self.why),
            "what_to_do": str(self.cure) if self.cure else "",
            "evidence": list(self.evidence),
            "records": [{"type": one.type, "name": one.name, "value": one.value} for one in self.publish],
        }
        return row


def found(
    code: RuleCode, *, evidence: Iterable[str] = (), publish: Iterable[DnsRecord] = (), **facts: object
) -> TestFinding:
    """A finding with the sentences of its code. Facts and evidence are what strangers wrote: bounded, and storable."""
    told = {name: _bounded_fact(value) for name, value in facts.items()}
    pieces = [_bounded(piece) for _, piece in zip(range(MOST_EVIDENCE), dict.fromkeys(evidence), strict=False)]
    return TestFinding(
        code=code,
        why=because(f"mailtest.{code}", **told),
        cure=because(f"mailtest.do.{code}", **told) if template_of(f"mailtest.do.{code}") else None,
        evidence=tuple(pieces),
        publish=tuple(publish),
    )


def _bounded_fact(value: object) -> str | Reason:
    if isinstance(value, Reason):
        return because(value.code, **{name: _bounded(fact) for name, fact in value.facts.items()})
    return _bounded(str(value))


def _bounded(text: str) -> str:
    return storable(text[:LONGEST_EVIDENCE])


def in_points(tenths: int) -> str:
    """``15`` as ``1.5``, ``20`` as ``2``."""
    return f"{tenths / 10:g}"


def score_of(findings: Iterable[TestFinding]) -> int:
    """Tenths of a point that are left of ten points."""
    return max(0, FULL - sum(one.tenths for one in findings))


def arithmetic_of(findings: Iterable[TestFinding]) -> str:
    """How the score came about: ``10 - 2 - 1.5 = 6.5``; below none it ends at 0."""
    lost = [one.tenths for one in findings if one.tenths]
    left = FULL - sum(lost)
    line = " - ".join([in_points(FULL), *map(in_points, lost)]) + f" = {in_points(left)}"
    return line if left >= 0 else f"{line}, so 0"


# ---- kept with the test


def finding_as_row(one: TestFinding) -> dict[str, object]:
    """As it is stored; `finding_from_row` reads it."""
    return {
        "code": one.code.value,
        "why": one.why.as_json(),
        "cure": one.cure.as_json() if one.cure else None,
        "evidence": list(one.evidence),
        "publish": [[record.type, record.name, record.value] for record in one.publish],
    }


def finding_from_row(row: Mapping[str, object]) -> TestFinding | None:
    """None for one of a version that had other rules."""
    try:
        why, cure, evidence, publish = row["why"], row["cure"], row["evidence"], row["publish"]
        if not isinstance(why, Mapping) or not isinstance(evidence, list) or not isinstance(publish, list):
            return None
        return TestFinding(
            code=RuleCode(str(row["code"])),
            why=reasons_from_json([why])[0],
            cure=reasons_from_json([cure])[0] if isinstance(cure, Mapping) else None,
            evidence=tuple(map(str, evidence)),
            publish=tuple(DnsRecord(type=str(one[0]), name=str(one[1]), value=str(one[2])) for one in publish),
        )
    except (KeyError, ValueError, IndexError, TypeError):
        return None
