"""Mailboxes: presets that fill the form, how each fares, and what a person can do: Test & Confirm, Fetch Now, Reconcile, Reset."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.db import models
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.mailboxes import MailboxTrouble
from postroom.flows import access
from postroom.flows.change_mailbox import LOCKED, MailboxMistake, mistakes
from postroom.flows.connect_account import provider_of
from postroom.flows.fetch_mailbox import request_fetch
from postroom.flows.mailbox_facts import MailboxState, preset, preset_of_host, presets, standing_of, state_of
from postroom.flows.reconcile_mailbox import request_reconciliation
from postroom.flows.reset_mailbox import ResetTo, reset_mailbox
from postroom.flows.settings import save_mailbox
from postroom.flows.test_mailbox import read_mailbox_test, test_mailbox
from postroom.store.models import Mailbox
from postroom.store.queries import pages_settings as read
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.settings.forms import UNCHANGED, SettingForm
from postroom.web.settings.server_form import Group
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports

_TONES = {
    MailboxState.OFF: ("quiet", "off"),
    MailboxState.UNCONFIRMED: ("warn", "not_confirmed"),
    MailboxState.TROUBLE: ("bad", "trouble"),
    MailboxState.UNSETTLED: ("warn", "unsettled"),
    MailboxState.WATCHED: ("ok", "watched"),
    MailboxState.WAITING: ("ok", "ready"),
}

AFTERWARDS = [
    ("mark_seen", gettext_lazy("Mark it as read")),
    ("nothing", gettext_lazy("Leave it as it is")),
    ("move", gettext_lazy("Move it to a folder")),
    ("delete", gettext_lazy("Delete it there")),
]
_MISTAKES = {
    MailboxMistake.NO_TOKEN_SOURCE: gettext_lazy(
        "Say who gives the tokens: google, microsoft, microsoft/TENANT or an https address."
    ),
    MailboxMistake.NOTHING_TO_MARK: gettext_lazy(
        "POP3 has no folders and no marks: leave the mail there, or delete it."
    ),
    MailboxMistake.NO_FOLDER: gettext_lazy("Into which folder?"),
}


class MailboxForm(SettingForm):
    password = forms.CharField(
        label=gettext_lazy("Password (or grant of the token)"),
        required=False,
        strip=False,
        help_text=UNCHANGED,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    after_fetch = forms.ChoiceField(
        label=gettext_lazy("After fetching"),
        choices=AFTERWARDS,
        help_text=gettext_lazy("Done once the mail is safe here."),
    )
    move_to = forms.CharField(
        label=gettext_lazy("Folder to move to"),
        required=False,
        max_length=190,
        help_text=gettext_lazy("With IMAP, where mail is moved."),
        widget=forms.TextInput({"spellcheck": "false"}),
    )
    field_order = (
        "preset", "name", "protocol", "host", "port", "encryption", "username", "password", "authentication",
        "token_source", "verify_certificate", "company", "folder", "after_fetch", "move_to",
    )  # fmt: skip
    sections = (
        (gettext_lazy("Connection"), ("name", "company", "protocol", "host", "port", "encryption", "verify_certificate"), True),
        (gettext_lazy("Login"), ("username", "password", "authentication", "token_source"), True),
        (gettext_lazy("What is fetched"), ("folder", "after_fetch", "move_to", "interval_seconds", "is_active"), True),
        (gettext_lazy("More"), ("fallback_kind", "priority", "authserv_ids"), False),
    )  # fmt: skip

    class Meta:
        model = Mailbox
        fields = (
            "preset",
            "name",
            "company",
            "protocol",
            "host",
            "port",
            "encryption",
            "verify_certificate",
            "username",
            "authentication",
            "token_source",
            "folder",
            "fallback_kind",
            "authserv_ids",
            "priority",
            "interval_seconds",
            "is_active",
        )
        labels = {
            "verify_certificate": gettext_lazy("Verify the certificate"),
            "authentication": gettext_lazy("Login by"),
            "token_source": gettext_lazy("Token source"),
            "fallback_kind": gettext_lazy("Otherwise it becomes"),
            "authserv_ids": gettext_lazy("Servers whose word on senders counts"),
            "interval_seconds": gettext_lazy("Fetch every (seconds)"),
            "is_active": gettext_lazy("In use"),
        }
        help_texts = {
            "verify_certificate": gettext_lazy(
                "Off only for a server of your own whose certificate nobody vouches for."
            ),
            "folder": gettext_lazy("With IMAP; POP3 has one alone."),
            "interval_seconds": gettext_lazy(
                "Where the server tells of new mail by itself (IDLE), this is the longest pause."
            ),
        }
        widgets = {"preset": forms.HiddenInput()}

    def __init__(self, *args: Any, company_ids: list[int], **kwargs: Any) -> None:
        super().__init__(*args, company_ids=company_ids, **kwargs)
        for name in ("preset", "authentication", "token_source"):
            self.fields[name].required = False
        word, _colon, folder = str(self.instance.after_fetch).partition(":")
        self.initial.update({"after_fetch": word, "move_to": folder})
        if self.instance.pk is None:
            self.fields["password"].help_text = ""
        if self.instance.is_confirmed:
            for name in LOCKED:
                self.fields[name].disabled = True

    def groups(self) -> list[Group]:
        """Every visible field once."""
        return [
            Group(
                title=title,
                fields=[self[name] for name in names if name in self.fields],
                is_open=is_open or any(self[name].errors for name in names if name in self.fields),
            )
            for title, names, is_open in self.sections
        ]

    def changes(self, row_id: int | None) -> dict[str, Any]:
        """The two fields of what happens afterwards are one column."""
        found = super().changes(row_id)
        if {"after_fetch", "move_to"} & found.keys():
            found.pop("move_to", None)
            found["after_fetch"] = self.cleaned_data["after_fetch"]
            if found["after_fetch"] == "move":
                found["after_fetch"] = f"move:{self.cleaned_data['move_to']}"
        return found

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name in ("preset", "authentication"):
            if not values.get(name):
                values[name] = getattr(self.instance, name)
        folder = str(values.get("move_to") or "").strip()
        for mistake in mistakes(
            protocol=str(values.get("protocol")),
            authentication=str(values.get("authentication")),
            token_source=str(values.get("token_source") or ""),
            after=str(values.get("after_fetch")),
            folder=folder,
        ):
            self.add_error(mistake.value, _MISTAKES[mistake])
        values["move_to"] = folder
        return values


def rows(company_ids: list[int]) -> tuple[read.SettingRow, ...]:
    """The mailboxes of these companies, with their states."""
    now = ports().clock.now()
    found = Mailbox.objects.filter(company_id__in=company_ids).select_related("company")
    return tuple(_row(one, state_of(one, now)) for one in found[: read.MOST])


def _row(mailbox: Mailbox, state: MailboxState) -> read.SettingRow:
    tone, word = _TONES[state]
    return read.SettingRow(
        id=mailbox.pk,
        name=mailbox.name,
        about=f"{mailbox.username} · {mailbox.protocol.upper()} {mailbox.host}:{mailbox.port}",
        company=mailbox.company.name,
        is_active=mailbox.is_active,
        tone=tone,
        word=word,
        trouble=mailbox.last_error,
        is_unverified=mailbox.encryption != "none" and not mailbox.verify_certificate,
    )


def initial(request: MemberRequest) -> Mapping[str, Any]:
    """What the preset in the page's address fills in."""
    key = text_of(request.GET, "preset", 20)
    if not key:
        return {}
    chosen = preset(key)
    values = chosen.values(text_of(request.GET, "protocol", 4) or "imap")
    return {**values, "name": chosen.label} if request.path.endswith("/new/") else values


