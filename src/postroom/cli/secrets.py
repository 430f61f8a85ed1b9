"""The installation's secret keys by hand: look at them, change them, forget former ones. None is ever shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table

app = typer.Typer(
    no_args_is_help=True,
    help="The secret keys that seal passwords and sign reply addresses: check, rotate, forget.\n\n"
    "[bold]Once a year, or when somebody has seen what he should not:[/bold]\n\n"
    "  postroom secrets rotate      a new key; all stored passwords are sealed with it, nothing stops\n\n"
    "  postroom secrets check       is anything left that needs a former key?\n\n"
    "  postroom secrets forget      former keys go; replies to addresses that they signed are not recognised any more",
)


@app.command()
def check(as_json: AsJson = False) -> int:
    """Which keys do the stored secrets need? Exit code 1 when some cannot be opened. Example: postroom secrets check"""
    with entered() as ports:
        from postroom.flows.rotate_secrets import check_secrets

        found = check_secrets(ports, member=None)
    if as_json:
        say_json(asdict(found) | {"former": found.former, "lost": found.lost})
        return FAILED if found.lost else DONE
    say(f"{found.keys} {'key' if found.keys == 1 else 'keys'} in {found.place}.")
    show_table(
        ["column", "present key", "former keys", "cannot be opened"],
        [(one.column, one.present, one.former, one.lost) for one in found.columns],
        empty="",
    )
    if found.lost:
        say(f"{found.lost} values cannot be opened with any key: restore the key file, or enter these passwords again.")
    elif found.former:
        say("A rotation is not finished. Run: postroom secrets rotate")
    elif found.keys > 1:
        say("Nothing needs the former keys but addresses in mails already sent. See: postroom secrets forget --help")
    return FAILED if found.lost else DONE


@app.command()
def rotate(as_json: AsJson = False) -> int:
    """Make a new key and seal everything with it; after an interruption run it again. Example: postroom secrets rotate"""
    with entered() as ports:
        from postroom.flows.rotate_secrets import rotate_secrets

        done = rotate_secrets(ports, member=None)
        store = ports.key_store
    if as_json:
        say_json(asdict(done))
        return FAILED if done.lost else DONE
    if done.is_new_key:
        say(f"There is a new key in {store.place}. Back it up. The former ones stay until: postroom secrets forget")
    elif store.is_ours:
        say("An earlier rotation was not finished; it is now. Run it again for a new key.")
    else:
        say(
            f"The keys are in {store.place}: put the new one first there, the others behind it, and restart; then run this again."
        )
    say(f"{done.resealed} values were sealed anew.")
    if done.lost:
        say(f"{done.lost} values cannot be opened with any key. See: postroom secrets check")
    return FAILED if done.lost else DONE


@app.command()
def forget(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False) -> None:
    """Keep the present key alone. Refused while a stored secret needs a former one. Signed reply and bounce addresses in mails that
    were sent under former keys are not recognised any more. Example: postroom secrets forget --yes"""
    if not yes:
        typer.confirm(
            "Answers to mails that were sent under former keys may not find their record. Go on?", abort=True, err=True
        )
    with entered() as ports:
        from postroom.flows.rotate_secrets import RotationTrouble, forget_former_keys

        try:
            gone = forget_former_keys(ports, member=None)
        except RotationTrouble as trouble:
            give_up(str(trouble), code=ASKED_WRONGLY)
    say_json({"forgotten": gone}) if as_json else say(f"{gone} former {'key is' if gone == 1 else 'keys are'} gone.")
