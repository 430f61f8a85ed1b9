"""Reads the files of logs: plain and compressed, the oldest first.

Laws: reads only. Memory is bounded: a line is read up to `LONGEST` bytes, the rest of it is passed over. A file that was moved or deleted
meanwhile, or that is damaged, ends where it ends; `trouble` says so. A line that is being written is read when it is whole.
"""

from __future__ import annotations

import gzip
import os
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO

from postroom.core.terms.log_lines import CURRENT, LONGEST, LogLine, LogQuestion, in_order, may_hold, read_line

_LOOK_EVERY = 0.25  # seconds
_BLOCK = 64 * 1024


class LogFiles:
    """The logs in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._trouble: list[str] = []

    @property
    def trouble(self) -> Sequence[str]:
        return tuple(self._trouble)

    def lines(self, question: LogQuestion) -> Iterator[LogLine]:
        self._trouble.clear()
        for name in self._names():
            if may_hold(name, question.since, question.until):
                yield from (line for line in map(read_line, self._raw_lines(name)) if question.wants(line))

    def last(self, count: int, question: LogQuestion) -> list[LogLine]:
        """Plain files are read from their ends, so that the last line of a large one is near. What was found when the question was over."""
        self._trouble.clear()
        found: deque[LogLine] = deque()
        try:
            for name in reversed(self._names()):
                if len(found) >= count:
                    break
                if may_hold(name, question.since, question.until):
                    found.extendleft(self._newest_first(name, count - len(found), question))
        except TimeoutError:
            self._trouble.append("not all was looked at: it takes too long")
        return list(found)

    def _newest_first(self, name: str, count: int, question: LogQuestion) -> Iterator[LogLine]:
        if name.endswith(".gz"):
            wanted = (line for line in map(read_line, self._raw_lines(name)) if question.wants(line))
            return reversed(deque(wanted, maxlen=count))
        return islice((line for line in map(read_line, self._from_the_end(name)) if question.wants(line)), count)

    def follow(self, question: LogQuestion, *, is_over: Callable[[], bool]) -> Iterator[LogLine]:
        path = self._directory / CURRENT
        file, rest = _opened(path), b""
        if file is not None:
            file.seek(0, os.SEEK_END)
        try:
            while True:
                over = is_over()  # asked first: what was written before is still read
                while file is not None and (block := file.read(_BLOCK)):
                    *whole, rest = (rest + block).split(b"\n")
                    rest = rest[:LONGEST]
                    yield from (line for line in map(read_line, whole) if question.wants(line))
                if over:
                    return
                if file is None or _is_another(file, path):
                    another = _opened(path)
                    if file is not None and another is not None and file.tell() < os.fstat(file.fileno()).st_size:
                        another.close()  # somebody wrote into the old one a moment ago
                        continue
                    if another is not None:
                        if file is not None:
                            file.close()
                        file, rest = another, b""
                        continue
                time.sleep(_LOOK_EVERY)
        finally:
            if file is not None:
                file.close()

    def _names(self) -> list[str]:
        try:
            return in_order(os.listdir(self._directory))
        except FileNotFoundError:
            return []

    def _raw_lines(self, name: str) -> Iterator[bytes]:
        try:
            with self._open(name) as file:
                yield from _bounded(file)
        except (OSError, EOFError, zlib.error) as error:
            self._trouble.append(f"{name}: {error}")

    def _open(self, name: str) -> IO[bytes]:
        """What was plain when we looked may be compressed by now."""
        path = self._directory / name
        if not name.endswith(".gz"):
            try:
                return path.open("rb")
            except FileNotFoundError:
                path = path.with_name(f"{name}.gz")
        return gzip.open(path, "rb")  # type: ignore[return-value]

    def _from_the_end(self, name: str) -> Iterator[bytes]:
        with suppress(FileNotFoundError), (self._directory / name).open("rb") as file:
            at = file.seek(0, os.SEEK_END)
            rest = b""
            while at:
                step = min(_BLOCK, at)
                at -= step
                file.seek(at)
                rest, *whole = (file.read(step) + rest).split(b"\n")
                rest = rest[-2 * LONGEST :]  # of a line without an end only so much is held; its beginning comes later
                yield from (line for line in reversed(whole) if line)
            if rest:
                yield rest


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(LONGEST):
        yield line
        while not line.endswith(b"\n") and (line := file.readline(LONGEST)):
            pass  # the rest of what is too long


def _opened(path: Path) -> IO[bytes] | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _is_another(file: IO[bytes], path: Path) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    mine = os.fstat(file.fileno())
    return (mine.st_ino, mine.st_dev) != (named.st_ino, named.st_dev)
