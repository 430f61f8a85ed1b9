"""The doctor: why mail does not arrive, what to do, and who must do it. Root causes first."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli import entering
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, visible

if TYPE_CHECKING:
    from datetime import datetime

    from postroom.core.diagnosis.findings import Folded
    from postroom.core.diagnosis.machine_health import MachineFacts
    from postroom.core.diagnosis.symptoms import Walked
    from postroom.core.terms.configuration import Configuration
    from postroom.flows.diagnose import Diagnosis, DoctorWish

app = typer.Typer()

_MARKS = {
    "error": ("ERROR", "bold red"),
    "warning": ("WARNING", "bold yellow"),
    "info": ("info", "cyan"),
    "unchecked": ("unchecked", "magenta"),
    "not_applicable": ("n/a", "dim"),
}
_OUTCOMES = {
    "found": "FOUND",
    "clear": "nothing",
    "unchecked": "not checked",
    "not_applicable": "n/a",
}
_NEEDS = ("postroom.flows.diagnose", "postroom.wiring", "rich.console", "rich.text")
_SETTLING = 3  # looks, a moment apart, before a process that just starts counts as missing


@app.command(rich_help_panel="Mail")
def doctor(
    domains: Annotated[
        list[str] | None,
        typer.Argument(metavar="DOMAIN...", help="Check the records of these domains; nothing: of all that you use."),
    ] = None,
    as_json: AsJson = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CODE", help="Tell findings with this code alone; may stand several times."),
    ] = None,
    symptom: Annotated[
        str,
        typer.Option(
            "--symptom",
            metavar="NAME",
            help="Look for the causes of this alone, in order, and stop at the first: not-sending, spam, connection-refused, "
            "authentication-failed, no-replies, duplicates, queued, daily-limit, no-error, bounces, not-receiving.",
        ),
    ] = "",
    resolver: Annotated[
        list[str] | None,
        typer.Option(
            "--resolver", metavar="ADDRESS[:PORT]", help="Ask this name server instead of those of the configuration."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody outside: no server, no mailbox, no DNS.")
    ] = False,
    patience: Annotated[
        float,
        typer.Option(
            "--patience", min=0.5, max=120, help="Seconds that servers, mailboxes and the DNS have to answer."
        ),
    ] = 10.0,
    watch_now: Annotated[
        bool,
        typer.Option(
            "--watch-now",
            help="Look as the watch does every hour: remember, raise and clear alarms, tell people and programs.",
        ),
    ] = False,
) -> int:
    """Find out why mail does not leave, arrive or come back; exit 1 when there is an error.

    It looks at the machine, the settings, servers and mailboxes (as far as Test Connection goes), the schedule, the queue and what failed
    lately, and at SPF, DKIM, DMARC, MX and PTR of your domains. Nothing is changed and nothing is sent. Causes stand first; what only
    follows from one is folded below it. Each finding says what was seen, what it means, what to do and who must do it, and prints the
    record to publish where there is one.

    With --symptom it walks through the causes of what people say is wrong, says what it looked at, and stops at what it found (exit 1).

    With --watch-now it does what the scheduled action Doctor: Watch does: see postroom watch.

    Examples: postroom doctor; postroom doctor --symptom spam; postroom doctor example.com --only spf_missing; postroom doctor --json;
    postroom doctor --resolver 9.9.9.9; postroom doctor --offline
    """
    from postroom.core.diagnosis.finding_codes import FindingCode
    from postroom.core.diagnosis.findings import is_well
    from postroom.core.diagnosis.symptoms import Symptom, walk
    from postroom.core.terms.addresses import normalize_domain
    from postroom.core.terms.configuration import read_name_servers

    names = [normalize_domain(name.removeprefix("@").rpartition("@")[2]) for name in domains or ()]
    if not all(names):
        give_up(f"No domain: {', '.join(domains or ())}.", code=ASKED_WRONGLY)
    for address in [name.strip() for name in domains or () if name.strip().rpartition("@")[0]]:
        story = f"postroom story {shlex.quote(address)}"
        remark(
            f"The doctor looks at the domain {address.rpartition('@')[2]}. What became of mail to this address: {story}"
        )
    codes = frozenset(word.strip().lower() for word in only or () if word.strip())
    symptom = symptom.strip().lower()
    if symptom and symptom not in set(Symptom):
        give_up(f"No symptom is called {symptom}; there are: {', '.join(Symptom)}.", code=ASKED_WRONGLY)
    if symptom and codes:
        give_up("Either --symptom or --only: a walk needs all findings.", code=ASKED_WRONGLY)
    if watch_now:
        from postroom.cli.watch import look_now

        return look_now(as_json=as_json)
    configuration = entering.configured()
    servers = read_name_servers(resolver or ())
    found = _diagnosed(configuration, tuple(names), codes, servers, offline=offline, patience=patience)
    if not found.findings and codes and not codes & set(FindingCode):
        give_up(f"There is no finding of that code: {', '.join(sorted(codes))}; see docs/reference/findings.md.", code=ASKED_WRONGLY)  # fmt: skip
    if symptom:
        walked = walk(Symptom(symptom), found.findings, asks_world=not offline)
        if as_json:
            say_json(walked.as_json())
        else:
            _tell_walk(walked, found.seconds)
        return FAILED if walked.found else DONE
    if as_json:
        findings, moments = ([one.as_json() for one in some] for some in (found.findings, found.moments))
        say_json({"ok": is_well(found.findings), "findings": findings, "moments": moments})
    else:
        _tell(found)
    return DONE if is_well(found.findings) else FAILED


def _diagnosed(
    configuration: Configuration,
    domains: tuple[str, ...],
    only: frozenset[str],
    name_servers: tuple[tuple[str, int], ...],
    *,
    offline: bool,
    patience: float,
) -> Diagnosis:
    """A database that cannot be had is a finding, too, and a disk that nothing can be written to: then the machine alone is told of."""
    from django.db import DatabaseError, InterfaceError

    from postroom.core.diagnosis.finding_codes import FindingCode
    from postroom.flows.diagnose import DoctorWish
    from postroom.workers.database import DatabaseTrouble
    from postroom.workers.machine import DISK_ERRORS, look_at_machine, with_disk

    wish = DoctorWish(domains=domains, only=only, asks_world=not offline, name_servers=name_servers, patience=patience)
    machine = look_at_machine(configuration)  # before a database is started for this question
    try:
        with entering.running(configuration, needs=_NEEDS):
            if waiting := entering.waiting_migrations():
                return _alone(FindingCode.TABLES_BEHIND, f"{waiting} migrations wait", steps=waiting)
            return _settled(wish, machine)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        return _machine_alone(with_disk(machine, error, configuration))
    except (DatabaseTrouble, DatabaseError, InterfaceError) as error:
        return _alone(FindingCode.DATABASE_UNREACHABLE, " ".join(str(error).split()))


def _alone(code: Any, evidence: str, **facts: object) -> Diagnosis:
    import postroom.wiring  # noqa: F401 - knows who fills the catalogue of sentences
    from postroom.core.diagnosis.findings import fold, found
    from postroom.flows.diagnose import Diagnosis

    return Diagnosis(findings=fold([found(code, evidence=[evidence], facts={**facts})]), seconds=0.0)


def _machine_alone(machine: MachineFacts) -> Diagnosis:
    import postroom.wiring  # noqa: F401 - as above
    from postroom.core.diagnosis.findings import fold
    from postroom.core.diagnosis.machine_health import check_machine
    from postroom.flows.diagnose import Diagnosis

    return Diagnosis(findings=fold(check_machine(machine)), seconds=0.0)


def _settled(wish: DoctorWish, machine: MachineFacts) -> Diagnosis:
    """A process that just starts is no missing one."""
    from postroom.flows.diagnose import diagnose, is_whole_staff
    from postroom.wiring import ports

    for _ in range(_SETTLING if machine.runs_here else 0):
        if is_whole_staff():
            break
        time.sleep(0.4)
    return diagnose(ports(), wish, member=None, machine=machine)


# ---- for people


def _tell(found: Diagnosis) -> None:
    grave = [one for one in found.findings if one.severity.value in ("error", "warning", "info")]
    for one in grave:
        _tell_one(one)
    rest = [one for one in found.findings if one not in grave]
    for severity, what in (("unchecked", "Not checked"), ("not_applicable", "Not applicable here")):
        lines = [one for one in rest if one.severity.value == severity]
        if lines:
            say(f"{what}:")
            for one in lines:
                say(f"  {one.finding.subject}: {one.finding.cause}")
            say("")
    if found.moments:
        say("What changed before it broke, newest first:")
        for moment in found.moments[:10]:
            say(f"  {_moment(moment.at)}  {moment.what}")
        say("")
    errors = sum(one.severity.value == "error" for one in found.findings)
    warnings = sum(one.severity.value == "warning" for one in found.findings)
    verdict = (
        "Nothing is wrong."
        if not errors + warnings
        else f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}."
    )
    say(f"{verdict} ({found.seconds:.1f} s)")


def _tell_walk(walked: Walked, seconds: float) -> None:
    say(f"{walked.what}. Looked at:")
    for look in walked.looks:
        say(f"  {_OUTCOMES[look.outcome.value]:<14} {look.what}")
        for finding in look.hindered:
            say(f"  {'':<14}   {visible(finding.subject)}: {visible(str(finding.cause))}")
    say("")
    for one in walked.found:
        _tell_one(one)
    if walked.advice:
        say("Nothing of this was found.")
        say(f"Next: {walked.advice}")
    if walked.elsewhere:
        say(
            f"The house has {_counted(walked.elsewhere, 'other problem')}, which would not explain this: postroom doctor"
        )
    say(f"({seconds:.1f} s)")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _tell_one(folded: Folded) -> None:
    from rich.console import Console
    from rich.text import Text

    finding = folded.finding
    word, style = _MARKS[folded.severity.value]
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text.assemble((word, style), f"  {visible(finding.subject)}  ", (finding.code.value, "dim")))
    for title, text in _lines(folded):
        console.print(Text.assemble("  ", (f"{title:<10}", "dim"), visible(text)))
    for follower in folded.told_follows:
        _tell_follower(console, follower, 1)
    console.print()


def _lines(folded: Folded) -> list[tuple[str, str]]:
    finding = folded.finding
    lines = [("", str(finding.cause))]
    lines += [("since", _moment(folded.since))] if folded.since else []
    lines += [("seen", piece) for piece in finding.evidence]
    lines.append(("to do", str(finding.cure)))
    lines += [("publish", f'{record.name}  {record.type}  "{record.value}"') for record in finding.publish]
    lines.append(("who", str(finding.who.turn)))
    return lines


def _tell_follower(console: Any, folded: Folded, depth: int) -> None:
    from rich.text import Text

    finding = folded.finding
    said = f"{finding.subject}: {finding.cause}" + (f" ({folded.times} times)" if folded.times > 1 else "")
    said += f" (since {_moment(folded.since)})" if folded.since else ""
    console.print(Text.assemble("  " * depth, ("follows   ", "dim"), visible(said)))
    for follower in folded.told_follows:
        _tell_follower(console, follower, depth + 1)
