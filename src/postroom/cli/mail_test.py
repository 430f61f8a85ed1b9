"""The mail test: what receivers think of a mail, with a score, its arithmetic, and what to do about it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, visible

if TYPE_CHECKING:
    from postroom.core.mailtest.judging import MailReport
    from postroom.flows.mail_tests import MailTestFact
    from postroom.flows.ports import Ports
    from postroom.store.models import Mailbox, OutgoingServer

app = typer.Typer()

_MARKS = {
    "lost": ("-", "bold red"),
    "hint": ("note", "cyan"),
    "unchecked": ("unchecked", "magenta"),
    "good": ("good", "green"),
    "not_applicable": ("n/a", "dim"),
}
_LARGEST = 60 * 1024 * 1024
_ASK_EVERY = 1.0  # seconds: the background jobs look, too


@app.command("mail-test", rich_help_panel="Mail")
def mail_test(
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="A mail (.eml), an Outlook file (.msg) or, with --headers, a header; - is standard input.",
        ),
    ] = "",
    as_json: AsJson = False,
    headers: Annotated[bool, typer.Option("--headers", help="It is a header alone, as mail programs show it.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody outside: no DNS, no filter.")] = False,
    resolver: Annotated[
        list[str] | None,
        typer.Option(
            "--resolver", metavar="HOST:PORT", help="Ask this name server instead of those of the configuration."
        ),
    ] = None,
    spamd: Annotated[
        str, typer.Option("--spamd", metavar="HOST:PORT", help="Ask the SpamAssassin that listens there.")
    ] = "",
    send: Annotated[
        str,
        typer.Option("--send", metavar="SERVER", help="Send a mail through this server, and look at it as it arrives."),
    ] = "",
    to: Annotated[
        str, typer.Option("--to", metavar="MAILBOX", help="Into this mailbox of ours; nothing: the most important one.")
    ] = "",
    address: Annotated[
        str, typer.Option("--address", help="The address that leads into the mailbox, where its login is none.")
    ] = "",
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, max=60, help="How long to wait for it.")] = 10.0,
) -> int:
    """Say what receivers will think of a mail: a score from 0 to 10 with its arithmetic, each reason, and what to do.

    It looks at who sent it (SPF, DKIM, DMARC, ARC), the way it came, its header, its content, links and attachments, whether a list can be
    left with one click, its size, and what SpamAssassin says where one answers. Nothing that stands in the mail is fetched. What cannot be
    looked at is said to be unchecked, and costs nothing. With --send a real mail goes through the queue and is read back from a mailbox;
    `postroom up` must be running. Exit 1 when it did not come back.

    Examples: postroom mail-test mail.eml; postroom mail-test outlook.msg --json; postroom mail-test --headers - < header.txt;
    postroom mail-test mail.eml --spamd localhost:783; postroom mail-test --send "Our relay" --to Support
    """
    if bool(file) == bool(send):
        give_up("Name a file, or a server with --send.", code=ASKED_WRONGLY)
    if send:
        with entered() as ports:
            return _sent(ports, send, to, address, minutes, as_json=as_json)
    raw = _read(file)
    if len(raw) > _LARGEST:
        give_up(f"{_size(file)}: {_LARGEST} are looked at, at most.", code=ASKED_WRONGLY)
    from postroom.core.terms.configuration import read_name_servers
    from postroom.core.terms.parameters import ParameterError, read_place

    servers = read_name_servers(resolver or ())
    try:
        place = read_place(spamd) if spamd else None
    except ParameterError as error:
        give_up(str(error), code=ASKED_WRONGLY)
    with entered() as ports:
        from postroom.flows.analyse_mail import CannotTest, TestWish, analyse_mail

        wish = TestWish(is_header=headers, asks_world=not offline, name_servers=servers, spamd=place)
        try:
            report = analyse_mail(ports, raw, wish)
        except CannotTest as why:
            give_up(str(why), code=ASKED_WRONGLY)
    if as_json:
        say_json(report.as_json())
    else:
        _tell(report)
    return DONE


def _read(file: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(_LARGEST + 1)
        with Path(file).open("rb") as opened:
            return opened.read(_LARGEST + 1)
    except OSError as error:
        give_up(f"{file} cannot be read: {error.strerror}.", code=ASKED_WRONGLY)


def _size(file: str) -> str:
    """Of what was not read to its end."""
    if file != "-" and (path := Path(file)).is_file():
        return f"{file} has {path.stat().st_size} bytes"
    return f"There are more than {_LARGEST} bytes"


# ---- a seed message


def _sent(ports: Ports, send: str, to: str, address: str, minutes: float, *, as_json: bool) -> int:
    from datetime import timedelta

    from postroom.flows.analyse_mail import CannotTest
    from postroom.flows.mail_tests import mail_test as fact_of
    from postroom.flows.send_seed import look_for_seed, seconds_to_next_look, send_seed

    server, mailbox = _server(send), _mailbox(to)
    try:
        test = send_seed(ports, server.pk, mailbox.pk, member=None, to=address, wait=timedelta(minutes=minutes))
    except CannotTest as why:
        give_up(str(why), code=ASKED_WRONGLY)
    if not test.is_over and not as_json:
        remark(f"Sent through {server.name}; waiting for it in {mailbox.name} ...")
    begun = next_look = time.monotonic()
    while not test.is_over:
        time.sleep(_ASK_EVERY)
        if (now := time.monotonic()) >= next_look:
            look_for_seed(ports, test.id)
            next_look = now + seconds_to_next_look(now - begun)
        test = fact_of(ports, test.id, member=None)
    if as_json:
        say_json(_as_json(test))
    elif test.report is not None:
        _tell(test.report)
    else:
        say(str(test.trouble))
    return FAILED if test.state.value == "failed" else DONE


def _as_json(test: MailTestFact) -> dict[str, Any]:
    report = test.report.as_json() if test.report is not None else None
    trouble = {"code": test.trouble.code, "sentence": str(test.trouble)} if test.trouble is not None else None
    return {
        "id": test.id,
        "state": test.state.value,
        "message_id": test.message_id,
        "trouble": trouble,
        "report": report,
    }


def _server(name: str) -> OutgoingServer:
    from postroom.store.models import OutgoingServer

    found = OutgoingServer.objects.filter(name=name).first()
    if found is None:
        give_up(f"No outgoing server is called {name!r}; see: postroom server list", code=ASKED_WRONGLY)
    return found


def _mailbox(name: str) -> Mailbox:
    from postroom.store.models import Mailbox

    rows = Mailbox.objects.filter(name=name) if name else Mailbox.objects.filter(is_active=True, is_confirmed=True)
    found = rows.order_by("priority", "pk").first()
    if found is None:
        what = f"No mailbox is called {name!r}" if name else "No mailbox is tested, confirmed and in use"
        give_up(f"{what}; see: postroom mailbox list", code=ASKED_WRONGLY)
    return found


# ---- for people


def _tell(report: MailReport) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    say(f"{report.score} of 10   {report.subject}")
    say(f"  {report.arithmetic}")
    section = ""
    for one in report.findings:
        if one.section.value != section:
            section = one.section.value
            console.print(Text(f"\n{section.capitalize()}", style="bold"))
        mark, style = _MARKS[one.outcome.value]
        mark = f"-{one.points}" if one.outcome.value == "lost" else mark
        console.print(
            Text.assemble("  ", (f"{mark:<10}", style), visible(str(one.why)), (f"  {one.code.value}", "dim"))
        )
        for piece in one.evidence if one.outcome.value != "good" or section == "filter" else ():
            console.print(Text.assemble("            ", (visible(piece), "dim")))
        if one.cure is not None and one.outcome.value in ("lost", "hint"):
            console.print(Text.assemble("            ", "to do: ", visible(str(one.cure))))
        for record in one.publish:
            console.print(
                Text.assemble("            ", f'publish: {record.name}  {record.type}  "{visible(record.value)}"')
            )
