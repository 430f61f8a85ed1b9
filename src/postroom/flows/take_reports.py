"""Puts receivers' reports by while their mails are routed, with what is proven of their senders; reading them is `read_reports`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from postroom.core.routing.authenticity import Authenticity
from postroom.flows.defer_job import defer_job
from postroom.flows.ports import Ports
from postroom.store.models import ReceiversReport


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenReport:
    """A mail that brings a report, and what is known of who sent it."""

    inbound_id: int
    authenticity: Authenticity


def take_reports(ports: Ports, taken: Sequence[TakenReport]) -> None:
    """Inside the routing transaction. The job is deferred after it: nobody shall wait for another router's."""
    if not taken:
        return
    now = ports.clock.now()
    ReceiversReport.objects.bulk_create(
        ReceiversReport(
            inbound_id=one.inbound_id,
            received_at=now,
            proof=one.authenticity.proof.value,
            sender_domain=one.authenticity.author_domain[:253],
        )
        for one in taken
    )
    transaction.on_commit(partial(defer_job, "read_reports", only_one="receivers' reports"), robust=True)
