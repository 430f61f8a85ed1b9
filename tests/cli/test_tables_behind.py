"""Tables behind this version are noticed from names alone, and the steps are counted."""

from __future__ import annotations

import pytest
from django.db import connection

from postroom.cli import entering
from postroom.cli.telling import Trouble


def forget(name: str) -> None:
    """As if this step had not been taken."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'postroom' AND name = %s", [name])
        assert cursor.rowcount == 1


def newest() -> str:
    return max(name for app, name in entering._migrations_here() if app == "postroom")


def test_where_every_step_was_taken_no_file_is_opened(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def opens(*_: object) -> None:
        raise AssertionError("a file is opened")

    monkeypatch.setattr("django.db.migrations.loader.MigrationLoader.load_disk", opens)
    assert entering.waiting_migrations() == 0
    entering.require_tables()


def test_a_step_that_was_not_taken_is_counted_and_ends_the_command(db: None) -> None:
    forget(newest())
    assert entering.waiting_migrations() == 1
    with pytest.raises(Trouble, match="1 step behind"):
        entering.require_tables()


def test_steps_of_a_later_version_do_not_matter(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('postroom', '9999_later', now())")
    assert entering.waiting_migrations() == 0


def test_the_names_are_those_that_django_finds(db: None) -> None:
    from django.db.migrations.loader import MigrationLoader

    assert entering._migrations_here() == set(MigrationLoader(connection).disk_migrations)
