"""Reset: where the reading of a mailbox begins anew, at its beginning or at its end.

Laws: from the beginning, everything that lies there is looked at again, and what is here already is recognised by number and content;
nothing becomes a second message. To the end, what lies there now is left for good, and a folder that is made anew later does not
bring it back. Every reset is recorded.
"""

from __future__ import annotations

from enum import StrEnum

from django.db import transaction

from postroom.core.terms.mailboxes import MailboxCursor
from postroom.flows.access import require
from postroom.flows.ports import Ports
from postroom.flows.reach_mailbox import call_watchers, columns_of, open_mailbox
from postroom.store.models import Mailbox, Member, SettingChange


class ResetTo(StrEnum):
    """Where reading goes on."""

    BEGINNING = "beginning"  # all that lies there is looked at again
    END = "end"  # what lies there now is left


def reset_mailbox(ports: Ports, mailbox_id: int, to: ResetTo, *, member: Member | None) -> MailboxCursor:
    """Raises `NotAllowed`, `Mailbox.DoesNotExist`; to the end also `MailboxTrouble`, for the server is asked where that is."""
    require(member, "settings")
    mailbox = Mailbox.objects.get(pk=mailbox_id)
    require(member, "settings", mailbox)
    today = ports.clock.now().date()
    cursor = MailboxCursor()
    if to is ResetTo.END:
        with open_mailbox(ports, mailbox_id) as session:
            session.open()
            cursor = session.end()
    facts = columns_of(cursor) | {
        "floor_uid": cursor.last_uid,
        "old_before": today if to is ResetTo.END else None,
        "old_up_to": 0,
    }
    with transaction.atomic():
        # Whoever reads it now has a cursor of his own: without the lease he cannot store it any more.
        Mailbox.objects.filter(pk=mailbox_id).update(**facts, leased_by="", leased_until=None)
        SettingChange.objects.create(
            changed_at=ports.clock.now(),
            user=member.user if member else None,
            company=member.company if member else mailbox.company,
            subject=f"mailbox {mailbox}"[:200],
            before={"reading goes on after": _place(mailbox)},
            after={"reading goes on": f"at the {to.value}"},
        )
        call_watchers()
    return cursor


def _place(mailbox: Mailbox) -> str:
    return f"UID {mailbox.last_uid}" if mailbox.protocol == "imap" else f"{len(mailbox.seen_uidls)} known mails"
