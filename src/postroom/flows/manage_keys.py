"""DKIM keys: made, published, activated, rotated, retired, forgotten.

    prepared -> (its record is published) -> active -> retired -> its private half is deleted after the grace

Laws: at most one key signs for a domain, an algorithm and an owner: activating one retires the one before. A retired key stays listed,
to be published until the mail under way has arrived, and can be activated again during the grace; then its private half is gone.
Keys of a company are for administrators of it who own the domain; keys of nobody are the house's. Every change is recorded; private
halves are sealed where they are made and shown nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from postroom.core.delivery.dkim import (
    ALGORITHMS,
    DkimAlgorithm,
    DnsRecord,
    RecordState,
    is_signable,
    judge_records,
    record_of,
    selectors_of,
    with_parents,
)
from postroom.core.terms.addresses import normalize_domain
from postroom.flows.access import company_ids, is_house_administrator, require, require_house
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.flows.wake_queue import wake_queue
from postroom.store.models import AliasDomain, Company, DkimKey, Member, SettingChange

PREPARED, ACTIVE, RETIRED = "prepared", "active", "retired"


class KeyTrouble(ValueError):  # noqa: N818 (an answer to a person)
    """It cannot be done; the text says why and what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFact:
    """A key as people see it. ``keep_until``: until then a retired key's record stays published, and it can sign again."""

    id: int
    domain: str
    selector: str
    algorithm: str
    algorithm_label: str
    company: str
    state: str
    record: DnsRecord
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None
    keep_until: datetime | None
    has_private_half: bool
    is_readable: bool  # false: its mails wait, for no secret key of ours opens it

    @property
    def is_wanted_in_dns(self) -> bool:
        return self.state != RETIRED or self.has_private_half


def list_keys(ports: Ports, *, member: Member | None, domain: str = "") -> tuple[KeyFact, ...]:
    """The keys that the member may see, by domain, newest first. Raises `NotAllowed`."""
    require(member, "settings")
    rows = DkimKey.objects.select_related("company").order_by("domain", "-id")
    if member is not None and not is_house_administrator(member):
        rows = rows.filter(company_id__in=company_ids(member))
    if domain:
        rows = rows.filter(domain=normalize_domain(domain) or domain)
    grace = _grace(ports)
    return tuple(_fact(ports, row, grace) for row in rows)


def create_keys(
    ports: Ports, domain: str, algorithm: str = "rsa", *, company_id: int | None = None, member: Member | None
) -> tuple[KeyFact, ...]:
    """New keys, prepared: ``algorithm`` is rsa, ed25519 or both. ``company_id`` None: for the mail of every company. What is prepared
    already, and waits for its record, is given once more: who asks twice does not want two records.

    Raises `KeyTrouble` and `NotAllowed`.
    """
    normal = normalize_domain(domain)
    if not is_signable(normal):
        raise KeyTrouble(f"{domain[:253]!r} is no domain with mail addresses: give one such as example.com.")
    if algorithm not in ALGORITHMS:
        raise KeyTrouble(f"{algorithm!r} is no algorithm of DKIM: rsa, ed25519 or both.")
    if company_id is not None and not Company.objects.filter(pk=company_id).exists():
        raise KeyTrouble("There is no such company.")
    _require_owner(normal, company_id, member)
    with transaction.atomic():
        _lock(normal)
        rows = [
            _prepared(normal, one, company_id) or _create(ports, normal, one, company_id, member)
            for one in ALGORITHMS[algorithm]
        ]
    grace = _grace(ports)
    return tuple(_fact(ports, row, grace) for row in rows)


def check_record(ports: Ports, key_id: int, *, member: Member | None) -> RecordState:
    """What DNS shows of it now. Asks the network, for seconds. Raises `KeyTrouble` and `NotAllowed`."""
    require(member, "settings")
    row = DkimKey.objects.filter(pk=key_id).first()
    if row is None or not _may_change(row, member):
        raise KeyTrouble("There is no such DKIM key.")
    wanted = record_of(row.domain, row.selector, row.algorithm, row.public_key)
    return judge_records(ports.text_records(wanted.name), wanted)


