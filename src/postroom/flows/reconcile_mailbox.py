"""The daily reconciliation: what lies in a mailbox on its server, against what we have of it.

    list of the server -> compare with `TakenMail` -> what is missing here becomes wanted again -> a round of fetching
                                                   -> what has left the server is forgotten
                                                   -> what was not settled there is settled

Laws: under the lease, as every reading. What was left on purpose is not missing. What is gone from the server is fine: mails are moved
and deleted there by people. The cost is that of one list, and of what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from django.db.models import Q

from postroom.core.terms.mailboxes import (
    MailboxCursor,
    MailboxListing,
    MailboxProtocol,
    MailboxSession,
    MailboxTrouble,
)
from postroom.flows.access import require
from postroom.flows.defer_job import defer_job
from postroom.flows.fetch_mailbox import (
    Lease,
    LeaseLost,
    MailboxFetch,
    each_by_itself,
    fetch_round,
    release_lease,
    renew_lease,
    store_cursor,
    take_lease,
)
from postroom.flows.guard_installation import is_locked
from postroom.flows.note_health import note_trouble
from postroom.flows.ports import Ports
from postroom.flows.reach_mailbox import acknowledgement_of, call_watchers, cursor_of, open_mailbox
from postroom.flows.remember_taken import name_of, settle
from postroom.store.models import Mailbox, Member, TakenMail

CHUNK = 5000
MOST_SETTLED = 500  # at once: marks of a bad day are made up for within days
MOST_ROUNDS = 20  # of fetching what was missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What the comparison found. ``missing`` were on the server and not here, ``fetched`` of them came; ``vanished`` have left the server.

    ``waiting``: on the server and not looked at yet, simply new. ``trouble`` is a sentence, ``""`` when it came to its end.
    """

    mailbox_id: int
    on_server: int = 0
    here: int = 0
    missing: int = 0
    fetched: int = 0
    recognised: int = 0
    left: int = 0  # on purpose
    waiting: int = 0
    vanished: int = 0
    settled: int = 0
    trouble: str = ""
    is_leased_elsewhere: bool = False

    def as_json(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if name != "mailbox_id"}

    def __str__(self) -> str:
        if self.trouble:
            return f"could not be compared: {self.trouble}"
        if self.is_leased_elsewhere:
            return "is being read at this moment; compared the next time"
        parts = [f"{self.on_server} on the server, {self.here} of them here"]
        if self.missing:
            parts.append(f"{self.missing} were missing, {self.fetched} fetched, {self.recognised} recognised")
        parts += [f"{count} {word}" for count, word in self._others() if count]
        return ", ".join(parts)

    def _others(self) -> Iterator[tuple[int, str]]:
        yield self.left, "left on purpose"
        yield self.waiting, "new"
        yield self.vanished, "gone from the server since"
        yield self.settled, "settled"


def request_reconciliation(_ports: Ports, mailbox_id: int, *, member: Member | None) -> bool:
    """Has it done in the background. False when that waits to be done already. Raises `NotAllowed`, `Mailbox.DoesNotExist`."""
    require(member, "settings", Mailbox.objects.get(pk=mailbox_id))
    return defer_job("reconcile_mailbox_now", only_one=f"reconcile {mailbox_id}", mailbox_id=mailbox_id)


def reconcile_mailbox(ports: Ports, mailbox_id: int, *, holder: str = "") -> Reconciliation:
    """Compare, fetch what is missing, and keep the result with the mailbox. A watcher that has it is asked to let go for a moment.

    Raises database errors.
    """
    lease = _borrow_lease(ports, mailbox_id, holder or f"reconcile-{ports.ids.hex(8)}")
    if lease is None:
        return Reconciliation(mailbox_id=mailbox_id, is_leased_elsewhere=True)
    try:
        with open_mailbox(ports, mailbox_id) as session:
            session.open()
            found = _reconcile(ports, lease, session)
    except MailboxTrouble as trouble:
        note_trouble(ports, mailbox_id, trouble, holder=lease.holder)
        found = Reconciliation(mailbox_id=mailbox_id, trouble=trouble.text)
    except LeaseLost:  # a person reset it, or somebody took over: compared the next time
        return Reconciliation(mailbox_id=mailbox_id, is_leased_elsewhere=True)
    finally:
        release_lease(lease)
        call_watchers()
    now = ports.clock.now()
    Mailbox.objects.filter(pk=mailbox_id).update(reconciled_at=now, reconciliation=found.as_json())
    return found


def reconcile_all(ports: Ports, is_over: Callable[[], bool] = lambda: False) -> list[Reconciliation]:
    """Each mailbox that is read, side by side: one that hangs delays no other."""
    rows = list(Mailbox.objects.filter(is_active=True, is_confirmed=True).values_list("pk", flat=True))
    return each_by_itself(rows, lambda pk: reconcile_mailbox(ports, pk), is_over)


def _borrow_lease(ports: Ports, mailbox_id: int, holder: str) -> Lease | None:
    """The watcher of a mailbox holds it all day: his lease is taken over between two of its rounds. He notices, and comes back for it."""
    lease = take_lease(ports, mailbox_id, holder)
    if lease is not None or is_locked():
        return lease
    is_passing = Q(leased_by__startswith="fetch-") | Q(leased_by__startswith="reconcile-")
    robbed = Mailbox.objects.filter(~is_passing, pk=mailbox_id).update(leased_by="", leased_until=None)
    return take_lease(ports, mailbox_id, holder) if robbed else None


