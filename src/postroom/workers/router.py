"""The router: takes each mail that came in to where it belongs.

Duty: drain `flows.route_message.route_waiting`, woken by the NOTIFY of whoever accepted a mail. Several routers share the
work by the row locks that the flow takes.
"""

from __future__ import annotations

from django.db import connections

from postroom.flows.route_message import BATCH, route_waiting
from postroom.wiring import ports as wired_ports
from postroom.workers.resident import Resident
from postroom.workers.signs import Signs
from postroom.workers.stopping import Stop

CHANNEL = "postroom_inbound"


def run(stop: Stop) -> None:
    """Until ``stop`` is set."""
    ports = wired_ports()
    signs = Signs("router")
    resident = Resident(
        "router", lambda: route_waiting(ports), channel=CHANNEL, stop=stop, few=BATCH // 4, sign=signs.give
    )
    try:
        resident.run()
    finally:
        signs.end()
        connections.close_all()
