"""The first page: what needs my eyes, and where everything is."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.flows.alarms import dismiss_alarm, visible_alarms
from postroom.flows.read_inbox import mark_read
from postroom.store.models import Alarm, Mailbox, Member, OutgoingServer, ScheduledMessage
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_home import Attention, attention
from postroom.store.queries.pages_records import RecordWish, record_list
from postroom.store.queries.pages_scheduled import unposted
from postroom.web.members import MemberRequest, for_members
from postroom.web.navigation import kinds_of
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports

LATE_AFTER = 300  # seconds that a due delivery may wait before the first page speaks of it


@for_members("GET")
def home(request: MemberRequest) -> HttpResponse:
    member = request.member
    wish = RecordWish(responsible=member.pk, is_done=False, size=6)
    return page(
        request,
        "postroom/home/home.html",
        _("Home"),
        {
            **_attention(request),
            "greeting": _greeting(member.contact.name),
            "kinds": kinds_of(request),
            "mine": record_list(access.visible_records(member), wish, access.company_ids(member)).rows,
        },
    )


@for_members("GET")
def attention_piece(request: MemberRequest) -> HttpResponse:
    """The part of the first page that changes by itself."""
    return fragment(request, "postroom/home/_attention.html", _attention(request))


@for_members("POST")
def read(request: MemberRequest) -> HttpResponse:
    """Marks what reached me in the app as read."""
    chosen = [number for text in request.POST.getlist("id")[:200] if (number := read_id(text)) is not None]
    mark_read(ports(), chosen, member=request.member)
    return go(request, reverse("admin:index"))


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
        records=access.visible_records(member),
        inbound=access.visible_inbound(member) if access.may(member, "inbound") else None,
        deliveries=access.visible_deliveries(member) if access.may(member, "queue") else None,
        servers=_servers(member),
        mailboxes=_mailboxes(member),
        alarms=visible_alarms(member) if access.may(member, "inbound") else None,
        now=now,
    )
    oldest = found.oldest_waiting
    request.held = found.held  # type: ignore[attr-defined]  # the sidebar shows it too
    return {
        "attention": found,
        "late": oldest if oldest is not None and (now - oldest).total_seconds() > LATE_AFTER else None,
        "unposted": unposted(ScheduledMessage.objects.filter(author=member)),
        "held": found.held,
        "may_see_mail": access.may(member, "inbound"),
    }


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