def record_trouble(state: RecordState, key: str) -> str:
    """What is wrong with the record of ``key`` (its name in DNS); ``""`` when nothing is."""
    match state:
        case RecordState.PUBLISHED:
            return ""
        case RecordState.MISSING:
            return f"DNS shows no TXT record at {key} yet: publish it, or wait until it is seen."
        case RecordState.DIFFERENT:
            return f"The TXT record at {key} holds another key, or was cut: publish its value as it is."
        case RecordState.SEVERAL:
            return f"There are several TXT records at {key}: leave one, or its strings became records of their own."
        case RecordState.UNKNOWN:
            return f"DNS could not be asked for {key}: nobody answered in time."


def activate_key(ports: Ports, key_id: int, *, member: Member | None) -> KeyFact:
    """It signs from now on; the key that did so before is retired. Raises `KeyTrouble` and `NotAllowed`."""
    with transaction.atomic():
        row = _locked(key_id, member)
        if not row.private_key:
            raise KeyTrouble(f"The private half of {row} is deleted: it cannot sign any more. Make a new key.")
        if row.state != ACTIVE:
            _retire_others(ports, row, member)
            _change(ports, row, ACTIVE, member)
            wake_queue(ports)
    return _fact(ports, row, _grace(ports))


def retire_key(ports: Ports, key_id: int, *, member: Member | None) -> KeyFact:
    """It signs no more. A key that never signed loses its private half at once. Raises `KeyTrouble` and `NotAllowed`."""
    with transaction.atomic():
        row = _locked(key_id, member)
        if row.state != RETIRED:
            _change(ports, row, RETIRED, member)
            wake_queue(ports)
    return _fact(ports, row, _grace(ports))


def rotate_keys(ports: Ports, domain: str, *, member: Member | None) -> tuple[KeyFact, ...]:
    """Successors, prepared, for the keys that sign for this domain; those that are prepared already are not made again.

    To be published, then activated. Raises `KeyTrouble` and `NotAllowed`.
    """
    require(member, "settings")
    normal = normalize_domain(domain)
    with transaction.atomic():
        _lock(normal)
        rows = [row for row in DkimKey.objects.filter(domain=normal).order_by("id") if _may_change(row, member)]
        signing = [row for row in rows if row.state == ACTIVE]
        if not signing:
            raise KeyTrouble(f"No key signs for {domain}: make one, publish its record, and activate it.")
        successors = []
        for old in signing:
            prepared = [row for row in rows if row.state == PREPARED and _stands_for(row, old)]
            successor = prepared[-1] if prepared else None
            successors.append(successor or _create(ports, normal, DkimAlgorithm(old.algorithm), old.company_id, member))
    grace = _grace(ports)
    return tuple(_fact(ports, row, grace) for row in successors)


def forget_retired_keys(ports: Ports) -> int:
    """Delete the private halves of keys whose grace is over; how many."""
    before = ports.clock.now() - _grace(ports)
    old = DkimKey.objects.filter(state=RETIRED, retired_at__lt=before).exclude(private_key=b"")
    return old.update(private_key=b"")


# -- one key


def _prepared(domain: str, algorithm: DkimAlgorithm, company_id: int | None) -> DkimKey | None:
    """One that was made and never signed."""
    rows = DkimKey.objects.filter(domain=domain, algorithm=algorithm.value, state=PREPARED, activated_at=None)
    rows = rows.filter(company=None) if company_id is None else rows.filter(company_id=company_id)
    return rows.order_by("-id").first()


def _create(
    ports: Ports, domain: str, algorithm: DkimAlgorithm, company_id: int | None, member: Member | None
) -> DkimKey:
    """Within a transaction that holds the domain's lock."""
    now = ports.clock.now()
    taken = set(DkimKey.objects.filter(domain=domain).values_list("selector", flat=True))
    private, public = ports.dkim.make_key(algorithm.value)
    row = DkimKey.objects.create(
        domain=domain,
        company_id=company_id,
        selector=next(selectors_of(now.date(), taken)),
        algorithm=algorithm.value,
        private_key=ports.vault.seal(private.reveal()),
        public_key=public,
        state=PREPARED,
        created_at=now,
    )
    _record(ports, row, "", member)
    return row


