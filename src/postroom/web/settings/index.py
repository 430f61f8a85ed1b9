"""The settings on one page: groups, and a search that also knows parameters, servers, mailboxes, aliases and people by name."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.store.models import Member
from postroom.store.queries import pages_settings as read
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.navigation import place_of, settings_of
from postroom.web.shell import fragment, page

MOST_FOUND = 8

Item = dict[str, str]


@for_members("GET")
def index(request: MemberRequest) -> HttpResponse:
    """All, or what fits the words."""
    search = text_of(request.GET, "q", 100)
    groups = _groups(request.member, search)
    context = {"groups": groups, "search": search}
    if is_fragment(request):
        return fragment(request, "postroom/settings/_index.html", context)
    return page(request, "postroom/settings/index.html", _("Settings"), context)


def _groups(member: Member, search: str) -> list[tuple[str, list[Item]]]:
    words = search.lower().split()
    found: list[tuple[str, list[Item]]] = []
    for title, items in settings_of(member):
        fitting = [
            {"title": label, "icon": sign, "about": about, "link": place_of(name)}
            for name, label, sign, about in items
            if all(word in f"{title} {label} {about}".lower() for word in words)
        ]
        if fitting:
            found.append((title, fitting))
    if words and access.may(member, "settings"):
        found += _things(member, search.lower())
    return found


def _things(member: Member, search: str) -> list[tuple[str, list[Item]]]:
    """Rows that are called so."""
    mine = access.company_ids(member)
    groups: list[tuple[str, list[Item]]] = []
    rows = [
        (_("Outgoing servers"), "outgoing_mail", "web:server", read.servers(mine)),
        (_("Mailboxes"), "markunread_mailbox", "web:mailbox", read.mailbox_names(mine)),
        (_("Aliases"), "alternate_email", "web:alias", read.aliases(mine)),
    ]
    for title, sign, place, found in rows:
        items = [
            {"title": row.name, "icon": sign, "about": row.about, "link": reverse(place, args=[row.id])}
            for row in found
            if search in f"{row.name} {row.about}".lower()
        ]
        if items:
            groups.append((title, items[:MOST_FOUND]))
    if access.is_house_administrator(member):
        parameters = [
            {"title": one.key, "icon": "tune", "about": one.help, "link": f"{reverse('web:parameters')}?q={one.key}"}
            for one in read.parameters()
            if search in one.key or search in one.help.lower()
        ]
        if parameters:
            groups.append((_("Parameters"), parameters[:MOST_FOUND]))
    return groups
