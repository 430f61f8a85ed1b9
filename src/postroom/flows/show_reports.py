"""What receivers said on mail in our name, summed up: for the page, the command and programs alike.

Laws: reads only, a fixed number of queries; for administrators of the house, since domains are the house's. Only what is believed is summed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from postroom.core.diagnosis.sources import advise
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.flows.access import require_house
from postroom.flows.ports import Ports
from postroom.store.models import Member, ReceiversReport
from postroom.store.queries import receivers
from postroom.store.queries.receivers import DomainDay, Doubted, Reporter, SourceSum, TlsSum

MOST_LISTED = 50
MOST_ROWS = 1_000  # of one report that are shown
DAYS = 30
MOST_DAYS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDomain:
    """A domain over all the days; ``days`` has every day, also those without a report."""

    domain: str
    days: tuple[DomainDay, ...]

    @property
    def passed(self) -> int:
        return sum(day.passed for day in self.days)

    @property
    def failed(self) -> int:
        return sum(day.failed for day in self.days)

    @property
    def stopped(self) -> int:
        return sum(day.stopped for day in self.days)

    @property
    def total(self) -> int:
        return self.passed + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """An address, whose it is, and what is to be done."""

    source: SourceSum
    advice: Reason

    @property
    def whose(self) -> str:
        return self.source.server or self.source.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All of it."""

    since: date
    domains: tuple[ShownDomain, ...]
    sources: tuple[ShownSource, ...]
    reporters: tuple[Reporter, ...]
    tls: tuple[TlsSum, ...]
    reports: Sequence[ReceiversReport]
    doubted: Sequence[Doubted]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "since": self.since.isoformat(),
            "domains": [
                {
                    "domain": one.domain,
                    "passed": one.passed,
                    "failed": one.failed,
                    "stopped": one.stopped,
                    "days": [
                        {"day": day.day.isoformat(), "passed": day.passed, "failed": day.failed, "stopped": day.stopped}
                        for day in one.days
                        if day.passed or day.failed
                    ],
                }
                for one in self.domains
            ],
            "sources": [_source_as_json(one) for one in self.sources],
            "reporters": [asdict(one) | {"last_at": one.last_at.isoformat()} for one in self.reporters],
            "tls": [asdict(one) | {"last": one.last.isoformat(), "reporters": list(one.reporters)} for one in self.tls],
            "reports": [_report_as_json(row) for row in self.reports],
            "doubted": [
                {
                    "id": one.id,
                    "inbound": one.inbound_id,
                    "received_at": one.received_at.isoformat(),
                    "state": one.state,
                    "sender": one.sender,
                    "domain": one.domain,
                    "reason": str(one.reason) if one.reason else "",
                }
                for one in self.doubted
            ],
        }


def reason_of(row: ReceiversReport) -> Reason | None:
    """Why it could not be read, or does not count."""
    return next(iter(reasons_from_json([row.note])), None) if row.note else None


def shown_reports(ports: Ports, *, member: Member | None, domain: str = "", days: int = DAYS) -> Shown:
    """Of the last ``days``; six queries. Raises `NotAllowed`."""
    require_house(member)
    now = ports.clock.now()
    days = min(max(days, 1), MOST_DAYS)
    since, moment, name = (now - timedelta(days=days)).date(), now - timedelta(days=days), normalize_domain(domain)
    by_day = receivers.domain_days(since)
    return Shown(
        since=since,
        domains=tuple(_domains(by_day, since, now.date(), name)),
        sources=tuple(map(_advised, receivers.sources(since, name))),
        reporters=tuple(receivers.reporters(moment, name)),
        tls=tuple(receivers.tls(since, name)),
        reports=receivers.newest(MOST_LISTED, name),
        doubted=receivers.doubted(moment),
    )


def find_report(_ports: Ports, number: int, *, member: Member | None) -> ReceiversReport | None:
    """The row of a report; None: there is none. One query. Raises `NotAllowed`."""
    require_house(member)
    return ReceiversReport.objects.filter(pk=number).first()


def one_report(ports: Ports, number: int, *, member: Member | None) -> dict[str, Any] | None:
    """A report with its rows, for programs; None: there is none. Three queries. Raises `NotAllowed`."""
    row = find_report(ports, number, member=member)
    return None if row is None else with_rows(row)


def with_rows(row: ReceiversReport) -> dict[str, Any]:
    """Two queries."""
    found = _report_as_json(row)
    found["sources"] = [
        {
            "ip": one.ip or "",
            "count": one.count,
            "dkim_aligned": one.dkim_aligned,
            "spf_aligned": one.spf_aligned,
            "disposition": one.disposition,
            "header_from": one.header_from,
            "dkim": one.dkim_domain,
            "spf": one.spf_domain,
            "override": one.override,
        }
        for one in row.sources.order_by("-count", "id")[:MOST_ROWS]
    ]
    found["tls"] = [
        {
            "domain": one.domain,
            "count": one.count,
            "result": one.result or "success",
            "policy": one.policy,
            "sending_ip": one.sending_ip or "",
            "receiving_host": one.receiving_host,
            "detail": one.detail,
        }
        for one in row.tls.order_by("result", "id")[:MOST_ROWS]
    ]
    return found


def _domains(days: Iterable[DomainDay], since: date, until: date, name: str) -> Iterable[ShownDomain]:
    """Those with the most mail first."""
    known: dict[str, dict[date, DomainDay]] = {}
    for one in days:
        if not name or one.domain == name:
            known.setdefault(one.domain, {})[one.day] = one
    dates = [since + timedelta(days=back) for back in range((until - since).days + 1)]
    shown = [_shown_domain(domain, found, dates) for domain, found in known.items()]
    return sorted(shown, key=lambda one: (-one.total, one.domain))[: receivers.MOST_DOMAINS]


def _shown_domain(domain: str, found: Mapping[date, DomainDay], dates: Sequence[date]) -> ShownDomain:
    empty = {day: DomainDay(domain=domain, day=day, passed=0, failed=0, stopped=0) for day in dates}
    return ShownDomain(domain=domain, days=tuple(found.get(day, empty[day]) for day in dates))


def _advised(one: SourceSum) -> ShownSource:
    advice = advise(
        domain=one.domain, count=one.count, passed=one.passed, server=one.server, in_spf=one.in_spf, override=one.override
    )  # fmt: skip
    return ShownSource(source=one, advice=advice)


def _source_as_json(shown: ShownSource) -> dict[str, Any]:
    one = shown.source
    return asdict(one) | {
        "last": one.last.isoformat(),
        "reporters": list(one.reporters),
        "failed": one.failed,
        "advice": str(shown.advice),
        "advice_code": shown.advice.code,
    }


def _report_as_json(row: ReceiversReport) -> dict[str, Any]:
    reason = reason_of(row)
    return {
        "id": row.pk,
        "inbound": row.inbound_id,
        "received_at": row.received_at.isoformat(),
        "state": row.state,
        "form": row.form,
        "organisation": row.organisation,
        "contact": row.contact,
        "sender_domain": row.sender_domain,
        "proof": row.proof,
        "counts": row.is_believed,
        "reason": str(reason) if reason else "",
        "reason_code": reason.code if reason else "",
        "report_id": row.report_id,
        "domain": row.domain,
        "policy": row.policy,
        "begins_at": row.begins_at.isoformat() if row.begins_at else None,
        "ends_at": row.ends_at.isoformat() if row.ends_at else None,
        "lost": row.lost,
    }
