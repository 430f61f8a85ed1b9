"""Entering the house: configuration, database and tables, before a command asks a flow.

Laws: whoever enters starts the embedded database if nobody runs it, and the last one out stops it. Tables that are behind
this version are never changed in passing: the command says what to do.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from postroom.cli.telling import give_up, remark

if TYPE_CHECKING:
    from postroom.core.terms.configuration import Configuration
    from postroom.flows.ports import Ports

SETTINGS = "postroom.project.settings"


def configured(*, is_quiet: bool = True, makes_house: bool = False, shows_pages: bool = False) -> Configuration:
    """Django, set up; the database is not asked. Raises `ConfigurationError`. Quiet: stderr gets warnings only, the files of logs everything.
    Where there is no house the command ends, unless it is one that makes a house. ``shows_pages``: those, too, are loaded."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    from django.conf import settings

    if not makes_house and not settings.configured:
        _require_house()
    from postroom.workers.house import process

    process.shows_pages = shows_pages or makes_house  # all tables are made together
    import django

    django.setup()
    if is_quiet:
        for handler in logging.getLogger().handlers:
            if handler.name == "stderr":  # as the settings call it
                handler.setLevel(logging.WARNING)
    configuration: Configuration = settings.POSTROOM
    return configuration


def _require_house() -> None:
    """Ends the command where nobody ever made a house: a question makes none."""
    from postroom.workers.house import missing_house

    if (folder := missing_house()) is not None:
        give_up(
            f"There is no house in {folder}. To make one: postroom up (postroom demo makes one to look around, in data/demo). If another "
            "is meant, name its folder: POSTROOM_DATA_DIR."
        )


@contextmanager
def running(configuration: Configuration) -> Iterator[None]:
    """The database, running for as long as the block lasts. SIGTERM leaves the block, so that no database stays behind.

    What runs inside may listen to signals in its own way.
    """
    from django.db import connections

    from postroom.workers.database import running_database

    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with nullcontext() if configuration.database_url else running_database(Path(configuration.data_dir)):
            try:
                yield
            finally:
                connections.close_all()
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


@contextmanager
def entered(*, makes_house: bool = False) -> Iterator[Ports]:
    """The ports of this installation, its database running and its tables as this version needs them; ``makes_house``: they are made."""
    with running(configured(makes_house=makes_house)):
        if makes_house and waiting_migrations():
            _make_house()
        require_tables()
        from postroom.wiring import ports

        yield ports()


def _make_house() -> None:
    from postroom.flows.guard_installation import check_home
    from postroom.wiring import ports
    from postroom.workers.supervisor import bring_tables_up_to_date

    remark("Making the tables, once.")
    bring_tables_up_to_date()
    check_home(ports())


def require_tables() -> None:
    """Ends the command when migrations are waiting."""
    if waiting := waiting_migrations():
        give_up(
            f"The tables of the database are {waiting} {'step' if waiting == 1 else 'steps'} behind this version, or nothing was set up "
            "here yet. Run: postroom up (or: postroom migrate). If another house is meant, name its folder: POSTROOM_DATA_DIR "
            "(data/demo is the demo's)."
        )


def waiting_migrations() -> int:
    """How many there are."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
