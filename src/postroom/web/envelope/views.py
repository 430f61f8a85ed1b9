"""The envelope of a message: who hears of it and what became of that, Send & close, Ignore all; and my failures by kind.

A fragment fills the dialog; asked for without htmx the same is a page of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.core.terms.states import NotificationState
from postroom.flows import access
from postroom.flows.settle_failures import Undecided, ignore_failed, ignore_kind, resend_failed
from postroom.flows.settle_unknown import Decision
from postroom.store.models import Message
from postroom.store.queries.pages_envelope import RecipientFact, envelope
from postroom.store.queries.pages_failures import my_failed, my_failures
from postroom.web.members import MemberRequest, for_members, is_fragment, numbers_of, text_of
from postroom.web.shell import back, fragment, go, page
from postroom.web.templatetags.postroom import because
from postroom.wiring import ports

MOST = 200  # recipients that one form settles
OFFERED = (Decision.ARRIVED, Decision.AGAIN)  # giving up is what Ignore all is for


@for_members("GET")
def recipients(request: MemberRequest, message_id: int) -> HttpResponse:
    """Everybody who hears of the message, failures first."""
    return _shown(request, _message(request, message_id))


@for_members("POST")
def resend(request: MemberRequest, message_id: int) -> HttpResponse:
    """Send & close: those toggled on are tried again (at another address, if one is given), the others are ignored.

    What nobody knows the outcome of is settled as was chosen for it, and stays as it is when nothing was.
    """
    found = _message(request, message_id)
    chosen = numbers_of(request.POST, "retry", MOST)
    retry = {number: text_of(request.POST, f"address-{number}", 320) for number in chosen}
    once = [number for number in chosen if request.POST.get(f"keep-{number}") == "0"]
    try:
        resend_failed(
            ports(),
            message_id=message_id,
            author=request.member,
            retry=retry,
            this_time_only=once,
            unknown=_decisions(request),
        )
    except Undecided as error:
        return _shown(request, found, trouble=because(error.reason), typed=retry)
    except ValueError:
        return _shown(request, found, trouble=_("One of the addresses is none. Nothing was sent."), typed=retry)
    return _settled(request, found)


def _decisions(request: MemberRequest) -> dict[int, Decision | None]:
    """What was chosen for each whose outcome is unknown; None: nothing yet."""
    chosen = {
        number: request.POST.get(f"decision-{number}", "") for number in numbers_of(request.POST, "unknown", MOST)
    }
    return {number: Decision(wish) if wish in OFFERED else None for number, wish in chosen.items()}


@for_members("POST")
def ignore(request: MemberRequest, message_id: int) -> HttpResponse:
    """Ignore all: the envelope is no longer red."""
    found = _message(request, message_id)
    ignore_failed(ports(), message_id=message_id, author=request.member)
    return _settled(request, found)


def _message(request: MemberRequest, message_id: int) -> Message:
    rows = Message.objects.filter(pk=message_id, record__in=access.visible_records(request.member))
    found = rows.select_related("record").only("id", "subject", "posted_at", "record__title").first()
    if found is None:
        raise Http404
    return found


def _settled(request: MemberRequest, found: Message) -> HttpResponse:
    """The dialog closes, and the page looks again; a plain form goes back to the record."""
    if not is_fragment(request):
        return go(request, reverse("web:record", args=[found.record_id]))
    answer = _shown(request, found)
    answer["HX-Trigger"] = "postroom:changed, postroom:settled"
    return answer


def _shown(
    request: MemberRequest, found: Message, *, trouble: str = "", typed: dict[int, str] | None = None
) -> HttpResponse:
    people = envelope(access.visible_records(request.member), found.pk)
    may_post = access.may(request.member, "post")
    may_queue = access.may(request.member, "queue")
    mending = [one for one in people if one.is_failed]
    context = {
        "message": found,
        "people": people,
        "title": _title(people),
        "failed": sum(1 for one in mending if not one.is_unknown),
        "in_doubt": sum(1 for one in mending if one.is_unknown),
        "may_settle": bool(mending) and may_post,
        "may_decide": may_post and may_queue and any(one.is_unknown for one in mending),
        "may_retry": may_post and any(not one.is_unknown for one in mending),
        "may_post": may_post,
        "may_queue": may_queue,
        "may_write": access.may(request.member, "write"),
        "may_settle_users": access.may(request.member, "settings"),
        "trouble": trouble,
        "typed": typed or {},
    }
    status = 422 if trouble else 200
    if is_fragment(request):
        return fragment(request, "postroom/chatter/_recipients.html", context, status=status)
    return page(request, "postroom/chatter/recipients.html", _title(people), context, status=status)


def _title(people: Sequence[RecipientFact]) -> str:
    """What the list says, as it stands."""
    if any(one.is_failed and not one.is_unknown for one in people):
        return _("Who got it, and who did not")
    if any(one.is_failed for one in people):
        return _("Did it arrive?")
    if any(one.state is NotificationState.READY for one in people):
        return _("Who gets it")
    return _("Who got it")


# -- my failures, by kind


@for_members("GET")
def failures(request: MemberRequest) -> HttpResponse:
    """The failures of my own messages: the menu in the corner of every page, and a page of its own."""
    if request.GET.get("badge") == "1":
        count = my_failed(request.member.contact_id, access.company_ids(request.member))
        return fragment(request, "postroom/chatter/_badge.html", {"my_failed": count})
    fits = is_fragment(request)
    is_menu = fits and request.GET.get("whole") != "1"
    found = my_failures(request.member.contact_id, access.visible_records(request.member), most=3 if is_menu else 50)
    if fits:
        return fragment(request, "postroom/chatter/_failures.html", {"failures": found})
    return page(request, "postroom/chatter/failures.html", _("My failed messages"), {"failures": found})


@for_members("POST")
def ignore_of_kind(request: MemberRequest) -> HttpResponse:
    """Cancels all my failures on records of one kind."""
    count = ignore_kind(ports(), kind=text_of(request.POST, "kind", 40), author=request.member)
    said = ngettext("{n} failure is ignored from now on.", "{n} failures are ignored from now on.", count)
    return go(request, back(request, reverse("web:failures")), said=said.format(n=count) if count else "")
