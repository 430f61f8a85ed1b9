"""Addresses at which programs and providers hand in mail."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows.access import company_ids, require
from postroom.flows.inbound_hooks import inbound_providers, list_inbound_hooks, remove_inbound_hook, save_inbound_hook
from postroom.store.models import InboundHook
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_settings import companies
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.navigation import kinds_of
from postroom.web.shell import go, page
from postroom.wiring import ports


@for_members("GET", "POST")
def addresses(request: MemberRequest) -> HttpResponse:
    """All of them, and a form for another one."""
    require(request.member, "settings")
    trouble = ""
    company_id = read_id(text_of(request.POST, "company", 20)) or request.member.company_id
    if request.method == "POST":
        if company_id not in company_ids(request.member):
            raise Http404
        try:
            save_inbound_hook(
                ports(),
                name=text_of(request.POST, "name", 100),
                provider=text_of(request.POST, "provider", 20),
                company_id=company_id,
                secret=text_of(request.POST, "secret", 1000),
                fallback_kind=_fallback_kind(request),
                member=request.member,
            )
        except ValidationError as error:
            trouble = " ".join(error.messages)
        else:
            return go(request, request.path, said=_("Saved."))
    kinds = kinds_of(request)
    context = {
        "hooks": list_inbound_hooks(ports(), member=request.member),
        "providers": inbound_providers(),
        "companies": companies(company_ids(request.member)),
        "company_id": company_id,
        "kinds": kinds,
        "kind_labels": {one.key: one.label for one in kinds},
        "trouble": trouble,
        "typed": request.POST,
        "api_address": f"{ports().configuration.public_url}/api/v1/inbound",
    }
    answer = page(
        request, "postroom/settings/ingress.html", _("Handed-in mail"), context, status=422 if trouble else 200
    )
    answer["Cache-Control"] = "no-store"
    return answer


def _fallback_kind(request: MemberRequest) -> str | None:
    """None: as it was; ``""``: what no alias takes is held."""
    chosen = text_of(request.POST, "fallback_kind", 40)
    return None if not chosen else chosen.removeprefix("-")


@for_members("POST")
def remove(request: MemberRequest, hook_id: int) -> HttpResponse:
    """An address is dead at once."""
    try:
        remove_inbound_hook(ports(), hook_id, member=request.member)
    except InboundHook.DoesNotExist:
        raise Http404 from None
    return go(request, reverse("web:ingress"), said=_("The address is gone."))
