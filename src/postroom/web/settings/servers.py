"""Outgoing servers: presets that fill the form, the server of the configuration beside the others, and Test Connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.terms.addresses import normalize
from postroom.flows.connect_account import provider_of
from postroom.flows.explain_trouble import explain_trouble
from postroom.flows.provider_hooks import (
    list_providers,
    provider_named,
    read_hook,
    renew_hook,
    set_signing_secret,
    show_hook,
)
from postroom.flows.server_presets import port_advice, preset, preset_of_host, presets
from postroom.flows.settings import parameters, release_server
from postroom.flows.test_server import read_test, test_server
from postroom.store.models import OutgoingServer
from postroom.store.queries import pages_settings as read
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.settings.api_server_form import ApiServerForm
from postroom.web.settings.forms import SettingForm
from postroom.web.shell import back, fragment, go
from postroom.wiring import ports


def rows(company_ids: list[int]) -> tuple[read.SettingRow, ...]:
    """Those of the database; that of the configuration behind them, to be seen and not changed."""
    return (*read.servers(company_ids), *_configured())


def _configured() -> tuple[read.SettingRow, ...]:
    configuration = ports().configuration
    if not configuration.server_host:
        return ()
    from_filter = parameters(ports()).text("mail.default.from_filter") or configuration.from_filter
    place = f"{configuration.server_host}:{configuration.server_port}"
    row = read.SettingRow(
        id=0,
        name=_("Default server of the configuration"),
        about=" · ".join(filter(None, (place, from_filter, _("changed in postroom.toml")))),
        tone="info",
        word="configuration",
    )
    return (row,)


def initial(request: MemberRequest) -> Mapping[str, Any]:
    """What the preset in the page's address fills in."""
    chosen_provider = provider_named(_provider(request))
    if chosen_provider is not None and request.path.endswith("/new/"):
        return {"provider": chosen_provider.name, "name": chosen_provider.label}
    key = text_of(request.GET, "preset", 20)
    if not key:
        return {}
    chosen = preset(key)
    return {**chosen.values(), "name": chosen.label} if request.path.endswith("/new/") else chosen.values()


def look(request: MemberRequest, row: models.Model) -> tuple[type[SettingForm], str] | None:
    """A provider's API has a form of its own."""
    assert isinstance(row, OutgoingServer)  # noqa: S101 - the section says so
    is_api = row.transport == "api" if row.pk else bool(_provider(request))
    return (ApiServerForm, "postroom/settings/api_server.html") if is_api else None


def _provider(request: MemberRequest) -> str:
    """The one that the page's address, or the form, names; ``""`` for none that there is."""
    name = text_of(request.POST, "provider", 30) or text_of(request.GET, "provider", 30)
    return name if provider_named(name) else ""


def more(request: MemberRequest, row: models.Model, form: SettingForm) -> Mapping[str, Any]:
    """What the server's page shows beside its fields."""
    assert isinstance(row, OutgoingServer)  # noqa: S101 - the section says so
    if isinstance(form, ApiServerForm):
        return _more_of_api(request, row, form)
    key = form["preset"].value() or "custom"
    chosen = preset(str(key))
    if chosen.key == "custom":
        chosen = preset_of_host(str(form["host"].value() or ""))
    is_stored = bool(row.pk)
    form.fields["username"].help_text = _(chosen.username_hint)
    is_smtp = is_stored and row.transport == "smtp"
    return {
        "explained": explain_trouble(row),
        "presets": presets(),
        "providers": () if is_stored else list_providers(),
        "chosen": chosen,
        "is_chosen": is_stored or "preset" in request.GET or form.is_bound,
        "advice": port_advice(row.host, row.port, row.encryption, has_login=bool(row.username)) if is_smtp else "",
        "is_unverified": is_smtp and row.encryption != "none" and not row.verify_certificate,
        "can_test": is_smtp,
        "tested": read_test(row.test_result),
        "connects": provider_of(row) if is_smtp else None,
    }


def _more_of_api(request: MemberRequest, row: OutgoingServer, form: ApiServerForm) -> Mapping[str, Any]:
    return {
        "provider": form.chosen,
        "presets": presets(),
        "providers": () if row.pk else list_providers(),
        "is_chosen": False,
        "can_test": bool(row.pk),
        "tested": read_test(row.test_result),
        "hook": read_hook(ports(), row.pk, member=request.member) if row.pk else None,
    }


@for_members("POST")
def hook(request: MemberRequest, row_id: int) -> HttpResponse:
    """Where the provider tells what became of mails: an address is made (anew), or what signs its events is entered."""
    said = ""
    try:
        match request.POST.get("step", ""):
            case "make":
                show_hook(ports(), row_id, member=request.member)
                said = _("The address is made: enter it at the provider.")
            case "renew":
                renew_hook(ports(), row_id, member=request.member)
                said = _("The former address is dead: enter the new one at the provider.")
            case "secret":
                secret = str(request.POST.get("secret", ""))
                if not secret.strip():
                    return go(request, f"{_page_of(row_id)}#events", trouble=_("Nothing was entered."))
                set_signing_secret(ports(), row_id, secret, member=request.member)
                said = _("Events that are not signed with it are not believed from now on.")
            case "forget":
                set_signing_secret(ports(), row_id, "", member=request.member)
                said = _("What signed the events is forgotten.")
            case _:
                raise Http404
    except OutgoingServer.DoesNotExist:
        raise Http404 from None
    except ValueError as trouble:
        return go(request, f"{_page_of(row_id)}#events", trouble=str(trouble))
    return go(request, f"{_page_of(row_id)}#events", said=said)


@for_members("POST")
def release(request: MemberRequest, row_id: int) -> HttpResponse:
    """The rate that the server asked for is forgotten."""
    try:
        server = release_server(ports(), row_id, member=request.member)
    except OutgoingServer.DoesNotExist:
        raise Http404 from None
    said = _("{server} is not slowed down any more.").format(server=server.name)
    return go(request, back(request, _page_of(row_id)), said=said)


def after_saving(request: MemberRequest, key: str, saved: models.Model) -> str:
    """Where one goes: to the list, or with Save and test to the server itself."""
    if "stay" in request.POST and key in ("servers", "mailboxes"):
        return reverse("web:server" if key == "servers" else "web:mailbox", args=[saved.pk])
    return reverse(f"web:{key}")


@for_members("POST")
def test(request: MemberRequest, row_id: int) -> HttpResponse:
    """Test Connection. The result is a piece of the server's page."""
    to = text_of(request.POST, "to", 254)
    if to and not normalize(to):
        return go(request, _page_of(row_id), trouble=_("The recipient of the test is no mail address."))
    try:
        found = test_server(ports(), row_id, member=request.member, to=to)
    except OutgoingServer.DoesNotExist:
        raise Http404 from None
    if is_fragment(request) and row_id:
        return fragment(request, "postroom/settings/_server_test.html", {"tested": found})
    if row_id:
        return go(request, f"{_page_of(row_id)}#test")
    said = "" if found.is_ok else f"{found.cause} {found.cure}"
    return go(request, _page_of(row_id), said=str(found.cause) if found.is_ok else "", trouble=said)


def _page_of(row_id: int) -> str:
    return reverse("web:server", args=[row_id]) if row_id else reverse("web:servers")
