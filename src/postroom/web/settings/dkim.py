"""DKIM keys: what each domain signs with, what DNS must have for it, and the steps from a new key to its end."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.addresses import normalize_domain
from postroom.flows import access, manage_keys
from postroom.flows.manage_keys import KeyFact, KeyTrouble
from postroom.store.models import Member
from postroom.store.queries import pages_settings as read
from postroom.store.queries.pages import read_id
from postroom.web.forms import style
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import go, page
from postroom.wiring import ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class KeyForm(forms.Form):
    """What a new key needs."""

    domain = forms.CharField(
        label=gettext_lazy("Domain"),
        max_length=253,
        help_text=gettext_lazy("What stands behind the @ of the From; its subdomains are signed for, too."),
        widget=forms.TextInput({"list": "dkim-domains", "placeholder": "example.com"}),
    )
    algorithm = forms.ChoiceField(
        label=gettext_lazy("Algorithm"),
        choices=[
            ("rsa", gettext_lazy("RSA, 2048 bits")),
            ("both", gettext_lazy("RSA and Ed25519")),
            ("ed25519", gettext_lazy("Ed25519")),
        ],
        help_text=gettext_lazy("Every receiver knows RSA, few know Ed25519: it is for use beside RSA."),
    )
    company = forms.ChoiceField(label=gettext_lazy("Signs the mail of"), required=False)

    def __init__(self, data: Any = None, *, member: Member) -> None:
        super().__init__(data)
        own = [(str(pk), name) for pk, name in read.companies(access.company_ids(member))]
        everybody = [("", _("every company"))] if access.is_house_administrator(member) else []
        company = self.fields["company"]
        assert isinstance(company, forms.ChoiceField)  # noqa: S101 - for the type checker
        company.choices = [*everybody, *own]
        style(self)

    def clean_domain(self) -> str:
        normal = normalize_domain(self.cleaned_data["domain"])
        if "." not in normal:
            raise forms.ValidationError(_("That is no domain with mail addresses: write one such as example.com."))
        return normal


@for_members("GET")
def keys(request: MemberRequest) -> HttpResponse:
    """All keys that the member may see, by domain."""
    return _page(request, KeyForm(member=request.member))


@for_members("POST")
def create(request: MemberRequest) -> HttpResponse:
    """A new key; it does not sign yet."""
    access.require(request.member, "settings")
    form = KeyForm(request.POST, member=request.member)
    if not form.is_valid():
        return _page(request, form, status=422)
    values = form.cleaned_data
    company_id = int(values["company"]) if values["company"] else None
    try:
        manage_keys.create_keys(
            ports(), values["domain"], values["algorithm"], company_id=company_id, member=request.member
        )
    except KeyTrouble as trouble:
        form.add_error(None, str(trouble))
        return _page(request, form, status=422)
    return _back(request, said=_("The key is made. Publish its record; when DNS shows it, let the key sign."))


@for_members("POST")
def rotate(request: MemberRequest) -> HttpResponse:
    """Successors for the keys of a domain."""
    try:
        manage_keys.rotate_keys(ports(), text_of(request.POST, "domain", 253), member=request.member)
    except KeyTrouble as trouble:
        return _back(request, trouble=str(trouble))
    return _back(request, said=_("The successor is made. Publish its record beside the old one, then let it sign."))


@for_members("POST")
def act(request: MemberRequest) -> HttpResponse:
    """A key signs once DNS shows its record (``anyway``: all the same), or signs no more."""
    step, key_id = request.POST.get("step", ""), read_id(request.POST.get("id", ""))
    if step not in ("activate", "anyway", "retire") or key_id is None:
        return _back(request, trouble=_("There is no such DKIM key."))
    change = manage_keys.retire_key if step == "retire" else manage_keys.activate_key
    try:
        if step == "activate":
            state = manage_keys.check_record(ports(), key_id, member=request.member)
            if state != "published":
                return _page(request, KeyForm(member=request.member), asked=key_id, found=state.value, status=409)
        key = change(ports(), key_id, member=request.member)
    except KeyTrouble as trouble:
        return _back(request, trouble=str(trouble))
    words = {"domain": key.domain, "selector": key.selector}
    if key.state == manage_keys.ACTIVE:
        return _back(request, said=_("Mail from %(domain)s is signed with %(selector)s now.") % words)
    return _back(request, said=_("%(selector)s of %(domain)s signs no more.") % words)


def _page(request: MemberRequest, form: KeyForm, *, asked: int = 0, found: str = "", status: int = 200) -> HttpResponse:
    """``asked``: the key whose record was asked for, and what was ``found``."""
    listed = manage_keys.list_keys(ports(), member=request.member)
    context = {
        "form": form,
        "domains": list(_by_domain(listed)),
        "asked": asked,
        "found": found,
        "suggested": [row.name for row in read.domains() if row.is_active] if _sees_domains(request) else [],
    }
    return page(request, "postroom/settings/dkim.html", _("DKIM keys"), context, status=status)


def _sees_domains(request: MemberRequest) -> bool:
    return access.is_house_administrator(request.member)


def _by_domain(keys: Sequence[KeyFact]) -> Iterator[dict[str, Any]]:
    order = (manage_keys.ACTIVE, manage_keys.PREPARED, manage_keys.RETIRED)
    for domain, group in groupby(keys, key=lambda key: key.domain):
        of_it = sorted(group, key=lambda key: order.index(key.state))
        states = {key.state for key in of_it}
        yield {
            "name": domain,
            "keys": of_it,
            "is_signed": manage_keys.ACTIVE in states,
            "waits": any(key.state == manage_keys.ACTIVE and not key.is_readable for key in of_it),
            "may_rotate": manage_keys.ACTIVE in states and manage_keys.PREPARED not in states,
        }


def _back(request: MemberRequest, *, said: str = "", trouble: str = "") -> HttpResponse:
    return go(request, reverse("web:dkim"), said=said, trouble=trouble)
