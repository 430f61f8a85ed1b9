"""The log: names of its files, the form of a line, and what somebody asks of it.

Duty: one day's log begins at 05:00 UTC. ``postroom.log`` is today's and ``postroom.log.1`` yesterday's, both plain; older ones are named by
the day on which they began and compressed, ``postroom-2026-11-19.log.gz``. A line is one JSON object (RFC 8259) with ``time``, ``level``,
``logger`` and ``message``, and with ids as further keys: ``message_id``, ``delivery``, ``mailbox``, ``server``, ``member`` and their like.
Laws: pure; reading never raises, a line that is no JSON is a message without a time; what is secret is no part of a line
(`without_secrets`); linear in the length of a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

TURN = timedelta(hours=5)  # after midnight, UTC: a day's log begins
CURRENT, PREVIOUS = "postroom.log", "postroom.log.1"
LONGEST = 64 * 1024  # bytes of a line that are read
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MASK = "********"

_DATED = re.compile(r"postroom-(\d{4})-(\d{2})-(\d{2})(?:\.(\d{1,4}))?\.log(\.gz)?")
_STANDARD = ("time", "level", "logger", "message")


def log_day(now: datetime) -> date:
    """The day whose log is written at this moment."""
    return (now.astimezone(UTC) - TURN).date()


def day_begins(day: date) -> datetime:
    """When the log of this day begins; it ends a day later."""
    return datetime.combine(day, time(), UTC) + TURN


def dated_name(day: date, number: int = 0) -> str:
    """The plain name of an old log; ``number`` tells several of one day apart (a clock that was set back)."""
    return f"postroom-{day.isoformat()}{f'.{number}' if number else ''}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldLog:
    """A log that has its day in its name."""

    name: str
    day: date
    number: int
    is_compressed: bool


def old_log(name: str) -> OldLog | None:
    """None for other files."""
    found = _DATED.fullmatch(name)
    if found is None:
        return None
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
    return OldLog(name=name, day=day, number=int(found[4] or 0), is_compressed=found[5] is not None)


def in_order(names: Iterable[str]) -> list[str]:
    """Those that are logs, the oldest first. What is there plain and compressed was being compressed: the plain one counts."""
    there = set(names)
    dated = [one for one in map(old_log, there) if one is not None]
    whole = [one for one in dated if not (one.is_compressed and one.name.removesuffix(".gz") in there)]
    ordered = [one.name for one in sorted(whole, key=lambda one: (one.day, one.number))]
    return ordered + [name for name in (PREVIOUS, CURRENT) if name in there]


def expired(names: Iterable[str], today: date, days: int) -> list[str]:
    """Old logs that are kept no longer: whose day is ``days`` days ago, or more."""
    return [one.name for one in map(old_log, names) if one is not None and (today - one.day).days >= days]


def may_hold(name: str, since: datetime | None, until: datetime | None) -> bool:
    """Whether a log may have lines of that time, as far as its name says."""
    one = old_log(name)
    if one is None:
        return True
    begin = day_begins(one.day)
    return not (until is not None and until < begin) and not (
        since is not None and since >= begin + timedelta(days=1, hours=1)
    )  # an hour more: who slept at five wrote a little later


# ---- lines


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """``fields``: what is no standard key. ``raw``: the line as it stands, without its end."""

    at: datetime | None
    level: str
    logger: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    raw: str = ""

    @property
    def text(self) -> str:
        """As people read it, on one line but for a traceback."""
        stamp = f"{self.at:%Y-%m-%d %H:%M:%S}.{self.at.microsecond // 1000:03d} " if self.at is not None else ""
        told = " ".join(f"{name}={_shown(value)}" for name, value in self.fields.items() if name != "error")
        error = self.fields.get("error")
        head = f"{stamp}{self.level:<7} {self.logger} {self.message}" if self.logger else self.message
        return head + (f"  {told}" if told else "") + (f"\n{error}" if isinstance(error, str) and error else "")

    def as_json(self) -> dict[str, Any]:
        """The object of the line; for what is none, its message alone."""
        known = {"time": self.at.isoformat(timespec="milliseconds") if self.at else None, "level": self.level}
        return known | {"logger": self.logger, "message": self.message, **self.fields}


def read_line(raw: bytes) -> LogLine:
    """Never raises."""
    text = raw[:LONGEST].decode("utf-8", "replace").rstrip("\r\n")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return LogLine(at=None, level="", logger="", message=text, raw=text)
    return LogLine(
        at=moment(row.get("time")),
        level=str(row.get("level", "")),
        logger=str(row.get("logger", "")),
        message=str(row.get("message", "")),
        fields={name: value for name, value in row.items() if name not in _STANDARD},
        raw=text,
    )


def moment(value: object) -> datetime | None:
    """A time of ISO 8601, aware; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuestion:
    """What somebody wants to see. ``matches`` looks at a line as people read it; ``message``: a Message-ID, brackets or not; ``is_over`` is
    asked before each line, of those too that nobody wants: once it says so, the search ends (`TimeoutError`)."""

    matches: Callable[[str], bool] | None = None
    since: datetime | None = None
    until: datetime | None = None
    level: str = ""
    message: str = ""
    is_over: Callable[[], bool] | None = None

    def wants(self, line: LogLine) -> bool:
        """A line without a time belongs to every time, one without a level to every level. Raises TimeoutError when it is over."""
        if self.is_over is not None and self.is_over():
            raise TimeoutError
        if line.at is not None and (
            (self.since is not None and line.at < self.since) or (self.until is not None and line.at > self.until)
        ):
            return False
        if self.level and line.level in LEVELS and LEVELS.index(line.level) < LEVELS.index(self.level):
            return False
        if self.message and self.message.strip().strip("<>") not in line.raw:
            return False
        return self.matches is None or self.matches(line.text)


# ---- what a line must not say


_NAMED = re.compile(
    r"""(?ix)
    (["']?\b[\w.-]{0,40}(?:password|passwd|passphrase|secret|api[_-]?key|access_token|refresh_token|client_secret|private_key)["']?
    \s{0,4}[=:]\s{0,4}["']?)([^\s"',;&}{]+)"""
)
_BEARER = re.compile(
    r"(?i)\b(bearer|basic|auth (?:plain|login|xoauth2)|authenticate plain)(\s+)([A-Za-z0-9+/=_.~-]{6,})"
)
# what stands in every text that the two above match: most texts have none of it, and a look is a fiftieth of a match
_OF_NAMES = ("passw", "passphrase", "secret", "api", "_token", "private_key")
_OF_BEARERS = ("bearer", "basic", "auth")
_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,100}:)([^\s/@]{1,200})(@)")
_PEM = re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)[^-]{0,20000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?")
_SECRET_KEYS = re.compile(r"(?i)password|passphrase|secret|token$|api_?key|private_?key|authorization|cookie")


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """What looks like a secret is masked, and whatever is ``known`` to be one."""
    for secret in known:
        if len(secret) >= 6:
            text = text.replace(secret, MASK)
    if "-----BEGIN" in text:
        text = _PEM.sub(rf"\1 {MASK}", text)
    if "://" in text:
        text = _IN_URL.sub(rf"\1{MASK}\3", text)
    folded = text.casefold()
    if any(word in folded for word in _OF_BEARERS):
        text = _BEARER.sub(rf"\1\2{MASK}", text)
    if any(word in folded for word in _OF_NAMES):
        text = _NAMED.sub(rf"\1{MASK}", text)
    return text


def is_secret_key(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return _SECRET_KEYS.search(name) is not None
