"""The table of bad days as a page for people: docs/reference/bad-days.md.

    python -m tests.workers.bad_days.page        writes it

A test compares the page with the table, and the table with what a real deliverer does.
"""

from __future__ import annotations

from pathlib import Path

from tests.workers.bad_days.expecting import Day
from tests.workers.bad_days.table import CHAPTERS, DAYS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "bad-days.md"
HEAD = f"""\
# The bad days of a server

<!-- Made by tests/workers/bad_days/page.py from the table of the tests. Do not edit. -->

What the next server may do at every step of the conversation, and what becomes of the mail: {len(DAYS)} days, each lived through
by a real deliverer with every run of the tests. Afterwards, in every case, the next mail leaves; what waited was sent as soon as the
server had mended its ways, and what had ended was not sent again. "All is well." is the mail, Carla its recipient.

- **queued** with the server's trouble: nothing is given to this server for 30 s (then 1, 2, 5, 10, 15 minutes), another
  server may take its mails, and no attempt of theirs is counted.
- **deferred**: this mail alone is tried again, after 1, 2, 5, 15, 30, 60, 120 and then every 240 minutes, and up to a quarter more,
  until its deadline.
- **failed**: for good, this recipient alone; the author is told.
- **unknown**: the whole mail was out when the answer was lost. Nobody can know; a person decides, or `mail.unknown.policy`.
"""
ROW = "| {} | {} | {} | {} | {} |"


def page() -> str:
    """The whole text."""
    parts = [HEAD]
    for chapter in CHAPTERS:
        rows = [ROW.format("What the server does", "Mail", "The reason says", "Next attempt", "Attempt counted")]
        rows += [ROW.format(*["---"] * 5), *map(_row, chapter.days)]
        parts.append(f"## {chapter.title}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(day: Day) -> str:
    expected = day.expected
    states = ", ".join(f"{count} {state}" for state, count in (day.states or {}).items()) or expected.state
    words = expected.says.strip().replace("|", "\\|")
    last = expected.again or "none"
    return ROW.format(day.name, states, words, last, "yes" if expected.counts else "no")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
