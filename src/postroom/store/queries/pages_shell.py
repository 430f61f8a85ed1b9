"""What stands around every page: the kinds of records, how much mail is held, where the database lives. Laws: see `store.queries.pages`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from postroom.core.terms.states import InboundState
from postroom.store.models import InboundMessage, Member
from postroom.store.queries.pages import text_of
from postroom.store.queries.pages_failures import COUNT, LOOKED_AT
from postroom.store.queries.pages_home import MANY, InstallationFact
from postroom.store.queries.pages_records import KindFact


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellFacts:
    """``kind_keys``: of those that are not in use, too; ``held``: at most ``MANY + 1``; ``installation``: None before the first start
    of a worker; ``my_failed``: see `pages_failures.my_failed`."""

    kinds: tuple[KindFact, ...]
    kind_keys: tuple[str, ...]
    held: int
    installation: InstallationFact | None
    my_failed: int


_AROUND = """
SELECT (SELECT jsonb_agg(jsonb_build_array(key, label, label_plural, icon, stages, is_active) ORDER BY position, label)
          FROM postroom_recordkind),
       (SELECT count(*) FROM ({held}) AS held),
       (SELECT jsonb_build_object('identity', identity, 'found_elsewhere', found_elsewhere, 'is_capturing', is_capturing)
          FROM postroom_installation ORDER BY id LIMIT 1),
       ({failed})
"""


def shell_facts(member: Member, inbound: QuerySet[InboundMessage], companies: Sequence[int]) -> ShellFacts:
    """``inbound``: what the member may see of it; ``companies``: the member's. One query.

    Every page asks it: written as SQL, for the ORM took longer to build it than the database to answer. What the member may see of the
    inbound mail is still the caller's rows: their own condition is built, which is small, and stands in the statement as it is."""
    held, values = text_of(inbound.filter(state=InboundState.HELD).order_by("-id").values("id")[: MANY + 1])
    with connection.cursor() as cursor:
        cursor.execute(
            _AROUND.format(held=held, failed=COUNT), [*values, member.contact_id, list(companies), LOOKED_AT]
        )
        kinds, waiting, lives, failed = cursor.fetchone()
    rows = json.loads(kinds) if kinds else []
    return ShellFacts(
        kinds=tuple(
            KindFact(
                key=key,
                label=label,
                label_plural=label_plural,
                icon=icon,
                stages=tuple(str(stage) for stage in stages),
            )
            for key, label, label_plural, icon, stages, is_active in rows
            if is_active
        ),
        kind_keys=tuple(row[0] for row in rows),
        held=waiting,
        installation=InstallationFact(**json.loads(lives)) if lives else None,
        my_failed=min(int(failed), MANY + 1),
    )
