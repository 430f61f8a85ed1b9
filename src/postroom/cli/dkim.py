"""DKIM keys by hand: make, publish, activate, rotate, retire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.flows.manage_keys import KeyFact
    from postroom.flows.ports import Ports

app = typer.Typer(
    no_args_is_help=True,
    help="DKIM: keys with which mail is signed, and the DNS records that prove it.\n\n"
    "[bold]First key:[/bold]\n\n"
    "  postroom dkim create example.com     make a key; it does not sign yet\n\n"
    "  postroom dkim records example.com    publish these TXT records, wait until they are seen\n\n"
    "  postroom dkim activate example.com   from now on mail from example.com is signed\n\n"
    "[bold]Every few months:[/bold]\n\n"
    "  postroom dkim rotate example.com     make the successor; publish it, then activate again",
)

Domain = Annotated[str, typer.Argument(help="The domain of the From, such as example.com.")]
Selector = Annotated[str, typer.Option("--selector", "-s", help="One key of the domain; else all that fit.")]


@app.command("list")
def list_all(
    domain: Annotated[str, typer.Argument(help="Only keys of this domain.")] = "", as_json: AsJson = False
) -> None:
    """List the keys and what they do. Example: postroom dkim list"""
    with entered() as ports:
        from postroom.flows.manage_keys import list_keys

        keys = list_keys(ports, member=None, domain=domain)
    if as_json:
        say_json([_plain(key) for key in keys])
        return
    show_table(
        ["domain", "selector", "algorithm", "company", "state", "made (UTC)", "signs since", "retired", "keep in DNS until"],
        [
            (key.domain, key.selector, key.algorithm_label, key.company, key.state, key.created_at, key.activated_at, key.retired_at, key.keep_until)
            for key in keys
        ],
        empty="There are none: mail is not signed by us. Make one: postroom dkim create example.com",
    )  # fmt: skip


@app.command()
def create(
    domain: Domain,
    algorithm: Annotated[
        str, typer.Option("--algorithm", "-a", help="rsa (2048 bits, known to all), ed25519 (short), or both.")
    ] = "rsa",
    company: Annotated[str, typer.Option(help="Sign the mail of this company alone; else of all.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key; it does not sign before it is activated. Example: postroom dkim create example.com -a both"""
    with entered() as ports:
        from postroom.flows.manage_keys import create_keys

        owner = _company(company)
        keys = _tried(lambda: create_keys(ports, domain, algorithm, company_id=owner, member=None))
    _tell(keys, as_json, f"Publish, and when it is seen: postroom dkim activate {domain}")


@app.command()
def activate(domain: Domain, selector: Selector = "", as_json: AsJson = False) -> None:
    """Let the newest prepared keys sign; those before them are retired. Example: postroom dkim activate example.com"""
    with entered() as ports:
        from postroom.flows.manage_keys import activate_key

        chosen = _chosen(ports, domain, selector, "prepared", "Make one: postroom dkim create or rotate.")
        newest = {key.algorithm: key for key in sorted(chosen, key=lambda key: key.id)}
        keys = _tried(lambda: [activate_key(ports, key.id, member=None) for key in newest.values()])
    if as_json:
        say_json([_plain(key) for key in keys])
        return
    for key in keys:
        say(f"Mail from {key.domain} is signed with {key.selector} ({key.algorithm_label}).")


@app.command()
def rotate(domain: Domain, as_json: AsJson = False) -> None:
    """Make successors for the keys that sign; publish them, then activate. Example: postroom dkim rotate example.com"""
    with entered() as ports:
        from postroom.flows.manage_keys import rotate_keys

        keys = _tried(lambda: rotate_keys(ports, domain, member=None))
    _tell(
        keys,
        as_json,
        f"Publish, and when it is seen: postroom dkim activate {domain}. Leave the old record where it is.",
    )


@app.command()
def retire(domain: Domain, selector: Selector = "", as_json: AsJson = False) -> None:
    """Let the keys that sign do so no more. Example: postroom dkim retire example.com --selector pr202611a"""
    with entered() as ports:
        from postroom.flows.manage_keys import retire_key

        chosen = _chosen(ports, domain, selector, "active", "See: postroom dkim list")
        keys = _tried(lambda: [retire_key(ports, key.id, member=None) for key in chosen])
    if as_json:
        say_json([_plain(key) for key in keys])
        return
    for key in keys:
        until = f"; leave its record in DNS until {key.keep_until:%Y-%m-%d}" if key.keep_until else ""
        say(f"{key.selector} of {key.domain} signs no more{until}.")


@app.command()
def records(domain: Domain, as_json: AsJson = False) -> None:
    """Show the TXT records that DNS must have. Example: postroom dkim records example.com >> zone.example.com"""
    with entered() as ports:
        from postroom.flows.manage_keys import list_keys

        keys = [key for key in list_keys(ports, member=None, domain=domain) if key.is_wanted_in_dns]
    if not keys:
        give_up(f"There is no DKIM key for {domain}. Make one: postroom dkim create {domain}", code=ASKED_WRONGLY)
    if as_json:
        say_json([_plain(key) for key in keys])
        return
    for key in keys:
        say(f"; {key.state}\n{key.record.zone_line}")


def _tell(keys: Sequence[KeyFact], as_json: bool, then: str) -> None:
    if as_json:
        say_json([_plain(key) for key in keys])
        return
    for key in keys:
        say(f"{key.selector} ({key.algorithm_label}), {key.state}. Its TXT record:\n")
        say(f"  name   {key.record.name}\n  value  {key.record.value}\n\n{key.record.zone_line}\n")
    say(then)


def _plain(key: KeyFact) -> dict[str, Any]:
    return {
        "id": key.id,
        "domain": key.domain,
        "selector": key.selector,
        "algorithm": key.algorithm,
        "company": key.company,
        "state": key.state,
        "created_at": key.created_at,
        "activated_at": key.activated_at,
        "retired_at": key.retired_at,
        "keep_until": key.keep_until,
        "name": key.record.name,
        "value": key.record.value,
        "zone": key.record.zone_line,
    }


def _chosen(ports: Ports, domain: str, selector: str, state: str, hint: str) -> list[KeyFact]:
    """By selector whatever their state, else those in this state."""
    from postroom.flows.manage_keys import list_keys

    keys = list_keys(ports, member=None, domain=domain)
    found = [key for key in keys if (key.selector == selector if selector else key.state == state)]
    if not found:
        what = f"no key {selector}" if selector else f"no {state} key"
        give_up(f"There is {what} for {domain}. {hint}", code=ASKED_WRONGLY)
    return found


def _tried(work: Callable[[], Sequence[KeyFact]]) -> Sequence[KeyFact]:
    from postroom.flows.manage_keys import KeyTrouble

    try:
        return work()
    except KeyTrouble as trouble:
        give_up(str(trouble), code=ASKED_WRONGLY)


def _company(name: str) -> int | None:
    """Its number; None when none is named."""
    from postroom.store.models import Company

    if not name:
        return None
    found = Company.objects.filter(name=name).values_list("pk", flat=True).first()
    if found is None:
        there = ", ".join(Company.objects.values_list("name", flat=True))
        give_up(f"There is no company {name!r}. There are: {there}.", code=ASKED_WRONGLY)
    return int(found)
