"""`postroom setup`: from an address and a password to mail that leaves and arrives.

Law: a password never stands in the command's words, where every process of the machine could read it: it is asked for, or comes by
standard input, a file or the environment. Nothing is asked where nobody sits at a terminal, and nothing is changed without a yes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.flows.find_servers import FoundServers
    from postroom.flows.ports import Ports
    from postroom.flows.set_up import Place, WayIn, WayOut

app = typer.Typer()

PASSWORD_VARIABLE = "POSTROOM_NEW_PASSWORD"  # noqa: S105 - a name
_LONGEST_PASSWORD = 4000
_STANDARD = {("out", "tls"): 465, ("out", "starttls"): 587, ("in", "tls"): 993, ("in", "starttls"): 143}


@app.command(rich_help_panel="Settings")
def setup(
    address: Annotated[
        str, typer.Argument(help="The mail address to begin with, such as support@yourcompany.com.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take what is found, and use what works.")
    ] = False,
    find_only: Annotated[
        bool, typer.Option("--find-only", help="Show where the servers are, and change nothing.")
    ] = False,
    password_file: Annotated[
        Path | None, typer.Option(help="Read the password from this file (its first line).")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    user: Annotated[str, typer.Option(help="The login; empty: what was found, mostly the address.")] = "",
    host: Annotated[str, typer.Option(help="Outgoing server, instead of the one that is found.")] = "",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Its port: 465 with TLS, 587 with STARTTLS.")
    ] = None,
    encryption: Annotated[str, typer.Option(help="tls or starttls (none on this machine alone).")] = "",
    imap_host: Annotated[str, typer.Option(help="Server of the mailbox, instead of the one that is found.")] = "",
    imap_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port: 993 with TLS.")] = None,
    imap_encryption: Annotated[str, typer.Option(help="tls or starttls (none on this machine alone).")] = "",
    mailbox: Annotated[
        bool, typer.Option("--mailbox/--no-mailbox", help="Whether mail is fetched from the account.")
    ] = True,
    company: Annotated[str, typer.Option(help="The company's name.")] = "",
    domain: Annotated[str, typer.Option(help="The mail domain; empty: that of the address.")] = "",
    alias: Annotated[
        str,
        typer.Option(
            help="What stands before the @ of the address whose mail becomes records; empty: that of the address."
        ),
    ] = "",
    kind: Annotated[str, typer.Option(help="What mail to it becomes.")] = "ticket",
    trust_dns: Annotated[
        bool,
        typer.Option(
            "--trust-dns", help="With --yes: also log in at hosts outside the domain that only its DNS names."
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Set up mail from an address and a password: find its servers, test them, use what works, print the DNS records; exit 1 when something failed.

    The servers are looked for at the provider's own pages (autoconfig), in the DNS (SRV, MX) and behind the usual names, all at once within
    seconds. What is only guessed is tried before it is proposed. A server is used once its test went well, not before; a second run corrects the
    first.

    Examples: postroom setup support@example.com; postroom setup support@example.com --find-only;
    POSTROOM_NEW_PASSWORD=… postroom setup support@example.com --yes --json
    """  # fmt: skip
    from postroom.core.terms.addresses import normalize

    asks = not yes and not as_json and sys.stdin.isatty()
    if not address and asks:
        address = _ask("Mail address")
    normal = normalize(address)
    if not normal:
        give_up(f"{address!r} is no mail address." if address else "Say a mail address: postroom setup support@example.com", code=ASKED_WRONGLY)  # fmt: skip
    for word in (encryption, imap_encryption):
        if word not in ("", "tls", "starttls", "none"):
            give_up(f"Encryption is tls, starttls or none, not {word!r}.", code=ASKED_WRONGLY)
    if not (yes or asks or find_only):
        give_up("Nobody is here to be asked. Say --yes, or --find-only to change nothing.", code=ASKED_WRONGLY)
    with entered(makes_house=not find_only) as ports:
        found = _found(ports, normal, quiet=as_json)
        out = _chosen("out", found, host, port, encryption, user)
        way_in = _chosen("in", found, imap_host, imap_port, imap_encryption, user) if mailbox else None
        if find_only:
            _tell_found(found, as_json=as_json)
            return DONE if out is not None else FAILED
        if not as_json:
            _tell_found(found, as_json=False)
        if out is None:
            give_up(
                f"No outgoing server was found for {normal}. Name it: --host smtp.example.com, and --imap-host for the mailbox."
            )
        _require_trust((out, way_in), asks=asks, trusts=trust_dns)
        password = _password(password_file, password_stdin, asks=asks)
        told = _set_up(ports, normal, password, out, way_in, company=company, domain=domain, alias=alias, kind=kind)
    is_well = all(told[one] is None or told[one]["in_use"] for one in ("server", "mailbox"))
    if as_json:
        say_json({"ok": is_well, **told, "proposals": _as_rows(found)})
    else:
        _tell(told, is_well=is_well)
    return DONE if is_well else FAILED


