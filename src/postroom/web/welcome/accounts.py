"""The way out and the way in: an account at a provider, entered by address and password, tried while one watches, used with one click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.terms.addresses import exists_nowhere, normalize
from postroom.flows import access, guard_installation, mailbox_facts, server_presets, welcome
from postroom.flows.enter_account import Account, default_from_of, draft_server, save_draft_mailbox, save_draft_server
from postroom.flows.enter_account import use_server as use
from postroom.flows.find_servers import FoundServers, find_servers
from postroom.flows.leave_capture import NotChosen
from postroom.store.models import Mailbox, OutgoingServer
from postroom.web.forms import tell
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.settings.capture import cancels_waiting, said_of_leaving
from postroom.web.shell import fragment, go
from postroom.web.templatetags.postroom import because
from postroom.web.welcome import views
from postroom.web.welcome.forms import AccountForm
from postroom.web.welcome.views import step_page
from postroom.wiring import ports

FIRST = {  # the tiles that are seen at once
    "out": ("gmail", "microsoft365", "ses", "sendgrid", "mailgun", "postmark", "brevo", "mailjet", "postfix", "mailcow", "custom"),
    "in": ("gmail", "microsoft365", "yahoo", "icloud", "gmx", "ionos", "mailcow", "custom"),
}  # fmt: skip


@for_members("GET", "POST")
def outgoing(request: MemberRequest) -> HttpResponse:
    """Through which server mail leaves, or that it does not leave yet."""
    access.require(request.member, "settings")
    found = welcome.progress_of(request.member)
    draft = draft_server(found.draft_server_id)
    form = AccountForm(request.POST if request.method == "POST" else None, initial=_initial(request, "out", draft))
    if form.is_valid():
        try:
            row = save_draft_server(ports(), _account(form), draft_id=found.draft_server_id, member=request.member)
        except ValidationError as error:
            tell(form, error)
        else:
            return go(request, f"{_place('outgoing')}?test={row.pk}")
    tested = found.draft_server_id if text_of(request.GET, "test", 20) == str(found.draft_server_id) else None
    context = _context(request, "out", form) | {
        "progress": found,
        "draft": draft,
        "tested_id": tested,
        # the account's own mailbox: the one recipient that its server surely takes mail for
        "test_to": normalize(draft.username) if draft is not None else "",
        "is_made_up": exists_nowhere(found.domain),
        "is_capturing": guard_installation.is_capturing(),
        "default_from": default_from_of(request.member),
    }
    return step_page(request, "outgoing", _("How mail goes out"), context, status=422 if form.errors else 200)


@for_members("POST")
def use_server(request: MemberRequest) -> HttpResponse:
    """The server that was tried is used; mail leaves from now on."""
    found = welcome.progress_of(request.member)
    if found.draft_server_id is None:
        raise Http404
    try:
        cancelled = use(ports(), found.draft_server_id, member=request.member, cancels_waiting=cancels_waiting(request))
    except NotChosen as why:
        return go(request, f"{_place('outgoing')}?test={found.draft_server_id}", trouble=because(why.reason))
    return go(request, _place("incoming"), said=said_of_leaving(_("Mail leaves through this server now."), cancelled))


@for_members("POST")
def capture(request: MemberRequest) -> HttpResponse:
    """Nothing leaves: mail goes to the Letterbox."""
    guard_installation.set_capturing(ports(), True, member=request.member)
    return go(request, _place("incoming"), said=_("Outgoing mail goes to the Letterbox now."))


@for_members("GET", "POST")
def incoming(request: MemberRequest) -> HttpResponse:
    """From which mailbox mail is fetched, or that it comes to our own door."""
    access.require(request.member, "settings")
    found = welcome.progress_of(request.member)
    draft = Mailbox.objects.filter(pk=found.draft_mailbox_id or 0).first()
    server = _server_to_copy(request)
    source = draft or server
    form = AccountForm(request.POST if request.method == "POST" else None, initial=_initial(request, "in", source))
    if form.is_valid():
        is_same = request.POST.get("same_password") == "1"
        try:
            row = save_draft_mailbox(
                ports(),
                _account(form),
                draft_id=found.draft_mailbox_id,
                same_as=server.pk if server and is_same else None,
                member=request.member,
            )
        except ValidationError as error:
            tell(form, error)
        else:
            if row.authentication == "token" and not row.secret:
                return go(request, reverse("web:consent", args=["mailbox", row.pk]))
            return go(request, f"{_place('incoming')}?test={row.pk}")
    tested = found.draft_mailbox_id if text_of(request.GET, "test", 20) == str(found.draft_mailbox_id) else None
    configuration = ports().configuration
    context = _context(request, "in", form) | {
        "progress": found,
        "draft": draft,
        "tested_id": tested,
        "may_copy": server is not None and draft is None,
        "door": f"{configuration.hostname}:{configuration.smtp_port}",
        "door_name": configuration.hostname,
    }
    return step_page(request, "incoming", _("How mail comes in"), context, status=422 if form.errors else 200)


def _server_to_copy(request: MemberRequest) -> OutgoingServer | None:
    """Whose login the mailbox probably has, too: one that the member may settle."""
    mine = Q(company_id__in=access.company_ids(request.member))
    if access.is_house_administrator(request.member):
        mine |= Q(company=None)
    rows = OutgoingServer.objects.filter(mine, is_active=True, transport="smtp", authentication="password")
    return rows.exclude(username="").order_by("-id").first()


@for_members("GET")
def find(request: MemberRequest) -> HttpResponse:
    """Whose address that is, or what the chosen provider needs: the provider's part of the form, for htmx. The user name that was typed stays."""
    access.require(request.member, "settings")
    way = "in" if request.GET.get("way") == "in" else "out"
    address, username = text_of(request.GET, "address", 254), text_of(request.GET, "username", 320)
    chosen = text_of(request.GET, "preset", 20)
    if chosen:
        values, found = _preset_values(way, chosen), None
    else:
        found = find_servers(ports(), address)
        values = _found_values(way, found)
    values["address"] = address
    if username:
        values["username"] = username
    proposal = found.best(way) if found is not None else None
    beside = _server_to_copy(request) if way == "in" and proposal and proposal.source.value == "guessed" else None
    if beside is not None and beside.username == address:  # better than a guess: the place where this login works
        values["host"], proposal = _sibling_host(beside.host), None
    form = AccountForm(None, initial=values)
    context = _context(request, way, form, str(values["preset"])) | {
        "guess": found,
        "why": proposal.why(found.domain) if found is not None and proposal is not None else None,
        "found_own": proposal is not None and proposal.source.value != "guessed" and values["preset"] == "custom",
        "is_guessed": proposal is not None and proposal.source.value == "guessed",
    }
    return fragment(request, "postroom/welcome/_provider.html", context)


