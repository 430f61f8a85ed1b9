"""Mailboxes by hand: test one, fetch from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.store.models import Mailbox

app = typer.Typer(no_args_is_help=True, help="Mailboxes: list, test, fetch now.")


@app.command("list")
def list_mailboxes(as_json: AsJson = False) -> None:
    """List the mailboxes and how they are."""
    with entered():
        from postroom.store.models import Mailbox

        names = (
            "name",
            "protocol",
            "host",
            "port",
            "username",
            "is_active",
            "is_confirmed",
            "fetched_at",
            "last_error",
        )
        rows = list(Mailbox.objects.values(*names))
    if as_json:
        say_json(rows)
        return
    show_table(
        ["name", "protocol", "host", "user", "active", "confirmed", "fetched (UTC)", "last error"],
        [
            (r["name"], r["protocol"], f"{r['host']}:{r['port']}", r["username"], r["is_active"], r["is_confirmed"], r["fetched_at"], r["last_error"])
            for r in rows
        ],
        empty="There are none.",
    )  # fmt: skip


@app.command()
def test(name: str, as_json: AsJson = False) -> int:
    """Connect, encrypt, log in and open the folder; a success confirms the mailbox. Example: postroom mailbox test Support"""
    with entered() as ports:
        from postroom.flows.fetch_mailbox import test_mailbox

        found = test_mailbox(ports, _mailbox(name).pk)
    if as_json:
        say_json({"ok": found.ok, "step": found.step, "cause": found.cause, "cure": found.cure})
    elif found.ok:
        say("It works, and is fetched from now on.")
    else:
        say(f"It fails at the step {found.step}: {found.cause}\n{found.cure}")
    return DONE if found.ok else FAILED


@app.command()
def fetch(name: str, as_json: AsJson = False) -> int:
    """Fetch what is new, now. Example: postroom mailbox fetch Support"""
    with entered() as ports:
        from postroom.flows.fetch_mailbox import fetch_now

        done = fetch_now(ports, _mailbox(name).pk)
    if as_json:
        say_json(
            {
                "taken": done.taken,
                "is_leased_elsewhere": done.is_leased_elsewhere,
                "has_more": done.has_more,
                "trouble": done.trouble,
            }
        )
    else:
        say(f"{name}: {done}.")
    return FAILED if done.trouble else DONE


def _mailbox(name: str) -> Mailbox:
    from postroom.store.models import Mailbox

    found = Mailbox.objects.filter(name=name).first()
    if found is None:
        there = ", ".join(Mailbox.objects.values_list("name", flat=True))
        give_up(
            f"There is no mailbox {name!r}. {'There are: ' + there + '.' if there else 'There is none yet.'}",
            code=ASKED_WRONGLY,
        )
    return found
