"""Child processes of a test, on the test's own database."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from django.db import connection


def database_url() -> str:
    """The database of this test, for another process."""
    settings = connection.settings_dict
    return f"postgresql://{settings['USER']}@/{settings['NAME']}?host={quote(str(settings['HOST']), safe='')}"


def environment(**more: str) -> dict[str, str]:
    """What a child needs to find the sources, the settings and the database."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "DJANGO_SETTINGS_MODULE": "postroom.project.settings",
        "POSTROOM_DATABASE_URL": database_url(),
        **more,
    }


@contextmanager
def python(code: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that runs this code with Django set up; killed at the end of the block if it still lives."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import django; django.setup()\n" + textwrap.dedent(code)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**more),
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait(60)
        if child.stdout:
            child.stdout.close()
