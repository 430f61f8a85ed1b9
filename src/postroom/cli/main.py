"""The command `postroom`: its table of contents, and what happens when something goes wrong.

Laws: nothing heavy is imported before a command needs it (`postroom --help` is at once). Nobody is shown a traceback who
did not ask for one with --debug.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Protocol, runtime_checkable

import typer

from postroom import __version__
from postroom.cli import (
    agents,
    alarms,
    ask,
    audit,
    bench,
    bundle,
    destinations,
    diagnosis,
    dkim,
    dmarc,
    doctor,
    home,
    inbound,
    ingress,
    logs,
    loops,
    mail_commands,
    mail_test,
    mailboxes,
    members,
    parameters,
    providers,
    queue,
    rules,
    running,
    schedule,
    secrets,
    seed,
    servers,
    setup,
    status,
    story,
    suppression,
    watch,
)
from postroom.cli.telling import ASKED_WRONGLY, FAILED, Trouble, remark
from postroom.core.terms.configuration import ConfigurationError

INTERRUPTED = 130

app = typer.Typer(
    name="postroom",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An e-mail conversation for every business record.\n\n"
    "[bold]Begin:[/bold]\n\n"
    "  postroom demo                     look around; nothing leaves the machine\n\n"
    "  postroom up                       run everything: pages, doors, routers, deliverers\n\n"
    "  postroom setup you@example.com    find the servers of an account, test them, use them\n\n"
    "  postroom user add alice --role administrator --address alice@example.com\n\n"
    "[bold]Ask:[/bold]\n\n"
    "  postroom doctor                   why does mail not arrive, and what is to be done?\n\n"
    "  postroom ask why do mails to x bounce\n\n"
    "  postroom explain mail.eml         where would this mail go, and why?\n\n"
    "  postroom queue list               what waits, and for what?\n\n"
    "  postroom story carla@example.com  what happened to her mails, or to a mail?\n\n"
    "  postroom parse mail.eml           what does it say?\n\n"
    "Settings come from postroom.toml and POSTROOM_* variables; data lies in POSTROOM_DATA_DIR (default: data).",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"postroom {__version__}")
        raise typer.Exit(0)


@app.callback()
def _begin(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks, for a report of a fault.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    _debugging.is_on = debug


@runtime_checkable
class _ClickException(Protocol):
    """Click's, or that of the copy in newer versions of Typer."""

    exit_code: int

    def show(self) -> None: ...

    def format_message(self) -> str: ...


class _Debugging:
    is_on = False


_debugging = _Debugging()

for part in (
    running.app,
    setup.app,
    status.app,
    seed.app,
    mail_commands.app,
    mail_test.app,
    doctor.app,
    ask.app,
    diagnosis.app,
    story.app,
    home.app,
):
    app.add_typer(part)
for name, group in (
    ("queue", queue.app),
    ("inbound", inbound.app),
    ("suppression", suppression.app),
    ("watch", watch.app),
    ("alarm", alarms.app),
    ("loop", loops.app),
    ("rules", rules.app),
    ("schedule", schedule.app),
    ("mailbox", mailboxes.app),
    ("ingress", ingress.app),
    ("server", servers.app),
    ("parameter", parameters.app),
    ("provider", providers.app),
    ("destination", destinations.app),
    ("dkim", dkim.app),
    ("dmarc", dmarc.app),
    ("secrets", secrets.app),
    ("user", members.app),
    ("audit", audit.app),
    ("logs", logs.app),
    ("bundle", bundle.app),
    ("mcp", agents.app),
    ("bench", bench.app),
):
    app.add_typer(group, name=name)
app.add_typer(members.app, name="member", hidden=True)  # the other word for the same people


def run() -> None:
    """The entry point."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - who closed it wants to see nothing
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    _debugging.is_on = False
    try:
        result = app(args=list(arguments), prog_name="postroom", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        remark("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        is_pipe = next((word for word in arguments if not word.startswith("-")), "") == "receive"
        if _debugging.is_on:
            traceback.print_exception(error)
        return _explained(error, is_pipe=is_pipe)
    if result == INTERRUPTED:  # Ctrl-C: newer versions of Typer make a code of it
        remark("Interrupted.")
    return result if isinstance(result, int) else 0


def _explained(error: Exception, *, is_pipe: bool) -> int:
    """Say what went wrong; the exit code. A mail server at the other end of a pipe reads sysexits.h."""
    match error:
        case Trouble():
            remark(str(error))
            return error.code
        case _ClickException():
            error.show()
            return mail_commands.USAGE if is_pipe else ASKED_WRONGLY
        case ConfigurationError():
            remark(f"Configuration: {error}")
            return mail_commands.TRY_LATER if is_pipe else ASKED_WRONGLY
        case _:
            remark(_in_words(error))
            return mail_commands.TRY_LATER if is_pipe else FAILED


def _in_words(error: Exception) -> str:
    """What happened, for people; what to do."""
    said = " ".join(str(error).split())
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "OperationalError" in kinds or "InterfaceError" in kinds:
        return f"The database cannot be reached: {said}"
    if kinds & {"DatabaseTrouble", "PortTaken", "AlreadyUp", "NotAllowed", "ParameterError"}:
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or said}" + (f": {error.filename}" if error.filename else "")
    hint = "" if _debugging.is_on else " Run it again as: postroom --debug …"
    return f"This should not happen: {type(error).__name__}: {said}.{hint}"
