"""The inbound log: what came in through which door, what became of it and why. Laws: see `store.queries.pages`. A mail can go to several
companies: everything here is cut to those that the reader sees (``cut``, None: all).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import RawSQL

from postroom.core.routing.authenticity import Authenticity, authenticity_from_json
from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import InboundState
from postroom.store.models import Alias, InboundMessage, Message, RawMail, ReportedRecipient
from postroom.store.queries.pages import PAGE_ROWS, Page, page_of, read_id, text_of
from postroom.store.queries.pages_chatter import verdict_reasons
from postroom.store.queries.verdicts_seen import Hidden, hidden_from

WINDOW = 2_000  # mails that one page looks at where no index knows what is asked
GLANCE = 300  # mails that are looked at first: mostly enough


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRow:
    """A mail in the log."""

    id: int
    state: InboundState
    door: str
    mailbox: str
    mail_from: str
    header_from: str
    rcpt_to: tuple[str, ...]
    subject: str
    size: int
    received_at: datetime
    routed_at: datetime | None
    attempt_count: int
    error: str
    reasons: tuple[Reason, ...]

    @property
    def why(self) -> Reason | None:
        """The one that decided. What the loop breaker says comes after the reasons for the target, and outweighs them."""
        is_held = self.state is InboundState.HELD
        stopped = [one for one in self.reasons if is_held and one.code.startswith("loop.")]
        return next(iter([*stopped[-1:], *self.reasons]), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFact:
    """One decision of the verdict: its name, and why."""

    name: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFact:
    """A message that this mail became."""

    message_id: int
    record_id: int | None
    record_title: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFact:
    """What a report said of one recipient, and which delivery of ours that was."""

    address: str
    action: str
    status: str
    reply: str
    blame: str
    reason: str  # of the taxonomy, "" in what was kept before there was one
    delivery_id: int | None
    is_claim: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundFact:
    """One mail's whole story on the way in."""

    row: InboundRow
    peer: str
    message_id: str
    due_at: datetime
    company_id: int | None
    decisions: tuple[DecisionFact, ...]
    made: tuple[MadeFact, ...]
    reported: tuple[ReportedFact, ...]
    authenticity: Authenticity | None  # None: not looked at yet


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundWish:
    """What a person looks for in the log. Texts are found in any case; ``alias`` is an address; ``since``: not before."""

    state: InboundState | None = None
    door: str = ""
    mailbox_id: int | None = None
    alias: str = ""
    sender: str = ""
    text: str = ""
    since: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it asks for more than an index knows."""
        return bool(self.door or self.mailbox_id or self.alias or self.sender or self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundPage(Page[InboundRow]):
    """A page of the log. ``is_cut``: the window was looked through and more may be found behind it."""

    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Numbers of mails, and the number behind which to go on (None: at the end)."""

    ids: tuple[int, ...]
    after: int | None


def inbound_list(
    visible: QuerySet[InboundMessage],
    wish: InboundWish,
    *,
    cut: Collection[int] | None,
    cursor: str = "",
    size: int = PAGE_ROWS,
) -> InboundPage:
    """The log, newest first. One query; where no index knows what is asked one more for a glance at `GLANCE` mails, and one for `WINDOW` of
    them where these do not fill the page; one more for who does not see the whole house, and one where he asks for an alias."""
    rows = visible if wish.state is None else visible.filter(state=wish.state)
    if (number := read_id(cursor)) is not None:
        rows = rows.filter(pk__lt=number)
    if not wish.is_narrow and wish.since is None:
        found = _page(rows.order_by("-id"), size, cut)
        return InboundPage(rows=found.rows, next=found.next)
    narrowed = _narrowed(InboundMessage.objects.filter(pk=RawSQL("near.id", [])), wish, cut)
    for window in (GLANCE, WINDOW) if GLANCE < WINDOW else (WINDOW,):
        looked_at = _looked_at(rows.order_by("-id"), narrowed, wish.since, window)
        fitting, is_cut = [pk for pk, fits in looked_at if fits], len(looked_at) == window
        if len(fitting) > size or not is_cut:
            break
    found = _page(visible.filter(pk__in=fitting[: size + 1]).order_by("-id"), size, cut)
    if found.next or not is_cut:
        return InboundPage(rows=found.rows, next=found.next)
    return InboundPage(rows=found.rows, next=str(looked_at[-1][0]), is_cut=True)


