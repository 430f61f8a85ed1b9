"""Addresses at which providers hand in mail that they receive: list, add, remove.

Law: what proves their requests never stands in the command's words: it comes by standard input.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.mailboxes import company_named
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.flows.inbound_hooks import InboundHookFacts

app = typer.Typer(no_args_is_help=True, help="Addresses at which providers hand in mail: list, add, remove.")


@app.command("list")
def list_addresses(as_json: AsJson = False) -> None:
    """List them; an address is a secret: whoever knows it may hand in mail. Example: postroom ingress list"""
    with entered() as ports:
        from postroom.flows.inbound_hooks import list_inbound_hooks

        rows = [_row(one) for one in list_inbound_hooks(ports, member=None)]
    if as_json:
        say_json(rows)
        return
    columns = ("name", "provider", "address", "is_complete", "last_mail_at", "last_trouble")
    show_table(
        [column.replace("_", " ") for column in columns],
        [[row[column] for column in columns] for row in rows],
        empty="There are none. Example: postroom ingress add Incoming --provider mailgun --secret-stdin",
    )


@app.command()
def add(
    name: str,
    provider: Annotated[
        str,
        typer.Option(help="mailgun, sendgrid, postmark, mailjet, brevo, amazon_ses, sparkpost or mandrill."),
    ],
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the provider's signing key (or API key) from standard input.")
    ] = False,
    kind: Annotated[
        str | None, typer.Option(help="Kind of records made of its mails that no alias takes; empty: none.")
    ] = None,
    company: Annotated[str | None, typer.Option(help="Name of its company; where there is one only, that one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an address, or give one that is there another secret. Example: postroom ingress add Incoming --provider postmark"""
    secret = sys.stdin.read().strip() if secret_stdin else ""
    with entered() as ports:
        from django.core.exceptions import ValidationError

        from postroom.flows.inbound_hooks import save_inbound_hook

        number = company_named(company)
        try:
            found = save_inbound_hook(
                ports,
                name=name,
                provider=provider,
                company_id=number,
                secret=secret,
                fallback_kind=kind,
                member=None,
            )
        except ValidationError as error:
            give_up("\n".join(error.messages), code=ASKED_WRONGLY)
    if as_json:
        say_json(_row(found))
        return
    say(f"{found.address}\n{found.help}")
    if not found.is_complete:
        say(f"It takes nothing before its {found.secret_label} is known: postroom ingress add {name} --secret-stdin")


@app.command()
def remove(name: str, as_json: AsJson = False) -> None:
    """Take an address away: it is dead at once. Example: postroom ingress remove Incoming"""
    with entered() as ports:
        from postroom.flows.inbound_hooks import list_inbound_hooks, remove_inbound_hook

        found = next((one for one in list_inbound_hooks(ports, member=None) if one.name == name), None)
        if found is None:
            give_up(f"There is no address {name!r}; see: postroom ingress list", code=ASKED_WRONGLY)
        remove_inbound_hook(ports, found.id, member=None)
    say_json({"name": name, "is_removed": True}) if as_json else say(f"{name} is removed.")


def _row(one: InboundHookFacts) -> dict[str, Any]:
    return {
        "name": one.name,
        "company": one.company,
        "provider": one.provider,
        "address": one.address,
        "is_complete": one.is_complete,
        "gives_raw": one.gives_raw,
        "fallback_kind": one.fallback_kind,
        "topic": one.topic,
        "last_mail_at": one.last_mail_at,
        "last_trouble": one.last_trouble,
        "help": one.help,
    }
