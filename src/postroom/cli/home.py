"""Capture mode and the staging lock by hand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, remark, say, say_json

if TYPE_CHECKING:
    from postroom.flows.leave_capture import WaitingMails

app = typer.Typer()

CancelsWaiting = Annotated[
    bool | None,
    typer.Option(
        "--cancel-waiting/--send-waiting",
        help="What becomes of mails that wait when capture mode ends: they are cancelled, or leave, too.",
        show_default=False,
    ),
]


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
    cancels: CancelsWaiting = None,
    as_json: AsJson = False,
) -> None:
    """Switch capture mode. Example: postroom capture off --cancel-waiting

    Mails that wait in the queue leave when it ends, or are cancelled before: say which, or be asked.
    """
    if state not in ("on", "off"):
        give_up(f"Say on or off, not {state!r}.", code=ASKED_WRONGLY)
    cancelled = 0
    with entered() as ports:
        from postroom.flows.guard_installation import check_home, set_capturing
        from postroom.flows.leave_capture import NotChosen, leave_capture

        check_home(ports)
        if state == "on":
            set_capturing(ports, True, member=None)
        else:
            chosen = choose_for_waiting(cancels, asks=not as_json and sys.stdin.isatty())
            try:
                cancelled = leave_capture(ports, cancels=chosen, member=None)
            except NotChosen as why:
                give_up(str(why))
    if as_json:
        say_json({"capture": state, "cancelled": cancelled})
    else:
        say(f"Capture mode is {state}." + (f" {cancelled} waiting mails were cancelled." if cancelled else ""))


def choose_for_waiting(cancels: bool | None, *, asks: bool) -> bool | None:
    """What becomes of the mails that wait when capture mode ends: as it was said, else as a person says now. Ends the command where mails wait
    and nobody said anything."""
    from postroom.flows.leave_capture import waiting_mails

    found = waiting_mails()
    if not found.count or cancels is not None:
        return cancels
    remark(_told(found))
    if not asks:
        give_up("Say --cancel-waiting, or --send-waiting to let them leave, too.", code=ASKED_WRONGLY)
    from rich.prompt import Prompt

    answer = Prompt.ask("Cancel them, send them, or stop here", choices=["cancel", "send", "stop"], default="stop")
    if answer == "stop":
        give_up("Nothing was changed.")
    return answer == "cancel"


def _told(found: WaitingMails) -> str:
    count = f"More than {found.count}" if found.is_more else str(found.count)
    mails = f"{count} {'mail waits' if found.count == 1 else 'mails wait'} in the queue and would leave when capture mode ends"
    nowhere = (
        f", {found.made_up} of them to addresses that exist nowhere, such as {found.example}" if found.made_up else ""
    )
    return f"{mails}{nowhere}. postroom queue list shows them."


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
