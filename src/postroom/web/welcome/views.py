"""The first run, step by step: who you are, company and domain, the way out, the way in, the first address, and what is left to do.

Each step stores something whole or nothing (`flows.welcome`), may be skipped, and is where one comes back to.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.addresses import normalize
from postroom.core.terms.parameters import ParameterError
from postroom.flows import access, guard_installation, welcome
from postroom.flows.add_member import CannotAdd
from postroom.flows.dns_to_publish import records_to_publish
from postroom.flows.find_servers import own_domain
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_records import kinds
from postroom.web.forms import tell
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import go, page
from postroom.web.site import site
from postroom.web.welcome.forms import AliasForm, CompanyForm, PersonForm, suggested_names
from postroom.wiring import ports

PASSWORDS = "django.contrib.auth.backends.ModelBackend"  # whoever just chose one is signed in by it
STEPS = (
    ("company", gettext_lazy("Company")),
    ("outgoing", gettext_lazy("Mail goes out")),
    ("incoming", gettext_lazy("Mail comes in")),
    ("alias", gettext_lazy("First address")),
    ("done", gettext_lazy("Done")),
)


def begin(request: HttpRequest, token: str) -> HttpResponse:
    """The first administrator, by a signed link. GET shows the form and changes nothing."""
    try:
        welcome.check_first_link(token)
    except welcome.LinkIsDead as dead:
        return _alone(request, "postroom/welcome/dead_link.html", {"why": str(dead)}, status=410)
    form = PersonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            member = welcome.make_first_person(ports(), token, **form.cleaned_data)
        except welcome.LinkIsDead as dead:
            return _alone(request, "postroom/welcome/dead_link.html", {"why": str(dead)}, status=410)
        except CannotAdd as trouble:
            form.add_error("password" if "password" in str(trouble).lower() else None, str(trouble))
        else:
            login(request, member.user, backend=PASSWORDS)
            return redirect("web:welcome_step", "company")
    context = {"form": form}
    return _alone(request, "postroom/welcome/person.html", context, status=422 if form.errors else 200)


def _alone(request: HttpRequest, template: str, context: dict[str, Any], *, status: int) -> HttpResponse:
    answer = render(request, template, {**site.each_context(request), **context}, status=status)
    answer["Cache-Control"] = (
        "no-store"  # the address is a key; the policy of all pages keeps it from others (same-origin)
    )
    return answer


@for_members("GET")
def resume(request: MemberRequest) -> HttpResponse:
    """To the first step that nothing is known of."""
    found = welcome.progress_of(request.member)
    for name, is_there in (
        ("company", found.domain),
        ("outgoing", found.server or _is_capturing()),
        ("incoming", found.mailbox),
        ("alias", found.alias),
    ):
        if not is_there:
            return redirect("web:welcome_step", name)
    return redirect("web:welcome_step", "done")


def _is_capturing() -> bool:
    return guard_installation.is_capturing()


def step_page(
    request: MemberRequest, name: str, title: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A step with the others beside it."""
    names = [one for one, _title in STEPS]
    at = names.index(name)
    found = context.get("progress") or welcome.progress_of(request.member)
    is_done = {
        "company": bool(found.domain),
        "outgoing": bool(found.server) and not found.server_fails,
        "incoming": bool(found.mailbox) and not found.mailbox_fails,
        "alias": bool(found.alias),
        "done": False,
    }
    troubled = {"outgoing": found.server_fails, "incoming": found.mailbox_fails}
    steps = [
        {
            "name": one,
            "title": title_of,
            "is_here": one == name,
            "is_done": is_done[one],
            "is_troubled": troubled.get(one, False),
            "number": number,
        }
        for number, (one, title_of) in enumerate(STEPS, 1)
    ]
    shell = {
        "progress": found,
        "steps": steps,
        "number": at + 1,
        "following": names[at + 1] if at + 1 < len(names) else "",
        "former": names[at - 1] if at else "",
    }
    return page(request, f"postroom/welcome/{name}.html", title, shell | context, status=status)


@for_members("GET", "POST")
def company(request: MemberRequest) -> HttpResponse:
    """Company and domain."""
    access.require_house(request.member)
    found = welcome.progress_of(request.member)
    own = own_domain(normalize(request.member.contact.address))
    initial = {"company": "" if found.company == "My company" else found.company, "domain": found.domain or own}
    form = CompanyForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            welcome.name_house(ports(), **form.cleaned_data, member=request.member)
        except ValidationError as error:
            for field, words in error.update_error_dict({}).items():
                form.add_error({"name": "company"}.get(field) if "ompany" in str(words) else "domain", list(words))
        except ParameterError as error:
            form.add_error("domain", str(error))
        else:
            return go(request, reverse("web:welcome_step", args=["outgoing"]))
    context = {"form": form, "progress": found}
    return step_page(request, "company", _("Your company"), context, status=422 if form.errors else 200)


@for_members("GET", "POST")
def alias(request: MemberRequest) -> HttpResponse:
    """The first address that mail to it makes records of."""
    access.require(request.member, "settings")
    found = welcome.progress_of(request.member)
    choices = [(kind.key, kind.label_plural) for kind in kinds()]
    there = welcome.addresses_there(request.member)
    taken = {name for name, at, _kind in there if at == found.domain}
    names = suggested_names(dict(choices), taken)
    fetched, _at, at = found.mailbox.rpartition("@")
    if fetched and at == found.domain and fetched not in taken:  # whose mail comes in is the first to be used
        wanted, name = "ticket", fetched
    else:
        has_address = {kind for _name, _domain, kind in there}
        wanted = next((kind for kind, free in names.items() if free and kind not in has_address), "ticket")
        name = names.get(wanted, "")
    form = AliasForm(
        request.POST if request.method == "POST" else None,
        initial={"name": name, "kind": wanted},
        kinds=choices,
        names=names,
    )
    if form.is_valid():
        try:
            made = welcome.first_alias(ports(), **form.cleaned_data, member=request.member)
        except ValidationError as error:
            tell(form, error)
        except CannotAdd as trouble:
            form.add_error(None, str(trouble))
        else:
            return go(request, f"{reverse('web:welcome_step', args=['done'])}?alias={made.pk}")
    context = {"form": form, "progress": found}
    return step_page(request, "alias", _("The first address"), context, status=422 if form.errors else 200)


@for_members("GET")
def done(request: MemberRequest) -> HttpResponse:
    """What works, what is left, and what belongs into the DNS."""
    access.require(request.member, "settings")
    found = welcome.progress_of(request.member)
    context = {
        "progress": found,
        "is_capturing": _is_capturing(),
        "records": records_to_publish(ports(), found.domain) if found.domain else (),
        "alias": welcome.first_address(request.member, read_id(text_of(request.GET, "alias", 20))),
    }
    return step_page(request, "done", _("Ready"), context)
