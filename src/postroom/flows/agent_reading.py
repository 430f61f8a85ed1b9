"""What agents may look at: each function is one tool that only reads.

Laws: a tool takes what the schema of `flows.agent_tools` let through, and the member whose key it is (None: the operator at the command
line); rights and companies are those of the pages. It returns a mapping whose texts are fenced by whoever sends it (`core.terms.fencing`), so
only words of our own are `Ours`. Names are looked up in the DNS only for domains of this house: a question to the DNS is a message to
whoever runs the domain. Secrets are not read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from django.db.models import Q, QuerySet

from postroom.core.diagnosis.errors import explain_error as explained
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, Folded, is_well
from postroom.core.diagnosis.story import StoryEvent
from postroom.core.diagnosis.symptoms import Look, Symptom, Walked, walk
from postroom.core.diagnosis.tools_for_agents import MOST_ROWS
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.fencing import Ours, code_word
from postroom.core.terms.reasons import because
from postroom.flows.access import (
    company_cut,
    company_ids,
    is_house_administrator,
    require,
    require_house,
    visible_inbound,
    visible_messages,
    visible_records,
)
from postroom.flows.diagnose import Diagnosis, DoctorWish, diagnose
from postroom.flows.dns_to_publish import records_to_publish
from postroom.flows.explain_routing import explain_inbound
from postroom.flows.gather_domains import domain_facts
from postroom.flows.gather_house import read_rows
from postroom.flows.list_queue import QueueFilter, list_deliveries
from postroom.flows.ports import Ports
from postroom.flows.tell_story import StoryWish, tell_story
from postroom.flows.ways_out import load_ways_out
from postroom.store.models import Company, Mailbox, Member, OutgoingServer, RawMail
from postroom.store.queries import pages_settings
from postroom.store.queries.pages_envelope import RecipientFact, envelope
from postroom.store.queries.pages_inbound import inbound
from postroom.store.queries.pages_queue import server_states

PATIENCE = 8.0  # seconds that servers, mailboxes and the DNS have

Arguments = Mapping[str, object]
Answer = Mapping[str, object]
Read = Callable[[Ports, Arguments, Member | None], Answer]


class NothingThere(LookupError):  # noqa: N818 (an answer, not a fault)
    """There is nothing of that number or name that this member may see."""


# ---- the doctor


def doctor(ports: Ports, given: Arguments, member: Member | None) -> Answer:
    """All findings, root causes first."""
    found = _diagnosed(ports, given, member, only=frozenset(_words(given, "only")))
    return {"ok": is_well(found.findings), "findings": [told_finding(one) for one in found.findings]}


def symptoms(ports: Ports, given: Arguments, member: Member | None) -> Answer:
    """The symptoms that there are; with one of them, the walk through its causes."""
    name = str(given.get("symptom") or "")
    if not name:
        return {"symptoms": [{"symptom": one, "what": because(f"symptom.{one}")} for one in Symptom]}
    found = _diagnosed(ports, given, member, only=frozenset())
    return told_walk(walk(Symptom(name), found.findings, asks_world=bool(given.get("ask"))))


def _diagnosed(ports: Ports, given: Arguments, member: Member | None, *, only: frozenset[str]) -> Diagnosis:
    require_house(member)
    wanted = _own_domains(ports, _words(given, "domains"))
    known = frozenset(code.value for code in FindingCode)
    if only - known:
        raise NothingThere("There is no finding of that code.")
    wish = DoctorWish(domains=wanted, only=only, asks_world=bool(given.get("ask")), patience=PATIENCE)
    return diagnose(ports, wish, member=member)


def _own_domains(ports: Ports, words: Sequence[str]) -> tuple[str, ...]:
    """These, each a domain of ours. Raises `NothingThere`."""
    if not words:
        return ()
    ours = {one.name for one in domain_facts(ports, read_rows(ports, load_ways_out(ports)))}
    names = tuple(normalize_domain(word) for word in words)
    if not set(names) <= ours:
        raise NothingThere("That is no domain of this house: agents ask about the house's own domains alone.")
    return names


def told_finding(one: Folded) -> Answer:
    """A finding with what follows from it."""
    finding = one.finding
    return {
        "code": finding.code,
        "severity": one.severity,
        "subject": finding.subject,
        "cause": finding.cause,
        "cure": finding.cure,
        "who_must_act": finding.who,
        "since": one.since,
        "evidence": list(finding.evidence),
        "publish": [
            {"type": Ours(record.type), "name": record.name, "value": record.value} for record in finding.publish
        ],
        "follows": [told_finding(follower) for follower in one.follows],
    }


def told_walk(walked: Walked) -> Answer:
    """What was looked at, and what was found."""
    return {
        "symptom": walked.symptom,
        "what": walked.what,
        "looked_at": [_look(one) for one in walked.looks],
        "found": [told_finding(one) for one in walked.found],
        "next": walked.advice,
        "other_problems": walked.elsewhere,
    }


def _look(one: Look) -> Answer:
    hindered: Sequence[Finding] = one.hindered
    return {"what": one.what, "outcome": one.outcome, "hindered_by": [finding.cause for finding in hindered]}


# ---- single mails


def explain(ports: Ports, given: Arguments, member: Member | None) -> Answer:
    """Why an incoming mail went where it went, or who hears of a message and what became of each mail."""
    if given.get("inbound_id"):
        return _inbound(ports, _number(given, "inbound_id"), member)
    if given.get("message_id"):
        return _message(_number(given, "message_id"), member)
    raise NothingThere("Say which: inbound_id (a mail that came in) or message_id (a message on a record).")


def _inbound(ports: Ports, number: int, member: Member | None) -> Answer:
    require(member, "inbound")
    found = inbound(visible_inbound(member), number, cut=company_cut(member))
    if found is None:
        raise NothingThere("There is no incoming mail of that number that you may see.")
    row = found.row
    return {
        "inbound_id": row.id,
        "state": row.state,
        "door": code_word(row.door),
        "mailbox": row.mailbox,
        "received_at": row.received_at,
        "from": row.header_from,
        "envelope_from": row.mail_from,
        "recipients": list(row.rcpt_to[:MOST_ROWS]),
        "subject": row.subject,
        "message_id": found.message_id,
        "error": row.error,
        "decisions": [{"decision": code_word(one.name), "why": list(one.reasons)} for one in found.decisions],
        "made": [{"message_id": one.message_id, "record_id": one.record_id} for one in found.made],
        "now": _as_if_it_came_now(ports, number, member),
    }


def _as_if_it_came_now(ports: Ports, number: int, member: Member | None) -> Answer | None:
    """None when its bytes were cleaned up."""
    try:
        told = explain_inbound(ports, number, member=member)
    except (RawMail.DoesNotExist, KeyError):
        return None
    return {
        "state": told.state,
        "why": list(told.verdict.reasons),
        "rules": [
            {"rule": code_word(one.rule), "answered": one.decisions is not None, "says": one.sentence}
            for one in told.steps
        ],
        "recipients": [
            {"address": one.address, "accepted": one.is_accepted, "why": list(one.reasons)} for one in told.recipients
        ],
    }


def _message(number: int, member: Member | None) -> Answer:
    require(member, "view")
    row = visible_messages(member).filter(pk=number).select_related("body").first()
    if row is None:
        raise NothingThere("There is no message of that number that you may see.")
    return {
        "message_id": number,
        "record_id": row.record_id,
        "subject": row.subject,
        "author": row.author_name or row.author_address,
        "posted_at": row.posted_at,
        "words": row.body.text if hasattr(row, "body") else "",
        "recipients": [_recipient(one) for one in envelope(visible_records(member), number)[:MOST_ROWS]],
    }


def _recipient(one: RecipientFact) -> Answer:
    return {
        "name": one.name,
        "address": one.address,
        "channel": code_word(one.channel),
        "state": one.state,
        "delivery_id": one.technical.delivery_id if one.technical else None,
        "delivery_state": code_word(one.delivery_state),
        "waits_for": one.waits_for,
        "failure": one.verbatim,
        "blame": code_word(one.blame),
        "why": list(one.reasons),
    }


def story(ports: Ports, given: Arguments, member: Member | None) -> Answer:
    """What happened to a mail or with an address, the oldest first."""
    told = tell_story(ports, StoryWish(asked=str(given.get("about") or "")), member=member)
    return {
        "asked": told.asked,
        "found_by": told.found_by,
        "title": told.title,
        "address": told.address,
        "mails": [
            {
                "delivery_id": one.delivery_id,
                "to": one.address,
                "subject": one.subject,
                "state": one.state,
                "waits_for": one.waits_for,
                "due_at": one.due_at,
            }
            for one in told.mails
        ],
        "events": [_event(one) for one in told.events],
        "remarks": list(told.remarks),
        "is_more_before": bool(told.next),
    }


def _event(one: StoryEvent) -> Mapping[str, object]:
    return {
        "at": one.at,
        "kind": one.kind,
        "what": one.said,
        "who": one.who,
        "about": one.about,
        "reply": one.evidence,
        "relay_ids": list(one.relay_ids),
        "why": list(one.why),
        "usually_means": Ours(one.meaning),
        **{name: number for name, number in one.links.as_json().items() if number is not None},
    }


def explain_error(_ports: Ports, given: Arguments, _member: Member | None) -> Answer:
    """What an error about mail means."""
    found = explained(str(given.get("text") or ""))
    return {
        "code": code_word(found.code),
        "cause": found.cause,
        "cure": found.cure,
        "blame": found.blame,
        "who_must_act": found.who,
        "is_lasting": found.is_lasting,
        "smtp_code": found.smtp_code or None,
        "status": code_word(found.status),
    }


# ---- how the house is set up, and how it stands


def dns(ports: Ports, given: Arguments, member: Member | None) -> Answer:
    """The records to publish for a domain of ours, and what is found there now."""
    require_house(member)
    (domain,) = _own_domains(ports, [str(given.get("domain") or "-")])
    wanted = records_to_publish(ports, domain)
    hosts = ports.mail_hosts(domain)
    return {
        "domain": domain,
        "records": [
            {
                "what": code_word(one.kind),
                "type": Ours(one.type),
                "name": one.name,
                "publish": one.value,
                "found": _found(ports, one.type, one.name, hosts),
            }
            for one in wanted
        ],
        "note": Ours(
            "found: null means that nobody answered. Several TXT records may stand at one name; the doctor compares them."
        ),
    }


def _found(ports: Ports, kind: str, name: str, hosts: tuple[str, ...] | None) -> list[str] | None:
    found = hosts if kind == "MX" else ports.text_records(name)
    return None if found is None else list(found[:20])


def queue_state(ports: Ports, given: Arguments, member: Member | None) -> Answer:
    """What waits and for what, and whether the servers send."""
    wanted = QueueFilter(state=str(given.get("state") or "outgoing"), recipient=str(given.get("recipient") or ""))
    most = min(_number(given, "most") if given.get("most") else 20, MOST_ROWS)
    rows = list_deliveries(ports, wanted, member=member, limit=most)
    return {
        "deliveries": [
            {
                "delivery_id": one.id,
                "state": code_word(one.state),
                "to": one.to,
                "subject": one.subject,
                "attempts": one.attempts,
                "due_at": one.due_at,
                "waits_at": code_word(one.gate),
                "why": one.why,
                "blame": code_word(one.blame),
                "server": one.server,
            }
            for one in rows
        ],
        "servers": [
            {
                "server_id": one.id,
                "name": one.name,
                "held_since": one.paused_at,
                "broken_until": one.broken_until,
                "trouble": one.trouble,
            }
            for one in server_states(_servers(member))
        ],
    }


def settings(ports: Ports, given: Arguments, member: Member | None) -> Answer:  # noqa: ARG001 (a tool takes all three)
    """Servers, mailboxes, domains, aliases and changed parameters. Passwords and keys are not among what is read."""
    require(member, "settings")
    companies = _companies(member)
    is_house = is_house_administrator(member)
    return {
        "servers": [_server(row) for row in _servers(member)[:MOST_ROWS]],
        "mailboxes": [_mailbox(row) for row in Mailbox.objects.filter(company_id__in=companies)[:MOST_ROWS]],
        "domains": [_row(row) for row in pages_settings.domains()[:MOST_ROWS]] if is_house else [],
        "aliases": [_row(row) for row in pages_settings.aliases(companies)[:MOST_ROWS]],
        "parameters": [
            {"key": Ours(one.key), "value": one.value, "default": one.default}
            for one in (pages_settings.parameters() if is_house else ())
            if one.is_changed
        ],
        "scheduled_actions": [
            {"key": code_word(one.key), "is_active": one.is_active, "next_run_at": one.next_run_at, "last_result": one.last_result}
            for one in (pages_settings.actions() if is_house else ())
        ],
    }  # fmt: skip


def _servers(member: Member | None) -> QuerySet[OutgoingServer]:
    """In use, of the own companies and of all."""
    rows = OutgoingServer.objects.filter(is_active=True).order_by("priority", "id")
    return rows if member is None else rows.filter(Q(company=None) | Q(company_id__in=company_ids(member)))


def _companies(member: Member | None) -> list[int]:
    return company_ids(member) if member is not None else list(Company.objects.values_list("pk", flat=True))


def _server(row: OutgoingServer) -> Answer:
    return {
        "server_id": row.pk,
        "name": row.name,
        "transport": code_word(row.transport),
        "host": row.host,
        "port": row.port,
        "encryption": code_word(row.encryption),
        "verifies_certificate": row.verify_certificate,
        "username": row.username,
        "password": Ours("set, not shown" if row.secret else "none"),
        "from_filter": row.from_filter,
        "is_held": row.paused_at is not None,
        "trouble": row.trouble,
    }


def _mailbox(row: Mailbox) -> Answer:
    return {
        "mailbox_id": row.pk,
        "name": row.name,
        "protocol": code_word(row.protocol),
        "host": row.host,
        "port": row.port,
        "encryption": code_word(row.encryption),
        "username": row.username,
        "password": Ours("set, not shown" if row.secret else "none"),
        "folder": row.folder,
        "is_active": row.is_active,
        "is_confirmed": row.is_confirmed,
        "succeeded_at": row.succeeded_at,
        "last_error": row.last_error,
    }


def _row(row: pages_settings.SettingRow) -> Answer:
    return {"id": row.id, "name": row.name, "about": row.about, "state": code_word(row.word)}


def _words(given: Arguments, name: str) -> list[str]:
    found = given.get(name) or []
    return [str(word) for word in found] if isinstance(found, list) else []


def _number(given: Arguments, name: str) -> int:
    found = given.get(name)
    return found if isinstance(found, int) else 0
