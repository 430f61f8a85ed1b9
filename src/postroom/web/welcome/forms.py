"""What the first run asks, a few fields a step."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.addresses import is_mail_domain, is_placeholder, normalize, normalize_domain
from postroom.core.terms.alias_values import clean_alias_name
from postroom.web.forms import style

ENCRYPTIONS = [("starttls", "STARTTLS"), ("tls", "TLS"), ("none", gettext_lazy("None"))]


class StepForm(forms.Form):
    """A form of ours with our look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)


class PersonForm(StepForm):
    name = forms.CharField(
        label=gettext_lazy("Your name"),
        max_length=200,
        widget=forms.TextInput({"autocomplete": "name", "autofocus": ""}),
    )
    address = forms.CharField(
        label=gettext_lazy("Your own mail address"),
        max_length=254,
        help_text=gettext_lazy("A real one: alarms and forgotten passwords go there, and you sign in with it."),
        widget=forms.EmailInput({"autocomplete": "username"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=200,
        strip=False,
        help_text=gettext_lazy("At least eight characters, and none that everybody uses."),
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    time_zone = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput({"data-time-zone": ""}))

    def clean_address(self) -> str:
        address = str(self.cleaned_data["address"]).strip()
        normal = normalize(address)
        if not normal:
            raise forms.ValidationError(_("That is no mail address."))
        if is_placeholder(normal):
            raise forms.ValidationError(_("That address is a placeholder: mail to it reaches nobody. Enter your own."))
        return address


class CompanyForm(StepForm):
    company = forms.CharField(label=gettext_lazy("Company"), max_length=200)
    domain = forms.CharField(
        label=gettext_lazy("Mail domain"),
        max_length=253,
        help_text=gettext_lazy("What stands behind the @ of its addresses, such as mycompany.com."),
        widget=forms.TextInput({"spellcheck": "false", "autocomplete": "off", "inputmode": "url"}),
    )

    def clean_domain(self) -> str:
        domain = normalize_domain(str(self.cleaned_data["domain"]).rpartition("@")[2])
        if not is_mail_domain(domain):
            raise forms.ValidationError(_("That is no domain with mail addresses, such as mycompany.com."))
        return domain


class AccountForm(StepForm):
    """Address and password of an account at a provider; what its preset knows may be changed."""

    preset = forms.CharField(max_length=20, required=False, widget=forms.HiddenInput())
    address = forms.CharField(
        label=gettext_lazy("Mail address"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    username = forms.CharField(
        label=gettext_lazy("User name"),
        max_length=320,
        required=False,
        help_text=gettext_lazy("Empty: the address."),
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        max_length=4000,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    host = forms.CharField(
        label=gettext_lazy("Server"),
        max_length=253,
        widget=forms.TextInput({"spellcheck": "false", "autocomplete": "off", "inputmode": "url"}),
    )
    port = forms.IntegerField(label=gettext_lazy("Port"), min_value=1, max_value=65_535)
    encryption = forms.ChoiceField(label=gettext_lazy("Encryption"), choices=ENCRYPTIONS)
    verify_certificate = forms.BooleanField(
        label=gettext_lazy("Verify the certificate"),
        required=False,
        help_text=gettext_lazy("Off only for a server of your own whose certificate nobody vouches for."),
    )

    def clean_address(self) -> str:
        address = normalize(str(self.cleaned_data["address"]).strip())
        if not address:
            raise forms.ValidationError(_("That is no mail address."))
        return address


SUGGESTED = {  # kind -> what stands before the @ of an address for it; those first to which people write most
    "ticket": "support",
    "lead": "sales",
    "sales_order": "orders",
    "applicant": "jobs",
    "invoice": "invoices",
    "purchase_order": "purchasing",
    "contact": "office",
    "task": "tasks",
}


def suggested_names(kinds: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """For each kind an address that people would guess (for kinds of one's own their key), ``""`` where it is taken; the likely ones first."""
    wanted = dict.fromkeys(kinds)
    names = {kind: SUGGESTED.get(kind, kind.replace("_", "-")) for kind in (*SUGGESTED, *wanted) if kind in wanted}
    return {kind: "" if name in taken else name for kind, name in names.items()}


class AliasForm(StepForm):
    name = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=64,
        widget=forms.TextInput({"spellcheck": "false", "autocomplete": "off"}),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Mail to it becomes"))

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], names: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)  # noqa: S101 - for the type checker
        kind.choices = kinds
        kind.widget.attrs["data-suggests"] = json.dumps(names)

    def clean_name(self) -> str:
        name = clean_alias_name(str(self.cleaned_data["name"]).partition("@")[0])
        if not name:
            raise forms.ValidationError(_("Letters and digits are needed, such as support or jobs.berlin."))
        return name
