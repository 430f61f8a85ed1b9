"""Secret keys: which there are, a new one, and the end of former ones. None is ever shown.

Resealing is quick (a few values, in small batches), so it is done while the person waits; killed in the middle, the next press goes on.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flows.rotate_secrets import RotationTrouble, check_secrets, forget_former_keys, rotate_secrets
from postroom.web.members import MemberRequest, for_members
from postroom.web.shell import go, page
from postroom.web.signing.fresh import when_fresh
from postroom.wiring import ports


@for_members("GET")
def secrets(request: MemberRequest) -> HttpResponse:
    """How it stands."""
    found = check_secrets(ports(), member=request.member)
    context = {
        "found": found,
        "sealed": sum(one.present + one.former + one.lost for one in found.columns),
        "done": sum(one.present for one in found.columns),
    }
    return page(request, "postroom/settings/secrets.html", _("Secret keys"), context)


@for_members("POST")
@when_fresh("web:secrets")
def rotate(request: MemberRequest) -> HttpResponse:
    """A new key, and everything sealed with it; or the rest of an earlier rotation."""
    try:
        done = rotate_secrets(ports(), member=request.member)
    except OSError as trouble:
        return _back(
            request, trouble=_("The key file cannot be written: {why}").format(why=trouble.strerror or trouble)
        )
    said = ngettext("{n} value was sealed anew.", "{n} values were sealed anew.", done.resealed).format(n=done.resealed)
    return _back(request, said=f"{_('There is a new key: back it up.')} {said}" if done.is_new_key else said)


@for_members("POST")
@when_fresh("web:secrets")
def forget(request: MemberRequest) -> HttpResponse:
    """The present key alone stays."""
    try:
        gone = forget_former_keys(ports(), member=request.member)
    except RotationTrouble as trouble:
        return _back(request, trouble=str(trouble))
    except OSError as trouble:
        return _back(
            request, trouble=_("The key file cannot be written: {why}").format(why=trouble.strerror or trouble)
        )
    return _back(request, said=ngettext("{n} former key is gone.", "{n} former keys are gone.", gone).format(n=gone))


def _back(request: MemberRequest, *, said: str = "", trouble: str = "") -> HttpResponse:
    return go(request, reverse("web:secrets"), said=said, trouble=trouble)
