"""The table of bad days of a mailbox as a page for people: docs/reference/bad-days-of-mailboxes.md.

    python -m tests.workers.mailbox_days.page        writes it

A test compares the page with the table, and the table with what a real fetch does.
"""

from __future__ import annotations

from pathlib import Path

from tests.workers.mailbox_days.expecting import Day
from tests.workers.mailbox_days.table import CHAPTERS, DAYS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "bad-days-of-mailboxes.md"
HEAD = f"""\
# The bad days of a mailbox

<!-- Made by tests/workers/mailbox_days/page.py from the table of the tests. Do not edit. -->

What the server of a mailbox may do at every step, and what becomes of the mailbox and of three mails in it: {len(DAYS)} days, each
lived through by a real fetch with every run of the tests. Afterwards, in every case, when the server has mended its ways: every mail
that ever lay there is on exactly one record, none is lost and none came twice; what was to be marked, moved or deleted is; and
the trouble is gone from the mailbox by itself. At no moment has anything left the server that was not durable here.

- **trouble**: the fetch ends, says why, and the mailbox is left alone for a while that grows; a person's Fetch Now does not wait.
- **warning**: the mails are taken, and only what was to happen to them on the server did not; the next reconciliation does it.
- **ours**: the database or the lease is away. Nothing can be noted, nothing is marked, and reading goes on when it is back.
"""
ROW = "| {} | {} | {} | {} | {} |"


def page() -> str:
    """The whole text."""
    parts = [HEAD]
    for chapter in CHAPTERS:
        rows = [ROW.format("What happens", "Mailbox", "Its error says", "Mails taken", "Read again")]
        rows += [ROW.format(*["---"] * 5), *map(_row, chapter.days)]
        parts.append(f"## {chapter.title}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(day: Day) -> str:
    expected = day.expected
    if expected.raises:
        state = "ours"
    elif expected.kind is None:
        state = "well"
    else:
        state = f"warning ({expected.kind})" if expected.is_warning else f"trouble ({expected.kind})"
    return ROW.format(day.name, state, expected.says.replace("|", "\\|"), f"{expected.taken} of 3", expected.again)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