def _found(ports: Ports, address: str, *, quiet: bool) -> FoundServers:
    from postroom.flows.find_servers import find_servers

    if quiet or not sys.stderr.isatty():
        return find_servers(ports, address)
    from rich.console import Console

    with Console(stderr=True).status(f"Looking for the servers of {address}"):
        return find_servers(ports, address)


def _chosen(way: str, found: FoundServers, host: str, port: int | None, encryption: str, user: str) -> Place | None:
    """What a person named, else what is believed most."""
    from dataclasses import replace

    from postroom.flows.mailbox_facts import preset_of_host as mailbox_preset_of
    from postroom.flows.server_presets import preset_of_host
    from postroom.flows.set_up import Place, place_of

    place = place_of(found, way)
    if host:
        secured = encryption or ("starttls" if port in (587, 25, 2525, 143) else "tls")
        preset = (preset_of_host if way == "out" else mailbox_preset_of)(host)
        return Place(
            host=host,
            port=port or _STANDARD.get((way, secured), 25 if way == "out" else 143),
            encryption=secured,
            username=user,
            preset="custom" if preset.key == "postfix" else preset.key,
            why="You named it.",
        )
    if place is None:
        return None
    return replace(
        place, port=port or place.port, encryption=encryption or place.encryption, username=user or place.username
    )


def _require_trust(places: tuple[Place | None, ...], *, asks: bool, trusts: bool) -> None:
    """Before a password leaves for a host that nobody vouches for (RFC 6186 6)."""
    doubtful = [one for one in places if one is not None and not one.is_safe]
    if not doubtful or trusts:
        return
    names = ", ".join(dict.fromkeys(one.host for one in doubtful))
    if not asks:
        give_up(
            f"Only the DNS leads to {names}, outside the domain of the address; a password goes there after a person looked at the name. "
            "If it is right, say --trust-dns, or name it: --host, --imap-host."
        )
    if not _confirm(f"Only the DNS leads to {names}, outside the domain of the address. Log in there?"):
        give_up("Nothing was entered.")


def _password(file: Path | None, from_stdin: bool, *, asks: bool) -> str:
    """One line, without its end."""
    given = os.environ.get(PASSWORD_VARIABLE, "")
    if file is not None:
        with file.open(encoding="utf-8", errors="strict") as lines:
            given = lines.readline(_LONGEST_PASSWORD)
    elif from_stdin:
        given = sys.stdin.readline(_LONGEST_PASSWORD)
    elif not given and asks:
        given = _ask("Password (or app password)", hidden=True)
    given = given.rstrip("\r\n")
    if not given:
        give_up(f"A password is needed: --password-stdin, --password-file, or {PASSWORD_VARIABLE}.", code=ASKED_WRONGLY)
    return given


def _ask(what: str, *, hidden: bool = False) -> str:
    from rich.prompt import Prompt

    return Prompt.ask(what, password=hidden).strip() if not hidden else Prompt.ask(what, password=True)


def _confirm(what: str) -> bool:
    from rich.prompt import Confirm

    return Confirm.ask(what, default=False)


