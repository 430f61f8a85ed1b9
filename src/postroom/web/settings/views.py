"""Settings: servers, mailboxes, domains, aliases; parameters; scheduled actions; what was changed by whom; keys for programs.

One page lists a section and one edits a row of it; a `Section` says what is different. Saving is a flow's business (`flows.settings`),
which asks for the role and records the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.parameters import PARAMETERS, ParameterError
from postroom.flows import access, api_keys, guard_installation
from postroom.flows import settings as flow
from postroom.flows.change_scheduled_action import change_action
from postroom.flows.leave_capture import waiting_mails
from postroom.flows.manage_people import save_company
from postroom.flows.run_scheduled_action import ACTIONS, run_now
from postroom.store.models import Alias, AliasDomain, Company, Mailbox, OutgoingServer
from postroom.store.queries import pages_settings as read
from postroom.store.queries.pages import read_id
from postroom.web.forms import tell
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.navigation import kinds_of
from postroom.web.settings import aliases, change_words, mailboxes, servers
from postroom.web.settings.forms import ActionForm, AliasForm, DomainForm, SettingForm
from postroom.web.settings.people import CompanyForm
from postroom.web.settings.server_form import ServerForm
from postroom.web.shell import fragment, go, page
from postroom.web.signing.fresh import when_fresh
from postroom.wiring import ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What is particular to one kind of setting. ``look``: form and template where a row has others than its section."""

    key: str
    one: str  # the name of the edit page's address
    title: str | Promise
    new: str | Promise
    icon: str
    empty: str | Promise
    model: type[models.Model]
    form: type[SettingForm]
    rows: Callable[[list[int]], tuple[read.SettingRow, ...]]
    save: Callable[..., Any]
    template: str = "postroom/settings/edit.html"
    initial: Callable[[MemberRequest], Mapping[str, Any]] = lambda _request: {}
    more: Callable[[MemberRequest, models.Model, SettingForm], Mapping[str, Any]] = lambda *_: {}
    look: Callable[[MemberRequest, models.Model], tuple[type[SettingForm], str] | None] = lambda *_: None


SERVERS = Section(
    key="servers",
    one="server",
    title=gettext_lazy("Outgoing servers"),
    new=gettext_lazy("New server"),
    icon="outgoing_mail",
    empty=gettext_lazy("Mail leaves through a server. Until there is one, it waits in the queue and says so."),
    model=OutgoingServer,
    form=ServerForm,
    rows=servers.rows,
    save=flow.save_server,
    template="postroom/settings/server.html",
    initial=servers.initial,
    more=servers.more,
    look=servers.look,
)
MAILBOXES = Section(
    key="mailboxes",
    one="mailbox",
    title=gettext_lazy("Mailboxes"),
    new=gettext_lazy("New mailbox"),
    icon="markunread_mailbox",
    empty=gettext_lazy("A mailbox elsewhere (Gmail, Microsoft 365, your provider) is fetched from over IMAP or POP3."),
    model=Mailbox,
    form=mailboxes.MailboxForm,
    rows=mailboxes.rows,
    save=flow.save_mailbox,
    template="postroom/settings/mailbox.html",
    initial=mailboxes.initial,
    more=mailboxes.more,
)
DOMAINS = Section(
    key="domains",
    one="domain",
    title=gettext_lazy("Alias domains"),
    new=gettext_lazy("New domain"),
    icon="language",
    empty=gettext_lazy("A domain whose mail comes to Postroom. Replies and bounces need one."),
    model=AliasDomain,
    form=DomainForm,
    rows=lambda _company_ids: read.domains(),
    save=flow.save_domain,
)
ALIASES = Section(
    key="aliases",
    one="alias",
    title=gettext_lazy("Aliases"),
    new=gettext_lazy("New alias"),
    icon="alternate_email",
    empty=gettext_lazy("An alias such as support@ turns each new mail into a record, and answers into messages on it."),
    model=Alias,
    form=AliasForm,
    rows=read.aliases,
    save=flow.save_alias,
    template="postroom/settings/alias.html",
    more=aliases.more,
)
COMPANIES = Section(
    key="companies",
    one="company",
    title=gettext_lazy("Companies"),
    new=gettext_lazy("New company"),
    icon="apartment",
    empty=gettext_lazy("Companies share the installation; each sees its own records, and has its own mail domain."),
    model=Company,
    form=CompanyForm,
    rows=lambda _company_ids: read.company_rows(),
    save=save_company,
)


def section_list(section: Section) -> Callable[..., Any]:
    """The list of a section."""

    @for_members("GET")
    def view(request: MemberRequest) -> HttpResponse:
        _enter(request, section)
        rows = section.rows(access.company_ids(request.member))
        context = {
            "section": section,
            "rows": rows,
            "new_place": f"web:{section.one}_new",
            "edit_place": f"web:{section.one}",
        }
        if section is SERVERS and access.is_house_administrator(request.member):
            context["waiting"] = waiting_mails()
        return page(request, "postroom/settings/list.html", str(section.title), context)

    return view


