"""`postroom setup`: from an address and a password to mail that leaves and arrives.

Laws: a password never stands in the command's words, where every process of the machine could read it: it is asked for, or comes by
standard input, a file or the environment. Nothing is asked where nobody sits at a terminal, and nothing is changed before a password was
given. Whoever breaks off (Ctrl-C) leaves nothing half behind.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered, ports_without_house
from postroom.cli.home import CancelsWaiting, choose_for_waiting
from postroom.cli.setting_up import SetupWish, ask, confirmed, given_password, progress, set_up
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.flows.find_servers import FoundServers
    from postroom.flows.ports import Ports
    from postroom.flows.set_up import Place

app = typer.Typer()

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
    cancels: CancelsWaiting = None,
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
    from postroom.core.terms.addresses import is_mail_domain

    asks = not yes and not as_json and sys.stdin.isatty()
    normal = _address(address, asks=asks)
    for word in (encryption, imap_encryption):
        if word not in ("", "tls", "starttls", "none"):
            give_up(f"Encryption is tls, starttls or none, not {word!r}.", code=ASKED_WRONGLY)
    if not (yes or asks or find_only):
        give_up("Nobody is here to be asked. Say --yes, or --find-only to change nothing.", code=ASKED_WRONGLY)
    if domain and not is_mail_domain(domain):
        give_up(f"{domain!r} is no domain with mail addresses.", code=ASKED_WRONGLY)
    password = "" if find_only else given_password(password_file, password_stdin, asks=asks)
    if find_only and (houseless := ports_without_house()) is not None:
        found = _found(houseless, normal, quiet=as_json, asks_tables=False)
        _tell_found(found, as_json=as_json)
        return DONE if _chosen("out", found, host, port, encryption, user) is not None else FAILED
    with entered(makes_house=not find_only) as ports:
        if not find_only:
            _require_kind(kind)
        found = _found(ports, normal, quiet=as_json)
        out = _chosen("out", found, host, port, encryption, user)
        way_in = _chosen("in", found, imap_host, imap_port, imap_encryption, user) if mailbox else None
        if find_only:
            _tell_found(found, as_json=as_json)
            return DONE if out is not None else FAILED
        if not as_json:
            _tell_found(found, as_json=False)
        if out is None and asks:
            out = _chosen("out", found, ask("Outgoing server, such as smtp.example.com"), port, encryption, user)
        if out is None:
            give_up(
                f"No outgoing server was found for {normal}. Name it: --host smtp.example.com, and --imap-host for the mailbox."
            )
        if way_in is None and mailbox and asks:
            server = ask("Server of the mailbox, such as imap.example.com (empty: none)", may_be_empty=True)
            way_in = _chosen("in", found, server, imap_port, imap_encryption, user)
        _require_trust((out, way_in), asks=asks, trusts=trust_dns)
        wish = SetupWish(
            address=normal, out=out, way_in=way_in, company=company, domain=domain, alias=alias, kind=kind,
            cancels_waiting=choose_for_waiting(cancels, asks=asks), asks=asks, is_quiet=as_json,
        )  # fmt: skip
        told = set_up(ports, wish, password)
    is_well = all(told[one] is None or _works(told[one]) for one in ("server", "mailbox"))
    if as_json:
        say_json({"ok": is_well, **told, "proposals": _as_rows(found)})
    else:
        _tell(told, is_well=is_well)
    return DONE if is_well else FAILED


def _address(given: str, *, asks: bool) -> str:
    """In its normal form; asked for until it is one."""
    from postroom.core.terms.addresses import normalize

    while asks and not normalize(given):
        if given:
            remark(f"{given!r} is no mail address.")
        given = ask("Mail address, such as support@yourcompany.com")
    normal = normalize(given)
    if not normal:
        give_up(
            f"{given!r} is no mail address." if given else "Say a mail address: postroom setup support@example.com",
            code=ASKED_WRONGLY,
        )
    return normal


def _require_kind(kind: str) -> None:
    """Before anything is tried and used."""
    from postroom.store.queries.pages_records import kinds

    known = [one.key for one in kinds()]
    if kind not in known:
        give_up(f"There is no kind {kind!r}. There are: {', '.join(known)}.", code=ASKED_WRONGLY)


def _found(ports: Ports, address: str, *, quiet: bool, asks_tables: bool = True) -> FoundServers:
    from postroom.flows.find_servers import find_servers

    with progress(f"Looking for the servers of {address}", quiet=quiet):
        return find_servers(ports, address, asks_tables=asks_tables)


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
    if not confirmed(f"Only the DNS leads to {names}, outside the domain of the address. Log in there?"):
        give_up("Nothing was entered.")


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


def _works(way: dict[str, Any]) -> bool:
    """Used, and well when it was tried just now: what stays in use although its test failed is no success."""
    return bool(way["in_use"] and way["test"] and way["test"]["ok"])


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
    """What follows the ways in and out, which were told as they came."""
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
