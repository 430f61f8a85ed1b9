"""The queue by hand: what waits and for what, and what can be done about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import DONE, FAILED, AsJson, give_up, remark, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.flows.queue import ChangedDeliveries

app = typer.Typer(no_args_is_help=True, help="The queue: what waits and for what; retry, send now, cancel.")

State = Annotated[str, typer.Option("--state", help="Only these: queued, sending, deferred, sent, failed, bounced …")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Numbers of deliveries.")]
All = Annotated[bool, typer.Option("--all", help="All deliveries (of the state given with --state).")]
CHUNK = 1000


@app.command("list")
def list_queue(
    state: State = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List deliveries, with what each waits for. Example: postroom queue list --state failed"""
    _require_state(state)
    with entered():
        from postroom.flows.list_queue import list_deliveries

        rows = list_deliveries(state=state, limit=limit)
    if as_json:
        say_json([asdict(row) for row in rows])
        return
    show_table(
        ["id", "state", "to", "subject", "tries", "due", "why"],
        [(row.id, row.state, row.to, row.subject[:60], row.attempts, row.due_at, row.why) for row in rows],
        empty="Nothing there.",
    )


@app.command()
def retry(ids: Ids = None, every: All = False, state: State = "", as_json: AsJson = False) -> int:
    """Queue deliveries again that failed, bounced or are unknown. Example: postroom queue retry --all --state failed"""
    return _change("retry", ids, every, state or "failed", as_json)


@app.command()
def send(ids: Ids = None, every: All = False, state: State = "", as_json: AsJson = False) -> int:
    """Send deliveries now that wait for later. Example: postroom queue send --all --state deferred"""
    return _change("send_now", ids, every, state or "deferred", as_json)


@app.command()
def cancel(ids: Ids = None, every: All = False, state: State = "", as_json: AsJson = False) -> int:
    """Cancel deliveries that did not leave yet. Example: postroom queue cancel 17 18"""
    return _change("cancel", ids, every, state or "queued", as_json)


def _change(what: str, ids: list[int] | None, every: bool, state: str, as_json: bool) -> int:
    if bool(ids) == every:
        raise typer.BadParameter("name the deliveries by their numbers, or all of them with --all.")
    _require_state(state)
    done: list[int] = []
    refused: dict[int, str] = {}
    with entered() as ports:
        from postroom.flows import queue
        from postroom.flows.list_queue import delivery_ids

        act = {"retry": queue.retry, "send_now": queue.send_now, "cancel": queue.cancel}[what]
        chosen = list(ids or ()) or delivery_ids(state=state)
        for start in range(0, len(chosen), CHUNK):
            changed: ChangedDeliveries = act(ports, chosen[start : start + CHUNK], member=None)
            done += changed.done
            refused |= {number: str(reason) for number, reason in changed.refused.items()}
    if as_json:
        say_json({"done": done, "refused": {str(number): reason for number, reason in refused.items()}})
    else:
        say(f"{len(done)} {'delivery' if len(done) == 1 else 'deliveries'} changed.")
        for number, reason in refused.items():
            remark(f"{number}: {reason}")
    return FAILED if refused else DONE


def _require_state(state: str) -> None:
    from postroom.core.terms.states import DeliveryState

    if state and state not in {one.value for one in DeliveryState}:
        give_up(f"There is no state {state!r}. There are: {', '.join(DeliveryState)}.", code=2)
