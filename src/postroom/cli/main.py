"""The command `postroom`: its table of contents, and what happens when something goes wrong.

Laws: a command opens its own module alone (see `contents`), and `postroom --help` none: with all of them opened, each command would begin
with half a second of other people's options. Nobody is shown a traceback who did not ask for one with --debug.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
import traceback
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from postroom import __version__
from postroom.cli.contents import BEGINNING, COMMANDS, PARTS, Part, overview
from postroom.cli.telling import ASKED_WRONGLY, FAILED, Trouble, remark
from postroom.core.terms.configuration import ConfigurationError

INTERRUPTED = 130
_ASK = " What else is wrong with the machine says: postroom doctor --offline"
_TO_DO = {
    errno.ENOSPC: f". The disk of the data directory is full: make room there.{_ASK}",
    errno.EDQUOT: f". The user's share of the disk is used up: make room there.{_ASK}",
    errno.EROFS: f". The disk can only be read: mend it, or mount it to be written to.{_ASK}",
}
STARTING = (
    200_000  # objects: whoever starts only makes what stays, and looking through it for garbage is a tenth of the time
)


class _Shelf(MutableMapping[str, Any]):
    """The commands by their words. A module is opened when its command is taken off the shelf."""

    def __init__(self) -> None:
        self._parts = {part.word: part for part in PARTS}
        self._opened: dict[str, Any] = {}

    def __getitem__(self, word: str) -> Any:
        if word not in self._opened:
            self._opened[word] = _opened(self._parts[word])
        return self._opened[word]

    def __setitem__(self, word: str, command: Any) -> None:
        self._opened[word] = command

    def __delitem__(self, word: str) -> None:
        del self._opened[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def _opened(part: Part) -> Any:
    """A module of commands is one command with its words below it, or a handful of commands of their own."""
    group = typer.main.get_group(import_module(f"postroom.cli.{part.module}").app)
    if part.panel != COMMANDS:
        return group.commands[part.word]
    group.name, group.hidden = part.word, part.is_hidden
    return group


class _Contents(TyperGroup):
    """`postroom` itself."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Shelf()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        typer.echo(overview(), nl=False)


app = typer.Typer(
    name="postroom",
    cls=_Contents,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=BEGINNING,
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


def run() -> None:
    """The entry point."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - who closed it wants to see nothing
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    gc.set_threshold(STARTING, *gc.get_threshold()[1:])  # `entering.running` sets it back
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    _debugging.is_on = False
    if list(arguments) in (["--help"], ["-h"]):
        typer.echo(overview(), nl=False)
        return 0
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
            return os.EX_USAGE if is_pipe else ASKED_WRONGLY
        case ConfigurationError():
            remark(f"Configuration: {error}")
            return os.EX_TEMPFAIL if is_pipe else ASKED_WRONGLY
        case _:
            remark(_in_words(error))
            return os.EX_TEMPFAIL if is_pipe else FAILED


def _in_words(error: Exception) -> str:
    """What happened, for people; what to do."""
    said = " ".join(str(error).split())
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "OperationalError" in kinds or "InterfaceError" in kinds:
        return f"The database cannot be reached: {said}"
    if kinds & {"DatabaseTrouble", "PortTaken", "AlreadyUp", "NotAllowed", "ParameterError"}:
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.strerror or said}" + (f": {error.filename}" if error.filename else "")
        return where + (_TO_DO.get(error.errno or 0, "") if error.strerror else "")
    hint = "" if _debugging.is_on else " Run it again as: postroom --debug …"
    return f"This should not happen: {type(error).__name__}: {said}.{hint}"
