"""What is nobody's bug: the database or the disk is away, and will be back."""

from __future__ import annotations

import logging

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

OUTAGES = (OperationalError, InterfaceError, OSError)


class Outage:
    """Tells of an outage once, when it begins, and once when it is over. ``name`` is who works; ``what`` he does meanwhile."""

    def __init__(self, name: str, what: str = "waits for the database") -> None:
        self._name = name
        self._what = what
        self._is_on = False

    def goes_on(self, error: BaseException) -> None:
        if not self._is_on:
            self._is_on = True
            logger.error("%s: %s: %s", self._name, self._what, str(error).strip())

    def is_over(self) -> None:
        if self._is_on:
            self._is_on = False
            logger.warning("%s: works again", self._name)
