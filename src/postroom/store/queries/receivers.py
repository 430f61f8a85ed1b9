"""What receivers reported, read for pages, commands, programs and the doctor.

Laws: see `store.queries.pages`. What counts is what is believed; the rest is listed by `doubted`. Failure reports repeat single mails that an
aggregate report counts as well: they stand with their sources and are in no sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import ReceiversReport
from postroom.store.models.receivers import READ

MOST_DOMAINS, MOST_SOURCES, MOST_REPORTERS, MOST_TLS, MOST_DOUBTED = 50, 100, 30, 50, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An address that sent as a domain."""

    ip: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDay:
    """How much mail in the name of a domain passed and failed DMARC on a day; ``stopped``: of the failed, what was put aside or refused."""

    domain: str
    day: date
    passed: int
    failed: int
    stopped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSum:
    """An address, over all the days asked for. ``server``, ``name``, ``in_spf`` as in `SourceOwner`; ``looked``: whether the DNS was asked."""

    domain: str
    ip: str
    count: int
    passed: int
    dkim: int
    spf: int
    stopped: int
    failures: int  # reports on single mails
    dkim_domain: str
    spf_domain: str
    override: str
    server: str
    name: str
    in_spf: bool | None
    looked: bool
    last: date
    reporters: tuple[str, ...]

    @property
    def failed(self) -> int:
        return self.count - self.passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Who reported about a domain: the proven domain of the sender, and the name it gives itself."""

    domain: str
    sender: str
    organisation: str
    form: str
    reports: int
    lost: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSum:
    """Connections to a domain that fared alike; ``result`` ``""``: well."""

    domain: str
    result: str
    policy: str
    host: str
    detail: str
    count: int
    last: date
    reporters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """A report that counts for nothing, and why. ``count``: mails that it claims."""

    id: int
    inbound_id: int | None
    received_at: datetime
    state: str
    form: str
    organisation: str
    sender: str
    domain: str
    reason: Reason | None


_DAYS = """
SELECT domain, day, coalesce(sum(count) FILTER (WHERE dkim_aligned OR spf_aligned), 0),
       coalesce(sum(count) FILTER (WHERE NOT (dkim_aligned OR spf_aligned)), 0),
       coalesce(sum(count) FILTER (WHERE NOT (dkim_aligned OR spf_aligned) AND disposition IN ('quarantine', 'reject')), 0)
  FROM postroom_reportedsource WHERE is_believed AND form = 'aggregate' AND day >= %s GROUP BY 1, 2 ORDER BY 1, 2
"""


def domain_days(since: date) -> list[DomainDay]:
    """One query."""
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [since])
        return [
            DomainDay(domain=domain, day=day, passed=int(passed), failed=int(failed), stopped=int(stopped))
            for domain, day, passed, failed, stopped in cursor.fetchall()
        ]


_SOURCES = """
WITH sums AS (
    SELECT s.domain, host(s.ip) AS ip, coalesce(sum(count) FILTER (WHERE s.form = 'aggregate'), 0) AS count,
           coalesce(sum(count) FILTER (WHERE s.form = 'aggregate' AND (dkim_aligned OR spf_aligned)), 0) AS passed,
           coalesce(sum(count) FILTER (WHERE s.form = 'aggregate' AND dkim_aligned), 0) AS dkim,
           coalesce(sum(count) FILTER (WHERE s.form = 'aggregate' AND spf_aligned), 0) AS spf,
           coalesce(sum(count) FILTER (WHERE s.form = 'aggregate' AND disposition IN ('quarantine', 'reject')), 0) AS stopped,
           coalesce(sum(count) FILTER (WHERE s.form = 'failure'), 0) AS failures,
           coalesce(max(dkim_domain) FILTER (WHERE dkim_domain <> ''), '') AS dkim_domain,
           coalesce(max(spf_domain) FILTER (WHERE spf_domain <> ''), '') AS spf_domain,
           coalesce(max(override) FILTER (WHERE override <> ''), '') AS override, max(day) AS last,
           (array_agg(DISTINCT r.sender_domain))[1:5] AS reporters
      FROM postroom_reportedsource s JOIN postroom_receiversreport r ON r.id = s.report_id
     WHERE s.is_believed AND s.day >= %s AND s.ip IS NOT NULL AND (%s::text = '' OR s.domain = %s::text)
     GROUP BY s.domain, s.ip
     ORDER BY sum(count) FILTER (WHERE NOT (dkim_aligned OR spf_aligned)) DESC NULLS LAST, sum(count) DESC, s.ip LIMIT %s
)
SELECT sums.domain, sums.ip, count, passed, dkim, spf, stopped, failures, dkim_domain, spf_domain, override,
       coalesce(o.server, ''), coalesce(o.name, ''), o.in_spf, o.id IS NOT NULL, last, reporters
  FROM sums LEFT JOIN postroom_sourceowner o ON o.domain = sums.domain AND o.ip = sums.ip::inet
 ORDER BY (count - passed) DESC, count DESC, sums.ip
