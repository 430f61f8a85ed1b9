"""People put addresses on the list of those that campaigns leave out, and take them off: one by one, or a whole file of them.

Laws: a suppression is a company's; a manager or an administrator of that company decides. Who, when and why is kept with it. Taking an
address off spends all evidence from before: only what comes back afterwards can put it there again. The address's row is locked first, as
the rule does it, so that a person and the rule never write two suppressions.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from django.db import transaction

from postroom.core.terms.addresses import normalize, parse_one
from postroom.core.terms.reasons import because
from postroom.core.terms.states import SuppressionCause
from postroom.flows.access import NotAllowed, company_ids, require, visible_addresses
from postroom.flows.judge_addresses import begins, end_expired_rows, ends, tell_contacts
from postroom.flows.ports import Ports
from postroom.store.bounces import Place, anchor
from postroom.store.bulk import insert
from postroom.store.models import AddressHealth, Member, Suppression

IMPORT_BATCH = 1000
_MOST_WHY = 500
LONGEST_DAYS = 36_500


class SuppressionError(ValueError):
    """It cannot be done; the text says why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An address to be put on the list, and why."""

    address: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One step of an import: ``lines`` read, ``added`` new on the list, ``known`` on it already, ``unusable`` are no addresses."""

    lines: int = 0
    added: int = 0
    known: int = 0
    unusable: tuple[str, ...] = ()


@transaction.atomic
def suppress(
    ports: Ports, *, company_id: int, address: str, why: str, member: Member | None, days: int = 0
) -> AddressHealth:
    """Campaigns leave the address out; ``days`` 0: for good. Raises `SuppressionError`, `NotAllowed`."""
    _require(member, company_id)
    found = parse_one(address)
    normal = normalize(found.spec) if found else ""
    if not normal:
        raise SuppressionError(f"{address!r} is no mail address.")
    if not 0 <= days <= LONGEST_DAYS:
        raise SuppressionError(f"Between 0 (for good) and {LONGEST_DAYS} days.")
    why = _one_line(why)
    if not why:
        raise SuppressionError("Say why: somebody will ask.")
    lasting = timedelta(days=days) if days else None
    if not _put_on(ports, {(company_id, normal): why}, SuppressionCause.MANUAL, member, lasting):
        raise SuppressionError(f"Campaigns leave {normal} out already.")
    return AddressHealth.objects.get(company_id=company_id, address=normal)


@transaction.atomic
def release(ports: Ports, health_id: int, *, why: str, member: Member | None) -> AddressHealth:
    """Campaigns may write to it again. Raises `AddressHealth.DoesNotExist`, `SuppressionError`, `NotAllowed`."""
    health = visible_addresses(member).select_for_update().get(pk=health_id)
    _require(member, health.company_id)
    now = ports.clock.now()
    row = Suppression.objects.filter(health=health, released_at=None).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise SuppressionError(f"Campaigns do not leave {health.address} out.")
    row.released_at, row.released_who = now, _name(member)
    row.released_by, row.released_why = (member.user if member else None), _one_line(why)
    row.save(update_fields=["released_at", "released_who", "released_by", "released_why"])
    note = ends(_name(member) or "The command line", row.released_why)
    tell_contacts(ports, [((health.company_id, health.address), note)])
    return health


def import_list(ports: Ports, *, company_id: int, rows: Iterable[Listed], member: Member | None) -> Iterator[Imported]:
    """Put a list of another system's on ours, step by step, each in a transaction of its own. Doing it again changes nothing.

    What a person here released before stays released only until it is imported again: whoever imports, decides."""
    _require(member, company_id)
    pending = iter(rows)
    while batch := list(islice(pending, IMPORT_BATCH)):
        places: dict[Place, str] = {}
        unusable = []
        for one in batch:
            found = parse_one(one.address)
            if found is None:
                unusable.append(one.address[:320])
            else:
                places.setdefault((company_id, found.normal), _one_line(one.why) or "no reason was given")
        with transaction.atomic():
            added = _put_on(ports, places, SuppressionCause.IMPORTED, member, None) if places else 0
        yield Imported(lines=len(batch), added=added, known=len(places) - added, unusable=tuple(unusable))


def read_list(lines: Iterable[str]) -> Iterator[Listed]:
    """The lines of a file: an address alone, or CSV. A head names columns (address or email; why, reason or cause); without one the
    first column is the address, and the second says why."""
    where, why = 0, 1
    for number, row in enumerate(csv.reader(line.replace("\0", " ") for line in lines)):
        cells = [cell.strip().lstrip("\ufeff") for cell in row]
        if not any(cells):
            continue
        if number == 0 and (named := _columns([cell.lower() for cell in cells])) is not None:
            where, why = named
            continue
        address = _as_exported(cells[where] if where < len(cells) else "")
        if address:
            yield Listed(address=address, why=cells[why] if 0 <= why < len(cells) else "")


def _as_exported(cell: str) -> str:
    """Without the mark that keeps a spreadsheet from computing it."""
    return cell[1:] if cell.startswith(("'=", "'+", "'-", "'@")) else cell


def end_expired(ports: Ports, most: int = 1000) -> int:
    """End what is over, and tell the contacts. Returns how many; fewer than ``most``: that was all."""
    now = ports.clock.now()
    with transaction.atomic():
        over = list(
            Suppression.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(released_at=None, expires_at__lte=now)
            .select_related("health")
            .order_by("expires_at")[:most]
        )
        if over:
            end_expired_rows(over)
            tell_contacts(ports, [((one.company_id, one.health.address), ends("", one.released_why)) for one in over])
    return len(over)


def _put_on(
    ports: Ports, places: dict[Place, str], cause: SuppressionCause, member: Member | None, lasting: timedelta | None
) -> int:
    """Those that were not on the list; how many. Inside a transaction."""
    now = ports.clock.now()
    anchors = anchor(places)
    ids = [one.id for one in anchors.values()]
    there = list(Suppression.objects.filter(health_id__in=ids, released_at=None))
    over = [row for row in there if row.expires_at is not None and row.expires_at <= now]
    if over:
        end_expired_rows(over)
    taken = {row.health_id for row in there} - {row.health_id for row in over}
    rows = [
        Suppression(
            health_id=anchors[place].id,
            company_id=place[0],
            cause=cause.value,
            reasons=[_reason(cause, why, member)],
            since=now,
            expires_at=now + lasting if lasting else None,
            user=member.user if member else None,
            who=_name(member),
        )
        for place, why in sorted(places.items())
        if anchors[place].id not in taken
    ]
    insert(rows)
    by_id = {one.id: place for place, one in anchors.items()}
    tell_contacts(ports, [(by_id[row.health_id], begins(row)) for row in rows])
    return len(rows)


def _reason(cause: SuppressionCause, why: str, member: Member | None) -> dict[str, object]:
    if cause is SuppressionCause.IMPORTED:
        return because("suppression.imported", why=why).as_json()
    return because("suppression.manual", who=_name(member) or "The command line", why=why).as_json()


def _require(member: Member | None, company_id: int) -> None:
    require(member, "suppress")
    if member is not None and company_id not in company_ids(member):
        raise NotAllowed("This list is another company's.")


def _name(member: Member | None) -> str:
    return member.contact.name[:200] if member else ""


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())[:_MOST_WHY]


def _columns(names: list[str]) -> tuple[int, int] | None:
    """Where address and reason stand; None when this is no head."""
    where = next((names.index(one) for one in ("address", "email", "e-mail", "email address") if one in names), None)
    if where is None:
        return None
    return where, next((names.index(one) for one in ("why", "reason", "cause", "description") if one in names), -1)
