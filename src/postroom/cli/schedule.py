"""Scheduled actions by hand."""

from __future__ import annotations

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table

app = typer.Typer(no_args_is_help=True, help="Scheduled actions: list them, run one now.")


@app.command("list")
def list_actions(as_json: AsJson = False) -> None:
    """List the scheduled actions: interval, next run, last result. Example: postroom schedule list --json"""
    with entered() as ports:
        from postroom.flows.run_scheduled_action import ensure_actions
        from postroom.store.models import ScheduledAction

        ensure_actions(ports)
        names = (
            "key",
            "name",
            "interval_seconds",
            "is_active",
            "next_run_at",
            "last_run_at",
            "last_result",
            "failure_count",
        )
        rows = list(ScheduledAction.objects.values(*names))
    if as_json:
        say_json(rows)
        return
    show_table(
        ["key", "name", "every (s)", "active", "next run (UTC)", "last result"],
        [
            (row["key"], row["name"], row["interval_seconds"], row["is_active"], row["next_run_at"], row["last_result"])
            for row in rows
        ],
        empty="There are none.",
    )


@app.command()
def run(
    key: str = typer.Argument(help="The key of an action, see: postroom schedule list"), as_json: AsJson = False
) -> int:
    """Run an action here and now, due or not; without effect while it runs. Example: postroom schedule run auto_vacuum"""
    with entered() as ports:
        from postroom.flows.run_scheduled_action import ACTIONS, ensure_actions, run_action

        if key not in ACTIONS:
            give_up(f"There is no scheduled action {key!r}. There are: {', '.join(ACTIONS)}.", code=ASKED_WRONGLY)
        ensure_actions(ports)
        done = run_action(ports, key)
    if as_json:
        say_json(None if done is None else {"key": done.key, "failed": done.is_failed, "result": done.result})
    else:
        say("It runs already." if done is None else done.result)
    return FAILED if done is not None and done.is_failed else DONE