def _set_up(
    ports: Ports,
    address: str,
    password: str,
    out: Place,
    way_in: Place | None,
    *,
    company: str,
    domain: str,
    alias: str,
    kind: str,
) -> dict[str, Any]:
    """Everything, in order; what was found and done."""
    from django.core.exceptions import ValidationError

    from postroom.core.terms.parameters import ParameterError
    from postroom.flows.dns_to_publish import records_to_publish
    from postroom.flows.find_servers import own_domain
    from postroom.flows.set_up import (
        left_to_do,
        set_up_address,
        set_up_way_in,
        set_up_way_out,
        the_company,
    )
    from postroom.flows.welcome import first_link

    try:
        house = the_company(ports, company=company, domain=domain or own_domain(address))
        sends = set_up_way_out(ports, house, address, password, out)
        fetches = set_up_way_in(ports, house, address, password, way_in) if way_in is not None else None
        local, _, at = address.rpartition("@")
        name = alias or (local if house.alias_domain is not None and house.alias_domain.name == at else "")
        made = set_up_address(ports, house, name, kind)
    except ValidationError as error:
        give_up(" ".join(error.messages), code=ASKED_WRONGLY)
    except ParameterError as error:
        give_up(str(error), code=ASKED_WRONGLY)
    own = house.alias_domain.name if house.alias_domain is not None else ""
    return {
        "address": address,
        "company": house.name,
        "domain": own,
        "server": _as_way(sends),
        "mailbox": _as_way(fetches) if fetches is not None else None,
        "alias": str(made) if made is not None else "",
        "records": [
            {"kind": one.kind, "type": one.type, "name": one.name, "value": one.value}
            for one in (records_to_publish(ports, own) if own else ())
        ],
        "warnings": [
            {"code": one.code.value, "subject": one.subject, "cause": str(one.cause), "cure": str(one.cure)}
            for one in left_to_do(ports)
        ],
        "begin_at": first_link(ports),
    }


def _as_way(way: WayOut | WayIn) -> dict[str, Any]:
    test = None
    if way.test is not None:
        test = way.test.as_json() | {"cause": str(way.test.cause), "cure": str(way.test.cure)}
    return {"id": way.id, "name": way.name, "in_use": way.in_use, "test": test}


def _as_rows(found: FoundServers) -> list[dict[str, Any]]:
    return [
        {
            "service": one.service.value,
            "host": one.host,
            "port": one.port,
            "encryption": one.encryption.value,
            "username": one.username,
            "preset": one.preset,
            "source": one.source.value,
            "why": str(one.why(found.domain)),
            "vouched_for": one.is_vouched_for(found.domain),
        }
        for one in found.proposals
    ]


# ---- for people


def _tell_found(found: FoundServers, *, as_json: bool) -> None:
    rows = _as_rows(found)
    if as_json:
        say_json({"domain": found.domain, "proposals": rows})
        return
    told = [one for one in rows if one["source"] != "guessed"]
    show_table(
        ["service", "place", "encryption", "who says so"],
        [(one["service"].upper(), f"{one['host']}:{one['port']}", one["encryption"], one["why"]) for one in told],
        empty=f"Nobody says where the servers of {found.domain} are, and none answered behind the usual names.",
    )


def _tell(told: dict[str, Any], *, is_well: bool) -> None:
    _tell_way(told["server"], "Mail leaves through", "not used")
    if told["mailbox"] is not None:
        _tell_way(told["mailbox"], "Mail is fetched from", "not read")
    if told["alias"]:
        say(f"ok      Mail to {told['alias']} becomes records.")
    if told["records"]:
        say("\nInto the DNS of the domain belong (where a record of the kind is there already, add to it):")
        for one in told["records"]:
            say(
                f'  {one["name"]}  {one["type"]}  "{one["value"]}"'
                if one["type"] == "TXT"
                else f"  {one['name']}  {one['type']}  {one['value']}"
            )
    for one in told["warnings"]:
        say(f"\nWARNING {one['cause']}\n        {one['cure']}")
    if told["begin_at"]:
        say(f"\nNobody is here yet. While postroom up runs, begin at:\n  {told['begin_at']}")
    if not is_well:
        remark("\nCorrect what is wrong and run it again: it changes what it entered. postroom server list shows it.")


def _tell_way(way: dict[str, Any], done: str, undone: str) -> None:
    test = way["test"]
    if test is None:
        say(f"LEFT    {way['name']} wants an access token: connect it on its page, Settings, Mailboxes.")
    elif test["ok"]:
        say(f"ok      {done} {way['name']}.")
    else:
        at = f" at the step {test['step']}" if test["step"] else ""
        used = "It stays in use." if way["in_use"] else f"It is {undone}."
        say(f"FAILED  {way['name']}{at}: {test['cause']} {used}\n        {test['cure']}")