def section_edit(section: Section) -> Callable[..., Any]:
    """The form of one row, or of a new one."""

    @for_members("GET", "POST")
    def view(request: MemberRequest, row_id: int | None = None) -> HttpResponse:
        _enter(request, section)
        ids = access.company_ids(request.member)
        row = _row(request, section, row_id)
        data = request.POST if request.method == "POST" else None
        form_class, template = section.look(request, row) or (section.form, section.template)
        form = form_class(data, instance=row, company_ids=ids, **_initial(request, section, row_id))
        if form.is_valid():
            try:
                saved = section.save(ports(), form.changes(row_id), member=request.member)
            except ValidationError as error:
                tell(form, error)
            else:
                return go(request, servers.after_saving(request, section.key, saved), said=_("Saved."))
        title = str(row) if row_id is not None else str(section.new)
        context = {
            "section": section,
            "form": form,
            "row": row,
            "list_place": f"web:{section.key}",
            **section.more(request, row, form),
        }
        return page(request, template, title, context, status=422 if form.errors else 200)

    return view


def _enter(request: MemberRequest, section: Section) -> None:
    """Raises `NotAllowed`. What belongs to no company is for administrators of the whole house."""
    access.require(request.member, "settings")
    if not _has_company(section):
        access.require_house(request.member)


def _has_company(section: Section) -> bool:
    return "company" in section.form.base_fields


def _row(request: MemberRequest, section: Section, row_id: int | None) -> models.Model:
    """The row to edit, unless it belongs to a company that the member does not see. Raises `NotAllowed` for what all share."""
    if row_id is None:
        return section.model()
    found = section.model._default_manager.filter(pk=row_id).first()
    company_id = getattr(found, "company_id", None)
    if found is None or (company_id is not None and company_id not in access.company_ids(request.member)):
        raise Http404
    if company_id is None:
        access.require_house(request.member)
    return found


def _initial(request: MemberRequest, section: Section, row_id: int | None) -> Mapping[str, Any]:
    values = dict(section.initial(request)) if request.method == "GET" else {}
    if row_id is None and _has_company(section):
        values["company"] = request.member.company_id
    return {"initial": values}


@for_members("POST")
def confirm_home(request: MemberRequest) -> HttpResponse:
    """A person says that this copy of the database is the real one."""
    guard_installation.confirm_home(ports(), member=request.member)
    return go(request, reverse("web:home"), said=_("Mail leaves from here again, and mailboxes are fetched."))


@for_members("GET")
def parameters(request: MemberRequest) -> HttpResponse:
    """All system parameters, with their defaults."""
    access.require_house(request.member)
    search = text_of(request.GET, "q", 100).lower()
    is_changed = request.GET.get("changed") == "1"
    facts = [
        one
        for one in read.parameters()
        if (search in one.key or search in one.help.lower()) and (one.is_changed or not is_changed)
    ]
    context = {"groups": _grouped(facts), "search": search, "is_changed": is_changed}
    if is_fragment(request):
        return fragment(request, "postroom/settings/_parameters.html", context)
    return page(request, "postroom/settings/parameters.html", _("Parameters"), context)


_GROUPS = (  # how keys begin; the first that fits
    (("mail.catchall.", "mail.bounce.alias", "mail.default.", "mail.reply."), gettext_lazy("Addresses")),
    (("mail.gateway.", "mail.authentication.", "mail.mailbox.", "mail.session."), gettext_lazy("Coming in")),
    (("mail.suppression.",), gettext_lazy("Bounces and blacklist")),
    (("retention.",), gettext_lazy("How long things are kept")),
    (("mail.",), gettext_lazy("Going out")),
    (("",), gettext_lazy("Others")),
)


def _grouped(facts: list[read.ParameterFact]) -> list[tuple[str, list[read.ParameterFact]]]:
    """By topic, in the order of the table."""
    found: dict[str, list[read.ParameterFact]] = {str(title): [] for _starts, title in _GROUPS}
    for fact in facts:
        found[next(str(title) for starts, title in _GROUPS if fact.key.startswith(starts))].append(fact)
    return [(title, rows) for title, rows in found.items() if rows]


@for_members("POST")
def set_parameter(request: MemberRequest, key: str) -> HttpResponse:
    """One parameter; what cannot be is said at its field."""
    if key not in PARAMETERS:
        raise Http404
    typed = PARAMETERS[key].default if "reset" in request.POST else text_of(request.POST, "value", 4000)
    trouble = ""
    try:
        flow.set_parameter(ports(), key, typed, member=request.member)
    except ParameterError as error:
        trouble = str(error)
    if not is_fragment(request):
        return go(request, reverse("web:parameters"), said="" if trouble else _("Saved."), trouble=trouble)
    fact = next(one for one in read.parameters() if one.key == key)
    context = {"one": fact, "typed": typed, "trouble": trouble, "saved": not trouble}
    return fragment(request, "postroom/settings/_parameter.html", context, status=422 if trouble else 200)


