"""Languages of people and templates, as short tags in lower case. Standards: RFC 5646, what of it people use (``de``, ``pt-br``)."""

from __future__ import annotations

import re

_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})?")

# Those that are offered; any other tag can be stored by a program.
OFFERED = (
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
    ("it", "Italiano"),
    ("nl", "Nederlands"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("pt-br", "Português (Brasil)"),
    ("ja", "日本語"),
    ("zh", "中文"),
)


def read_language(text: str) -> str:
    """``pt-br`` from ``pt_BR``; ``""`` for what is no language."""
    language = text.strip().lower().replace("_", "-")
    return language if _TAG.fullmatch(language) else ""


def offered_with(language: str) -> tuple[tuple[str, str], ...]:
    """The offered ones, and the present one where it is another."""
    return OFFERED if not language or language in dict(OFFERED) else (*OFFERED, (language, language))
