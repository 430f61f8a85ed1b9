"""Sentences of the catalogue in the language of whoever looks at a page, asks a command or gets a mail. Law: what is not translated is told in English."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.utils.translation import get_language, gettext, override

from postroom.core.terms.reasons import Reason, because, told


def known_language(*wanted: str) -> str:
    """The first of these that the house speaks, as ``de``, ``de-AT`` or ``de_DE.UTF-8``; English where it speaks none."""
    spoken = {code for code, _ in settings.LANGUAGES}
    for one in wanted:
        code = one.partition(".")[0].replace("_", "-").lower()
        for language in (code, code.partition("-")[0]):
            if language in spoken:
                return language
    return "en"


def active_language() -> str:
    """Of whoever looks at the page, or asks the command."""
    return get_language() or "en"


def language_of_letter(chosen: str, asked: str) -> str:
    """Of a letter to somebody who chose this language. Everybody's is English until it is chosen, so English leaves it to the language
    in which the letter was ``asked`` for."""
    return known_language(asked if chosen in ("", "en") else chosen)


def translated(reason: Reason) -> str:
    """In the language that is active."""
    return told(reason, gettext)


def say(code: str, **facts: object) -> str:
    """The sentence of a code in the language that is active: what a form tells whoever fills it in."""
    return translated(because(code, **facts))


def teller(language: str) -> Callable[[Reason], str]:
    """What tells a reason in ``language``, as pages name it (``de``)."""

    def tell(reason: Reason) -> str:
        with override(language):
            return translated(reason)

    return tell
