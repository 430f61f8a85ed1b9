"""System parameters by hand."""

from __future__ import annotations

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, say, say_json, show_table
from postroom.core.terms.parameters import PARAMETERS, ParameterError

app = typer.Typer(no_args_is_help=True, help="System parameters: list, get, set.")


@app.command("list")
def list_parameters(as_json: AsJson = False) -> None:
    """List all parameters with value, default and meaning."""
    with entered() as ports:
        from postroom.flows.settings import parameters

        stored = parameters(ports)
        rows = [
            {"key": key, "value": stored.text(key), "default": one.default, "help": one.help}
            for key, one in PARAMETERS.items()
        ]
    if as_json:
        say_json(rows)
        return
    show_table(
        ["key", "value", "default", "meaning"],
        [(row["key"], row["value"], row["default"], row["help"]) for row in rows],
        empty="",
    )


@app.command()
def get(key: str, as_json: AsJson = False) -> None:
    """Show the value in force. Example: postroom parameter get mail.catchall.domain"""
    _require(key)
    with entered() as ports:
        from postroom.flows.settings import parameters

        value = parameters(ports).text(key)
    say_json({"key": key, "value": value}) if as_json else say(value)


@app.command(
    "set", context_settings={"ignore_unknown_options": True}
)  # -5 is a value that does not fit, and is told so
def set_value(key: str, value: str, as_json: AsJson = False) -> None:
    """Change a value, in every process at once; it is recorded. Example: postroom parameter set mail.retry.days 3"""
    _require(key)
    with entered() as ports:
        from postroom.flows.settings import set_parameter

        try:
            stored = set_parameter(ports, key, value, member=None)
        except ParameterError as error:
            give_up(f"{key}: {error}", code=ASKED_WRONGLY)
    say_json({"key": key, "value": stored}) if as_json else say(f"{key} = {stored}")


def _require(key: str) -> None:
    if key not in PARAMETERS:
        near = [one for one in PARAMETERS if key.rpartition(".")[2] in one or one.rpartition(".")[2] in key]
        hint = f" Do you mean {', '.join(near)}?" if near else " See: postroom parameter list"
        give_up(f"There is no parameter {key!r}.{hint}", code=ASKED_WRONGLY)
