"""A day of the embedded database under an ordinary account.

Root runs it: `python ordinary_user.py UID GID DATA_DIR`. The account may not be able to read this
interpreter's folders, so root takes a first turn (which loads every module), then puts itself away for good.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import psycopg

from postroom.workers import postgres_program
from postroom.workers.database import EmbeddedDatabase, running_database


def main() -> None:
    uid, gid, data_dir = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder, running_database(Path(folder)) as database:
        _note(database, "from root's turn")
    programs = postgres_program.programs_for(postgres_program.Account(name="", uid=uid, gid=gid))
    postgres_program.installed_programs = lambda: programs.parent
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    _live(data_dir)


def _live(data_dir: Path) -> None:
    with running_database(data_dir) as database:
        _note(database, "before the crash")
        os.kill(int((data_dir / "postgres" / "server.lock").read_text()), signal.SIGKILL)
        database.start()
        _note(database, "after the crash")
        print(*_notes(database), f"owner={(data_dir / 'postgres' / 'cluster').stat().st_uid}", sep=", ")
    print("running" if database.is_running() else "stopped")


def _note(database: EmbeddedDatabase, text: str) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (text text)")
        connection.execute("INSERT INTO notes VALUES (%s)", (text,))


def _notes(database: EmbeddedDatabase) -> list[str]:
    with psycopg.connect(database.url) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes")]


main()
