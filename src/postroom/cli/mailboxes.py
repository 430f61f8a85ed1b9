"""Mailboxes by hand: list, add, edit, test, fetch, reset, reconcile.

Law: a password never stands in the command's words, where every process of the machine could read it: it is asked for, or comes by
standard input or the environment.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, show_table

if TYPE_CHECKING:
    from django.core.exceptions import ValidationError

    from postroom.flows.ports import Ports
    from postroom.flows.test_mailbox import MailboxTest
    from postroom.store.models import Mailbox

app = typer.Typer(no_args_is_help=True, help="Mailboxes: list, add, edit, test, fetch, reset, reconcile.")

PASSWORD_VARIABLE = "POSTROOM_NEW_PASSWORD"  # noqa: S105 - a name

Protocol = Annotated[str | None, typer.Option(help="imap or pop3.")]
Host = Annotated[str | None, typer.Option(help="Host name of the server.")]
Port = Annotated[int | None, typer.Option(help="IMAP 993 with TLS, 143 with STARTTLS; POP3 995 and 110.")]
Crypt = Annotated[str | None, typer.Option(help="none, starttls or tls.")]
Verify = Annotated[bool | None, typer.Option("--verify/--no-verify", help="Whether its certificate is verified.")]
User = Annotated[str | None, typer.Option(help="The login there.")]
Authentication = Annotated[str | None, typer.Option(help="password or token.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password (or token grant) from standard input.")
]
Source = Annotated[
    str | None, typer.Option(help="Who gives OAuth2 tokens: google, microsoft, microsoft/TENANT or an https address.")
]
ReadFolder = Annotated[str | None, typer.Option(help="The folder to read, with IMAP.")]
After = Annotated[str | None, typer.Option(help="mark_seen, nothing, delete or move:FOLDER.")]
Interval = Annotated[int | None, typer.Option(help="Seconds between two looks.")]


@app.command("list")
def list_mailboxes(as_json: AsJson = False) -> None:
    """List the mailboxes: how they are, when mail came last, when they are read next. Example: postroom mailbox list --json"""
    with entered() as ports:
        from postroom.store.models import Mailbox

        rows = [_row(ports, mailbox) for mailbox in Mailbox.objects.select_related("company")]
    if as_json:
        say_json(rows)
        return
    columns = ("name", "protocol", "place", "username", "state", "last_message_at", "next_at", "last_error")
    show_table(
        [column.replace("_at", " (UTC)").replace("_", " ") for column in columns],
        [[row[column] for column in columns] for row in rows],
        empty="There are none. Example: postroom mailbox add Support --preset gmail --user support@example.com",
    )


@app.command()
def add(
    name: str,
    preset: Annotated[
        str,
        typer.Option(help="gmail, microsoft365, yahoo, icloud, gmx, ionos, mailcow, dovecot or custom."),
    ] = "custom",
    protocol: Annotated[str, typer.Option(help="imap or pop3.")] = "imap",
    host: Host = None,
    port: Port = None,
    encryption: Crypt = None,
    verify: Verify = None,
    user: User = None,
    authentication: Authentication = None,
    password_stdin: FromStdin = False,
    token_source: Source = None,
    folder: ReadFolder = None,
    after_fetch: After = None,
    interval: Interval = None,
    company: Annotated[str | None, typer.Option(help="Name of its company; where there is one only, that one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a mailbox; the password is asked for. Example: postroom mailbox add Support --preset gmail --user support@example.com"""
    given = {
        "host": host, "port": port, "encryption": encryption, "verify_certificate": verify, "username": user,
        "authentication": authentication, "token_source": token_source, "folder": folder, "after_fetch": after_fetch,
        "interval_seconds": interval,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    password = _password(password_stdin, ask=True)
    with entered() as ports:
        from postroom.flows.mailbox_facts import preset as preset_named
        from postroom.store.models import Mailbox

        if Mailbox.objects.filter(name=name).exists():
            give_up(f"There is a mailbox {name!r} already.", code=ASKED_WRONGLY)
        chosen = preset_named(preset)
        filled = chosen.values(protocol)
        if protocol == "pop3":
            filled |= {"protocol": "pop3", "port": 995}
        values = {**filled, "name": name, "company_id": company_named(company), **given}
        if not values["host"] or not values.get("username"):
            give_up("Say its host and user: --host imap.example.com (or a --preset), --user.", code=ASKED_WRONGLY)
        if not password and values.get("authentication", "password") == "password":
            give_up(_NO_PASSWORD, code=ASKED_WRONGLY)
        mailbox = _save(ports, values | ({"password": password} if password else {}))
        row = _row(ports, mailbox)
    if as_json:
        say_json(row | {"needs": list(chosen.needs)})
        return
    say(f"{name} is added. It needs:")
    for need in chosen.needs:
        say(f"  - {need}")
    say(f"It is read from when it was tested: postroom mailbox test {_quoted(name)}")


@app.command()
def edit(
    name: str,
    rename: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    protocol: Protocol = None,
    host: Host = None,
    port: Port = None,
    encryption: Crypt = None,
    verify: Verify = None,
    user: User = None,
    authentication: Authentication = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    password_stdin: FromStdin = False,
    token_source: Source = None,
    folder: ReadFolder = None,
    after_fetch: After = None,
    interval: Interval = None,
    fallback: Annotated[
        str | None, typer.Option(help='Kind of record that mail becomes which no alias takes; "": it is held.')
    ] = None,
    believed: Annotated[
        str | None, typer.Option(help="Servers whose word on senders counts (authserv-ids, separated by commas).")
    ] = None,
    priority: Annotated[int | None, typer.Option(help="The lower is read first.")] = None,
    company: Annotated[str | None, typer.Option(help="Name of its company.")] = None,
    active: Annotated[bool | None, typer.Option("--on/--off", help="Whether it is read at all.")] = None,
    unconfirm: Annotated[
        bool, typer.Option("--unconfirm", help="Reset its confirmation: it is not read before the next test.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change what is named, and nothing else. Example: postroom mailbox edit Support --password

    How a confirmed mailbox is entered (protocol, host, port, encryption, certificate, user, login, token source, folder) changes with
    --unconfirm alone; test it then: postroom mailbox test. Another protocol, host, user or folder begins anew: what is here is recognised.
    A stored password is given to no other host, and sent over no weaker line: it is asked for again.
    """
    given = {
        "name": rename, "protocol": protocol, "host": host, "port": port, "encryption": encryption, "verify_certificate": verify,
        "username": user, "authentication": authentication, "token_source": token_source, "folder": folder,
        "after_fetch": after_fetch, "interval_seconds": interval, "authserv_ids": believed, "priority": priority,
        "is_active": active,
    }  # fmt: skip
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    fresh = _password(password_stdin, ask=password)
    if (password or password_stdin) and not fresh:
        give_up(f"No password came. {_GIVE_IT}", code=ASKED_WRONGLY)
    values |= {"password": fresh} if fresh else {}
    with entered() as ports:
        mailbox = _mailbox(name)
        values |= {"company_id": company_named(company)} if company is not None else {}
        values |= {"fallback_kind_id": _kind(fallback)} if fallback is not None else {}
        if not values and not unconfirm:
            give_up("Say what to change; see: postroom mailbox edit --help", code=ASKED_WRONGLY)
        mailbox = _change(ports, mailbox, values, unconfirm=unconfirm)
        row = _row(ports, mailbox)
    changed = sorted(key.removesuffix("_id") for key in values)
    if as_json:
        say_json(row | {"changed": changed, "is_confirmed": mailbox.is_confirmed})
        return
    say(f"{mailbox.name} is changed: {', '.join(changed) or 'it is not confirmed any more'}.")
    if not mailbox.is_confirmed:
        say(f"It is read from when it was tested: postroom mailbox test {_quoted(mailbox.name)}")


@app.command()
def test(
    name: str,
    leave_old_mail: Annotated[
        bool, typer.Option("--leave-old-mail", help="Never take what lies there now, only what comes from now on.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Connect, encrypt, log in and open the folder; a success confirms the mailbox. Example: postroom mailbox test Support"""
    with entered() as ports:
        from postroom.flows.test_mailbox import test_mailbox

        found = test_mailbox(ports, _mailbox(name).pk, member=None, leave_old_mail=leave_old_mail)
    if as_json:
        say_json(found.as_json() | {"cause": str(found.cause), "cure": str(found.cure)})
    else:
        _tell(found)
    return DONE if found.is_ok else FAILED


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
                "recognised": done.recognised,
                "is_leased_elsewhere": done.is_leased_elsewhere,
                "has_more": done.has_more,
                "trouble": done.trouble,
                "warning": done.warning,
            }
        )
    else:
        say(f"{name}: {str(done).rstrip('.')}.")
    return FAILED if done.trouble else DONE


@app.command()
def reset(
    name: str,
    to: Annotated[
        str,
        typer.Option(
            help="beginning: look at all that lies there again (what is here already is recognised); "
            "end: leave what lies there now for good."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> int:
    """Read a mailbox anew from its beginning, or from its end. Example: postroom mailbox reset Support --to end"""
    if to not in ("beginning", "end"):
        give_up("Say --to beginning or --to end.", code=ASKED_WRONGLY)
    if not yes:
        if not sys.stdin.isatty():
            give_up("Nobody can be asked here: say --yes if it is meant.", code=ASKED_WRONGLY)
        typer.confirm(_RESET_MEANS[to], abort=True)
        typer.confirm("Really?", abort=True)
    with entered() as ports:
        from postroom.core.terms.mailboxes import MailboxTrouble
        from postroom.flows.reset_mailbox import ResetTo, reset_mailbox

        try:
            cursor = reset_mailbox(ports, _mailbox(name).pk, ResetTo(to), member=None)
        except MailboxTrouble as trouble:
            give_up(f"Where its end is cannot be asked now: {trouble.text}")
    if as_json:
        say_json({"name": name, "to": to, "last_uid": cursor.last_uid, "known": len(cursor.seen_uidls)})
    else:
        say(f"{name} is read on from its {to}.")
    return DONE


@app.command()
def reconcile(name: str, as_json: AsJson = False) -> int:
    """Compare what lies on the server with what is here, and fetch what is missing. Example: postroom mailbox reconcile Support"""
    with entered() as ports:
        from postroom.flows.reconcile_mailbox import reconcile_mailbox

        found = reconcile_mailbox(ports, _mailbox(name).pk)
    if as_json:
        say_json(found.as_json())
    else:
        say(f"{name}: {str(found).rstrip('.')}.")
    return FAILED if found.trouble or found.is_leased_elsewhere else DONE


_GIVE_IT = f"Give it with --password-stdin or in {PASSWORD_VARIABLE}."
_NO_PASSWORD = (
    f"It needs a password, and nobody can be asked here: give it with --password-stdin or in {PASSWORD_VARIABLE}; "
    "nothing was added."
)
_RESET_MEANS = {
    "beginning": "All mail that lies there is downloaded and looked at again; what is here already is recognised by its number and content. "
    "Mail that was left on purpose is taken this time. Go on?",
    "end": "What lies there now and is not here yet will never be taken. Go on?",
}


def _row(ports: Ports, mailbox: Mailbox) -> dict[str, Any]:
    from postroom.flows.mailbox_facts import standing_of

    standing = standing_of(ports, mailbox)
    return {
        "name": mailbox.name,
        "preset": mailbox.preset,
        "protocol": mailbox.protocol,
        "place": f"{mailbox.host}:{mailbox.port}",
        "encryption": mailbox.encryption,
        "authentication": mailbox.authentication,
        "username": mailbox.username,
        "folder": mailbox.folder,
        "after_fetch": mailbox.after_fetch,
        "verify_certificate": mailbox.verify_certificate,
        "token_source": mailbox.token_source,
        "interval_seconds": mailbox.interval_seconds,
        "fallback": mailbox.fallback_kind_id or "",
        "believed": mailbox.authserv_ids,
        "priority": mailbox.priority,
        "company": mailbox.company.name,
        "state": standing.state.value,
        "fetched_at": mailbox.fetched_at,
        "last_message_at": mailbox.last_message_at,
        "next_at": standing.next_at,
        "last_error": mailbox.last_error,
        "cause": str(standing.cause) if standing.cause else "",
        "cure": str(standing.cure) if standing.cure else "",
        "reconciled_at": standing.reconciled_at,
        "reconciliation": standing.reconciliation.as_json() if standing.reconciliation else None,
    }


def _tell(found: MailboxTest) -> None:
    show_table(
        ["step", "ok", "seen", "ms"],
        [[one.step, one.is_ok, one.about, one.milliseconds] for one in found.steps],
        empty="Nothing could be tried.",
    )
    if found.is_ok:
        say("It works, and is fetched from now on.")
    else:
        say(f"{found.cause}\n{found.cure}\nVerbatim: {found.reply}")


def _save(ports: Ports, values: dict[str, Any]) -> Mailbox:
    from django.core.exceptions import ValidationError

    from postroom.flows.settings import save_mailbox

    try:
        return save_mailbox(ports, values, member=None)
    except ValidationError as error:
        give_up(_in_words(error), code=ASKED_WRONGLY)


def _change(ports: Ports, mailbox: Mailbox, values: dict[str, Any], *, unconfirm: bool) -> Mailbox:
    """The password is asked for again where it may not follow."""
    from django.core.exceptions import ValidationError

    from postroom.flows.change_mailbox import change_mailbox, locked_changes

    if not unconfirm and (locked := locked_changes(mailbox, values)):
        give_up(
            f"{mailbox.name} is confirmed, and read as it was tested: {', '.join(locked).replace('_', ' ')} cannot change before its "
            "confirmation is reset. If that is meant, say --unconfirm as well, and test it then; nothing was changed.",
            code=ASKED_WRONGLY,
        )
    try:
        return change_mailbox(ports, mailbox.pk, values, member=None, unconfirm=unconfirm)
    except ValidationError as error:
        if "password" not in error.message_dict:
            give_up(_in_words(error), code=ASKED_WRONGLY)
        remark(_in_words(error))
        fresh = _typed()
        if not fresh:
            give_up(f"{_GIVE_IT} Nothing was changed.", code=ASKED_WRONGLY)
    values["password"] = fresh
    return _change(ports, mailbox, values, unconfirm=unconfirm)


def _in_words(error: ValidationError) -> str:
    words = (f"{field.replace('_', ' ')}: {' '.join(each)}" for field, each in error.message_dict.items())
    return "\n".join(words).replace("__all__: ", "")


def _password(from_stdin: bool, *, ask: bool) -> str:
    """From standard input, the environment, or the keyboard; ``""`` when there is none of them."""
    if from_stdin:
        return sys.stdin.read().rstrip("\r\n")
    if password := os.environ.get(PASSWORD_VARIABLE, ""):
        return password
    return _typed() if ask else ""


def _typed() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, default="", show_default=False))
    return ""


def _kind(key: str) -> str | None:
    from postroom.store.queries.pages_records import kinds

    known = [one.key for one in kinds()]
    if key and key not in known:
        give_up(f"There is no kind {key!r}. There are: {', '.join(known)}.", code=ASKED_WRONGLY)
    return key or None


def company_named(name: str | None) -> int:
    """Its number; without a name that of the only one."""
    from postroom.store.models import Company

    rows = Company.objects.filter(name=name) if name else Company.objects.order_by("pk")
    found = rows.first()
    if found is None or (name is None and Company.objects.count() > 1):
        there = ", ".join(Company.objects.values_list("name", flat=True)) or "none yet"
        give_up(f"Say whose it is: --company NAME. There are: {there}.", code=ASKED_WRONGLY)
    return found.pk


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


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
