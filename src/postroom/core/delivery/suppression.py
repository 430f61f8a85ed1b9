"""Whether campaigns leave an address out, and why: the rule of suppression, and the words about addresses that bounce.

Laws: pure; the order in which evidence comes decides nothing, and the same piece told twice counts once. Only what speaks against the
address itself is held against it: a full mailbox, a policy, the sender, a server, the network never suppress. One proof that the address
does not exist is enough; else it takes several bounces, spread over time. A complaint is an opt-out, for good. Evidence from before a
release is spent; bounces from before a sign of life are spent too. Mail between people is never blocked by any of this: it is warned about.
Standards: RFC 3463 (5.1.x; 5.2.2: the mailbox is full), RFC 3464, RFC 5965.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.terms.parameters import Parameters
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.states import Blame, EvidenceKind, SuppressionCause

catalogue(
    {
        "suppression.no_such_address": "The address does not exist: {reply}",
        "suppression.bounces": "{count} bounces from {first} to {last}.",
        "suppression.complaint": "Its reader called a mail of ours unwanted on {on}.",
        "suppression.manual": "{who} put it on the list: {why}",
        "suppression.imported": "It came with an imported list: {why}",
        "suppression.spared": "Nothing speaks against the address.",
        "suppression.too_few": "{count} of {needed} bounces within {days} days that speak against the address.",
        "suppression.too_close": "{count} bounces within {days} days, but the first and the last are no more than {spread} days apart.",
        "suppression.released": "Released by {who}: {why}",
        "suppression.expired": "It was over on {on}.",
        "address.bounced": "Bounced {count} times since {first}, last on {last}: {reply}",
        "address.bounced_once": "Bounced on {last}: {reply}",
        "address.complained": "Its reader called a mail of ours unwanted on {last}.",
        "address.suppressed": "Campaigns leave it out since {since}. This message is sent all the same.",
    }
)


FULL = "full"  # a mailbox that is there and will be emptied: apart from the other troubles of mailboxes
_FULL = re.compile(
    r"\bfull\b|quota|out of (?:storage|space)|not enough (?:storage|space)|insufficient (?:disk|storage)|storage"
)
_MOST_TEXT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that came back. ``key`` names it: the same key twice is the same thing. ``fault`` is a blame, or `FULL`."""

    key: str
    kind: EvidenceKind
    at: datetime
    fault: str = ""
    is_proof: bool = False  # that the address does not exist
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``bounces`` 0: only proofs suppress. ``expiry`` None: for good."""

    bounces: int = 5
    within: timedelta = timedelta(days=30)
    spread: timedelta = timedelta(days=7)
    counted: frozenset[str] = frozenset({Blame.ADDRESS.value, Blame.MAILBOX.value})
    expiry: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    """Campaigns leave it out."""

    cause: SuppressionCause
    reasons: tuple[Reason, ...]
    expires_at: datetime | None = None
    evidence: tuple[str, ...] = ()  # keys, the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """Campaigns may write to it."""

    reasons: tuple[Reason, ...]


Decision = Suppress | Spare


def rules_of(parameters: Parameters) -> Rules:
    """The rules in force."""
    expiry = parameters.number("mail.suppression.expiry_days")
    return Rules(
        bounces=parameters.number("mail.suppression.bounces"),
        within=timedelta(days=parameters.number("mail.suppression.within_days")),
        spread=timedelta(days=parameters.number("mail.suppression.spread_days")),
        counted=frozenset(parameters.words("mail.suppression.faults")),
        expiry=timedelta(days=expiry) if expiry else None,
    )


def fault_of(blame: str, status: str, reply: str) -> str:
    """The blame, with the full mailbox told apart from one that is closed."""
    if blame != Blame.MAILBOX:
        return blame
    is_full = status[1:] == ".2.2" or bool(_FULL.search(reply[:_MOST_TEXT].lower()))
    return FULL if is_full else blame


def proves_absence(blame: str, *, is_permanent: bool) -> bool:
    """Whether a refusal of this very address says that there is no such address. What is not permanent proves nothing."""
    return is_permanent and blame == Blame.ADDRESS


def judge(
    events: Iterable[Evidence],
    now: datetime,
    rules: Rules,
    *,
    released_at: datetime | None = None,
    alive_at: datetime | None = None,
) -> Decision:
    """All that is known of one address. ``released_at``: only what came after it counts; ``alive_at``: a sign of life, which
    bounces from before it do not outweigh."""
    known = {one.key: one for one in events if released_at is None or one.at > released_at}
    ordered = sorted(known.values(), key=lambda one: (one.at, one.key))
    complaints = [one for one in ordered if one.kind is EvidenceKind.COMPLAINED]
    if complaints:
        reason = because("suppression.complaint", on=day(complaints[-1].at))
        return Suppress(cause=SuppressionCause.COMPLAINT, reasons=(reason,), evidence=_keys(complaints))
    bounces = [one for one in ordered if alive_at is None or one.at > alive_at]
    proofs = [one for one in bounces if one.is_proof]
    if proofs:
        reason = because("suppression.no_such_address", reply=proofs[-1].reply or "no reason was given")
        return Suppress(
            cause=SuppressionCause.ADDRESS, reasons=(reason,), expires_at=_expiry(now, rules), evidence=_keys(proofs)
        )
    return _judge_by_count([one for one in bounces if one.fault in rules.counted], now, rules)


def _judge_by_count(bounces: list[Evidence], now: datetime, rules: Rules) -> Decision:
    recent = [one for one in bounces if one.at > now - rules.within]
    if not recent:
        return Spare(reasons=(because("suppression.spared"),))
    first, last = recent[0].at, recent[-1].at
    if not rules.bounces or len(recent) < rules.bounces:
        reason = because("suppression.too_few", count=len(recent), needed=rules.bounces or "–", days=rules.within.days)
        return Spare(reasons=(reason,))
    if last - first <= rules.spread:
        days, spread = rules.within.days, rules.spread.days
        return Spare(reasons=(because("suppression.too_close", count=len(recent), days=days, spread=spread),))
    reason = because("suppression.bounces", count=len(recent), first=day(first), last=day(last))
    return Suppress(
        cause=SuppressionCause.BOUNCES, reasons=(reason,), expires_at=_expiry(now, rules), evidence=_keys(recent)
    )


def _expiry(now: datetime, rules: Rules) -> datetime | None:
    return now + rules.expiry if rules.expiry is not None else None


def _keys(events: Iterable[Evidence]) -> tuple[str, ...]:
    return tuple(one.key for one in events)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressTrouble:
    """What is known of an address that does not receive well: for the warning before something is sent to it."""

    bounces: int = 0
    first_bounced_at: datetime | None = None
    last_bounced_at: datetime | None = None
    last_reply: str = ""
    complained_at: datetime | None = None
    suppressed_since: datetime | None = None
    health_id: int = 0


def warnings_of(trouble: AddressTrouble) -> tuple[Reason, ...]:
    """What a person should know before writing to it; the worst first."""
    found: list[Reason] = []
    if trouble.bounces and trouble.last_bounced_at is not None:
        reply, last = trouble.last_reply or "no reason was given", day(trouble.last_bounced_at)
        if trouble.bounces == 1 or trouble.first_bounced_at is None:
            found.append(because("address.bounced_once", last=last, reply=reply))
        else:
            first = day(trouble.first_bounced_at)
            found.append(because("address.bounced", count=trouble.bounces, first=first, last=last, reply=reply))
    if trouble.complained_at is not None:
        found.append(because("address.complained", last=day(trouble.complained_at)))
    if trouble.suppressed_since is not None:
        found.append(because("address.suppressed", since=day(trouble.suppressed_since)))
    return tuple(found)


def day(at: datetime) -> str:
    """As reasons tell it: ISO 8601, UTC."""
    return f"{at:%Y-%m-%d}"
