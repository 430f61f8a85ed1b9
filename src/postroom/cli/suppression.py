"""The blacklist by hand: who is on it and why, putting on and releasing, lists of other systems in and out, who fails most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import (
    ASKED_WRONGLY,
    DONE,
    FAILED,
    AsJson,
    give_up,
    progress,
    remark,
    say,
    say_json,
    say_line,
    show_table,
)

if TYPE_CHECKING:
    from postroom.store.queries.pages_suppression import AddressRow

app = typer.Typer(
    no_args_is_help=True, help="The blacklist: addresses that campaigns leave out; bounces and complaints."
)

OfCompany = Annotated[
    str, typer.Option("--company", help="The company whose list it is; not needed when there is one.")
]
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The mail address.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for those who ask later.")]


@app.command("list")
def list_addresses(
    view: Annotated[
        str, typer.Option("--view", help="Which: suppressed, bouncing, complained, released.")
    ] = "suppressed",
    search: Annotated[str, typer.Option("--search", help="An address, or words of it.")] = "",
    company: OfCompany = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List addresses that campaigns leave out, or that bounce. Example: postroom suppression list --view bouncing"""
    with entered() as ports:
        companies = _companies(company)
        rows = [row for row, _ in zip(_walk(ports, companies, view, search), range(limit), strict=False)]
    if as_json:
        say_json([_plain(row) for row in rows])
        return
    show_table(
        ["address", "company", "bounces", "last bounce", "cause", "since", "ends", "why"],
        [
            (
                row.address,
                row.company,
                row.bounce_count,
                row.last_bounced_at,
                row.suppression.cause if row.suppression else "",
                row.suppression.since if row.suppression else None,
                (row.suppression.released_at or row.suppression.expires_at) if row.suppression else None,
                str(row.suppression.reasons[0]) if row.suppression and row.suppression.reasons else row.last_reply,
            )
            for row in rows
        ],
        empty="Nobody.",
    )


@app.command()
def show(address: Address, company: OfCompany = "", as_json: AsJson = False) -> int:
    """Show what came back from an address. Example: postroom suppression show carla@customer.example"""
    with entered():
        from postroom.core.terms.addresses import normalize
        from postroom.flows.access import visible_addresses
        from postroom.store.queries.pages_suppression import address as fact_of
        from postroom.store.queries.pages_suppression import find_address

        if "@" not in address or not normalize(address):
            give_up(f"{address!r} is no mail address, such as carla@customer.example.", code=ASKED_WRONGLY)
        numbers = find_address(_companies(company), address)
        facts = [fact for pk in numbers if (fact := fact_of(visible_addresses(None), pk)) is not None]
    if as_json:
        say_json(
            [
                _plain(fact.row)
                | {
                    "events": [asdict(one) for one in fact.events],
                    "history": [_suppression(one) for one in fact.history],
                    "contacts": fact.contacts,
                }
                for fact in facts
            ]
        )
        return DONE if facts else FAILED
    if not facts:
        say(f"Nothing ever came back from {address}, and it is not on the blacklist.")
        return FAILED
    for fact in facts:
        row = fact.row
        say(f"{row.address} ({row.company})")
        for one in fact.history:
            until = one.released_at or one.expires_at
            say(f"  left out since {one.since:%Y-%m-%d %H:%M}" + (f" until {until:%Y-%m-%d %H:%M}" if until else ""))
            for reason in one.reasons:
                say(f"    {reason}")
            if one.released_at:
                say(f"    released by {one.released_who or 'the command line'}: {one.released_why or '–'}")
        say(f"  bounces since the last sign of life: {row.bounce_count}; complaints: {row.complaint_count}")
        show_table(
            ["when", "what", "told by", "status", "fault of", "proof", "delivery", "report", "reply"],
            [
                (
                    one.happened_at,
                    one.kind,
                    one.source,
                    one.status,
                    one.blame,
                    one.is_proof,
                    one.delivery_id,
                    one.inbound_id,
                    one.reply,
                )
                for one in fact.events
            ],
            empty="  Nothing is kept that came back from it.",
        )
    return DONE


@app.command()
def add(
    address: Address,
    why: Why,
    days: Annotated[int, typer.Option("--days", min=0, max=36_500, help="For how long; 0: for good.")] = 0,
    company: OfCompany = "",
) -> int:
    """Put an address on the blacklist. Example: postroom suppression add carla@customer.example --why "asked for it" """
    with entered() as ports:
        from postroom.flows.suppress_address import SuppressionError, suppress

        try:
            row = suppress(ports, company_id=_company(company), address=address, why=why, days=days, member=None)
        except SuppressionError as error:
            give_up(str(error), code=ASKED_WRONGLY)
    say(f"Campaigns leave {row.address} out from now on.")
    return DONE


