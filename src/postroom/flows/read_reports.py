"""Reads the receivers' reports that were put by, books their rows, and finds out whose the addresses in them are.

Laws: one report a transaction; whatever a stranger wrote, the next one's turn comes. The same report of the same receiver counts once. Only
a report whose sender is proven, about a domain of ours, is believed; the others are kept apart, with the reason. The DNS is asked
afterwards, in no transaction, and answers are kept for a week.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from django.db import IntegrityError, transaction

from postroom.core.delivery.filters import read_written
from postroom.core.diagnosis.domain_facts import DomainFacts, SendingServer, is_internal, is_private
from postroom.core.diagnosis.sources import whose
from postroom.core.reports.authentication_reports import NoReport, ReadFile, ReceiversReport
from postroom.core.reports.report_mails import read_report_mail
from postroom.core.routing.authenticity import Proof
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.reasons import Reason, because
from postroom.flows.gather_domains import domain_facts
from postroom.flows.gather_house import read_rows
from postroom.flows.ports import Ports
from postroom.flows.ways_out import load_ways_out
from postroom.store.models import (
    AliasDomain,
    Company,
    DkimKey,
    InboundMessage,
    OutgoingServer,
    ReportedSource,
    ReportedTls,
)
from postroom.store.models import ReceiversReport as Row
from postroom.store.models.receivers import READ, TWICE, UNREADABLE, WAITING
from postroom.store.models.receivers import SourceOwner as OwnerRow
from postroom.store.queries.receivers import Source, strange_sources

logger = logging.getLogger(__name__)

MOST_OUTCOMES = 20  # of one mail
MOST_OWNERS = 200  # addresses that are asked about in one run
OWNER_LASTS = timedelta(days=7)
LOOK_BACK = timedelta(days=31)
DNS_SECONDS = 20.0


def read_reports(ports: Ports, is_over: Callable[[], bool] = lambda: False) -> str:
    """All that wait; what was done, in a line for people. Raises what a lost database raises."""
    ours = domains_of_ours()
    read = 0
    while not is_over() and _read_next(ports, ours):
        read += 1
    known = find_owners(ports) if not is_over() else 0
    return f"{read} reports read, {known} addresses looked up"


def domains_of_ours() -> frozenset[str]:
    """Alias domains, domains that we sign for, and those that servers of the house may send as: what one company of several typed
    for its own server makes no domain ours. Four queries."""
    names = {*AliasDomain.objects.values_list("name", flat=True), *DkimKey.objects.values_list("domain", flat=True)}
    servers = (
        OutgoingServer.objects.all() if Company.objects.count() == 1 else OutgoingServer.objects.filter(company=None)
    )
    for text in servers.values_list("from_filter", flat=True):
        written = read_written(text)
        names |= {*written.domains, *(address.rpartition("@")[2] for address in written.addresses)}
    return frozenset(name for one in names if "." in (name := normalize_domain(one)))


def is_ours(domain: str, ours: Collection[str]) -> bool:
    """A domain of ours, or one below it. What stands above may be anybody's: ``com`` stands above most."""
    return any(domain == one or domain.endswith(f".{one}") for one in ours)


# ---- one report


def _read_next(ports: Ports, ours: Collection[str]) -> bool:
    """Read first, then booked: nobody's row is locked while bytes are fetched and parsed. What another one booked meanwhile stays his."""
    waiting = Row.objects.filter(state=WAITING).order_by("id").first()
    if waiting is None:
        return False
    chosen = _worth_telling(_outcomes(ports, waiting))
    with transaction.atomic():
        row = Row.objects.select_for_update().filter(pk=waiting.pk, state=WAITING).first()
        if row is None:
            return True
        for place, one in enumerate(chosen):
            target = row if place == 0 else _beside(row)
            if isinstance(one, NoReport):
                _close(target, UNREADABLE, one.reason)
            else:
                _book(target, one, ours)
    return True


def _worth_telling(outcomes: Sequence[ReadFile]) -> Sequence[ReadFile]:
    """Reports, and what should have been one; that a piece is none only where nothing else is to be said. One at least."""
    reports = [one for one in outcomes if isinstance(one, ReceiversReport)]
    troubles = [one for one in outcomes if isinstance(one, NoReport)]
    told = [one for one in troubles if one.reason.code != "receivers.none"] or ([] if reports else troubles[:1])
    chosen: list[ReadFile] = [*reports, *told]
    return chosen[:MOST_OUTCOMES]


