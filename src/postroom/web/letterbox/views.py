"""The Letterbox: the mail programs of people outside, for mail that did not leave. They can write, answer, bounce, be away, complain."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.mime.markup import text_to_html
from postroom.core.mime.parsed import Attachment
from postroom.core.mime.parsing import parse
from postroom.flows import access, audit, guard_installation
from postroom.flows import letterbox as flow
from postroom.flows.read_inbox import mark_letter_read
from postroom.store.queries.pages_letterbox import Letter, addresses_to_write_to, boxes, letter, letters
from postroom.web.frames import SHOWN_INLINE, download, framed
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.records.uploads import files_of, trouble_with
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports

MAX_PICTURE = 5_000_000  # bytes of one inline picture
MAX_TEXT = 100_000  # characters
DOOR_CLOSED = gettext_lazy("The SMTP door is closed: is Postroom running with its door?")
SAID = {
    "write": gettext_lazy("The mail is on its way through the front door."),
    "reply": gettext_lazy("The answer is on its way through the front door."),
    "bounce": gettext_lazy("The report is on its way through the front door."),
    "away": gettext_lazy("The out-of-office answer is on its way through the front door."),
    "complain": gettext_lazy("The complaint is on its way through the front door."),
}


@for_members("GET")
def letterbox(request: MemberRequest, letter_id: int | None = None) -> HttpResponse:
    """Whose mail, which mail, and what it says."""
    opened = _letter(request, letter_id) if letter_id is not None else None
    return _shown(request, opened, {})


def _shown(request: MemberRequest, opened: Letter | None, more: Mapping[str, object]) -> HttpResponse:
    """The mail program, or the piece of it that was asked for."""
    visible = access.visible_letterbox(request.member)
    person = opened.row.to_address if opened is not None else text_of(request.GET, "to", 320)
    rows = letters(visible, person, cursor=text_of(request.GET, "after", 20))
    context = {
        "boxes": boxes(visible),
        "person": person,
        "rows": rows,
        "letter": opened,
        "parsed": parse(opened.raw) if opened is not None else None,
        "cursor": request.GET.get("after", ""),
        "may_act": access.may(request.member, "letterbox"),
        "may_write": access.may(request.member, "letterbox") and guard_installation.is_capturing(),
        **more,
    }
    if is_fragment(request):
        piece = "_letters" if context["cursor"] else "_mailer"
        if request.headers.get("HX-Target") == "pr-letters":
            piece = "_news"  # with the numbers of what is not read
        return fragment(request, f"postroom/letterbox/{piece}.html", context)
    return page(request, "postroom/letterbox/letterbox.html", _("Letterbox"), context)


@for_members("GET", "POST")
def write(request: MemberRequest) -> HttpResponse:
    """A person outside writes a mail of their own, which comes in through the real door."""
    if not access.may(request.member, "letterbox"):
        raise Http404
    wish = {name: text_of(request.POST or request.GET, name, most) for name, most in _WISHES.items()}
    trouble = ""
    if request.method == "POST":
        wish["text"] = request.POST.get("text", "").replace("\0", "")[:MAX_TEXT].strip()
        trouble = _sent(request, wish)
        if not trouble:
            return go(request, f"{reverse('web:letterbox')}?to={quote(wish['to'])}", said=str(SAID["write"]))
    person = wish["to"] or wish["person"]
    aliases = addresses_to_write_to(access.visible_aliases(request.member))
    more = {"writing": wish | {"person": person}, "trouble": trouble, "addresses": aliases}
    return _shown(request, None, more)


_WISHES = {"to": 320, "person": 320, "recipient": 320, "subject": 500}


def _sent(request: MemberRequest, wish: dict[str, str]) -> str:
    """What stands against it; empty when it is on its way."""
    files = request.FILES.getlist("files")
    if trouble := trouble_with(files):
        return trouble
    if not wish["text"] and not wish["subject"]:
        return _("Write something first.")
    try:
        flow.write_as_outsider(
            ports(),
            person=wish["person"],
            to=wish["recipient"],
            subject=wish["subject"],
            text=wish["text"],
            files=files_of(files),
            member=request.member,
        )
    except OSError:
        return str(DOOR_CLOSED)
    except ValueError as error:
        return str(error)
    return ""


def _letter(request: MemberRequest, letter_id: int) -> Letter:
    found = letter(access.visible_letterbox(request.member), letter_id)
    if found is None:
        raise Http404
    return found


@for_members("GET")
def letter_body(request: MemberRequest, letter_id: int) -> HttpResponse:
    """The mail as its recipient sees it."""
    parsed = parse(_letter(request, letter_id).raw)
    html = ports().html.sanitize(parsed.html or text_to_html(parsed.text))
    pictures = {file.content_id: _as_data(file) for file in parsed.attachments if file.content_id}
    return framed(request, html, inline=pictures, paper=True)


def _as_data(file: Attachment) -> str:
    """A picture that the mail carries, as a ``data:`` address; anything else shows nothing."""
    if file.content_type.lower() not in SHOWN_INLINE or file.size > MAX_PICTURE:
        return ""
    return f"data:{file.content_type.lower()};base64,{b64encode(file.content).decode('ascii')}"


@for_members("GET")
def letter_source(request: MemberRequest, letter_id: int) -> HttpResponse:
    """The bytes as they would have left. That they were had is noted."""
    found = _letter(request, letter_id)
    audit.note(ports(), "source_read", member=request.member, subject=f"letter {letter_id}")
    return download(found.raw, f"letter-{letter_id}.eml", "message/rfc822")


@for_members("GET")
def letter_file(request: MemberRequest, letter_id: int, number: int) -> HttpResponse:
    """A file that the mail carries, the first is 1."""
    files = parse(_letter(request, letter_id).raw).attachments
    if not 0 < number <= len(files):
        raise Http404
    file = files[number - 1]
    return download(file.content, file.name, file.content_type)


@for_members("POST")
def act(request: MemberRequest, letter_id: int) -> HttpResponse:
    """What the outside person does: answer, bounce, be away, complain. A real mail comes in through the real door."""
    _letter(request, letter_id)
    what = request.POST.get("action", "")
    if what not in SAID:
        raise Http404
    said, trouble = str(SAID[what]), ""
    try:
        _do(request, letter_id, what)
    except OSError:
        trouble = str(DOOR_CLOSED)
    except ValueError as error:
        trouble = str(error)
    return go(request, reverse("web:letter", args=[letter_id]), said="" if trouble else said, trouble=trouble)


def _do(request: MemberRequest, letter_id: int, what: str) -> None:
    """Raises OSError when the door is closed, ValueError with what stands against it."""
    member = request.member
    match what:
        case "reply":
            text = request.POST.get("text", "").replace("\0", "")[:MAX_TEXT].strip()
            files = request.FILES.getlist("files")
            if not text:
                raise ValueError(_("Write something first."))
            if trouble := trouble_with(files):
                raise ValueError(trouble)
            flow.reply_as_recipient(ports(), letter_id, text, files=files_of(files), member=member)
        case "bounce":
            flow.bounce(ports(), letter_id, request.POST.get("status", ""), member=member)
        case "away":
            flow.out_of_office(ports(), letter_id, member=member)
        case _:
            flow.complain(ports(), letter_id, member=member)


@for_members("POST")
def seen(request: MemberRequest, letter_id: int) -> HttpResponse:
    """The mail was opened: its line is no longer bold."""
    _letter(request, letter_id)
    mark_letter_read(ports(), letter_id, member=request.member)
    answer = HttpResponse(status=204)
    answer["HX-Trigger"] = "postroom:changed"  # its line is no longer bold
    return answer