@app.command()
def release(address: Address, why: Why = "", company: OfCompany = "") -> int:
    """Take an address off the blacklist. Example: postroom suppression release carla@customer.example --why "she wrote" """
    with entered() as ports:
        from postroom.flows.suppress_address import SuppressionError
        from postroom.flows.suppress_address import release as let_go
        from postroom.store.queries.pages_suppression import find_address

        numbers = find_address([_company(company)], address)
        if not numbers:
            give_up(f"Nothing is known of {address}.", code=FAILED)
        try:
            row = let_go(ports, numbers[0], why=why, member=None)
        except SuppressionError as error:
            give_up(str(error), code=FAILED)
    say(f"Campaigns may write to {row.address} again.")
    return DONE


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Addresses, one a line, or CSV.", dir_okay=False)],
    company: OfCompany = "",
    as_json: AsJson = False,
) -> int:
    """Put a list of another system's on the blacklist. Example: postroom suppression import bounces.csv"""
    added = known = 0
    unusable: list[str] = []
    with entered() as ports:
        from postroom.flows.suppress_address import IMPORT_BATCH, import_list, read_list

        company_id = _company(company)
        with file.open(encoding="utf-8", errors="replace", newline="") as lines:
            count = sum(1 for _ in lines)
            lines.seek(0)
            steps = import_list(ports, company_id=company_id, rows=read_list(lines), member=None)
            for step in progress(steps, "Importing", total=-(-count // IMPORT_BATCH), quiet=as_json):
                added, known = added + step.added, known + step.known
                unusable += step.unusable
    if as_json:
        say_json({"added": added, "known": known, "unusable": unusable})
    else:
        say(f"{added} added, {known} were on the list already.")
        for line in unusable[:20]:
            remark(f"No address: {line}")
        if len(unusable) > 20:
            remark(f"and {len(unusable) - 20} more that are none.")
    return FAILED if unusable else DONE


@app.command()
def export(company: OfCompany = "", as_json: AsJson = False) -> None:
    """Write the blacklist as CSV that import reads, or as JSON lines. Example: postroom suppression export > blacklist.csv"""
    with entered() as ports:
        rows = _walk(ports, _companies(company), "suppressed", "")
        if not as_json:
            say("address,reason,cause,since,expires")
        for row in rows:
            found = row.suppression
            if found is None:
                continue
            why = str(found.reasons[0]) if found.reasons else ""
            until = found.expires_at.isoformat() if found.expires_at else ""
            if as_json:
                facts = {"address": row.address, "reason": why, "cause": found.cause, "company": row.company}
                say_line(facts | {"since": found.since, "expires": found.expires_at})
            else:
                say(_csv([_harmless(row.address), _harmless(why), found.cause, found.since.isoformat(), until]))


@app.command()
def worst(
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How many days to look back.")] = 30,
    company: OfCompany = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many of each.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Say which domains and addresses failed most. Example: postroom suppression worst --days 7"""
    with entered() as ports:
        from postroom.store.queries.pages_suppression import worst_addresses, worst_domains

        companies, since = _companies(company), ports.clock.now() - timedelta(days=days)
        domains = worst_domains(companies, since=since, most=limit)
        addresses = worst_addresses(companies, since=since, most=limit)
    if as_json:
        say_json({"domains": [asdict(one) for one in domains], "addresses": [asdict(one) for one in addresses]})
        return
    for title, facts in (("domain", domains), ("address", addresses)):
        longest = max([one.total for one in facts], default=1)
        show_table(
            [title, "bounces", "complaints", ""],
            [(one.name, one.failures, one.complaints, "█" * max(1, 24 * one.total // longest)) for one in facts],
            empty="Nothing came back.",
        )


def _walk(ports: Any, companies: list[int], view: str, search: str) -> Iterator[AddressRow]:
    """All of a list, a page at a time."""
    from postroom.store.queries.pages_suppression import AddressView, address_list

    if view not in set(AddressView):
        give_up(f"There is no view {view!r}. There are: {', '.join(AddressView)}.", code=ASKED_WRONGLY)
    cursor = ""
    while True:
        now = ports.clock.now()
        page = address_list(companies, AddressView(view), now=now, search=search, cursor=cursor, size=1000)
        yield from page.rows
        cursor = page.next
        if not cursor:
            return


def _companies(name: str) -> list[int]:
    from postroom.store.models import Company

    rows = dict(Company.objects.order_by("id").values_list("name", "pk"))
    if name and name not in rows:
        give_up(f"There is no company {name!r}. There are: {', '.join(rows)}.", code=ASKED_WRONGLY)
    return [rows[name]] if name else list(rows.values())


def _company(name: str) -> int:
    found = _companies(name)
    if len(found) != 1:
        give_up("Say whose list it is: --company NAME.", code=ASKED_WRONGLY)
    return found[0]


def _plain(row: AddressRow) -> dict[str, Any]:
    return asdict(row) | {"suppression": _suppression(row.suppression) if row.suppression else None}


def _suppression(one: Any) -> dict[str, Any]:
    return asdict(one) | {"reasons": [str(reason) for reason in one.reasons]}


def _harmless(text: str) -> str:
    """Not what a spreadsheet would take for a formula and compute."""
    plain = " ".join(text.split())
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain


def _csv(cells: list[str]) -> str:
    """RFC 4180."""
    return ",".join(
        '"' + cell.replace('"', '""') + '"' if any(sign in cell for sign in ',"') else cell for cell in cells
    )