def more(request: MemberRequest, row: models.Model, form: SettingForm) -> Mapping[str, Any]:
    """What the mailbox's page shows beside its fields."""
    assert isinstance(row, Mailbox)  # noqa: S101 - the section says so
    chosen = preset(str(form["preset"].value() or "custom"))
    if chosen.key == "custom":
        chosen = preset_of_host(str(form["host"].value() or ""))
    is_stored = bool(row.pk)
    standing = standing_of(ports(), row) if is_stored else None
    tested = read_mailbox_test(row.test_result)
    told = tested.reply if tested is not None and not tested.is_ok else ""
    tone, word = _TONES[standing.state] if standing else ("quiet", "")
    return {
        "presets": presets(),
        "chosen": chosen,
        "is_chosen": is_stored or "preset" in request.GET or form.is_bound,
        "standing": standing,
        "tone": tone,
        "word": word,
        "is_unverified": is_stored and row.encryption != "none" and not row.verify_certificate,
        "tested": tested,
        "is_told_below": bool(standing and standing.last_error and standing.last_error == told),
        "connects": provider_of(row) if is_stored else None,
        "pipe": _pipe_command(),
    }


def _pipe_command() -> str:
    """How a mail server on this machine hands in mail by itself."""
    program = Path(sys.argv[0]).resolve().with_name("postroom")
    found = program if program.exists() else Path(sys.executable).with_name("postroom")
    return f"{found} receive --mail-from ${{sender}} --rcpt ${{recipient}}"


