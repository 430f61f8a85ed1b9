"""The sidebar: places in the order in which a day's work visits them. Only what the member may open is shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flows import access
from postroom.store.models import InboundMessage, Member
from postroom.store.queries.pages_home import MANY
from postroom.store.queries.pages_records import KindFact
from postroom.store.queries.pages_shell import ShellFacts, shell_facts
from postroom.web.site import member_of

SETTINGS = (  # groups: title, and in each the address, title, sign and a sentence
    (
        gettext_lazy("Mail goes out"),
        (
            ("servers", gettext_lazy("Outgoing servers"), "outgoing_mail", gettext_lazy("Through what mail leaves: Gmail, Microsoft 365, a provider, a server of your own")),
            ("limits", gettext_lazy("Limits"), "speed", gettext_lazy("How much may leave a day and a minute, and who asked us to slow down")),
            ("dkim", gettext_lazy("DKIM keys"), "verified_user", gettext_lazy("Sign mail, so that receivers believe it is yours")),
            ("receivers", gettext_lazy("Receivers' reports"), "fact_check", gettext_lazy("What receivers say about mail in your name: what passed, what failed, from where")),
        ),
    ),
    (
        gettext_lazy("Mail comes in"),
        (
            ("mailboxes", gettext_lazy("Mailboxes"), "markunread_mailbox", gettext_lazy("Fetched from by IMAP or POP3; a pipe for your own mail server")),
            ("domains", gettext_lazy("Alias domains"), "language", gettext_lazy("Whose addresses are ours; where answers and bounces come")),
            ("aliases", gettext_lazy("Aliases"), "alternate_email", gettext_lazy("support@ becomes a ticket: which address makes which record")),
            ("ingress", gettext_lazy("Handed-in mail"), "webhook", gettext_lazy("Mail that programs and providers hand in over HTTP")),
        ),
    ),
    (
        gettext_lazy("People"),
        (
            ("people", gettext_lazy("People"), "group", gettext_lazy("Who signs in, with which role; invite, switch off")),
            ("companies", gettext_lazy("Companies"), "apartment", gettext_lazy("Those who share this Postroom, each with its mail domain")),
            ("mine", gettext_lazy("My settings"), "person", gettext_lazy("My name, language, time zone, notifications, signature, password")),
            ("security", gettext_lazy("Security"), "shield_lock", gettext_lazy("Second step at the sign-in, recovery codes, where I am signed in")),
            ("keys", gettext_lazy("API keys"), "key", gettext_lazy("Keys by which programs act for me")),
        ),
    ),
    (
        gettext_lazy("The house"),
        (
            ("health", gettext_lazy("Health"), "monitor_heart", gettext_lazy("What is wrong, why, what to do and who must do it; records to publish")),
            ("mail_tests", gettext_lazy("Mail test"), "fact_check", gettext_lazy("What receivers think of a mail: a score with reasons; send one and read it back")),
            ("approvals", gettext_lazy("Approvals"), "approval_delegation", gettext_lazy("What agents propose, and you decide")),
            ("templates", gettext_lazy("Mail templates"), "draft", gettext_lazy("Words that are used again and again")),
            ("rules", gettext_lazy("Automation rules"), "bolt", gettext_lazy("When this happens to a record, then do that: answer, assign, remind")),
            ("parameters", gettext_lazy("Parameters"), "tune", gettext_lazy("mail.catchall.domain and all the others, with their defaults")),
            ("actions", gettext_lazy("Scheduled actions"), "schedule", gettext_lazy("What happens by itself: how often, what came of it, run now")),
            ("secrets", gettext_lazy("Secret keys"), "vpn_key", gettext_lazy("What passwords are sealed with: see, rotate")),
            ("changes", gettext_lazy("Changes"), "history", gettext_lazy("Who changed which setting when, before and after")),
            ("audit", gettext_lazy("Audit log"), "policy", gettext_lazy("Who signed in, looked at sources, made keys, changed roles")),
            ("welcome", gettext_lazy("Set-up in five steps"), "rocket_launch", gettext_lazy("Company, way out, way in, first address, DNS records")),
        ),
    ),
)  # fmt: skip
OF_THE_HOUSE = (
    "health",
    "mail_tests",
    "receivers",
    "domains",
    "parameters",
    "actions",
    "limits",
    "secrets",
    "companies",
)  # no single company's
OF_EVERYBODY = ("mine", "security", "keys", "approvals")


def settings_of(member: Member) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    """The groups of settings that the member may open: title; address, title, sign, sentence."""
    may_settle = access.may(member, "settings")
    is_house = may_settle and access.is_house_administrator(member)
    found = []
    for title, items in SETTINGS:
        mine = [
            (name, str(label), sign, str(about))
            for name, label, sign, about in items
            if name in OF_EVERYBODY or (may_settle and (is_house or name not in OF_THE_HOUSE))
        ]
        if mine:
            found.append((str(title), mine))
    return found


@cache
def place_of(name: str) -> str:
    """The address of a page of the settings. Each is asked for six times a page."""
    return reverse("mfa_index" if name == "security" else f"web:{name}")


def _is_under(request: HttpRequest, name: str) -> bool:
    """Whether the page that is asked for belongs to that one."""
    is_password = name == "security" and request.path.startswith(reverse("admin:password_change"))
    return is_password or request.path.startswith(place_of(name))


def crumbs(request: HttpRequest) -> list[tuple[str, str]]:
    """Above a page of the settings: title and address of the pages that lead there."""
    index = reverse("web:settings")
    if request.path == index or not (request.path.startswith(index) or _is_under(request, "security")):
        return []
    found = [(_("Settings"), index)]
    for _title, items in SETTINGS:
        for name, label, _sign, _about in items:
            place = place_of(name)
            if _is_under(request, name) and request.path != place:
                found.append((str(label), place))
    return found


def settings_menu(request: HttpRequest) -> list[tuple[str, list[dict[str, Any]]]]:
    """Beside a page of the settings: all of them by group, the present one marked. No queries."""
    member = member_of(request)
    if member is None or not crumbs(request):
        return []
    return [
        (title, [_in_menu(request, name, label, about) for name, label, _sign, about in items])
        for title, items in settings_of(member)
    ]


def _in_menu(request: HttpRequest, name: str, label: str, about: str) -> dict[str, Any]:
    place = place_of(name)
    is_exact = request.path == place
    return {"title": label, "link": place, "about": about, "is_here": _is_under(request, name), "is_exact": is_exact}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entry of the sidebar. ``waiting``: a number that wants to be seen, or nothing."""

    title: str
    icon: str
    link: str
    is_here: bool
    waiting: str = ""


