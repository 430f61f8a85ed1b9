"""The queue by hand: what waits and for what, what can be done about it, and what nobody knows the outcome of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import (
    ASKED_WRONGLY,
    DONE,
    FAILED,
    AsJson,
    give_up,
    progress,
    remark,
    say,
    say_json,
    show_table,
)

if TYPE_CHECKING:
    from datetime import datetime

    from postroom.flows.list_queue import ListedDelivery, QueueFilter

app = typer.Typer(
    no_args_is_help=True, help="The queue: what waits and for what; retry, send now, cancel; unknown outcomes."
)

State = Annotated[str, typer.Option("--state", help="Only these: queued, deferred, sending, outgoing, sent, failed …")]
Recipient = Annotated[str, typer.Option("--to", help="Only to this address, or to those that contain it.")]
Server = Annotated[str, typer.Option("--server", help="Only through the server of this name.")]
InLane = Annotated[str, typer.Option("--lane", help="Only this lane: urgent, normal, campaign.")]
AtGate = Annotated[
    str,
    typer.Option(
        "--gate", help="Only what waits for this: turn, not_due, paused, limit, slowed, trouble, server, retry, other."
    ),
]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Numbers of deliveries.")]
All = Annotated[bool, typer.Option("--all", help="All deliveries that match (of the state given with --state).")]


@app.command("list")
def list_queue(
    state: State = "",
    to: Recipient = "",
    server: Server = "",
    lane: InLane = "",
    gate: AtGate = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List deliveries, with what each waits for. Example: postroom queue list --gate limit"""
    with entered() as ports:
        from postroom.flows.list_queue import list_deliveries

        wanted = _filter(state, to, server, lane, gate)
        try:
            rows = list_deliveries(ports, wanted, limit=limit)
        except ValueError as error:
            give_up(str(error), code=ASKED_WRONGLY)
    if as_json:
        say_json([asdict(row) for row in rows])
        return
    show_table(
        ["id", "state", "to", "subject", "tries", "due", "gate", "since", "why"],
        [
            (row.id, row.state, row.to, row.subject[:60], row.attempts, _due(row), row.gate, row.held_since, row.why)
            for row in rows
        ],
        empty="Nothing there.",
    )


def _due(row: ListedDelivery) -> datetime | None:
    """Of what stands before a gate the end of patience is stored, which nobody takes for a time of sending."""
    return row.due_at if row.gate in ("", "turn", "not_due", "retry") else None


@app.command()
def retry(
    ids: Ids = None,
    every: All = False,
    state: State = "",
    to: Recipient = "",
    server: Server = "",
    lane: InLane = "",
    as_json: AsJson = False,
) -> int:
    """Queue deliveries again that failed, bounced or were cancelled. Example: postroom queue retry --all --state failed"""
    return _change("retry", ids, every, (state or "failed", to, server, lane, ""), as_json)


@app.command()
def send(
    ids: Ids = None,
    every: All = False,
    state: State = "",
    to: Recipient = "",
    server: Server = "",
    lane: InLane = "",
    gate: AtGate = "",
    as_json: AsJson = False,
) -> int:
    """Send deliveries now that wait for later. Example: postroom queue send --all --state deferred"""
    return _change("send_now", ids, every, (state or "deferred", to, server, lane, gate), as_json)


@app.command()
def cancel(
    ids: Ids = None,
    every: All = False,
    state: State = "",
    to: Recipient = "",
    server: Server = "",
    lane: InLane = "",
    gate: AtGate = "",
    as_json: AsJson = False,
) -> int:
    """Cancel deliveries that did not leave yet. Example: postroom queue cancel 17 18"""
    return _change("cancel", ids, every, (state or "queued", to, server, lane, gate), as_json)


