"""The extra values of a record: what kinds of them there are, what may stand in them, how they read.

Duty: a kind of record names its values; those that are no text have a type. Laws: pure; a value that does not fit raises `ValueTrouble`
with what would fit; a value that no kind names stays as it is, and is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum

LONGEST = 2000  # characters


class ValueType(StrEnum):
    """What stands in a value."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"  # 2026-03-12
    SWITCH = "switch"  # yes or no
    CHOICE = "choice"


class ValueTrouble(ValueError):  # noqa: N818 (an answer to a person, not a fault)
    """It cannot stand there; the text says what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueField:
    """One value of a kind, and what a record has in it. ``shown`` is ``""`` for nothing."""

    name: str
    type: ValueType = ValueType.TEXT
    choices: tuple[str, ...] = ()
    shown: str = ""


def fields_of(names: Iterable[object], types: object, values: object) -> tuple[ValueField, ...]:
    """Those that the kind names, in its order, then those that the record has besides."""
    known = types if isinstance(types, Mapping) else {}
    given = values if isinstance(values, Mapping) else {}
    ordered = dict.fromkeys([*map(str, names), *map(str, given)])
    return tuple(_field(name, known.get(name), given.get(name)) for name in ordered)


def _field(name: str, kind: object, value: object) -> ValueField:
    if isinstance(kind, list | tuple):
        return ValueField(name=name, type=ValueType.CHOICE, choices=tuple(map(str, kind)), shown=shown(value))
    typed = (ValueType.NUMBER, ValueType.DATE, ValueType.SWITCH)
    known = next((one for one in typed if one == kind), ValueType.TEXT)
    return ValueField(name=name, type=known, shown=shown(value))


def shown(value: object) -> str:
    """A stored value as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def read_value(field: ValueField, text: str) -> str | int | float | bool | None:
    """What is stored for what was typed; None for nothing. Raises `ValueTrouble`."""
    text = text.strip()
    if not text:
        return None
    match field.type:
        case ValueType.TEXT:
            if len(text) > LONGEST or "\0" in text:
                raise ValueTrouble(f"{field.name}: at most {LONGEST} characters.")
            return text
        case ValueType.NUMBER:
            return _number(field.name, text)
        case ValueType.DATE:
            return _date(field.name, text)
        case ValueType.SWITCH:
            if text.lower() not in ("yes", "no"):
                raise ValueTrouble(f"{field.name}: yes or no.")
            return text.lower() == "yes"
        case ValueType.CHOICE:
            if text not in field.choices:
                raise ValueTrouble(f"{field.name}: one of {', '.join(field.choices)}.")
            return text


def _number(name: str, text: str) -> int | float:
    try:
        number = Decimal(text) if len(text) <= 30 else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) >= 10**15:
        raise ValueTrouble(f"{name}: a number, such as 12 or 12.50.")
    return int(number) if number == number.to_integral_value() else float(number)


def _date(name: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueTrouble(f"{name}: a day, such as 2026-03-12.") from None
