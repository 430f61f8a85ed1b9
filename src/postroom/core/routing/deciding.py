"""Where a mail goes: the whole policy on one screen.

Duty: `decide` asks the rules below in order; the first that answers wins. What the lower rules answer passes the loop
breaker, and goes to no target that has this very mail already.
Laws: pure; never raises; at least one decision; one decision per target, each with its reasons; nothing is silently lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from postroom.core.reports.delivery_reports import DeliveryReport, ReportKind
from postroom.core.routing.aliases import Admission, author_of, check_policy
from postroom.core.routing.loops import restrain
from postroom.core.routing.recipients import Meaning, address_of, is_catchall, matching_aliases, meaning
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    CreateRecord,
    Decision,
    DeliveryFact,
    Discard,
    Evidence,
    Facts,
    Hold,
    MessageFact,
    Recipient,
    RecordReport,
    Refuse,
    Verdict,
)
from postroom.core.terms.reasons import Reason, because
from postroom.core.tokens.addresses import TokenPurpose

Rule = Callable[[Evidence, Facts], tuple[Decision, ...] | None]


def decide(evidence: Evidence, facts: Facts) -> Verdict:
    """What becomes of the mail."""
    settled = _first_answer(WHAT_IT_IS, evidence, facts)
    if settled is not None:
        return Verdict(decisions=settled)
    found = _first_answer(WHERE_IT_GOES, evidence, facts) or _nobody(evidence, facts)
    fresh = [decision for decision in _each_target_once(found) if not _is_taken(decision, facts)]
    if not fresh:
        return Verdict(decisions=(Discard(reasons=(because("seen.on_target", message_id=evidence.message_id),)),))
    return Verdict(decisions=tuple(restrain(decision, evidence, facts) for decision in fresh))


def _first_answer(rules: Iterable[Rule], evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    return next((answer for rule in rules if (answer := rule(evidence, facts))), None)


# --- what it is -------------------------------------------------------------------------------------------------------


def _already_seen(_evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    if facts.duplicate_of is None:
        return None
    reason = because("seen.routed", inbound=facts.duplicate_of)
    return (Discard(duplicate_of=facts.duplicate_of, reasons=(reason,)),)


def _report(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """Bounce, complaint, receipt: booked to the deliveries it proves to speak of; nothing else (I-46)."""
    report = evidence.report
    if report is None:
        return None
    spoken_of = _spoken_of(report, facts.deliveries)
    reasons = (_what_it_reports(report), _how_proven(report, spoken_of))
    ids = tuple(dict.fromkeys(delivery.delivery_id for delivery in spoken_of))
    return (RecordReport(report=report, delivery_ids=ids, reasons=reasons),)


def _bounce_address(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """What is no report but came where only reports come makes no record (T-070, T-100, T-101)."""
    if evidence.is_auto_reply:
        return None  # vacation programs write to the return path
    for recipient in evidence.recipients:
        if recipient.is_cc:
            continue
        what = meaning(recipient, facts)
        if what is Meaning.BOUNCE_TOKEN:
            return (Hold(reasons=(because("report.unreadable", recipient=recipient.normal),)),)
        if what is Meaning.BOUNCE:
            return (Discard(reasons=(because("bounce_address.plain", recipient=recipient.normal),)),)
    if evidence.author is not None and evidence.author.local.lower() == "mailer-daemon":
        return (Hold(reasons=(because("report.from_daemon", author=evidence.author_normal),)),)
    return None


def _our_own(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    if evidence.has_our_mark:
        return (Discard(reasons=(because("own.marked"),)),)
    if facts.known_message is not None and facts.known_message_is_ours:
        return (Discard(reasons=(because("own.message_id", message_id=evidence.message_id),)),)
    return None


# --- where it goes ----------------------------------------------------------------------------------------------------


def _auto_reply(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """Kept with what it answers; notifies nobody, creates nothing."""
    if not evidence.is_auto_reply:
        return None
    delivered = [delivery.message for delivery in facts.deliveries if delivery.by_token and delivery.message]
    proven = [*_named_by_token(evidence, facts), *delivered]
    answered = next((one for one in (*proven, *_referred_to(evidence, facts)) if one.record_id is not None), None)
    if answered is None or answered.record_id is None:
        return (Discard(reasons=(because("auto_reply.of_nothing"),)),)
    return (
        AppendToRecord(
            record_id=answered.record_id,
            parent_message_id=answered.message_id,
            as_note=answered.is_note,
            notify=False,
            unverified=answered not in proven and _is_unverified(answered, evidence, facts),
            reasons=(because("auto_reply.attached", message=answered.message_id),),
        ),
    )


def _forward_to_another_kind(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """A reply that was written to an alias of another kind is a forward: it starts anew there (I-25).

    Where the signed reply address stands beside that alias, both were meant.
    """
    replies = _replies_by_token(evidence, facts)
    answered = next(iter([*_named_by_token(evidence, facts), *_referred_to(evidence, facts)]), None)
    if answered is None or answered.record_id is None:
        return None
    anew: list[Decision] = []
    for recipient, alias in _aliases_named(evidence, facts):
        if not recipient.is_cc and _is_elsewhere(alias, answered):
            why = because(
                "forward.other_kind", message=answered.message_id, kind=answered.kind, recipient=recipient.normal
            )
            anew.append(_through_alias(recipient, alias, evidence, facts, why))
    return (*replies, *anew) if anew else None


def _signed_reply(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    return _replies_by_token(evidence, facts) or None


def _reference(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """In-Reply-To and References, by what we know of these Message-IDs, never by what they look like (I-23, T-079)."""
    answered = next(iter(_referred_to(evidence, facts)), None)
    if answered is None or answered.record_id is None or not _may_thread(evidence, facts):
        return None
    reasons = [because("reply.reference", identifier=answered.identifier, message=answered.message_id)]
    same = next(((r, a) for r, a in _aliases_named(evidence, facts) if not _is_elsewhere(a, answered)), None)
    if same is not None:
        recipient, alias = same
        answer = check_policy(alias, author_of(facts), evidence.author_normal, record_id=answered.record_id)
        if answer.admission is Admission.REFUSED:
            return (_refuse("policy", evidence, (*reasons, answer.reason), recipient=recipient.normal, alias=alias),)
        reasons.append(because("reply.alias_same_kind", recipient=recipient.normal))
    unverified = _is_unverified(answered, evidence, facts)
    if unverified:
        reasons.append(because("reply.unverified", author=evidence.author_normal or "The sender"))
    if answered.is_note:
        reasons.append(because("reply.note"))
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


def _only_the_catchall(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """A mail for nobody but the catchall is answered with the company's address (I-28)."""
    addressed = _addressed(evidence)
    if not addressed or not all(is_catchall(recipient, facts) for recipient in addressed):
        return None
    if _aliases_named(evidence, facts):
        return None  # an alias among the others was meant (W-14)
    name = addressed[0].normal
    return (_refuse("catchall", evidence, (because("catchall.only", recipient=name),), recipient=name),)