@app.command()
def unknown(
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List deliveries whose outcome nobody knows, with what is known of them. Example: postroom queue unknown"""
    with entered() as ports:
        from postroom.flows.list_queue import QueueFilter, list_deliveries
        from postroom.store.queries.pages_unknown import unknown_facts

        rows = list_deliveries(ports, QueueFilter(state="unknown"), limit=limit)
        facts = unknown_facts([row.id for row in rows])
    if as_json:
        say_json([{"to": row.to, "subject": row.subject, "id": row.id, **asdict(facts[row.id])} for row in rows])
        return
    show_table(
        ["id", "to", "when", "server", "connection", "bytes", "Message-ID"],
        [
            (row.id, row.to, known.tried_at, known.server, known.connection, known.on_the_wire, known.message_id)
            for row in rows
            for known in [facts[row.id]]
        ],
        empty="Every outcome is known.",
    )


@app.command()
def resolve(
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="All whose outcome is unknown.")] = False,
    arrived: Annotated[bool, typer.Option("--arrived", help="It arrived: the server's log says so.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send it again, as a new delivery.")] = False,
    given_up: Annotated[bool, typer.Option("--give-up", help="Give it up: it counts as failed.")] = False,
    as_json: AsJson = False,
) -> int:
    """Decide about unknown outcomes. Example: postroom queue resolve 17 --arrived"""
    if arrived + again + given_up != 1:
        raise typer.BadParameter("say one of --arrived, --again, --give-up.")
    _ids_or_all(ids, every)
    done: list[int] = []
    refused: dict[int, str] = {}
    with entered() as ports:
        from postroom.flows.change_queue import BATCH
        from postroom.flows.list_queue import QueueFilter, matching_ids, read_filter
        from postroom.flows.settle_unknown import Decision, resolve_unknown

        decision = Decision.ARRIVED if arrived else Decision.AGAIN if again else Decision.GIVEN_UP
        wish = read_filter(QueueFilter(state="unknown"), member=None)
        chosen = list(ids or ()) or matching_ids(ports, wish)
        for start in progress(range(0, len(chosen), BATCH), "Deciding", quiet=as_json):
            changed = resolve_unknown(ports, chosen[start : start + BATCH], decision, member=None)
            done += changed.done
            refused |= {number: str(reason) for number, reason in changed.refused.items()}
    return _told(done, refused, as_json)


def _change(
    what: str, ids: list[int] | None, every: bool, wanted: tuple[str, str, str, str, str], as_json: bool
) -> int:
    _ids_or_all(ids, every)
    done: list[int] = []
    refused: dict[int, str] = {}
    with entered() as ports:
        from postroom.flows.change_queue import BATCH, change
        from postroom.flows.list_queue import matching_ids, read_filter

        words = _filter(*wanted)
        try:
            chosen = list(ids or ()) or matching_ids(ports, read_filter(words, member=None))
        except ValueError as error:
            give_up(str(error), code=ASKED_WRONGLY)
        steps: Iterable[Any] = change(ports, what, chosen, member=None)
        for step in progress(steps, "Changing", total=-(-len(chosen) // BATCH), quiet=as_json):
            done += step.done
            refused |= {number: str(reason) for number, reason in (step.refused or {}).items()}
    return _told(done, refused, as_json)


def _told(done: list[int], refused: dict[int, str], as_json: bool) -> int:
    if as_json:
        say_json({"done": done, "refused": {str(number): reason for number, reason in refused.items()}})
    else:
        say(f"{len(done)} {'delivery' if len(done) == 1 else 'deliveries'} changed.")
        for number, reason in refused.items():
            remark(f"{number}: {reason}")
    return FAILED if refused else DONE


def _ids_or_all(ids: list[int] | None, every: bool) -> None:
    if bool(ids) == every:
        raise typer.BadParameter("name the deliveries by their numbers, or all of them with --all.")


def _filter(state: str, to: str, server: str, lane: str, gate: str) -> QueueFilter:
    from postroom.core.terms.gates import Gate
    from postroom.core.terms.states import DeliveryState, Lane
    from postroom.flows.list_queue import QueueFilter

    states = (*DeliveryState, "outgoing")
    for what, value, known in (("state", state, states), ("lane", lane, Lane), ("gate", gate, Gate)):
        if value and value not in {str(one) for one in known}:
            give_up(f"There is no {what} {value!r}. There are: {', '.join(map(str, known))}.", code=ASKED_WRONGLY)
    return QueueFilter(state=state, recipient=to, server=server, lane=lane, gate=gate)
