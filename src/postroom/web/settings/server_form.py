"""The form of an outgoing server, in groups; what a preset fills in, a person may change. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from postroom.store.models import OutgoingServer
from postroom.web.settings.forms import UNCHANGED, SettingForm

_LATER = (  # whoever leaves them out gets the usual values
    "preset",
    "authentication",
    "token_source",
    "max_connections",
    "mails_per_connection",
    "max_message_size",
    "daily_limit",
    "per_minute_limit",
    "warm_up_first_day",
    "warm_up_growth",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Some fields under one heading; folded unless something in them matters now."""

    title: str | Promise
    fields: Sequence[forms.BoundField]
    is_open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Labels and hints of some fields."""

    labels: dict[str, Any]
    helps: dict[str, Any]


LIMIT_TEXTS = Texts(
    labels={
        "max_connections": _("Connections at once"),
        "daily_limit": _("Mails a day"),
        "per_minute_limit": _("Mails a minute"),
        "warm_up_started_on": _("Warm-up began on"),
        "warm_up_first_day": _("Mails on its first day"),
        "warm_up_growth": _("Percent more each day"),
    },
    helps={
        "daily_limit": _("0: no limit. The rest waits until tomorrow."),
        "per_minute_limit": _("0: no limit."),
        "warm_up_started_on": _("Empty: no warm-up."),
        "warm_up_first_day": "",
        "warm_up_growth": "",
    },
)


class Grouped(SettingForm):
    """A form whose fields stand in groups. ``later``: whoever leaves these out gets the usual values."""

    later: Sequence[str] = ()

    @property
    def sections(self) -> tuple[tuple[Any, tuple[str, ...], bool], ...]:
        """Title, fields, and whether it is open."""
        raise AssertionError  # each says its own

    def __init__(self, *args: Any, company_ids: list[int], **kwargs: Any) -> None:
        super().__init__(*args, company_ids=company_ids, **kwargs)
        for name in self.later:
            self.fields[name].required = False

    def groups(self) -> list[Group]:
        """Every visible field once; those that no group names stand in the first."""
        named = {name for _title, names, _is_open in self.sections for name in names}
        others = tuple(field.name for field in self.visible_fields() if field.name not in named)
        found: list[Group] = []
        for title, names, is_open in self.sections:
            wanted = (*names, *others) if not found else names
            fields = [self[name] for name in wanted if name in self.fields]
            matters = any(field.errors or self._differs(field.name) for field in fields)
            found.append(Group(title=title, fields=fields, is_open=is_open or matters))
        return found

    def _differs(self, name: str) -> bool:
        """Whether something else than the usual is stored or filled in."""
        if name == "client_key":
            return False
        usual = getattr(OutgoingServer(), name, None)
        return self[name].value() not in (None, "", usual)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name in self.later:
            if values.get(name) in (None, "") and name not in self.errors:
                values[name] = getattr(self.instance, name)
        return values

    def _post_clean(self) -> None:
        """The flow checks the whole row: it knows more (keys, filters, who uses the server)."""


class ServerForm(Grouped):
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        help_text=UNCHANGED,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    client_key = forms.CharField(
        label=_("Private key of the certificate"),
        required=False,
        help_text=_("PEM. Its passphrase, if it has one, goes into the password."),
        widget=forms.Textarea({"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )

    class Meta:
        model = OutgoingServer
        fields = (
            "preset",
            "name",
            "company",
            "transport",
            "host",
            "port",
            "encryption",
            "verify_certificate",
            "authentication",
            "username",
            "client_certificate",
            "token_source",
            "from_filter",
            "envelope_sender",
            "purpose",
            "priority",
            "max_connections",
            "mails_per_connection",
            "max_message_size",
            "daily_limit",
            "per_minute_limit",
            "warm_up_started_on",
            "warm_up_first_day",
            "warm_up_growth",
            "signs_dkim",
            "is_active",
        )
        labels = LIMIT_TEXTS.labels | {
            "verify_certificate": _("Verify the certificate"),
            "from_filter": _("FROM filter"),
            "is_active": _("In use"),
            "transport": _("Leads to"),
            "signs_dkim": _("Sign with DKIM here"),
            "max_message_size": _("Largest message (bytes)"),
            "mails_per_connection": _("Mails a connection"),
            "client_certificate": _("Client certificate"),
            "token_source": _("Token source"),
        }
        help_texts = LIMIT_TEXTS.helps | {
            "max_message_size": _("0: what the server announces."),
            "signs_dkim": _("Off where the relay signs."),
            "from_filter": _("Addresses and domains this server may send from, separated by commas. Empty: all."),
            "verify_certificate": _("Off only for a server of your own whose certificate nobody vouches for."),
            "is_active": _("Off: archived. Refused while something names it."),
            "token_source": _(
                "google, microsoft, microsoft/TENANT or an https address; the grant goes into the password."
            ),
            "client_certificate": _("PEM, with its chain."),
        }
        widgets = {
            "preset": forms.HiddenInput(),
            "from_filter": forms.Textarea({"rows": 2, "spellcheck": "false"}),
            "client_certificate": forms.Textarea({"rows": 3, "spellcheck": "false"}),
            "warm_up_started_on": forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        }

    later = _LATER
    sections = (
        (_("Connection"), ("name", "company", "transport", "host", "port", "encryption", "verify_certificate"), True),
        (_("Login"), ("username", "password"), True),
        (_("Certificate or OAuth2 token"), ("authentication", "token_source", "client_certificate", "client_key"), False),
        (_("Senders and use"), ("from_filter", "envelope_sender", "purpose", "priority", "signs_dkim", "is_active"), True),
        (_("Limits"), ("daily_limit", "per_minute_limit", "max_connections", "mails_per_connection", "max_message_size"), False),
        (_("Warm-up"), ("warm_up_started_on", "warm_up_first_day", "warm_up_growth"), False),
    )  # fmt: skip

    def __init__(self, *args: Any, company_ids: list[int], **kwargs: Any) -> None:
        super().__init__(*args, company_ids=company_ids, **kwargs)
        transport = self.fields["transport"]
        assert isinstance(transport, forms.ChoiceField)  # noqa: S101 - for the type checker
        transport.choices = [
            one for one in OutgoingServer.TRANSPORTS if one[0] != "api"
        ]  # these have a form of their own
        if self.instance.pk is None:
            self.fields["password"].help_text = ""

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("transport") == "smtp" and not values.get("host"):
            self.add_error("host", _("An SMTP server has a host."))
        return values

    def changes(self, row_id: int | None) -> dict[str, Any]:
        """Without secrets that were not entered, and without what is as it was."""
        found = super().changes(row_id)
        if not found.get("client_key"):
            found.pop("client_key", None)
        if row_id is None:
            return found
        was = {name: getattr(self.instance, name, None) for name in found if name != "password"}
        return {name: value for name, value in found.items() if name == "id" or name not in was or value != was[name]}
