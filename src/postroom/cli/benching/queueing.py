"""The queue under load: does taking the next thousand out of it cost the same whatever waits, and how long does an urgent mail
take while bulk is waiting?

The rows that wait are written by one statement each: how they came there is not what is measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from postroom.cli.benching.counting import MEGABYTE
from postroom.cli.benching.ground import DOMAIN, Progress, free_port, prepared_ground, running_sink
from postroom.cli.benching.mails import HTML, SUBJECT, TEXT
from postroom.cli.benching.outgoing import set_up_sending
from postroom.cli.benching.results import cores, percentile_95
from postroom.cli.telling import give_up

TAKEN = 1000
TRIES = 15
PATIENCE = 60.0  # seconds for one urgent mail
LOOK_EVERY = 0.002
SETTLE = 2.0  # seconds that the deliverers get to be busy with the bulk before the first urgent mail

_BULK = """
    INSERT INTO postroom_delivery (
        mail_id, company_id, to_name, to_address, state, lane, due_at, deadline_at, attempt_count, claimed_by, reasons,
        failure_type, failure_reason, blame, created_at, provider_message_id)
    SELECT %s, %s, '', 'reader' || n || '@sink.test', 'queued', 2, now() - interval '1 hour' + n * interval '1 millisecond',
        now() + interval '1 day', 0, '', '[]', '', '', '', now(), ''
    FROM generate_series(%s::bigint, %s::bigint) AS n
"""
CHUNK = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """Milliseconds for the next ``taken`` of so many: the median of several claims."""

    taken: int
    small: int
    small_ms: float
    large: int
    large_ms: float
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgentResult:
    """Milliseconds from the call that posts a message to the record of the server's 250, while ``waiting`` bulk mails wait."""

    n: int
    waiting: int
    median_ms: float
    p95_ms: float
    slowest_ms: float
    workers: int
    cores: int
    peak_rss_mb: float
    bulk_left: int


def bench_claim(small: int, large: int, progress: Progress) -> ClaimResult:
    """The same claim with few and with many waiting."""
    with prepared_ground({}):
        set_up_sending(free_port())
        mail_id, company_id = _bulk_mail()
        times = []
        filled = 0
        for size in (small, large):
            _fill(mail_id, company_id, filled, size, progress)
            filled = size
            times.append(_claim_ms())
        return ClaimResult(
            taken=TAKEN,
            small=small,
            small_ms=round(times[0], 2),
            large=large,
            large_ms=round(times[1], 2),
            ratio=round(times[1] / times[0], 2),
        )


def bench_urgent(n: int, waiting: int, workers: int, progress: Progress) -> UrgentResult:
    """``n`` messages, one after the other, posted by a person on a record with one follower outside."""
    with prepared_ground({"DELIVERERS": str(workers)}) as ground:
        port = free_port()
        with running_sink(port):
            set_up_sending(port)
            post = _a_person_at_a_record()
            if waiting:
                _fill(*_bulk_mail(), 0, waiting, progress)
            ground.staff.start("deliverer", workers)
            ground.wait_until_all_listen(workers, "deliverers")
            if waiting:
                time.sleep(SETTLE)
            times = []
            for number in range(n):
                times.append(post())
                progress(number + 1)
                ground.staff.require_alive()
            peak = max((one.peak_rss for one in ground.staff.costs()), default=0)
            left = _still_waiting()
    times.sort()
    return UrgentResult(
        n=n,
        waiting=waiting,
        median_ms=round(statistics.median(times), 1),
        p95_ms=round(percentile_95(times), 1),
        slowest_ms=round(times[-1], 1),
        workers=workers,
        cores=cores(),
        peak_rss_mb=round(peak / MEGABYTE, 1),
        bulk_left=left,
    )


def _bulk_mail() -> tuple[int, int]:
    """The mail that all the bulk is about, and its company."""
    from postroom.core.terms.addresses import Address
    from postroom.core.terms.states import Lane
    from postroom.flows.enqueue_mail import MailDraft, enqueue_mail
    from postroom.store.models import Company
    from postroom.wiring import ports

    company = Company.objects.get()
    draft = MailDraft(
        company_id=company.pk,
        header_from=Address("Alice Ager", "alice", DOMAIN),
        recipients=[],
        subject=SUBJECT,
        html=HTML,
        text=TEXT,
        header_message_id=f"<bulk.bench@{DOMAIN}>",
        lane=Lane.CAMPAIGN,
    )
    return enqueue_mail(ports(), draft), company.pk


def _fill(mail_id: int, company_id: int, have: int, want: int, progress: Progress) -> None:
    from django.db import connection

    for start in range(have + 1, want + 1, CHUNK):
        with connection.cursor() as cursor:
            cursor.execute(_BULK, [mail_id, company_id, start, min(start + CHUNK - 1, want)])
        progress(min(start + CHUNK - 1, want))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE postroom_delivery")


def _claim_ms() -> float:
    from postroom.flows.measure_queue import claim_seconds
    from postroom.wiring import ports

    claim_seconds(ports(), TAKEN)  # the first one warms the caches
    return 1000 * statistics.median(claim_seconds(ports(), TAKEN) for _ in range(TRIES))


def _a_person_at_a_record() -> Callable[[], float]:
    """What posts a message there and says how many milliseconds later the server's yes was written down."""
    from postroom.core.terms.states import Role
    from postroom.flows.add_member import add_member
    from postroom.flows.post_message import post_message
    from postroom.flows.records import create_record
    from postroom.store.models import Contact
    from postroom.wiring import ports

    secret = ports().ids.hex(12)
    alice = add_member(
        ports(),
        login="alice",
        name="Alice Ager",
        address=f"alice@{DOMAIN}",
        role=Role.ADMINISTRATOR,
        company="",
        password=secret,
    )
    carla = Contact.objects.create(name="Customer Carla", address="carla@sink.test", normal="carla@sink.test")
    record = create_record(
        ports(),
        company_id=alice.company_id,
        kind="ticket",
        title="A parcel is missing",
        author=alice,
        contact_id=carla.pk,
    )

    def post() -> float:
        began = time.perf_counter()
        message = post_message(ports(), record_id=record.pk, author=alice, html=HTML)
        while not _is_sent(message.pk):
            if time.perf_counter() - began > PATIENCE:
                give_up(f"An urgent mail was not sent within {PATIENCE:.0f} s.")
            time.sleep(LOOK_EVERY)
        return 1000 * (time.perf_counter() - began)

    return post


def _is_sent(message_id: int) -> bool:
    from postroom.core.terms.states import DeliveryState
    from postroom.store.models import Delivery

    return Delivery.objects.filter(mail__message_id=message_id, state=DeliveryState.SENT).exists()


def _still_waiting() -> int:
    from postroom.core.terms.states import DeliveryState, Lane
    from postroom.store.models import Delivery
    from postroom.store.models.outgoing import LANE_RANK

    return Delivery.objects.filter(state=DeliveryState.QUEUED, lane=LANE_RANK[Lane.CAMPAIGN]).count()
