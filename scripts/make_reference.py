"""Make the reference pages in docs/reference from the tables of the code, so that they cannot lie.

    python scripts/make_reference.py           write them
    python scripts/make_reference.py --check   exit 1 and name those that are behind

A test calls the same functions (tests/house/test_reference.py). Needs no database.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from postroom.cli.main import app
from postroom.core.delivery.providers import Keeps, Option, Provider, providers
from postroom.core.diagnosis.acting import of_case
from postroom.core.diagnosis.errors import ErrorAnswer, explain_error
from postroom.core.diagnosis.finding_codes import FOLLOWS, KINDS, FindingCode
from postroom.core.diagnosis.mailbox_errors import CASES as MAILBOX_CASES
from postroom.core.diagnosis.oauth_errors import oauth_codes
from postroom.core.diagnosis.server_errors import CASES as SERVER_CASES
from postroom.core.diagnosis.server_errors import Explanation
from postroom.core.diagnosis.symptoms import LOOKS, WALKS
from postroom.core.diagnosis.tools_for_agents import TOOLS, Field
from postroom.core.mailtest.findings import in_points
from postroom.core.mailtest.rules import RULES, Section
from postroom.core.reports.taxonomy import TAXONOMY
from postroom.core.terms import states
from postroom.core.terms.configuration import _CHOICES, HELP, Configuration
from postroom.core.terms.parameters import PARAMETERS
from postroom.core.terms.reasons import because

PROJECT = Path(__file__).resolve().parents[1]
SOURCES = PROJECT / "src" / "postroom"
REFERENCE = PROJECT / "docs" / "reference"
NOTE = "<!-- Made by scripts/make_reference.py from the code. Do not edit. -->"
_MEMBER = re.compile(r'^    ([A-Z0-9_]+) = "([^"]*)"(?:  # (.+))?$', re.MULTILINE)
_MARKUP = re.compile(r"\[/?bold\]")


def pages() -> dict[str, str]:
    """The text of each page, by file name."""
    return {
        "commands.md": commands(),
        "configuration.md": configuration(),
        "parameters.md": parameters(),
        "providers.md": all_providers(),
        "states.md": all_states(),
        "reasons.md": reasons(),
        "report-reasons.md": report_reasons(),
        "errors.md": errors(),
        "findings.md": findings(),
        "faults.md": faults(),
        "symptoms.md": symptoms(),
        "mail-test-rules.md": mail_test_rules(),
        "agents.md": agents(),
    }


_RETURN_PATH = {
    Keeps.DOMAIN: "its domain is kept",
    Keeps.REPORTS: "the provider's own; reports are sent on to ours",
    Keeps.NO: "the provider's own; events tell what came back",
}


def all_providers() -> str:
    parts = [
        "# Providers with HTTP APIs",
        NOTE,
        "An outgoing server may be one of these: see [how to connect one](../how-to/connect-a-provider-api.md). Only what the tests "
        "hold against a server that speaks as the provider's documentation says is offered.",
        _table(
            (
                "Provider",
                "The mail leaves",
                "Our Message-ID",
                "Return path",
                "Shown images",
                "Largest mail",
                "Its events are",
            ),
            [_provider_row(one) for one in providers()],
        ),
    ]
    for one in providers():
        rows = [(f"`{option.name}`", _option_text(option)) for option in one.options]
        parts.append(f"## {one.label}\n\n`{one.name}`. {one.key_label}: {one.key_help}")
        if rows:
            parts.append(_table(("Option", "Meaning"), rows))
        parts.append(f"Events: {one.hook_help}")
    return "\n\n".join(parts) + "\n"


def _provider_row(one: Provider) -> tuple[str, ...]:
    signed = "signed, must be" if one.needs_signing else "signed, where its key is entered" if one.signing_label else ""
    return (
        one.label,
        "byte for byte" if one.is_raw else "in parts",
        "kept" if one.keeps_message_id else "may be replaced",
        _RETURN_PATH[one.envelope_sender],
        "kept" if one.keeps_inline_images else "become files",
        f"{one.max_message_size // 1024 // 1024} MiB",
        "signed by Amazon" if one.name == "amazon_ses" else signed or "not signed: the secret address proves them",
    )


def _option_text(option: Option) -> str:
    choices = f" One of {', '.join(f'`{value}`' for value, _ in option.choices)}." if option.choices else ""
    return f"{option.label}. {option.help}{choices}{' Required.' if option.required else ''}".strip()


def commands() -> str:
    root: Any = typer.main.get_command(app)
    parts = [
        "# Commands",
        NOTE,
        "Exit codes: 0 done, 1 it did not work, 2 it was asked wrongly. `postroom receive` answers mail servers by sysexits.h: "
        "0, 64, 65, 67, 75. `--debug` before the command shows tracebacks; `--install-completion` teaches your shell.",
    ]
    for words, command in _walk(root, ()):
        name = " ".join(("postroom", *words))
        arguments = " ".join(_shown_argument(one) for one in command.params if one.param_type_name == "argument")
        parts.append(f"## {name}\n\n`{' '.join(filter(None, [name, '[OPTIONS]', arguments]))}`")
        parts.append(_MARKUP.sub("", inspect.cleandoc(command.help or "")))
        if rows := [_parameter(one) for one in command.params]:
            parts.append(_table(("", "Meaning"), rows))
    return "\n\n".join(parts) + "\n"


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        if hasattr(inner, "commands"):
            yield from _walk(inner, (*words, name))
        else:
            yield (*words, name), inner


def _shown_argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _parameter(parameter: Any) -> tuple[str, str]:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`", parameter.help or ""
    names = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    shown = (
        f" Default: {default}." if isinstance(default, int | str) and not isinstance(default, bool) and default else ""
    )
    return names, (parameter.help or "") + shown


def configuration() -> str:
    rows = [(f"`{name}`", f"`POSTROOM_{name.upper()}`", _default(name), _meaning(name)) for name in HELP]
    return (
        "\n\n".join(
            [
                "# Configuration",
                NOTE,
                "What must be known before the database can be asked: `postroom.toml` in the working directory (or the file that "
                "`POSTROOM_CONFIG` names) and variables of the environment, which win. An unknown key in the file is an error; a misspelt variable is not seen. "
                "Everything that may change while Postroom runs is a [parameter](parameters.md) instead.",
                _table(("Setting", "Variable", "Default", "Meaning"), rows),
            ]
        )
        + "\n"
    )


def _default(name: str) -> str:
    value = getattr(Configuration(), name)
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value}`" if isinstance(value, int | str) and value != "" else ""


def _meaning(name: str) -> str:
    choices = _CHOICES.get(name, ())
    missing = [choice for choice in choices if choice not in HELP[name]]
    return HELP[name] + (f" One of: {', '.join(choices)}." if missing else "")


def parameters() -> str:
    rows = [(f"`{key}`", f"`{one.default}`" if one.default else "", one.help) for key, one in PARAMETERS.items()]
    return (
        "\n\n".join(
            [
                "# System parameters",
                NOTE,
                "Kept in the database; a change takes effect in every process at once and is recorded. On the page Settings, or with "
                "`postroom parameter set KEY VALUE`.",
                _table(("Key", "Default", "Meaning"), rows),
            ]
        )
        + "\n"
    )


def all_states() -> str:
    parts = ["# States and other words", NOTE]
    for name, kind in inspect.getmembers(states, inspect.isclass):
        if issubclass(kind, StrEnum) and kind is not StrEnum:
            rows = [
                (f"`{value}`", comment or "") for _, value, comment in _MEMBER.findall(inspect.getsource(kind)) if value
            ]
            parts += [f"## {name}", inspect.cleandoc(kind.__doc__ or ""), _table(("Value", "Meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def reasons() -> str:
    rows = [(f"`{code}`", sentence) for code, sentence in sorted(_sentences().items())]
    return (
        "\n\n".join(
            [
                "# Reasons",
                NOTE,
                "Every decision is stored with its reasons: a code, and the facts that fill its sentence. Codes stay; sentences may improve.",
                _table(("Code", "Sentence"), rows),
            ]
        )
        + "\n"
    )


def report_reasons() -> str:
    rows = [
        (f"`{one.code}`", one.meaning, one.blame.value, one.permanence.value, one.cure, f"*{one.example}*")
        for one in TAXONOMY.values()
    ]
    return (
        "\n\n".join(
            [
                "# Why mail comes back",
                NOTE,
                "Every failed or delayed recipient of a report, and every refusal while sending, has one of these reasons. The verdict "
                "says whose fault it is; `address` alone means that it does not exist and will not. Whether a failure is permanent is "
                "told by the class of the status (5.y.z or 4.y.z); the column says what is usual. How the reason is found is told in "
                "[how reports are read](../explanation/how-reports-are-read.md).",
                _table(("Reason", "Meaning", "Verdict", "Usually", "What helps", "For example"), rows),
            ]
        )
        + "\n"
    )


def findings() -> str:
    known = _sentences()
    rows = [
        (f"`{code}`", KINDS[code].severity.value, known[f"finding.{code}"], known[f"heal.{code}"],
         KINDS[code].who.value, ", ".join(f"`{one}`" for one in sorted(FOLLOWS.get(code, ()))))
        for code in FindingCode
    ]  # fmt: skip
    return (
        "\n\n".join(
            [
                "# Findings of the doctor",
                NOTE,
                "What `postroom doctor` can find, the deepest cause first. The gravity is the usual one: it may be less, or more, by what was "
                "seen. What stands in the last column is folded below the finding when both are about the same server, mailbox or domain. "
                "In JSON (`postroom doctor --json`, `GET /api/v1/health`) each has `since`: when the watch saw it first, in ISO 8601, null where it has not. "
                "See [how to call the doctor](../how-to/call-the-doctor.md) and [the faults it is tested with](faults.md).",
                _table(("Code", "Usually", "Cause", "Cure", "Who", "Explains"), rows),
            ]
        )
        + "\n"
    )


def symptoms() -> str:
    known = _sentences()
    parts = [
        "# Symptoms",
        NOTE,
        "What `postroom doctor --symptom NAME` looks at, in this order, until it finds something. See [how to call the "
        "doctor](../how-to/call-the-doctor.md) and [its findings](findings.md).",
    ]
    for symptom, looks in WALKS.items():
        rows = [
            (
                known[f"look.{look}"],
                ", ".join(f"`{one}`" for one in dict.fromkeys(spot.partition("/")[0] for spot in LOOKS[look].split())),
            )
            for look in looks
        ]
        parts.append(f"## {symptom}\n\n{known[f'symptom.{symptom}']}.")
        parts.append(_table(("Looked at", "Findings"), rows))
        parts.append(f"When nothing is found: {known[f'next.{symptom}']}")
    return "\n\n".join(parts) + "\n"


def mail_test_rules() -> str:
    known = _sentences()
    parts = [
        "# Rules of the mail test",
        NOTE,
        "A mail begins with ten points. Each rule costs its points once, however often it is broken; what only tells costs nothing, and what "
        "could not be looked at is unchecked and costs nothing. See [how to test a mail](../how-to/test-a-mail.md).",
    ]
    for section in Section:
        rows = [
            (f"`{code}`", in_points(rule.tenths) if rule.tenths else rule.outcome.value.replace("_", " "),
             known[f"mailtest.{code}"], known.get(f"mailtest.do.{code}", ""))
            for code, rule in RULES.items() if rule.section is section
        ]  # fmt: skip
        parts.append(f"## {section.value.capitalize()}")
        parts.append(_table(("Rule", "Points", "It says", "To do"), rows))
    return "\n\n".join(parts) + "\n"


def agents() -> str:
    """The tools, with arguments and scopes."""
    parts = [
        "# Tools for agents",
        NOTE,
        "What an agent gets over the Model Context Protocol: at stdin and stdout by `postroom mcp`, over HTTP at `/mcp`. See [how to let an agent "
        "ask](../how-to/let-an-agent-ask.md) and [what protects whom](../explanation/security.md#agents). Answers are JSON in which every text that "
        "is not ours is fenced. A tool of the scope `agent:change` changes nothing: it asks a person.",
        _table(
            ("Tool", "Scopes of keys", "Seconds", "What it does"),
            [
                (f"`{one.name}`", ", ".join(f"`{scope}`" for scope in one.scopes), f"{one.seconds:g}", one.about)
                for one in TOOLS
            ],
        ),
    ]
    for one in TOOLS:
        if one.fields:
            parts.append(f"## {one.name}")
            parts.append(_table(("Argument", "Kind", "Needed", "Meaning"), [_argument(field) for field in one.fields]))
    return "\n\n".join(parts) + "\n"


def _argument(field: Field) -> tuple[str, ...]:
    choices = f" One of {', '.join(f'`{choice}`' for choice in field.choices)}." if field.choices else ""
    return f"`{field.name}`", field.kind, "yes" if field.is_needed else "", field.help + choices


def faults() -> str:
    """Of the fault laboratory: read from its table, which is Python."""
    tree = ast.parse((PROJECT / "tests" / "doctor" / "faults.py").read_text(encoding="utf-8"))
    rows = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "fault":
            name, code = ast.literal_eval(node.args[0]), ast.literal_eval(node.args[2])
            detail = next((ast.literal_eval(one.value) for one in node.keywords if one.arg == "detail"), "")
            rows.append((name, f"`{code}`", f"`{detail}`" if detail else "", KINDS[FindingCode(code)].severity.value))
    return (
        "\n\n".join(
            [
                "# Faults and verdicts",
                NOTE,
                f"The laboratory injects {len(rows)} faults into a healthy house with a healthy zone, one at a time. For each the doctor must name "
                "this finding first, with its cure, and nothing beside it but what follows from it.",
                _table(("Fault", "Named first", "Case", "Usually"), rows),
            ]
        )
        + "\n"
    )


def errors() -> str:
    known = [
        _error_row(
            case,
            Explanation(code=case, cause=because(f"fault.{case}", **_NAMES), cure=because(f"cure.{case}", **_NAMES)),
        )
        for case in dict.fromkeys(
            [*(one.code for one in SERVER_CASES), *(one.code for one in MAILBOX_CASES), *oauth_codes()]
        )
    ]
    seen = [(f"`{text}`", *_answer_row(explain_error(text))) for text in ERRORS]
    return (
        "\n\n".join(
            [
                "# Errors and what they mean",
                NOTE,
                "`postroom explain-error TEXT` reads any of these, and what others say in the same sense. Blame is whose fault it is, turn is who must "
                "act. What recipients' servers say is read by the [reasons of reports](report-reasons.md) first; the causes below are about one's own "
                "servers, mailboxes and accounts.",
                "## For example",
                _table(("Error", "Known as", "Meaning", "Blame", "Turn", "What to do"), seen),
                "## Causes",
                _table(("Cause", "Meaning", "Blame", "Turn", "What to do"), known),
            ]
        )
        + "\n"
    )


_NAMES = {
    name: f"({name})"
    for name in (
        "host",
        "port",
        "trouble",
        "reply",
        "step",
        "username",
        "sender",
        "recipient",
        "name",
        "folder",
        "protocol",
        "said",
    )
} | {"provider_cure": "What the provider wants is said beside its preset."}


def _error_row(code: str, told: Explanation) -> tuple[str, ...]:
    blame, who = of_case(code)
    return f"`{code}`", str(told.cause), blame.value, who.value, str(told.cure)


def _answer_row(answer: ErrorAnswer) -> tuple[str, ...]:
    return f"`{answer.code}`", answer.cause, answer.blame.value if answer.blame else "", answer.who.value, answer.cure


ERRORS = (
    "550 5.1.1", "553 5.1.8", "554 5.7.1", "452 4.2.2", "421 4.7.0", "535 5.7.8",
    "smtplib.SMTPRecipientsRefused: {'bob@customer.example': (550, b'5.1.1 The email account does not exist')}",
    "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted')",
    "smtplib.SMTPSenderRefused: (553, b'5.1.8 Domain of sender address does not exist', 'shop@nowhere.example')",
    "ConnectionRefusedError: [Errno 111] Connection refused", "TimeoutError: [Errno 110] Connection timed out",
    "socket.gaierror: [Errno -2] Name or service not known", "smtplib.SMTPServerDisconnected: Connection unexpectedly closed",
    "ssl.SSLCertVerificationError: certificate verify failed: certificate has expired", "ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number",
    "imaplib.IMAP4.error: [AUTHENTICATIONFAILED] Invalid credentials", "[ALERT] Too many simultaneous connections. (Failure)",
    "550 The from address does not match a verified Sender Identity", "Daily limit reached", "550: mailbox unavailable",
    "550 5.7.26 the sender is unauthenticated", "554 5.7.1 Service unavailable; Client host blocked using a list of Spamhaus",
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant", "550 5.7.60 Client does not have permissions to send as this sender",
    "454 4.7.0 Temporary authentication failure", "450 4.7.1 Greylisted, please try again", "invalid_grant", "AADSTS7000222",
)  # fmt: skip


def _sentences() -> dict[str, str]:
    """What every room gives to `catalogue`, read from the sources: importing all of them would need a database."""
    found: dict[str, str] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "catalogue":
                found |= ast.literal_eval(node.args[0])
    return found


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def behind() -> list[str]:
    """The pages that differ from the code."""
    return [
        name
        for name, text in pages().items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(f"behind the code: {', '.join(late)}; run scripts/make_reference.py" if (late := behind()) else 0)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
