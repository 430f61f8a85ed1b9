"""What receivers report on mail in our name, by hand: read files, list what came, look at one report."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.core.reports.authentication_reports import ReadFile
    from postroom.flows.show_reports import Shown

app = typer.Typer(
    no_args_is_help=True,
    help="DMARC and TLS reports: what receivers say about mail in the name of our domains.\n\n"
    "  postroom dmarc list                     what passed and failed, and from where\n\n"
    "  postroom dmarc show 12                  one report\n\n"
    "  postroom dmarc read report.xml.gz       read files without storing anything",
)

MOST_FILE = 40 * 1024 * 1024
Domain = Annotated[str, typer.Argument(help="Only what is about this domain.")]
Days = Annotated[int, typer.Option("--days", min=1, max=400, help="How many days back.")]


@app.command()
def read(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Mails, or XML, JSON, gzip, zip; - is standard input.")
    ],
    as_json: AsJson = False,
) -> int:
    """Say what reports say; nothing is stored, nobody is asked. Needs no database. Ends with 1 when something was no report that can be read.

    Example: postroom dmarc read google.com!example.com!1700000000!1700086399.zip
    """
    contents = [(name, _content(name)) for name in files]
    from postroom.core.reports.report_mails import read_report_mail
    from postroom.wiring import read_report_files, right_now

    now = right_now()
    found = [(name, one) for name, raw in contents for one in read_report_mail(read_report_files, raw, now=now)]
    if as_json:
        say_json([{"file": name, **_plain(one)} for name, one in found])
    else:
        for name, one in found:
            _tell(name, one)
    return FAILED if any("trouble" in _plain(one) for _, one in found) else DONE


@app.command("list")
def list_all(domain: Domain = "", days: Days = 30, as_json: AsJson = False) -> None:
    """What receivers say: by domain, by source, by receiver. Example: postroom dmarc list example.com --days 7"""
    with entered() as ports:
        from postroom.flows.show_reports import shown_reports

        shown = shown_reports(ports, member=None, domain=domain, days=days)
    if as_json:
        say_json(shown.as_json())
        return
    if not (shown.reports or shown.doubted):
        say("No report has come. Publish the records that ask for them: postroom doctor says which.")
        return
    _show_sums(shown)
    _show_reports(shown)


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="The number that postroom dmarc list shows.")],
    as_json: AsJson = False,
) -> None:
    """One report, row by row. Example: postroom dmarc show 12"""
    with entered() as ports:
        from postroom.flows.show_reports import one_report

        found = one_report(ports, number, member=None)
    if found is None:
        give_up(f"There is no report {number}.", code=ASKED_WRONGLY)
    if as_json:
        say_json(found)
        return
    for key, value in found.items():
        if not isinstance(value, list):
            say(f"{key}: {value}")
    rows: list[dict[str, Any]] = [*found["sources"], *found["tls"]]
    if rows:
        show_table(list(rows[0]), [tuple(row.values()) for row in rows], empty="It has no rows.")


def _content(name: str) -> bytes:
    if name == "-":
        raw = sys.stdin.buffer.read(MOST_FILE + 1)
    else:
        try:
            with Path(name).open("rb") as file:
                raw = file.read(MOST_FILE + 1)
        except OSError as error:
            give_up(f"{name}: {error.strerror}", code=ASKED_WRONGLY)
    if len(raw) > MOST_FILE:
        give_up(f"{name}: more than {MOST_FILE // (1024 * 1024)} MB are not read.", code=ASKED_WRONGLY)
    return raw


def _plain(one: ReadFile) -> dict[str, Any]:
    """For programs."""
    from postroom.core.reports.authentication_reports import NoReport

    if isinstance(one, NoReport):
        return {"name": one.name, "trouble": str(one.reason), "code": one.reason.code}
    row = asdict(one)
    row["form"], row["sources"], row["tls"] = one.form.value, list(row["sources"]), list(row["tls"])
    row["begins_at"], row["ends_at"] = one.begins_at.isoformat(), one.ends_at.isoformat()
    return row


def _tell(name: str, one: ReadFile) -> None:
    from postroom.core.reports.authentication_reports import NoReport

    if isinstance(one, NoReport):
        say(f"{name}: {one.reason}")
        return
    say(
        f"{name}: {one.form.value} report {one.report_id} of {one.organisation} about {one.domain}, "
        f"{one.begins_at:%Y-%m-%d %H:%M} to {one.ends_at:%Y-%m-%d %H:%M} UTC"
        + (f", rows that could not be read: {one.lost}" if one.lost else "")
    )
    if one.sources:
        show_table(
            ["address", "mails", "DKIM aligned", "SPF aligned", "became", "From", "signed by", "return path"],
            [
                (row.ip, row.count, row.dkim_aligned, row.spf_aligned, row.disposition, row.header_from, row.dkim_domain, row.spf_domain)
                for row in one.sources
            ],
            empty="",
        )  # fmt: skip
    if one.tls:
        show_table(
            ["domain", "sessions", "result", "policy", "sent from", "host"],
            [(row.domain, row.count, row.result or "success", row.policy, row.sending_ip, row.receiving_host) for row in one.tls],
            empty="",
        )  # fmt: skip


def _show_sums(shown: Shown) -> None:
    show_table(
        ["domain", "mails", "passed", "failed", "put aside or refused"],
        [(one.domain, one.total, one.passed, one.failed, one.stopped) for one in shown.domains],
        empty="Nothing that counts was reported.",
    )
    if shown.sources:
        show_table(
            ["address", "whose", "as", "mails", "passed", "DKIM", "SPF", "what to do"],
            [(one.source.ip, one.whose, one.source.domain, one.source.count, one.source.passed, one.source.dkim, one.source.spf, one.advice) for one in shown.sources],
            empty="",
        )  # fmt: skip
    if shown.tls:
        show_table(
            ["domain", "sessions", "result", "host", "told by"],
            [(one.domain, one.count, one.result or "success", one.host, ", ".join(one.reporters)) for one in shown.tls],
            empty="",
        )


def _show_reports(shown: Shown) -> None:
    from postroom.flows.show_reports import reason_of

    show_table(
        ["id", "came", "form", "receiver", "proven to be from", "about", "counts", "why not"],
        [
            (row.pk, f"{row.received_at:%Y-%m-%d %H:%M}", row.form, row.organisation, row.sender_domain, row.domain, row.is_believed, reason_of(row))
            for row in shown.reports
        ],
        empty="",
    )  # fmt: skip
    unread = [one for one in shown.doubted if one.state != "read"]
    if unread:
        show_table(
            ["id", "came", "from", "what"],
            [(one.id, f"{one.received_at:%Y-%m-%d %H:%M}", one.sender, one.reason or one.state) for one in unread],
            empty="",
        )
