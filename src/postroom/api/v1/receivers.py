"""What receivers report on mail in our name (DMARC, SMTP TLS), for programs of administrators of the house."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from ninja import Field, Query, Router, Schema

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.schemas import Trouble
from postroom.flows.show_reports import MOST_DAYS, one_report, shown_reports
from postroom.wiring import ports

router = Router(tags=["receivers"])

TROUBLE = {401: Trouble, 403: Trouble, 404: Trouble, 422: Trouble}


class ReceiversQuery(Schema):
    domain: str = Field("", max_length=253, description="Only what is about this domain.")
    days: int = Field(30, ge=1, le=MOST_DAYS, description="How many days back.")


class DayOut(Schema):
    day: str
    passed: int
    failed: int
    stopped: int


class ReportedDomainOut(Schema):
    """``stopped``: of the failed, what receivers put aside or refused. Days without mail are left out."""

    domain: str
    passed: int
    failed: int
    stopped: int
    days: list[DayOut]


class SourceOut(Schema):
    """An address that sent as the domain. ``server``: the outgoing server it belongs to; ``in_spf``: null, nobody could tell."""

    domain: str
    ip: str
    count: int
    passed: int
    failed: int
    dkim: int
    spf: int
    stopped: int
    failures: int
    dkim_domain: str
    spf_domain: str
    override: str
    server: str
    name: str
    in_spf: bool | None
    looked: bool
    last: str
    reporters: list[str]
    advice: str
    advice_code: str


class ReporterOut(Schema):
    """``sender`` is proven; ``organisation`` is what it calls itself."""

    domain: str
    sender: str
    organisation: str
    form: str
    reports: int
    lost: int
    last_at: str


class TlsOut(Schema):
    """Connections that fared alike; an empty ``result``: they were encrypted as they should be."""

    domain: str
    result: str
    policy: str
    host: str
    detail: str
    count: int
    last: str
    reporters: list[str]


class ReportOut(Schema):
    """``counts``: its sender is proven, and it is about a domain of ours; else ``reason`` says why not."""

    id: int
    inbound: int | None
    received_at: str
    state: str
    form: str
    organisation: str
    contact: str
    sender_domain: str
    proof: str
    counts: bool
    reason: str
    reason_code: str
    report_id: str
    domain: str
    policy: str
    begins_at: str | None
    ends_at: str | None
    lost: int


class ReceiversOut(Schema):
    """Sums are of reports that count alone. ``reports``: the newest."""

    since: str
    domains: list[ReportedDomainOut]
    sources: list[SourceOut]
    reporters: list[ReporterOut]
    tls: list[TlsOut]
    reports: list[ReportOut]


class WholeReportOut(ReportOut):
    """With its rows."""

    sources: list[dict[str, Any]]
    tls: list[dict[str, Any]]


@router.get("/receivers", response={200: ReceiversOut, **TROUBLE}, summary="What passed, what failed, from where")
def receivers(request: ApiRequest, query: Query[ReceiversQuery]) -> Any:
    """As `postroom dmarc list --json`."""
    return shown_reports(ports(), member=request.auth, domain=query.domain, days=query.days).as_json()


@router.get("/receivers/{report_id}", response={200: WholeReportOut, **TROUBLE}, summary="One report, row by row")
def report(request: ApiRequest, report_id: int) -> Any:
    """As `postroom dmarc show --json`."""
    found = one_report(ports(), report_id, member=request.auth)
    if found is None:
        raise Http404
    return found