def _page(rows: QuerySet[InboundMessage], size: int, cut: Collection[int] | None) -> Page[InboundRow]:
    found = list(_rows(rows)[: size + 1])
    named = [address for row in found for address in row["rcpt_to"]]
    hidden = hidden_from(cut, [row["verdict"] for row in found], named)
    return page_of(found, size, lambda row: _row(row, hidden), lambda row: str(row["id"]))


def matching(
    visible: QuerySet[InboundMessage], wish: InboundWish, *, cut: Collection[int] | None, after: int, most: int
) -> Found:
    """The next ``most`` that match, oldest first; fewer where the window ends before. Two queries."""
    rows = visible if wish.state is None else visible.filter(state=wish.state)
    looked_at = list(rows.filter(pk__gt=after).order_by("id").values_list("pk", flat=True)[:WINDOW])
    fit = _narrowed(visible.filter(pk__in=looked_at), wish, cut).order_by("id")
    if wish.since is not None:
        fit = fit.filter(received_at__gte=wish.since)
    ids = tuple(fit.values_list("pk", flat=True)[:most])
    if len(ids) == most:
        return Found(ids=ids, after=ids[-1])
    return Found(ids=ids, after=looked_at[-1] if len(looked_at) == WINDOW else None)


# a scalar question, as in `newest_first`: each mail of the window is looked at once, where it lies
_FITTING = """
WITH near AS MATERIALIZED ({near})
SELECT near.id, ({fits}) IS NOT NULL FROM near WHERE near.received_at >= %s ORDER BY near.id DESC
"""
_EVER = datetime(1, 1, 2, tzinfo=UTC)


def _looked_at(
    rows: QuerySet[InboundMessage], narrowed: QuerySet[InboundMessage], since: datetime | None, size: int
) -> list[tuple[int, bool]]:
    """The next mails of this order, and which of them fit. Numbers grow with time: where one is too old, all are. One query, so that the
    numbers of a window do not travel to us and back."""
    try:
        near, values = rows.values("id", "received_at")[:size].query.sql_with_params()
    except EmptyResultSet:  # Django knows that nothing can be in it
        return []
    fits, fit_values = text_of(narrowed.order_by().values("pk"))
    with connection.cursor() as cursor:
        cursor.execute(_FITTING.format(near=near, fits=fits), [*values, *fit_values, since or _EVER])
        found: list[tuple[int, bool]] = cursor.fetchall()
        return found


def _narrowed(
    rows: QuerySet[InboundMessage], wish: InboundWish, cut: Collection[int] | None
) -> QuerySet[InboundMessage]:
    if wish.door:
        rows = rows.filter(door=wish.door)
    if wish.mailbox_id:
        rows = rows.filter(mailbox_id=wish.mailbox_id)
    if wish.alias:
        named = Q(rcpt_to__contains=[wish.alias]) | Q(verdict__icontains=wish.alias)
        rows = rows.filter(named) if _may_ask_for(wish.alias, cut) else rows.none()
    if wish.sender:
        rows = rows.filter(Q(mail_from__icontains=wish.sender) | Q(header_from__icontains=wish.sender))
    if wish.text:
        rows = rows.filter(
            Q(subject__icontains=wish.text) | Q(message_id__icontains=wish.text) | Q(error__icontains=wish.text)
        )
    return rows


def _may_ask_for(alias: str, cut: Collection[int] | None) -> bool:
    """Whose mail went to another company's alias is not told by finding it: who does not see all asks for aliases of his own."""
    if cut is None:
        return True
    name, _, domain = (normalize(alias) or alias).rpartition("@")
    return Alias.objects.filter(company_id__in=cut, name=name, domain__name=domain).exists()


