"""Connect with Google or Microsoft: our registration there, the way to the provider's own pages, and the way back.

Laws: the way back is a GET, as the protocol wants it; it counts once, within a quarter of an hour, and only for the browser and the
member that began it (the state is kept with the session).
"""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.oauth import TokenProvider
from postroom.core.terms.secret import Secret
from postroom.flows import access
from postroom.flows import connect_account as flow
from postroom.store.models import Mailbox, OutgoingServer
from postroom.web.forms import style, tell
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import go, page
from postroom.wiring import ports

_KEPT = "postroom-consents"
_LASTS = 900.0  # seconds
_MOST = 5


class ClientForm(forms.Form):
    client_id = forms.CharField(
        label=gettext_lazy("Client ID"),
        max_length=300,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    client_secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        max_length=1000,
        required=False,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    tenant = forms.CharField(
        label=gettext_lazy("Directory (tenant) ID"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Empty: accounts of every organisation."),
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any, *, client: flow.ClientFact) -> None:
        super().__init__(data, initial={"client_id": client.client_id, "tenant": client.tenant})
        if client.provider is not TokenProvider.MICROSOFT:
            del self.fields["tenant"]
        if client.has_secret:
            self.fields["client_secret"].help_text = _("Leave empty to keep the one that is stored.")
        style(self)


def redirect_uri(request: MemberRequest) -> str:
    """What the provider has to know: the address by which people reach us."""
    base = ports().configuration.base_url
    path = reverse("web:consent_back")
    return f"{base.rstrip('/')}{path}" if base else request.build_absolute_uri(path)


@for_members("GET", "POST")
def connect(request: MemberRequest, kind: str, row_id: int) -> HttpResponse:
    """What is needed, and the button. A registration is entered once for the house."""
    row = _target(request, kind, row_id)
    provider = _provider(request, row)
    if provider is None:
        raise Http404
    client = flow.client_of(provider)
    step = request.POST.get("step", "")
    form = ClientForm(request.POST if step == "client" else None, client=client)
    if step == "start":
        return _go_there(request, kind, row, provider)
    if form.is_valid():
        try:
            values = {"tenant": "", **form.cleaned_data}
            flow.save_client(ports(), provider, **values, member=request.member)
        except ValidationError as error:
            tell(form, error)
        else:
            return go(request, f"{request.path}?provider={provider.value}", said=_("Saved."))
    context = {
        "row": row,
        "kind": kind,
        "client": client,
        "form": form,
        "redirect_uri": redirect_uri(request),
        "may_register": access.is_house_administrator(request.member),
        "row_place": _place(kind, row_id),
    }
    title = _("Connect with {provider}").format(provider=client.place.label)
    return page(request, "postroom/settings/connect.html", title, context, status=422 if form.errors else 200)


def _go_there(
    request: MemberRequest, kind: str, row: OutgoingServer | Mailbox, provider: TokenProvider
) -> HttpResponse:
    """A page with a link, followed by itself: the policy of our pages lets no form lead elsewhere."""
    try:
        begun = flow.begin_consent(ports(), row, provider, redirect=redirect_uri(request))
    except flow.NoConsent as trouble:
        return go(request, request.path, trouble=str(trouble))
    kept = {state: one for state, one in request.session.get(_KEPT, {}).items() if time.time() - one["at"] < _LASTS}
    while len(kept) >= _MOST:
        kept.pop(next(iter(kept)))
    kept[begun.state] = {
        "kind": kind,
        "id": row.pk,
        "provider": provider.value,
        "verifier": ports().vault.seal(begun.verifier).decode("ascii"),
        "member": request.member.pk,
        "at": time.time(),
    }
    request.session[_KEPT] = kept
    context = {"url": begun.url, "label": flow.client_of(provider).place.label}
    answer = page(request, "postroom/settings/connect_go.html", context["label"], context)
    answer["Cache-Control"] = "no-store"
    return answer


@for_members("GET")
def back(request: MemberRequest) -> HttpResponse:
    """The person comes back with a code, or with a no."""
    kept = dict(request.session.get(_KEPT, {}))
    begun = kept.pop(text_of(request.GET, "state", 100), None)
    if begun is None or begun["member"] != request.member.pk or time.time() - begun["at"] > _LASTS:
        trouble = _("This consent was not begun here, or took longer than a quarter of an hour. Begin it again.")
        return go(request, reverse("web:settings"), trouble=trouble)
    request.session[_KEPT] = kept  # it counts once
    place = _place(begun["kind"], begun["id"])
    said_no = text_of(request.GET, "error", 100)
    if said_no:
        more = text_of(request.GET, "error_description", 300)
        return go(request, place, trouble=_("No consent was given: %s") % " ".join(filter(None, (said_no, more))))
    try:
        flow.finish_consent(
            ports(),
            begun["kind"],
            begun["id"],
            TokenProvider(begun["provider"]),
            code=Secret(text_of(request.GET, "code", 4000)),
            verifier=ports().vault.open(begun["verifier"].encode("ascii")),
            redirect=redirect_uri(request),
            member=request.member,
        )
    except flow.NoConsent as trouble:
        return go(request, place, trouble=str(trouble))
    except (OutgoingServer.DoesNotExist, Mailbox.DoesNotExist):
        raise Http404 from None
    return go(request, f"{place}#test", said=_("Connected. Test it now."))


def _target(request: MemberRequest, kind: str, row_id: int) -> OutgoingServer | Mailbox:
    if kind not in ("server", "mailbox"):
        raise Http404
    try:
        return flow.target_of(kind, row_id, member=request.member)
    except (OutgoingServer.DoesNotExist, Mailbox.DoesNotExist):
        raise Http404 from None


def _provider(request: MemberRequest, row: OutgoingServer | Mailbox) -> TokenProvider | None:
    named = text_of(request.POST, "provider", 20) or text_of(request.GET, "provider", 20)
    return TokenProvider(named) if named in set(TokenProvider) else flow.provider_of(row)


def _place(kind: str, row_id: int) -> str:
    return reverse("web:server" if kind == "server" else "web:mailbox", args=[row_id])
