"""A mailbox is changed: what cannot work is refused at its field, and what it is read by only once nobody reads it.

Duty: the rules that its page and `postroom mailbox edit` share. Laws: what a confirmed mailbox is entered by stays as it was tested until
its confirmation is reset; everything is stored by `save_mailbox`, which records it and leads a stored password to no other place.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from postroom.core.terms.mailboxes import Acknowledgement
from postroom.flows.ports import Ports
from postroom.flows.settings import save_mailbox
from postroom.store.models import Mailbox, Member

LOCKED: Final = (
    "protocol",
    "host",
    "port",
    "encryption",
    "verify_certificate",
    "username",
    "authentication",
    "token_source",
    "folder",
)
_CHECKED: Final = ("authentication", "token_source", "protocol", "after_fetch")


class MailboxMistake(StrEnum):
    """What does not fit together. The value is the field that a person has to correct."""

    NO_TOKEN_SOURCE = "token_source"  # noqa: S105 - a name
    NOTHING_TO_MARK = "after_fetch"
    NO_FOLDER = "move_to"


_SAID: Final = {
    MailboxMistake.NO_TOKEN_SOURCE: "Say who gives the tokens: google, microsoft, microsoft/TENANT or an https address.",
    MailboxMistake.NOTHING_TO_MARK: "POP3 has no folders and no marks: leave the mail there (nothing), or delete it.",
    MailboxMistake.NO_FOLDER: "Into which folder? It is written move:FOLDER.",
}


def mistakes(*, protocol: str, authentication: str, token_source: str, after: str, folder: str) -> list[MailboxMistake]:
    """``after``: what happens after fetching, in a word; ``folder``: where mail is moved then."""
    found = []
    if authentication == "token" and not token_source:
        found.append(MailboxMistake.NO_TOKEN_SOURCE)
    if protocol == "pop3" and after in ("move", "mark_seen"):
        found.append(MailboxMistake.NOTHING_TO_MARK)
    elif after == "move" and not folder.strip():
        found.append(MailboxMistake.NO_FOLDER)
    return found


def locked_changes(mailbox: Mailbox, values: Mapping[str, Any]) -> list[str]:
    """Which of these would change how a confirmed mailbox is entered; none while it is not confirmed."""
    if not mailbox.is_confirmed:
        return []
    return [name for name in LOCKED if name in values and values[name] != getattr(mailbox, name)]


@transaction.atomic
def change_mailbox(
    ports: Ports, mailbox_id: int, values: Mapping[str, Any], *, member: Member | None, unconfirm: bool = False
) -> Mailbox:
    """``values``: column names, and ``password`` in clear. ``unconfirm``: reset its confirmation with the same step, so that it is not read
    before the next test. Raises as `save_mailbox`, and Mailbox.DoesNotExist."""
    mailbox = Mailbox.objects.select_for_update(of=("self",)).get(pk=mailbox_id)
    if not unconfirm and (locked := locked_changes(mailbox, values)):
        said = "It is confirmed, and read as it was tested: reset its confirmation first."
        raise ValidationError(dict.fromkeys(locked, said))
    _require_fitting(mailbox, values)
    freed = {"is_confirmed": False, "confirmed_at": None} if unconfirm and mailbox.is_confirmed else {}
    return save_mailbox(ports, {**values, **freed, "id": mailbox_id}, member=member)


def _require_fitting(mailbox: Mailbox, values: Mapping[str, Any]) -> None:
    if not 1 <= int(values.get("port", mailbox.port)) <= 65535:
        raise ValidationError({"port": "A port is a number from 1 to 65535; mail is fetched at 993, 143, 995 or 110."})
    _require_choices(values)
    if not values.keys() & set(_CHECKED):
        return
    after = {name: str(values.get(name, getattr(mailbox, name))) for name in _CHECKED}
    word, _, folder = after.pop("after_fetch").partition(":")
    if found := mistakes(**after, after=word.strip(), folder=folder):
        raise ValidationError({one.value.replace("move_to", "after_fetch"): _SAID[one] for one in found})
    if "after_fetch" in values:
        try:
            Acknowledgement.read(values["after_fetch"])
        except ValueError:
            raise ValidationError({"after_fetch": "Say mark_seen, nothing, delete or move:FOLDER."}) from None


def _require_choices(values: Mapping[str, Any]) -> None:
    """Before anybody is asked for a password: a word that there is not leads nowhere."""
    words = {name: values[name] for name in ("protocol", "encryption", "authentication") if name in values}
    if words:
        others = {field.name for field in Mailbox._meta.concrete_fields} - words.keys()
        Mailbox(**words).clean_fields(exclude=others)
