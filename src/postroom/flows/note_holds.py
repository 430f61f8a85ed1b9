"""A breaker held a mail: that is remembered by target and author, and said aloud.

Laws: inside the routing transaction, after the verdicts were applied; nothing is asked of the database unless a breaker held
something; one alarm per target, however many mails it holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.routing.loops import base_of
from postroom.core.routing.verdicts import Hold
from postroom.core.terms.reasons import because, catalogue
from postroom.flows.alarms import raise_alarm
from postroom.flows.apply_verdict import Decided
from postroom.flows.ports import Ports
from postroom.store.models import InboundMessage, LoopHold
from postroom.store.queries.pages_loops import target_names

ALARM = "loop.breaker"
PAGE = "/inbound/loops/"
MANY = 1_000  # held mails that are counted exactly

catalogue(
    {
        "loop.alarm": "A loop was stopped at {target}: {why} Held until you decide: {count}. Release them, allow the sender, or let them be.",
        "loop.alarm_all": "So much mail came to {target} that it is held: {why} Waiting: {count}. If they are real, let them in.",
    }
)


def note_holds(ports: Ports, batch: Sequence[Decided]) -> int:
    """How many mails of the batch a breaker holds."""
    held = [(one, d) for one in batch for d in one.verdict.decisions if isinstance(d, Hold) and d.breaker]
    if not held:
        return 0
    now = ports.clock.now()
    companies = dict(
        InboundMessage.objects.filter(pk__in={one.row.id for one, _ in held}).values_list("pk", "company_id")
    )
    LoopHold.objects.bulk_create(
        [
            LoopHold(
                inbound_id=one.row.id,
                company_id=companies[one.row.id],
                subject=d.breaker[:80],
                author=d.author[:320],
                sender=base_of(one.evidence.author_normal or one.evidence.mail_from)[:320],
                reason=d.reasons[-1].as_json(),
                held_at=now,
            )
            for one, d in held
        ],
        ignore_conflicts=True,
    )
    last = {d.breaker: (one, d) for one, d in held}
    for subject in sorted(last):
        one, decision = last[subject]
        _alarm(ports, subject, decision, companies[one.row.id])
    return len(held)


def _alarm(ports: Ports, subject: str, decision: Hold, company_id: int | None) -> None:
    raise_alarm(
        ports,
        code=ALARM,
        subject=subject,
        reason=because(
            "loop.alarm" if decision.author else "loop.alarm_all",
            target=target_names([subject])[subject],
            why=str(decision.reasons[-1]),
            count=_many(subject),
        ),
        company_id=company_id,
        link=f"{PAGE}?target={subject}",
    )


def _many(subject: str) -> str:
    count = LoopHold.objects.filter(subject=subject, ended_at=None).order_by()[: MANY + 1].count()
    return str(count) if count <= MANY else f"more than {MANY}"
