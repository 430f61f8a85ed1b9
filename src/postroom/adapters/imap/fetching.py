"""Getting mails out of an opened folder: sizes, groups, pieces.

Laws: no more than a piece of any mail is asked for at once, whatever size the server claims; a mail that it
refuses to hand out is told apart from one that is gone, and keeps none of the others from coming.
"""

from __future__ import annotations

import imaplib
from collections.abc import Iterator, Mapping, Sequence

from imapclient.exceptions import ProtocolError

from postroom.adapters.imap.connection import ImapConnection
from postroom.adapters.mailbox.connecting import refusal, said
from postroom.core.terms.mailboxes import Completeness, FetchedMail, MailboxEndpoint, TroubleKind

PIECE = 256 * 1024
GROUP_BYTES = 4 * 1024 * 1024
GROUP_MAILS = 50
HEADER_MAX = 64 * 1024
OVERHEAD = 8 * 1024  # bytes of an answer beside the mail


def read_sizes(client: ImapConnection, uids: Sequence[int]) -> tuple[dict[int, int], frozenset[int]]:
    """The claimed sizes, by ascending UID, and which are marked as read; mails that have vanished are missing."""
    sizes: dict[int, int] = {}
    read: set[int] = set()
    for start in range(0, len(uids), 500):
        for uid, fields in client.fetch(uids[start : start + 500], ["RFC822.SIZE", "FLAGS"]).items():
            size = fields.get(b"RFC822.SIZE")
            sizes[uid] = size if isinstance(size, int) else 0
            flags = fields.get(b"FLAGS")
            if isinstance(flags, tuple) and any(bytes(flag).lower() == b"\\seen" for flag in flags):
                read.add(uid)
    return dict(sorted(sizes.items())), frozenset(read)


def in_groups(sizes: Mapping[int, int], max_bytes: int) -> Iterator[dict[int, int]]:
    """Small mails go together into one question, each larger one is a group of its own; the order is kept."""
    group: dict[int, int] = {}
    for uid, size in sizes.items():
        is_alone = size > min(PIECE, max_bytes)
        is_full = len(group) >= GROUP_MAILS or sum(group.values()) + size > GROUP_BYTES
        if group and (is_alone or is_full):
            yield group
            group = {}
        group[uid] = size
        if is_alone:
            yield group
            group = {}
    if group:
        yield group


def fetch_group(
    client: ImapConnection, endpoint: MailboxEndpoint, group: Mapping[int, int], max_bytes: int
) -> list[FetchedMail]:
    """The mails of a group, given as claimed sizes by UID; those that are gone are left out.

    Raises what IMAPClient raises, but not for a mail that the server refuses.
    """
    if too_large := [_header_only(client, uid, size, max_bytes) for uid, size in group.items() if size > max_bytes]:
        return too_large
    try:
        firsts = _ask(client, list(group), 0)
    except imaplib.IMAP4.error as error:
        reason = _refusal(error, endpoint)
        if len(group) == 1:
            return [_refused(uid, size, reason) for uid, size in group.items()]
        alone = (fetch_group(client, endpoint, {uid: size}, max_bytes) for uid, size in group.items())
        return [mail for mails in alone for mail in mails]
    return [
        _complete(client, endpoint, uid=uid, size=group[uid], first=first, max_bytes=max_bytes)
        for uid, first in sorted(firsts.items())
    ]


def _complete(
    client: ImapConnection,
    endpoint: MailboxEndpoint,
    *,
    uid: int,
    size: int,
    first: bytes | None,
    max_bytes: int,
) -> FetchedMail:
    if first is None:
        return _refused(uid, size, "The server sends no content for this mail.")
    try:
        raw = _read_on(client, uid, first, max_bytes)
    except imaplib.IMAP4.error as error:
        return _refused(uid, size, _refusal(error, endpoint))
    if raw is None:
        return _header_only(client, uid, size, max_bytes)
    return FetchedMail(uid=uid, raw=raw, size=size)


def _read_on(client: ImapConnection, uid: int, first: bytes, max_bytes: int) -> bytes | None:
    """The whole mail; None when it grows beyond ``max_bytes``."""
    pieces = [first]
    total = len(first)
    while len(pieces[-1]) == PIECE and total <= max_bytes:
        answer = _ask(client, [uid], total)
        if uid not in answer:
            raise client.Error("the mail vanished while it was read")
        pieces.append(answer[uid] or b"")
        total += len(pieces[-1])
    return b"".join(pieces) if total <= max_bytes else None


def _ask(client: ImapConnection, uids: Sequence[int], offset: int) -> dict[int, bytes | None]:
    """A piece of each mail; None where the server sends none, and no entry for a mail that is gone."""
    return _ask_for(client, uids, f"BODY.PEEK[]<{offset}.{PIECE}>", PIECE)


def _header_only(client: ImapConnection, uid: int, size: int, max_bytes: int) -> FetchedMail:
    try:
        raw = _ask_for(client, [uid], f"BODY.PEEK[HEADER]<0.{HEADER_MAX}>", HEADER_MAX).get(uid) or b""
    except (imaplib.IMAP4.abort, ProtocolError):
        raise
    except imaplib.IMAP4.error:
        raw = b""
    defect = f"The mail is larger than {max_bytes} bytes; only its header was fetched."
    return FetchedMail(uid=uid, raw=raw, size=size, completeness=Completeness.HEADER_ONLY, defect=defect)


def _ask_for(client: ImapConnection, uids: Sequence[int], item: str, size: int) -> dict[int, bytes | None]:
    with client.wire.allowing(len(uids) * (size + OVERHEAD) + OVERHEAD):
        answers = client.fetch(uids, [item])
    return {uid: _body(fields) for uid, fields in answers.items()}


def _body(fields: Mapping[bytes, object]) -> bytes | None:
    """The one body section of an answer; servers name it with or without the offset."""
    found = (value for name, value in fields.items() if name.startswith(b"BODY["))
    value = next(found, None)
    return value if isinstance(value, bytes) else None


def _refused(uid: int, size: int, reason: str) -> FetchedMail:
    return FetchedMail(uid=uid, raw=b"", size=size, completeness=Completeness.REFUSED, defect=reason)


def _refusal(error: imaplib.IMAP4.error, endpoint: MailboxEndpoint) -> str:
    """The server's words when it refused this one mail; raises when nothing can be had from it now."""
    if isinstance(error, imaplib.IMAP4.abort | ProtocolError):
        raise error
    trouble = refusal(said(error), endpoint, "fetching mail", TroubleKind.PROTOCOL)
    if trouble.kind is TroubleKind.UNAVAILABLE:
        raise trouble from error
    return trouble.text
