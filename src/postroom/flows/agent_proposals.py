"""Changes that an agent proposes and a person decides: nothing here is done because an agent asked for it.

    agent: propose --> waiting --> person: approve --> done | failed
                              `-> person: refuse, or nobody in time --> refused, expired

Laws: an approval is for exactly the arguments that were shown (their fingerprint comes with it), for one time, and only until the proposal
expires; what is approved is done in the transaction of the approval. Both must be allowed to do it themselves: the member for whom the agent
works, when it is proposed and again when it is approved, and whoever approves. Everything is in the audit log. An agent can neither
approve nor see what another member's agents proposed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet

from postroom.core.diagnosis.tools_for_agents import CHANGING
from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import ProposalState
from postroom.flows import audit
from postroom.flows.access import (
    NotAllowed,
    company_ids,
    is_house_administrator,
    may,
    require,
    require_settings,
    visible_addresses,
    visible_deliveries,
)
from postroom.flows.api_keys import KeyHolder
from postroom.flows.fetch_mailbox import request_fetch
from postroom.flows.ports import Ports
from postroom.flows.queue import retry
from postroom.flows.settings import pause_server, resume_server
from postroom.flows.suppress_address import SuppressionError, release
from postroom.store.models import AgentProposal, Mailbox, Member, OutgoingServer, Suppression

LASTS = timedelta(hours=1)
MOST_WAITING = 20  # of one member's agents
MOST_A_DAY = 100
KEPT = timedelta(days=90)
MOST_LISTED = 200


class ProposalTrouble(ValueError):  # noqa: N818 (an answer, not a fault)
    """It cannot be proposed or decided; the text says why, in words of ours."""


class NoProposal(ProposalTrouble):
    """There is none of that number, or none that this member may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an action is done to: ``number`` of the row, whose it is, what it is called."""

    number: int
    company_id: int | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """``find`` looks the target up as a member sees it and raises; ``do`` does it, and says what came of it."""

    find: Callable[[int | str, Member | None], Target]
    do: Callable[[Ports, Target, Member | None], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalFact:
    """A proposal as a person reads it. ``subject`` and ``why`` may hold what strangers wrote."""

    id: int
    action: str
    what: Reason
    subject: str
    why: str
    arguments: Mapping[str, object]
    fingerprint: str
    state: ProposalState
    who: str
    key_name: str
    company_id: int | None
    made_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str
    outcome: str
    may_decide: bool = False

    @property
    def words(self) -> str:
        """The action, in English."""
        return str(self.what)

    @property
    def is_waiting(self) -> bool:
        return self.state is ProposalState.WAITING


# ---- what there is to propose


def _delivery(target: int | str, member: Member | None) -> Target:
    require(member, "queue")
    row = visible_deliveries(member).select_related("mail").get(pk=int(target))
    return Target(number=row.pk, company_id=row.company_id, name=f"{row.to_address}: {row.mail.subject}")


def _server(target: int | str, member: Member | None) -> Target:
    row = OutgoingServer.objects.get(pk=int(target))
    require_settings(member, row)
    return Target(number=row.pk, company_id=row.company_id, name=row.name)


def _address(target: int | str, member: Member | None) -> Target:
    require(member, "suppress")
    rows = visible_addresses(member).filter(address=normalize(str(target)))
    left_out = rows.filter(pk__in=Suppression.objects.filter(released_at=None).values("health"))
    row = left_out.order_by("company_id").first()
    if row is None:
        raise ProposalTrouble("Campaigns do not leave this address out.")
    return Target(number=row.pk, company_id=row.company_id, name=row.address)


def _mailbox(target: int | str, member: Member | None) -> Target:
    row = Mailbox.objects.get(pk=int(target))
    require_settings(member, row)
    return Target(number=row.pk, company_id=row.company_id, name=f"{row.name} ({row.username})")


def _retry(ports: Ports, target: Target, member: Member | None) -> str:
    done = retry(ports, [target.number], member=member)
    if done.refused:
        raise ProposalTrouble(str(next(iter(done.refused.values()))))
    return "It is in the queue again."


def _hold(ports: Ports, target: Target, member: Member | None) -> str:
    pause_server(ports, target.number, member=member)
    return "Nothing leaves through it until it is released."


def _release_server(ports: Ports, target: Target, member: Member | None) -> str:
    resume_server(ports, target.number, member=member)
    return "It sends again."


def _release_address(ports: Ports, target: Target, member: Member | None) -> str:
    release(ports, target.number, why="proposed by an agent, approved by a person", member=member)
    return "Campaigns may write to it again."


def _fetch(ports: Ports, target: Target, member: Member | None) -> str:
    return (
        "It is being fetched."
        if request_fetch(ports, target.number, member=member)
        else "It waits to be fetched already."
    )


ACTIONS: Mapping[str, Action] = {
    "retry_delivery": Action(find=_delivery, do=_retry),
    "hold_server": Action(find=_server, do=_hold),
    "release_server": Action(find=_server, do=_release_server),
    "release_address": Action(find=_address, do=_release_address),
    "fetch_mailbox": Action(find=_mailbox, do=_fetch),
}


# ---- an agent proposes


def propose(ports: Ports, action: str, target: int | str, *, why: str, holder: KeyHolder) -> ProposalFact:
    """Nothing is changed but that a person finds it. The same again is the one that waits already. Raises `ProposalTrouble`, `NotAllowed`."""
    if holder.scope != CHANGING:
        raise NotAllowed("This key may look, and propose nothing.")
    now, member = ports.clock.now(), holder.member
    found = _found(action, target, member)
    arguments = {"target": found.number}
    fingerprint = _fingerprint(action, arguments)
    with transaction.atomic():
        Member.objects.select_for_update(of=("self",)).get(pk=member.pk)  # one at a time, so that limits hold
        mine = AgentProposal.objects.filter(member=member)
        _expire(mine, now)
        mine.exclude(state=ProposalState.WAITING).filter(made_at__lt=now - KEPT).delete()
        row = mine.filter(fingerprint=fingerprint, state=ProposalState.WAITING).first()
        if row is not None:
            return _fact(row, member, now)
        if mine.filter(state=ProposalState.WAITING).count() >= MOST_WAITING:
            raise ProposalTrouble(f"{MOST_WAITING} proposals wait for a person already.")
        if mine.filter(made_at__gt=now - timedelta(days=1)).count() >= MOST_A_DAY:
            raise ProposalTrouble(f"{MOST_A_DAY} proposals were made within a day.")
        row = AgentProposal.objects.create(
            member=member,
            key_id=holder.key_id,
            key_name=holder.name,
            company_id=found.company_id,
            action=action,
            arguments=arguments,
            fingerprint=fingerprint,
            subject=_one_line(found.name, 300),
            why=_one_line(why, 500),
            made_at=now,
            expires_at=now + LASTS,
        )
        audit.note(
            ports, "agent_proposed", member=member, subject=row.subject, proposal=row.pk, action=action, key=holder.name
        )
    return _fact(row, member, now)


def _found(action: str, target: int | str, member: Member | None) -> Target:
    if action not in ACTIONS:
        raise ProposalTrouble("There is no such action.")
    try:
        return ACTIONS[action].find(target, member)
    except (ObjectDoesNotExist, OverflowError):
        raise ProposalTrouble("There is nothing of that number that you may see.") from None


def _fingerprint(action: str, arguments: Mapping[str, object]) -> str:
    return sha256(json.dumps([action, arguments], sort_keys=True).encode()).hexdigest()


def _one_line(text: str, most: int) -> str:
    return " ".join(text.replace("\0", " ").split())[:most]


# ---- a person decides


def approve(ports: Ports, number: int, *, fingerprint: str, member: Member | None) -> ProposalFact:
    """Do it, now and once. ``fingerprint``: of what the person saw. What cannot be done any more ends as failed, and says why.

    Raises `ProposalTrouble` (gone, decided, expired, something else than was shown) and `NotAllowed`."""
    row = _open(ports, number, fingerprint, member)
    with transaction.atomic():
        row = _locked(ports, number, fingerprint, member)
        try:
            with transaction.atomic():
                outcome, state = _done(ports, row, member), ProposalState.DONE
        except (NotAllowed, ProposalTrouble, SuppressionError, ObjectDoesNotExist, ValidationError) as trouble:
            outcome, state = _told(trouble), ProposalState.FAILED
        _decide(ports, row, state, outcome, member)
        audit.note(
            ports,
            "agent_approved",
            member=member,
            subject=row.subject,
            proposal=row.pk,
            action=row.action,
            state=state.value,
        )
    return _fact(row, member, ports.clock.now())


def refuse(ports: Ports, number: int, *, member: Member | None) -> ProposalFact:
    """It is not done, and cannot be approved any more. Raises as `approve`."""
    row = _open(ports, number, None, member)
    with transaction.atomic():
        row = _locked(ports, number, None, member)
        _decide(ports, row, ProposalState.REFUSED, "", member)
        audit.note(ports, "agent_refused", member=member, subject=row.subject, proposal=row.pk, action=row.action)
    return _fact(row, member, ports.clock.now())


def _done(ports: Ports, row: AgentProposal, member: Member | None) -> str:
    """As whoever approves; the member for whom the agent works must be allowed to, now, too."""
    action = ACTIONS[row.action]
    target = row.arguments["target"]
    if _fingerprint(row.action, row.arguments) != row.fingerprint:
        raise ProposalTrouble("Its arguments are not those that were proposed.")
    if not row.member.user.is_active:
        raise ProposalTrouble("The member for whom the agent works is switched off.")
    if row.key is None or row.key.scope != CHANGING:
        raise ProposalTrouble("The agent's key was removed.")
    for whose in (row.member, member):
        found = _again(row.action, target, whose)
    return action.do(ports, found, member)


def _again(action: str, number: int, member: Member | None) -> Target:
    """By its number: an address may be another row's by now."""
    if action != "release_address":
        return _found(action, number, member)
    require(member, "suppress")
    row = visible_addresses(member).get(pk=number)
    return Target(number=row.pk, company_id=row.company_id, name=row.address)