def _found_values(way: str, found: FoundServers) -> dict[str, Any]:
    """The form's values for the most believed proposal, with what its provider's preset knows."""
    proposal = found.best(way)
    key = proposal.preset if proposal is not None and proposal.preset in FIRST[way] else "custom"
    values = _preset_values(way, key)
    if proposal is not None:
        values |= {"host": proposal.host, "port": proposal.port, "encryption": proposal.encryption.value}
        values["username"] = proposal.username or values.get("username", "")
    return values


def _place(step: str) -> str:
    return reverse("web:welcome_step", args=[step])


def _initial(request: MemberRequest, way: str, row: OutgoingServer | Mailbox | None) -> Mapping[str, Any]:
    key = text_of(request.GET, "preset", 20)
    address = text_of(request.GET, "address", 254)
    if key:
        return _preset_values(way, key) | {"address": address}
    if row is None:
        return {"address": address, "port": 993 if way == "in" else 587, "encryption": "tls" if way == "in" else "starttls",
                "verify_certificate": True, "preset": ""}  # fmt: skip
    is_own_kind = (way == "in") == isinstance(row, Mailbox)
    values = _preset_values(way, row.preset)
    if is_own_kind:
        values |= {"host": row.host, "port": row.port, "encryption": row.encryption}
    elif not values.get("host"):
        values["host"] = _sibling_host(row.host)
    values |= {"username": row.username, "address": row.username if "@" in row.username else ""}
    return values | {"verify_certificate": row.verify_certificate}


def _sibling_host(host: str) -> str:
    """Where the mailbox of an outgoing server's account probably is, until it is looked for: smtp.example.com has an imap.example.com beside it."""
    first, _dot, rest = host.partition(".")
    return f"imap.{rest}" if rest and first in ("smtp", "mx", "relay", "submission", "out", "send") else host


def _preset_values(way: str, key: str) -> dict[str, Any]:
    chosen = (server_presets if way == "out" else mailbox_facts).preset(key)
    wanted = ("preset", "host", "port", "encryption", "username")
    return {name: value for name, value in chosen.values().items() if name in wanted} | {"verify_certificate": True}


def _context(request: MemberRequest, way: str, form: AccountForm, key: str = "") -> dict[str, Any]:
    key = key or str(form["preset"].value() or "")
    source = server_presets if way == "out" else mailbox_facts
    by_key = {one.key: one for one in source.presets()}
    chosen = by_key.get(key)
    return {
        "way": way,
        "form": form,
        "tiles": [by_key[one] for one in FIRST[way] if one in by_key],
        "chosen": chosen,
        "is_token": bool(getattr(chosen, "token_source", "")),
        "address": text_of(request.GET, "address", 254),
        "looks": way == "in" and not form.is_bound and key == "custom" and bool(form["address"].value()),
        "is_own": chosen is None or chosen.key in ("custom", "mailcow", "postfix"),
    }


def _account(form: AccountForm) -> Account:
    values = form.cleaned_data
    return Account(
        preset=values["preset"] or "custom",
        address=values["address"],
        username=values["username"],
        password=values["password"],
        host=values["host"],
        port=values["port"],
        encryption=values["encryption"],
        verify_certificate=values["verify_certificate"],
    )


def step(request: MemberRequest, name: str) -> HttpResponseBase:
    """One of the steps by its name."""
    found = {
        "company": views.company,
        "outgoing": outgoing,
        "incoming": incoming,
        "alias": views.alias,
        "done": views.done,
    }.get(name)
    if found is None:
        raise Http404
    return found(request)
