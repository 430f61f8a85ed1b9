"""Destinations by hand: who takes our recipients' mail, how fast, and who says so."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, AsJson, give_up, say, say_json, show_table

app = typer.Typer(
    no_args_is_help=True,
    help="Limits of destinations: mails a minute to the provider that takes a domain's mail, learned or set.\n\n"
    "  postroom destination list               who gets fewer, and why\n\n"
    "  postroom destination limit gmail.com 60 never more than 60 a minute from each server\n\n"
    "  postroom destination release gmail.com  forget what it asked for itself",
)

Name = Annotated[str, typer.Argument(help="The provider, or a domain whose mail it takes, such as gmail.com.")]


@app.command("list")
def list_all(
    search: Annotated[str, typer.Argument(help="Only names that hold this, or the provider of this domain.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the destinations with a limit, learned or set. Example: postroom destination list"""
    with entered() as ports:
        from postroom.flows.list_limits import list_limits

        found = list_limits(ports, member=None, search=search).destinations
    if as_json:
        say_json([asdict(one) for one in found])
        return
    show_table(
        ["destination", "a minute", "set by a person", "it asked for", "a step faster at (UTC)", "used now", "it said"],
        [
            (
                one.name,
                one.per_minute or "no limit",
                one.set_by_person or None,
                one.learned or None,
                one.until,
                ", ".join(f"{use.server or 'configuration'} {use.used}" for use in one.uses),
                one.said,
            )
            for one in found
        ],
        empty="None: every destination takes what we send.",
    )


@app.command()
def limit(
    name: Name,
    per_minute: Annotated[int, typer.Argument(help="Mails a minute from each server; 0: no limit.", min=0)],
    as_json: AsJson = False,
) -> int:
    """Set a limit, or lift it with 0. Example: postroom destination limit gmail.com 60"""
    with entered() as ports:
        from django.core.exceptions import ValidationError

        from postroom.flows.settings import limit_destination

        try:
            provider = limit_destination(ports, name, per_minute, member=None)
        except ValidationError as error:
            give_up(" ".join(error.messages), code=ASKED_WRONGLY)
    if as_json:
        say_json({"destination": provider, "per_minute": per_minute})
    else:
        say(f"{provider} gets {per_minute} mails a minute." if per_minute else f"{provider} has no limit.")
    return DONE


@app.command()
def release(name: Name, as_json: AsJson = False) -> int:
    """Forget the slow-down that it asked for; a limit that was set stays. Example: postroom destination release gmail.com"""
    with entered() as ports:
        from django.core.exceptions import ValidationError

        from postroom.flows.settings import release_destination

        try:
            provider = release_destination(ports, name, member=None)
        except ValidationError as error:
            give_up(" ".join(error.messages), code=ASKED_WRONGLY)
    say_json({"destination": provider}) if as_json else say(f"{provider} is not slowed down.")
    return DONE
