"""The command `bench`: how fast Postroom is on this machine, compared with bare servers in the same run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from postroom.cli.benching.results import BenchResult, cores
from postroom.cli.telling import AsJson, give_up, say, say_json, say_line

app = typer.Typer(
    no_args_is_help=True, help="How fast it is here, compared with Postfix's smtp-source and smtp-sink in the same run."
)

Workers = Annotated[int, typer.Option("--workers", "-w", min=0, max=64, help="Processes; 0: one for each core.")]


@app.command("out")
def out(
    n: Annotated[int, typer.Option("-n", min=1, max=10_000_000, help="How many mails.")] = 20_000,
    workers: Workers = 0,
    dkim: Annotated[
        str, typer.Option("--dkim", help="Sign each mail: rsa, ed25519 or both; else none is signed.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Queued deliveries to the other server's 250. Example: postroom bench out -n 5000 --workers 2 --dkim rsa"""
    if dkim not in ("", "rsa", "ed25519", "both"):
        raise typer.BadParameter("rsa, ed25519 or both", param_hint="--dkim")
    from postroom.cli.benching.outgoing import bench_out

    _measure("Sending", n, workers, as_json, partial(bench_out, dkim=dkim))


@app.command("in")
def into(
    n: Annotated[int, typer.Option("-n", min=1, max=10_000_000, help="How many mails.")] = 5_000,
    workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """The SMTP door to the routed record with its followers' mails queued; one mail of ten is a bounce. A quarter of the
    workers are doors, the others routers. Example: postroom bench in -n 1000"""
    from postroom.cli.benching.incoming import bench_in

    _measure("Receiving", n, workers, as_json, bench_in)


@app.command("claim")
def claim(
    small: Annotated[int, typer.Option("--small", min=1_000, help="Waiting mails at first.")] = 10_000,
    large: Annotated[int, typer.Option("--large", min=1_000, max=100_000_000, help="Waiting mails then.")] = 3_000_000,
    as_json: AsJson = False,
) -> None:
    """Taking the next 1,000 out of a short and of a long queue. Example: postroom bench claim --large 1000000"""
    from postroom.cli.benching.queueing import bench_claim

    if large <= small:
        raise typer.BadParameter("--large must be more than --small.")
    with _bar("Filling the queue", large) as progress:
        result = bench_claim(small, large, progress)
    if as_json:
        say_json(asdict(result))
        return
    for waiting, ms in ((result.small, result.small_ms), (result.large, result.large_ms)):
        say(f"next {result.taken:,} of {waiting:>12,}  {ms:>10,.2f} ms")
    say(f"ratio                      {result.ratio:>10,.2f}      (1 is flat)")


@app.command("route")
def route(
    small: Annotated[int, typer.Option("--small", min=1_000, help="Stored messages at first.")] = 10_000,
    large: Annotated[
        int, typer.Option("--large", min=1_000, max=100_000_000, help="Stored messages then.")
    ] = 3_000_000,
    as_json: AsJson = False,
) -> None:
    """Routing a batch beside a small and a large archive. Example: postroom bench route --large 1000000"""
    from postroom.cli.benching.routing import bench_routing

    if large <= small:
        raise typer.BadParameter("--large must be more than --small.")
    with _bar("Filling the archive", large) as progress:
        result = bench_routing(small, large, progress)
    if as_json:
        say_json(asdict(result))
        return
    for stored, ms in ((result.small, result.small_ms), (result.large, result.large_ms)):
        say(f"{result.batch} mails beside {stored:>12,} messages  {ms:>10,.1f} ms")
    say(f"ratio                                   {result.ratio:>10,.2f}      (1 is flat)")


@app.command("urgent")
def urgent(
    n: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many messages, one after the other.")] = 200,
    waiting: Annotated[
        int, typer.Option("--waiting", min=0, max=10_000_000, help="Bulk mails that wait meanwhile.")
    ] = 0,
    workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """From posting a message to the server's 250, written down. Example: postroom bench urgent --waiting 500000"""
    from postroom.cli.benching.ground import program
    from postroom.cli.benching.queueing import bench_urgent

    program("smtp-sink")
    with _bar("Posting", max(n, waiting)) as progress:
        result = bench_urgent(n, waiting, workers or max(1, cores()), progress)
    if as_json:
        say_json(asdict(result))
        return
    say(
        f"median             {result.median_ms:>12,.1f} ms   ({result.n} messages, {result.waiting:,} bulk mails waiting)"
    )
    say(f"95 of 100 within   {result.p95_ms:>12,.1f} ms")
    say(f"slowest            {result.slowest_ms:>12,.1f} ms")
    say(f"largest process    {result.peak_rss_mb:>12,.1f} MB   ({result.workers} workers, {result.cores} cores)")
    if result.waiting:
        say(f"still waiting      {result.bulk_left:>12,}      bulk mails, when the last message had left")


@app.command("loops")
def loops(as_json: AsJson = False) -> None:
    """48 hours of robots, redirections and two Postrooms that write to each other: how soon each stops. Simulated time. Example: postroom bench loops"""
    from postroom.cli.benching.ground import prepared_ground
    from postroom.cli.benching.looping import STRANGERS, crowd, play, scenarios
    from postroom.cli.telling import show_table

    with prepared_ground({}), _bar("Playing", len(scenarios()) + 1) as progress:
        logging.getLogger("postroom.flows.alarms").setLevel(logging.CRITICAL)  # the alarms are in the table
        results = []
        for done, name in enumerate(scenarios()):
            results.append(play(name))
            progress(done + 1)
        many = crowd(STRANGERS)
    if as_json:
        say_json({"loops": [asdict(one) for one in results], "crowd": asdict(many)})
        return
    rows = [
        (
            one.name,
            one.rounds,
            one.held,
            one.refused,
            one.seen,
            one.exchanged,
            f"{one.stopped_after:,.0f}",
            ", ".join(one.alarms),
        )
        for one in results
    ]
    heads = ["what keeps writing", "rounds", "held", "refused", "seen", "mails in 48 h", "stops after s", "alarm"]
    show_table(heads, rows, empty="Nothing was played.")
    say(
        f"{many.strangers:,} strangers to one alias: {many.passed:,} let in, {many.held:,} held ({many.hold_rate:,.0f}/s), then one "
        f"click: {many.released:,} routed ({many.release_rate:,.0f}/s)"
    )


@app.command("parse")
def parse(
    megabytes: Annotated[int, typer.Option("--megabytes", min=1, max=500, help="Size of the large mails.")] = 50,
    only: Annotated[str, typer.Option("--only", help="Mails whose name holds this text.")] = "",
    as_json: AsJson = False,
) -> None:
    """Reading a mail: processor time and memory for ordinary, huge and hostile ones. Example: postroom bench parse --only KB"""
    from postroom.cli.benching.reading import bench_parse

    if not as_json:
        say(f"{'':<42}{'mail':>10}{'CPU':>14}{'memory':>12}{'per byte':>10}")
    for cost in bench_parse(megabytes=megabytes, only=only):
        if as_json:
            say_line(asdict(cost))
        else:
            ratio = f"{cost.memory_ratio:.1f}" if cost.memory_ratio else ""
            size = f"{cost.size / 1e6:,.1f} MB" if cost.size >= 1e6 else f"{cost.size / 1e3:,.1f} KB"
            say(f"{cost.name:<42}{size:>10}{cost.cpu_ms:>11,.2f} ms{cost.memory_mb:>9,.1f} MB{ratio:>10}")


DataDir = Annotated[
    str, typer.Option("--data-dir", help="The house to visit; without it a temporary one is seeded first.")
]


@app.command("web")
def web(
    n: Annotated[int, typer.Option("-n", min=3, max=10_000, help="Requests of each page, after the warm-up.")] = 30,
    data_dir: DataDir = "",
    messages: Annotated[int, typer.Option("--messages", min=500, help="Of the temporary house.")] = 20_000,
    only: Annotated[str, typer.Option("--only", help="Pages whose name or address holds this text.")] = "",
    must: Annotated[bool, typer.Option("--assert", help="Fail when a page is beyond its limits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every list and record page: median, 95th percentile, CPU, queries and bytes. Example: postroom bench web --data-dir data --only queue"""
    from postroom.cli.benching.browsing import bench_web, house_to_visit
    from postroom.cli.benching.pages import BUDGET, MEDIAN_MS, P95_MS, PLACES

    with (
        _bar("Seeding", messages) as seeding,
        house_to_visit(data_dir, messages, seeding),
        _bar("Pages", sum(len(place.readers) for place in PLACES)) as progress,
    ):
        result = bench_web(n, only, progress)
    beyond = [page for page in result.pages if not page.is_within]
    if as_json:
        said = [asdict(page) | {"is_within": page.is_within, "is_at_goal": page.is_at_goal} for page in result.pages]
        say_json(asdict(result) | {"pages": said})
    else:
        say(
            f"{result.messages:,} messages, {result.records:,} records, {result.deliveries:,} deliveries; {n} requests each"
        )
        say(f"{'page':<30}{'reader':<15}{'median':>11}{'p95':>11}{'CPU':>11}{'queries':>9}{'bytes':>10}")
        for page in sorted(result.pages, key=lambda page: -page.median_ms):
            mark = "" if page.is_at_goal else "  +" if page.is_within else "  !"
            say(
                f"{page.name:<30}{page.reader:<15}{page.median_ms:>8,.1f} ms{page.p95_ms:>8,.1f} ms{page.cpu_ms:>8,.1f} ms{page.queries:>9}{page.size:>10,}{mark}"
            )
        goal = sum(page.is_at_goal for page in result.pages)
        say(
            f"{len(result.pages)} pages: {goal} at the goal, {len(result.pages) - goal - len(beyond)} within the limits (+), {len(beyond)} beyond (!)"
        )
        for name in result.skipped:
            say(f"not measured, this house has none: {name}")
        say(f"largest web process {result.worker_mb:,.1f} MB")
    if must and beyond:
        give_up(
            f"{len(beyond)} pages took over {MEDIAN_MS:.0f} ms at the median, {P95_MS:.0f} ms at p95, or {BUDGET} queries."
        )


@app.command("live")
def live(
    streams: Annotated[int, typer.Option("--streams", min=1, max=20_000, help="Pages that listen.")] = 500,
    data_dir: DataDir = "",
    messages: Annotated[int, typer.Option("--messages", min=500, help="Of the temporary house.")] = 2_000,
    as_json: AsJson = False,
) -> None:
    """Many pages that wait for changes: memory, and when each hears of one. Example: postroom bench live --streams 500"""
    from postroom.cli.benching.browsing import house_to_visit
    from postroom.cli.benching.streaming import bench_streams

    with _bar("Seeding", messages) as seeding, house_to_visit(data_dir, messages, seeding):
        result = bench_streams(streams)
    if as_json:
        say_json(asdict(result))
        return
    say(
        f"{result.streams:,} streams opened in {result.opened_s:,.2f} s, with {result.connections} connections to the database"
    )
    say(
        f"a change is heard   {result.heard_median_ms:>8,.1f} ms at half of them, {result.heard_last_ms:,.1f} ms at the last"
    )
    say(f"a page meanwhile    {result.page_meanwhile_ms:>8,.1f} ms (before: {result.page_before_ms:,.1f} ms)")
    say(f"web process         {result.memory_meanwhile_mb:>8,.1f} MB (before: {result.memory_before_mb:,.1f} MB)")


def _measure(
    what: str, n: int, workers: int, as_json: bool, bench: Callable[[int, int, Callable[[int], None]], BenchResult]
) -> None:
    from postroom.cli.benching.ground import program

    program("smtp-source")
    program("smtp-sink")
    staff = workers or max(1, cores())
    with _bar(what, n) as progress:
        result = bench(n, staff, progress)
    say_json(asdict(result)) if as_json else _describe(result)


class _bar:  # noqa: N801 - a context manager
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(f"{what} (the yardstick comes first)", total=total)
        self._shown = self._progress if sys.stderr.isatty() else nullcontext()

    def __enter__(self) -> Callable[[int], None]:
        self._shown.__enter__()
        return lambda done: self._progress.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        self._shown.__exit__(None, None, None)


def _describe(result: BenchResult) -> None:
    say(
        f"rate               {result.rate:>12,.1f} mails/s   ({result.n} mails, {result.workers} workers, {result.cores} cores)"
    )
    say(f"yardstick          {result.yardstick:>12,.1f} mails/s   (smtp-source to smtp-sink, 10 sessions, same run)")
    say(f"ratio              {result.ratio:>12,.4f}           (rate / yardstick)")
    say(f"CPU per message    {result.cpu_s_per_message * 1000:>12,.3f} ms        (our processes and PostgreSQL)")
    say(f"largest process    {result.peak_rss_mb:>12,.1f} MB")