def _told(trouble: Exception) -> str:
    if isinstance(trouble, ObjectDoesNotExist):
        return "It is gone."
    return _one_line("; ".join(trouble.messages) if isinstance(trouble, ValidationError) else str(trouble), 500)


def _open(ports: Ports, number: int, fingerprint: str | None, member: Member | None) -> AgentProposal:
    """What was not decided in time has expired, and that stays written whatever follows."""
    _expire(AgentProposal.objects.filter(pk=number), ports.clock.now())
    return _checked(AgentProposal.objects.filter(pk=number), fingerprint, member)


def _locked(ports: Ports, number: int, fingerprint: str | None, member: Member | None) -> AgentProposal:
    rows = AgentProposal.objects.select_for_update(of=("self",)).filter(pk=number, expires_at__gt=ports.clock.now())
    return _checked(rows, fingerprint, member)


def _checked(rows: QuerySet[AgentProposal], fingerprint: str | None, member: Member | None) -> AgentProposal:
    row = rows.select_related("member__user", "member__contact", "key", "decided_by").first()
    if row is None or not _may_see(row, member):
        raise NoProposal("There is no proposal of that number that you may decide.")
    if row.state != ProposalState.WAITING:
        raise ProposalTrouble(f"It is decided already: {row.state}.")
    if not _may_decide(row, member):
        raise NotAllowed("Who decides must be allowed to do it without an agent.")
    if fingerprint is not None and fingerprint != row.fingerprint:
        raise ProposalTrouble("This is not what was shown: look at it again.")
    return row


