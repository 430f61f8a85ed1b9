"""Entering the house: configuration, database and tables, before a command asks a flow.

Laws: whoever enters starts the embedded database if nobody runs it, and the last one out stops it. Tables that are behind
this version are never changed in passing: the command says what to do.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from secrets import token_hex
from threading import Thread
from typing import TYPE_CHECKING, NoReturn

from postroom.cli.telling import give_up, remark

if TYPE_CHECKING:
    from postroom.core.terms.configuration import Configuration
    from postroom.flows.ports import Ports

COLLECTING = 700  # new objects before garbage is looked for, as Python has it
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
            f"There is no house in {folder}. To make one: postroom up, or postroom setup (postroom demo makes one to look around, in "
            "data/demo). If another is meant, name its folder: POSTROOM_DATA_DIR."
        )


def ports_without_house() -> Ports | None:
    """For a question that needs no tables, where nobody ever made a house: with a key that nobody keeps, and no log; none is made. None where
    there is a house."""
    from django.conf import settings

    from postroom.workers.house import missing_house

    if settings.configured or missing_house() is None:
        return None
    os.environ |= {"POSTROOM_SECRET_KEY": token_hex(32), "POSTROOM_LOG_DAYS": "0"}
    configured(makes_house=True)
    from postroom.wiring import ports

    return ports()


@contextmanager
def running(configuration: Configuration, *, needs: Sequence[str] = ()) -> Iterator[None]:
    """The database, running for as long as the block lasts. SIGTERM leaves the block, so that no database stays behind.

    What runs inside may listen to signals in its own way. ``needs``: modules that the block will import; they are, while PostgreSQL starts.
    """
    from django.db import connections

    from postroom.workers.database import running_database

    before = signal.signal(signal.SIGTERM, _leave)
    fetching = Thread(target=_fetch, args=(needs,), daemon=True)
    fetching.start()
    try:
        with nullcontext() if configuration.database_url else running_database(Path(configuration.data_dir)):
            fetching.join()
            gc.freeze()  # what was imported stays
            gc.set_threshold(COLLECTING, *gc.get_threshold()[1:])
            try:
                yield
            finally:
                connections.close_all()
    finally:
        fetching.join()  # two who import at a time could meet half-made modules: also where there is no database to be had
        signal.signal(signal.SIGTERM, before)


def _fetch(modules: Sequence[str]) -> None:
    """What cannot be imported is told by who imports it."""
    with suppress(Exception):
        for module in modules:
            import_module(module)


def _leave(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


@contextmanager
def entered(*, makes_house: bool = False) -> Iterator[Ports]:
    """The ports of this installation, its database running and its tables as this version needs them; ``makes_house``: they are made."""
    with running(configured(makes_house=makes_house), needs=("postroom.wiring",)):
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
    """How many there are. Files that were all applied wait for nothing: that is asked without opening a file (with all of them open, each command
    would begin a tenth of a second later)."""
    from django.db import connection

    if _migrations_here() <= _migrations_applied():
        return 0
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _migrations_here() -> frozenset[tuple[str, str]]:
    """App and name of each file, found as Django's loader finds them."""
    from django.apps import apps

    return frozenset(
        (app.label, found.name)
        for app in apps.get_app_configs()
        if (folder := Path(app.path) / "migrations").is_dir()
        for found in iter_modules([str(folder)])
        if not found.ispkg and found.name[0] not in "_~"
    )


def _migrations_applied() -> frozenset[tuple[str, str]]:
    """What the database says; nothing where nobody ever made its tables."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return frozenset()
        cursor.execute("SELECT app, name FROM django_migrations")
        return frozenset(cursor.fetchall())
