"""What may stand in an alias: its name (D-13), and the values that the records which it makes begin with (D-12, I-64).

Laws: pure. What cannot be is refused where a person can mend it, when the alias is stored (`check_defaults` raises); when mail comes,
what no longer fits the kind is left out (`usable_defaults` never raises): a stage that was renamed loses no mail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Plain = str | int | float | bool | None

LONGEST_NAME = 64  # RFC 5321 4.5.3.1.1
LONGEST_VALUE = 2_000  # characters
MOST_VALUES = 100
_NOT_ATOM = re.compile(r"[^a-z0-9!#$%&'*/=?^_`{|}~.-]+")
_NAME = re.compile(r"[^\x00-\x1f=]{1,80}")


class AliasValueError(ValueError):
    """It cannot stand in an alias; the text says what is wrong, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindShape:
    """What records of a kind have. Without ``value_names`` they take any."""

    stages: Sequence[str] = ()
    value_names: Sequence[str] = ()


def clean_alias_name(text: str) -> str:
    """``Déboulonneur 😊`` becomes ``deboulonneur-``: accents off, lower case, what stands before the @, runs of what no mail program
    writes as one dash, dots only between words. ``""`` when nothing is left to write to: letters that cannot be written down in ASCII
    make no name."""
    local = unicodedata.normalize("NFKD", text.strip().partition("@")[0])
    plain = "".join(char for char in local if not unicodedata.combining(char)).lower()
    dashed = _NOT_ATOM.sub("-", plain)
    name = re.sub(r"\.{2,}", ".", dashed).strip(".")[:LONGEST_NAME].strip(".")
    return name if any(char.isalnum() for char in name) else ""


def check_defaults(defaults: object, kind: KindShape) -> dict[str, Plain]:
    """The values as they are stored. Raises `AliasValueError` naming the first that cannot be."""
    if not isinstance(defaults, Mapping):
        raise AliasValueError("Values are pairs of a name and a value.")
    if len(defaults) > MOST_VALUES:
        raise AliasValueError(f"{len(defaults)} values are too many; {MOST_VALUES} may be given.")
    for name, value in defaults.items():
        trouble = _trouble(name, value, kind)
        if trouble:
            raise AliasValueError(trouble)
    return dict(defaults)


def usable_defaults(defaults: object, kind: KindShape) -> tuple[dict[str, Plain], bool]:
    """Those that still fit the kind, and whether all did."""
    given = defaults if isinstance(defaults, Mapping) else {}
    fit = {name: value for name, value in given.items() if not _trouble(name, value, kind)}
    return fit, fit == defaults


def read_lines(text: str) -> dict[str, Plain]:
    """``stage = Done`` on a line each, as people write values down. Raises `AliasValueError`."""
    found: dict[str, Plain] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, is_pair, value = line.partition("=")
        if not is_pair:
            raise AliasValueError(f"A line is a name, an equals sign and a value, not {line!r}.")
        if name.strip() in found:
            raise AliasValueError(f"{name.strip()!r} is given twice.")
        found[name.strip()] = value.strip()
    return found


def as_lines(defaults: object) -> str:
    """The same the other way."""
    given = defaults if isinstance(defaults, Mapping) else {}
    return "\n".join(f"{name} = {value if value is not None else ''}" for name, value in given.items())


def _trouble(name: object, value: object, kind: KindShape) -> str:
    """What is wrong with a pair; ``""``: nothing."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{name!r} is no name of a value."
    if not isinstance(value, Plain) or (isinstance(value, str) and (len(value) > LONGEST_VALUE or "\0" in value)):
        return f"The value of {name!r} is too long, or neither text nor number."
    if name == "stage" and value not in kind.stages:
        return f"There is no stage {value!r}; there are: {', '.join(kind.stages)}."
    if name == "title" and not isinstance(value, str):
        return "A title is a text."
    if kind.value_names and name not in ("stage", "title", *kind.value_names):
        return f"Records of this kind have no {name!r}; they have: title, stage, {', '.join(kind.value_names)}."
    return ""
