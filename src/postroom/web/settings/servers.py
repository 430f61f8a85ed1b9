"""Outgoing servers: presets that fill the form, the server of the configuration beside the others, and Test Connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.terms.addresses import normalize
from postroom.flows.explain_trouble import explain_trouble
from postroom.flows.server_presets import port_advice, preset, preset_of_host, presets
from postroom.flows.settings import parameters
from postroom.flows.test_server import read_test, test_server
from postroom.store.models import OutgoingServer
from postroom.store.queries import pages_settings as read
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.settings.forms import SettingForm
from postroom.web.shell import fragment, go
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
    key = text_of(request.GET, "preset", 20)
    if not key:
        return {}
    chosen = preset(key)
    return {**chosen.values(), "name": chosen.label} if request.path.endswith("/new/") else chosen.values()


def more(request: MemberRequest, row: models.Model, form: SettingForm) -> Mapping[str, Any]:
    """What the server's page shows beside its fields."""
    assert isinstance(row, OutgoingServer)  # noqa: S101 - the section says so
    key = form["preset"].value() or "custom"
    chosen = preset(str(key))
    if chosen.key == "custom":
        chosen = preset_of_host(str(form["host"].value() or ""))
    is_stored = bool(row.pk)
    is_smtp = is_stored and row.transport == "smtp"
    return {
        "explained": explain_trouble(row),
        "presets": presets(),
        "chosen": chosen,
        "is_chosen": is_stored or "preset" in request.GET or form.is_bound,
        "advice": port_advice(row.host, row.port, row.encryption, has_login=bool(row.username)) if is_smtp else "",
        "is_unverified": is_smtp and row.encryption != "none" and not row.verify_certificate,
        "can_test": is_smtp,
        "tested": read_test(row.test_result),
    }


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
