"""A connection on which the database itself refuses to write: whatever a reading tool is talked into, nothing changes.

Law: a connection that may still refuse never goes back to those who write: where the refusal cannot be taken back, it is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connection, transaction

from postroom.store.lent import kept


@contextmanager
def nothing_is_written(seconds: float, *, asks_world: bool = False) -> Iterator[None]:
    """On this thread's connection. A single statement has ``seconds`` at most; what takes longer, or writes, raises what Django raises.

    One read-only transaction, rolled back at the end; with ``asks_world`` many, because nobody waits for the network inside one.
    """
    most = max(1, int(seconds * 1000))
    if asks_world and not connection.in_atomic_block:
        with kept(), _whole_connection(most):
            yield
        return
    with transaction.atomic():
        _say("SET LOCAL transaction_read_only = on")
        _say(f"SET LOCAL statement_timeout = {most}")
        yield
        transaction.set_rollback(True)


@contextmanager
def _whole_connection(most: int) -> Iterator[None]:
    try:
        _say("SET default_transaction_read_only = on")
        _say(f"SET statement_timeout = {most}")
        yield
    finally:
        try:
            _say("RESET default_transaction_read_only")
            _say("RESET statement_timeout")
        except Error:
            connection.close()


def _say(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
