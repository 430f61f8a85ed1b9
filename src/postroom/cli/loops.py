"""Stopped loops by hand: what the loop breaker holds, and letting it pass or be."""

from __future__ import annotations

from typing import Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, show_table

app = typer.Typer(no_args_is_help=True, help="Stopped loops: mail that the loop breaker holds.")

Target = Annotated[str, typer.Argument(help="What it was for, such as alias:3; see: postroom loop list")]
OfAuthor = Annotated[
    str | None, typer.Option("--author", help="Of this author alone; '' is mail held because of everybody's.")
]


@app.command("list")
def list_loops(as_json: AsJson = False) -> int:
    """List what is held, by target and author; exit 1 when there is any. Example: postroom loop list --json"""
    with entered():
        from postroom.flows.settle_loops import visible_holds
        from postroom.store.queries.pages_loops import held_groups

        found = held_groups(visible_holds(None))
    if as_json:
        names = ("target", "name", "author", "count", "senders", "first_at", "last_at")
        say_json([{name: getattr(one, name) for name in names} | {"reason": str(one.reason)} for one in found])
    else:
        rows = [(one.target, one.name, one.author or "everybody", one.count, one.last_at, one.reason) for one in found]
        show_table(["target", "name", "author", "held", "last (UTC)", "why"], rows, empty="No loop was stopped.")
    return FAILED if found else DONE


@app.command()
def release(target: Target, author: OfAuthor = None) -> int:
    """Route it again and let it pass for the breaker's window. Example: postroom loop release alias:3"""
    with entered() as ports:
        from postroom.flows.settle_loops import release_held

        count = release_held(ports, target, author=author, member=None)
    say(f"Routed again: {count}.")
    return _found(count, target)


@app.command()
def allow(address: str = typer.Argument(help="Whose mail the breaker shall always let pass.")) -> None:
    """Put an address on the allow-list and release what is held of it. Example: postroom loop allow shop@example.com"""
    with entered() as ports:
        from postroom.flows.settle_loops import allow_sender

        try:
            count = allow_sender(ports, address, member=None)
        except ValueError as error:
            give_up(str(error), code=ASKED_WRONGLY)
    say(f"{address} is on the allow-list (mail.gateway.allowed). Routed again: {count}.")


@app.command()
def leave(target: Target, author: OfAuthor = None) -> int:
    """It was a loop: the mails stay held, the alarm ends. Example: postroom loop leave record:7"""
    with entered() as ports:
        from postroom.flows.settle_loops import let_be

        count = let_be(ports, target, author=author, member=None)
    say(f"Left as they are, held: {count}.")
    return _found(count, target)


def _found(count: int, target: str) -> int:
    if not count:
        remark(f"Nothing is held for {target!r}; see: postroom loop list")
    return DONE if count else FAILED
