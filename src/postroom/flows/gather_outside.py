"""What is seen outside while the doctor asks the world: records, greetings, certificates, policies, clocks; and how they changed.

Laws: reads only, but for what it asks the web servers of our own policies; what could not be seen is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from postroom import __version__
from postroom.core.diagnosis.broken_checks import Check, broken
from postroom.core.diagnosis.ends import EndingFact, check_ends
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import HOUSE, Finding
from postroom.core.diagnosis.history import ChangeFacts
from postroom.core.diagnosis.mail_clocks import LATELY, MOST_READ, MailWitness, read_witness
from postroom.core.diagnosis.mta_sts_policy import check_policy, policy_address
from postroom.core.diagnosis.observed import DomainRecords, Observed, changes_among, observe_server
from postroom.core.diagnosis.outside_clocks import ClockWitness, date_within
from postroom.core.diagnosis.server_health import ServerFacts
from postroom.core.terms.reasons import because
from postroom.core.terms.visits import NoVisit, Visit
from postroom.flows.ports import Ports
from postroom.flows.side_by_side import Broken, side_by_side
from postroom.flows.test_server import ServerTest
from postroom.store.models import Mailbox, ObservedFact, OutgoingServer
from postroom.store.queries import doctor

CHANGES_BACK = timedelta(days=7)
MOST_FACTS = 1000
MOST_POLICIES = 20
POLICY_PATIENCE = 5.0

Told = list[Finding] | DomainRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the DNS told, and what lies at the addresses of policies. ``dates``: clocks of web servers."""

    findings: tuple[Finding, ...]
    records: tuple[DomainRecords, ...]
    dates: tuple[ClockWitness, ...] = ()


def with_policies(ports: Ports, told: Sequence[Told], seconds: float) -> Heard:
    """The policies of domains whose record is well are fetched side by side, within ``seconds`` in all."""
    findings = [one for some in told if isinstance(some, list) for one in some]
    records = tuple(one for one in told if isinstance(one, DomainRecords))
    faulty = {one.subject for one in findings if one.code is FindingCode.MTA_STS_BROKEN}
    wanted = [one for one in records if one.policy_host and one.domain.subject not in faulty][:MOST_POLICIES]
    patience = max(0.5, min(POLICY_PATIENCE, seconds))
    tasks: dict[str, Callable[[], object]] = {
        one.policy_host: partial(ports.visit, policy_address(one.policy_host), seconds=0.9 * patience) for one in wanted
    }
    answers = side_by_side(tasks, patience) if tasks else {}
    dates: list[ClockWitness] = []
    for one in wanted:
        answer = answers.get(one.policy_host)
        if isinstance(answer, Broken):
            findings.append(broken(Check.NAMES, type(answer.error).__name__, subject=one.domain.subject))
            continue
        visit = answer if isinstance(answer, Visit) else None
        reason = answer if isinstance(answer, NoVisit) else NoVisit(reason=because("visit.silent"))
        findings += check_policy(one.domain, one.mail_hosts, visit or reason)
        if visit is not None and visit.date is not None:
            dates.append(ClockWitness(name=one.policy_host, says=visit.date, at=ports.clock.now()))
    return Heard(findings=tuple(findings), records=records, dates=tuple(dates))


def witnesses_among(answers: Mapping[str, object], heard: object) -> list[ClockWitness]:
    """Clocks of web servers, and of servers that tell the time in their greeting."""
    dates = list(heard.dates) if isinstance(heard, Heard) else []
    for name, test in answers.items():
        says = date_within(test.greeting) if isinstance(test, ServerTest) else None
        if says is not None and isinstance(test, ServerTest):
            dates.append(ClockWitness(name=test.greeting.split()[0] or name, says=says, at=test.tested_at))
    return dates


def mail_witnesses(now: datetime) -> list[MailWitness]:
    """Clocks of relays whose mails just came. One query."""
    heads = doctor.newest_heads(now - LATELY, MOST_READ)
    read = (read_witness(head, door=door, peer=peer, at=at) for door, peer, at, head in heads)
    return [one for one in read if one is not None]


def seen_outside(servers: Sequence[ServerFacts], heard: object) -> tuple[Observed, ...]:
    """All facts of this look."""
    facts = [Observed(subject=HOUSE, name="version", value=__version__)]
    for one in heard.records if isinstance(heard, Heard) else ():
        facts += one.seen
    for server in servers:
        if (tried := server.tried) is not None:
            facts += observe_server(
                server.subject,
                greeting=tried.greeting,
                fingerprint=tried.fingerprint,
                until=tried.certificate_until,
            )
    return tuple(facts)


def changes_outside(now: datetime, observed: Sequence[Observed]) -> list[ChangeFacts]:
    """Of the last days, with what is seen just now. One query."""
    rows = ObservedFact.objects.order_by("-last_seen_at").values_list("subject", "name", "value", "first_seen_at", "last_seen_at")  # fmt: skip
    known = list(rows[:MOST_FACTS])
    newest: dict[tuple[str, str], tuple[str, datetime]] = {}
    for subject, name, value, _, last in known:
        newest.setdefault((subject, name), (value, last))
    for one in observed:
        before = newest.get((one.subject, one.name))
        if before is not None and before[0] != one.value:
            known.append((one.subject, one.name, one.value, now, now))
    return [
        ChangeFacts(at=change.at, subject=change.subject, seen=change)
        for change in changes_among(known, now - CHANGES_BACK)
    ]


def keep_observed(ports: Ports, observed: Sequence[Observed]) -> int:
    """What is seen as before gets a later day; what is another one begins a row. How many began. Three queries."""
    now = ports.clock.now()
    newest: dict[tuple[str, str], ObservedFact] = {}
    known = ObservedFact.objects.filter(subject__in={one.subject for one in observed})
    for row in known.order_by("subject", "name", "-id").distinct("subject", "name"):
        newest[row.subject, row.name] = row
    same = [old.pk for one in observed if (old := newest.get((one.subject, one.name))) and old.value == one.value]
    ObservedFact.objects.filter(pk__in=same).update(last_seen_at=now)
    fresh = [
        ObservedFact(subject=one.subject, name=one.name, value=one.value, first_seen_at=now, last_seen_at=now)
        for one in observed
        if (old := newest.get((one.subject, one.name))) is None or old.value != one.value
    ]
    ObservedFact.objects.bulk_create(fresh)
    return len(fresh)


def door_findings(ports: Ports, now: datetime) -> list[Finding]:
    """Of the certificate of our own SMTP door."""
    until = ports.door_certificate_end()
    if until is None:
        return []
    place = ports.configuration.tls_certificate
    fact = EndingFact(code=FindingCode.DOOR_TLS_ENDS, subject=HOUSE, name="our SMTP door", until=until, place=place)
    return list(check_ends(fact, now))


def consent_end(ports: Ports, row: OutgoingServer | Mailbox) -> datetime | None:
    """When the consent ends by which it is spoken to; None where nobody said so."""
    if row.authentication != "token" or not row.secret:
        return None
    try:
        ends = json.loads(ports.vault.open(bytes(row.secret)).reveal()).get("ends_at")
        return datetime.fromtimestamp(int(ends), UTC) if ends else None
    except (ValueError, AttributeError, TypeError, OverflowError):
        return None
