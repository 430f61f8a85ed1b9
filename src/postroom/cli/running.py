"""Running Postroom: everything at once, one process of it, the demo; tables, Django's own commands, a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from postroom.cli.entering import configured, entered, require_tables, running, waiting_migrations
from postroom.cli.telling import ASKED_WRONGLY, FAILED, give_up, remark, say

app = typer.Typer()

SUPERVISED = "POSTROOM_SUPERVISOR"  # set for the supervisor's children: their tables are up to date
ROLES = ("web", "door", "router", "deliverer", "scheduler", "watcher")


@app.command(rich_help_panel="Running")
def up() -> None:
    """Run everything on this machine: database, pages, doors, routers, deliverers, scheduler, mailbox watcher.

    Tables are brought up to date first. Stop with Ctrl-C. How many processes of each: POSTROOM_DELIVERERS and friends.
    """
    from postroom.workers.supervisor import up as supervise

    supervise(configured(is_quiet=False, makes_house=True, shows_pages=True))


@app.command(rich_help_panel="Running")
def welcome() -> None:
    """Print the link at which the first administrator begins. It works for a week, once, and as long as nobody is there."""
    with entered() as ports:
        from postroom.flows.welcome import first_link

        link = first_link(ports)
        if not link:
            give_up(
                "There are people already: `postroom user add` makes another, and administrators invite on the page People."
            )
        say(link)


@app.command(rich_help_panel="Running")
def demo() -> None:
    """Run a Postroom with people, mail and trouble in it. Nothing leaves the machine.

    It lives in data/demo (or POSTROOM_DATA_DIR) on a database of its own. Remove the folder to begin anew.
    """
    os.environ.setdefault("POSTROOM_DATA_DIR", "data/demo")
    os.environ["POSTROOM_DATABASE_URL"] = ""  # never people into a database that is in use
    configuration = configured(is_quiet=False, makes_house=True, shows_pages=True)
    from postroom.workers.supervisor import bring_tables_up_to_date, places_of, require_free
    from postroom.workers.supervisor import up as supervise

    require_free(*places_of(configuration))
    with running(configuration):
        bring_tables_up_to_date()
        _seed_and_welcome()
        supervise(configuration)


def _seed_and_welcome() -> None:
    from rich.console import Console
    from rich.panel import Panel

    from postroom.flows.seed_demo import seed_demo
    from postroom.wiring import ports

    wired = ports()
    found = seed_demo(wired)
    text = (
        f"[bold]{wired.configuration.public_url}[/bold]\n\n"
        f"Sign in as [bold]{found.login}[/bold] with the password [bold]{found.password}[/bold]\n"
        f"Mail goes to the Letterbox; nothing leaves this machine."
    )
    Console(highlight=False).print(Panel(text, title="Postroom demo", expand=False, padding=(1, 3)))


@app.command(rich_help_panel="Running")
def web() -> None:
    """Serve the pages alone. Address and port: POSTROOM_WEB_HOST, POSTROOM_WEB_PORT."""
    _be("web")


@app.command(rich_help_panel="Running")
def door() -> None:
    """Open the SMTP and LMTP doors alone. Ports: POSTROOM_SMTP_PORT, POSTROOM_LMTP_PORT."""
    _be("door")


@app.command(rich_help_panel="Running")
def worker(
    kind: Annotated[str, typer.Argument(help="deliverer, router, scheduler or watcher (also: web, door).")],
) -> None:
    """Run one process of a kind, for machines that share the work.

    Example: postroom worker deliverer
    """
    if kind not in ROLES:
        give_up(f"There is no worker {kind!r}. There are: {', '.join(ROLES)}.", code=ASKED_WRONGLY)
    _be(kind)


def _be(kind: str) -> None:
    configuration = configured(is_quiet=False, shows_pages=kind == "web")
    from postroom.workers.roles import run_role

    with running(configuration):
        if SUPERVISED not in os.environ:
            require_tables()
        run_role(kind, configuration)


@app.command(rich_help_panel="Running")
def migrate() -> None:
    """Bring the tables of the database up to this version. `up` and `demo` do it by themselves."""
    with running(configured(makes_house=True)):
        from postroom.workers.supervisor import bring_tables_up_to_date

        steps = waiting_migrations()
        bring_tables_up_to_date()
        say(f"{steps} steps taken." if steps else "The tables are up to date.")


@app.command(
    rich_help_panel="Running",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def manage(context: typer.Context) -> None:
    """Django's own commands, with the database running. Example: postroom manage changepassword alice"""
    with running(configured(shows_pages=True)):
        from django.core.management import ManagementUtility
        from django.core.management.base import CommandError

        try:
            ManagementUtility(["postroom manage", *context.args]).execute()
        except CommandError as error:
            give_up(str(error), code=FAILED)
        except SystemExit as end:  # Django's own way to say how it went
            if end.code:
                raise typer.Exit(end.code if isinstance(end.code, int) else FAILED) from end


@app.command(rich_help_panel="Running")
def shell(
    command: Annotated[str, typer.Option("--command", "-c", help="Run this text of Python and end.")] = "",
) -> None:
    """A Python prompt with the tables (Record, Delivery, …) and `ports` at hand. Example: postroom shell -c 'print(Record.objects.count())'"""
    with entered() as ports:
        from postroom.store import models

        names = {"ports": ports, **{name: getattr(models, name) for name in models.__all__}}
        if command or not sys.stdin.isatty():
            source = command or sys.stdin.read()
            exec(compile(source, "<shell>", "exec"), names)  # noqa: S102 - that is what a shell is for
            return
        import code

        remark(f"Postroom in {Path(ports.configuration.data_dir)}. At hand: {', '.join(sorted(names))}.")
        code.interact(banner="", local=names, exitmsg="")
