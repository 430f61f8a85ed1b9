"""A provider gave a new refresh token in place of the former one: it is sealed into every server and mailbox that used that one."""

from __future__ import annotations

from django.db import transaction

from postroom.core.terms.secret import Secret
from postroom.flows.ports import Ports
from postroom.store.models import Mailbox, OutgoingServer


@transaction.atomic
def keep_grant(ports: Ports, source: str, former: Secret, fresh: Secret) -> int:
    """How many servers and mailboxes have it now. One whose grant was changed by a person meanwhile keeps that."""
    return sum(_keep(ports, model, source, former, fresh) for model in (OutgoingServer, Mailbox))


def _keep(ports: Ports, model: type[OutgoingServer] | type[Mailbox], source: str, former: Secret, fresh: Secret) -> int:
    rows = model._default_manager.select_for_update().filter(authentication="token", token_source=source)
    kept = 0
    for row in rows:
        if _is_sealed(ports, bytes(row.secret), former):
            model._default_manager.filter(pk=row.pk).update(secret=ports.vault.seal(fresh.reveal()))
            kept += 1
    return kept


def _is_sealed(ports: Ports, sealed: bytes, former: Secret) -> bool:
    try:
        return ports.vault.open(sealed) == former
    except ValueError:
        return False
