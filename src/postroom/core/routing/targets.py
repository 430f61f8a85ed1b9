"""Targets of decisions: each once, and none that has this very mail already."""

from __future__ import annotations

from collections.abc import Iterable

from postroom.core.routing.verdicts import (
    AppendToRecord,
    CreateRecord,
    Decision,
    Discard,
    Facts,
    Hold,
    RecordReport,
    Refuse,
    TakeReceiversReport,
)


def each_target_once(decisions: Iterable[Decision]) -> list[Decision]:
    first: dict[tuple[object, ...], Decision] = {}
    for decision in decisions:
        first.setdefault(_target(decision), decision)
    return list(first.values())


def is_taken(decision: Decision, facts: Facts) -> bool:
    """Whether this very mail is on the target already: its second copy came by another way (W-6)."""
    known = facts.known_message
    match decision:
        case AppendToRecord(record_id=record_id):
            return record_id in facts.taken_records or (known is not None and known.record_id == record_id)
        case CreateRecord(alias_id=None, kind=kind):
            return known is not None and known.record_alias_id is None and known.kind == kind
        case CreateRecord(alias_id=alias_id):
            return alias_id in facts.taken_aliases or (known is not None and known.record_alias_id == alias_id)
        case _:
            return False


def _target(decision: Decision) -> tuple[object, ...]:
    match decision:
        case AppendToRecord(record_id=record_id):
            return ("record", record_id)
        case CreateRecord(alias_id=alias_id, kind=kind, company_id=company_id):
            return ("alias", alias_id) if alias_id is not None else ("kind", kind, company_id)
        case Refuse(answer=answer, alias_id=alias_id):
            return ("refusal", answer, alias_id)
        case Hold(reasons=reasons):
            return ("hold", *map(str, reasons))
        case RecordReport() | TakeReceiversReport() | Discard():
            return (type(decision),)
