"""Reasons: every decision says why, as data (law 4).

A `Reason` is a code and facts. Its sentence is made from the catalogue below, so that pages can translate it,
programs can match the code, and `docs/reference/reasons.md` lists them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SENTENCES: dict[str, str] = {}
_DEEPEST = 3  # reasons within reasons


def catalogue(sentences: Mapping[str, str]) -> None:
    """Add a room's sentences (templates with named fields). A code belongs to one room: twice is a programming error."""
    for code, sentence in sentences.items():
        if SENTENCES.setdefault(code, sentence) != sentence:
            raise ValueError(f"reason {code} has two sentences")


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` names a sentence of the catalogue; ``facts`` fill its fields (texts, ready to be shown). ``within``: those of the facts that are
    reasons themselves, so that who translates the sentence translates them, too."""

    code: str
    facts: Mapping[str, str] = field(default_factory=dict)
    within: Mapping[str, Reason] = field(default_factory=dict)

    def __str__(self) -> str:
        return sentence(self.code, self.facts)

    def as_json(self) -> dict[str, object]:
        row: dict[str, object] = {"code": self.code, "facts": dict(self.facts)}
        return row | {"within": {name: one.as_json() for name, one in self.within.items()}} if self.within else row


def because(code: str, **facts: object) -> Reason:
    """A reason whose facts are turned to text."""
    within = {name: value for name, value in facts.items() if isinstance(value, Reason)}
    return Reason(code, {name: str(value) for name, value in facts.items()}, within)


def reasons_as_json(reasons: Iterable[Reason]) -> list[dict[str, object]]:
    return [reason.as_json() for reason in reasons]


def reasons_from_json(rows: Iterable[Mapping[str, object]]) -> tuple[Reason, ...]:
    """Stored reasons, also those of an older version whose code is gone."""
    return tuple(_reason_from_json(row, depth=0) for row in rows)


def _reason_from_json(row: Mapping[str, object], *, depth: int) -> Reason:
    facts, within = row.get("facts"), row.get("within")
    inner = within.items() if isinstance(within, Mapping) and depth < _DEEPEST else ()
    return Reason(
        str(row.get("code", "")),
        facts if isinstance(facts, Mapping) else {},
        {name: _reason_from_json(one, depth=depth + 1) for name, one in inner if isinstance(one, Mapping)},
    )


def sentence(code: str, facts: Mapping[str, str], template: str = "") -> str:
    """The sentence of a reason, from ``template`` (a translation) when given. Never raises: missing facts show as '?'."""
    template = template or SENTENCES.get(code, "") or code
    return template.format_map(_Lenient(facts))


class _Lenient(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
