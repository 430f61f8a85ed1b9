"""A process says that it works, as long as it does.

Duty: the sign of life of one process in a role (`store.signs`), and how its connections to the database call themselves.
Laws: it is given by the loop that does the work, in the thread that does it, never by a thread that would live on while the work hangs; where
several loops are one process, only while all of them turn. It disturbs nobody: what it cannot write is tried again later.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress

from django.db import close_old_connections, connections

from postroom.core.diagnosis.signs import SIGN_EVERY
from postroom.store.signs import clear_signs, give_sign, take_back_sign
from postroom.workers.outages import OUTAGES

logger = logging.getLogger(__name__)

PART_PATIENCE = 300.0  # seconds that a loop beside the main one may take for one turn
CLEAR_EVERY = 40  # signs
_OURS = "postroom "


def name_connections(role: str) -> None:
    """So that the database can say who is there (`store.queries.doctor`), each process by itself. A name that a person gave stays."""
    if os.environ.get("PGAPPNAME", _OURS).startswith(_OURS):
        os.environ["PGAPPNAME"] = f"{_OURS}{role} {os.getpid()}@{_machine()}"


def _machine() -> str:
    name = socket.gethostname()[:30]
    return name if name.isascii() and name.isprintable() else name.encode("ascii", "replace").decode()


class Signs:
    """Of this process. ``parts``: loops beside the main one, which say with `tick` that they turn. ``is_guest``: in a thread of everybody's,
    so the connection is given back."""

    def __init__(self, role: str, *, parts: Sequence[str] = (), is_guest: bool = False) -> None:
        self.role = role
        self._pid = os.getpid()
        self._name = os.environ.get("PGAPPNAME") or f"{_OURS}{role} {self._pid}@{_machine()}"
        self._ticked = dict.fromkeys(parts, time.monotonic())
        self._is_guest = is_guest
        self._count = 0
        self._next = 0.0
        self._is_withheld = False

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._next

    def tick(self, part: str) -> None:
        """This loop turns. From its own thread."""
        self._ticked[part] = time.monotonic()

    def give(self) -> None:
        """When it is time; from the main loop, as often as it turns."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + SIGN_EVERY
        if not self._all_turn(now):
            return
        try:
            close_old_connections()
            give_sign(self._name, role=self.role, machine=_machine(), pid=self._pid)
            if self._count % CLEAR_EVERY == 0:
                clear_signs()
            self._count += 1
        except OUTAGES:
            pass  # whoever works tells it
        except Exception:
            logger.exception("%s: no sign of life could be given", self.role)
        finally:
            if self._is_guest:
                connections.close_all()

    def end(self) -> None:
        """Nothing is under way any more but the end."""
        with suppress(*OUTAGES):
            take_back_sign(self._name)

    def _all_turn(self, now: float) -> bool:
        stuck = [part for part, at in self._ticked.items() if now - at > PART_PATIENCE]
        if stuck and not self._is_withheld:
            logger.error("%s: hangs in %s; it gives no sign of life any more", self.role, ", ".join(stuck))
        self._is_withheld = bool(stuck)
        return not stuck
