"""A house that the journeys of a module share: a database, served pages and a browser of its own, because those cost most.

Every journey writes titles and texts of its own and looks for those, so that the order does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from playwright.sync_api import Browser
from psycopg import sql
from pytest_django import DjangoDbBlocker

from postroom.workers.database import Connection
from tests.web.browser import a_browser

NAME = "journeys"


@pytest.fixture(scope="module")
def rows_of_its_own(
    run_folder: Path, embedded_postgresql: Connection, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """A database for one module: no test empties it while its pages are served."""
    template = (run_folder / "migrated").read_text(encoding="utf-8")
    before = connection.settings_dict["NAME"]
    own = f"{NAME}_{before}"
    with (
        psycopg.connect(embedded_postgresql.url, autocommit=True) as server,
        django_db_blocker.unblock(),
    ):
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(own), sql.Identifier(template)))
        connection.close()
        connection.settings_dict["NAME"] = own
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = before
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(own)))


@pytest.fixture(scope="module")
def shared_browser(rows_of_its_own: None) -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser
