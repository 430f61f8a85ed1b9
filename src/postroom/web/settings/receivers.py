"""What receivers say about mail in our name: a chart for each domain, the sources with what to do, who reported, and one report row by row.

Law: the picture says nothing that the table behind it does not; what nobody proves stands below, apart, and is in no number.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpResponse
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.flows.dns_to_publish import records_of_reports
from postroom.flows.settings import parameters
from postroom.flows.show_reports import DAYS, ShownDomain, find_report, reason_of, shown_reports, with_rows
from postroom.store.queries.receivers import DomainDay
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import page
from postroom.wiring import ports

WIDTH, HEIGHT, GAP = 600, 64, 3  # units of the picture
LEAST = 2  # so that one mail is seen beside a thousand
MOST_LISTED = 10
SPANS = (7, 30, 90)
FORMS = {
    "aggregate": gettext_lazy("DMARC, a day's mail"),
    "failure": gettext_lazy("DMARC, a single mail"),
    "tls": gettext_lazy("TLS"),
}
STATES = {
    "waiting": gettext_lazy("Waits to be read"),
    "read": gettext_lazy("Read"),
    "unreadable": gettext_lazy("Not read"),
    "twice": gettext_lazy("Sent twice"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A day. What failed stands on what passed. ``says`` is the whole sentence."""

    x: float
    passed_y: float
    passed_height: float
    failed_y: float
    failed_height: float
    day: str
    passed: int
    failed: int
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A domain: a picture with its numbers."""

    domain: str
    passed: int
    failed: int
    stopped: int
    share: str
    begins: str
    ends: str
    bars: tuple[Bar, ...]
    bar_width: float
    summary: str
    width: int = WIDTH
    height: int = HEIGHT


@for_members("GET")
def receivers(request: MemberRequest) -> HttpResponse:
    """All domains, or one; of the last days."""
    domain, typed = text_of(request.GET, "domain", 253), text_of(request.GET, "days", 3)
    days = int(typed) if typed.isascii() and typed.isdigit() and int(typed) in SPANS else DAYS
    shown = shown_reports(ports(), member=request.member, domain=domain, days=days)
    context = {
        "shown": shown,
        "charts": [chart(one) for one in shown.domains],
        "days": days,
        "spans": SPANS,
        "domain": domain,
        "forms": FORMS,
        "states": STATES,
        "is_empty": not (shown.reports or shown.doubted),
        "records": records_of_reports(ports()),
        "is_asked": bool(parameters(ports()).text("mail.dmarc.address")),
        "tls_failed": sum(one.count for one in shown.tls if one.result),
        "reports": [row for row in shown.reports if row.is_believed][:MOST_LISTED],
    }
    return page(request, "postroom/settings/receivers.html", _("Receivers' reports"), context)


@for_members("GET")
def one(request: MemberRequest, number: int) -> HttpResponse:
    """A report row by row."""
    row = find_report(ports(), number, member=request.member)
    if row is None:
        raise Http404
    rows = with_rows(row)
    context = {
        "report": row,
        "reason": reason_of(row),
        "sources": rows["sources"],
        "tls": rows["tls"],
        "form": FORMS.get(row.form, _("Report")),
        "state": STATES.get(row.state, ""),
    }
    return page(request, "postroom/settings/receivers_report.html", _("Report {n}").format(n=number), context)


def chart(shown: ShownDomain) -> Chart:
    """The picture of one domain."""
    step = WIDTH / len(shown.days)
    top = max((day.passed + day.failed for day in shown.days), default=0) or 1
    share = f"{100 * shown.passed // max(shown.total, 1)} %"
    says = _("{domain}: {passed} passed, {failed} failed.").format(
        domain=shown.domain, passed=shown.passed, failed=shown.failed
    )
    return Chart(
        domain=shown.domain,
        passed=shown.passed,
        failed=shown.failed,
        stopped=shown.stopped,
        share=share,
        begins=_day(shown.days[0]),
        ends=_day(shown.days[-1]),
        bars=tuple(_bar(day, place * step, top) for place, day in enumerate(shown.days)),
        bar_width=round(step - GAP, 2),
        summary=says,
    )


def _bar(day: DomainDay, x: float, top: int) -> Bar:
    passed, failed = _height(day.passed, top), _height(day.failed, top)
    said = _("{day}: {passed} passed, {failed} failed").format(day=_day(day), passed=day.passed, failed=day.failed)
    if day.stopped:
        said += ", " + ngettext(
            "{n} of them put aside or refused", "{n} of them put aside or refused", day.stopped
        ).format(n=day.stopped)
    return Bar(
        x=round(x + GAP / 2, 2),
        passed_y=round(HEIGHT - passed, 2),
        passed_height=passed,
        failed_y=round(max(HEIGHT - passed - failed, 0), 2),
        failed_height=failed,
        day=_day(day),
        passed=day.passed,
        failed=day.failed,
        says=said,
    )


def _height(count: int, top: int) -> float:
    return max(LEAST, round(count / top * (HEIGHT - LEAST), 2)) if count else 0.0


def _day(day: DomainDay) -> str:
    return formats.date_format(day.day, "MONTH_DAY_FORMAT")
