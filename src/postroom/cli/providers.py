"""Providers with HTTP APIs by hand: add a server, test it, see where its events come in. Keys are read from stdin, never from the line."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.store.models import OutgoingServer

app = typer.Typer(no_args_is_help=True, help="Outgoing servers that are a provider's HTTP API.")


@app.command("list")
def list_providers(as_json: AsJson = False) -> None:
    """List the providers, and what each wants to know."""
    with entered():
        from postroom.flows.provider_hooks import list_providers as all_providers

        found = all_providers()
    if as_json:
        say_json(
            [
                {
                    "name": one.name,
                    "label": one.label,
                    "key": one.key_label,
                    "options": [{"name": o.name, "label": o.label, "required": o.required} for o in one.options],
                }
                for one in found
            ]
        )
        return
    show_table(
        ["provider", "label", "key", "options"],
        [(one.name, one.label, one.key_label, ", ".join(o.name for o in one.options)) for one in found],
        empty="There are none.",
    )


@app.command()
def add(
    name: str,
    provider: str,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; see postroom provider list.")] = None,
    from_filter: Annotated[str, typer.Option(help="Addresses and domains it may send from.")] = "",
    priority: Annotated[int, typer.Option(help="The lower comes first.")] = 10,
) -> int:
    """Add a server; its key is asked for, or read from stdin. Example: postroom provider add Mails mailgun --option domain=mg.example.com"""
    given = _options(option or [])
    with entered() as ports:
        from django.core.exceptions import ValidationError

        from postroom.flows.provider_hooks import problems_of
        from postroom.flows.settings import save_server

        if problems := problems_of(provider, given):
            give_up("\n".join(problems), code=ASKED_WRONGLY)
        values = {
            "name": name,
            "transport": "api",
            "provider": provider,
            "provider_options": given,
            "from_filter": from_filter,
            "priority": priority,
            "signs_dkim": False,  # providers sign, and some change what we would have signed
            "password": _key(),
        }
        try:
            server = save_server(ports, values, member=None)
        except ValidationError as error:
            give_up(" ".join(error.messages), code=ASKED_WRONGLY)
    say(f"{server.name} is there. Try it: postroom provider test {server.name!r}")
    return DONE


@app.command()
def test(name: str, as_json: AsJson = False) -> int:
    """Ask the provider with the key; nothing is sent. Example: postroom provider test Mails"""
    with entered() as ports:
        from postroom.flows.test_provider import test_provider

        found = test_provider(ports, _server(name))
    if as_json:
        facts = {"ok": found.is_ok, "code": found.code, "cause": str(found.cause), "cure": str(found.cure)}
        say_json(facts | {"step": found.step, "milliseconds": found.milliseconds})
    else:
        say(f"{found.cause}\n{found.cure}")
    return DONE if found.is_ok else FAILED


@app.command()
def hook(
    name: str,
    renew: Annotated[bool, typer.Option("--renew", help="Make another address; the former one is dead.")] = False,
    signing_key: Annotated[
        bool, typer.Option("--signing-key", help="Read from stdin what signs the provider's events.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show where the provider shall post its events. Example: postroom provider hook Mails"""
    with entered() as ports:
        from postroom.flows.provider_hooks import renew_hook, set_signing_secret, show_hook

        server = _server(name)
        if signing_key:
            try:
                set_signing_secret(ports, server.pk, _key(), member=None)
            except ValueError as error:
                give_up(str(error), code=ASKED_WRONGLY)
        facts = (renew_hook if renew else show_hook)(ports, server.pk, member=None)
    if facts is None:
        give_up(f"The provider of {name} is not known: it has no events.")
    if as_json:
        say_json(
            {
                "address": facts.address,
                "help": facts.help,
                "signing_key": facts.signing_label,
                "is_complete": facts.is_complete,
                "last_event_at": facts.last_event_at,
                "last_trouble": facts.last_trouble,
            }
        )
        return DONE
    say(f"{facts.address}\n{facts.help.replace(_ON_THE_PAGE, _BY_COMMAND)}")
    if not facts.is_complete:
        say(f"Its {facts.signing_label} is missing: without it no event is believed (--signing-key).")
    if facts.last_trouble:
        say(f"Last trouble: {facts.last_trouble}")
    return DONE


_ON_THE_PAGE, _BY_COMMAND = "belongs into the field below", "is taken with --signing-key, by standard input"


def _options(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            give_up(f"An option is NAME=VALUE, not {text!r}.", code=ASKED_WRONGLY)
        found[name.strip()] = value.strip()
    return found


def _key() -> str:
    """From the keyboard without an echo, or the first line of stdin. An empty one ends the command: nothing is stored."""
    key = getpass.getpass("Key: ").strip() if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not key:
        give_up("There is no key: type it, or give it as the first line of standard input.", code=ASKED_WRONGLY)
    return key


def _server(name: str) -> OutgoingServer:
    from postroom.store.models import OutgoingServer

    found = OutgoingServer.objects.filter(name=name, transport="api").first()
    if found is None:
        there = ", ".join(OutgoingServer.objects.filter(transport="api").values_list("name", flat=True))
        give_up(
            f"There is no such server {name!r}. {'There are: ' + there + '.' if there else 'There is none yet.'}",
            code=ASKED_WRONGLY,
        )
    return found