@for_members("GET")
def actions(request: MemberRequest) -> HttpResponse:
    """What happens again and again."""
    access.require_house(request.member)
    return page(request, "postroom/settings/actions.html", _("Scheduled actions"), {"actions": read.actions()})


@for_members("GET", "POST")
def action(request: MemberRequest, key: str) -> HttpResponse:
    """One scheduled action: how often, whether at all, and its history."""
    access.require_house(request.member)
    found = read.action(key)
    if found is None:
        raise Http404
    fact, runs = found
    initial = {"minutes": max(1, fact.interval_seconds // 60), "is_active": fact.is_active}
    form = ActionForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        values = form.cleaned_data
        change_action(
            ports(),
            key,
            interval_seconds=values["minutes"] * 60,
            is_active=values["is_active"],
            member=request.member,
        )
        return go(request, reverse("web:action", args=[key]), said=_("Saved."))
    asked_at = read_id(text_of(request.GET, "asked", 12))
    newest = runs[0].started_at.timestamp() if runs else 0.0
    is_awaited = asked_at is not None and newest < asked_at and ports().clock.now().timestamp() < asked_at + 90
    context = {"action": fact, "runs": runs, "form": form, "help": ACTIONS[key].help if key in ACTIONS else ""}
    context |= {"is_going_on": fact.running_since is not None or is_awaited, "asked": asked_at or ""}
    if is_fragment(request):
        return fragment(request, "postroom/settings/_runs.html", context)
    return page(request, "postroom/settings/action.html", fact.name, context, status=422 if form.errors else 200)


@for_members("POST")
def run(request: MemberRequest, key: str) -> HttpResponse:
    """Run Now. While it runs this has no effect."""
    if key not in ACTIONS or read.action(key) is None:
        raise Http404
    was_deferred = run_now(ports(), key, member=request.member)
    said = _("It starts in a moment.") if was_deferred else _("It waits to be run already.")
    asked = int(ports().clock.now().timestamp())
    return go(request, f"{reverse('web:action', args=[key])}?asked={asked}", said=said)


@for_members("GET")
def changes(request: MemberRequest) -> HttpResponse:
    """Who changed which setting when."""
    access.require(request.member, "settings")
    visible = access.visible_changes(request.member)
    subject, kind, who, age = (text_of(request.GET, name, 200) for name in ("of", "kind", "who", "since"))
    start = next((start for start, _words in change_words.SUBJECTS if start.strip() == kind), "")
    days = change_words.days_of(age)
    since = ports().clock.now() - timedelta(days=days) if days else None
    cursor = text_of(request.GET, "after", 20)
    rows = read.changes(visible, subject=subject, start=start, who=who, since=since, cursor=cursor)
    known = read.names_of_numbers() | {"kind": {kind.key: kind.label for kind in kinds_of(request)}}
    context = {
        "rows": rows,
        "told": [_in_words(one, known) for one in rows.rows],
        "of": subject,
        "of_words": change_words.subject_words(subject),
        "kind": kind,
        "who": who,
        "since": age,
        "ages": [(key, words) for key, words, _days in change_words.AGES],
        "kinds": [(start.strip(), words) for start, words in change_words.SUBJECTS],
        "cursor": cursor,
    }
    if is_fragment(request):
        return fragment(request, "postroom/settings/_changes.html", context)
    return page(request, "postroom/settings/changes.html", _("Changes"), context)


def _in_words(change: read.ChangeFact, known: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What was empty and still is, is left out: a new thing would be told at length."""
    words = change_words
    told = (
        (name, words.value_words(name, before, known), words.value_words(name, after, known))
        for name, before, after in change.rows
    )
    return {
        "change": change,
        "subject": words.subject_words(change.subject),
        "rows": [
            (words.field_words(name) if name else "", *words.what_differs(before, after))
            for name, before, after in told
            if before or after
        ],
    }


@for_members("GET", "POST")
@when_fresh("web:keys")
def keys(request: MemberRequest) -> HttpResponse:
    """My keys for programs. A new one is shown once."""
    fresh = ""
    if request.method == "POST":
        name = text_of(request.POST, "name", 100) or _("unnamed")
        asked = request.POST.get("scope", "all")
        scope = asked if asked in api_keys.SCOPES else "all"
        fresh = api_keys.make_key(ports(), member=request.member, name=name, scope=scope).text
    context = {"keys": read.keys(request.member.pk), "fresh": fresh}
    answer = page(request, "postroom/settings/keys.html", _("API keys"), context)
    answer["Cache-Control"] = "no-store"
    return answer


@for_members("POST")
def remove_key(request: MemberRequest) -> HttpResponse:
    """A key opens nothing any more."""
    key_id = read_id(request.POST.get("id", ""))
    if key_id is None or not api_keys.remove_key(ports(), key_id, member=request.member):
        raise Http404
    return go(request, reverse("web:keys"), said=_("The key is gone."))
