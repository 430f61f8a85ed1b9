"""Tests of mails that are kept: looked at at once, or a seed message whose way somebody follows (`send_seed`).

Laws: for administrators of the house alone: what is shown may be anybody's mail. Only the report is kept, not the mail, and for some days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.judging import MailReport, report_as_row, report_from_row
from postroom.core.terms.reasons import Reason, because, reasons_from_json
from postroom.core.terms.states import MailTestState
from postroom.flows.access import require, require_house
from postroom.flows.analyse_mail import TestWish, analyse_mail
from postroom.flows.ports import Ports
from postroom.store.models import Delivery, Mailbox, MailTest, Member, OutgoingServer

KEPT = timedelta(days=14)
GRACE = timedelta(minutes=2)  # beyond the time of a seed message, until nobody can be at it any more
MOST_LISTED = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTestFact:
    """A test as it is shown. ``report`` or ``trouble`` once it is over; ``delivery_id`` and ``delivery_state`` of a seed message."""

    id: int
    source: Source
    name: str
    state: MailTestState
    asked_at: datetime
    finished_at: datetime | None
    asked_by: str
    report: MailReport | None
    trouble: Reason | None
    server: str = ""
    mailbox: str = ""
    message_id: str = ""
    until: datetime | None = None
    delivery_id: int | None = None
    delivery_state: str = ""

    @property
    def is_over(self) -> bool:
        return self.state is not MailTestState.WAITING


def test_mail(ports: Ports, raw: bytes, *, member: Member | None, name: str, wish: TestWish) -> MailTestFact:
    """Look at it, and keep what was found. Raises `NotAllowed`, `CannotTest`. Blocks for some seconds."""
    require_tester(member)
    asked_at = ports.clock.now()
    report = analyse_mail(ports, raw, wish)
    row = MailTest.objects.create(
        member=member,
        source=report.source.value,
        name=name[:200],
        state=MailTestState.FINISHED,
        asked_at=asked_at,
        finished_at=ports.clock.now(),
        report=report_as_row(report),
        message_id=report.message_id[:300],
    )
    return _fact(row, asked_at)


test_mail.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own


def require_tester(member: Member | None) -> None:
    """Raises `NotAllowed` unless it is an administrator of the house."""
    require(member, "settings")
    require_house(member)


def mail_test(ports: Ports, test_id: int, *, member: Member | None) -> MailTestFact:
    """One test. Raises `NotAllowed`, MailTest.DoesNotExist. Two queries."""
    require_tester(member)
    row = _rows().get(pk=test_id)
    delivery = None
    if row.mail_number is not None:
        delivery = Delivery.objects.filter(mail_id=row.mail_number).only("pk", "state").order_by("pk").first()
    return _fact(row, ports.clock.now(), delivery)


mail_test.__test__ = False  # type: ignore[attr-defined]


def list_mail_tests(ports: Ports, *, member: Member | None) -> list[MailTestFact]:
    """The newest ones. Raises `NotAllowed`. One query."""
    require_tester(member)
    now = ports.clock.now()
    return [_fact(row, now) for row in _rows()[:MOST_LISTED]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedWays:
    """Between what one may choose: servers and mailboxes in use, by number and name."""

    servers: Sequence[tuple[int, str]]
    mailboxes: Sequence[tuple[int, str]]


def seed_ways(ports: Ports, *, member: Member | None) -> SeedWays:  # noqa: ARG001 (every flow takes ports)
    """What a seed message may be sent through and to. Raises `NotAllowed`. Two queries."""
    require_tester(member)
    servers = OutgoingServer.objects.filter(is_active=True).order_by("priority", "pk").values_list("pk", "name")
    boxes = Mailbox.objects.filter(is_active=True, is_confirmed=True).order_by("priority", "pk")
    return SeedWays(servers=list(servers), mailboxes=list(boxes.values_list("pk", "name")))


def finish_mail_test(
    ports: Ports, test_id: int, state: MailTestState, *, report: MailReport | None = None, trouble: Reason | None = None
) -> None:
    """It is over; who comes second changes nothing."""
    MailTest.objects.filter(pk=test_id, state=MailTestState.WAITING).update(
        state=state,
        finished_at=ports.clock.now(),
        report=report_as_row(report) if report is not None else None,
        trouble=trouble.as_json() if trouble is not None else None,
    )


def _rows() -> QuerySet[MailTest]:
    return MailTest.objects.select_related("member__contact", "server", "mailbox")


def _fact(row: MailTest, now: datetime, delivery: Delivery | None = None) -> MailTestFact:
    state = MailTestState(row.state)
    trouble = reasons_from_json([row.trouble])[0] if row.trouble else None
    if state is MailTestState.WAITING and (row.until or row.asked_at) + GRACE < now:
        state, trouble = MailTestState.FAILED, because("mailtest.seed.lost")
    return MailTestFact(
        id=row.pk,
        source=Source(row.source),
        name=row.name,
        state=state,
        asked_at=row.asked_at,
        finished_at=row.finished_at,
        asked_by=str(row.member.contact.name) if row.member is not None else "",
        report=report_from_row(row.report),
        trouble=trouble,
        server=row.server.name if row.server is not None else "",
        mailbox=row.mailbox.name if row.mailbox is not None else "",
        message_id=row.message_id,
        until=row.until,
        delivery_id=delivery.pk if delivery is not None else None,
        delivery_state=delivery.state if delivery is not None else "",
    )
