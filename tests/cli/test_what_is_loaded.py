"""Nobody waits for what he did not ask for: which modules a command may load, counted in modules, for times lie."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.workers.children import environment

_PROGRAM = """
import contextlib, io, sys
from postroom.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    main({words})
print(*sorted(sys.modules))
"""

OF_HELP = {
    "postroom",
    "postroom.cli",
    "postroom.cli.contents",
    "postroom.cli.main",
    "postroom.cli.telling",
    "postroom.core",
    "postroom.core.terms",
    "postroom.core.terms.configuration",
    "postroom.core.terms.networks",
    "postroom.core.terms.secret",
    "postroom.core.terms.web_addresses",
}
HEAVY = {"django", "psycopg", "pydantic", "rich", "cryptography", "asyncio", "markdown_it"}

NOT_OF_THE_DOCTOR = {
    # of other commands, and of the pages
    "postroom.cli.bench",
    "postroom.cli.servers",
    "postroom.project.urls",
    "postroom.web.navigation",
    "typer.rich_utils",
    "rich.markdown",
    "unfold",
    "ninja",
    "jinja2",
    "allauth.socialaccount",
    # what moves mail
    "postroom.flows.accept_message",
    "postroom.flows.apply_verdict",
    "postroom.flows.deliver_mail",
    "postroom.flows.route_message",
    "postroom.flows.settle_inbound",
    "postroom.core.mime.composing",
    "postroom.core.mime.parsing",
    "postroom.core.routing.deciding",
    "postroom.adapters.dkim.signing",
    "postroom.adapters.html.styling",
    "postroom.workers.jobs",
    "postroom.workers.smtp_listener",
    "aiosmtpd",
    "anymail",
    "boto3",
    "imapclient",
    "lxml",
    "mcp",
    "parsedmarc",
    "requests",
    # who asks no name server, and whose tables are as they should be
    "dns",
    "postroom.store.migrations.0001_initial",
}


def loaded(*words: str, **environment: str) -> set[str]:
    """By a process of its own that runs `postroom WORD...`."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(words=list(words))],
        check=False, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_overview_opens_no_command() -> None:
    here = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = loaded("--help", **here)
    assert {name for name in found if name.partition(".")[0] == "postroom"} == OF_HELP
    assert not found & HEAVY


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_doctor_takes_along_what_it_needs() -> None:
    found = loaded("doctor", "--offline", **environment())
    assert "postroom.flows.diagnose" in found
    assert found & NOT_OF_THE_DOCTOR == set()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_command_opens_no_other() -> None:
    found = loaded("queue", "list", **environment())
    of_commands = {name for name in found if name.startswith("postroom.cli.")}
    assert of_commands == {f"postroom.cli.{name}" for name in ("contents", "entering", "main", "queue", "telling")}