"""


def sources(since: date, domain: str = "", limit: int = MOST_SOURCES) -> list[SourceSum]:
    """What failed most first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_SOURCES, [since, domain, domain, limit])
        return [
            SourceSum(
                domain=row[0], ip=row[1], count=int(row[2]), passed=int(row[3]), dkim=int(row[4]), spf=int(row[5]),
                stopped=int(row[6]), failures=int(row[7]), dkim_domain=row[8], spf_domain=row[9], override=row[10],
                server=row[11], name=row[12], in_spf=row[13], looked=row[14], last=row[15], reporters=tuple(row[16] or ()),
            )
            for row in cursor.fetchall()
        ]  # fmt: skip


_STRANGE = """
SELECT DISTINCT host(s.ip), s.domain FROM postroom_reportedsource s
  LEFT JOIN postroom_sourceowner o ON o.domain = s.domain AND o.ip = s.ip
 WHERE s.is_believed AND s.day >= %s AND s.ip IS NOT NULL AND (o.id IS NULL OR o.looked_at < %s) LIMIT %s
"""


def strange_sources(since: date, looked_before: datetime, limit: int) -> list[Source]:
    """Addresses whose owner nobody asked for since. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_STRANGE, [since, looked_before, limit])
        return [Source(ip=ip, domain=domain) for ip, domain in cursor.fetchall()]


_REPORTERS = """
SELECT domain, sender_domain, max(organisation), form, count(*), sum(lost), max(received_at)
  FROM postroom_receiversreport WHERE state = 'read' AND is_believed AND received_at >= %s AND (%s::text = '' OR domain = %s::text)
 GROUP BY domain, sender_domain, form ORDER BY count(*) DESC, sender_domain LIMIT %s
"""


def reporters(since: datetime, domain: str = "") -> list[Reporter]:
    """One query."""
    with connection.cursor() as cursor:
        cursor.execute(_REPORTERS, [since, domain, domain, MOST_REPORTERS])
        return [
            Reporter(
                domain=row[0], sender=row[1], organisation=row[2], form=row[3], reports=row[4], lost=int(row[5]), last_at=row[6]
            )
            for row in cursor.fetchall()
        ]  # fmt: skip


_TLS = """
SELECT t.domain, t.result, max(t.policy), max(t.receiving_host), max(t.detail), sum(t.count), max(t.day),
       (array_agg(DISTINCT r.sender_domain))[1:5]
  FROM postroom_reportedtls t JOIN postroom_receiversreport r ON r.id = t.report_id
 WHERE t.is_believed AND t.day >= %s AND (%s::text = '' OR t.domain = %s::text)
 GROUP BY t.domain, t.result ORDER BY t.result = '', sum(t.count) DESC LIMIT %s
"""


def tls(since: date, domain: str = "") -> list[TlsSum]:
    """Failures first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_TLS, [since, domain, domain, MOST_TLS])
        return [
            TlsSum(
                domain=row[0], result=row[1], policy=row[2], host=row[3], detail=row[4], count=int(row[5]), last=row[6],
                reporters=tuple(row[7] or ()),
            )
            for row in cursor.fetchall()
        ]  # fmt: skip


def doubted(since: datetime) -> list[Doubted]:
    """Newest first. One query."""
    rows = ReceiversReport.objects.filter(received_at__gte=since, is_believed=False).exclude(state="twice")
    return [
        Doubted(
            id=row.pk,
            inbound_id=row.inbound_id,
            received_at=row.received_at,
            state=row.state,
            form=row.form,
            organisation=row.organisation,
            sender=row.sender_domain,
            domain=row.domain,
            reason=next(iter(reasons_from_json([row.note])), None) if row.note else None,
        )
        for row in rows.order_by("-received_at", "-id")[:MOST_DOUBTED]
    ]


def newest(limit: int, domain: str = "") -> Sequence[ReceiversReport]:
    """The reports that were read, newest first. One query."""
    rows = ReceiversReport.objects.filter(state=READ)
    return list((rows.filter(domain=domain) if domain else rows).order_by("-received_at", "-id")[:limit])
