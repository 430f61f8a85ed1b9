"""How a mailbox is reached, and how what is known of it stands in its row: for those who fetch, and for those who only try.

Laws: nothing is fetched here. A password that cannot be read is a trouble of the mailbox, not ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.models import Case, F, Value, When

from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    MailboxCursor,
    MailboxEndpoint,
    MailboxProtocol,
    MailboxSession,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.secret import Secret
from postroom.flows.ports import Ports
from postroom.store.models import Mailbox

CHANNEL = "postroom_mailboxes"  # NOTIFY: a mailbox was changed, or somebody wants it fetched now


def call_watchers() -> None:
    """A mailbox was changed or is to be fetched: look now. Heard when the transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


@contextmanager
def open_mailbox(ports: Ports, mailbox_id: int) -> Iterator[MailboxSession]:
    """A session for the mailbox as it is set up now; it connects when first used, and is closed at the end."""
    session = ports.mailbox_session(endpoint_of(ports, Mailbox.objects.get(pk=mailbox_id)))
    try:
        yield session
    finally:
        session.close()


def endpoint_of(ports: Ports, mailbox: Mailbox) -> MailboxEndpoint:
    """How to reach it. Raises `MailboxTrouble` when its password cannot be read any more."""
    try:
        password = ports.vault.open(bytes(mailbox.secret)) if mailbox.secret else Secret("")
    except ValueError as error:
        text = "The stored password cannot be read: the key of this installation is another one. Enter it again."
        raise MailboxTrouble(TroubleKind.LOGIN, text) from error
    return MailboxEndpoint(
        protocol=MailboxProtocol(mailbox.protocol),
        host=mailbox.host,
        port=mailbox.port,
        encryption=Encryption(mailbox.encryption),
        verify_certificate=mailbox.verify_certificate,
        username=mailbox.username,
        password=password,
        token_source=mailbox.token_source if mailbox.authentication == "token" else "",
        folder=mailbox.folder or "INBOX",
    )


def acknowledgement_of(mailbox: Mailbox) -> Acknowledgement:
    """What is to happen there to what was taken. Raises `MailboxTrouble` for a setting that says nothing."""
    try:
        return Acknowledgement.read(mailbox.after_fetch)
    except ValueError as error:
        raise MailboxTrouble(
            TroubleKind.FOLDER, f"the setting for what happens after fetching is wrong: {error}"
        ) from error


def cursor_of(mailbox: Mailbox) -> MailboxCursor:
    """How far it has been read, as it is stored."""
    return MailboxCursor(
        uidvalidity=mailbox.uid_validity,
        last_uid=mailbox.last_uid,
        seen_uidls=frozenset(mailbox.seen_uidls),
        open_uids=frozenset(mailbox.open_uids),
        old_before=mailbox.old_before,
        old_up_to=mailbox.old_up_to,
    )


def columns_of(cursor: MailboxCursor) -> dict[str, object]:
    """A cursor as the columns of a mailbox."""
    is_floor_old = Case(When(uid_validity=cursor.uidvalidity, then=F("floor_uid")), default=Value(0))
    return {
        "floor_uid": is_floor_old,
        "uid_validity": cursor.uidvalidity,
        "last_uid": cursor.last_uid,
        "seen_uidls": sorted(cursor.seen_uidls),
        "open_uids": sorted(cursor.open_uids),
        "old_up_to": cursor.old_up_to,
    }
