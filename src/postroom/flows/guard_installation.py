"""The staging lock: a database that was copied to another host must not write to real customers (wish 19, D-68).

The database knows where it lives (see `identity_of`). Found elsewhere, all outgoing mail goes to the Letterbox and
nothing is fetched, until a person confirms that this is its new home.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q

from postroom.flows.access import require_house
from postroom.flows.ports import Ports
from postroom.flows.wake_queue import wake_queue
from postroom.store.models import Installation, Member, SettingChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where the database was confirmed to live, and where it runs; they differ when it is locked."""

    confirmed: str
    found: str
    is_capturing: bool

    @property
    def is_locked(self) -> bool:
        return bool(self.found) and self.found != self.confirmed


def identity_of(ports: Ports) -> str:
    """Which database this is: the cluster's own number and the name in it; for the embedded one host and folder too.

    Several machines on one server share it. A dump that is restored elsewhere, or a copied folder, does not.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier::text || '/' || current_database() FROM pg_control_system()")
        (cluster,) = cursor.fetchone()
    place = "" if ports.configuration.database_url else f"{platform.node()}:{ports.configuration.data_dir} "
    return f"{place}{cluster}"[:200]


@transaction.atomic
def check_home(ports: Ports, *, is_capturing: bool = False) -> Home:
    """Called once at every start. The first start confirms itself; ``is_capturing`` is what it then begins with."""
    here = identity_of(ports)
    row = Installation.objects.select_for_update().first()
    if row is None:
        row = Installation.objects.create(identity=here, is_capturing=is_capturing, confirmed_at=ports.clock.now())
    elsewhere = "" if row.identity == here else here
    if row.found_elsewhere != elsewhere:
        Installation.objects.filter(pk=row.pk).update(found_elsewhere=elsewhere)
    return Home(confirmed=row.identity, found=elsewhere or here, is_capturing=row.is_capturing)


@transaction.atomic
def confirm_home(ports: Ports, *, member: Member | None) -> Home:
    """A person says: this is the real one. Mail leaves and is fetched again."""
    require_house(member)
    here = identity_of(ports)
    row = Installation.objects.select_for_update().get()
    before = row.identity
    row.identity, row.found_elsewhere, row.confirmed_at = here, "", ports.clock.now()
    row.save()
    _record(ports, member, before, here)
    return Home(confirmed=here, found=here, is_capturing=row.is_capturing)


@transaction.atomic
def set_capturing(ports: Ports, is_on: bool, *, member: Member | None) -> None:
    """Switch capture mode: all outgoing mail goes to the Letterbox, or leaves."""
    require_house(member)
    row = Installation.objects.select_for_update().get()
    _record(ports, member, {"capture": row.is_capturing}, {"capture": is_on})
    Installation.objects.filter(pk=row.pk).update(is_capturing=is_on)
    wake_queue(ports)  # what waits for servers may be captured now


def close_first_steps(ports: Ports, *, member: Member | None) -> None:
    """The guide to the first steps is shown no longer, to nobody. Raises `NotAllowed`."""
    require_house(member)
    Installation.objects.filter(guide_closed_at=None).update(guide_closed_at=ports.clock.now())


def is_capturing() -> bool:
    """Whether everything goes to the Letterbox: by choice, or because this is an unconfirmed copy. One query."""
    return Installation.objects.filter(Q(is_capturing=True) | ~Q(found_elsewhere="")).exists()


def is_locked() -> bool:
    """Whether this is an unconfirmed copy: nothing is fetched. One query."""
    return Installation.objects.exclude(found_elsewhere="").exists()


def _record(ports: Ports, member: Member | None, before: object, after: object) -> None:
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        user=member.user if member else None,
        company=member.company if member else None,
        subject="installation",
        before=before,
        after=after,
    )