def _outcomes(ports: Ports, row: Row) -> Sequence[ReadFile]:
    raw = _raw_of(ports, row)
    if raw is None:
        return (NoReport(name="mail", reason=because("receivers.gone")),)
    try:
        return read_report_mail(ports.read_report_files, raw, now=row.received_at)
    except Exception as error:  # our fault or the parser's: the next one's turn comes all the same
        logger.exception("a receivers' report could not be read", extra={"inbound": row.inbound_id})
        trouble = because("receivers.unreadable", name="mail", trouble=type(error).__name__)
        return (NoReport(name="mail", reason=trouble),)


def _raw_of(ports: Ports, row: Row) -> bytes | None:
    mail = InboundMessage.objects.filter(pk=row.inbound_id or 0).select_related("raw_mail").first()
    stored = getattr(mail, "raw_mail", None)
    if stored is None:
        return None
    try:
        return bytes(stored.raw) if stored.raw is not None else ports.blobs.get(stored.sha256)
    except KeyError:
        return None


def _beside(row: Row) -> Row:
    """A further report of the same mail."""
    return Row(inbound_id=row.inbound_id, received_at=row.received_at, proof=row.proof, sender_domain=row.sender_domain)


def _close(row: Row, state: str, reason: Reason) -> None:
    row.state, row.note = state, reason.as_json()
    row.save()


def _book(row: Row, report: ReceiversReport, ours: Collection[str]) -> None:
    doubt = _doubt(row, report, ours)
    row.is_believed, row.note = doubt is None, doubt.as_json() if doubt else None
    row.form, row.organisation, row.contact = report.form.value, report.organisation[:120], report.contact[:320]
    row.report_id, row.domain, row.policy = report.report_id[:200], report.domain[:253], report.policy
    row.begins_at, row.ends_at, row.lost = report.begins_at, report.ends_at, report.lost
    row.state = READ
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        _close(row, TWICE, because("receivers.twice", organisation=report.organisation))
        return
    _book_rows(row, report)


def _doubt(row: Row, report: ReceiversReport, ours: Collection[str]) -> Reason | None:
    if row.proof != Proof.PROVEN:
        return because("receivers.unproven")
    if not is_ours(report.domain, ours):
        return because("receivers.not_ours", domain=report.domain)
    return None


def _book_rows(row: Row, report: ReceiversReport) -> None:
    day = report.middle.date()
    ReportedSource.objects.bulk_create(
        [
            ReportedSource(
                report=row,
                is_believed=row.is_believed,
                form=row.form,
                domain=row.domain,
                day=day,
                ip=one.ip or None,
                count=one.count,
                disposition=one.disposition,
                dkim_aligned=one.dkim_aligned,
                spf_aligned=one.spf_aligned,
                header_from=one.header_from,
                dkim_domain=one.dkim_domain,
                spf_domain=one.spf_domain,
                override=one.override,
            )
            for one in report.sources
        ],
        batch_size=1000,
    )
    ReportedTls.objects.bulk_create(
        [
            ReportedTls(
                report=row,
                is_believed=row.is_believed,
                domain=one.domain or row.domain,
                day=day,
                policy=one.policy,
                result=one.result,
                count=one.count,
                sending_ip=one.sending_ip or None,
                receiving_host=one.receiving_host,
                detail=one.detail,
            )
            for one in report.tls
        ],
        batch_size=1000,
    )


# ---- whose the addresses are


def find_owners(ports: Ports) -> int:
    """Ask the DNS about addresses that nobody was asked about lately; how many there were. Outside of any transaction."""
    now = ports.clock.now()
    since = (now - LOOK_BACK).date()
    strange = [one for one in strange_sources(since, now - OWNER_LASTS, MOST_OWNERS) if _may_be_asked(ports, one)]
    if not strange:
        return 0
    facts = domain_facts(ports, read_rows(ports, load_ways_out(ports)))
    askings = [whose(one.ip, one.domain, _servers(facts, one.domain)) for one in strange]
    found = ports.ask_dns(askings, seconds=DNS_SECONDS)
    OwnerRow.objects.bulk_create(
        [
            OwnerRow(
                ip=one.ip, domain=one.domain, server=one.server[:100], name=one.name, in_spf=one.in_spf, looked_at=now
            )
            for one in found
        ],
        update_conflicts=True,
        unique_fields=["domain", "ip"],
        update_fields=["server", "name", "in_spf", "looked_at"],
    )
    return len(found)


def _may_be_asked(ports: Ports, one: Source) -> bool:
    """Private names and addresses are nobody's business but our own name server's."""
    return bool(ports.configuration.dns_servers) or not (is_private(one.domain) or is_internal(one.ip))


def _servers(facts: Sequence[DomainFacts], domain: str) -> Sequence[SendingServer]:
    exact = [one for one in facts if one.name == domain]
    kin = exact or [one for one in facts if is_ours(domain, (one.name,))]
    return list({server.name: server for one in kin for server in one.servers}.values())
