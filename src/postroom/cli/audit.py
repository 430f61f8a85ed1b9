"""The audit log by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, say_json, show_table

app = typer.Typer(no_args_is_help=True, help="Who did what, when, and from where.")


@app.callback()
def _log() -> None:
    """Keeps `list` a command of its own."""


@app.command("list")
def list_audit(
    what: Annotated[str, typer.Option("--what", help="One kind of event, such as sign_in_failed.")] = "",
    login: Annotated[str, typer.Option("--login", help="Who did it, or to whom it was done.")] = "",
    most: Annotated[int, typer.Option("--most", min=1, max=200, help="How many lines, at most 200.")] = 50,
    before: Annotated[int, typer.Option("--before", help="Older than the line of this number.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List the audit log, the newest first. Example: postroom audit list --what sign_in_failed --json"""
    with entered() as ports:
        from postroom.flows.audit import EVENTS, list_events

        if what and what not in EVENTS:
            give_up(f"There is no event {what!r}. There are: {', '.join(EVENTS)}.", code=ASKED_WRONGLY)
        found = list_events(ports, member=None, what=what, login=login, before=before or None, most=most)
    if as_json:
        names = ("id", "at", "login", "address", "what", "words", "subject", "detail")
        say_json([{name: getattr(one, name) for name in names} for one in found])
        return
    rows = [(one.id, one.at, one.login, one.address, one.words, one.subject) for one in found]
    show_table(["number", "when (UTC)", "who", "from", "what", "about"], rows, empty="Nothing was noted yet.")
