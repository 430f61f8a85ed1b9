"""The inbound log and what is held: every mail that came in, what became of it and why, and what a person may do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.mime.markup import text_to_html
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse
from postroom.core.mime.particulars import particulars_of
from postroom.core.terms.states import Door, InboundState
from postroom.flows import access, audit
from postroom.flows.access import NotAllowed
from postroom.flows.allow_sender import what_it_means
from postroom.flows.settle_inbound import (
    AlreadySettled,
    attach_to_record,
    create_record_from,
    refuse_held,
    route_again,
)
from postroom.store.models import Alias, Mailbox
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_inbound import InboundFact, InboundWish, inbound, inbound_list, raw_mail
from postroom.store.queries.pages_records import RecordWish, record_list
from postroom.web.frames import download, framed, stored
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.navigation import kinds_of
from postroom.web.shell import fragment, go, page
from postroom.web.templatetags.postroom import door_choices
from postroom.wiring import ports

STATES = (
    ("", gettext_lazy("All")),
    ("routed", gettext_lazy("Routed")),
    ("held", gettext_lazy("Held")),
    ("refused", gettext_lazy("Refused")),
    ("discarded", gettext_lazy("Set aside")),
    ("failed", gettext_lazy("Failed")),
    ("received", gettext_lazy("Waits")),
)
DECISIONS = {
    "AppendToRecord": gettext_lazy("Added to a record"),
    "CreateRecord": gettext_lazy("Made into a record"),
    "RecordReport": gettext_lazy("A report, booked"),
    "TakeReceiversReport": gettext_lazy("A receiver's report, read"),
    "Refuse": gettext_lazy("Refused"),
    "Discard": gettext_lazy("Kept for the log only"),
    "Hold": gettext_lazy("Held for a person"),
    "Elsewhere": gettext_lazy("At another company"),
}
AGES = (
    ("day", gettext_lazy("Of the last day")),
    ("week", gettext_lazy("Of the last week")),
    ("month", gettext_lazy("Of the last month")),
)
FILTERS = ("door", "mailbox", "alias", "sender", "age", "q")
PROOFS = {  # word, tone, icon
    "proven": (gettext_lazy("proven"), "ok", "verified_user"),
    "unproven": (gettext_lazy("not proven"), "warn", "gpp_maybe"),
    "spoofed": (gettext_lazy("forged"), "bad", "gpp_bad"),
    "not_applicable": (gettext_lazy("not checked"), "quiet", "shield"),
}
MAY_STILL_DECIDE = (InboundState.HELD, InboundState.FAILED, InboundState.REFUSED)


def need_inbound(request: MemberRequest) -> None:
    """Raises `NotAllowed` for who may not see incoming mail."""
    if not access.may(request.member, "inbound"):
        raise NotAllowed(_("Incoming mail is shown to managers and administrators."))


@for_members("GET")
def log(request: MemberRequest) -> HttpResponse:
    """The inbound log by state."""
    return _list(request, request.GET.get("state", ""), _("Inbound log"))


@for_members("GET")
def held(request: MemberRequest) -> HttpResponse:
    """What waits for a person's decision."""
    return _list(request, "held", _("Held mail"))


def _list(request: MemberRequest, state: str, title: str) -> HttpResponse:
    need_inbound(request)
    wish = read_wish(request.GET, state)
    visible, cut = access.visible_inbound(request.member), access.company_cut(request.member)
    rows = inbound_list(visible, wish, cut=cut, cursor=text_of(request.GET, "after", 20))
    asked = {name: text_of(request.GET, name, 320) for name in FILTERS}
    context = {
        "rows": rows,
        "state": state,
        "states": STATES,
        "cursor": request.GET.get("after", ""),
        "asked": asked,
        "is_narrowed": any(asked.values()),
        "may_act": state in ("", "held", "failed", "refused"),
        "whole_log": request.path == reverse("web:inbound"),
        "bulk_wish": {**asked, "state": state},
        **_choices(request),
    }
    if is_fragment(request) and request.headers.get("HX-Target") != "pr-inbound":
        return fragment(request, "postroom/inbound/_rows.html", context)
    return page(request, "postroom/inbound/log.html", title, context)


def _choices(request: MemberRequest) -> dict[str, object]:
    """What can be chosen in the filter. Two queries."""
    ids = access.company_ids(request.member)
    boxes = Mailbox.objects.filter(company_id__in=ids).order_by("name").values_list("pk", "name")[:100]
    aliases = Alias.objects.filter(company_id__in=ids, retired_at=None).order_by("name", "domain__name")
    return {
        "doors": door_choices(),
        "ages": AGES,
        "mailboxes": list(boxes),
        "aliases": [f"{name}@{domain}" for name, domain in aliases.values_list("name", "domain__name")[:200]],
    }


