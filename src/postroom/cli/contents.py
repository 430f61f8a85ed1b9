"""The table of contents of `postroom`: which word is in which module, and what it is good for, without opening any.

Laws: a command opens its own module and no other; the overview (`postroom --help`) opens none. What stands here is what the modules say:
`tests/cli/test_contents.py` compares them word by word. Whoever adds a command adds its line.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

COMMANDS: Final = "Commands"
RUNNING: Final = "Running"
SETTINGS: Final = "Settings"
MAIL: Final = "Mail"

BEGINNING: Final = (
    "An e-mail conversation for every business record.\n\n"
    "[bold]Begin:[/bold]\n\n"
    "  postroom demo                     look around; nothing leaves the machine\n\n"
    "  postroom up                       run everything: pages, doors, routers, deliverers\n\n"
    "  postroom setup you@example.com    find the servers of an account, test them, use them\n\n"
    "  postroom user add alice --role administrator --address alice@example.com\n\n"
    "[bold]Ask:[/bold]\n\n"
    "  postroom doctor                   why does mail not arrive, and what is to be done?\n\n"
    "  postroom ask why do mails to x bounce\n\n"
    "  postroom explain mail.eml         where would this mail go, and why?\n\n"
    "  postroom queue list               what waits, and for what?\n\n"
    "  postroom story carla@example.com  what happened to her mails, or to a mail?\n\n"
    "  postroom parse mail.eml           what does it say?\n\n"
    "Settings come from postroom.toml and POSTROOM_* variables; data lies in POSTROOM_DATA_DIR (default: data)."
)

OPTIONS: Final = (
    ("--debug", "Show tracebacks, for a report of a fault."),
    ("--version", "Show the version."),
    ("--install-completion", "Install completion for the current shell."),
    (
        "--show-completion",
        "Show completion for the current shell, to copy it or customize the installation.",
    ),
    ("--help, -h", "Show this message and exit."),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A word after `postroom`: the module of `postroom.cli` that has it, the panel it is listed in, the first paragraph of its help."""

    word: str
    module: str
    panel: str
    about: str
    is_hidden: bool = False


