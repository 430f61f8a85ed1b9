"""Where a mail goes: onto a record, into a new one, back, or to a person. Rules of the table in `deciding`."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.routing.aliases import Admission, check_author
from postroom.core.routing.claims import answers_in_person, has_no_part, is_mistrusted, why_in_person, why_mistrusted
from postroom.core.routing.recipients import Meaning, address_of, is_accepted, is_catchall, meaning
from postroom.core.routing.threads import (
    aliases_named,
    is_elsewhere,
    is_unverified,
    is_unverified_by_token,
    may_thread,
    named_by_token,
    referred_to,
)
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    CreateRecord,
    Decision,
    Discard,
    Evidence,
    Facts,
    Hold,
    MessageFact,
    Recipient,
    Refuse,
)
from postroom.core.terms.reasons import Reason, because

_NOBODYS = {Meaning.DUTY: "nobody.duty", Meaning.REPORTS: "nobody.reports"}


def auto_reply(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """Kept with what it answers; notifies nobody, creates nothing."""
    if not evidence.is_auto_reply:
        return None
    delivered = [delivery.message for delivery in facts.deliveries if delivery.by_token and delivery.message]
    proven = [*named_by_token(evidence, facts), *delivered]
    answered = next((one for one in (*proven, *referred_to(evidence, facts)) if one.record_id is not None), None)
    if answered is None or answered.record_id is None:
        return (Discard(reasons=(because("auto_reply.of_nothing"),)),)
    by_token = answered in proven
    unverified = (is_unverified_by_token if by_token else is_unverified)(answered, evidence, facts)
    return (
        AppendToRecord(
            record_id=answered.record_id,
            parent_message_id=answered.message_id,
            as_note=answered.is_note,
            notify=False,
            unverified=unverified,
            reasons=(because("auto_reply.attached", message=answered.message_id), *why_mistrusted(evidence, facts)),
        ),
    )


def forward_to_another_kind(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """A reply that was written to an alias of another kind is a forward: it starts anew there (I-25).

    Where the signed reply address stands beside that alias, both were meant.
    """
    replies = _replies_by_token(evidence, facts)
    answered = next(iter([*named_by_token(evidence, facts), *referred_to(evidence, facts)]), None)
    if answered is None or answered.record_id is None:
        return None
    anew: list[Decision] = []
    for recipient, alias in aliases_named(evidence, facts):
        if not recipient.is_cc and is_elsewhere(alias, answered):
            why = _why_forward(recipient, alias, answered)
            anew.append(_through_alias(recipient, alias, evidence, facts, why))
    return (*replies, *anew) if anew else None


def _why_forward(recipient: Recipient, alias: AliasFact, answered: MessageFact) -> Reason:
    """Another company's message has no number and no kind for the readers of this one."""
    if alias.company_id != answered.company_id:
        return because("forward.other_company", recipient=recipient.normal)
    return because("forward.other_kind", message=answered.message_id, kind=answered.kind, recipient=recipient.normal)