def read_wish(data: Mapping[str, Any], state: str) -> InboundWish:
    """The filter as it was asked. Raises Http404 for a state or a door that there is not."""
    try:
        return InboundWish(
            state=InboundState(state) if state else None,
            door=Door(text_of(data, "door", 10)).value if text_of(data, "door", 10) else "",
            mailbox_id=read_id(text_of(data, "mailbox", 20)),
            alias=text_of(data, "alias", 320).lower(),
            sender=text_of(data, "sender", 320),
            text=text_of(data, "q", 200),
            since=_since(text_of(data, "age", 10)),
        )
    except ValueError:
        raise Http404 from None


def _since(age: str) -> datetime | None:
    days = {"day": 1, "week": 7, "month": 31}.get(age)
    return timezone.now() - timedelta(days=days) if days else None


@for_members("GET")
def one(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """One mail: as it came, what was decided, why, and what it became."""
    found = _found(request, inbound_id)
    parsed = _parsed(request, inbound_id)
    decisions = [(DECISIONS.get(one.name, one.name), one.reasons) for one in found.decisions]
    context = {
        "mail": found,
        "row": found.row,
        "parsed": parsed,
        "particulars": particulars_of(parsed) if parsed else None,
        "decisions": decisions,
        "proof": PROOFS[found.authenticity.proof] if found.authenticity else None,
        "kinds": kinds_of(request),
        "may_decide": found.row.state in MAY_STILL_DECIDE and access.may(request.member, "inbound"),
        "allowance": what_it_means(reason for one in found.decisions for reason in one.reasons),
    }
    return page(request, "postroom/inbound/mail.html", _("Incoming mail"), context)


def _found(request: MemberRequest, inbound_id: int) -> InboundFact:
    need_inbound(request)
    found = inbound(access.visible_inbound(request.member), inbound_id, cut=access.company_cut(request.member))
    if found is None:
        raise Http404
    return found


def _raw(request: MemberRequest, inbound_id: int) -> bytes:
    need_inbound(request)
    found = raw_mail(access.visible_inbound(request.member), inbound_id)
    if found is None:
        raise Http404
    return bytes(found.raw) if found.raw is not None else stored(found.sha256)


def _parsed(request: MemberRequest, inbound_id: int) -> ParsedMail | None:
    """The mail as read again; None when its bytes were cleaned up (retention)."""
    try:
        return parse(_raw(request, inbound_id))
    except Http404:
        return None


@for_members("GET")
def mail_body(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """What the mail says, sanitised, behind glass."""
    parsed = parse(_raw(request, inbound_id))
    return framed(request, ports().html.sanitize(parsed.html or text_to_html(parsed.text)))


@for_members("GET")
def source(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """The bytes as they came. That they were had is noted."""
    raw = _raw(request, inbound_id)
    audit.note(ports(), "source_read", member=request.member, subject=f"incoming mail {inbound_id}")
    return download(raw, f"inbound-{inbound_id}.eml", "message/rfc822")


@for_members("GET")
def find_record(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """Records to attach the mail to."""
    _found(request, inbound_id)
    wish = RecordWish(search=text_of(request.GET, "q", 200), size=8)
    visible, ids = access.visible_records(request.member), access.company_ids(request.member)
    rows = record_list(visible, wish, ids).rows if wish.search else ()
    return fragment(request, "postroom/inbound/_records.html", {"records": rows, "inbound_id": inbound_id})


@for_members("POST")
def again(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """Route again: after a rule was changed, or after our own fault was mended."""
    _found(request, inbound_id)
    try:
        route_again(ports(), inbound_id, member=request.member)
    except AlreadySettled:
        return settled(request, inbound_id)
    return go(request, reverse("web:inbound_mail", args=[inbound_id]), said=_("It is routed again in a moment."))


def settled(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """Somebody, or the router, was faster."""
    place = reverse("web:inbound_mail", args=[inbound_id])
    return go(request, place, trouble=_("This mail is on a record already; nothing was changed."))


@for_members("POST")
def attach(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """A person says where it belongs."""
    _found(request, inbound_id)
    record_id = read_id(request.POST.get("record", ""))
    if record_id is None or not access.visible_records(request.member).filter(pk=record_id).exists():
        raise Http404
    try:
        attach_to_record(ports(), inbound_id, record_id, member=request.member)
    except AlreadySettled:
        return settled(request, inbound_id)
    return go(request, reverse("web:record", args=[record_id]), said=_("The mail is on this record now."))


@for_members("POST")
def create(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """A person makes a record of it."""
    _found(request, inbound_id)
    kind = request.POST.get("kind", "")
    if kind not in {one.key for one in kinds_of(request)}:
        raise Http404
    try:
        record_id = create_record_from(ports(), inbound_id, kind, member=request.member)
    except AlreadySettled:
        return settled(request, inbound_id)
    return go(request, reverse("web:record", args=[record_id]), said=_("A record was made of the mail."))


@for_members("POST")
def refuse(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """A person sends it away."""
    _found(request, inbound_id)
    try:
        refuse_held(ports(), inbound_id, member=request.member)
    except AlreadySettled:
        return settled(request, inbound_id)
    return go(request, reverse("web:held"), said=_("The mail was refused."))
