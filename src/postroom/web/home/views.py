"""The first page: what needs my eyes, the pulse of the last day, and where everything is."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.flows.alarms import dismiss_alarm, visible_alarms
from postroom.flows.explain_trouble import explain_trouble
from postroom.flows.guard_installation import close_first_steps
from postroom.flows.note_health import explain_mailbox_trouble
from postroom.flows.queue_standing import queue_standing, senders_of
from postroom.store.models import Alarm, Mailbox, Member, OutgoingServer, ScheduledMessage
from postroom.store.queries.pages_activities import activities_of
from postroom.store.queries.pages_home import (
    Attention,
    TroubleFact,
    attention,
    first_steps,
    installation,
    my_records,
)
from postroom.store.queries.pages_pulse import day_of, my_day
from postroom.store.queries.pages_scheduled import unposted
from postroom.web.home.charts import charts
from postroom.web.members import MemberRequest, for_members
from postroom.web.navigation import kinds_of
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports

INBOX_ROWS = 8


@for_members("GET")
def home(request: MemberRequest) -> HttpResponse:
    member = request.member
    known, guide = first_steps() if access.is_house_administrator(member) else (installation(), None)
    return page(
        request,
        "postroom/home/home.html",
        _("Home"),
        {
            **_attention(request),
            "installation": known,
            "of_whom": _of_whom(member),
            "chart_places": range(4 if access.may(member, "queue") else 2),
            "guide": guide if guide is not None and not guide.is_complete else None,
            "greeting": _greeting(member.contact.name),
            "kinds": kinds_of(request),
            "mine": my_records(access.visible_records(member), member.pk),
        },
    )


@for_members("GET")
def attention_piece(request: MemberRequest) -> HttpResponse:
    """The part of the first page that changes by itself."""
    return fragment(request, "postroom/home/_attention.html", _attention(request))


@for_members("GET")
def pulse_piece(request: MemberRequest) -> HttpResponse:
    """The charts of the last day."""
    return fragment(request, "postroom/home/_pulse.html", _pulse(request.member))


@for_members("POST")
def close_guide(request: MemberRequest) -> HttpResponse:
    """The first steps are shown no longer."""
    close_first_steps(ports(), member=request.member)
    return go(request, reverse("admin:index"))


def _pulse(member: Member) -> dict[str, object]:
    """An administrator of all sees the house, a manager the own companies, everybody else what is on the own records."""
    now = timezone.now()
    if not access.may(member, "queue"):
        mine = my_day(member.pk, member.contact_id, access.company_ids(member), now)
        return {"charts": charts(mine)}
    return {"charts": charts(day_of(_cut(member), now))}


def _cut(member: Member) -> list[int] | None:
    return None if access.is_house_administrator(member) else access.company_cut(member)


def _of_whom(member: Member) -> str:
    if not access.may(member, "queue"):
        return _("on my records")
    return _("of the house") if _cut(member) is None else _("of my companies")


@for_members("POST")
def dismiss(request: MemberRequest, alarm_id: int) -> HttpResponse:
    """A person has seen enough of an alarm."""
    try:
        dismiss_alarm(ports(), alarm_id, member=request.member)
    except Alarm.DoesNotExist as error:
        raise Http404 from error
    return go(request, reverse("admin:index"))


def _attention(request: MemberRequest) -> dict[str, object]:
    member, now = request.member, timezone.now()
    found: Attention = attention(
        contact_id=member.contact_id,
        member_id=member.pk,
        records=access.visible_records(member),
        inbound=access.visible_inbound(member) if access.may(member, "inbound") else None,
        deliveries=access.visible_deliveries(member) if access.may(member, "queue") else None,
        servers=_servers(member),
        mailboxes=_mailboxes(member),
        alarms=visible_alarms(member) if access.may(member, "inbound") else None,
        now=now,
    )
    request.held = found.held  # type: ignore[attr-defined]  # the sidebar asks no more
    senders = senders_of(member)
    return {
        "attention": found,
        "troubles": _explained(found.troubles, senders or ()),
        "inbox_goes_on": len(found.inbox) >= INBOX_ROWS,
        "standing": queue_standing(senders, oldest_due=found.oldest_waiting, now=now),
        "unposted": unposted(ScheduledMessage.objects.filter(author=member)),
        "held": found.held,
        "todo": activities_of(member, access.visible_records(member), timezone.localdate()),
        "my_failed": found.failures.messages,
        "may_see_mail": access.may(member, "inbound"),
    }


def _explained(troubles: Sequence[TroubleFact], senders: Sequence[OutgoingServer]) -> list[dict[str, object]]:
    """With cause and cure in plain words, where the words that were stored can be read. No query when all is well, nor for ``senders``."""
    servers = {one.id for one in troubles if one.place == "server"}
    mailboxes = [one.id for one in troubles if one.place == "mailbox"]
    rows = [one for one in senders if one.pk in servers]
    if others := servers - {one.pk for one in rows}:
        rows += OutgoingServer.objects.filter(pk__in=others)
    known: dict[tuple[str, int], object] = {("server", row.pk): explain_trouble(row) for row in rows}
    if mailboxes:
        boxes = Mailbox.objects.filter(pk__in=mailboxes)
        known |= {("mailbox", row.pk): explain_mailbox_trouble(row) for row in boxes}
    return [{"fact": one, "explained": known.get((one.place, one.id))} for one in troubles]


def _servers(member: Member) -> QuerySet[OutgoingServer] | None:
    """Those of the own companies and of all, for who may mend them."""
    if not access.may(member, "settings"):
        return None
    return OutgoingServer.objects.filter(Q(company_id__in=access.company_ids(member)) | Q(company=None))


def _mailboxes(member: Member) -> QuerySet[Mailbox] | None:
    if not access.may(member, "settings"):
        return None
    return Mailbox.objects.filter(company_id__in=access.company_ids(member))


def _greeting(name: str) -> str:
    hour = timezone.localtime().hour
    word = _("Good morning") if 4 <= hour < 12 else _("Good afternoon") if 12 <= hour < 18 else _("Good evening")
    return f"{word}, {name.split(maxsplit=1)[0]}" if name.split() else word
