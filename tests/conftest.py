"""The floor that all tests stand on.

Laws:
- No developer's data is touched: each worker of the run has a data directory of its own, and POSTROOM_* of the
  environment is gone.
- One PostgreSQL serves the whole run. It is started when the first test asks for a database (tests/core
  never does), shared by all workers, each with a database of its own, and stopped by the last one out. What
  a killed run left, the next one sweeps.
- Nothing leaves the machine (`loopback`).
- Under CI on Debian, where everything can be had, a skipped test is a failed one. Only tests marked `shared`
  may be skipped, and only where the mail corpora beside the project are absent.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql
from pytest_django import DjangoDbBlocker

from postroom.workers.database import Connection, DatabaseTrouble, EmbeddedDatabase, running_database
from tests import loopback
from tests.corpus.shared import SHARED

PROJECT = Path(__file__).parents[1]

PLACES = [Path("/dev/shm"), Path("/tmp")]  # memory if there is enough; both short, because paths of sockets are
ENOUGH_MEMORY = 2 << 30  # bytes
OWN_FOLDER = "POSTROOM_TESTS_FOLDER"

IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
OWN_NAME = os.environ.get("PYTEST_XDIST_WORKER", "alone")

hypothesis.settings.register_profile("quick", max_examples=60, deadline=None)
hypothesis.settings.register_profile("fuzz", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# -- a folder and an environment of our own, before anybody reads Django's settings


def _open_run() -> int:
    """Make the folder of this run. It is ours for as long as we hold the lock in it."""
    for name in [name for name in os.environ if name.startswith("POSTROOM_") and name != "POSTROOM_SHOTS"]:
        del os.environ[name]
    memory, disk = PLACES
    is_roomy = memory.is_dir() and shutil.disk_usage(memory).free > ENOUGH_MEMORY
    draft = Path(tempfile.mkdtemp(prefix="pr-new-", dir=memory if is_roomy else disk))
    draft.chmod(0o711)  # other accounts may pass through, to what is opened to them
    lock = os.open(draft / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = draft.rename(draft.with_name(draft.name.replace("pr-new-", "pr-run-")))
    os.environ[OWN_FOLDER] = str(folder)
    return lock


def _open_own() -> None:
    """A data directory for this worker: the vacuum of one would take the blobs of another, whose rows it cannot see."""
    own = Path(os.environ[OWN_FOLDER]) / OWN_NAME
    own.mkdir(exist_ok=True)
    os.environ["POSTROOM_DATA_DIR"] = str(own)


def _sweep() -> None:
    """Remove what runs that were killed left behind."""
    for lock_file in (lock for place in PLACES for lock in place.glob("pr-run-*/run.lock")):
        with suppress(OSError, DatabaseTrouble), lock_file.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(lock_file.parent)


def _remove(folder: Path) -> None:
    for place, _, files in os.walk(
        folder
    ):  # which minds no folder that vanishes meanwhile, as those of a dying server do
        if "server.lock" in files and Path(place).name == "postgres":
            EmbeddedDatabase(Path(place).parent).stop()
    shutil.rmtree(folder, ignore_errors=True)


if not IS_WORKER:
    _sweep()
    RUN_LOCK = _open_run()
_open_own()

loopback.guard()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load Django's settings before pytest-django looks for them. The core needs no Django, so it gets none."""
    core = PROJECT / "tests" / "core"
    core_alone = all(Path(name.split("::")[0]).resolve().is_relative_to(core) for name in config.args)
    if config.pluginmanager.hasplugin("django") and not core_alone:
        os.environ["DJANGO_SETTINGS_MODULE"] = "postroom.project.settings"
        from django.conf import settings

        assert settings.INSTALLED_APPS


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """A worker would read the settings with this process's data directory, before it opens its own: its processes know other keys then."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_unconfigure() -> None:
    if not IS_WORKER:
        _remove(Path(os.environ[OWN_FOLDER]))
        os.close(RUN_LOCK)


# -- what tests may ask for


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """A folder with a short path that lives as long as the run."""
    return Path(os.environ[OWN_FOLDER])


@pytest.fixture
def short_dir(run_folder: Path) -> Iterator[Path]:
    """An empty folder with a path short enough for sockets. A database left running in it is stopped."""
    folder = Path(tempfile.mkdtemp(dir=run_folder))
    yield folder
    _remove(folder)


@pytest.fixture(scope="session")
def embedded_postgresql(run_folder: Path) -> Iterator[Connection]:
    """The server of this run, for all workers; tests with the mark `django_db` have it without asking."""
    with running_database(run_folder / "data") as database:
        yield database.connection


@pytest.fixture(scope="session")
def django_db_setup(
    run_folder: Path,
    embedded_postgresql: Connection,
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """A database for this worker. The first worker migrates, all of them copy what it made: seconds against 0.1 s."""
    from django.db import connection

    own_name = f"test_{OWN_NAME}"
    server_of_run = {"HOST": str(embedded_postgresql.socket_dir), "PORT": embedded_postgresql.port}
    connection.settings_dict.update(server_of_run)
    with django_db_blocker.unblock():
        with (run_folder / "migrated").open("a+") as note:
            fcntl.flock(note, fcntl.LOCK_EX)
            note.seek(0)
            template = note.read()
            if not template:
                template = connection.creation.create_test_db(verbosity=0, autoclobber=True)
                connection.close()
                note.write(template)
        with psycopg.connect(embedded_postgresql.url, autocommit=True) as server:
            copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            server.execute(copy.format(sql.Identifier(own_name), sql.Identifier(template)))
        connection.settings_dict["NAME"] = own_name
    yield
    with django_db_blocker.unblock():
        connection.close()


@pytest.fixture(autouse=True)
def _now_is_now() -> None:
    """The tests of the pages count from `seeding.NOW`, and a run may last an hour: each test has a moment of its own."""
    if seeding := sys.modules.get("tests.web.seeding"):
        seeding.NOW = datetime.now(UTC).replace(microsecond=0)  # type: ignore[attr-defined]  # noqa: TID251 (pages speak of times relative to now)


# -- nothing left the machine, and nothing was skipped that could have run


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    loopback.leaks.clear()
    yield
    assert not loopback.leaks, f"tried to reach {', '.join(loopback.leaks)}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SHARED.is_dir():
        for item in items:
            if item.get_closest_marker("shared"):
                item.add_marker(pytest.mark.skip(reason=f"{SHARED} is not there"))


def _nothing_may_be_skipped() -> bool:
    if os.environ.get("CI") != "true" or platform.system() != "Linux":
        return False
    return platform.freedesktop_os_release().get("ID") == "debian"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    excused = item.get_closest_marker("shared") is not None and not SHARED.is_dir()
    if report.skipped and not excused and _nothing_may_be_skipped():
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _nothing_may_be_skipped():
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report