def signed_reply(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    return _replies_by_token(evidence, facts) or None


def reference(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """In-Reply-To and References, by what we know of these Message-IDs, never by what they look like (I-23, T-079)."""
    answered = next(iter(referred_to(evidence, facts)), None)
    if answered is None or answered.record_id is None or not may_thread(evidence, facts):
        return None
    reasons = [because("reply.reference", identifier=answered.identifier, message=answered.message_id)]
    if evidence.authenticity.is_spoofed:  # many may know a Message-ID, and this author is not who he says
        return (Hold(reasons=(*reasons, *why_mistrusted(evidence, facts))),)
    same = next(((r, a) for r, a in aliases_named(evidence, facts) if not is_elsewhere(a, answered)), None)
    if same is not None:
        recipient, alias = same
        answer = check_author(alias, evidence, facts, record_id=answered.record_id)
        if answer.admission is Admission.DOUBTED:
            return (Hold(reasons=(*reasons, *why_mistrusted(evidence, facts), answer.reason)),)
        if answer.admission is Admission.REFUSED:
            return (_refuse("policy", evidence, (*reasons, answer.reason), recipient=recipient.normal, alias=alias),)
        reasons.append(because("reply.alias_same_kind", recipient=recipient.normal))
    unverified = is_unverified(answered, evidence, facts)
    if unverified:
        reasons += _why_unverified(answered, evidence, facts)
    if answered.is_note:
        reasons.append(because("reply.note"))
    if answered.is_note and is_mistrusted(evidence, facts):
        return (_unproven_note(reasons),)
    return (
        AppendToRecord(
            record_id=answered.record_id,
            parent_message_id=answered.message_id,
            as_note=answered.is_note,
            unverified=unverified,
            alias_id=same[1].alias_id if same is not None else None,
            reasons=tuple(reasons),
        ),
    )


def only_the_catchall(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """A mail for nobody but the catchall is answered with the company's address (I-28)."""
    addressed = _addressed(evidence)
    if not addressed or not all(_is_bare_catchall(recipient, facts) for recipient in addressed):
        return None
    if aliases_named(evidence, facts):
        return None  # an alias among the others was meant (W-14)
    name = addressed[0].normal
    return (_refuse("catchall", evidence, (because("catchall.only", recipient=name),), recipient=name),)


def aliases(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """Every alias that is named, each by its own policy (I-29)."""
    return (
        tuple(_through_alias(recipient, alias, evidence, facts) for recipient, alias in aliases_named(evidence, facts))
        or None
    )


def fallback_kind(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    if not facts.fallback_kind or facts.fallback_company_id is None:
        return None
    doubts = why_mistrusted(evidence, facts)
    return (
        CreateRecord(
            kind=facts.fallback_kind,
            company_id=facts.fallback_company_id,
            unverified=bool(doubts),
            reasons=(because("fallback.kind", kind=facts.fallback_kind), *doubts),
        ),
    )


def catchall_among_others(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """Nothing took it, and one of its recipients is the catchall (I-31), be it in Cc."""
    for recipient in evidence.recipients:
        if _is_bare_catchall(recipient, facts):
            reason = because("catchall.among", recipient=recipient.normal)
            return (_refuse("catchall", evidence, (reason,), recipient=recipient.normal),)
    return None


def nobody(evidence: Evidence, facts: Facts) -> tuple[Decision, ...]:
    """Nothing matches. What a door accepts is never refused here: it is held."""
    accepted = next((one for one in evidence.recipients if is_accepted(meaning(one, facts))), None)
    if accepted is not None:
        code = _NOBODYS.get(meaning(accepted, facts), "nobody.gone")
        return (Hold(reasons=(because(code, recipient=accepted.normal),)),)
    names = ", ".join(recipient.normal for recipient in evidence.recipients)
    reasons = (because("nobody.known", recipients=names) if names else because("nobody.named"),)
    first = evidence.recipients[0].normal if evidence.recipients else ""
    if evidence.door.recipient_decides:  # refused at RCPT: there is nobody left to tell
        return (Refuse(answer="unknown", recipient=first, may_answer=False, reasons=reasons),)
    if facts.hold_unknown:
        return (Hold(reasons=reasons),)
    return (_refuse("unknown", evidence, reasons, recipient=first),)


def _replies_by_token(evidence: Evidence, facts: Facts) -> tuple[Decision, ...]:
    decisions: list[Decision] = []
    for message in named_by_token(evidence, facts):
        if message.record_id is None:
            continue
        reasons = [because("reply.token", message=message.message_id)]
        unverified = is_unverified_by_token(message, evidence, facts)
        if unverified:
            reasons += _why_unverified(message, evidence, facts)
        elif answers_in_person(evidence):
            reasons += why_in_person(evidence)
        if message.is_note:
            reasons.append(because("reply.note"))
        if message.is_note and is_mistrusted(evidence, facts):
            decisions.append(_unproven_note(reasons))
            continue
        decisions.append(
            AppendToRecord(
                record_id=message.record_id,
                parent_message_id=message.message_id,
                as_note=message.is_note,
                unverified=unverified,
                reasons=tuple(reasons),
            )
        )
    return tuple(decisions)


def _why_unverified(message: MessageFact, evidence: Evidence, facts: Facts) -> tuple[Reason, ...]:
    """What is not proven, or that he who is proven is nobody here."""
    author = evidence.author_normal or "The sender"
    if why := why_mistrusted(evidence, facts):
        return why
    if evidence.authenticity.vouches:
        return (because("reply.unverified", author=author),)
    code = "reply.unverified" if has_no_part(message, evidence, facts) else "reply.unproven"
    return (*evidence.authenticity.reasons, because(code, author=author))


def _unproven_note(reasons: Sequence[Reason]) -> Hold:
    """Notes are colleagues' words: nobody puts words into a colleague's mouth (W-40)."""
    return Hold(reasons=(*reasons, because("note.unproven")))


def _through_alias(
    recipient: Recipient, alias: AliasFact, evidence: Evidence, facts: Facts, *before: Reason
) -> Decision:
    answer = check_author(alias, evidence, facts)
    doubts = why_mistrusted(evidence, facts)
    match answer.admission:
        case Admission.MISCONFIGURED:
            return Hold(reasons=(*before, answer.reason))
        case Admission.DOUBTED:
            return Hold(reasons=(*before, *doubts, answer.reason))
        case Admission.REFUSED:
            return _refuse(
                "policy", evidence, (*before, *doubts, answer.reason), recipient=recipient.normal, alias=alias
            )
        case Admission.ADMITTED:
            pass
    names = {"recipient": recipient.normal, "alias": address_of(alias)}
    if alias.forced_record_id is not None:
        why = because("alias.forced", record=alias.forced_record_id, **names)
        return AppendToRecord(
            record_id=alias.forced_record_id,
            parent_message_id=None,
            alias_id=alias.alias_id,
            unverified=bool(doubts),
            reasons=(*before, why, answer.reason, *doubts),
        )
    why = because("alias.takes", kind=alias.kind, **names)
    return CreateRecord(
        kind=alias.kind,
        company_id=alias.company_id,
        alias_id=alias.alias_id,
        unverified=bool(doubts),
        reasons=(*before, why, answer.reason, *doubts),
    )


def _is_bare_catchall(recipient: Recipient, facts: Facts) -> bool:
    """Who writes to a signed reply address answers us, even when what he answers is gone: a person decides, nobody is refused."""
    return recipient.token is None and is_catchall(recipient, facts)


def _addressed(evidence: Evidence) -> list[Recipient]:
    """The recipients in To; where the headers name none of them, all that are not in Cc."""
    named = [recipient for recipient in evidence.recipients if recipient.normal in evidence.to]
    return named or [recipient for recipient in evidence.recipients if not recipient.is_cc]


def _refuse(
    answer: str, evidence: Evidence, reasons: tuple[Reason, ...], *, recipient: str = "", alias: AliasFact | None = None
) -> Refuse:
    return Refuse(
        answer=answer,
        recipient=recipient,
        alias_id=alias.alias_id if alias is not None else None,
        may_answer=may_be_answered(evidence),
        reasons=reasons,
    )


def may_be_answered(evidence: Evidence) -> bool:
    """Never a null reverse-path, never a machine (RFC 3834 2, law 6), and nobody who asked not to be told."""
    return not (
        evidence.has_null_reverse_path
        or evidence.is_automatic
        or evidence.is_auto_reply
        or evidence.wants_no_answer
        or evidence.report is not None
        or not (evidence.mail_from or evidence.author_normal)
        or not evidence.authenticity.may_be_answered
    )