PARTS: Final = (
    Part("queue", "queue", COMMANDS, "The queue: what waits and for what; retry, send now, cancel; unknown outcomes."),
    Part("inbound", "inbound", COMMANDS, "Mail that came in: the log; route again, set aside, allow a sender."),
    Part(
        "suppression",
        "suppression",
        COMMANDS,
        "The blacklist: addresses that campaigns leave out; bounces and complaints.",
    ),
    Part("watch", "watch", COMMANDS, "The doctor's watch: look now, what it knows, where programs are told."),
    Part("alarm", "alarms", COMMANDS, "Alarms: what went wrong by itself and needs a person."),
    Part("loop", "loops", COMMANDS, "Stopped loops: mail that the loop breaker holds."),
    Part(
        "rules",
        "rules",
        COMMANDS,
        "Automation rules: list them, see what one would do. They are made on the page Settings.",
    ),
    Part("schedule", "schedule", COMMANDS, "Scheduled actions: list them, run one now."),
    Part("mailbox", "mailboxes", COMMANDS, "Mailboxes: list, add, edit, test, fetch, reset, reconcile."),
    Part("ingress", "ingress", COMMANDS, "Addresses at which providers hand in mail: list, add, remove."),
    Part("server", "servers", COMMANDS, "Outgoing servers: list, add, test, edit, pause, resume, archive."),
    Part("parameter", "parameters", COMMANDS, "System parameters: list, get, set."),
    Part("provider", "providers", COMMANDS, "Outgoing servers that are a provider's HTTP API."),
    Part(
        "destination",
        "destinations",
        COMMANDS,
        "Limits of destinations: mails a minute to the provider that takes a domain's mail, learned or set.",
    ),
    Part("dkim", "dkim", COMMANDS, "DKIM: keys with which mail is signed, and the DNS records that prove it."),
    Part(
        "dmarc", "dmarc", COMMANDS, "DMARC and TLS reports: what receivers say about mail in the name of our domains."
    ),
    Part(
        "secrets",
        "secrets",
        COMMANDS,
        "The secret keys that seal passwords and sign reply addresses: check, rotate, forget.",
    ),
    Part("user", "members", COMMANDS, "People who sign in."),
    Part("audit", "audit", COMMANDS, "Who did what, when, and from where."),
    Part("logs", "logs", COMMANDS, "The files of logs: plain and compressed, the oldest first."),
    Part("bundle", "bundle", COMMANDS, "Everything that support needs about a mail, in one file."),
    Part("mcp", "agents", COMMANDS, "Let agents ask the doctor, and decide what they propose."),
    Part(
        "bench",
        "bench",
        COMMANDS,
        "How fast it is here, compared with Postfix's smtp-source and smtp-sink in the same run.",
    ),
    Part("member", "members", COMMANDS, "People who sign in.", is_hidden=True),  # the other word for the same people
    Part(
        "up",
        "running",
        RUNNING,
        "Run everything on this machine: database, pages, doors, routers, deliverers, scheduler, mailbox watcher.",
    ),
    Part(
        "welcome",
        "running",
        RUNNING,
        "Print the link at which the first administrator begins. It works for a week, once, and as long as nobody is there.",
    ),
    Part("demo", "running", RUNNING, "Run a Postroom with people, mail and trouble in it. Nothing leaves the machine."),
    Part("web", "running", RUNNING, "Serve the pages alone. Address and port: POSTROOM_WEB_HOST, POSTROOM_WEB_PORT."),
    Part(
        "door", "running", RUNNING, "Open the SMTP and LMTP doors alone. Ports: POSTROOM_SMTP_PORT, POSTROOM_LMTP_PORT."
    ),
    Part("worker", "running", RUNNING, "Run one process of a kind, for machines that share the work."),
    Part(
        "migrate",
        "running",
        RUNNING,
        "Bring the tables of the database up to this version. `up` and `demo` do it by themselves.",
    ),
    Part(
        "manage",
        "running",
        RUNNING,
        "Django's own commands, with the database running. Example: postroom manage changepassword alice",
    ),
    Part(
        "shell",
        "running",
        RUNNING,
        "A Python prompt with the tables (Record, Delivery, …) and `ports` at hand. Example: postroom shell -c 'print(Record.objects.count())'",
    ),
    Part(
        "status",
        "status",
        RUNNING,
        "Say how it is: what waits, failed or is held, mailboxes, doors, alarms, schedule, disk; exit 1 when something is wrong.",
    ),
    Part(
        "seed",
        "seed",
        RUNNING,
        "Fill an empty, demo or seeded database with a made-up house: people, records, conversations, failures, held mail.",
    ),
    Part(
        "setup",
        "setup",
        SETTINGS,
        "Set up mail from an address and a password: find its servers, test them, use what works, print the DNS records; exit 1 when something failed.",
    ),
    Part(
        "home",
        "home",
        SETTINGS,
        "Show where this database lives, and whether mail leaves. A copy on another host sends nothing until it is confirmed.",
    ),
    Part("capture", "home", SETTINGS, "Switch capture mode. Example: postroom capture off --cancel-waiting"),
    Part(
        "confirm-home",
        "home",
        SETTINGS,
        "Confirm that this database belongs here, after it was moved: mail leaves and is fetched again.",
    ),
    Part("receive", "mail_commands", MAIL, "Take in a mail from standard input: the pipe for an MTA."),
    Part(
        "explain",
        "mail_commands",
        MAIL,
        "Say where a mail would go, who wrote it as far as that is known, and why. Nothing is written.",
    ),
    Part(
        "parse", "mail_commands", MAIL, "Say what mails say: headers, bodies, attachments, defects. Needs no database."
    ),
    Part(
        "read-report",
        "mail_commands",
        MAIL,
        "Say what delivery reports, complaints, receipts and automatic replies report. Needs no database.",
    ),
    Part(
        "split-reply",
        "mail_commands",
        MAIL,
        "Show the new words of replies, without quotation and signature. A .txt file is a body itself. Needs no database.",
    ),
    Part(
        "mail-test",
        "mail_test",
        MAIL,
        "Say what receivers will think of a mail: a score from 0 to 10 with its arithmetic, each reason, and what to do.",
    ),
    Part(
        "doctor",
        "doctor",
        MAIL,
        "Find out why mail does not leave, arrive or come back; exit 1 when there is an error.",
    ),
    Part(
        "ask",
        "ask",
        MAIL,
        "Ask in plain words, and get an answer with evidence; exit 1 when the question was not understood.",
    ),
    Part(
        "explain-error",
        "diagnosis",
        MAIL,
        "Say what an error about mail means, whose fault it is, who must act, and what to do.",
    ),
    Part(
        "story",
        "story",
        MAIL,
        "Tell the story of a mail or of an address: posted, queued, each attempt with the server's answer, reports, blacklist, answers.",
    ),
)


def overview() -> str:
    """What `postroom --help` says, as wide as the terminal and as colourful as it allows."""
    width = shutil.get_terminal_size().columns
    pen = _Pen(is_bold=sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb")
    lines = ["", f" {pen.bold('Usage:')} postroom [OPTIONS] COMMAND [ARGS]...", ""]
    paragraphs = BEGINNING.split("\n\n")
    for paragraph, following in zip_longest(paragraphs, paragraphs[1:], fillvalue=""):
        if paragraph.startswith("[bold]"):
            lines.append(pen.bold(f" {paragraph.removeprefix('[bold]').removesuffix('[/bold]')}"))
        else:
            lines += _wrapped(paragraph, width - 1, indent=" ")
            lines += [] if paragraph.startswith("  ") and following.startswith("  ") else [""]
    listed = [part for part in PARTS if not part.is_hidden]
    lines += _panel("Options", OPTIONS, max(len(names) for names, _ in OPTIONS), width, pen)
    first = max(len(part.word) for part in listed)
    for panel in (COMMANDS, RUNNING, SETTINGS, MAIL):
        lines += _panel(panel, [(one.word, one.about) for one in listed if one.panel == panel], first, width, pen)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Pen:
    is_bold: bool

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.is_bold else text


def _panel(title: str, rows: Sequence[tuple[str, str]], first: int, width: int, pen: _Pen) -> Iterator[str]:
    """A box with a title: a column of words, ``first`` characters wide, and one of text that is folded."""
    inner = max(width - 4, first + 20)
    yield f"╭─ {title} {'─' * (inner - len(title) - 1)}╮"
    for word, about in rows:
        for number, line in enumerate(_wrapped(about, inner - first - 2)):
            head = pen.bold(word) + " " * (first - len(word)) if number == 0 else " " * first
            yield f"│ {head}  {line.ljust(inner - first - 2)} │"
    yield f"╰{'─' * (inner + 2)}╯"


def _wrapped(text: str, width: int, *, indent: str = "") -> Iterable[str]:
    return textwrap.wrap(
        text, max(width, 20), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    ) or [""]
