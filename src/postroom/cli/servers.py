"""Outgoing servers by hand: list, add, test, edit, pause, resume, archive.

Law: a password never stands in the command's words, where every process of the machine could read it: it is asked for, or comes by
standard input or the environment.
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
    from postroom.flows.ports import Ports
    from postroom.flows.test_server import ServerTest
    from postroom.store.models import OutgoingServer

app = typer.Typer(no_args_is_help=True, help="Outgoing servers: list, add, test, edit, pause, resume, archive.")

PASSWORD_VARIABLE = "POSTROOM_NEW_PASSWORD"  # noqa: S105 - a name
CONFIGURED = "configuration"

Host = Annotated[str | None, typer.Option(help="Host name of the server.")]
Port = Annotated[
    int | None, typer.Option(help="587 with STARTTLS, 465 with TLS, 2525; 25 is blocked by most networks.")
]
Crypt = Annotated[str | None, typer.Option(help="none, starttls or tls.")]
Verify = Annotated[bool | None, typer.Option("--verify/--no-verify", help="Whether its certificate is verified.")]
User = Annotated[str | None, typer.Option(help="The login there.")]
Authentication = Annotated[str | None, typer.Option(help="password, certificate or token.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password (or token grant) from standard input.")
]
Certificate = Annotated[Path | None, typer.Option(help="Client certificate, a PEM file.")]
Key = Annotated[Path | None, typer.Option(help="Its private key, a PEM file; the password is its passphrase.")]
Source = Annotated[
    str | None, typer.Option(help="Who gives OAuth2 tokens: google, microsoft, microsoft/TENANT or an https address.")
]
Filter = Annotated[str | None, typer.Option(help="FROM filter: addresses and domains, separated by commas.")]
Sender = Annotated[str | None, typer.Option(help="Envelope sender: signed, plain or login.")]
Priority = Annotated[int | None, typer.Option(help="The lower comes first.")]
Purpose = Annotated[str | None, typer.Option(help="both, transactional or campaigns.")]
Company = Annotated[str | None, typer.Option(help="Name of the company whose server it is; none: everybody's.")]
Daily = Annotated[int | None, typer.Option(help="Mails a day at most; 0: no limit.")]
Minute = Annotated[int | None, typer.Option(help="Mails a minute at most; 0: no limit.")]
Dkim = Annotated[bool | None, typer.Option("--dkim/--no-dkim", help="Whether we sign; off where the provider does.")]


@app.command("list")
def list_servers(as_json: AsJson = False) -> None:
    """List the servers, with state and last test. Example: postroom server list --json"""
    with entered() as ports:
        from postroom.store.models import OutgoingServer

        rows = [_row(server) for server in OutgoingServer.objects.select_related("company")]
        if (configured := _configured_row(ports)) is not None:
            rows.append(configured)
    if as_json:
        say_json(rows)
        return
    columns = ["name", "place", "encryption", "from_filter", "priority", "purpose", "state", "last_test"]
    show_table(
        [column.replace("_", " ") for column in columns],
        [[row[column] for column in columns] for row in rows],
        empty="There are none. Example: postroom server add Gmail --preset gmail --user you@gmail.com",
    )


@app.command()
def add(
    name: str,
    preset: Annotated[
        str,
        typer.Option(
            help="gmail, microsoft365, ses, sendgrid, mailgun, postmark, brevo, mailjet, postfix, mailcow or custom."
        ),
    ] = "custom",
    host: Host = None,
    port: Port = None,
    encryption: Crypt = None,
    verify: Verify = None,
    user: User = None,
    authentication: Authentication = None,
    password_stdin: FromStdin = False,
    certificate: Certificate = None,
    key: Key = None,
    token_source: Source = None,
    from_filter: Filter = None,
    envelope_sender: Sender = None,
    priority: Priority = None,
    purpose: Purpose = None,
    company: Company = None,
    daily_limit: Daily = None,
    per_minute_limit: Minute = None,
    dkim: Dkim = None,
    as_json: AsJson = False,
) -> None:
    """Add a server; the password is asked for. Example: postroom server add Gmail --preset gmail --user you@gmail.com"""
    given = _given(host=host, port=port, encryption=encryption, verify_certificate=verify, username=user,
                   authentication=authentication, token_source=token_source, from_filter=from_filter,
                   envelope_sender=envelope_sender, priority=priority, purpose=purpose, daily_limit=daily_limit,
                   per_minute_limit=per_minute_limit, signs_dkim=dkim)  # fmt: skip
    given |= _files(certificate, key)
    password = _password(password_stdin, ask=bool(user))
    with entered() as ports:
        from postroom.flows.server_presets import preset as preset_named
        from postroom.flows.server_values import server_named

        if server_named(name) is not None:
            give_up(f"There is a server {name!r} already. To change it: postroom server edit", code=ASKED_WRONGLY)
        chosen = preset_named(preset)
        values = {**chosen.values(), "preset": preset, "name": name, **given, **_company(company)}
        if not values["host"]:
            give_up("Say its host: --host smtp.example.com, or take a --preset.", code=ASKED_WRONGLY)
        server = _save(ports, values | ({"password": password} if password else {}))
        shown, advice = _row(server), _advice(server)
    if as_json:
        say_json(shown | {"needs": list(chosen.needs), "advice": advice})
        return
    say(f"{name} is added. It needs:")
    for need in chosen.needs:
        say(f"  - {need}")
    if advice:
        remark(advice)
    say(f"Now try it: postroom server test {_quoted(name)}")


@app.command()
def edit(
    name: str,
    rename: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    preset: Annotated[str | None, typer.Option(help="Fill in a provider's values first.")] = None,
    host: Host = None,
    port: Port = None,
    encryption: Crypt = None,
    verify: Verify = None,
    user: User = None,
    authentication: Authentication = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    password_stdin: FromStdin = False,
    certificate: Certificate = None,
    key: Key = None,
    token_source: Source = None,
    from_filter: Filter = None,
    envelope_sender: Sender = None,
    priority: Priority = None,
    purpose: Purpose = None,
    company: Company = None,
    daily_limit: Daily = None,
    per_minute_limit: Minute = None,
    dkim: Dkim = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named, and nothing else. Example: postroom server edit Gmail --from-filter you@gmail.com --password"""
    given = _given(name=rename, host=host, port=port, encryption=encryption, verify_certificate=verify, username=user,
                   authentication=authentication, token_source=token_source, from_filter=from_filter,
                   envelope_sender=envelope_sender, priority=priority, purpose=purpose, daily_limit=daily_limit,
                   per_minute_limit=per_minute_limit, signs_dkim=dkim)  # fmt: skip
    given |= _files(certificate, key)
    fresh = _password(password_stdin, ask=password)
    with entered() as ports:
        from postroom.flows.server_presets import preset as preset_named

        server = _server(name)
        filled = {**preset_named(preset).values(), "preset": preset} if preset is not None else {}
        values = {**filled, **given, **_company(company)} | ({"password": fresh} if fresh else {})
        if not values:
            give_up("Say what to change; see: postroom server edit --help", code=ASKED_WRONGLY)
        server = _save(ports, values | {"id": server.pk})
        shown, advice = _row(server), _advice(server)
    if as_json:
        say_json(shown | {"advice": advice})
        return
    say(f"{server.name} is changed: {', '.join(sorted(values))}.")
    if advice:
        remark(advice)


