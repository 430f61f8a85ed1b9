"""Addresses that do not receive well: which of them campaigns leave out and why, who fails most, and one address's whole story."""

from __future__ import annotations

from datetime import timedelta

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flows import access
from postroom.flows.suppress_address import SuppressionError, release, suppress
from postroom.store.models import AddressHealth, Company
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_suppression import (
    AddressView,
    address,
    address_list,
    worst_addresses,
    worst_domains,
)
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports

VIEWS = (
    (AddressView.SUPPRESSED, gettext_lazy("Blacklist")),
    (AddressView.BOUNCING, gettext_lazy("Bouncing")),
    (AddressView.COMPLAINED, gettext_lazy("Complained")),
    (AddressView.RELEASED, gettext_lazy("Released")),
)
WORST_DAYS = 30


@for_members("GET", "POST")
def addresses(request: MemberRequest) -> HttpResponse:
    """GET: a list. POST: an address is put on the blacklist by hand."""
    if request.method == "POST":
        return _suppress(request)
    try:
        view = AddressView(request.GET.get("view", AddressView.SUPPRESSED))
    except ValueError:
        raise Http404 from None
    now, companies = ports().clock.now(), access.company_ids(request.member)
    search, cursor = text_of(request.GET, "q", 200), text_of(request.GET, "after", 80)
    rows = address_list(companies, view, now=now, search=search, cursor=cursor)
    context = {"rows": rows, "view": view, "views": VIEWS, "search": search, "cursor": cursor}
    if is_fragment(request) and request.headers.get("HX-Target") != "pr-addresses":
        return fragment(request, "postroom/suppression/_rows.html", context)
    context |= {
        "may_suppress": access.may(request.member, "suppress"),
        "companies": list(Company.objects.filter(pk__in=companies).values("id", "name")) if len(companies) > 1 else [],
        "several": len(companies) > 1,
    }
    return page(request, "postroom/suppression/list.html", _("Blacklist and bounces"), context)


@for_members("GET")
def worst(request: MemberRequest) -> HttpResponse:
    """Who failed most: a piece of its own, because counting takes longer than a page should."""
    companies, since = access.company_ids(request.member), ports().clock.now() - timedelta(days=WORST_DAYS)
    context = {
        "domains": worst_domains(companies, since=since),
        "addresses": worst_addresses(companies, since=since),
    }
    return fragment(request, "postroom/suppression/_worst.html", context)


def _suppress(request: MemberRequest) -> HttpResponse:
    here = reverse("web:suppression")
    company_id = read_id(request.POST.get("company", "")) or request.member.company_id
    days = read_id(request.POST.get("days", "") or "0")
    try:
        row = suppress(
            ports(),
            company_id=company_id,
            address=text_of(request.POST, "address", 320),
            why=text_of(request.POST, "why"),
            days=-1 if days is None else days,
            member=request.member,
        )
    except SuppressionError as error:
        return go(request, here, trouble=str(error))
    said = _("Campaigns leave {address} out from now on.").format(address=row.address)
    return go(request, reverse("web:address", args=[row.pk]), said=said)


@for_members("GET")
def one(request: MemberRequest, health_id: int) -> HttpResponse:
    """All that came back from an address, and all times at which it was left out."""
    found = address(access.visible_addresses(request.member), health_id)
    if found is None:
        raise Http404
    context = {
        "address": found,
        "row": found.row,
        "in_force": next((one for one in found.history if one.is_in_force(ports().clock.now())), None),
        "may_suppress": access.may(request.member, "suppress"),
        "may_inbound": access.may(request.member, "inbound"),
        "may_queue": access.may(request.member, "queue"),
        "several": len(access.company_ids(request.member)) > 1,
    }
    return page(request, "postroom/suppression/address.html", _("Blacklist and bounces"), context)


@for_members("POST")
def let_go(request: MemberRequest, health_id: int) -> HttpResponse:
    """Campaigns may write to it again."""
    place = reverse("web:address", args=[health_id])
    try:
        row = release(ports(), health_id, why=text_of(request.POST, "why"), member=request.member)
    except AddressHealth.DoesNotExist:
        raise Http404 from None
    except SuppressionError as error:
        return go(request, place, trouble=str(error))
    return go(request, place, said=_("Campaigns may write to {address} again.").format(address=row.address))
