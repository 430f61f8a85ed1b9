"""Capture mode and the staging lock by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, say, say_json

app = typer.Typer()


@app.command(rich_help_panel="Settings")
def home(as_json: AsJson = False) -> None:
    """Show where this database lives, and whether mail leaves. A copy on another host sends nothing until it is confirmed."""
    with entered() as ports:
        from postroom.flows.guard_installation import check_home

        found = check_home(ports)
    leaves = not (found.is_capturing or found.is_locked)
    if as_json:
        say_json({"home": found.confirmed, "found": found.found, "is_locked": found.is_locked, "mail_leaves": leaves})
        return
    say(f"Home: {found.confirmed}" + (f", found at {found.found}: locked until confirmed" if found.is_locked else ""))
    say("Mail leaves." if leaves else "All outgoing mail goes to the Letterbox.")


@app.command(rich_help_panel="Settings")
def capture(
    state: Annotated[str, typer.Argument(help="on: all mail goes to the Letterbox; off: it leaves.")],
    as_json: AsJson = False,
) -> None:
    """Switch capture mode. Example: postroom capture on"""
    if state not in ("on", "off"):
        give_up(f"Say on or off, not {state!r}.", code=ASKED_WRONGLY)
    with entered() as ports:
        from postroom.flows.guard_installation import check_home, set_capturing

        check_home(ports)
        set_capturing(ports, state == "on", member=None)
    say_json({"capture": state}) if as_json else say(f"Capture mode is {state}.")


@app.command("confirm-home", rich_help_panel="Settings")
def confirm(as_json: AsJson = False) -> None:
    """Confirm that this database belongs here, after it was moved: mail leaves and is fetched again.

    A copy for trying things out is better left unconfirmed: all it sends stays in the Letterbox.
    """
    with entered() as ports:
        from postroom.flows.guard_installation import check_home, confirm_home

        check_home(ports)
        home = confirm_home(ports, member=None)
    say_json({"confirmed": home.confirmed}) if as_json else say(f"Confirmed: {home.confirmed}")
