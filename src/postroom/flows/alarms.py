"""Alarms: what went wrong by itself is said once, on the first page, until it is well again or a person has seen enough of it.

Laws: one open alarm for a code and a subject, whoever raises it how often; raising is one statement, in the caller's transaction, so
that an alarm never speaks of what was rolled back; what a person dismissed is raised anew when it shows again.
"""

from __future__ import annotations

import json
import logging

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from postroom.core.terms.reasons import Reason
from postroom.flows import access
from postroom.flows.ports import Ports
from postroom.store.models import Alarm, Member

_log = logging.getLogger(__name__)

_RAISE = """
INSERT INTO postroom_alarm (company_id, code, subject, reason, link, count, raised_at, last_at)
VALUES (%(company_id)s, %(code)s, %(subject)s, %(reason)s, %(link)s, 1, %(now)s, %(now)s)
ON CONFLICT (code, subject) WHERE ended_at IS NULL DO UPDATE
   SET count = CASE WHEN %(is_anew)s THEN 1 ELSE postroom_alarm.count + 1 END,
       raised_at = CASE WHEN %(is_anew)s THEN excluded.raised_at ELSE postroom_alarm.raised_at END,
       last_at = excluded.last_at, reason = excluded.reason, link = excluded.link
RETURNING count = 1
"""


def raise_alarm(
    ports: Ports,
    *,
    code: str,
    subject: str,
    reason: Reason,
    company_id: int | None = None,
    link: str = "",
    is_anew: bool = False,
) -> bool:
    """Whether it is new. ``subject`` names what is in trouble (``mailbox:3``); ``link`` is the path of the page that mends it. ``is_anew``: it is in
    trouble for another cause than before, since now."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RAISE,
            {
                "company_id": company_id,
                "code": code,
                "subject": subject[:320],
                "reason": json.dumps(reason.as_json()),
                "link": link[:200],
                "is_anew": is_anew,
                "now": ports.clock.now(),
            },
        )
        is_new = bool(cursor.fetchone()[0])
    if is_new:
        _log.error("alarm %s: %s", code, str(reason), extra={"subject": subject})
    return is_new


def clear_alarm(ports: Ports, *, code: str, subject: str = "") -> None:
    """What was wrong is well again. Harmless when nothing was."""
    Alarm.objects.filter(code=code, subject=subject[:320], ended_at=None).update(ended_at=ports.clock.now())


@transaction.atomic
def dismiss_alarm(ports: Ports, alarm_id: int, *, member: Member | None) -> None:
    """A person has seen enough of it. Raises `NotAllowed`, `Alarm.DoesNotExist`; harmless when it is over."""
    access.require(member, "inbound")
    alarm = visible_alarms(member).get(pk=alarm_id)
    if alarm.ended_at is None:
        Alarm.objects.filter(pk=alarm.pk).update(ended_at=ports.clock.now(), dismissed_by=member)


def visible_alarms(member: Member | None) -> QuerySet[Alarm]:
    """Those of the own companies; what belongs to none is the house's."""
    rows = Alarm.objects.all()
    if member is None:
        return rows
    mine = Q(company_id__in=access.company_ids(member))
    if access.sees_whole_house(member):
        mine |= Q(company=None)
    return rows.filter(mine)
