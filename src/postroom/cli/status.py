"""How is it? One look for people, and for programs that watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from postroom.cli import entering
from postroom.cli.telling import DONE, FAILED, AsJson, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.core.terms.configuration import Configuration
    from postroom.flows.how_is_it import Condition, Point

app = typer.Typer()


@app.command(rich_help_panel="Running")
def status(as_json: AsJson = False) -> int:
    """Say how it is: what waits, failed or is held, mailboxes, doors, alarms, schedule, disk; exit 1 when something is wrong.

    Example: postroom status --json
    """
    configuration = entering.configured()
    here = _processes(configuration)  # before a database is started for this question
    with entering.running(configuration, needs=("postroom.flows.how_is_it", "postroom.wiring")):
        entering.require_tables()
        from postroom.flows.how_is_it import how_is_it
        from postroom.wiring import ports

        found = how_is_it(ports())
    points = (*here, *found.points)
    is_well = all(point.is_well for point in points)
    if as_json:
        say_json(_as_json(found, points, is_well=is_well))
    else:
        show_table(
            ["", "what", "how it is"],
            [("ok" if point.is_well else "WRONG", point.name, point.sentence) for point in points],
            empty="",
        )
        wrong = sum(not point.is_well for point in points)
        say(f"Postroom {found.version}: " + ("all is well." if is_well else f"{wrong} of {len(points)} need a person."))
    return DONE if is_well else FAILED


def _processes(configuration: Configuration) -> tuple[Point, ...]:
    """Whether it runs on this machine, and which of its doors answer."""
    from postroom.flows.how_is_it import Point
    from postroom.workers.supervisor import answers, is_up, places_of

    runs = is_up(Path(configuration.data_dir))
    open_ = {place.label: answers(place) for place in places_of(configuration)}
    closed = [label for label, is_open in open_.items() if not is_open]
    is_shared = bool(configuration.database_url)  # other machines may do the work
    said = "It runs here." if runs else "It does not run here" + (": postroom up." if not is_shared else ".")
    doors = f"Closed: {', '.join(closed)}." if closed else "All doors are open."
    return (
        Point(name="processes", is_well=runs or is_shared, sentence=said, facts={"up": runs}),
        Point(name="doors", is_well=not closed or (is_shared and not runs), sentence=doors, facts={"open": open_}),
    )


def _as_json(found: Condition, points: tuple[Point, ...], *, is_well: bool) -> dict[str, Any]:
    told = {point.name: {"ok": point.is_well, "sentence": point.sentence, **point.facts} for point in points}
    return {"ok": is_well, "version": found.version, "at": found.at, **told}