@for_members("POST")
def unconfirm(request: MemberRequest, row_id: int) -> HttpResponse:
    """Reset Confirmation: its fields open again, and it is not read before the next test."""
    found = Mailbox.objects.filter(pk=row_id, company_id__in=access.company_ids(request.member)).first()
    if found is None:
        raise Http404
    save_mailbox(ports(), {"id": row_id, "is_confirmed": False, "confirmed_at": None}, member=request.member)
    said = _("It is not fetched from until the next Test & Confirm. Its fields can be changed now.")
    return go(request, _page_of(row_id), said=said)


@for_members("POST")
def test(request: MemberRequest, row_id: int) -> HttpResponse:
    """Test & Confirm. The result is a piece of the mailbox's page."""
    try:
        leave = request.POST.get("leave") == "1"
        found = test_mailbox(ports(), row_id, member=request.member, leave_old_mail=leave)
    except Mailbox.DoesNotExist:
        raise Http404 from None
    if is_fragment(request):
        return fragment(request, "postroom/settings/_mailbox_test.html", {"tested": found})
    return go(request, f"{_page_of(row_id)}#test")


@for_members("POST")
def fetch(request: MemberRequest, row_id: int) -> HttpResponse:
    """Fetch Now, in the background."""
    try:
        was_deferred = request_fetch(ports(), row_id, member=request.member)
    except Mailbox.DoesNotExist:
        raise Http404 from None
    said = _("It is fetched from in a moment.") if was_deferred else _("It waits to be fetched from already.")
    return go(request, _page_of(row_id), said=said)


@for_members("POST")
def reconcile(request: MemberRequest, row_id: int) -> HttpResponse:
    """Compare with the server, in the background."""
    try:
        was_deferred = request_reconciliation(ports(), row_id, member=request.member)
    except Mailbox.DoesNotExist:
        raise Http404 from None
    said = _("It is compared in a moment.") if was_deferred else _("It waits to be compared already.")
    return go(request, _page_of(row_id), said=said)


@for_members("GET", "POST")
def reset(request: MemberRequest, row_id: int) -> HttpResponse:
    """Asked once by the page that explains it, and again by its button."""
    access.require(request.member, "settings")
    mailbox = Mailbox.objects.filter(pk=row_id, company_id__in=access.company_ids(request.member)).first()
    to = text_of(request.POST if request.method == "POST" else request.GET, "to", 10)
    if mailbox is None or to not in set(ResetTo):
        raise Http404
    if request.method == "POST":
        try:
            reset_mailbox(ports(), row_id, ResetTo(to), member=request.member)
        except MailboxTrouble as trouble:
            return go(request, _page_of(row_id), trouble=_("Where its end is cannot be asked now: %s") % trouble.text)
        said = _("It is read from its beginning again.") if to == "beginning" else _("It is read on from its end.")
        return go(request, _page_of(row_id), said=said)
    return page(request, "postroom/settings/mailbox_reset.html", _("Reset %s") % mailbox, {"row": mailbox, "to": to})


def _page_of(row_id: int) -> str:
    return reverse("web:mailbox", args=[row_id])
