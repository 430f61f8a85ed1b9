"""The logs by hand: search them, and watch them. Needs no database.

Laws: a pattern is a fixed text unless it is asked for as an expression, and an expression has a time limit for each line: none can hang the
command. Lines come as they are found; memory does not grow with the logs.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.cli import entering
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_line

if TYPE_CHECKING:
    from postroom.core.terms.log_lines import LogLine, LogQuestion
    from postroom.flows.ports import Ports

app = typer.Typer(no_args_is_help=True, help="The files of logs: plain and compressed, the oldest first.")

_LONGEST_PATTERN = 1000  # characters
_PATIENCE = 2.0  # seconds for one line
_SPOKEN = 0.5  # seconds between two signs of life
_AGO = re.compile(r"(\d{1,6})\s?([smhdw])")
_SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Since = Annotated[str, typer.Option("--since", metavar="WHEN", help="Not before: 2026-11-20, 2026-11-20T14:30, or 90m, 2h, 3d ago.")]  # fmt: skip
Until = Annotated[str, typer.Option("--until", metavar="WHEN", help="Not after, in the same words.")]
Level = Annotated[str, typer.Option("--level", help="At least so grave: DEBUG, INFO, WARNING, ERROR or CRITICAL.")]
OfMessage = Annotated[str, typer.Option("--message", metavar="ID", help="Lines about the mail with this Message-ID.")]


@app.command()
def grep(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="What lines hold; '' for all lines.")],
    since: Since = "",
    until: Until = "",
    level: Level = "",
    message: OfMessage = "",
    ignore_case: Annotated[
        bool, typer.Option("-i", "--ignore-case", help="Upper and lower case are the same.")
    ] = False,
    regex: Annotated[bool, typer.Option("--regex", help="PATTERN is a regular expression of Python.")] = False,
    as_json: AsJson = False,
) -> int:
    """Print the lines that hold PATTERN, the oldest first, of all files; exit 1 when there is none.

    With --json each line is one JSON document, as it stands in the file.

    Examples: postroom logs grep timeout --since 2h; postroom logs grep "mailbox=3" --level WARNING; postroom logs grep --regex "5\\.7\\.\\d+" -i;
    postroom logs grep "" --message "<1234@example.com>"
    """
    with _matcher(pattern, is_regex=regex, ignores_case=ignore_case) as matches:
        ports = _ports()
        question = _question(matches, since, until, level, message, ports.clock.now())
        from postroom.flows.read_logs import search_logs

        count = 0
        try:
            for line in _watched(search_logs(ports, question, member=None)):
                count += 1
                _tell(line, as_json=as_json)
        except TimeoutError:
            give_up(
                f"The expression needed more than {_PATIENCE:g} s for one line: write it without nested repetitions, or leave --regex away.",
                code=ASKED_WRONGLY,
            )
    for trouble in ports.logbook.trouble:
        remark(f"Not read to its end: {trouble}")
    return DONE if count else FAILED


@app.command()
def tail(
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, max=100_000, help="How many lines.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written, until Ctrl-C.")] = False,
    level: Level = "",
    message: OfMessage = "",
    as_json: AsJson = False,
) -> None:
    """Print the newest lines, and go on with -f, also across the rotation at 05:00 UTC. Example: postroom logs tail -f --level WARNING"""
    ports = _ports()
    question = _question(None, "", "", level, message, ports.clock.now())
    from postroom.flows.read_logs import follow_logs, newest_lines

    coming = follow_logs(ports, question, is_over=lambda: False, member=None) if follow else iter(())
    for line in newest_lines(ports, lines, question, member=None):
        _tell(line, as_json=as_json)
    for trouble in ports.logbook.trouble:
        remark(f"Not read to its end: {trouble}")
    for line in coming:
        _tell(line, as_json=as_json)


def _ports() -> Ports:
    entering.configured()
    from postroom.wiring import ports

    return ports()


def _tell(line: LogLine, *, as_json: bool) -> None:
    if as_json:
        say_line(line.as_json())
    else:
        say(line.text)


def _watched(lines: Iterable[LogLine]) -> Iterator[LogLine]:
    """With a sign of life on stderr where the answer goes elsewhere and somebody looks."""
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield from lines
        return
    spoken = time.monotonic()
    for count, line in enumerate(lines, 1):
        yield line
        if time.monotonic() - spoken > _SPOKEN:
            spoken = time.monotonic()
            sys.stderr.write(f"\r{count} lines found{f', up to {line.at:%Y-%m-%d %H:%M}' if line.at else ''} …")
            sys.stderr.flush()
    sys.stderr.write("\r\033[K")


# ---- what was asked


def _question(
    matches: Callable[[str], bool] | None, since: str, until: str, level: str, message: str, now: datetime
) -> LogQuestion:
    from postroom.core.terms.log_lines import LEVELS, LogQuestion

    level = level.strip().upper()
    if level and level not in LEVELS:
        give_up(f"--level {level!r}: there are {', '.join(LEVELS)}.", code=ASKED_WRONGLY)
    begin, end = _when("--since", since, now), _when("--until", until, now)
    if begin is not None and end is not None and end < begin:
        give_up("--until lies before --since.", code=ASKED_WRONGLY)
    return LogQuestion(matches=matches, since=begin, until=end, level=level, message=message)


def _when(option: str, text: str, now: datetime) -> datetime | None:
    from postroom.core.terms.log_lines import moment

    text = text.strip()
    if not text:
        return None
    try:
        if ago := _AGO.fullmatch(text.lower().removesuffix(" ago")):
            return now - timedelta(**{_SPANS[ago[2]]: int(ago[1])})
    except OverflowError:
        pass
    found = moment(text)
    if found is None:
        give_up(f"{option} {text!r}: write 2026-11-20, 2026-11-20T14:30 (UTC), or 90m, 2h, 3d.", code=ASKED_WRONGLY)
    return found


@contextmanager
def _matcher(pattern: str, *, is_regex: bool, ignores_case: bool) -> Iterator[Callable[[str], bool] | None]:
    """None: all lines. An expression that takes too long for a line ends in `TimeoutError`."""
    if len(pattern) > _LONGEST_PATTERN:
        give_up(f"The pattern is longer than {_LONGEST_PATTERN} characters.", code=ASKED_WRONGLY)
    if not pattern:
        yield None
    elif not is_regex:
        wanted = pattern.casefold() if ignores_case else pattern
        yield (lambda text: wanted in text.casefold()) if ignores_case else (lambda text: wanted in text)
    else:
        with _Patience() as patience:
            try:
                expression = re.compile(pattern, re.IGNORECASE if ignores_case else 0)
            except (re.error, OverflowError, RecursionError) as error:
                where = (
                    f" at character {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
                )
                said = error.msg if isinstance(error, re.error) else str(error)
                give_up(f"No regular expression: {said}{where}: {pattern}", code=ASKED_WRONGLY)
            yield patience.limited(lambda text: expression.search(text) is not None)


class _Patience:
    """Ends a match that takes too long. Python's `re` looks at signals while it works, so a timer can interrupt it (main thread only)."""

    def __init__(self) -> None:
        self._since: float | None = None

    def __enter__(self) -> _Patience:
        self._before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE / 4, _PATIENCE / 4)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def limited(self, match: Callable[[str], bool]) -> Callable[[str], bool]:
        def matches(text: str) -> bool:
            self._since = time.monotonic()
            try:
                return match(text)
            finally:
                self._since = None

        return matches

    def _look(self, _number: int, _frame: object) -> None:
        if self._since is not None and time.monotonic() - self._since > _PATIENCE:
            raise TimeoutError
