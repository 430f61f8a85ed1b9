"""Reasons: every decision says why, as data (law 4).

A `Reason` is a code and facts. Its sentence is made from the catalogue below, so that pages can translate it,
programs can match the code, and `docs/reference/reasons.md` lists them all.

Laws: a process tells reasons of rooms that it never entered (they are stored), but does not enter all rooms for that when it starts: at
the first code that it does not know they are opened, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

SENTENCES: dict[str, str] = {}
_DEEPEST = 3  # reasons within reasons


def catalogue(sentences: Mapping[str, str]) -> None:
    """Add a room's sentences (templates with named fields). A code belongs to one room: twice is a programming error."""
    for code, sentence in sentences.items():
        if SENTENCES.setdefault(code, sentence) != sentence:
            raise ValueError(f"reason {code} has two sentences")


class _Rooms:
    """Who opens those that nobody entered yet; None when that is done, or nobody can."""

    open: Callable[[], None] | None = None


def rooms_are_opened_by(opener: Callable[[], None]) -> None:
    """``opener`` imports every room with sentences; it is called at the first code that is not in the catalogue."""
    _Rooms.open = staticmethod(opener)


def template_of(code: str) -> str:
    """The sentence of the catalogue with its named fields; empty where the code is of no room (any more)."""
    if code not in SENTENCES and (opener := _Rooms.open) is not None:
        opener()
        _Rooms.open = None
    return SENTENCES.get(code, "")


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


def told(reason: Reason, translate: Callable[[str], str]) -> str:
    """Its sentence in another language. ``translate``: what turns a sentence of the catalogue into it."""
    known = template_of(reason.code)
    facts = {**reason.facts, **{name: told(one, translate) for name, one in reason.within.items()}}
    return sentence(reason.code, facts, translate(known) if known else "")


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
    template = template or template_of(code) or code
    return template.format_map(_Lenient(facts))


class _Lenient(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
