"""A new record, and the choosing of people for it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.addresses import parse_one
from postroom.flows import access
from postroom.flows.records import create_record
from postroom.store.models import Company
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_records import KindFact, colleagues, find_people, people
from postroom.web.forms import style
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.navigation import kinds_of
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports


class RecordForm(forms.Form):
    """A new record. The contact is chosen from those known, or written down as a name and an address."""

    company = forms.TypedChoiceField(label=gettext_lazy("Company"), coerce=int)
    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=500,
        widget=forms.TextInput({"placeholder": gettext_lazy("What is it about?"), "autofocus": True}),
    )
    contact_name = forms.CharField(label=gettext_lazy("Name"), max_length=200, required=False)
    contact_address = forms.CharField(label=gettext_lazy("E-mail address"), max_length=320, required=False)
    stage = forms.ChoiceField(label=gettext_lazy("Stage"), required=False)
    responsible = forms.TypedChoiceField(
        label=gettext_lazy("Responsible"), required=False, coerce=int, empty_value=None
    )

    def __init__(self, data: object, kind: KindFact, request: MemberRequest) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        ids = access.company_ids(request.member)
        self.field("company").choices = list(Company.objects.filter(pk__in=ids).values_list("pk", "name"))
        self.field("stage").choices = [(stage, stage) for stage in kind.stages]
        self.field("responsible").choices = [("", _("Nobody"))] + [(one.id, one.name) for one in colleagues(ids)]
        self.initial = {"company": request.member.company_id, "responsible": request.member.pk}
        style(self)

    def field(self, name: str) -> forms.ChoiceField:
        found = self.fields[name]
        assert isinstance(found, forms.ChoiceField)  # noqa: S101 (for the type checker)
        return found

    def clean(self) -> dict[str, Any]:
        """Nobody is responsible for what another company's people write on."""
        values = super().clean() or self.cleaned_data
        responsible, company = values.get("responsible"), values.get("company")
        if responsible and company and responsible not in {one.id for one in colleagues([company])}:
            words = self.field("responsible").error_messages["invalid_choice"]
            self.add_error("responsible", words % {"value": responsible})
        return values

    def clean_contact_address(self) -> str:
        text = self.cleaned_data["contact_address"]
        if text and parse_one(text) is None:
            raise forms.ValidationError(_("That is no e-mail address."))
        return str(text)


@for_members("GET", "POST")
def new(request: MemberRequest, kind: str) -> HttpResponse:
    """The form for a new record, and the record itself."""
    access.require(request.member, "write")
    chosen = next((one for one in kinds_of(request) if one.key == kind), None)
    if chosen is None:
        raise Http404
    form = RecordForm(request.POST if request.method == "POST" else None, chosen, request)
    contact_id = read_id(request.POST.get("contact", "")) if request.method == "POST" else None
    found = people([contact_id], access.company_ids(request.member)) if contact_id is not None else ()
    if form.is_valid() and found and not people([found[0].id], [form.cleaned_data["company"]]):
        form.add_error("company", _("This contact belongs to another company."))
    if form.is_valid():
        values = form.cleaned_data
        record = create_record(
            ports(),
            company_id=values["company"],
            kind=kind,
            title=values["title"],
            author=request.member,
            contact_id=found[0].id if found else None,
            contact_name=values["contact_name"],
            contact_address=values["contact_address"],
            stage=values["stage"],
            responsible_id=values["responsible"],
        )
        return go(request, reverse("web:record", args=[record.pk]))
    title = _("New: {kind}").format(kind=chosen.label)
    context = {"form": form, "kind": chosen, "contact": found[0] if found else None}
    return page(request, "postroom/records/new.html", title, context, status=422 if form.errors else 200)


@for_members("GET")
def find(request: MemberRequest) -> HttpResponse:
    """People whose name or address has words that begin like this: the list under a search field."""
    found = find_people(access.company_ids(request.member), text_of(request.GET, "who", 200))
    purpose = "follow" if request.GET.get("for") == "follow" else "choose"
    name = "extra" if request.GET.get("name") == "extra" else "contact"
    record = read_id(request.GET.get("record", ""))
    context = {"people": found, "purpose": purpose, "name": name, "record": record}
    return fragment(request, "postroom/records/_found.html", context)


@for_members("GET")
def chosen(request: MemberRequest) -> HttpResponse:
    """A chosen person as a chip with its hidden field."""
    number = read_id(request.GET.get("id", ""))
    found = people([number], access.company_ids(request.member)) if number is not None else ()
    name = "extra" if request.GET.get("name") == "extra" else "contact"
    answer = fragment(request, "postroom/records/_chosen.html", {"people": found, "name": name})
    answer["HX-Trigger-After-Swap"] = "postroom:people"
    return answer
