"""Who writes to an address that does not receive well is told before it is sent: how often it bounced, since when, what was said last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postroom.core.delivery.suppression import warnings_of
from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason
from postroom.flows.ports import Ports
from postroom.store.queries.suppressed import troubles_among


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """An address, and what a person should know of it; ``health_id`` leads to the evidence."""

    address: str
    health_id: int
    warnings: tuple[Reason, ...]


def warnings_about(ports: Ports, company_id: int, addresses: Iterable[str]) -> tuple[Warned, ...]:
    """In the order given; those of whom nothing bad is known are left out. One query."""
    asked = list(dict.fromkeys(normalized for one in addresses if (normalized := normalize(one))))
    found = troubles_among(company_id, asked, now=ports.clock.now())
    return tuple(
        Warned(address=address, health_id=found[address].health_id, warnings=warnings_of(found[address]))
        for address in asked
        if address in found
    )