def _change(ports: Ports, row: DkimKey, state: str, member: Member | None) -> None:
    before, row.state = row.state, state
    if state == ACTIVE:
        row.activated_at, row.retired_at = ports.clock.now(), None
    else:
        row.retired_at = ports.clock.now()
        if row.activated_at is None:
            row.private_key = b""
    row.save(update_fields=["state", "activated_at", "retired_at", "private_key"])
    _record(ports, row, before, member)


def _retire_others(ports: Ports, row: DkimKey, member: Member | None) -> None:
    for other in DkimKey.objects.select_for_update(of=("self",)).filter(domain=row.domain, state=ACTIVE):
        if _stands_for(other, row):
            _change(ports, other, RETIRED, member)


def _stands_for(one: DkimKey, other: DkimKey) -> bool:
    """Whether only one of them signs at a time."""
    return (one.algorithm, one.company_id) == (other.algorithm, other.company_id)


def _locked(key_id: int, member: Member | None) -> DkimKey:
    """The row, to be changed, once nobody else changes keys of its domain."""
    require(member, "settings")
    found = DkimKey.objects.filter(pk=key_id).first()
    if found is None or not _may_change(found, member):
        raise KeyTrouble("There is no such DKIM key.")
    _lock(found.domain)
    return DkimKey.objects.select_for_update(of=("self",)).select_related("company").get(pk=key_id)


def _lock(domain: str) -> None:
    """Until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"postroom dkim {domain}"])


def _grace(ports: Ports) -> timedelta:
    return timedelta(days=parameters(ports).number("mail.dkim.grace_days"))


def _fact(ports: Ports, row: DkimKey, grace: timedelta) -> KeyFact:
    return KeyFact(
        id=row.pk,
        domain=row.domain,
        selector=row.selector,
        algorithm=row.algorithm,
        algorithm_label=DkimAlgorithm(row.algorithm).label,
        company=row.company.name if row.company else "",
        state=row.state,
        record=record_of(row.domain, row.selector, row.algorithm, row.public_key),
        created_at=row.created_at,
        activated_at=row.activated_at,
        retired_at=row.retired_at,
        keep_until=row.retired_at + grace if row.retired_at is not None and row.private_key else None,
        has_private_half=bool(row.private_key),
        is_readable=not row.private_key or ports.vault.key_of(bytes(row.private_key)) is not None,
    )


# -- whose it is


def _may_change(row: DkimKey, member: Member | None) -> bool:
    if row.company_id is None:
        return is_house_administrator(member)
    return member is None or row.company_id in company_ids(member)


def _require_owner(domain: str, company_id: int | None, member: Member | None) -> None:
    """Raises `NotAllowed` unless the member's companies own the domain, and the key is for one of them."""
    require(member, "settings")
    if member is None or is_house_administrator(member):
        return
    mine = set(company_ids(member))
    if company_id not in mine or not _is_owned(domain, mine):
        require_house(member)


def _is_owned(domain: str, mine: Iterable[int]) -> bool:
    """Whether it, or the nearest parent of it, is an alias domain that these companies use and nobody else."""
    wanted = list(with_parents(domain))
    rows = AliasDomain.objects.filter(Q(name__in=wanted), retired_at=None).prefetch_related("companies")
    nearest = min(rows, key=lambda row: wanted.index(row.name), default=None)
    if nearest is None:
        return False
    owners = {company.pk for row in rows if row.name == nearest.name for company in row.companies.all()}
    return bool(owners) and owners <= set(mine)


def _record(ports: Ports, row: DkimKey, before: str, member: Member | None) -> None:
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        user=member.user if member else None,
        company=member.company if member else None,
        subject=f"DKIM key {row}"[:200],
        before={"state": before} if before else None,
        after={"state": row.state},
    )
