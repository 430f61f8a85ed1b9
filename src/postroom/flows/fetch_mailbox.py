"""Fetching mail from a mailbox: under a lease, durable first, acknowledged afterwards.

    lease -> session -> fetch_new -> accept_messages (commit) -> acknowledge -> store the cursor -> again, or wait

Laws: a mail is acknowledged on its server only after it is durable with us (law 1). One mailbox is read by one holder of
its lease at a time; who lost his lease stores nothing and touches neither server nor cursor any more. A crash between commit and
acknowledgement makes a mail come again, which is recognised (`remember_taken`, and the router); it never makes one go missing. A
mailbox in which nothing can be changed keeps no mail from coming. Trouble with one mailbox is a fact about it, kept with it, and
harms no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connections, transaction
from django.db.models import Q, QuerySet

from postroom.core.terms.mailboxes import (
    Acknowledgement,
    AfterFetch,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxSession,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.access import require
from postroom.flows.defer_job import defer_job
from postroom.flows.guard_installation import is_locked
from postroom.flows.note_health import note_success, note_trouble, note_unsettled
from postroom.flows.note_strangers import with_batch
from postroom.flows.ports import Ports
from postroom.flows.reach_mailbox import acknowledgement_of, call_watchers, columns_of, cursor_of, open_mailbox
from postroom.flows.remember_taken import TakenNow, recognise, remember, settle
from postroom.store.models import Mailbox, Member, ScheduledAction

LEASE = timedelta(seconds=60)  # a holder that died frees the mailbox after this
BATCH_MAILS = 50
BATCH_BYTES = 8 * 1024 * 1024  # what is held in memory before it is made durable
BUDGET = timedelta(seconds=60)  # for one round, so that "Fetch Now" answers and leases are renewed
FETCH_ACTION = "fetchmail"  # "Mail: Fetchmail Service"
RENEW_AFTER = timedelta(seconds=15)  # while one batch is read
AT_ONCE = 8  # mailboxes that one scheduled action reads side by side


Done = TypeVar("Done")


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
    recognised: int = 0  # were here already
    is_leased_elsewhere: bool = False  # somebody reads it at this moment; he was told to look now
    has_more: bool = False  # the budget ended before the mailbox did
    warning: str = ""  # they were taken, and could not be marked, moved or deleted there
    trouble: str = ""
    trouble_kind: TroubleKind | None = None

    def __str__(self) -> str:
        if self.trouble:
            return f"{self.taken} mails taken, then: {self.trouble}"
        if self.is_leased_elsewhere:
            return "is open elsewhere, where it was told to look now: what is new is here in a moment"
        known = f", {self.recognised} were here already" if self.recognised else ""
        more = ", more to come" if self.has_more else ""
        return f"{self.taken} mails taken{known}{more}" + (f"; but {self.warning}" if self.warning else "")


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
        note_trouble(ports, mailbox_id, trouble, holder=lease.holder)
        return MailboxFetch(mailbox_id=mailbox_id, trouble=trouble.text, trouble_kind=trouble.kind)
    finally:
        release_lease(lease)


def request_fetch(_ports: Ports, mailbox_id: int, *, member: Member | None) -> bool:
    """ "Fetch Now" of the pages: has `fetch_now` done in the background. False when that waits to be done already.

    Raises `NotAllowed`, and `Mailbox.DoesNotExist`.
    """
    require(member, "settings", Mailbox.objects.get(pk=mailbox_id))
    return defer_job("fetch_mailbox_now", only_one=f"fetch {mailbox_id}", mailbox_id=mailbox_id)


def fetch_round(
    ports: Ports, lease: Lease, session: MailboxSession, *, is_over: Callable[[], bool] = lambda: False
) -> MailboxFetch:
    """Take what is new, batch by batch, until nothing is left, the budget is used up, or ``is_over``.

    Trouble is noted with the mailbox. Raises `LeaseLost`, and errors of the database (then nothing is acknowledged that
    is not durable).
    """
    round_ = _Round(ports, lease, session, is_over)
    try:
        has_more = round_.run()
    except MailboxTrouble as trouble:
        return round_.failed(trouble)
    if round_.unsettled is not None:
        note_unsettled(ports, lease.mailbox_id, round_.unsettled, holder=lease.holder, taken=round_.taken)
        return round_.told(has_more=has_more, warning=round_.unsettled.text)
    note_success(ports, lease.mailbox_id, round_.taken, holder=lease.holder)
    return round_.told(has_more=has_more)


@dataclass(slots=True)
class _Batch:
    offered: int = 0
    refused: int = 0
    whole: list[int | str] = field(default_factory=list)
    too_large: list[int | str] = field(default_factory=list)
    waiting: list[tuple[FetchedMail, Arrival]] = field(default_factory=list)
    waiting_bytes: int = 0
    read: set[int | str] = field(default_factory=set)  # by somebody else


class _Round:
    """A round under way: what it has taken, and until when it may last."""

    def __init__(self, ports: Ports, lease: Lease, session: MailboxSession, is_over: Callable[[], bool]) -> None:
        self._ports = ports
        self._lease = lease
        self._session = session
        self._is_over = is_over
        self._ends_at = ports.clock.now() + BUDGET
        self._renew_at = ports.clock.now()
        self.taken = 0
        self.recognised = 0
        self.unsettled: MailboxTrouble | None = None  # mails were taken, and the server does not let us change them

    def run(self) -> bool:
        """Whether there is more."""
        limit = BATCH_MAILS
        while True:
            renew_lease(self._ports, self._lease)
            batch, is_whole = self._fetch_batch(limit)
            has_more = not is_whole or batch.offered >= limit
            limit = BATCH_MAILS + batch.refused  # what the server does not hand out is offered first next time, too
            if not has_more or self._is_over() or self._is_late():
                return has_more

    def failed(self, trouble: MailboxTrouble) -> MailboxFetch:
        note_trouble(self._ports, self._lease.mailbox_id, trouble, holder=self._lease.holder, taken=self.taken)
        return replace(self.told(), trouble=trouble.text, trouble_kind=trouble.kind)

    def told(self, *, has_more: bool = False, warning: str = "") -> MailboxFetch:
        return MailboxFetch(
            mailbox_id=self._lease.mailbox_id,
            taken=self.taken,
            recognised=self.recognised,
            has_more=has_more,
            warning=warning,
        )

    def _is_late(self) -> bool:
        return self._ports.clock.now() >= self._ends_at

    def _fetch_batch(self, limit: int) -> tuple[_Batch, bool]:
        """The batch, and whether it was read to its end."""
        mailbox = Mailbox.objects.get(pk=self._lease.mailbox_id)
        how = acknowledgement_of(mailbox)
        largest = self._ports.configuration.max_message_size
        batch, is_whole = _Batch(), True
        for mail in self._session.fetch_new(cursor_of(mailbox), limit, largest):
            batch.offered += 1
            if mail.completeness is Completeness.REFUSED:
                batch.refused += 1
            else:
                self._put(batch, mailbox, mail, largest, how)
            if self._is_late():  # it drips: what is here is kept, the rest comes in the next round
                is_whole = False
                break
            self._keep_lease()
        self._store(batch, mailbox, how)
        if batch.whole or batch.too_large:
            renew_lease(self._ports, self._lease)
            self._acknowledge(mailbox, batch, how)
            cursor = self._session.cursor()
            strangers = with_batch(
                mailbox, cursor, [*batch.whole, *batch.too_large], batch.read, self._ports.clock.now()
            )
            store_cursor(self._lease, cursor, strangers)
        return batch, is_whole

    def _put(self, batch: _Batch, mailbox: Mailbox, mail: FetchedMail, largest: int, how: Acknowledgement) -> None:
        (batch.whole if mail.completeness is Completeness.WHOLE else batch.too_large).append(mail.uid)
        if mail.was_read:
            batch.read.add(mail.uid)
        arrival = _arrival(mailbox, mail, largest)
        batch.waiting.append((mail, arrival))
        batch.waiting_bytes += len(arrival.raw)
        if batch.waiting_bytes >= BATCH_BYTES:
            self._store(batch, mailbox, how)

    def _keep_lease(self) -> None:
        now = self._ports.clock.now()
        if now >= self._renew_at:
            renew_lease(self._ports, self._lease)
            self._renew_at = now + RENEW_AFTER

    def _store(self, batch: _Batch, mailbox: Mailbox, how: Acknowledgement) -> None:
        """Durable, all or none; who lost the lease meanwhile stores nothing. What is here already is not stored again."""
        if not batch.waiting:
            return
        validity = self._session.cursor().uidvalidity
        try:
            with transaction.atomic():
                renew_lease(self._ports, self._lease)
                known = recognise(mailbox.pk, validity, [(mail.uid, arrival.raw) for mail, arrival in batch.waiting])
                fresh = [(mail, arrival) for mail, arrival in batch.waiting if str(mail.uid) not in known]
                numbers = accept_messages(self._ports, [arrival for _, arrival in fresh])
                is_settled = how.after is AfterFetch.NOTHING
                taken = [
                    TakenNow(
                        uid=mail.uid,
                        raw=arrival.raw,
                        inbound_id=number,
                        is_settled=is_settled or mail.completeness is not Completeness.WHOLE,
                    )
                    for (mail, arrival), number in zip(fresh, numbers, strict=True)
                ]
                remember(self._ports, mailbox.pk, validity, taken)
        except OSError as error:
            raise MailboxTrouble(
                TroubleKind.STORAGE, f"mail cannot be stored here: {error.strerror or error}"
            ) from error
        self.taken += len(fresh)
        self.recognised += len(known)
        batch.waiting.clear()
        batch.waiting_bytes = 0

    def _acknowledge(self, mailbox: Mailbox, batch: _Batch, how: Acknowledgement) -> None:
        """What is too large was taken by its header alone: the mail itself stays where it is. Where the server lets us change nothing,
        the mails count as taken all the same, and the rest is left to the reconciliation."""
        nothing = Acknowledgement(AfterFetch.NOTHING)
        if batch.too_large:
            self._session.acknowledge(batch.too_large, nothing)
        if not batch.whole:
            return
        if self.unsettled is None and how.after is not AfterFetch.NOTHING:
            try:
                self._session.acknowledge(batch.whole, how)
                settle(mailbox.pk, self._session.cursor().uidvalidity, batch.whole)
            except MailboxTrouble as trouble:
                if trouble.kind is not TroubleKind.FOLDER:
                    raise
                self.unsettled = trouble
            else:
                return
        self._session.acknowledge(batch.whole, nothing)


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


def store_cursor(lease: Lease, cursor: MailboxCursor, strangers: Mapping[str, object] | None = None) -> None:
    """Raises `LeaseLost`. In a folder that was made anew nothing was left on purpose but what `MailboxCursor` says."""
    noted = {} if strangers is None else {"strangers": strangers}
    if not _held(lease).update(**columns_of(cursor), **noted):
        raise LeaseLost(lease.mailbox_id)


# ---- which, and when


def watched_mailboxes() -> list[int]:
    """All that are to be read, the most important first; none while the scheduled action is switched off."""
    if ScheduledAction.objects.filter(pk=FETCH_ACTION, is_active=False).exists():
        return []
    return list(Mailbox.objects.filter(is_active=True, is_confirmed=True).values_list("pk", flat=True))


def due_mailboxes(ports: Ports) -> list[int]:
    """Those that nobody reads now, whose interval and whose pause are over."""
    now = ports.clock.now()
    is_free = Q(leased_until=None) | Q(leased_until__lt=now)
    is_awake = Q(paused_until=None) | Q(paused_until__lte=now)
    rows = Mailbox.objects.filter(is_free, is_awake, is_active=True, is_confirmed=True)
    return [row.pk for row in rows if _is_due(row, now)]


def _is_due(mailbox: Mailbox, now: datetime) -> bool:
    return mailbox.fetched_at is None or mailbox.fetched_at + timedelta(seconds=mailbox.interval_seconds) <= now


def fetch_due(ports: Ports, is_over: Callable[[], bool] = lambda: False) -> list[MailboxFetch]:
    """One round on each that is due, side by side: one that hangs delays no other."""

    def fetch(mailbox_id: int) -> MailboxFetch:
        try:
            return fetch_now(ports, mailbox_id)
        except LeaseLost:
            return MailboxFetch(mailbox_id=mailbox_id, is_leased_elsewhere=True)

    return each_by_itself(due_mailboxes(ports), fetch, is_over)


def each_by_itself(ids: list[int], do: Callable[[int], Done], is_over: Callable[[], bool]) -> list[Done]:
    """Do it to each mailbox, `AT_ONCE` at a time, in threads with connections of their own. Raises what the first one raised."""
    if len(ids) < 2:
        return [do(one) for one in ids if not is_over()]

    def alone(one: int) -> list[Done]:
        try:
            return [] if is_over() else [do(one)]
        finally:
            connections.close_all()  # this thread's own

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mailbox-round") as pool:
        return [done for several in pool.map(alone, ids) for done in several]


def summary(rounds: Iterable[MailboxFetch]) -> str:
    """One line on several mailboxes, for the history of a scheduled action."""
    done = list(rounds)
    taken = sum(one.taken for one in done)
    troubled = [one for one in done if one.trouble]
    parts = [f"{len(done)} mailboxes, {taken} mails"]
    parts += [f"mailbox {one.mailbox_id}: {one.trouble}" for one in troubled]
    return "; ".join(parts)
