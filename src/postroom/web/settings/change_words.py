"""Changed settings in words: what a column is called on its page, and its values as a person says them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

SUBJECTS: tuple[tuple[str, str | Promise], ...] = (  # how subjects begin; the longer of two first
    ("outgoing server ", gettext_lazy("Outgoing server")),
    ("mailbox ", gettext_lazy("Mailbox")),
    ("alias domain ", gettext_lazy("Alias domain")),
    ("alias ", gettext_lazy("Alias")),
    ("parameter ", gettext_lazy("Parameter")),
    ("scheduled action ", gettext_lazy("Scheduled action")),
    ("mail template ", gettext_lazy("Mail template")),
    ("automation rule ", gettext_lazy("Automation rule")),
    ("DKIM key ", gettext_lazy("DKIM key")),
    ("destination ", gettext_lazy("Destination")),
    ("user ", gettext_lazy("Person")),
    ("company ", gettext_lazy("Company")),
    ("contact ", gettext_lazy("Contact")),
    ("installation", gettext_lazy("Installation")),
    ("OAuth2 client ", gettext_lazy("OAuth2 client")),
)
FIELDS: Mapping[str, str | Promise] = {
    "name": gettext_lazy("Name"), "host": gettext_lazy("Host"), "port": gettext_lazy("Port"),
    "encryption": gettext_lazy("Encryption"), "verify_certificate": gettext_lazy("Verify the certificate"),
    "username": gettext_lazy("User name"), "password": gettext_lazy("Password"),
    "client_key": gettext_lazy("Private key"), "client_certificate": gettext_lazy("Client certificate"),
    "client_id": gettext_lazy("Client ID"), "client_secret": gettext_lazy("Client secret"),
    "tenant": gettext_lazy("Directory (tenant) ID"), "token_source": gettext_lazy("Token source"),
    "authentication": gettext_lazy("Login by"), "from_filter": gettext_lazy("FROM filter"),
    "envelope_sender": gettext_lazy("Envelope sender"), "priority": gettext_lazy("Priority"),
    "purpose": gettext_lazy("Purpose"), "is_active": gettext_lazy("In use"), "preset": gettext_lazy("Provider"),
    "transport": gettext_lazy("Leads to"), "provider": gettext_lazy("Provider"),
    "daily_limit": gettext_lazy("Mails a day"), "per_minute_limit": gettext_lazy("Mails a minute"),
    "learned_per_minute": gettext_lazy("Mails a minute it asked for"), "max_connections": gettext_lazy("Connections at once"),
    "mails_per_connection": gettext_lazy("Mails a connection"), "max_message_size": gettext_lazy("Largest message (bytes)"),
    "warm_up_started_on": gettext_lazy("Warm-up began on"), "warm_up_first_day": gettext_lazy("Mails on its first day"),
    "warm_up_growth": gettext_lazy("Percent more each day"), "signs_dkim": gettext_lazy("Sign with DKIM here"),
    "paused_at": gettext_lazy("Paused"), "company": gettext_lazy("Company"), "company_id": gettext_lazy("Company"),
    "companies": gettext_lazy("Companies"), "domain": gettext_lazy("Domain"), "domain_id": gettext_lazy("Domain"),
    "alias_domain": gettext_lazy("Mail domain"), "bounce_alias": gettext_lazy("Bounce address"),
    "catchall_alias": gettext_lazy("Catchall address"), "default_from": gettext_lazy("Default From"),
    "kind": gettext_lazy("Kind"), "kind_id": gettext_lazy("Kind"), "policy": gettext_lazy("Who may write"),
    "responsible_id": gettext_lazy("Responsible"), "forced_record_id": gettext_lazy("Always this record"),
    "owner_record_id": gettext_lazy("Belongs to this record"), "defaults": gettext_lazy("Its records begin with"),
    "matches_local_part": gettext_lazy("Matches what stands before the @ alone"),
    "refusal_text": gettext_lazy("What refused people are told"), "retired_at": gettext_lazy("Given up"),
    "status": gettext_lazy("Status"), "protocol": gettext_lazy("Protocol"), "folder": gettext_lazy("Folder"),
    "after_fetch": gettext_lazy("After fetching"), "fallback_kind_id": gettext_lazy("Otherwise it becomes"),
    "authserv_ids": gettext_lazy("Servers whose word on senders counts"), "interval_seconds": gettext_lazy("Every (seconds)"),
    "is_confirmed": gettext_lazy("Confirmed"), "confirmed_at": gettext_lazy("Confirmed"), "role": gettext_lazy("Role"),
    "address": gettext_lazy("Mail address"), "language": gettext_lazy("Language"), "state": gettext_lazy("State"),
    "capture": gettext_lazy("Capture mode"), "subject": gettext_lazy("Subject"), "html": gettext_lazy("Text (HTML)"),
    "trigger": gettext_lazy("What happens"), "via": gettext_lazy("How"), "stage": gettext_lazy("Stage"), "alias_id": gettext_lazy("Alias"),
    "responsible": gettext_lazy("Responsible"), "side": gettext_lazy("Caused by"), "words": gettext_lazy("Words in the subject"),
    "hours": gettext_lazy("For so many hours"), "actions": gettext_lazy("then do this"),
    "from_address": gettext_lazy("From"), "reply_to": gettext_lazy("Answers go to"), "server_id": gettext_lazy("Outgoing server"),
}  # fmt: skip


AGES: tuple[tuple[str, str | Promise, int], ...] = (  # as the page's filter calls them, and their days
    ("", gettext_lazy("Any time"), 0),
    ("day", gettext_lazy("Of the last day"), 1),
    ("week", gettext_lazy("Of the last week"), 7),
    ("month", gettext_lazy("Of the last month"), 31),
)
MOST_SHOWN = 300  # characters of a value
AROUND = 40  # characters that are the same, before and after what differs in a longer text


def days_of(age: str) -> int:
    """0: no limit."""
    return next((days for key, _words, days in AGES if key == age), 0)


def what_differs(before: str, after: str) -> tuple[str, str]:
    """Two texts, cut to where they differ and a little around it. Linear in their size."""
    if min(len(before), len(after)) <= 2 * AROUND:
        return _cut(before), _cut(after)
    start = _in_common(before, after)
    end = _in_common(before[start:][::-1], after[start:][::-1])
    return _cut(_window(before, start, end)), _cut(_window(after, start, end))


def _in_common(one: str, other: str) -> int:
    """With how many equal characters they begin."""
    return sum(1 for _pair in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _window(text: str, start: int, end: int) -> str:
    first, last = max(0, start - AROUND), min(len(text), len(text) - end + AROUND)
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def subject_words(subject: str) -> str:
    """``outgoing server Gmail`` becomes ``Outgoing server: Gmail``, in the reader's language."""
    for start, words in SUBJECTS:
        if subject.startswith(start):
            rest = subject[len(start) :].strip()
            return f"{words}: {rest}" if rest else str(words)
    return subject


def field_words(name: str) -> str:
    """What the page calls it."""
    found = FIELDS.get(name)
    return str(found) if found is not None else name.replace("_", " ").capitalize()


def value_words(name: str, value: str, known: Mapping[str, Mapping[str, str]]) -> str:
    """Yes and no instead of True and False; names instead of numbers, where ``known`` has them by field."""
    if value in known.get(name.removesuffix("_id"), {}):
        return known[name.removesuffix("_id")][value]
    if value in ("True", "False"):
        return _("yes") if value == "True" else _("no")
    if value in ("", "None", "[]", "{}"):
        return ""
    return value
