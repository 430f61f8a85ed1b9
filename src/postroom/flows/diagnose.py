"""The doctor: gathers the facts, asks the world side by side within a few seconds, lets the pure checks judge, and folds what they find.

    tables --> facts ----------------------------------+
    servers, mailboxes: tests that store nothing ------+--> checks (pure) --> findings --> fold: causes first
    DNS: evaluations as questions and answers ---------+

Laws: reads only; nobody is told, nothing is stored. Whoever does not answer in time is *unchecked*, never failed, and so is what a check of
ours would have told that broke. While nothing leaves
(capture mode, an unconfirmed copy) servers and public records are *not applicable*, unless a domain is asked for by name. Private names
are asked about only where name servers are set on purpose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import postroom.core.diagnosis.sentences  # noqa: F401 - what it finds, in words
from postroom.core.diagnosis.alias_health import check_aliases
from postroom.core.diagnosis.broken_checks import Check
from postroom.core.diagnosis.checks import OF_DOMAINS, OF_HOSTS
from postroom.core.diagnosis.dkim_record import check_key_secrets
from postroom.core.diagnosis.domain_facts import EXISTENCE, DomainFacts, is_private
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import HOUSE, Finding, Folded, domain_named, fold, found
from postroom.core.diagnosis.history import ChangeFacts, Moment, check_alarms, check_history, line_up
from postroom.core.diagnosis.house import check_house
from postroom.core.diagnosis.machine_health import MachineFacts, check_machine
from postroom.core.diagnosis.mail_clocks import check_mail_clocks
from postroom.core.diagnosis.mailbox_health import MailboxFacts, TriedMailbox, WaysInFacts, check_ways_in
from postroom.core.diagnosis.observed import Observed, observe_domain
from postroom.core.diagnosis.outside_clocks import ClockWitness, check_outside_clocks
from postroom.core.diagnosis.queue_health import check_queue
from postroom.core.diagnosis.receivers import check_receivers
from postroom.core.diagnosis.schedule_health import check_schedule
from postroom.core.diagnosis.server_health import ServerFacts, TriedServer, check_server
from postroom.core.diagnosis.watching import MOST_WATCHED, dated
from postroom.core.senders.questions import Asking
from postroom.flows.access import require_house
from postroom.flows.gather_domains import domain_facts, host_facts, key_facts
from postroom.flows.gather_house import (
    HouseRows,
    alarm_facts,
    alias_facts,
    change_facts,
    house_facts,
    machine_facts,
    read_rows,
    schedule_facts,
    server_facts,
    succeeded,
    ways_in_facts,
)
from postroom.flows.gather_outside import (
    Heard,
    Told,
    changes_outside,
    door_findings,
    mail_witnesses,
    seen_outside,
    with_policies,
    witnesses_among,
)
from postroom.flows.gather_receivers import receivers_facts
from postroom.flows.ports import Ports
from postroom.flows.side_by_side import Broken, side_by_side
from postroom.flows.test_mailbox import MailboxTest
from postroom.flows.test_mailbox import plan_test as plan_mailbox_test
from postroom.flows.test_server import ServerTest
from postroom.flows.test_server import plan_test as plan_server_test
from postroom.flows.unbroken import Unbroken, unbroken_asking
from postroom.flows.ways_out import load_ways_out
from postroom.store.models import Member, WatchedFinding
from postroom.store.queries.doctor import connected_roles

T = TypeVar("T")
PATIENCE = 10.0  # seconds for all of the world together
DNS_PATIENCE = 6.0
READ_LATELY = 3  # intervals within which a mailbox that was read well needs no test
_NO_WAYS_IN = WaysInFacts(wants_mail=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorWish:
    """``domains``: these alone, by name; empty: all of ours. ``only``: codes or details of findings; empty: all.

    ``asks_world``: whether servers, mailboxes and the DNS are asked. ``name_servers``: instead of those of the configuration.
    """

    domains: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    asks_world: bool = True
    name_servers: tuple[tuple[str, int], ...] = ()
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """``findings``: root causes first, with what follows from them below; ``seconds`` it took; ``observed``: what was seen outside.

    ``moments``: changes of the last days among the failures, newest first; none where mail did not fail."""

    findings: tuple[Folded, ...]
    seconds: float
    observed: tuple[Observed, ...] = ()
    moments: tuple[Moment, ...] = ()


def diagnose(
    ports: Ports, wish: DoctorWish, *, member: Member | None, machine: MachineFacts | None = None
) -> Diagnosis:
    """``machine``: what only whoever stands on the machine can see. Raises `NotAllowed`, and what a lost database raises."""
    require_house(member)
    began = time.monotonic()
    rows = read_rows(ports, load_ways_out(ports))
    unbroken = Unbroken()
    servers = unbroken.look(Check.SERVERS, lambda: server_facts(ports, rows))
    ways_in = next(iter(unbroken.look(Check.WAYS_IN, lambda: [ways_in_facts(ports, rows)])), _NO_WAYS_IN)
    domains = unbroken.look(Check.NAMES, lambda: domain_facts(ports, rows, wish.domains))
    asked, spared = _to_ask(ports, rows, domains, wish)
    tasks = _tasks(ports, rows, servers, asked, wish) if wish.asks_world else {}
    answers = side_by_side(tasks, wish.patience)
    slow = tasks.keys() - answers.keys()
    _note_broken(unbroken, answers, servers, ways_in.mailboxes)
    servers = [_tried_server(one, answers, slow, rows, wish) for one in servers]
    ways_in = replace(ways_in, mailboxes=tuple(_tried_mailbox(one, answers, slow, wish) for one in ways_in.mailboxes))
    heard = answers.get("dns")
    findings = _judge(unbroken, ports, rows, servers, ways_in, machine or MachineFacts())
    findings += [*spared, *_of_dns(heard, asked, is_slow="dns" in slow)]
    findings += unbroken.look(Check.CLOCKS, lambda: _clocks(rows.now, witnesses_among(answers, heard)))
    observed = seen_outside(servers, heard)
    changes = unbroken.look(Check.HISTORY, lambda: [*change_facts(rows.now), *changes_outside(rows.now, observed)])
    findings += unbroken.look(Check.HISTORY, lambda: _history(rows, findings, changes))
    findings += unbroken.findings
    wanted = tuple(one for one in findings if _is_wanted(one, wish.only))
    return Diagnosis(
        findings=dated(fold(wanted), _since()),
        seconds=time.monotonic() - began,
        observed=observed,
        moments=line_up(rows.hours, changes),
    )


def is_whole_staff() -> bool:
    """Whether all processes on which mail depends are connected to the database. One query."""
    return {"deliverer", "router", "scheduler"} <= connected_roles().keys()


def _since() -> dict[str, datetime]:
    """When the watch saw first what is open, by its keys. One query."""
    open_rows = WatchedFinding.objects.filter(ended_at=None).values_list("key", "first_seen_at")
    return dict(open_rows[:MOST_WATCHED])


def _is_wanted(finding: Finding, only: Collection[str]) -> bool:
    return not only or finding.code.value in only or finding.detail in only


def _judge(
    unbroken: Unbroken,
    ports: Ports,
    rows: HouseRows,
    servers: Sequence[ServerFacts],
    ways_in: WaysInFacts,
    machine: MachineFacts,
) -> list[Finding]:
    """Everything that the tables tell."""
    now = rows.now
    schedule = unbroken.look(Check.SCHEDULE, lambda: check_schedule(schedule_facts(now)))
    late = [str(one.cause) for one in schedule if one.code is FindingCode.SCHEDULE_LATE]
    looks: Mapping[Check, Callable[[], list[Finding]]] = {
        Check.HOUSE: lambda: check_house(house_facts(ports, rows)),
        Check.KEYS: lambda: check_key_secrets(key_facts(ports, rows)),
        Check.SERVERS: lambda: [one for server in servers for one in check_server(server, now)],
        Check.WAYS_IN: lambda: check_ways_in(ways_in, now),
        Check.ALIASES: lambda: check_aliases(alias_facts(rows)),
        Check.QUEUE: lambda: check_queue(rows.queue, now),
        Check.RECEIVERS: lambda: check_receivers(receivers_facts(now)),
        Check.MACHINE: lambda: check_machine(machine_facts(ports, rows, machine, late[:3])),
        Check.DOOR: lambda: door_findings(ports, now),
    }
    return [*schedule, *(one for check, look in looks.items() for one in unbroken.look(check, look))]


def _clocks(now: datetime, asked: Sequence[ClockWitness]) -> list[Finding]:
    """What the clocks of others say; of mails that just came only where nobody else says that ours is wrong."""
    return check_outside_clocks(asked) or check_mail_clocks(mail_witnesses(now), asked)


def _history(rows: HouseRows, findings: Sequence[Finding], changes: Sequence[ChangeFacts]) -> list[Finding]:
    """What changed before; and the alarms that are open."""
    things = ("server ", "mailbox ", "domain ")
    troubled = {one.subject for one in findings if one.severity is Severity.ERROR and one.subject.startswith(things)}
    clues = check_history(rows.hours, changes, sorted(troubled), rows.now, succeeded(rows))
    return [*clues, *check_alarms(alarm_facts(rows))]


# ---- asking the world


def _to_ask(
    ports: Ports, rows: HouseRows, domains: Sequence[DomainFacts], wish: DoctorWish
) -> tuple[list[DomainFacts], list[Finding]]:
    """Whose public records matter, and why those of the others do not."""
    asked: list[DomainFacts] = []
    spared: list[Finding] = []
    has_own_resolver = bool(wish.name_servers or ports.configuration.dns_servers)
    for facts in domains:
        if rows.is_capturing and facts.name not in wish.domains:
            spared.append(found(FindingCode.DOMAIN_CAPTURED, domain_named(facts.name), facts={"domain": facts.name}))
        elif is_private(facts.name) and not has_own_resolver:
            spared.append(found(FindingCode.DOMAIN_PRIVATE, domain_named(facts.name), facts={"domain": facts.name}))
        else:
            asked.append(facts)
    return asked, spared


def _tasks(
    ports: Ports, rows: HouseRows, servers: Sequence[ServerFacts], domains: Sequence[DomainFacts], wish: DoctorWish
) -> dict[str, Callable[[], object]]:
    """``server:3``, ``mailbox:4``, ``dns``."""
    tasks: dict[str, Callable[[], object]] = {}
    patience = 0.7 * wish.patience  # so that who is silent is named as such, and not only as not tried
    if not rows.is_capturing:
        for server in servers:
            tasks[f"server:{server.id}"] = plan_server_test(ports, rows.ways, server.id, patience=patience)
    is_locked = bool(rows.installation and rows.installation.found_elsewhere)
    for row in rows.mailboxes if not is_locked else ():
        lately = timedelta(seconds=READ_LATELY * row.interval_seconds)
        is_fine = not row.last_error and row.succeeded_at is not None and rows.now - row.succeeded_at < lately
        if row.is_active and not is_fine:
            tasks[f"mailbox:{row.pk}"] = plan_mailbox_test(ports, row, patience=patience)
    askings = _askings(ports, rows, domains)
    if askings:
        seconds = min(DNS_PATIENCE, 0.8 * wish.patience)
        end = time.monotonic() + 0.9 * wish.patience

        def ask_names() -> Heard:
            told = ports.ask_dns(askings, seconds=seconds, servers=wish.name_servers)
            return with_policies(ports, told, end - time.monotonic())

        tasks["dns"] = ask_names
    return tasks


def _askings(ports: Ports, rows: HouseRows, domains: Sequence[DomainFacts]) -> list[Asking[Told]]:
    askings: list[Asking[Told]] = []
    for facts in domains:
        asked: list[Asking[Told]] = [observe_domain(facts), *(check(facts) for check in OF_DOMAINS)]
        askings += [unbroken_asking(one, facts.subject) for one in asked]
    for host in host_facts(ports, rows, domains):
        askings += [unbroken_asking(check(host), host.subject, host.subjects) for check in OF_HOSTS]
    return askings


# ---- what came back


def _note_broken(
    unbroken: Unbroken, answers: Mapping[str, object], servers: Sequence[ServerFacts], mailboxes: Sequence[MailboxFacts]
) -> None:
    """Of a test that broke nothing is known but that."""
    looked_at = {f"server:{one.id}": (Check.SERVERS, one.subject) for one in servers}
    looked_at |= {f"mailbox:{one.id}": (Check.WAYS_IN, one.subject) for one in mailboxes}
    for key, answer in answers.items():
        if isinstance(answer, Broken):
            check, subject = looked_at.get(key, (Check.NAMES, HOUSE))
            unbroken.note(check, answer.error, subject=subject)


def _tried_server(
    facts: ServerFacts, answers: Mapping[str, object], slow: Collection[str], rows: HouseRows, wish: DoctorWish
) -> ServerFacts:
    test = answers.get(f"server:{facts.id}")
    if not isinstance(test, ServerTest):
        untried = "captured" if rows.is_capturing else "slow" if f"server:{facts.id}" in slow else ""
        return replace(facts, untried=untried, patience=wish.patience)
    tried = TriedServer(
        is_ok=test.is_ok,
        code=test.code,
        cause=test.cause,
        cure=test.cure,
        step=test.step,
        reply=test.reply,
        certificate_until=test.certificate_until,
        fingerprint=test.fingerprint,
        greeting=test.greeting,
    )
    return replace(facts, tried=tried)


def _tried_mailbox(
    facts: MailboxFacts, answers: Mapping[str, object], slow: Collection[str], wish: DoctorWish
) -> MailboxFacts:
    test = answers.get(f"mailbox:{facts.id}")
    if not isinstance(test, MailboxTest):
        return replace(facts, untried="slow" if f"mailbox:{facts.id}" in slow else "", patience=wish.patience)
    tried = TriedMailbox(is_ok=test.is_ok, code=test.code, cause=test.cause, cure=test.cure, reply=test.reply)
    return replace(facts, tried=tried)


def _of_dns(heard: object, asked: Sequence[DomainFacts], *, is_slow: bool) -> list[Finding]:
    """When nothing at all was answered, that is the finding; a private name that the servers do not know is none of theirs."""
    if not isinstance(heard, Heard):
        return [found(FindingCode.DNS_UNREACHABLE, evidence=["no answer in time"])] if is_slow else []
    findings = list(heard.findings)
    unheard = [one for one in findings if one.code is FindingCode.DNS_UNCHECKED]
    if len([one for one in unheard if one.detail == EXISTENCE]) == len(asked) and len(unheard) == len(findings):
        evidence = [f"questions about {', '.join(sorted({one.subject for one in unheard}))}: no answer"]
        findings.append(found(FindingCode.DNS_UNREACHABLE, evidence=evidence))
    unknown = {one.subject for one in findings if one.code is FindingCode.DOMAIN_UNKNOWN}
    private = {facts.subject: facts.name for facts in asked if facts.subject in unknown and is_private(facts.name)}
    kept = [one for one in findings if one.subject not in private]
    return [
        *kept,
        *(found(FindingCode.DOMAIN_PRIVATE, subject, facts={"domain": name}) for subject, name in private.items()),
    ]
