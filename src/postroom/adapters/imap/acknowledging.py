"""What happens in the mailbox to mails that are safe with us.

Law: a deletion takes away what we name and nothing else. Without UIDPLUS, EXPUNGE takes every mail that
anybody has marked as deleted: then we only mark ours, unless all that is marked is ours.
Standards: RFC 9051 6.4.4 to 6.4.9, RFC 4315 (UIDPLUS), RFC 6851 (MOVE).
"""

from __future__ import annotations

import imaplib
from collections.abc import Sequence

from imapclient import SEEN

from postroom.adapters.imap.connection import ImapConnection
from postroom.core.terms.mailboxes import Acknowledgement, AfterFetch


def apply(client: ImapConnection, uids: Sequence[int], how: Acknowledgement) -> None:
    """Mark, move or delete these mails of the opened folder. Raises what IMAPClient raises."""
    match how.after:
        case AfterFetch.NOTHING:
            pass
        case AfterFetch.MARK_SEEN:
            client.add_flags(uids, [SEEN], silent=True)
        case AfterFetch.MOVE:
            _move(client, uids, how.folder)
        case AfterFetch.DELETE:
            _delete(client, uids)


def _move(client: ImapConnection, uids: Sequence[int], folder: str) -> None:
    client.noop()  # to hear which mails are gone: naming one would be an error
    transfer = client.move if client.has_capability("MOVE") else client.copy
    try:
        transfer(uids, folder)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        if "EXPUNGEISSUED" in str(error):
            client.noop()
        else:
            client.create_folder(folder)  # most likely it was missing; if not, this says why
        transfer(uids, folder)
    if transfer == client.copy:
        _delete(client, uids)


def _delete(client: ImapConnection, uids: Sequence[int]) -> None:
    client.delete_messages(uids, silent=True)
    if client.has_capability("UIDPLUS"):
        client.uid_expunge(uids)
    elif set(client.search("DELETED")) <= set(uids):
        client.expunge()
