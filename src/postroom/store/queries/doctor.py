"""What the doctor must know of the tables: who is connected, what waits at which gate, what failed alike, which addresses are written to.

Laws: see `store.queries.pages`: bounded along indexes, whatever is stored; reads only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import F, OuterRef, Subquery

from postroom.core.diagnosis.queue_health import RefusedGroup, WaitingGroup
from postroom.core.diagnosis.refusals import reason_of_refusal
from postroom.core.reports.blame import reason_of
from postroom.core.reports.taxonomy import UNDETERMINED
from postroom.core.terms.gates import KNOWN_CODES, gate_of
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.store.models import Attempt, Delivery, InboundMessage, ReportedRecipient
from postroom.store.models.outgoing import PARKED

AT_A_GATE = 500  # looked at
FAILED_MOST = 400
LATEST = 2_000  # mails that came in
ROLES = frozenset({"web", "door", "router", "deliverer", "scheduler", "watcher"})  # as processes call themselves
_RETRIES = ("wait.transient", "wait.connection")

_CONNECTED = """
SELECT split_part(application_name, ' ', 2), count(DISTINCT application_name) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name LIKE 'postroom %%' GROUP BY 1
"""
_CLOCK = "SELECT clock_timestamp()"
_WAITING = """
SELECT codes.code, found.server_id, found.created_at, found.held_since, found.waits_for::text
  FROM unnest(%s::text[]) AS codes(code) CROSS JOIN LATERAL (
       SELECT server_id, created_at, held_since, waits_for FROM postroom_delivery
        WHERE state IN ('deferred', 'queued') AND waits_for IS NOT NULL AND (waits_for ->> 'code') = codes.code
        ORDER BY lane, due_at LIMIT %s) AS found
"""
_DUE = """
SELECT count(*), min(due_at) FROM (VALUES (0), (1), (2)) AS lanes(lane) CROSS JOIN LATERAL (
       SELECT due_at, coalesce(waits_for ->> 'code', '') AS code FROM postroom_delivery
        WHERE lane = lanes.lane AND state IN ('deferred', 'queued') AND due_at <= %s ORDER BY due_at LIMIT %s) AS due
 WHERE NOT code = ANY(%s::text[])
"""
_WRITTEN_TO = """
SELECT lower(address), count(*), max(received_at) FROM (
       SELECT rcpt_to, received_at FROM postroom_inboundmessage ORDER BY id DESC LIMIT %s) AS latest
 CROSS JOIN LATERAL unnest(latest.rcpt_to) AS address GROUP BY 1
"""


ACCEPTED_AMONG = 5_000  # attempts
_ACCEPTED = """
SELECT server_id, max(tried_at) FROM (SELECT server_id, tried_at, state FROM postroom_attempt ORDER BY id DESC LIMIT %s) newest
WHERE state = 'sent' AND server_id IS NOT NULL GROUP BY server_id
"""
NEWEST = 40  # mails whose Received lines are read
_NEWEST_HEADS = """
SELECT came.door, came.peer, came.received_at, substring(kept.raw FROM 1 FOR %s)
FROM (SELECT id, door, peer, received_at FROM postroom_inboundmessage ORDER BY id DESC LIMIT %s) AS came
JOIN postroom_rawmail AS kept ON kept.inbound_id = came.id
WHERE came.door IN ('smtp', 'imap') AND came.received_at >= %s AND kept.raw IS NOT NULL
ORDER BY came.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFact:
    """What is due, and nothing holds it."""

    count: int
    since: datetime | None


def connected_roles() -> dict[str, int]:
    """Processes of this installation by their role, on all machines. One query; those of other database users are not seen."""
    return {str(role): int(count) for role, count in _ask(_CONNECTED) if role in ROLES}


def database_clock() -> datetime:
    """What time it is there."""
    at: datetime = _ask(_CLOCK)[0][0]
    return at.astimezone(UTC)


def due_and_free(now: datetime) -> DueFact:
    """One query, three looks into an index."""
    held = [
        *PARKED,
        "wait.daily_limit",
        "wait.warm_up",
        "wait.per_minute",
        "wait.destination",
        "wait.slowed",
        "wait.server_slowed",
    ]
    count, since = _ask(_DUE, [now, LATEST, held])[0]
    return DueFact(count=int(count), since=since)


def waiting_groups(servers: Mapping[int, str], now: datetime) -> tuple[WaitingGroup, ...]:
    """By gate and server; what was put off by words of a server, by what these mean. One query."""
    groups: dict[tuple[str, str, str], list[tuple[datetime, Reason]]] = {}
    codes = [*KNOWN_CODES, "wait.busy", "wait.dkim"]
    for code, server_id, created_at, held_since, stored in _ask(_WAITING, [codes, AT_A_GATE]):
        reason = _reason(stored)
        server = servers.get(server_id or 0, "") or str(reason.facts.get("server", ""))
        groups.setdefault((code, server, _taxonomy(code, reason)), []).append((held_since or created_at, reason))
    return tuple(
        WaitingGroup(
            gate=gate_of(code, now, now),
            code=code,
            count=len(rows),
            since=min(since for since, _ in rows),
            reason=max(rows, key=lambda row: row[0])[1],
            server=server,
            taxonomy=taxonomy,
        )
        for (code, server, taxonomy), rows in groups.items()
    )


