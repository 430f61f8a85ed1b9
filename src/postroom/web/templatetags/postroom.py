"""How things look: badges of states, avatars, moments, sentences of reasons. Every text is escaped here or by the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zlib import crc32

from django import template
from django.template.defaultfilters import date as format_date
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from markupsafe import escape as quick_escape

from postroom.core.reports.taxonomy import TAXONOMY
from postroom.core.terms.reasons import Reason
from postroom.core.terms.standing import Stand
from postroom.core.terms.states import DeliveryState, FailureType, NotificationState
from postroom.flows.speak_language import translated
from postroom.flows.test_mailbox import TestedMailboxStep
from postroom.flows.test_server import TestedStep
from postroom.store.queries.pages_envelope import RecipientFact
from postroom.store.queries.pages_failures import FailureFact
from postroom.store.queries.pages_queue import DeliveryRow
from postroom.store.queries.pages_suppression import WorstFact
from postroom.web.home.charts import lateness
from postroom.web.navigation import drawn, navigation, settings_menu

register = template.Library()

# state -> (tone, word on screen, icon); the words are those of the users' habit
DELIVERY = {
    "queued": ("info", gettext_lazy("Outgoing"), "schedule_send"),
    "deferred": ("info", gettext_lazy("Outgoing"), "schedule_send"),
    "sending": ("info", gettext_lazy("Outgoing"), "send"),
    "sent": ("ok", gettext_lazy("Sent"), "check"),
    "failed": ("bad", gettext_lazy("Delivery Failed"), "error"),
    "bounced": ("bad", gettext_lazy("Bounced"), "undo"),
    "unknown": ("warn", gettext_lazy("Outcome unknown"), "help"),
    "complained": ("warn", gettext_lazy("Complained"), "report"),
    "cancelled": ("quiet", gettext_lazy("Cancelled"), "block"),
}
NOTIFICATION = {
    "ready": ("info", gettext_lazy("On its way"), "schedule_send"),
    "sent": ("ok", gettext_lazy("Sent"), "check"),
    "bounce": ("bad", gettext_lazy("Bounced"), "undo"),
    "exception": ("bad", gettext_lazy("Failed"), "error"),
    "canceled": ("quiet", gettext_lazy("Cancelled"), "block"),
}
INBOUND = {
    "received": ("info", gettext_lazy("Waits"), "hourglass_top"),
    "routed": ("ok", gettext_lazy("Routed"), "check"),
    "held": ("warn", gettext_lazy("Held"), "front_hand"),
    "refused": ("bad", gettext_lazy("Refused"), "block"),
    "discarded": ("quiet", gettext_lazy("Set aside"), "archive"),
    "failed": ("bad", gettext_lazy("Failed"), "error"),
}
# how the queue stands -> (tone, words)
STAND = {
    Stand.PAUSED: ("bad", gettext_lazy("Sending is paused")),
    Stand.LATE: ("bad", gettext_lazy("Queue is late")),
    Stand.IN_TROUBLE: ("bad", gettext_lazy("A server is in trouble")),
    Stand.PARTLY_PAUSED: ("warn", gettext_lazy("A server is paused")),
    Stand.MOVING: ("ok", gettext_lazy("Queue is moving")),
}
BLAME = {
    "address": gettext_lazy("the address"),
    "mailbox": gettext_lazy("the mailbox"),
    "policy": gettext_lazy("a policy"),
    "sender": gettext_lazy("the sender"),
    "server": gettext_lazy("the server"),
    "network": gettext_lazy("the network"),
}


FAILURE = {
    "": gettext_lazy("It failed"),
    "unknown": gettext_lazy("Outcome unknown"),
    "mail_email_invalid": gettext_lazy("Invalid address"),
    "mail_email_missing": gettext_lazy("Missing address"),
    "mail_from_invalid": gettext_lazy("Invalid From address"),
    "mail_from_missing": gettext_lazy("Missing From address"),
    "mail_smtp": gettext_lazy("The server refused it, or could not be reached"),
    "mail_bounce": gettext_lazy("Bounced"),
}
LANE = {0: gettext_lazy("urgent"), 1: gettext_lazy("normal"), 2: gettext_lazy("campaign")}
# gate -> (word on screen, icon, sentence where no reason is stored)
GATE = {
    "turn": (gettext_lazy("Its turn"), "hourglass_top", gettext_lazy("It is due, and waits for its turn in its lane.")),
    "not_due": (gettext_lazy("Its time"), "schedule", gettext_lazy("It is not due yet.")),
    "paused": (gettext_lazy("Paused"), "pause", ""),
    "limit": (gettext_lazy("Limit"), "speed", ""),
    "slowed": (gettext_lazy("Slowed"), "slow_motion_video", ""),
    "trouble": (gettext_lazy("Server in trouble"), "cloud_off", ""),
    "server": (gettext_lazy("No usable server"), "link_off", ""),
    "retry": (gettext_lazy("Tried again"), "refresh", ""),
    "other": (gettext_lazy("Waits"), "schedule", ""),
}
DECIDED = {
    "arrived": gettext_lazy("It arrived, a person said"),
    "again": gettext_lazy("Sent again, as a new delivery"),
    "given_up": gettext_lazy("Given up"),
}


CAUSE = {
    "bounces": ("bad", gettext_lazy("Bounces"), "undo"),
    "address": ("bad", gettext_lazy("Does not exist"), "person_off"),
    "imported": ("quiet", gettext_lazy("Imported"), "upload"),
    "manual": ("quiet", gettext_lazy("By hand"), "front_hand"),
    "complaint": ("warn", gettext_lazy("Complained"), "report"),
}


EVENT = {  # what a provider told: (tone, words)
    "deferred": ("warn", gettext_lazy("The recipient's server did not take it yet")),
    "bounced": ("bad", gettext_lazy("The recipient's server refused it")),
    "rejected": ("bad", gettext_lazy("The provider refused it after all")),
    "complained": ("warn", gettext_lazy("The recipient complained about it")),
    "unsubscribed": ("info", gettext_lazy("The recipient wants no more of it")),
}


@register.simple_tag
@lru_cache(maxsize=512, typed=True)  # typed: a text that is safe and one that is not are not the same
def icon(name: str, extra: str = "") -> SafeString:
    """A sign of the Material Symbols font; decoration, so silent for screen readers."""
    return format_html('<span class="pr-icon {}" aria-hidden="true">{}</span>', extra, name)


@register.simple_tag(takes_context=True)
def sidebar(context: template.RequestContext) -> SafeString:
    """The places beside every page; nothing for strangers."""
    return drawn(navigation(context["request"]))


@register.simple_tag(takes_context=True)
def places_of_settings(context: template.RequestContext) -> list[tuple[str, list[dict[str, Any]]]]:
    """What stands beside a page of the settings."""
    return settings_menu(context["request"])


@register.filter
def any_failed(steps: Sequence[TestedStep | TestedMailboxStep]) -> bool:
    """Whether one of the steps of a test tells by itself what is wrong."""
    return any(not step.is_ok for step in steps)


@register.filter
def delivery_badge(state: str) -> SafeString:
    return _badge(DELIVERY, state)


@register.simple_tag
def recipient_badge(fact: RecipientFact | FailureFact) -> SafeString:
    """What became of a message for one person."""
    return notification_badge(fact.state, fact.failure_type)


def notification_badge(state: str, failure_type: str) -> SafeString:
    """What nobody knows is not called a failure."""
    if state == NotificationState.EXCEPTION and failure_type == FailureType.UNKNOWN:
        return _badge(DELIVERY, DeliveryState.UNKNOWN)
    return _badge(NOTIFICATION, state)


@register.filter
def inbound_badge(state: str) -> SafeString:
    return _badge(INBOUND, state)


@register.filter
def cause_badge(cause: str) -> SafeString:
    """Why campaigns leave an address out."""
    return _badge(CAUSE, cause)


@register.filter
def share_of(count: int, facts: Sequence[WorstFact]) -> int:
    """The length of a bar, in hundredths of the longest one."""
    return round(100 * count / max([one.total for one in facts] or [1]))


def _badge(words: Mapping[str, tuple[str, object, str]], state: str) -> SafeString:
    tone, word, sign = words.get(str(state), ("quiet", state, "help"))
    return format_html('<span class="pr-badge pr-{}">{}{}</span>', tone, icon(sign), word)


@register.filter
def stand_tone(stand: Stand) -> str:
    return STAND[stand][0]


@register.filter
def stand_word(stand: Stand) -> str:
    return str(STAND[stand][1])


@register.filter
def failure_word(kind: str) -> str:
    return str(FAILURE.get(kind, FAILURE[""]))


@register.filter
def lane_word(lane: int) -> str:
    return str(LANE.get(lane, lane))


@register.filter
def decision_word(decision: str) -> str:
    return str(DECIDED.get(decision, decision))


@register.filter
def event_word(kind: str) -> str:
    """What a provider told."""
    return str(EVENT.get(kind, ("", kind))[1])


@register.filter
def event_tone(kind: str) -> str:
    return EVENT.get(kind, ("info", ""))[0]


@register.filter
def gate_badge(gate: str) -> SafeString:
    """Which gate holds a waiting mail."""
    word, sign, _sentence = GATE[str(gate)]
    return format_html('<span class="pr-badge pr-quiet">{}{}</span>', icon(sign), word)


@register.filter
def gate_sentence(row: DeliveryRow) -> str:
    """What it waits for, in one sentence: the stored reason, else what the gate itself says."""
    if row.waits_for is not None:
        return because(row.waits_for)
    return gate_says(row.gate.value) if row.gate is not None else ""


@register.filter
def gate_says(gate: str) -> str:
    """What the gate itself says, where no reason is stored."""
    return str(GATE[str(gate)][2])


@register.filter
def seconds_left(until: datetime) -> int:
    """Whole seconds until then, the begun one included; 0 when it is over."""
    return max(0, ceil((until - timezone.now()).total_seconds()))


@register.filter
def blame_word(blame: str) -> str:
    return str(BLAME.get(blame, blame))


@register.filter
def reason_meaning(code: str) -> str:
    """What a reason of the taxonomy of reports means; ``""`` for none."""
    return _(reason.meaning) if (reason := TAXONOMY.get(code)) is not None else ""


@register.filter
def reason_cure(code: str) -> str:
    return _(reason.cure) if (reason := TAXONOMY.get(code)) is not None else ""


@register.filter
def because(reason: Reason | None) -> str:
    """A reason's sentence in the reader's language."""
    return translated(reason) if reason is not None else ""


@register.simple_tag
@lru_cache(maxsize=4096, typed=True)
def avatar(name: str, address: str = "", size: str = "") -> SafeString:
    """Initials on a colour that stays the same for the same person; of nobody a sign without a colour."""
    if not name and not address:
        return format_html('<span class="pr-avatar none {}" aria-hidden="true">{}</span>', size, icon("person"))
    hue = (crc32((address or name).lower().encode("utf-8", "replace")) >> 5) % 12 * 30
    return format_html(
        '<span class="pr-avatar {}" style="--hue:{}" aria-hidden="true">{}</span>', size, hue, initials(name or address)
    )


def initials(name: str) -> str:
    """One or two letters: of the first and the last word that begin with a letter or digit."""
    firsts = [word[0] for word in name.replace("@", " ").split() if word[0].isalnum()]
    return (firsts[0] + (firsts[-1] if len(firsts) > 1 and "@" not in name else "")).upper() if firsts else "?"


_DOORS = {
    "smtp": gettext_lazy("SMTP"),
    "lmtp": gettext_lazy("LMTP"),
    "imap": gettext_lazy("IMAP mailbox"),
    "pop3": gettext_lazy("POP3 mailbox"),
    "pipe": gettext_lazy("Command line"),
    "http": gettext_lazy("Handed in"),
}


@register.filter
def door_word(door: str) -> str:
    """By which door a mail came, in words."""
    return str(_DOORS.get(door, door))


def door_choices() -> list[tuple[str, str]]:
    """All doors, for forms."""
    return [(door, str(word)) for door, word in _DOORS.items()]


class Here(NamedTuple):
    """When and where somebody reads. Asked for once, it serves all rows of a list: each of the three is a search through the thread."""

    now: datetime
    zone: tzinfo
    language: str | None


def here() -> Here:
    return Here(timezone.now(), timezone.get_current_timezone(), get_language())


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """When, as people say it; the exact time stands in the title, and the page keeps the words up to date."""
    return moment_read(at, here()) if at is not None else ""


def moment_read(at: datetime, read: Here) -> SafeString:
    """`moment`, for who reads it there and then."""
    local = at.astimezone(read.zone)
    exact = local.isoformat(" ")[:19]  # strftime takes longer
    return SafeString(_TIME % (at.isoformat(), exact, _zone(local.tzname()), quick_escape(spoken(at, read))))


@lru_cache(maxsize=512)
def _zone(name: str | None) -> str:
    """The name of a time zone, escaped: of these there are few."""
    return str(quick_escape(name))


_TIME = '<time datetime="%s" title="%s %s">%s</time>'  # a list has a hundred of them: format_html takes twice as long


@register.filter
def name_of_sender(display: str) -> str:
    """``Alice Arnold`` of ``Alice Arnold <alice@lumen.example>``; the address where there is no name."""
    return display.partition(" <")[0].strip('" ') or display


@register.filter
def lasted(since: datetime, until: datetime) -> str:
    """How long, in whole units: ``40 s``, ``12 min``, ``3 h 20 min``."""
    return lateness(max(1, int((until - since).total_seconds())))


@register.filter
def in_zone(at: datetime, zone: tzinfo) -> str:
    """The exact moment in a person's time zone: ``Mon 2 Mar 2026, 09:30 (Europe/Berlin)``."""
    local = at.astimezone(zone)
    return f"{format_date(local, 'D j M Y')}, {local:%H:%M} ({zone})"


