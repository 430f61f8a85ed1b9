"""Alarms by hand: what shows now, and dismissing it."""

from __future__ import annotations

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table

app = typer.Typer(no_args_is_help=True, help="Alarms: what went wrong by itself and needs a person.")


@app.command("list")
def list_alarms(as_json: AsJson = False) -> int:
    """List the open alarms, the newest first; exit 1 when there are any. Example: postroom alarm list --json"""
    with entered():
        from postroom.flows.alarms import visible_alarms
        from postroom.store.queries.pages_home import open_alarms

        found = open_alarms(visible_alarms(None), most=1000)
    if as_json:
        names = ("id", "code", "sentence", "link", "count", "last_at")
        say_json([{name: getattr(one, name) for name in names} for one in found])
    else:
        rows = [(one.id, one.sentence, one.count, one.last_at) for one in found]
        show_table(["number", "alarm", "times", "last (UTC)"], rows, empty="No alarm is open.")
    return FAILED if found else DONE


@app.command()
def dismiss(number: int = typer.Argument(help="The number of an alarm, see: postroom alarm list")) -> None:
    """You have seen enough of it; it comes back when the trouble shows again. Example: postroom alarm dismiss 3"""
    with entered() as ports:
        from postroom.flows.alarms import dismiss_alarm
        from postroom.store.models import Alarm

        try:
            dismiss_alarm(ports, number, member=None)
        except Alarm.DoesNotExist:
            give_up(f"There is no alarm {number}; see: postroom alarm list", code=ASKED_WRONGLY)
    say(f"Alarm {number} is dismissed.")
