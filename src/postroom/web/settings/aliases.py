"""What the page of an alias shows beside its fields: its status, and a test mail that goes the way of all mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from postroom.flows.try_alias import tried_alias, try_alias
from postroom.store.models import Alias
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.settings.forms import SettingForm
from postroom.web.shell import fragment, go
from postroom.wiring import ports

MOST_LOOKS = 40


def more(request: MemberRequest, row: models.Model, _form: SettingForm) -> Mapping[str, Any]:
    """Its status in a word."""
    assert isinstance(row, Alias)  # noqa: S101 - the section says so
    status = "retired" if row.retired_at else row.status
    tones = {"valid": "ok", "invalid": "bad", "retired": "quiet"}
    return {"status": status, "tone": tones.get(status, "info"), "from_address": request.member.contact.address}


@for_members("POST")
def send_test(request: MemberRequest, row_id: int) -> HttpResponse:
    """The mail goes in; the piece that comes back asks what became of it."""
    trouble = unique = ""
    try:
        unique = try_alias(ports(), row_id, member=request.member)
    except Alias.DoesNotExist:
        raise Http404 from None
    except (ValueError, OSError) as error:
        trouble = str(error)
    if not is_fragment(request):
        said = "" if trouble else _("The test mail went in by Postroom's own door.")
        return go(request, request.path.removesuffix("test/"), said=said, trouble=trouble)
    context = {"alias_id": row_id, "unique": unique, "trouble": trouble, "looks": 1}
    return fragment(request, "postroom/settings/_alias_test.html", context)


@for_members("GET")
def tested(request: MemberRequest, row_id: int) -> HttpResponse:
    """What became of it."""
    unique = text_of(request.GET, "mail", 40)
    looks = int(text_of(request.GET, "looks", 3)) if text_of(request.GET, "looks", 3).isdecimal() else 1
    try:
        found = tried_alias(ports(), row_id, unique, member=request.member)
    except Alias.DoesNotExist:
        raise Http404 from None
    context = {
        "alias_id": row_id,
        "unique": unique,
        "found": found,
        "looks": looks + 1,
        "is_late": not found.is_over and looks >= MOST_LOOKS,
    }
    return fragment(request, "postroom/settings/_alias_test.html", context)
