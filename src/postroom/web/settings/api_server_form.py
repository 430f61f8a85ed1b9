"""The form of a server that is a provider's HTTP API: what this provider wants to know, and nothing that only SMTP has.

Laws: the provider of a stored server stays, so that its key is never shown to another one. The key goes in and never comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from postroom.flows.provider_hooks import Option, Provider, list_providers, provider_named
from postroom.store.models import OutgoingServer
from postroom.web.forms import style
from postroom.web.settings.forms import UNCHANGED
from postroom.web.settings.server_form import LIMIT_TEXTS, Grouped

_PREFIX = "option_"
_LATER = ("daily_limit", "per_minute_limit", "max_connections", "warm_up_first_day", "warm_up_growth")


class ApiServerForm(Grouped):
    """Its provider comes from the stored row, from the form, or from the page's address (``initial``)."""

    provider = forms.CharField(widget=forms.HiddenInput())
    password = forms.CharField(
        required=False,
        help_text=UNCHANGED,
        widget=forms.PasswordInput({"autocomplete": "new-password", "spellcheck": "false"}),
    )

    class Meta:
        model = OutgoingServer
        fields = (
            "provider",
            "name",
            "company",
            "from_filter",
            "purpose",
            "priority",
            "max_connections",
            "daily_limit",
            "per_minute_limit",
            "warm_up_started_on",
            "warm_up_first_day",
            "warm_up_growth",
            "is_active",
        )
        labels = LIMIT_TEXTS.labels | {"from_filter": _("FROM filter"), "is_active": _("In use")}
        help_texts = LIMIT_TEXTS.helps | {
            "from_filter": _("Addresses and domains this server may send from, separated by commas. Empty: all."),
            "is_active": _("Off: archived. Refused while something names it."),
        }
        widgets = {
            "from_filter": forms.Textarea({"rows": 2, "spellcheck": "false"}),
            "warm_up_started_on": forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        }

    later = _LATER

    def __init__(self, *args: Any, company_ids: list[int], **kwargs: Any) -> None:
        super().__init__(*args, company_ids=company_ids, **kwargs)
        self.chosen = self._chosen()
        stored = self.instance.provider_options if self.instance.pk else {}
        for option in self.chosen.options:
            self.fields[f"{_PREFIX}{option.name}"] = _field(option, str(stored.get(option.name, "") or option.default))
        key = self.fields["password"]
        key.label, key.help_text = self.chosen.key_label, f"{_(self.chosen.key_help)} {key.help_text}"
        if self.instance.pk is None:
            key.help_text, key.required = _(self.chosen.key_help), True
        style(self)

    def _chosen(self) -> Provider:
        if self.instance.pk:
            return provider_named(self.instance.provider) or list_providers()[0]
        name = str(self.data.get("provider", "") or self.initial.get("provider", ""))
        return provider_named(name) or list_providers()[0]

    @property
    def sections(self) -> tuple[tuple[Any, tuple[str, ...], bool], ...]:
        options = tuple(f"{_PREFIX}{option.name}" for option in self.chosen.options)
        return (
            (_("Account"), ("name", "company", *options, "password"), True),
            (_("Senders and use"), ("from_filter", "purpose", "priority", "is_active"), True),
            (_("Limits"), ("daily_limit", "per_minute_limit", "max_connections"), False),
            (_("Warm-up"), ("warm_up_started_on", "warm_up_first_day", "warm_up_growth"), False),
        )

    def changes(self, row_id: int | None) -> dict[str, Any]:
        """The options together, as they are stored; what no field is for (a stand-in's address) stays."""
        found = super().changes(row_id)
        found.pop("provider", None)
        given = {name.removeprefix(_PREFIX): found.pop(name) for name in list(found) if name.startswith(_PREFIX)}
        kept: Mapping[str, Any] = self.instance.provider_options if row_id is not None else {}
        if row_id is None:
            found |= {"transport": "api", "provider": self.chosen.name, "signs_dkim": False, "provider_options": given}
        elif given:
            found["provider_options"] = {**kept, **given}
        return found


def _field(option: Option, value: str) -> forms.Field:
    label, hint = _(option.label), _(option.help) if option.help else ""
    if option.choices:
        choices = [(key, _(word)) for key, word in option.choices]
        return forms.ChoiceField(label=label, help_text=hint, required=option.required, choices=choices, initial=value)
    return forms.RegexField(
        rf"\A(?:{option.pattern})\Z",
        label=label,
        help_text=hint,
        required=option.required,
        initial=value,
        max_length=500,
        widget=forms.TextInput({"spellcheck": "false", "autocomplete": "off"}),
    )
