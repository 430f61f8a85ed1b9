"""Out of capture mode: what waits in the queue would leave, too, so a person says what becomes of it.

    how many wait, how many of them to addresses that exist nowhere --> cancel them, or let them leave --> mail leaves

Laws: nothing leaves by surprise: while mails wait and nobody chose, capture mode stays. What is to be cancelled is cancelled in the transaction
that ends capture mode, so no deliverer is quicker. What is on its way at that moment was claimed in capture mode and is captured.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from postroom.core.terms.addresses import exists_nowhere
from postroom.core.terms.reasons import Reason, because
from postroom.flows import queue
from postroom.flows.access import require_house
from postroom.flows.guard_installation import is_capturing, set_capturing
from postroom.flows.ports import Ports
from postroom.store.models import Delivery, Installation, Member
from postroom.store.models.outgoing import WAITING

MOST = 10_000  # that are cancelled here; more are a matter for the queue, which does it in the background


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMails:
    """What would leave with the end of capture mode. ``made_up``: how many of them go to addresses that exist nowhere; ``example``: one of
    those, else one of all. Counted up to `MOST`, ``is_more`` beyond."""

    count: int = 0
    made_up: int = 0
    example: str = ""
    is_more: bool = False


class NotChosen(Exception):  # noqa: N818 (an answer, not a fault)
    """Mails wait, and nobody said what becomes of them; or they are too many to be cancelled here. Capture mode stays."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def waiting_mails() -> WaitingMails:
    """Of all companies; nothing where mail leaves already. Two queries."""
    if not is_capturing():
        return WaitingMails()
    found = list(_waiting().values_list("to_address", flat=True)[: MOST + 1])
    made_up = [one for one in found if exists_nowhere(one)]
    return WaitingMails(
        count=min(len(found), MOST),
        made_up=len(made_up),
        example=next(iter(made_up or found), ""),
        is_more=len(found) > MOST,
    )


@transaction.atomic
def leave_capture(ports: Ports, *, cancels: bool | None, member: Member | None) -> int:
    """Mail leaves from now on; how many were cancelled before. ``cancels``: whether what waits is, None where nobody was asked.

    Raises `NotChosen`, and `NotAllowed`."""
    require_house(member)
    Installation.objects.select_for_update().get()
    found = waiting_mails()
    if found.count and cancels is None:
        raise NotChosen(because("capture.not_chosen"))
    cancelled = 0
    if found.count and cancels:
        if found.is_more:
            raise NotChosen(because("capture.too_many", most=MOST))
        numbers = list(_waiting().values_list("pk", flat=True)[:MOST])
        cancelled = len(queue.cancel(ports, numbers, member=None).done)  # of all companies, as capture mode is
    set_capturing(ports, False, member=member)
    return cancelled


def _waiting() -> QuerySet[Delivery]:
    """In the order of the queue's index."""
    return Delivery.objects.filter(state__in=WAITING).order_by("lane", "due_at", "pk")