def spoken(at: datetime, read: Here) -> str:
    """``now``, ``3 min``, ``14:02``, ``yesterday 14:02``, ``12 Mar``, ``12 Mar 2025``; the same backwards for what is to come."""
    local, today = at.astimezone(read.zone), read.now.astimezone(read.zone)
    distance = abs(read.now - at)
    if distance < timedelta(minutes=1):
        return _("now")
    if distance < timedelta(hours=1):
        return _minutes_off(int(distance.total_seconds() // 60), at < read.now, read.language)
    days = (today.date() - local.date()).days
    if abs(days) < 2:
        return _near(days, read.language).format(clock=f"{local.hour:02}:{local.minute:02}")
    return _day(local.date(), "j M" if local.year == today.year else "j M Y", read.language)


@lru_cache(maxsize=1024)
def _minutes_off(minutes: int, is_over: bool, _language: str | None) -> str:
    return (_("{minutes} min ago") if is_over else _("in {minutes} min")).format(minutes=minutes)


@lru_cache(maxsize=64)
def _near(days_ago: int, _language: str | None) -> str:
    """How a clock of today, of yesterday or of tomorrow is told."""
    return {1: _("yesterday {clock}"), -1: _("tomorrow {clock}")}.get(days_ago, "{clock}")


@lru_cache(maxsize=4096)
def _day(day: date, pattern: str, _language: str | None) -> str:
    """A list names the same days again and again."""
    return str(format_date(day, pattern))


@register.filter
def seconds_spoken(seconds: int) -> str:
    """An interval in the largest unit that fits: ``5 minutes``, ``1 hour``, ``1 day``."""
    for size, words in ((86400, _days), (3600, _hours), (60, _minutes)):
        if seconds and seconds % size == 0:
            return words(seconds // size)
    return ngettext("{n} second", "{n} seconds", seconds).format(n=seconds)


def _days(n: int) -> str:
    return ngettext("{n} day", "{n} days", n).format(n=n)


def _hours(n: int) -> str:
    return ngettext("{n} hour", "{n} hours", n).format(n=n)


def _minutes(n: int) -> str:
    return ngettext("{n} minute", "{n} minutes", n).format(n=n)


@register.filter
def get(mapping: dict[object, object], key: object) -> object:
    """``{{ mapping|get:key }}``."""
    return mapping.get(key, "")


@register.simple_tag(takes_context=True)
def here_with(context: template.Context, **changes: object) -> str:
    """The query of this page's address with some of its values changed; empty ones are left out, the cursor always."""
    asked = context["request"].GET.lists()
    kept = [(name, value) for name, values in asked if name != "after" and name not in changes for value in values]
    changed = [(name, str(value)) for name, value in changes.items() if value not in ("", None)]
    return "?" + urlencode(kept + changed)