def _aliases(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """Every alias that is named, each by its own policy (I-29)."""
    return (
        tuple(_through_alias(recipient, alias, evidence, facts) for recipient, alias in _aliases_named(evidence, facts))
        or None
    )


def _fallback_kind(_evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    if not facts.fallback_kind or facts.fallback_company_id is None:
        return None
    reason = because("fallback.kind", kind=facts.fallback_kind)
    return (CreateRecord(kind=facts.fallback_kind, company_id=facts.fallback_company_id, reasons=(reason,)),)


def _catchall_among_others(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    for recipient in _addressed(evidence):
        if is_catchall(recipient, facts):
            reason = because("catchall.among", recipient=recipient.normal)
            return (_refuse("catchall", evidence, (reason,), recipient=recipient.normal),)
    return None


def _nobody(evidence: Evidence, facts: Facts) -> tuple[Decision, ...]:
    duty = next((r for r in evidence.recipients if meaning(r, facts) is Meaning.DUTY), None)
    if duty is not None:
        return (Hold(reasons=(because("nobody.duty", recipient=duty.normal),)),)
    names = ", ".join(recipient.normal for recipient in evidence.recipients)
    reasons = (because("nobody.known", recipients=names) if names else because("nobody.named"),)
    first = evidence.recipients[0].normal if evidence.recipients else ""
    if evidence.door.recipient_decides:  # the door refuses at RCPT: there is nobody left to tell
        return (Refuse(answer="unknown", recipient=first, may_answer=False, reasons=reasons),)
    if facts.hold_unknown:
        return (Hold(reasons=reasons),)
    return (_refuse("unknown", evidence, reasons, recipient=first),)


WHAT_IT_IS: tuple[Rule, ...] = (
    _already_seen,
    _report,
    _bounce_address,
    _our_own,
)
WHERE_IT_GOES: tuple[Rule, ...] = (
    _auto_reply,
    _forward_to_another_kind,
    _signed_reply,
    _reference,
    _only_the_catchall,
    _aliases,
    _fallback_kind,
    _catchall_among_others,
    _nobody,
)


# --- what the rules ask -----------------------------------------------------------------------------------------------


def _spoken_of(report: DeliveryReport, deliveries: tuple[DeliveryFact, ...]) -> tuple[DeliveryFact, ...]:
    """By signed return path alone; else by our Message-ID together with the recipient's address, or alone where there
    was one recipient and the report names none (I-43)."""
    by_token = tuple(delivery for delivery in deliveries if delivery.by_token)
    if by_token:
        return by_token
    named = {recipient.address for recipient in report.recipients if recipient.address}
    if named:
        return tuple(delivery for delivery in deliveries if delivery.address in named)
    return deliveries if len(deliveries) == 1 else ()


def _what_it_reports(report: DeliveryReport) -> Reason:
    addresses = ", ".join(dict.fromkeys(r.address for r in report.recipients if r.address)) or "a recipient not named"
    match report.kind:
        case ReportKind.BOUNCE:
            return because("report.bounce", addresses=addresses)
        case ReportKind.DELAYED:
            return because("report.delayed", addresses=addresses)
        case ReportKind.RECEIPT:
            return because("report.receipt", addresses=addresses)
        case ReportKind.COMPLAINT:
            return because("report.complaint", addresses=addresses)
        case ReportKind.MDN:
            return because("report.mdn")
        case ReportKind.NOTICE:
            return because("report.notice")


def _how_proven(report: DeliveryReport, deliveries: tuple[DeliveryFact, ...]) -> Reason:
    if not deliveries:
        return because("report.of_nothing")
    ids = ", ".join(dict.fromkeys(str(delivery.delivery_id) for delivery in deliveries))
    if deliveries[0].by_token:
        return because("report.by_token", deliveries=ids)
    return because("report.by_message_id", message_id=report.original_message_id, deliveries=ids)


def _named_by_token(evidence: Evidence, facts: Facts) -> list[MessageFact]:
    """The messages whose signed reply addresses the mail was written to, as far as their records still exist."""
    found = [facts.token_messages.get(number) for number in evidence.reply_numbers]
    return [message for message in found if message is not None and message.record_id is not None]


def _referred_to(evidence: Evidence, facts: Facts) -> list[MessageFact]:
    """Messages with a record that the mail refers to: what In-Reply-To names first, then the newest (I-16, I-23)."""
    known = [message for message in facts.messages if message.record_id is not None and message.identifier]
    return sorted(known, key=lambda message: message.identifier not in evidence.in_reply_to)


def _replies_by_token(evidence: Evidence, facts: Facts) -> tuple[Decision, ...]:
    decisions: list[Decision] = []
    for message in _named_by_token(evidence, facts):
        if message.record_id is None:
            continue
        reasons = [because("reply.token", message=message.message_id)]
        if message.is_note:
            reasons.append(because("reply.note"))
        decisions.append(
            AppendToRecord(
                record_id=message.record_id,
                parent_message_id=message.message_id,
                as_note=message.is_note,
                reasons=tuple(reasons),
            )
        )
    return tuple(decisions)


def _aliases_named(evidence: Evidence, facts: Facts) -> list[tuple[Recipient, AliasFact]]:
    """Recipients with the aliases they mean. A live signed reply address is a reply, whatever alias it is built on."""
    return [
        (recipient, alias)
        for recipient in evidence.recipients
        if not _is_live_reply_address(recipient, facts)
        for alias in matching_aliases(recipient, facts)
    ]


def _is_live_reply_address(recipient: Recipient, facts: Facts) -> bool:
    token = recipient.token
    if token is None or token.purpose is not TokenPurpose.REPLY:
        return False
    message = facts.token_messages.get(token.number)
    return message is not None and message.record_id is not None


def _is_elsewhere(alias: AliasFact, answered: MessageFact) -> bool:
    """Whether writing to this alias leaves the record that is answered: another kind, or another company's."""
    if alias.alias_id == answered.record_alias_id or alias.forced_record_id == answered.record_id:
        return False
    return alias.kind != answered.kind or alias.company_id != answered.company_id


def _through_alias(
    recipient: Recipient, alias: AliasFact, evidence: Evidence, facts: Facts, *before: Reason
) -> Decision:
    answer = check_policy(alias, author_of(facts), evidence.author_normal)
    match answer.admission:
        case Admission.MISCONFIGURED:
            return Hold(reasons=(*before, answer.reason))
        case Admission.REFUSED:
            return _refuse("policy", evidence, (*before, answer.reason), recipient=recipient.normal, alias=alias)
        case Admission.ADMITTED:
            pass
    names = {"recipient": recipient.normal, "alias": address_of(alias)}
    if alias.forced_record_id is not None:
        why = because("alias.forced", record=alias.forced_record_id, **names)
        return AppendToRecord(
            record_id=alias.forced_record_id,
            parent_message_id=None,
            alias_id=alias.alias_id,
            reasons=(*before, why, answer.reason),
        )
    why = because("alias.takes", kind=alias.kind, **names)
    return CreateRecord(
        kind=alias.kind,
        company_id=alias.company_id,
        alias_id=alias.alias_id,
        reasons=(*before, why, answer.reason),
    )


def _is_unverified(message: MessageFact, evidence: Evidence, facts: Facts) -> bool:
    """Who merely knows a Message-ID is not yet a party to its record: he neither follows it, nor is it his, nor did he
    take part before, nor is he a colleague."""
    if facts.author.is_alias:
        return True
    author = facts.author
    is_his = bool(evidence.author_normal) and evidence.author_normal == message.record_address
    return not (author.is_colleague or is_his or message.author_took_part or message.record_id in author.follows)


def _may_thread(evidence: Evidence, facts: Facts) -> bool:
    """At SMTP and LMTP the recipient decides: a reference leads from an address that takes replies only (law 5)."""
    if not evidence.door.recipient_decides:
        return True
    takes_replies = (Meaning.REPLY_TOKEN, Meaning.CATCHALL, Meaning.ALIAS)
    return any(meaning(recipient, facts) in takes_replies for recipient in evidence.recipients)


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
        may_answer=_may_answer(evidence),
        reasons=reasons,
    )


def _may_answer(evidence: Evidence) -> bool:
    """Never a null reverse-path, never a machine (RFC 3834 2, law 6), and nobody who asked not to be told."""
    return not (
        evidence.has_null_reverse_path
        or evidence.is_automatic
        or evidence.is_auto_reply
        or evidence.wants_no_answer
        or evidence.report is not None
        or not (evidence.mail_from or evidence.author_normal)
    )


def _each_target_once(decisions: Iterable[Decision]) -> list[Decision]:
    first: dict[tuple[object, ...], Decision] = {}
    for decision in decisions:
        first.setdefault(_target(decision), decision)
    return list(first.values())


def _target(decision: Decision) -> tuple[object, ...]:
    match decision:
        case AppendToRecord(record_id=record_id):
            return ("record", record_id)
        case CreateRecord(alias_id=alias_id, kind=kind, company_id=company_id):
            return ("alias", alias_id) if alias_id is not None else ("kind", kind, company_id)
        case Refuse(answer=answer, alias_id=alias_id):
            return ("refusal", answer, alias_id)
        case RecordReport() | Discard() | Hold():
            return (type(decision),)


def _is_taken(decision: Decision, facts: Facts) -> bool:
    """Whether this very mail is on the target already: its second copy came by another way (W-6)."""
    known = facts.known_message
    match decision:
        case AppendToRecord(record_id=record_id):
            return record_id in facts.taken_records or (known is not None and known.record_id == record_id)
        case CreateRecord(alias_id=None, kind=kind):
            return known is not None and known.record_alias_id is None and known.kind == kind
        case CreateRecord(alias_id=alias_id):
            return alias_id in facts.taken_aliases or (known is not None and known.record_alias_id == alias_id)
        case _:
            return False
