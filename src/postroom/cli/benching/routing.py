"""Routing beside a small and a large archive: does a mail cost the same, whatever lies there already?

A batch is half new mails, to aliases of their own, four answers in ten to messages of the archive, and one delivery report in ten. The
archive is written by one statement a table: how it came there is not what is measured.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from postroom.cli.benching.feeding import Posted
from postroom.cli.benching.ground import DOMAIN, Progress, prepared_ground
from postroom.cli.benching.incoming import send_what_will_bounce, set_up_receiving
from postroom.cli.benching.mails import mail
from postroom.cli.telling import give_up

BATCH = 100
TRIES = 11
MESSAGES_EACH = 10  # of a record in the archive
ALIASES = 100
CHUNK = 100_000
PATIENCE = 60.0  # seconds for one batch

_ARCHIVE = (
    """
    INSERT INTO postroom_record (id, company_id, kind_id, title, contact_name, contact_address, stage, values, created_at, updated_at)
    SELECT nextval('postroom_record_id_seq'), %(company)s, %(kind)s, 'Prints ' || n, '', 'customer' || n || '@archive.test', '', '{}',
        now() - interval '30 days', now() - interval '30 days'
    FROM generate_series(%(first)s::bigint / %(each)s, (%(last)s::bigint - 1) / %(each)s) AS n
    """,
    """
    INSERT INTO postroom_inboundmessage (door, peer, mail_from, rcpt_to, size, state, due_at, attempt_count, error, subject,
        header_from, message_id, verdict, received_at)
    SELECT 'smtp', '', '', '{}', 4000, 'routed', now() - interval '30 days', 0, '', '', '', '<' || n || '@archive.test>', '[]',
        now() - interval '30 days'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint - 1) AS n
    """,
    """
    INSERT INTO postroom_seenmail (key, inbound_id, seen_at)
    SELECT encode(sha256(convert_to(message_id, 'UTF8')), 'hex'), id, received_at
    FROM postroom_inboundmessage ORDER BY id DESC LIMIT %(last)s::bigint - %(first)s::bigint
    """,
    """
    INSERT INTO postroom_message (company_id, record_id, kind, author_name, author_address, subject, message_id, text_digest,
        is_unverified, attachment_count, posted_at)
    SELECT %(company)s, record.id, 'comment', '', contact_address, '', '<' || n || '@archive.test>', md5(n::text), false, 0,
        now() - interval '30 days'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint - 1) AS n
    JOIN postroom_record record ON record.contact_address = 'customer' || n / %(each)s || '@archive.test'
    """,
    """
    INSERT INTO postroom_messageidentifier (identifier, message_id)
    SELECT message_id, id FROM postroom_message ORDER BY id DESC LIMIT %(last)s::bigint - %(first)s::bigint
    """,
)
_TABLES = ("record", "inboundmessage", "seenmail", "message", "messageidentifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingResult:
    """Milliseconds for a batch of so many mails beside so many stored messages: the median of several batches."""

    batch: int
    small: int
    small_ms: float
    large: int
    large_ms: float
    ratio: float


def bench_routing(small: int, large: int, progress: Progress) -> RoutingResult:
    """The same kind of batch beside few and beside many stored messages."""
    with prepared_ground({}):
        company, kind = set_up_receiving(ALIASES)
        reports = send_what_will_bounce(2 * (TRIES + 1) * BATCH // 10)
        times, filled, number = [], 0, 0
        for size in (small, large):
            _fill(company, kind, filled, size, progress)
            filled = size
            times.append(_batch_ms(number, size, reports))
            number += (TRIES + 1) * BATCH
        return RoutingResult(
            batch=BATCH,
            small=small,
            small_ms=round(times[0], 1),
            large=large,
            large_ms=round(times[1], 1),
            ratio=round(times[1] / times[0], 2),
        )


def _fill(company: int, kind: str, have: int, want: int, progress: Progress) -> None:
    from django.db import connection

    for first in range(have, want, CHUNK):
        last = min(first + CHUNK, want)
        values: dict[str, int | str] = {
            "first": first,
            "last": last,
            "company": company,
            "kind": kind,
            "each": MESSAGES_EACH,
        }
        with connection.cursor() as cursor:
            for statement in _ARCHIVE:
                cursor.execute(statement, values)
        progress(last)
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(f"VACUUM ANALYZE postroom_{table}")


def _batch_ms(first: int, stored: int, reports: list[Posted]) -> float:
    """The first batch warms the caches."""
    return 1000 * statistics.median([_route(first + n * BATCH, stored, reports) for n in range(TRIES + 1)][1:])


def _route(first: int, stored: int, reports: list[Posted]) -> float:
    from postroom.core.terms.envelopes import Envelope
    from postroom.core.terms.states import Door
    from postroom.flows.accept_message import Arrival, accept_messages
    from postroom.flows.route_message import route_waiting
    from postroom.wiring import ports

    posted = [_posted(number, stored, reports) for number in range(first, first + BATCH)]
    accept_messages(
        ports(),
        [
            Arrival(door=Door.SMTP, raw=one.raw, envelope=Envelope(mail_from=one.mail_from, rcpt_to=(one.rcpt_to,)))
            for one in posted
        ],
    )
    began = time.perf_counter()
    routed = 0
    while routed < BATCH:
        if time.perf_counter() - began > PATIENCE:
            give_up(f"Only {routed} of {BATCH} mails of a batch were routed within {PATIENCE:.0f} s.")
        routed += route_waiting(ports(), BATCH)
    return time.perf_counter() - began


def _posted(number: int, stored: int, reports: list[Posted]) -> Posted:
    place = number % 10
    if place == 0:
        return reports[number // 10]
    if place < 5:
        answered = number * 7919 % stored  # all over the archive
        customer = f"customer{answered // MESSAGES_EACH}@archive.test"
        answer = f"In-Reply-To: <{answered}@archive.test>\r\n".encode("ascii")
        to = f"catchall@{DOMAIN}"
        return Posted(
            customer, to, answer + mail(number, to=to).replace(b"customer%d@customers.test" % number, customer.encode())
        )
    to = f"orders{number % ALIASES}@{DOMAIN}"
    return Posted(f"customer{number}@customers.test", to, mail(number, to=to))
