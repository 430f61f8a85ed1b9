"""How long taking mails out of the queue takes, for the bench.

Laws: nothing changes: each claim is rolled back.
"""

from __future__ import annotations

import time

from django.db import transaction

from postroom.flows.deliver_mail import LEASE
from postroom.flows.ports import Ports
from postroom.store import claims


def claim_seconds(ports: Ports, limit: int) -> float:
    """The seconds that one claim of ``limit`` due deliveries took. Raises RuntimeError when there were fewer."""
    now = ports.clock.now()
    with transaction.atomic():
        began = time.perf_counter()
        taken = claims.claim("bench", limit, now=now, lease_until=now + LEASE)
        seconds = time.perf_counter() - began
        transaction.set_rollback(True)
    if len(taken) < limit:
        raise RuntimeError(f"only {len(taken)} of {limit} deliveries are due")
    return seconds