def _decide(ports: Ports, row: AgentProposal, state: ProposalState, outcome: str, member: Member | None) -> None:
    row.state, row.outcome, row.decided_at = state, outcome, ports.clock.now()
    row.decided_by = member.user if member is not None else None
    row.save(update_fields=["state", "outcome", "decided_at", "decided_by"])


def _expire(rows: QuerySet[AgentProposal], now: datetime) -> None:
    late = rows.filter(state=ProposalState.WAITING, expires_at__lte=now)
    late.update(state=ProposalState.EXPIRED, decided_at=now)


# ---- who sees them


def list_proposals(
    ports: Ports, *, member: Member | None, own_alone: bool = False, waiting_alone: bool = False
) -> tuple[ProposalFact, ...]:
    """The newest first: the member's own, and unless ``own_alone`` those that he may decide."""
    now = ports.clock.now()
    rows = AgentProposal.objects.select_related("member__user", "member__contact", "key", "decided_by")
    if member is not None:
        rows = rows.filter(Q(member=member) if own_alone else _visible(member))
    if waiting_alone:
        rows = rows.filter(state=ProposalState.WAITING, expires_at__gt=now)
    return tuple(_fact(row, member, now) for row in rows[:MOST_LISTED])


def _visible(member: Member) -> Q:
    seen = Q(member=member)
    if may(member, "settings") or may(member, "queue"):
        seen |= Q(company_id__in=company_ids(member))
    if is_house_administrator(member):
        seen |= Q(company=None)
    return seen


def _may_see(row: AgentProposal, member: Member | None) -> bool:
    return member is None or AgentProposal.objects.filter(_visible(member), pk=row.pk).exists()


_NEEDS = {"retry_delivery": "queue", "release_address": "suppress"}


def _may_decide(row: AgentProposal, member: Member | None) -> bool:
    if not may(member, _NEEDS.get(row.action, "settings"), row):
        return False
    return row.company_id is not None or is_house_administrator(member)


def _fact(row: AgentProposal, member: Member | None, now: datetime) -> ProposalFact:
    state = ProposalState(row.state)
    if state is ProposalState.WAITING and row.expires_at <= now:
        state = ProposalState.EXPIRED
    return ProposalFact(
        id=row.pk,
        action=row.action,
        what=because(f"proposal.{row.action}") if row.action in ACTIONS else Reason(row.action),
        subject=row.subject,
        why=row.why,
        arguments=row.arguments,
        fingerprint=row.fingerprint,
        state=state,
        who=row.member.contact.name,
        key_name=row.key_name,
        company_id=row.company_id,
        made_at=row.made_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by.get_username() if row.decided_by is not None else "",
        outcome=row.outcome,
        may_decide=_may_decide(row, member),
    )