def _reason(stored: str) -> Reason:
    return reasons_from_json([json.loads(stored)])[0]


def _taxonomy(code: str, reason: Reason) -> str:
    if code not in _RETRIES:
        return ""
    if code == "wait.connection":
        return "network_error"
    words = str(reason.facts.get("reply", ""))
    head, _, rest = words.partition(" ")
    enhanced, _, text = rest.partition(" ")
    if enhanced.count(".") != 2 or not enhanced.replace(".", "").isdigit():
        enhanced, text = "", rest
    return reason_of(SmtpReply(int(head), enhanced, text)) if head.isdigit() and len(head) == 3 else UNDETERMINED


def last_accepted() -> dict[int, datetime]:
    """When each server took a mail last, among the newest attempts. One query."""
    return dict(_ask(_ACCEPTED, (ACCEPTED_AMONG,)))


def recent_failures(since: datetime) -> tuple[RefusedGroup, ...]:
    """Of the newest that failed or came back since then, by reason, the most first. Three queries."""
    rows = [row for row in _failed() if row["finished_at"] is not None and row["finished_at"] >= since]
    tries = Attempt.objects.in_bulk([row["last"] for row in rows if row["last"]])
    groups: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
    for row in rows:
        attempt = tries.get(row["last"])
        cause = reason_of_refusal(
            failure_type=row["failure_type"],
            blame=row["blame"],
            code=attempt.code if attempt else 0,
            enhanced=attempt.enhanced if attempt else "",
            text=attempt.text if attempt else "",
            reported=row["reported"] or "",
        )
        if cause:
            groups.setdefault(cause, []).append((row, _words(attempt, row)))
    found = [_group(cause, members) for cause, members in groups.items()]
    return tuple(sorted(found, key=lambda one: -one.count))


def _failed() -> Sequence[Mapping[str, Any]]:
    pieces = [
        Delivery.objects.filter(state=state).order_by("-id").values_list("pk")[:FAILED_MOST]
        for state in (DeliveryState.FAILED, DeliveryState.BOUNCED)
    ]
    ids = [pk for (pk,) in pieces[0].union(pieces[1], all=True)]
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-id")
    reported = ReportedRecipient.objects.filter(delivery=OuterRef("pk"), is_claim=False).order_by("-id")
    return list(
        Delivery.objects.filter(pk__in=ids)
        .order_by("-id")
        .values(
            "id",
            "to_address",
            "failure_type",
            "failure_reason",
            "blame",
            "finished_at",
            server_name=F("server__name"),
            sender=F("mail__from_address"),
            last=Subquery(last.values("pk")[:1]),
            reported=Subquery(reported.values("reason")[:1]),
        )
    )


def _words(attempt: Attempt | None, row: Mapping[str, Any]) -> str:
    has_reply = attempt is not None and attempt.code >= 400
    said = f"{attempt.code} {attempt.enhanced} {attempt.text}" if attempt and has_reply else row["failure_reason"]
    return f"{row['to_address']}: {' '.join(str(said).split())}"


def _group(cause: str, members: Sequence[tuple[Mapping[str, Any], str]]) -> RefusedGroup:
    servers = Counter(row["server_name"] for row, _ in members if row["server_name"])
    domains = Counter(str(row["sender"]).rpartition("@")[2].lower() for row, _ in members if row["sender"])
    return RefusedGroup(
        taxonomy=cause,
        count=len(members),
        example=members[0][1],
        servers=tuple(servers),
        domains=tuple(domain for domain, _ in domains.most_common(20)),
    )


def last_inbound_error() -> str:
    """Of the newest mail that could not be routed. One query."""
    rows = InboundMessage.objects.filter(state=InboundState.FAILED).order_by("-id").values_list("error", flat=True)
    return str(rows.first() or "")


def newest_heads(since: datetime, octets: int) -> list[tuple[str, str, datetime, bytes]]:
    """Of the newest mails that came in since: door, peer, when, and how they begin. One query along the primary keys."""
    rows = _ask(_NEWEST_HEADS, [octets, NEWEST, since])
    return [(door, peer, at.astimezone(UTC), bytes(head)) for door, peer, at, head in rows]


def written_to() -> dict[str, tuple[int, datetime]]:
    """Of the latest mails that came in: by address, how many and when the last. One query."""
    return {address: (int(count), last) for address, count, last in _ask(_WRITTEN_TO, [LATEST])}


def _ask(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        return list(cursor.fetchall())