def _reconcile(ports: Ports, lease: Lease, session: MailboxSession) -> Reconciliation:
    mailbox = Mailbox.objects.get(pk=lease.mailbox_id)
    began = ports.clock.now()
    listing = session.list_uids()
    renew_lease(ports, lease)
    known = _known(mailbox.pk, listing)
    cursor = cursor_of(mailbox)
    if MailboxProtocol(mailbox.protocol) is MailboxProtocol.IMAP and cursor.uidvalidity != listing.uidvalidity:
        cursor = MailboxCursor(uidvalidity=0, old_before=cursor.old_before)  # a new folder: all in it is looked at
    compared = _compare(mailbox, listing, known, cursor)
    store_cursor(lease, compared.cursor)
    recognised = _fetch(ports, lease, session)
    vanished = _forget_vanished(mailbox.pk, listing, began) if compared.is_complete else 0
    still_open = Mailbox.objects.values_list("open_uids", flat=True).get(pk=mailbox.pk)
    return Reconciliation(
        mailbox_id=mailbox.pk,
        on_server=len(listing.uids),
        here=compared.here,
        missing=len(compared.missing),
        fetched=len(compared.missing - set(map(str, still_open))),
        recognised=recognised,
        left=compared.left,
        waiting=compared.waiting,
        vanished=vanished,
        settled=_settle(ports, lease, session, listing),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    missing: frozenset[str]
    here: int
    left: int
    waiting: int
    cursor: MailboxCursor
    is_complete: bool  # the folder is the one that we know


def _compare(mailbox: Mailbox, listing: MailboxListing, known: frozenset[str], cursor: MailboxCursor) -> _Compared:
    if MailboxProtocol(mailbox.protocol) is MailboxProtocol.POP3:
        # What the cursor has and we have no row of was left on purpose, or taken before numbers were kept.
        left = listing.uids & cursor.seen_uidls - known
        missing = listing.uids - known - left
        wanted = replace(cursor, seen_uidls=(known | left) & listing.uids)
        return _Compared(
            missing=frozenset(), here=len(known), left=len(left), waiting=len(missing), cursor=wanted, is_complete=True
        )
    numbers = {int(uid) for uid in listing.uids}
    here = {int(uid) for uid in known}
    is_same = cursor.uidvalidity == listing.uidvalidity
    floor = max(mailbox.floor_uid, cursor.old_up_to if cursor.old_before else 0) if is_same else 0
    left_numbers = {uid for uid in numbers - here if uid <= floor}
    open_numbers = {uid for uid in numbers - here if floor < uid <= cursor.last_uid}
    waiting = numbers - here - left_numbers - open_numbers
    return _Compared(
        missing=frozenset(map(str, open_numbers)),
        here=len(here),
        left=len(left_numbers),
        waiting=len(waiting),
        cursor=replace(cursor, open_uids=frozenset(open_numbers)),
        is_complete=is_same,
    )


def _fetch(ports: Ports, lease: Lease, session: MailboxSession) -> int:
    """What is wanted now; how many of them were here already."""
    recognised = 0
    for _ in range(MOST_ROUNDS):
        done: MailboxFetch = fetch_round(ports, lease, session)
        recognised += done.recognised
        if done.trouble:
            raise MailboxTrouble(done.trouble_kind, done.trouble) if done.trouble_kind else RuntimeError(done.trouble)
        if not done.has_more:
            break
    return recognised


def _known(mailbox_id: int, listing: MailboxListing) -> frozenset[str]:
    """Which of these are here."""
    names = {name_of(uid): uid for uid in listing.uids}
    found: set[str] = set()
    for chunk in _in_chunks(sorted(names)):
        rows = TakenMail.objects.filter(mailbox_id=mailbox_id, uid_validity=listing.uidvalidity, uid__in=chunk)
        found.update(names[name] for name in rows.values_list("uid", flat=True))
    return frozenset(found)


def _forget_vanished(mailbox_id: int, listing: MailboxListing, began: datetime) -> int:
    """What was taken before the list was made and is not in it, has left the server; so has every folder but this one."""
    names = {name_of(uid) for uid in listing.uids}
    gone = 0
    last = 0
    while rows := list(
        TakenMail.objects.filter(mailbox_id=mailbox_id, pk__gt=last, taken_at__lt=began)
        .order_by("pk")
        .values_list("pk", "uid_validity", "uid")[:CHUNK]
    ):
        last = rows[-1][0]
        vanished = [pk for pk, validity, uid in rows if validity != listing.uidvalidity or uid not in names]
        gone += TakenMail.objects.filter(pk__in=vanished).delete()[0]
    return gone


def _settle(ports: Ports, lease: Lease, session: MailboxSession, listing: MailboxListing) -> int:
    """Do what could not be done to mails after fetching; how many it was done to."""
    mailbox = Mailbox.objects.get(pk=lease.mailbox_id)
    rows = TakenMail.objects.filter(mailbox_id=mailbox.pk, uid_validity=listing.uidvalidity, is_settled=False)
    names = {name_of(uid): uid for uid in listing.uids}
    uids = [names[name] for name in rows.order_by("pk").values_list("uid", flat=True)[:MOST_SETTLED] if name in names]
    if not uids:
        return 0
    renew_lease(ports, lease)
    session.fetch_new(cursor_of(mailbox), 0, 0)  # so that the session knows of which folder these numbers are
    session.acknowledge(uids, acknowledgement_of(mailbox))
    settle(mailbox.pk, listing.uidvalidity, uids)
    return len(uids)


def _in_chunks(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))


def last_reconciliation(mailbox: Mailbox) -> tuple[datetime, Reconciliation] | None:
    """What was found last, for the page."""
    stored = mailbox.reconciliation
    if mailbox.reconciled_at is None or not isinstance(stored, dict):
        return None
    known = {name: stored[name] for name in Reconciliation.__dataclass_fields__ if name in stored}
    return mailbox.reconciled_at, Reconciliation(mailbox_id=mailbox.pk, **known)
