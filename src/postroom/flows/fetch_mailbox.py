"""Fetching mail from a mailbox: under a lease, durable first, acknowledged afterwards.

    lease -> session -> fetch_new -> accept_messages (commit) -> acknowledge -> store the cursor -> again, or wait

Laws: a mail is acknowledged on its server only after it is durable with us (law 1). One mailbox is read by one holder of
its lease at a time; who lost his lease touches neither server nor cursor any more. A crash between commit and
acknowledgement makes a mail come again, which the router recognises; it never makes one go missing. Trouble with one mailbox
is a fact about it, kept with it, and harms no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q, QuerySet

from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    AfterFetch,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxEndpoint,
    MailboxProtocol,
    MailboxSession,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.access import require
from postroom.flows.defer_job import defer_job
from postroom.flows.guard_installation import is_locked
from postroom.flows.ports import Ports
from postroom.store.models import Mailbox, Member, ScheduledAction

LEASE = timedelta(seconds=60)  # a holder that died frees the mailbox after this
BATCH_MAILS = 50
BATCH_BYTES = 8 * 1024 * 1024  # what is held in memory before it is made durable
BUDGET = timedelta(seconds=60)  # for one round, so that "Fetch Now" answers and leases are renewed
FETCH_ACTION = "fetchmail"  # "Mail: Fetchmail Service"
CHANNEL = "postroom_mailboxes"  # NOTIFY: a mailbox was changed, or somebody wants it fetched now

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=15)
LOGIN_PAUSE, LONGEST_LOGIN_PAUSE = timedelta(minutes=2), timedelta(hours=1)  # providers lock accounts out


class LeaseLost(Exception):  # noqa: N818 - nobody's error: somebody else has the mailbox now
    """Another holder took the mailbox over, or it was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to read a mailbox, until `Mailbox.leased_until`."""

    mailbox_id: int
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxFetch:
    """What a round of fetching did. ``trouble`` is a plain sentence, ``""`` when all went well."""

    mailbox_id: int
    taken: int = 0
    is_leased_elsewhere: bool = False  # somebody reads it at this moment; he was told to look now
    has_more: bool = False  # the budget ended before the mailbox did
    trouble: str = ""
    trouble_kind: TroubleKind | None = None

    def __str__(self) -> str:
        if self.trouble:
            return f"{self.taken} mails taken, then: {self.trouble}"
        if self.is_leased_elsewhere:
            return "is being watched; told to look now"
        return f"{self.taken} mails taken" + (", more to come" if self.has_more else "")


# ---- the lease


def take_lease(ports: Ports, mailbox_id: int, holder: str) -> Lease | None:
    """The mailbox for ``holder`` alone, or None while somebody else has it. ``holder`` names a process and thread.

    A copy of the database that nobody confirmed fetches nothing: the original would miss it.
    """
    if is_locked():
        return None
    now = ports.clock.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now) | Q(leased_by=holder)
    taken = Mailbox.objects.filter(free, pk=mailbox_id).update(leased_by=holder, leased_until=now + LEASE)
    return Lease(mailbox_id=mailbox_id, holder=holder) if taken else None


def renew_lease(ports: Ports, lease: Lease) -> None:
    """For another `LEASE`; also when it ran out and nobody wanted it. Raises `LeaseLost`."""
    if not _held(lease).update(leased_until=ports.clock.now() + LEASE):
        raise LeaseLost(lease.mailbox_id)


def release_lease(lease: Lease) -> None:
    """For the next one; harmless when it was lost."""
    _held(lease).update(leased_by="", leased_until=None)


def _held(lease: Lease) -> QuerySet[Mailbox]:
    return Mailbox.objects.filter(pk=lease.mailbox_id, leased_by=lease.holder)


# ---- fetching


def fetch_now(ports: Ports, mailbox_id: int, *, holder: str = "") -> MailboxFetch:
    """One round on this mailbox, whether or not it is due. Whoever watches it already is told to look at once instead."""
    lease = take_lease(ports, mailbox_id, holder or f"fetch-{ports.ids.hex(8)}")
    if lease is None:
        call_watchers()
        return MailboxFetch(mailbox_id=mailbox_id, is_leased_elsewhere=True)
    try:
        with open_mailbox(ports, mailbox_id) as session:
            return fetch_round(ports, lease, session)
    except MailboxTrouble as trouble:
        note_trouble(ports, lease, trouble)
        return MailboxFetch(mailbox_id=mailbox_id, trouble=trouble.text, trouble_kind=trouble.kind)
    finally:
        release_lease(lease)


def request_fetch(_ports: Ports, mailbox_id: int, *, member: Member | None) -> bool:
    """ "Fetch Now" of the pages: has `fetch_now` done in the background. False when that waits to be done already.

    Raises `NotAllowed`, and `Mailbox.DoesNotExist`.
    """
    require(member, "settings", Mailbox.objects.get(pk=mailbox_id))
    return defer_job("fetch_mailbox_now", only_one=f"fetch {mailbox_id}", mailbox_id=mailbox_id)


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
        folder=mailbox.folder or "INBOX",
    )


def fetch_round(
    ports: Ports, lease: Lease, session: MailboxSession, *, is_over: Callable[[], bool] = lambda: False
) -> MailboxFetch:
    """Take what is new, batch by batch, until nothing is left, the budget is used up, or ``is_over``.

    Trouble is noted with the mailbox. Raises `LeaseLost`, and errors of the database (then nothing is acknowledged that
    is not durable).
    """
    give_up_at = ports.clock.now() + BUDGET
    taken, limit = 0, BATCH_MAILS
    try:
        while True:
            renew_lease(ports, lease)
            batch = _fetch_batch(ports, lease, session, limit)
            taken += batch.taken
            has_more = batch.offered >= limit
            limit = BATCH_MAILS + batch.refused  # what the server does not hand out is offered first next time, too
            if not has_more or is_over() or ports.clock.now() >= give_up_at:
                break
    except MailboxTrouble as trouble:
        note_trouble(ports, lease, trouble)
        return MailboxFetch(mailbox_id=lease.mailbox_id, taken=taken, trouble=trouble.text, trouble_kind=trouble.kind)
    _note_success(ports, lease, taken)
    return MailboxFetch(mailbox_id=lease.mailbox_id, taken=taken, has_more=has_more)


@dataclass(slots=True)
class _Batch:
    offered: int = 0
    refused: int = 0
    taken: int = 0
    whole: list[int | str] = field(default_factory=list)
    too_large: list[int | str] = field(default_factory=list)


def _fetch_batch(ports: Ports, lease: Lease, session: MailboxSession, limit: int) -> _Batch:
    mailbox = Mailbox.objects.get(pk=lease.mailbox_id)
    how = _acknowledgement(mailbox)
    largest = ports.configuration.max_message_size
    batch = _Batch()
    waiting: list[Arrival] = []
    for mail in session.fetch_new(_cursor_of(mailbox), limit, largest):
        batch.offered += 1
        if mail.completeness is Completeness.REFUSED:
            batch.refused += 1
            continue
        (batch.whole if mail.completeness is Completeness.WHOLE else batch.too_large).append(mail.uid)
        waiting.append(_arrival(mailbox, mail, largest))
        if sum(len(arrival.raw) for arrival in waiting) >= BATCH_BYTES:
            batch.taken += _accept(ports, waiting)
            waiting = []
    batch.taken += _accept(ports, waiting)
    if batch.taken:
        renew_lease(ports, lease)
        _acknowledge(session, batch, how)
        _store_cursor(lease, session.cursor())
    return batch


def _accept(ports: Ports, arrivals: list[Arrival]) -> int:
    return len(accept_messages(ports, arrivals)) if arrivals else 0


def _acknowledge(session: MailboxSession, batch: _Batch, how: Acknowledgement) -> None:
    """What is too large was taken by its header alone: the mail itself stays where it is."""
    if batch.whole:
        session.acknowledge(batch.whole, how)
    if batch.too_large:
        session.acknowledge(batch.too_large, Acknowledgement(AfterFetch.NOTHING))


def _acknowledgement(mailbox: Mailbox) -> Acknowledgement:
    try:
        return Acknowledgement.read(mailbox.after_fetch)
    except ValueError as error:
        raise MailboxTrouble(
            TroubleKind.FOLDER, f"the setting for what happens after fetching is wrong: {error}"
        ) from error


def _arrival(mailbox: Mailbox, mail: FetchedMail, limit: int) -> Arrival:
    raw = mail.raw if mail.completeness is Completeness.WHOLE else notice_of_large_mail(mail.raw, mail.size, limit)
    return Arrival(
        door=Door(mailbox.protocol),
        raw=raw,
        envelope=None,
        peer=f"{mailbox.username} at {mailbox.host}"[:300],
        mailbox_id=mailbox.pk,
    )


def notice_of_large_mail(header: bytes, size: int, limit: int) -> bytes:
    """What stands in for a mail that is too large to take: its header, and a text that says where the mail is."""
    fields = _unfolded_fields(header.partition(b"\r\n\r\n")[0])
    kept = [one for one in fields if not one.lower().startswith((b"content-", b"mime-version"))]
    text = (
        f"This mail has {size} bytes, more than the {limit} that are accepted here.\r\n"
        "Only its header was taken. The mail itself is still in the mailbox.\r\n"
    )
    head = [*kept, b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=us-ascii"]
    return b"\r\n".join(head) + b"\r\n\r\n" + text.encode("ascii")


def _unfolded_fields(header: bytes) -> list[bytes]:
    """The fields, each with its continuation lines; lines that are no fields are left out."""
    fields: list[bytes] = []
    for line in header.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\r\n" + line
        elif b":" in line:
            fields.append(line)
    return fields


def _cursor_of(mailbox: Mailbox) -> MailboxCursor:
    return MailboxCursor(
        uidvalidity=mailbox.uid_validity, last_uid=mailbox.last_uid, seen_uidls=frozenset(mailbox.seen_uidls)
    )


def _store_cursor(lease: Lease, cursor: MailboxCursor) -> None:
    stored = _held(lease).update(
        uid_validity=cursor.uidvalidity, last_uid=cursor.last_uid, seen_uidls=sorted(cursor.seen_uidls)
    )
    if not stored:
        raise LeaseLost(lease.mailbox_id)


# ---- health


def _note_success(ports: Ports, lease: Lease, taken: int) -> None:
    now = ports.clock.now()
    facts: dict[str, object] = {"fetched_at": now, "last_error": "", "error_count": 0}
    if taken:
        facts["last_message_at"] = now
    _held(lease).update(**facts)


def note_trouble(ports: Ports, lease: Lease, trouble: MailboxTrouble) -> None:
    """Keep it with the mailbox, until a round goes well."""
    code = f" [{trouble.response_code}]" if trouble.response_code else ""
    _held(lease).update(
        fetched_at=ports.clock.now(), last_error=f"{trouble.text}{code}"[:2000], error_count=F("error_count") + 1
    )


def pause_after(error_count: int, kind: TroubleKind | None) -> timedelta:
    """How long to leave a mailbox alone after this many troubles in a row (1 or more)."""
    first, longest = (LOGIN_PAUSE, LONGEST_LOGIN_PAUSE) if kind is TroubleKind.LOGIN else (FIRST_PAUSE, LONGEST_PAUSE)
    return min(first * (1 << min(error_count - 1, 20)), longest)


def watched_mailboxes() -> list[int]:
    """All that are to be read, the most important first; none while the scheduled action is switched off."""
    if ScheduledAction.objects.filter(pk=FETCH_ACTION, is_active=False).exists():
        return []
    return list(Mailbox.objects.filter(is_active=True, is_confirmed=True).values_list("pk", flat=True))


def due_mailboxes(ports: Ports) -> list[int]:
    """Those that nobody reads now and whose interval is over."""
    now = ports.clock.now()
    rows = Mailbox.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now), is_active=True, is_confirmed=True)
    return [row.pk for row in rows if _is_due(row, now)]


def _is_due(mailbox: Mailbox, now: datetime) -> bool:
    return mailbox.fetched_at is None or mailbox.fetched_at + timedelta(seconds=mailbox.interval_seconds) <= now


# ---- Test & Confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxTest:
    """How far a test came. ``step`` is the last one tried; ``cause`` and ``cure`` are sentences, ``""`` when ``ok``."""

    ok: bool
    step: str
    cause: str = ""
    cure: str = ""


def test_mailbox(ports: Ports, mailbox_id: int, *, confirm: bool = True, leave_old_mail: bool = False) -> MailboxTest:
    """Connect, encrypt, log in and open the folder. A success confirms the mailbox, so that it is fetched from now on.

    With ``leave_old_mail`` the cursor moves to the end: what lies there now is never taken.
    """
    mailbox = Mailbox.objects.get(pk=mailbox_id)
    try:
        with open_mailbox(ports, mailbox_id) as session:
            session.open()
            _acknowledgement(mailbox)
            end = session.end() if leave_old_mail else None
    except MailboxTrouble as trouble:
        return MailboxTest(ok=False, step=_STEPS[trouble.kind], cause=trouble.text, cure=_cure(mailbox, trouble.kind))
    facts: dict[str, object] = {"last_error": "", "error_count": 0}
    if confirm:
        facts["is_confirmed"] = True
    if end is not None:
        facts |= {"uid_validity": end.uidvalidity, "last_uid": end.last_uid, "seen_uidls": sorted(end.seen_uidls)}
    Mailbox.objects.filter(pk=mailbox_id).update(**facts)
    call_watchers()
    return MailboxTest(ok=True, step="folder")


test_mailbox.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own

_STEPS = {
    TroubleKind.CONNECT: "connect",
    TroubleKind.TLS: "encryption",
    TroubleKind.LOGIN: "login",
    TroubleKind.UNAVAILABLE: "login",
    TroubleKind.PROTOCOL: "connect",
    TroubleKind.TIMEOUT: "connect",
    TroubleKind.FOLDER: "folder",
}

_CURES = {
    TroubleKind.CONNECT: "Check host and port, and that a firewall lets connections out: IMAP 993 (143), POP3 995 (110).",
    TroubleKind.TLS: "Check the kind of encryption for this port: TLS on 993 and 995, STARTTLS on 143 and 110; "
    "if the server's certificate is its own, allow that for this mailbox.",
    TroubleKind.LOGIN: "Check user name and password, and that IMAP or POP3 is switched on for the account.",
    TroubleKind.UNAVAILABLE: "The server asks for patience: too many connections or logins, or maintenance. Try again later.",
    TroubleKind.PROTOCOL: "Something else answers on this port: check host, port and protocol.",
    TroubleKind.TIMEOUT: "The server does not answer in time: check the port and the kind of encryption, or try again later.",
    TroubleKind.FOLDER: "Check the name of the folder, that it exists, and what is to happen with mails after fetching.",
}

_LOGIN_CURES = {
    "gmail.com": "Google wants an app password (account with 2-step verification) or OAuth, not the account's password; "
    "IMAP must be on in Gmail's settings, and in Google Workspace for the organisation.",
    "googlemail.com": "Google wants an app password (account with 2-step verification) or OAuth, not the account's password.",
    "office365.com": "Microsoft 365 wants OAuth: passwords are switched off for IMAP and POP3. "
    "IMAP must be on for the mailbox in the admin centre.",
    "outlook.com": "Outlook.com wants OAuth or an app password (with two-step verification); IMAP must be on in its settings.",
    "yahoo.com": "Yahoo wants an app password, made in the account's security settings.",
    "icloud.com": "iCloud wants an app-specific password, made at account.apple.com.",
    "me.com": "iCloud wants an app-specific password, made at account.apple.com.",
}


def _cure(mailbox: Mailbox, kind: TroubleKind) -> str:
    if kind is TroubleKind.LOGIN:
        host = mailbox.host.lower().rstrip(".")
        for domain, cure in _LOGIN_CURES.items():
            if host == domain or host.endswith(f".{domain}"):
                return cure
    return _CURES[kind]


def summary(rounds: Iterable[MailboxFetch]) -> str:
    """One line on several mailboxes, for the history of a scheduled action."""
    done = list(rounds)
    taken = sum(one.taken for one in done)
    troubled = [one for one in done if one.trouble]
    parts = [f"{len(done)} mailboxes, {taken} mails"]
    parts += [f"mailbox {one.mailbox_id}: {one.trouble}" for one in troubled]
    return "; ".join(parts)
