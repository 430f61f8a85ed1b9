"""My settings: what each person decides for himself."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.mime.markup import html_to_text
from postroom.core.terms.addresses import is_placeholder
from postroom.core.terms.languages import offered_with
from postroom.core.terms.states import Channel
from postroom.flows.change_people import MOST_NAME, MOST_SIGNATURE, OwnSettings, change_own_settings, time_zones
from postroom.flows.manage_people import sessions_of
from postroom.store.models import Member
from postroom.web.forms import style
from postroom.web.members import MemberRequest, for_members
from postroom.web.shell import go, page
from postroom.wiring import ports


class MineForm(forms.Form):
    """As it stands, or as it was typed."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MOST_NAME,
        required=False,
        help_text=gettext_lazy("As others see it, and as it stands in your mails."),
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        help_text=gettext_lazy("Times are shown, and dates are understood, in this zone. Type a city."),
        widget=forms.TextInput({"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        help_text=gettext_lazy("Templates, and the words around messages, are written to you in it."),
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("I hear of messages"),
        choices=[
            (Channel.MAIL.value, gettext_lazy("Handle by emails")),
            (Channel.INBOX.value, gettext_lazy("Handle in Postroom")),
        ],
        help_text=gettext_lazy("By mail to your address, or in the inbox here."),
    )
    signature = forms.CharField(
        label=gettext_lazy("Signature"),
        required=False,
        max_length=MOST_SIGNATURE,
        help_text=gettext_lazy("Stands under what you send by mail. HTML is understood."),
        widget=forms.Textarea({"rows": 4}),
    )
    uses_keys = forms.BooleanField(
        label=gettext_lazy("Keyboard shortcuts"),
        required=False,
        help_text=gettext_lazy("Single keys do something on pages: j and k move, e is done, ? shows them all."),
    )

    def __init__(self, data: Any, *, member: Member) -> None:
        super().__init__(
            data,
            initial={
                "name": member.contact.name,
                "time_zone": member.time_zone,
                "language": member.contact.language,
                "channel": member.channel,
                "signature": _as_typed(member.signature),
                "uses_keys": member.uses_keys,
            },
        )
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)  # noqa: S101 - for the type checker
        language.choices = list(offered_with(member.contact.language))
        style(self)

    def clean_signature(self) -> str:
        """Lines that were typed without a tag stay lines."""
        text = str(self.cleaned_data["signature"]).strip()
        return text if "<" in text else "<br>".join(escape(line.rstrip()) for line in text.splitlines())


def _as_typed(html: str) -> str:
    """A signature of mere lines as lines: nobody who did not write tags is shown some."""
    return html if _TAG.search(html) else html_to_text(html)


_TAG = re.compile(r"<(?!br\s*/?>|/?p>)", re.IGNORECASE)


@for_members("GET", "POST")
def mine(request: MemberRequest) -> HttpResponse:
    """Shown, or changed."""
    form = MineForm(request.POST if request.method == "POST" else None, member=request.member)
    if form.is_valid():
        try:
            change_own_settings(ports(), OwnSettings(**form.cleaned_data), member=request.member)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return go(request, reverse("web:mine"), said=_("Saved."))
    context = {
        "form": form,
        "time_zones": time_zones(),
        "address": request.member.contact.address,
        "is_placeholder": is_placeholder(request.member.contact.address),
        "sessions": _sessions(request),
    }
    return page(request, "postroom/settings/mine.html", _("My settings"), context, status=422 if form.errors else 200)


def _sessions(request: MemberRequest) -> list[dict[str, Any]]:
    """Where I am signed in: until when, and which one this is."""
    return [
        {"until": one.expire_date, "is_this": one.session_key == request.session.session_key}
        for one in sessions_of(request.member)
    ]
