"""Waiting for a NOTIFY of PostgreSQL, on a connection of its own.

Laws: a NOTIFY only saves time; whoever waits looks by himself after each wait. A connection that was lost is noticed (by
the kernel's keep-alives at the latest) and made anew, and then the wait ends as if somebody had called: what was
called meanwhile was not heard.
"""

from __future__ import annotations

import logging
import select
import time
from contextlib import suppress

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import sql

from postroom.workers.stopping import Stop

logger = logging.getLogger(__name__)

KEEP_ALIVE = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "connect_timeout": "10",
}
RETRY_AFTER = 1.0  # seconds between two tries to connect


class Wakeups:
    """An ear on one channel. For one thread."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._next_try = 0.0
        self._is_deaf = False  # that it cannot hear was told

    def wait(self, stop: Stop, seconds: float) -> bool:
        """At most ``seconds``, until somebody calls or ``stop`` is set. Whether somebody called (or may have)."""
        if self._connection is None:
            if self._connect():
                return True
            stop.wait(min(seconds, RETRY_AFTER))
            return False
        try:
            ready, _, _ = select.select([self._connection.fileno(), stop.fileno()], [], [], seconds)
            called = self._connection.fileno() in ready and self._take_calls()
        except (psycopg.Error, OSError, ValueError) as error:
            self._lose(error)
            return False
        return called

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _take_calls(self) -> bool:
        assert self._connection is not None  # noqa: S101 - for the type checker
        return len(list(self._connection.notifies(timeout=0))) > 0

    def _connect(self) -> bool:
        if time.monotonic() < self._next_try:
            return False
        self._next_try = time.monotonic() + RETRY_AFTER
        try:
            self._connection = _own_connection()
            self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.channel)))
        except (psycopg.Error, OSError) as error:
            self._lose(error)
            return False
        if self._is_deaf:
            self._is_deaf = False
            logger.warning("listening on %s again", self.channel)
        return True

    def _lose(self, error: Exception) -> None:
        self.close()
        if not self._is_deaf:
            self._is_deaf = True
            logger.warning("not listening on %s: %s", self.channel, str(error).strip())


def _own_connection() -> psycopg.Connection[tuple[object, ...]]:
    """Like Django's, in autocommit, and shared with nobody."""
    settings = connections[DEFAULT_DB_ALIAS].get_connection_params()
    wanted = ("dbname", "user", "password", "host", "port")
    chosen = {key: value for key, value in settings.items() if key in wanted or key.startswith("ssl")}
    return psycopg.connect(**{**KEEP_ALIVE, **chosen}, autocommit=True, fallback_application_name="postroom wakeups")
