"""People: who is there, invited by a link or a mail, changed, switched off; and the page behind that link."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.addresses import is_placeholder
from postroom.core.terms.states import Role
from postroom.flows import manage_people as flow
from postroom.store.models import Company, Member
from postroom.web.forms import style, tell
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.settings.forms import SettingForm
from postroom.web.shell import fragment, go, page
from postroom.web.site import site
from postroom.wiring import ports

ROLES = [
    (Role.ADMINISTRATOR.value, gettext_lazy("Administrator: changes settings and people")),
    (Role.MANAGER.value, gettext_lazy("Manager: also queue, inbound and held mail")),
    (Role.AGENT.value, gettext_lazy("Agent: works on records")),
    (Role.READ_ONLY.value, gettext_lazy("Read only: looks, and writes nothing")),
]


class PersonForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    address = forms.CharField(
        label=gettext_lazy("Mail address"),
        max_length=254,
        help_text=gettext_lazy("Messages go there; the person signs in with it."),
        widget=forms.EmailInput({"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=ROLES)
    company = forms.TypedChoiceField(label=gettext_lazy("Company"), coerce=int)
    companies = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Sees these companies, too"), coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: Any, *, companies: tuple[tuple[int, str], ...], initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        for name in ("company", "companies"):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
            field.choices = list(companies)
        if "name" in initial:
            self.fields["address"].help_text = gettext_lazy(
                "Messages go there. The name to sign in with stays as it is."
            )
        if len(companies) < 2:
            self.fields["companies"].widget = forms.MultipleHiddenInput()
        style(self)

    def wish(self, *, is_active: bool = True) -> flow.PersonWish:
        values = self.cleaned_data
        others = [one for one in values["companies"] if one != values["company"]]
        return flow.PersonWish(
            name=values["name"].strip(),
            address=values["address"],
            role=Role(values["role"]),
            companies=(values["company"], *others),
            is_active=is_active,
        )


@for_members("GET")
def people(request: MemberRequest) -> HttpResponse:
    """The list."""
    search = text_of(request.GET, "q", 100)
    context = {"people": flow.people(request.member, search), "search": search, "roles": dict(ROLES)}
    if is_fragment(request):
        return fragment(request, "postroom/settings/_people.html", context)
    return page(request, "postroom/settings/people.html", _("People"), context)


@for_members("GET", "POST")
def new(request: MemberRequest) -> HttpResponse:
    """Invite somebody."""
    form = _form(request, {"role": Role.AGENT.value, "company": request.member.company_id})
    if form.is_valid():
        try:
            made = flow.invite_person(ports(), form.wish(), by=request.member)
        except ValidationError as error:
            tell(form, error)
        else:
            said = _("{name} is there, and needs a password now.").format(name=made.contact.name)
            if request.POST.get("by") == "mail" and flow.send_invitation(ports(), made.pk, by=request.member):
                said = _("The invitation is on its way to {address}.").format(address=made.contact.address)
            return go(request, reverse("web:person", args=[made.pk]), said=said)
    context = {"form": form, "person": None}
    return page(
        request, "postroom/settings/person.html", _("Invite somebody"), context, status=422 if form.errors else 200
    )


@for_members("GET", "POST")
def one(request: MemberRequest, member_id: int) -> HttpResponse:
    """One of them."""
    found = flow.person(member_id, by=request.member)
    if found is None:
        raise Http404
    seen = list(found.companies.values_list("pk", flat=True))
    form = _form(
        request,
        {
            "name": found.contact.name,
            "address": found.contact.address,
            "role": found.role,
            "company": found.company_id,
            "companies": seen,
        },
    )
    if form.is_valid():
        try:
            flow.change_person(ports(), member_id, form.wish(is_active=found.user.is_active), by=request.member)
        except ValidationError as error:
            tell(form, error)
        else:
            return go(request, reverse("web:people"), said=_("Saved."))
    return _shown(request, found, form)


def _shown(request: MemberRequest, found: Member, form: PersonForm, link: str = "") -> HttpResponse:
    context = {
        "form": form,
        "person": found,
        "is_me": found.pk == request.member.pk,
        "is_invited": not found.user.has_usable_password(),
        "is_placeholder": is_placeholder(found.contact.address),
        "link": link,
    }
    answer = page(request, "postroom/settings/person.html", str(found), context, status=422 if form.errors else 200)
    answer["Cache-Control"] = "no-store"
    return answer


@for_members("POST")
def act(request: MemberRequest, member_id: int) -> HttpResponse:
    """A link to a password, shown once or sent; switched off or on."""
    found = flow.person(member_id, by=request.member)
    if found is None:
        raise Http404
    place = reverse("web:person", args=[member_id])
    seen = list(found.companies.values_list("pk", flat=True))
    wish = {
        "name": found.contact.name, "address": found.contact.address, "role": found.role,
        "company": found.company_id, "companies": seen,
    }  # fmt: skip
    try:
        match request.POST.get("step", ""):
            case "link":
                link = flow.invitation_link(ports(), member_id, by=request.member)
                form = PersonForm(None, companies=flow.offered_companies(request.member), initial=wish)
                return _shown(request, found, form, link)
            case "mail":
                if flow.send_invitation(ports(), member_id, by=request.member):
                    said = _("The invitation is on its way to {address}.").format(address=found.contact.address)
                    return go(request, place, said=said)
                return go(
                    request, place, trouble=_("The company has no mail domain to write from: give the link instead.")
                )
            case "off" | "on" as step:
                others = tuple(pk for pk in seen if pk != found.company_id)
                flow.change_person(
                    ports(),
                    member_id,
                    flow.PersonWish(
                        name=found.contact.name,
                        address=found.contact.address,
                        role=Role(found.role),
                        companies=(found.company_id, *others),
                        is_active=step == "on",
                    ),
                    by=request.member,
                )
                said = _("Switched on again.") if step == "on" else _("Switched off: sessions and keys are gone.")
                return go(request, place, said=said)
            case _:
                raise Http404
    except ValidationError as error:
        return go(request, place, trouble=" ".join(error.messages))


def _form(request: MemberRequest, initial: dict[str, Any]) -> PersonForm:
    data = request.POST if request.method == "POST" else None
    return PersonForm(data, companies=flow.offered_companies(request.member), initial=initial)


class JoinForm(forms.Form):
    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput({"autocomplete": "new-password", "autofocus": ""}),
    )
    again = forms.CharField(
        label=gettext_lazy("Once more"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        style(self)

    def clean_again(self) -> str:
        again = str(self.cleaned_data["again"])
        if again != self.cleaned_data.get("password"):
            raise forms.ValidationError(_("That is another one than above."))
        return again


def join(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """The invited person chooses a password. GET changes nothing: mail programs look at links, too."""
    found = flow.invited(uid, token)
    is_first = found is not None and flow.is_first_time(found)
    form = JoinForm(request.POST if request.method == "POST" else None)
    if found is not None and form.is_valid():
        try:
            joined = flow.join(ports(), uid, token, form.cleaned_data["password"])
        except ValidationError as error:
            form.add_error("password", error)
        else:
            if joined is not None and not is_first:
                return redirect("admin:login")  # by all its steps: a second factor may be on
            if joined is not None:
                login(request, joined.user, backend="django.contrib.auth.backends.ModelBackend")
                return redirect("web:home")
            found = None
    context = {**site.each_context(request), "form": form, "person": found, "hints": password_validators_help_texts()}
    answer = render(
        request, "postroom/welcome/join.html", context, status=410 if found is None else 422 if form.errors else 200
    )
    answer["Cache-Control"] = "no-store"
    return answer


class CompanyForm(SettingForm):
    class Meta:
        model = Company
        fields = ("name", "alias_domain", "is_active")
        labels = {
            "name": gettext_lazy("Name"),
            "alias_domain": gettext_lazy("Mail domain"),
            "is_active": gettext_lazy("Active"),
        }