@app.command()
def test(
    name: str,
    to: Annotated[
        str, typer.Option(help="The recipient that is asked about; it gets nothing. Default: the sender.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Connect, encrypt, log in, ask about sender and recipient, stop before the mail. `configuration` names the default server.

    Nothing is delivered. Example: postroom server test Gmail --to somebody@example.com
    """
    with entered() as ports:
        from postroom.flows.test_server import test_server

        found = test_server(ports, _number(ports, name), member=None, to=to)
    if as_json:
        say_json(_as_told(found))
    else:
        _tell(found)
    return DONE if found.is_ok else FAILED


@app.command()
def pause(name: str, as_json: AsJson = False) -> None:
    """Let its mail wait, visibly, until it is resumed. Example: postroom server pause Gmail"""
    _change(name, lambda ports: {"paused_at": ports.clock.now()}, "is paused: its mail waits.", as_json=as_json)


@app.command()
def resume(name: str, as_json: AsJson = False) -> None:
    """End a pause, or take a server from the archive. Example: postroom server resume Gmail"""
    _change(name, lambda _: {"paused_at": None, "is_active": True}, "is in use.", as_json=as_json)


@app.command()
def archive(name: str, as_json: AsJson = False) -> None:
    """Take it out of use; refused, with the list, while something names it. Example: postroom server archive "Old relay" """
    _change(name, lambda _: {"is_active": False}, "is archived.", as_json=as_json)


def _change(name: str, values: Any, said: str, *, as_json: bool) -> None:
    with entered() as ports:
        server = _save(ports, {"id": _server(name).pk, **values(ports)})
        shown = _row(server)
    say_json(shown) if as_json else say(f"{server.name} {said}")


def _save(ports: Ports, values: dict[str, Any]) -> OutgoingServer:
    from django.core.exceptions import ValidationError

    from postroom.flows.settings import save_server

    try:
        return save_server(ports, values, member=None)
    except ValidationError as error:
        words = (f"{field.replace('_', ' ')}: {' '.join(each)}" for field, each in error.message_dict.items())
        give_up("\n".join(words).replace("__all__: ", ""), code=ASKED_WRONGLY)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _files(certificate: Path | None, key: Path | None) -> dict[str, str]:
    """A missing file is told by its name."""
    found = {"client_certificate": certificate, "client_key": key}
    return {
        name: path.read_text(encoding="utf-8", errors="replace") for name, path in found.items() if path is not None
    }


def _password(from_stdin: bool, *, ask: bool) -> str:
    """From standard input, the environment, or the keyboard; ``""`` when there is none of them."""
    if from_stdin:
        return sys.stdin.read().rstrip("\r\n")
    if password := os.environ.get(PASSWORD_VARIABLE, ""):
        return password
    if ask and sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, default="", show_default=False))
    return ""


def _company(name: str | None) -> dict[str, Any]:
    from postroom.store.models import Company

    if name is None:
        return {}
    if not name:
        return {"company_id": None}
    found = Company.objects.filter(name=name).first()
    if found is None:
        give_up(
            f"There is no company {name!r}. There are: {', '.join(Company.objects.values_list('name', flat=True))}.",
            code=ASKED_WRONGLY,
        )
    return {"company_id": found.pk}


def _server(name: str) -> OutgoingServer:
    from postroom.flows.server_values import server_named
    from postroom.store.models import OutgoingServer

    found = server_named(name)
    if found is None:
        there = ", ".join(OutgoingServer.objects.values_list("name", flat=True))
        give_up(
            f"There is no server {name!r}. {'There are: ' + there + '.' if there else 'There is none yet.'}",
            code=ASKED_WRONGLY,
        )
    return found


def _number(ports: Ports, name: str) -> int:
    from postroom.flows.server_values import server_named

    if name == CONFIGURED and server_named(name) is None:
        if not ports.configuration.server_host:
            give_up("The configuration names no server (server_host in postroom.toml).", code=ASKED_WRONGLY)
        return 0
    return _server(name).pk


def _row(server: OutgoingServer) -> dict[str, Any]:
    result = server.test_result if isinstance(server.test_result, dict) else {}
    verdict = (
        ""
        if server.tested_at is None
        else f"{'ok' if result.get('ok') else 'failed'} {server.tested_at:%Y-%m-%d %H:%M}"
    )
    return {
        "name": server.name,
        "preset": server.preset,
        "place": f"{server.host}:{server.port}" if server.transport == "smtp" else server.get_transport_display(),
        "encryption": server.encryption,
        "verify_certificate": server.verify_certificate,
        "authentication": server.authentication,
        "username": server.username,
        "from_filter": server.from_filter,
        "envelope_sender": server.envelope_sender,
        "priority": server.priority,
        "purpose": server.purpose,
        "company": server.company.name if server.company else "",
        "daily_limit": server.daily_limit,
        "per_minute_limit": server.per_minute_limit,
        "announced_size": server.announced_size,
        "signs_dkim": server.signs_dkim,
        "state": _state(server),
        "trouble": server.trouble,
        "last_test": verdict,
    }


def _state(server: OutgoingServer) -> str:
    if not server.is_active:
        return "archived"
    if server.paused_at is not None:
        return "paused"
    return "trouble" if server.trouble else "ready"


def _configured_row(ports: Ports) -> dict[str, Any] | None:
    """The default server, as the configuration has it; it is changed there."""
    configuration = ports.configuration
    if not configuration.server_host:
        return None
    from postroom.flows.settings import parameters

    return {
        "name": CONFIGURED,
        "place": f"{configuration.server_host}:{configuration.server_port}",
        "encryption": configuration.server_encryption,
        "username": configuration.server_user,
        "from_filter": parameters(ports).text("mail.default.from_filter") or configuration.from_filter,
        "priority": "",
        "purpose": "both",
        "state": "when no other applies",
        "last_test": "",
    }


def _advice(server: OutgoingServer) -> str:
    from postroom.flows.server_presets import port_advice

    return port_advice(server.host, server.port, server.encryption, has_login=bool(server.username))


def _as_told(found: ServerTest) -> dict[str, Any]:
    return found.as_json() | {"cause": str(found.cause), "cure": str(found.cure)}


def _tell(found: ServerTest) -> None:
    show_table(
        ["", "step", "about", "ms", "reply"],
        [
            ("ok" if one.is_ok else "FAILED", one.step, one.about, one.milliseconds, one.reply.replace("\n", " "))
            for one in found.steps
        ],
        empty="Nothing was tried.",
    )
    if found.is_ok:
        say(
            f"{found.cause} Tried as {' and '.join(found.senders)} to {found.recipient}; nothing was sent."
            if found.steps
            else str(found.cause)
        )
    else:
        say(f"It fails{' at the step ' + found.step if found.step else ''}: {found.cause}\n{found.cure}")


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
