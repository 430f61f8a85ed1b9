"""The installation's secret keys change: a new one is made, every sealed column is sealed anew, former keys are forgotten.

    rotate: new key in front -> reseal                 (killed anywhere, the next `rotate` goes on)
    forget: nothing is sealed with a former key -> former keys go

Laws: a value can be opened at every moment; no key goes while a value needs it, or is just being sealed with it. Keys are changed by one at
a time, on all machines together (a lock of the database session). Columns that hold sealed values are listed in
`SEALED` (a test compares the list with the tables). Rows are resealed in small batches, each locked and committed by itself; a value
that no key opens is counted and left as it is. Nothing secret is returned, logged or recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection, models, transaction

from postroom.flows import audit
from postroom.flows.access import require_house
from postroom.flows.ports import Ports
from postroom.store.models import (
    DkimKey,
    InboundHook,
    LetterboxMail,
    Mailbox,
    Member,
    OAuthClient,
    OutgoingContent,
    OutgoingServer,
    ProviderHook,
    RawMail,
    SealedText,
    SettingChange,
    WatchHook,
    WatchPost,
)

SEALED: tuple[tuple[type[models.Model], str], ...] = (
    (OutgoingServer, "secret"),
    (OutgoingServer, "client_key"),
    (Mailbox, "secret"),
    (DkimKey, "private_key"),
    (ProviderHook, "token"),
    (ProviderHook, "signing_secret"),
    (InboundHook, "token"),
    (InboundHook, "signing_secret"),
    (OAuthClient, "client_secret"),
    (SealedText, "secret"),
    (WatchHook, "secret"),
)
BATCH = 100
_LOCK = 0x6B657973  # "keys"


class RotationTrouble(ValueError):  # noqa: N818 (an answer to a person)
    """It cannot be done; the text says why and what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedCount:
    """A column: how many values are sealed with the present key, with former ones, and with none that we have."""

    column: str
    present: int = 0
    former: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsFact:
    """How it stands. ``keys``: how many, former ones included."""

    place: str
    is_ours: bool
    keys: int
    columns: tuple[SealedCount, ...] = field(default_factory=tuple)

    @property
    def former(self) -> int:
        return sum(column.former for column in self.columns)

    @property
    def lost(self) -> int:
        return sum(column.lost for column in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """``is_new_key``: else it went on with an earlier rotation. ``resealed`` values."""

    is_new_key: bool
    resealed: int
    lost: int


def check_secrets(ports: Ports, *, member: Member | None) -> SecretsFact:
    """Which keys the sealed values need. Raises `NotAllowed`."""
    require_house(member)
    store = ports.key_store
    columns = tuple(_counted(ports, model, column) for model, column in SEALED)
    return SecretsFact(place=store.place, is_ours=store.is_ours, keys=store.count(), columns=columns)


def rotate_secrets(ports: Ports, *, member: Member | None) -> Rotation:
    """Make a new key, unless an earlier rotation is not finished, and seal everything with it. Keys that the configuration names
    are not changed: then this seals everything with the first of them. Raises `NotAllowed` and OSError."""
    require_house(member)
    with _alone():
        before = check_secrets(ports, member=member)
        is_new = before.is_ours and not before.former
        if is_new:
            ports.key_store.add()
            _record(ports, member, before.keys, before.keys + 1)
        resealed = sum(_reseal(ports, model, column) for model, column in SEALED)
        if member is not None:
            audit.note(ports, "secrets_rotated", member=member)
    return Rotation(is_new_key=is_new, resealed=resealed, lost=before.lost)


def forget_former_keys(ports: Ports, *, member: Member | None) -> int:
    """Only the present key stays; how many went. Raises `RotationTrouble`, `NotAllowed` and OSError."""
    require_house(member)
    with _alone(), transaction.atomic():
        _wait_for_writers()
        now = check_secrets(ports, member=member)
        if not now.is_ours:
            raise RotationTrouble(f"The keys are in {now.place}: take former ones out there.")
        if now.former:
            raise RotationTrouble(f"{now.former} values need a former key still. Run: postroom secrets rotate")
        if now.keys > 1:
            ports.key_store.forget_former()
            _record(ports, member, now.keys, 1)
        return now.keys - 1


@contextmanager
def _alone() -> Iterator[None]:
    """Whoever else changes keys waits. The lock dies with its database session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _wait_for_writers() -> None:
    """Until the end of the transaction nobody stores a value; who began to has finished."""
    tables = sorted({model._meta.db_table for model, _ in SEALED})
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE MODE")


# -- values


def _counted(ports: Ports, model: type[models.Model], column: str) -> SealedCount:
    found: Counter[str] = Counter()
    for _, sealed in _values(model, column):
        place = ports.vault.key_of(sealed)
        found["lost" if place is None else "former" if place else "present"] += 1
    return SealedCount(column=_name(model, column), **found)


def _reseal(ports: Ports, model: type[models.Model], column: str) -> int:
    """How many values were sealed anew."""
    old = [pk for pk, sealed in _values(model, column) if ports.vault.key_of(sealed)]
    for start in range(0, len(old), BATCH):
        _reseal_batch(ports, model, column, old[start : start + BATCH])
    return len(old)


@transaction.atomic
def _reseal_batch(ports: Ports, model: type[models.Model], column: str, pks: list[int]) -> None:
    rows = model._default_manager.select_for_update().filter(pk__in=pks).order_by("pk").values_list("pk", column)
    for pk, value in rows:
        sealed = bytes(value)
        if ports.vault.key_of(sealed):  # somebody may have typed a new password meanwhile
            model._default_manager.filter(pk=pk).update(**{column: ports.vault.reseal(sealed)})


def _values(model: type[models.Model], column: str) -> Iterator[tuple[int, bytes]]:
    rows = model._default_manager.exclude(**{column: b""}).order_by("pk").values_list("pk", column)
    for pk, value in rows.iterator(chunk_size=BATCH):
        yield pk, bytes(value)


def _name(model: type[models.Model], column: str) -> str:
    words = column.replace("_", " ")
    return f"{model._meta.verbose_name} {words}"


def _record(ports: Ports, member: Member | None, before: int, after: int) -> None:
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        user=member.user if member else None,
        company=member.company if member else None,
        subject="secret keys",
        before={"keys": before},
        after={"keys": after},
    )


# Columns of bytes that hold no secrets: mail as it came or goes.
NOT_SEALED: tuple[tuple[type[models.Model], str], ...] = (
    (RawMail, "raw"),
    (OutgoingContent, "content_headers"),
    (OutgoingContent, "body"),
    (LetterboxMail, "raw"),
    (WatchPost, "body"),
)