def _rows(rows: QuerySet[InboundMessage]) -> QuerySet[InboundMessage, Any]:
    return rows.values(
        "id",
        "state",
        "door",
        "mail_from",
        "header_from",
        "rcpt_to",
        "subject",
        "size",
        "received_at",
        "routed_at",
        "attempt_count",
        "error",
        "verdict",
        box=F("mailbox__name"),
        box_company=F("mailbox__company_id"),
    )


def _row(row: Mapping[str, Any], hidden: Hidden) -> InboundRow:
    return InboundRow(
        id=row["id"],
        state=InboundState(row["state"]),
        door=row["door"],
        mailbox=row["box"] if row["box"] and hidden.sees(row["box_company"]) else "",
        mail_from=row["mail_from"],
        header_from=row["header_from"],
        rcpt_to=hidden.recipients(row["rcpt_to"]),
        subject=row["subject"],
        size=row["size"],
        received_at=row["received_at"],
        routed_at=row["routed_at"],
        attempt_count=row["attempt_count"],
        error=row["error"],
        reasons=verdict_reasons(hidden.verdict(row["verdict"])),
    )


def inbound(visible: QuerySet[InboundMessage], inbound_id: int, *, cut: Collection[int] | None) -> InboundFact | None:
    """One mail with what it became. Four queries; one more for who does not see the whole house."""
    one = visible.filter(pk=inbound_id)
    head = _rows(one).first()
    if head is None:
        return None
    hidden = hidden_from(cut, [head["verdict"]], head["rcpt_to"])
    more = one.values("peer", "message_id", "due_at", "company_id", "authentication")[0]
    return InboundFact(
        row=_row(head, hidden),
        peer=more["peer"],
        message_id=more["message_id"],
        due_at=more["due_at"],
        company_id=more["company_id"],
        decisions=_decisions(hidden.verdict(head["verdict"])),
        made=_made(inbound_id, cut),
        reported=_reported(inbound_id, cut),
        authenticity=authenticity_from_json(more["authentication"]) if more["authentication"] else None,
    )


def _decisions(rows: Sequence[Mapping[str, Any]]) -> tuple[DecisionFact, ...]:
    return tuple(
        DecisionFact(
            name=str(row.get("decision", "")),
            reasons=reasons_from_json(reason for reason in row.get("reasons", ()) if isinstance(reason, dict)),
        )
        for row in rows
    )


def _made(inbound_id: int, cut: Collection[int] | None) -> tuple[MadeFact, ...]:
    made = Message.objects.filter(inbound_id=inbound_id)
    rows = (
        (made if cut is None else made.filter(company_id__in=cut))
        .order_by("id")
        .values("id", "record_id", title=F("record__title"), kind_label=F("record__kind__label"))[:50]
    )
    return tuple(
        MadeFact(
            message_id=row["id"],
            record_id=row["record_id"],
            record_title=row["title"] or "",
            kind=row["kind_label"] or "",
        )
        for row in rows
    )


def _reported(inbound_id: int, cut: Collection[int] | None) -> tuple[ReportedFact, ...]:
    rows = ReportedRecipient.objects.filter(inbound_id=inbound_id)
    if cut is not None:
        rows = rows.filter(Q(delivery=None) | Q(delivery__company_id__in=cut))
    return tuple(
        ReportedFact(
            address=row.address,
            action=row.action,
            status=row.status,
            reply=row.reply,
            blame=row.blame,
            reason=row.reason,
            delivery_id=row.delivery_id,
            is_claim=row.is_claim,
        )
        for row in rows.order_by("id")[:200]
    )


def raw_mail(visible: QuerySet[InboundMessage], inbound_id: int) -> RawMail | None:
    """The bytes of a mail, or where they are."""
    return RawMail.objects.filter(inbound_id=inbound_id, inbound__in=visible).first()
