"""How the command speaks: tables and sentences for people, JSON for programs, plain words for trouble.

Laws: data goes to stdout, everything else to stderr; a program that asks for JSON gets nothing but JSON. Exit codes are
those of the command's page: 0 done, 1 it did not work, 2 it was asked wrongly; `receive` has those of sysexits.h. What strangers
wrote cannot command the terminal: control characters, and those that turn the direction of writing, are shown and not obeyed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer

Step = TypeVar("Step")

DONE, FAILED, ASKED_WRONGLY = 0, 1, 2

_COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]


class Trouble(Exception):  # noqa: N818 - the text is for people
    """It did not work: ``code`` is the exit code, the text says why and what to do."""

    def __init__(self, text: str, *, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def give_up(text: str, *, code: int = FAILED) -> NoReturn:
    """End the command with this sentence on stderr."""
    raise Trouble(text, code=code)


def say(text: str) -> None:
    """A line for people, on stdout."""
    _write(f"{visible(text)}\n")


def remark(text: str) -> None:
    """A line beside the answer, on stderr."""
    sys.stderr.write(f"{visible(text)}\n".encode("utf-8", "replace").decode("utf-8"))


def visible(text: str) -> str:
    """With control characters as pictures (``␛``) or numbers (``\\x9b``); line ends and tabs stay what they are."""
    return _COMMANDING.sub(lambda found: _picture(ord(found[0])), text.replace("\r\n", "\n"))


def _picture(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def say_json(value: Any) -> None:
    """One JSON document, on several lines."""
    _write(_as_json(value, indent=2) + "\n")


def say_line(value: Any) -> None:
    """One JSON document on one line (JSON Lines)."""
    _write(_as_json(value) + "\n")


def _as_json(value: Any, indent: int | None = None) -> str:
    """What JSON itself leaves as it is, is escaped too: in a document they stand in texts alone."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    return _COMMANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table as wide as the terminal allows; ``empty`` is what is said where there are no rows."""
    shown = [[_cell(value) for value in row] for row in rows]
    if not shown:
        say(empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in shown:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width: nothing is folded
        console.width = 4 + sum(max(len(row[at]) for row in [list(columns), *shown]) + 3 for at in range(len(columns)))
    console.print(table)


def progress(steps: Iterable[Step], title: str, *, total: int | None = None, quiet: bool = False) -> Iterator[Step]:
    """Go through the steps with a bar on stderr; without one where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield from steps
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(steps, description=title, total=total, console=Console(stderr=True), transient=True)


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return visible(str(value))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)


def _write(text: str) -> None:
    """Lone surrogates of broken mails must not break the answer."""
    sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8"))
    sys.stdout.flush()