Group = tuple[str, tuple[Place, ...]]


def navigation(request: HttpRequest) -> tuple[Group, ...]:
    """The groups of the sidebar: title, places. One query."""
    member = member_of(request)
    if member is None:
        return ()
    return (
        ("", (_place(request, _("Home"), "home", reverse("admin:index"), exact=True),)),
        (_("Conversations"), _records(request)),
        (_("Mail"), _mail(request, member)),
    )


@lru_cache(maxsize=256)
def drawn(groups: tuple[Group, ...]) -> SafeString:
    """The sidebar's lists. Every page has them, and few differ."""
    return format_html_join(
        "",
        '<div class="pr-side-group">{}<ol>{}</ol></div>',
        (
            (
                format_html("<h2>{}</h2>", title) if title else "",
                format_html_join("", "{}", ((_drawn(place),) for place in places)),
            )
            for title, places in groups
        ),
    )


def _drawn(place: Place) -> SafeString:
    return format_html(
        '<li><a href="{}" class="pr-side-item{}"{}><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        '<span class="pr-cut">{}</span>{}</a></li>',
        place.link,
        " active" if place.is_here else "",
        SafeString(' aria-current="page"') if place.is_here else "",
        place.icon,
        place.title,
        format_html('<span class="pr-side-waiting">{}</span>', place.waiting) if place.waiting else "",
    )


def kinds_of(request: HttpRequest) -> tuple[KindFact, ...]:
    """The kinds in use."""
    member = member_of(request)
    return around(request, member).kinds if member is not None else ()


def around(request: HttpRequest, member: Member) -> ShellFacts:
    """What stands around the page, read once for the sidebar, the header and the page itself."""
    if not hasattr(request, "around"):
        may_look = access.may(member, "inbound")
        inbound = access.visible_inbound(member) if may_look else InboundMessage.objects.none()
        request.around = shell_facts(member, inbound, access.company_ids(member))  # type: ignore[attr-defined]
    found: ShellFacts = request.around  # type: ignore[attr-defined]
    return found


def _records(request: HttpRequest) -> tuple[Place, ...]:
    everything = _place(request, _("All records"), "inbox", reverse("web:records"), exact=True)
    of_a_kind = (
        _place(request, kind.label_plural, kind.icon, reverse("web:kind", args=[kind.key]))
        for kind in kinds_of(request)
    )
    later = _place(request, _("Scheduled messages"), "schedule_send", reverse("web:scheduled"))
    return (everything, *of_a_kind, later)


def _mail(request: HttpRequest, member: Member) -> tuple[Place, ...]:
    places = []
    if access.may(member, "queue"):
        places.append(_place(request, _("Queue"), "outbox", reverse("web:queue")))
    if access.may(member, "inbound"):
        held = around(request, member).held
        waiting = "" if not held else f"{MANY}+" if held > MANY else str(held)
        places.append(_place(request, _("Inbound log"), "move_to_inbox", reverse("web:inbound")))
        places.append(_place(request, _("Held mail"), "front_hand", reverse("web:held"), waiting=waiting))
    places.append(_place(request, _("Blacklist and bounces"), "unsubscribe", reverse("web:suppression")))
    places.append(_place(request, _("Story"), "history", reverse("web:story")))
    return (*places, _place(request, _("Letterbox"), "mail", reverse("web:letterbox")))


def _place(request: HttpRequest, title: str, icon: str, link: str, *, exact: bool = False, waiting: str = "") -> Place:
    is_here = request.path == link if exact else request.path.startswith(link)
    return Place(title=title, icon=icon, link=link, is_here=is_here, waiting=waiting)
