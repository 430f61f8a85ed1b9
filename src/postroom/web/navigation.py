"""The sidebar: places in the order in which a day's work visits them. Only what the member may open is shown."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.states import InboundState
from postroom.flows import access
from postroom.store.models import Member
from postroom.store.queries.pages_home import MANY, few
from postroom.store.queries.pages_records import KindFact, kinds
from postroom.web.site import member_of

SETTINGS = (
    ("servers", gettext_lazy("Outgoing servers"), "outgoing_mail"),
    ("limits", gettext_lazy("Limits"), "speed"),
    ("mailboxes", gettext_lazy("Mailboxes"), "markunread_mailbox"),
    ("ingress", gettext_lazy("Handed-in mail"), "webhook"),
    ("domains", gettext_lazy("Alias domains"), "language"),
    ("dkim", gettext_lazy("DKIM keys"), "verified_user"),
    ("aliases", gettext_lazy("Aliases"), "alternate_email"),
    ("templates", gettext_lazy("Mail templates"), "draft"),
    ("parameters", gettext_lazy("Parameters"), "tune"),
    ("actions", gettext_lazy("Scheduled actions"), "schedule"),
    ("secrets", gettext_lazy("Secret keys"), "vpn_key"),
    ("changes", gettext_lazy("Changes"), "history"),
    ("audit", gettext_lazy("Audit log"), "policy"),
)
OF_THE_HOUSE = ("domains", "parameters", "actions", "limits", "secrets")  # no single company's


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's structure: groups of items. Two queries."""
    member = member_of(request)
    if member is None:
        return []
    groups: list[dict[str, Any]] = [
        {"items": [_item(request, _("Home"), "home", reverse("admin:index"), exact=True)]},
        {"title": _("Conversations"), "items": _records(request)},
        {"title": _("Mail"), "items": _mail(request, member)},
    ]
    if access.may(member, "settings"):
        is_house = access.is_house_administrator(member)
        items = [
            _item(request, str(title), sign, reverse(f"web:{name}"))
            for name, title, sign in SETTINGS
            if is_house or name not in OF_THE_HOUSE
        ]
        groups.append({"title": _("Settings"), "items": items})
    return groups


def kinds_of(request: HttpRequest) -> tuple[KindFact, ...]:
    """The kinds in use, read once for the sidebar and the page."""
    if not hasattr(request, "kinds"):
        request.kinds = kinds()  # type: ignore[attr-defined]
    found: tuple[KindFact, ...] = request.kinds  # type: ignore[attr-defined]
    return found


def held_of(request: HttpRequest, member: Member) -> int:
    """How many mails are held, read once for the sidebar and the page."""
    if not hasattr(request, "held"):
        request.held = few(access.visible_inbound(member), InboundState.HELD)  # type: ignore[attr-defined]
    found: int = request.held  # type: ignore[attr-defined]
    return found


def _records(request: HttpRequest) -> list[dict[str, Any]]:
    everything = _item(request, _("All records"), "inbox", reverse("web:records"), exact=True)
    of_a_kind = [
        _item(request, kind.label_plural, kind.icon, reverse("web:kind", args=[kind.key])) for kind in kinds_of(request)
    ]
    later = _item(request, _("Scheduled messages"), "schedule_send", reverse("web:scheduled"))
    return [everything, *of_a_kind, later]


def _mail(request: HttpRequest, member: Member) -> list[dict[str, Any]]:
    items = []
    if access.may(member, "queue"):
        items.append(_item(request, _("Queue"), "outbox", reverse("web:queue")))
    if access.may(member, "inbound"):
        held = held_of(request, member)
        waiting = {"badge": f"{MANY}+" if held > MANY else str(held), "badge_variant": "warning"} if held else {}
        items.append(_item(request, _("Inbound log"), "move_to_inbox", reverse("web:inbound")))
        items.append(_item(request, _("Held mail"), "front_hand", reverse("web:held")) | waiting)
    items.append(_item(request, _("Blacklist and bounces"), "unsubscribe", reverse("web:suppression")))
    return [*items, _item(request, _("Letterbox"), "mail", reverse("web:letterbox"))]


def _item(request: HttpRequest, title: str, sign: str, link: str, *, exact: bool = False) -> dict[str, Any]:
    """Unfold marks titles safe, so they are escaped here: labels of kinds are people's own words."""
    active = request.path == link if exact else request.path.startswith(link)
    return {"title": escape(title), "icon": escape(sign), "link": link, "active": active}
