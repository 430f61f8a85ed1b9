"""How a conversation looks: days, entries of the system, activities, files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache

from django import template
from django.template.defaultfilters import date as format_date
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.store.queries.pages_activities import ActivityFact
from postroom.store.queries.pages_chatter import AttachmentFact, MessageFact
from postroom.web.frames import PDF, PLAIN_TEXTS, SHOWN_INLINE
from postroom.web.templatetags.postroom import Here, here

register = template.Library()

MOST_THUMBNAIL = 3_000_000  # bytes of a picture that is shown small
# kind of activity -> (word on screen, icon)
ACTIVITY = {
    "todo": (gettext_lazy("To do"), "task_alt"),
    "call": (gettext_lazy("Call"), "call"),
    "meeting": (gettext_lazy("Meeting"), "groups"),
    "email": (gettext_lazy("Email"), "mail"),
    "document": (gettext_lazy("Document"), "description"),
}
CHANGED = {
    "Title": gettext_lazy("Title"),
    "Stage": gettext_lazy("Stage"),
    "Responsible": gettext_lazy("Responsible"),
    "Contact": gettext_lazy("Contact"),
    "Merged": gettext_lazy("Merged"),
}


@register.filter
def day_key(at: datetime) -> str:
    """The day, where the reader lives."""
    return day_read(at, here())


def day_read(at: datetime, read: Here) -> str:
    """`day_key`, for who reads it there."""
    return at.astimezone(read.zone).date().isoformat()


@register.filter
def listed(people: Iterable[tuple[str, str]]) -> SafeString:
    """Names and addresses: ``Carla <carla@customer.example>, bob@lumen.example``."""
    return SafeString(escape(", ".join(f"{name} <{address}>" if name else address for name, address in people)))


@register.filter
def day_word(at: datetime) -> str:
    """``Today``, ``Yesterday``, ``Monday, 2 March``, ``2 March 2025``."""
    return day_spoken(at, here())


def day_spoken(at: datetime, read: Here) -> str:
    """`day_word`, for who reads it there and then."""
    return _told(at.astimezone(read.zone).date(), read.now.astimezone(read.zone).date(), read.language)


@lru_cache(maxsize=4096)
def _told(local: date, today: date, _language: str | None) -> str:
    if local == today:
        return _("Today")
    if local == today - timedelta(days=1):
        return _("Yesterday")
    return str(format_date(local, "l, j F" if local.year == today.year else "j F Y"))


@register.filter
def due_word(one: ActivityFact) -> str:
    """``today``, ``tomorrow``, ``3 days late``, ``12 Mar``."""
    days = (one.due_on - timezone.localdate()).days
    if days == 0:
        return _("today")
    if days == 1:
        return _("tomorrow")
    if days == -1:
        return _("since yesterday")
    if days < 0:
        return _("{days} days late").format(days=-days)
    return _day(one.due_on)


def _day(day: date) -> str:
    return str(format_date(day, "j M" if day.year == timezone.localdate().year else "j M Y"))


@register.filter
def activity_word(kind: str) -> str:
    return str(ACTIVITY.get(str(kind), (kind, ""))[0])


@register.filter
def activity_icon(kind: str) -> str:
    return ACTIVITY.get(str(kind), ("", "task_alt"))[1]


@register.filter
def change_word(what: str) -> str:
    """What was changed, in the reader's language; a value's own name stays as it is."""
    return str(CHANGED.get(what, what))


@register.filter
def entry_icon(message: MessageFact) -> str:
    """The sign of an entry of the system."""
    if message.activity is not None:
        return "check" if message.activity.is_done else activity_icon(message.activity.kind)
    return "merge" if any(what == "Merged" for what, _, _ in message.changes) else "bolt"


@register.filter
def is_thumbnail(file: AttachmentFact) -> bool:
    """Whether it is a picture that may be shown small."""
    return file.content_type.lower() in SHOWN_INLINE and file.size <= MOST_THUMBNAIL


@register.filter
def can_be_looked_at(file: AttachmentFact) -> bool:
    """Whether a browser shows it in a tab, safely."""
    kind = file.content_type.lower().partition(";")[0].strip()
    return kind in SHOWN_INLINE or kind == PDF or kind in PLAIN_TEXTS


@register.filter
def file_icon(file: AttachmentFact) -> str:
    kind = file.content_type.lower()
    if kind.startswith("image/"):
        return "image"
    if kind.startswith(PDF):
        return "picture_as_pdf"
    return "description" if kind.startswith("text/") else "attach_file"


@register.filter
def has_contact(followers: Iterable[object], contact_id: int) -> bool:
    """Whether this contact is among them."""
    return any(getattr(one, "contact_id", None) == contact_id for one in followers)
