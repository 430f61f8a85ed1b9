"""The forms of the settings. Labels and help come from the models; secrets go in and never come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.alias_values import AliasValueError, Plain, as_lines, clean_alias_name, read_lines
from postroom.core.terms.languages import read_language
from postroom.core.terms.states import AliasPolicy
from postroom.store.models import Alias, AliasDomain, MailTemplate, Member
from postroom.web.forms import style

if TYPE_CHECKING:
    AnyModelForm = forms.ModelForm[Any]
else:
    AnyModelForm = forms.ModelForm  # not subscriptable while running

UNCHANGED = _("Leave empty to keep the one that is stored.")


class SettingForm(AnyModelForm):
    """A form whose values a flow stores. ``company_ids`` are the companies that the member may choose; ``folded``: fields that few need."""

    folded: tuple[str, ...] = ()

    def __init__(self, *args: Any, company_ids: list[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        company = self.fields.get("company")
        if isinstance(company, forms.ModelChoiceField) and company.queryset is not None:
            company.queryset = company.queryset.filter(pk__in=company_ids)
        style(self)

    def first_fields(self) -> list[forms.BoundField]:
        """Those that everybody needs."""
        return [field for field in self.visible_fields() if field.name not in self.folded]

    def folded_fields(self) -> list[forms.BoundField]:
        """Those that few need."""
        return [field for field in self.visible_fields() if field.name in self.folded]

    def is_unfolded(self) -> bool:
        """Whether something in them matters: it is filled in, or wrong."""
        return any(field.errors or field.value() not in (None, "", False) for field in self.folded_fields())

    def changes(self, row_id: int | None) -> dict[str, Any]:
        """What a flow stores: what was changed (of a new row everything), related rows by their ids."""
        found: dict[str, Any] = {"id": row_id}
        for name, value in self.cleaned_data.items():
            if name not in self.changed_data and (row_id is not None or name == "password"):
                continue
            if isinstance(self.fields[name], forms.ModelChoiceField):
                found[f"{name}_id"] = value.pk if value is not None else None
            else:
                found[name] = value
        return found


class DomainForm(SettingForm):
    class Meta:
        model = AliasDomain
        fields = ("name", "bounce_alias", "catchall_alias", "default_from", "priority")
        labels = {
            "name": _("Domain"),
            "bounce_alias": _("Bounce address, before the @"),
            "catchall_alias": _("Catchall address, before the @"),
            "default_from": _("Default From"),
        }

    def clean_name(self) -> str:
        domain = normalize_domain(self.cleaned_data["name"])
        if not domain:
            raise forms.ValidationError(_("That is no domain name."))
        return domain


POLICIES = [
    (AliasPolicy.EVERYONE.value, _("Everyone")),
    (AliasPolicy.KNOWN_CONTACTS.value, _("Known contacts")),
    (AliasPolicy.FOLLOWERS.value, _("Followers of its record")),
    (AliasPolicy.COLLEAGUES.value, _("Colleagues")),
]


class AliasForm(SettingForm):
    folded = ("forced_record", "owner_record", "defaults", "matches_local_part", "refusal_text", "is_given_up")

    defaults = forms.CharField(
        label=_("Its records begin with"),
        required=False,
        help_text=_("A line each: stage = In progress, title = Order, or a value of the kind."),
        widget=forms.Textarea({"rows": 3, "class": "pr-input pr-source", "spellcheck": "false"}),
    )
    is_given_up = forms.BooleanField(
        label=_("Given up"),
        required=False,
        help_text=_("Mail to it is still taken, for those who answer old mails."),
    )

    class Meta:
        model = Alias
        fields = (
            "name",
            "domain",
            "kind",
            "company",
            "policy",
            "responsible",
            "forced_record",
            "owner_record",
            "defaults",
            "matches_local_part",
            "refusal_text",
        )
        labels = {
            "name": _("Before the @"),
            "kind": _("Mail becomes"),
            "policy": _("Who may write"),
            "forced_record": _("Always this record (its number)"),
            "owner_record": _("Belongs to this record (its number)"),
            "matches_local_part": _("Match what stands before the @ alone"),
            "refusal_text": _("What refused people are told"),
        }
        widgets = {
            "forced_record": forms.NumberInput(),
            "owner_record": forms.NumberInput(),
            "refusal_text": forms.Textarea({"rows": 4}),
        }
        help_texts = {"refusal_text": _("Plain text or HTML; empty: our own words. Told once a day at most.")}

    def __init__(self, *args: Any, company_ids: list[int], **kwargs: Any) -> None:
        super().__init__(*args, company_ids=company_ids, **kwargs)
        self.initial["defaults"] = as_lines(self.instance.defaults).replace("\n", "\r\n")  # as browsers send it
        self.initial["is_given_up"] = self.instance.retired_at is not None
        for name in ("forced_record", "owner_record"):
            record = self.fields[name]
            if isinstance(record, forms.ModelChoiceField) and record.queryset is not None:
                record.queryset = record.queryset.filter(company_id__in=company_ids)
        policy = self.fields["policy"]
        if isinstance(policy, forms.ChoiceField):
            policy.choices = POLICIES
        responsible = self.fields["responsible"]
        if isinstance(responsible, forms.ModelChoiceField):
            members = Member.objects.filter(company_id__in=company_ids)
            responsible.queryset = members.select_related("contact")

    def clean_name(self) -> str:
        name = clean_alias_name(str(self.cleaned_data["name"]))
        if not name:
            raise forms.ValidationError(_("Letters and digits are needed, such as support or jobs.berlin."))
        return name

    def clean_defaults(self) -> dict[str, Plain]:
        try:
            return read_lines(str(self.cleaned_data["defaults"]))
        except AliasValueError as error:
            raise forms.ValidationError(str(error)) from None

    def changes(self, row_id: int | None) -> dict[str, Any]:
        found = super().changes(row_id)
        if "is_given_up" in found:
            found["retired_at"] = timezone.now() if found.pop("is_given_up") else None
        return found


class TemplateForm(SettingForm):
    class Meta:
        model = MailTemplate
        fields = (
            "name",
            "company",
            "kind",
            "language",
            "subject",
            "html",
            "from_address",
            "reply_to",
            "server",
            "is_active",
        )
        labels = {
            "kind": _("For records of this kind"),
            "html": _("Text (HTML)"),
            "from_address": _("From"),
            "reply_to": _("Answers go to"),
            "server": _("Outgoing server"),
            "is_active": _("In use"),
        }

    def __init__(self, *args: Any, company_ids: list[int], **kwargs: Any) -> None:
        super().__init__(*args, company_ids=company_ids, **kwargs)
        server = self.fields["server"]
        if isinstance(server, forms.ModelChoiceField) and server.queryset is not None:
            server.queryset = server.queryset.filter(Q(company=None) | Q(company_id__in=company_ids), is_active=True)
        self.fields["html"].widget.attrs.update({"rows": 14, "class": "pr-input pr-source", "spellcheck": "false"})

    def clean_language(self) -> str:
        language = read_language(self.cleaned_data["language"])
        if not language:
            raise forms.ValidationError(_("A language such as en, de or pt-br."))
        return language


class ActionForm(forms.Form):
    """How often something happens by itself."""

    minutes = forms.IntegerField(label=_("Every (minutes)"), min_value=1, max_value=60 * 24 * 366)
    is_active = forms.BooleanField(label=_("Active"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)
