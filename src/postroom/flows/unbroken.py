"""Checks of which none can take the others down: one that breaks is told as unchecked, and logged with its traceback.

Laws: only what is a fault of ours is caught. A lost database is none: it ends the whole look, as it ends everything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from postroom.core.diagnosis.broken_checks import Check, broken
from postroom.core.diagnosis.findings import HOUSE, Finding
from postroom.core.senders.questions import Asking

T = TypeVar("T")
LOST = (OperationalError, InterfaceError)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Unbroken:
    """``findings``: of the checks that broke."""

    findings: list[Finding] = field(default_factory=list)

    def look(self, check: Check, how: Callable[[], Iterable[T]]) -> list[T]:
        """What it came to; nothing where it broke."""
        try:
            return list(how())
        except LOST:
            raise
        except Exception as error:
            log_broken(check.value, error)
            self.note(check, error)
            return []

    def note(self, check: Check, error: Exception, *, subject: str = HOUSE, about: Iterable[str] = ()) -> None:
        """A check broke, and is logged already."""
        self.findings.append(broken(check, type(error).__name__, subject=subject, about=about))


def unbroken_asking(asking: Asking[T], subject: str, about: Iterable[str] = ()) -> Asking[T | list[Finding]]:
    """The same questions; what broke among the answers is told of ``subject`` alone."""
    try:
        return (yield from asking)
    except Exception as error:
        log_broken(f"{Check.NAMES.value}, {subject}", error)
        return [broken(Check.NAMES, type(error).__name__, subject=subject, about=about)]


def log_broken(what: str, error: Exception) -> None:
    _log.error("a check broke: %s", what, exc_info=error)
