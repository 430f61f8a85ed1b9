"""A provider gave a new refresh token in place of the former one: it is sealed into every server that used that one."""

from __future__ import annotations

from django.db import transaction

from postroom.core.terms.secret import Secret
from postroom.flows.ports import Ports
from postroom.store.models import OutgoingServer


@transaction.atomic
def keep_grant(ports: Ports, source: str, former: Secret, fresh: Secret) -> int:
    """How many servers have it now. One whose grant was changed by a person meanwhile keeps that."""
    rows = OutgoingServer.objects.select_for_update().filter(authentication="token", token_source=source)
    kept = 0
    for row in rows:
        if _is_sealed(ports, bytes(row.secret), former):
            OutgoingServer.objects.filter(pk=row.pk).update(secret=ports.vault.seal(fresh.reveal()))
            kept += 1
    return kept


def _is_sealed(ports: Ports, sealed: bytes, former: Secret) -> bool:
    try:
        return ports.vault.open(sealed) == former
    except ValueError:
        return False
