"""The command `seed`: a made-up house of any size, to see how Postroom is with a million messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer

from postroom.cli.telling import AsJson, give_up, remark, say, say_json

app = typer.Typer()

MESSAGES_EACH, DELIVERIES_EACH = 5, 3  # of a record; of a message


@app.command(rich_help_panel="Running")
def seed(
    messages: Annotated[int, typer.Option("--messages", min=1, max=100_000_000, help="How many messages.")] = 10_000,
    records: Annotated[int, typer.Option("--records", min=0, help="How many records; 0: one for five messages.")] = 0,
    deliveries: Annotated[int, typer.Option("--deliveries", min=-1, help="How many mails; -1: three a message.")] = -1,
    companies: Annotated[int, typer.Option("--companies", min=1, max=200, help="How many companies.")] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Another number makes another house.")] = 1,
    into_any: Annotated[
        bool, typer.Option("--into-a-real-house", help="Also where real people work. Nothing takes it back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fill an empty, demo or seeded database with a made-up house: people, records, conversations, failures, held mail.

    Interrupted, it goes on when it is called again. Capture mode is on: no made-up mail leaves. Example: postroom seed --messages 1000000
    """
    from postroom.cli.entering import configured, running

    configuration = configured(makes_house=True)
    from postroom.flows.seed_house import NotSeeded, seed_house
    from postroom.flows.seed_plan import SeedWish
    from postroom.workers.supervisor import bring_tables_up_to_date

    wish = SeedWish(
        messages=messages,
        records=min(messages, records or max(1, messages // MESSAGES_EACH)),
        deliveries=DELIVERIES_EACH * messages if deliveries < 0 else deliveries,
        companies=companies,
        seed=seed,
    )
    with running(configuration):
        bring_tables_up_to_date()
        from postroom.wiring import ports

        password, began = ports().ids.hex(6), time.monotonic()
        try:
            with _Bar(messages) as progress:
                found = seed_house(ports(), wish, password=password, into_any=into_any, progress=progress)
        except NotSeeded as error:
            give_up(str(error))
    seconds = time.monotonic() - began
    if as_json:
        said = {"messages": found.messages, "rows": found.rows, "seconds": round(seconds, 1)}
        say_json(said | {"administrator": found.administrator, "agent": found.agent, "password": password})
        return
    say(f"{found.messages:,} messages, {wish.records:,} records and {wish.deliveries:,} deliveries are there.")
    say(f"{found.rows:,} rows in {seconds:,.0f} s ({found.rows / max(seconds, 0.001):,.0f}/s).")
    say(
        f"Sign in as {found.administrator} (all companies) or {found.agent} (one small one) with the password {password}"
    )


class _Bar:
    """A bar on a terminal; elsewhere a line now and then."""

    EVERY = 15.0  # seconds

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (  # fmt: skip
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._total, self._began, self._said_at = total, time.monotonic(), time.monotonic()
        self._first: int | None = None
        self._bar = Progress(
            TextColumn("Seeding"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("Seeding", total=total, speed="")

    def __enter__(self) -> Callable[[int], None]:
        if self._console.is_terminal:
            self._bar.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _tell(self, done: int) -> None:
        now = time.monotonic()
        self._first = done if self._first is None else self._first  # what an interrupted seeding had written before
        speed = (done - self._first) / max(now - self._began, 0.001)
        self._bar.update(self._task, completed=done, speed=f"{speed:,.0f} messages/s")
        if not self._console.is_terminal and now - self._said_at > self.EVERY:
            self._said_at = now
            remark(f"{done:,} of {self._total:,} messages, {speed:,.0f}/s")
