"""What the records of an alias begin with, when mail comes: values that no longer fit the kind are left out, and the alias is marked
*invalid* so that a person mends it (I-55, T-044). No mail is lost for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from postroom.core.terms.alias_values import KindShape, Plain, usable_defaults
from postroom.store.models import Alias


def record_defaults(aliases: Iterable[Alias]) -> Mapping[int, Mapping[str, Plain]]:
    """By the alias's number. Their kinds were read with them. Notes what became of each alias: nothing is written where nothing changed."""
    found: dict[int, dict[str, Plain]] = {}
    statuses: dict[str, list[int]] = {"valid": [], "invalid": []}
    for alias in aliases:
        shape = KindShape(stages=alias.kind.stages, value_names=alias.kind.value_names)
        found[alias.pk], all_fit = usable_defaults(alias.defaults, shape)
        status = "valid" if all_fit else "invalid"
        if alias.status != status:
            statuses[status].append(alias.pk)
    for status, changed in statuses.items():
        _note(changed, status)
    return found


def _note(alias_ids: Collection[int], status: str) -> None:
    if alias_ids:
        Alias.objects.filter(pk__in=alias_ids).update(status=status)
