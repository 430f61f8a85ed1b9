"""What changed on a record: how entries are folded, and how they read in a mail.

Duty: a change is (what, before, after), as texts. Laws: pure; what a person changed several times shows where it came from and where it
went; what came back to where it was is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape

FOLD_WITHIN = timedelta(minutes=1)

Change = tuple[str, str, str]


def folds(*, last_at: datetime, now: datetime) -> bool:
    """Whether an entry of this age still takes up another change of the same person."""
    return timedelta(0) <= now - last_at <= FOLD_WITHIN


def folded(earlier: Iterable[Sequence[str]], later: Iterable[Sequence[str]]) -> list[Change]:
    """Both in one, in the order in which things were first touched."""
    found: dict[str, tuple[str, str]] = {}
    for what, before, after in (*earlier, *later):
        found[what] = (found[what][0] if what in found else before, after)
    return [(what, before, after) for what, (before, after) in found.items() if before != after]


def changes_text(changes: Iterable[Sequence[str]]) -> str:
    """A line for each: ``Stage: New → Done``."""
    return "\n".join(f"{what}: {before or '–'} → {after or '–'}" for what, before, after in changes)


def changes_html(changes: Iterable[Sequence[str]]) -> str:
    """The same, for the mail of those who asked to hear of changes. Everything is escaped."""
    lines = (
        f"<li>{escape(what)}: {escape(before or '–')} → <b>{escape(after or '–')}</b></li>"
        for what, before, after in changes
    )
    return f"<ul>{''.join(lines)}</ul>"
