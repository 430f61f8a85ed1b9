"""Out: from queued deliveries to the other server's 250 and the row `sent`.

The deliverers are up and idle before the first delivery appears; all deliveries appear in one commit. The clock runs from that
commit until no row is anything but `sent`.
"""

from __future__ import annotations

import time

from postroom.cli.benching.ground import (
    DOMAIN,
    LOOPBACK,
    Ground,
    Progress,
    free_port,
    prepared_ground,
    running_sink,
)
from postroom.cli.benching.mails import HTML, SUBJECT, TEXT
from postroom.cli.benching.results import BenchResult, result_of
from postroom.cli.benching.yardstick import SESSIONS, measure_yardstick
from postroom.cli.telling import give_up

CHUNK = 500
SLOWEST = 20.0  # mails a second: below, the bench is given up
LOOK_EVERY = 0.05  # seconds


def bench_out(count: int, workers: int, progress: Progress, *, dkim: str = "") -> BenchResult:
    """Send ``count`` mails of one recipient each with ``workers`` deliverers, signed with keys of ``dkim`` (empty: not signed)."""
    with prepared_ground({"DELIVERERS": str(workers)}) as ground:
        yardstick = measure_yardstick(ground.folder, count)
        port = free_port()
        with running_sink(port):
            set_up_sending(port)
            if dkim:
                _sign_with(dkim)
            ground.staff.start("deliverer", workers)
            ground.wait_until_all_listen(workers, "deliverers")
            before = ground.cpu_seconds()
            seconds = _send(ground, count, progress)
            costs = ground.staff.costs()
            spent = ground.cpu_seconds() - before
        return result_of(
            count=count, seconds=seconds, yardstick=yardstick, workers=workers, staff=costs, cpu_seconds=spent
        )


def set_up_sending(port: int) -> None:
    """A company that sends through the sink."""
    from postroom.flows.settings import save_domain, save_server
    from postroom.store.models import Company
    from postroom.wiring import ports

    Company.objects.create(name="Bench")
    save_domain(ports(), {"name": DOMAIN, "plus_addresses_arrive": True}, member=None)
    save_server(
        ports(),
        {
            "name": "Sink",
            "host": LOOPBACK,
            "port": port,
            "encryption": "none",
            "max_connections": SESSIONS,
            "mails_per_connection": 100_000,
        },
        member=None,
    )


def _sign_with(algorithm: str) -> None:
    """Keys of this algorithm (or both) for the domain of the bench."""
    from postroom.flows.manage_keys import activate_key, create_keys
    from postroom.wiring import ports

    for key in create_keys(ports(), DOMAIN, algorithm, member=None):
        activate_key(ports(), key.id, member=None)


def _send(ground: Ground, count: int, progress: Progress) -> float:
    from django.db import transaction

    with transaction.atomic():
        _enqueue(count)
        began = time.perf_counter()
    deadline = began + 60 + count / SLOWEST
    while (sent := _sent()) < count:
        progress(sent)
        ground.staff.require_alive()
        if time.perf_counter() > deadline:
            give_up(f"Only {sent} of {count} mails were sent within {deadline - began:.0f} s. {_why()}")
        time.sleep(LOOK_EVERY)
    seconds = time.perf_counter() - began
    progress(count)
    return seconds


def _enqueue(count: int) -> None:
    """A mail with a body of its own for each recipient."""
    from postroom.core.terms.addresses import Address
    from postroom.core.terms.states import Lane
    from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mails
    from postroom.store.models import Company
    from postroom.wiring import ports

    company = Company.objects.get()
    for start in range(0, count, CHUNK):
        drafts = [
            MailDraft(
                company_id=company.pk,
                header_from=Address("Alice Ager", "alice", DOMAIN),
                recipients=[DraftRecipient(name=f"Customer {number}", address=f"customer{number}@sink.test")],
                subject=f"{SUBJECT}, number {number}",
                html=HTML,
                text=TEXT,
                header_message_id=f"<{number}.bench@{DOMAIN}>",
                lane=Lane.NORMAL,
            )
            for number in range(start, min(start + CHUNK, count))
        ]
        enqueue_mails(ports(), drafts)


def _sent() -> int:
    from postroom.core.terms.states import DeliveryState
    from postroom.store.models import Delivery

    return Delivery.objects.filter(state=DeliveryState.SENT).count()


def _why() -> str:
    from postroom.core.terms.states import DeliveryState
    from postroom.store.models import Delivery

    row = Delivery.objects.exclude(state=DeliveryState.SENT).first()
    return f"The first of the others is {row.state}: {row.failure_reason or row.waits_for}." if row else ""
