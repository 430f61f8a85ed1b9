"""Mail templates: what rendering one takes and gives, and how dates and numbers are written in a language.

Laws: pure; what is wrong with a template is told with its line, in words for the person who wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

MAX_SOURCE = 500_000  # characters of a template
MAX_RENDERED = 2_000_000  # characters of what it becomes

Plain = str | int | float | bool | Decimal | date | datetime | None
Values = Mapping[str, object]  # plain values, in plain mappings, and short tuples of these


class TemplateError(ValueError):
    """The template cannot be used. ``line`` counts from 1; 0: no line in particular. ``field``: subject or html."""

    def __init__(self, text: str, line: int = 0, field: str = "") -> None:
        super().__init__(f"Line {line}: {text}" if line else text)
        self.line = line
        self.field = field


def best_language(wanted: str, offered: Mapping[str, object] | list[str]) -> str | None:
    """Of the languages offered the one that suits best: itself (``de-at``), its main language, a sibling; None: none of them."""
    wanted = wanted.strip().lower().replace("_", "-")
    by_name = {name.lower().replace("_", "-"): name for name in offered}
    main = wanted.partition("-")[0]
    if wanted in by_name:
        return by_name[wanted]
    if main in by_name:
        return by_name[main]
    return (
        next((name for low, name in sorted(by_name.items()) if low.partition("-")[0] == main), None) if main else None
    )


_MONTHS = {
    "en": "January February March April May June July August September October November December".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "nl": "januari februari maart april mei juni juli augustus september oktober november december".split(),
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
}
_DAY = {"de": "{day}. {month} {year}", "es": "{day} de {month} de {year}"}
_MARKS = {
    "en": (",", "."),
    "fr": ("\u202f", ","),
    "de": (".", ","),
    "nl": (".", ","),
    "es": (".", ","),
    "it": (".", ","),
}


def spoken_date(value: date, language: str) -> str:
    """``21 November 2026``, ``21. November 2026``; ISO 8601 in languages that are not known here."""
    main = _main(language)
    if main not in _MONTHS:
        return f"{value:%Y-%m-%d}"
    pattern = _DAY.get(main, "{day} {month} {year}")
    return pattern.format(day=value.day, month=_MONTHS[main][value.month - 1], year=value.year)


def spoken_number(value: Decimal | float, language: str, decimals: int) -> str:
    """``1,234.50`` in English, ``1.234,50`` in German."""
    thousands, point = _MARKS.get(_main(language), ("\u00a0", "."))
    whole = f"{value:,.{decimals}f}"
    return whole.translate({ord(","): thousands, ord("."): point})


def _main(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]
