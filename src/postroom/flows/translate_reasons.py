"""A reason's sentence in a language: that of whoever looks at a page, or of whom a mail is written to."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import translation

from postroom.core.terms.reasons import Reason, sentence, template_of


def translated(reason: Reason) -> str:
    """In the language that is active; English where the catalogue has no translation."""
    known = template_of(reason.code)
    return sentence(reason.code, reason.facts, translation.gettext(known) if known else "")


def told_in(language: str) -> Callable[[Reason], str]:
    """``language`` as pages name it (``de``)."""

    def tell(reason: Reason) -> str:
        with translation.override(language):
            return translated(reason)

    return tell
