"""A server was added or changed: what waits for servers looks again at once, not when its time has come."""

from __future__ import annotations

from django.db import connection, transaction

from postroom.flows.ports import Ports
from postroom.store.models import Delivery
from postroom.store.models.outgoing import WAITING

CHANNEL = "postroom_outgoing"
FOR_SERVERS = ("wait.paused", "wait.broken", "wait.no_server", "wait.archived", "wait.secret", "wait.dkim")


def wake_queue(ports: Ports) -> int:
    """How many deliveries that is. Those that wait because of themselves (a temporary refusal) keep their time."""
    with transaction.atomic():
        waiting = Delivery.objects.filter(state__in=WAITING, waits_for__code__in=FOR_SERVERS)
        count = waiting.update(due_at=ports.clock.now(), waits_for=None)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return count
