"""What the queue's pages may be narrowed to, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.gates import Gate
from postroom.core.terms.states import Blame, Lane
from postroom.flows import access
from postroom.flows.access import NotAllowed
from postroom.flows.list_queue import QueueFilter
from postroom.store.queries.queue_lists import Age, QueueView
from postroom.web.members import MemberRequest, text_of

VIEWS = (
    (QueueView.OUTGOING, gettext_lazy("Outgoing")),
    (QueueView.FAILED, gettext_lazy("Delivery Failed")),
    (QueueView.BOUNCED, gettext_lazy("Bounced")),
    (QueueView.UNKNOWN, gettext_lazy("Outcome unknown")),
    (QueueView.SENT, gettext_lazy("Sent")),
    (QueueView.CANCELLED, gettext_lazy("Cancelled")),
    (QueueView.COMPLAINED, gettext_lazy("Complained")),
    (QueueView.ALL, gettext_lazy("All")),
)
LANES = (
    (Lane.URGENT, gettext_lazy("Urgent")),
    (Lane.NORMAL, gettext_lazy("Normal")),
    (Lane.CAMPAIGN, gettext_lazy("Campaigns")),
)
GATES = (
    (Gate.TURN, gettext_lazy("Its turn")),
    (Gate.NOT_DUE, gettext_lazy("Its time")),
    (Gate.PAUSED, gettext_lazy("A paused server")),
    (Gate.LIMIT, gettext_lazy("A limit")),
    (Gate.SLOWED, gettext_lazy("A slow destination")),
    (Gate.TROUBLE, gettext_lazy("A server in trouble")),
    (Gate.SERVER, gettext_lazy("A usable server")),
    (Gate.RETRY, gettext_lazy("A new attempt")),
    (Gate.OTHER, gettext_lazy("Something else")),
)
AGES = (
    (Age.FIVE_MINUTES, gettext_lazy("Older than 5 minutes")),
    (Age.HOUR, gettext_lazy("Older than an hour")),
    (Age.DAY, gettext_lazy("Older than a day")),
    (Age.WEEK, gettext_lazy("Older than a week")),
)
FAULTS = (
    (Blame.ADDRESS, gettext_lazy("The address")),
    (Blame.MAILBOX, gettext_lazy("The mailbox")),
    (Blame.POLICY, gettext_lazy("A policy")),
    (Blame.SENDER, gettext_lazy("The sender")),
    (Blame.SERVER, gettext_lazy("The server")),
    (Blame.NETWORK, gettext_lazy("The network")),
)
NAMES = ("to", "server", "lane", "gate", "age", "blame")
FAILED_VIEWS = (QueueView.FAILED, QueueView.BOUNCED)


def need_queue(request: MemberRequest) -> None:
    """Raises `NotAllowed` for who may not see the queue."""
    if not access.may(request.member, "queue"):
        raise NotAllowed(_("The queue is shown to managers and administrators."))


def wanted_of(data: Mapping[str, Any], view: QueueView) -> QueueFilter:
    """What an address bar or a form asks for; raises nothing: `read_filter` finds what makes no sense."""
    return QueueFilter(
        state=view.value,
        recipient=text_of(data, "to", 320),
        server=text_of(data, "server", 100),
        lane=text_of(data, "lane", 20),
        gate=text_of(data, "gate", 20) if view is QueueView.OUTGOING else "",
        age=text_of(data, "age", 20) if view is QueueView.OUTGOING else "",
        blame=text_of(data, "blame", 20) if view in FAILED_VIEWS else "",
    )


def asked_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The filters as they were typed."""
    return {name: text_of(data, name, 320) for name in NAMES}
