"""Mails that answer something: signed reply addresses, In-Reply-To, References, forwards, notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postroom.core.routing.deciding import decide
from postroom.core.routing.verdicts import AppendToRecord, AuthorFact, CreateRecord, Hold, MessageFact, Refuse
from postroom.core.terms.states import AliasPolicy, Door
from tests.core.routing.people import (
    BOB,
    QUESTION,
    SALES,
    SUPPORT,
    codes,
    evidence,
    facts,
    fetched,
    reply_address,
)

NOTE = replace(QUESTION, message_id=501, identifier="<note@ours.example>", is_note=True)
ANSWERS: dict[str, Any] = {"in_reply_to": ("<question@ours.example>",)}


def only(decisions: tuple[object, ...]) -> object:
    (decision,) = decisions
    return decision


# --- signed reply addresses


def test_a_mail_to_a_signed_reply_address_lands_on_its_record() -> None:
    seen = evidence(to=[reply_address(500)])
    decision = only(decide(seen, facts(token_messages={500: QUESTION})).decisions)
    assert isinstance(decision, AppendToRecord)
    assert (decision.record_id, decision.parent_message_id) == (70, 500)
    assert not decision.as_note
    assert decision.notify
    assert not decision.unverified
    assert codes(decision) == ["reply.token"]


def test_a_signed_reply_address_on_an_alias_is_a_reply_and_no_new_record() -> None:
    seen = evidence(to=[reply_address(500, "support@ours.example")])
    decision = only(decide(seen, facts(token_messages={500: QUESTION})).decisions)
    assert isinstance(decision, AppendToRecord)


def test_a_signed_reply_counts_before_the_references() -> None:
    other = replace(QUESTION, message_id=600, identifier="<other@ours.example>", record_id=80)
    seen = evidence(to=[reply_address(500)], in_reply_to=("<other@ours.example>",))
    decision = only(decide(seen, facts(token_messages={500: QUESTION}, messages=(other,))).decisions)
    assert isinstance(decision, AppendToRecord)
    assert decision.record_id == 70


def test_two_signed_reply_addresses_of_one_record_give_one_message() -> None:
    later = replace(QUESTION, message_id=502)
    seen = evidence(to=[reply_address(500), reply_address(502)])
    decisions = decide(seen, facts(token_messages={500: QUESTION, 502: later})).decisions
    assert [one.record_id for one in decisions if isinstance(one, AppendToRecord)] == [70]


def test_two_signed_reply_addresses_of_two_records_give_two_messages() -> None:
    other = replace(QUESTION, message_id=600, record_id=80)
    seen = evidence(to=[reply_address(500), reply_address(600)])
    decisions = decide(seen, facts(token_messages={500: QUESTION, 600: other})).decisions
    assert [one.record_id for one in decisions if isinstance(one, AppendToRecord)] == [70, 80]


def test_a_forged_token_is_only_the_catchall() -> None:
    seen = evidence(to=["catchall+raaaaaaaaaaaaaaaaaa@ours.example"])
    decision = only(decide(seen, facts(token_messages={500: QUESTION})).decisions)
    assert isinstance(decision, Refuse)
    assert decision.answer == "catchall"


def test_a_reply_to_a_record_that_is_gone_makes_a_new_one_through_its_alias() -> None:
    """I-51."""
    seen = evidence(to=[reply_address(500, "support@ours.example")])
    decision = only(decide(seen, facts(token_messages={500: replace(QUESTION, record_id=None)})).decisions)
    assert isinstance(decision, CreateRecord)
    assert decision.alias_id == SUPPORT.alias_id


def test_a_reply_to_a_note_stays_a_note() -> None:
    seen = evidence(to=[reply_address(501)])
    decision = only(decide(seen, facts(token_messages={501: NOTE})).decisions)
    assert isinstance(decision, AppendToRecord)
    assert decision.as_note
    assert codes(decision) == ["reply.token", "reply.note"]


# --- references


def test_in_reply_to_leads_to_the_record_even_at_a_wrong_address() -> None:
    """T-077: a fetched mail may be a reply by its References alone."""
    seen = fetched(to=["who-is-this@ours.example"], **ANSWERS)
    decision = only(decide(seen, facts(messages=(QUESTION,))).decisions)
    assert isinstance(decision, AppendToRecord)
    assert (decision.record_id, decision.parent_message_id) == (70, 500)
    assert codes(decision) == ["reply.reference"]


def test_an_id_that_merely_looks_like_ours_leads_nowhere() -> None:
    """T-079."""
    seen = fetched(to=["who-is-this@ours.example"], in_reply_to=("<1.postroom-70-ticket@ours.example>",))
    assert isinstance(only(decide(seen, facts()).decisions), Hold)


def test_a_foreign_message_id_threads_too() -> None:
    """T-080."""
    foreign = replace(QUESTION, identifier="<abc@customer.example>")
    seen = fetched(to=["catchall@ours.example"], references=("<x@y.example>", "<abc@customer.example>"))
    decision = only(decide(seen, facts(messages=(foreign,))).decisions)
    assert isinstance(decision, AppendToRecord)


def test_a_reply_to_an_alias_of_the_same_kind_stays_on_the_record() -> None:
    """T-083."""
    seen = evidence(to=["support@ours.example"], references=("<question@ours.example>",))
    decision = only(decide(seen, facts(messages=(QUESTION,))).decisions)
    assert isinstance(decision, AppendToRecord)
    assert decision.alias_id == SUPPORT.alias_id
    assert codes(decision) == ["reply.reference", "reply.alias_same_kind"]


def test_a_message_without_a_record_is_no_parent() -> None:
    """T-085."""
    loose = replace(QUESTION, record_id=None, kind="")
    seen = evidence(to=["support@ours.example"], **ANSWERS)
    decision = only(decide(seen, facts(messages=(loose,))).decisions)
    assert isinstance(decision, CreateRecord)


def test_a_message_found_by_token_alone_is_no_reference() -> None:
    by_token = replace(QUESTION, identifier="")
    assert isinstance(only(decide(fetched(to=["x@ours.example"]), facts(messages=(by_token,))).decisions), Hold)


def test_a_mail_sent_to_start_anew_is_answered_by_alias_and_not_by_thread() -> None:
    """T-086: its Message-ID says so, whoever knows it."""
    anew = "<1.2-openerp-reply_to@ours.example>"
    seen = evidence(to=["support@ours.example"], in_reply_to=(anew,), references=(anew,))
    assert seen.thread_ids == ()
    assert isinstance(only(decide(seen, facts()).decisions), CreateRecord)


def test_an_outside_follower_who_answers_a_note_writes_a_note() -> None:
    """T-089 and T-091."""
    seen = fetched(to=["who-is-this@ours.example"], in_reply_to=("<note@ours.example>",))
    known = facts(messages=(NOTE,), author=AuthorFact(contact_id=9, follows=frozenset({70})))
    decision = only(decide(seen, known).decisions)
    assert isinstance(decision, AppendToRecord)
    assert decision.as_note
    assert decision.parent_message_id == 501
    assert not decision.unverified


def test_without_in_reply_to_the_newest_message_counts_in_whatever_order_references_name_them() -> None:
    """T-092 and T-094: facts name the newest first."""
    newest = replace(QUESTION, message_id=510, identifier="<newest@ours.example>")
    known = facts(messages=(newest, NOTE, QUESTION))
    ids = ["<question@ours.example>", "<newest@ours.example>", "<note@ours.example>"]
    for order in (ids, ids[::-1], [ids[1], ids[0], ids[2]]):
        decision = only(decide(fetched(to=["x@ours.example"], references=tuple(order)), known).decisions)
        assert isinstance(decision, AppendToRecord)
        assert decision.parent_message_id == 510
        assert not decision.as_note


def test_in_reply_to_counts_before_a_newer_reference() -> None:
    """I-16."""
    newest = replace(QUESTION, message_id=510, identifier="<newest@ours.example>", record_id=71)
    seen = fetched(
        to=["x@ours.example"],
        in_reply_to=("<question@ours.example>",),
        references=("<newest@ours.example>", "<question@ours.example>"),
    )
    decision = only(decide(seen, facts(messages=(newest, QUESTION))).decisions)
    assert isinstance(decision, AppendToRecord)
    assert decision.record_id == 70


@pytest.mark.parametrize("to", ["catchall@ours.example", "support@ours.example", reply_address(999)])
def test_at_smtp_a_reference_leads_from_an_address_that_takes_replies(to: str) -> None:
    seen = evidence(to=[to], **ANSWERS)
    assert isinstance(only(decide(seen, facts(messages=(QUESTION,))).decisions), AppendToRecord)


def test_one_recipient_that_takes_replies_is_enough() -> None:
    seen = evidence(to=["postmaster@ours.example", "catchall@ours.example"], **ANSWERS)
    assert isinstance(only(decide(seen, facts(messages=(QUESTION,))).decisions), AppendToRecord)


def test_at_smtp_a_reference_does_not_lead_from_postmaster() -> None:
    """Law 5: the recipient decides."""
    seen = evidence(to=["postmaster@ours.example"], **ANSWERS)
    assert isinstance(only(decide(seen, facts(messages=(QUESTION,))).decisions), Hold)


# --- who may be believed


@pytest.mark.parametrize(
    ("author", "message"),
    [
        (AuthorFact(contact_id=9, follows=frozenset({70})), replace(QUESTION, record_address="")),
        (AuthorFact(member_id=3, is_colleague=True), replace(QUESTION, record_address="")),
        (AuthorFact(), QUESTION),
        (AuthorFact(), replace(QUESTION, record_address="", author_took_part=True)),
    ],
    ids=["a follower", "a colleague", "the record's own contact", "somebody who took part"],
)
def test_who_has_a_part_in_the_record_is_verified(author: AuthorFact, message: MessageFact) -> None:
    decision = only(decide(fetched(**ANSWERS), facts(messages=(message,), author=author)).decisions)
    assert isinstance(decision, AppendToRecord)
    assert not decision.unverified


def test_who_merely_knows_a_message_id_is_unverified() -> None:
    seen = fetched(author="Mallory <mallory@elsewhere.example>", **ANSWERS)
    known = facts(messages=(QUESTION,), author=AuthorFact(contact_id=9, follows=frozenset({71})))
    decision = only(decide(seen, known).decisions)
    assert isinstance(decision, AppendToRecord)
    assert decision.unverified
    assert (
        str(decision.reasons[-1]) == "mallory@elsewhere.example has no known part in this record: posted as unverified."
    )


def test_an_alias_as_author_is_nobody_even_if_a_colleague_has_the_address() -> None:
    """T-038."""
    author = AuthorFact(contact_id=9, is_colleague=True, is_alias=True, follows=frozenset({70}))
    decision = only(
        decide(fetched(author="support@ours.example", **ANSWERS), facts(messages=(QUESTION,), author=author)).decisions
    )
    assert isinstance(decision, AppendToRecord)
    assert decision.unverified


def test_the_policy_of_an_alias_of_the_same_kind_holds_for_replies_too() -> None:
    """I-26."""
    guarded = replace(SUPPORT, policy=AliasPolicy.FOLLOWERS)
    seen = evidence(to=["support@ours.example"], **ANSWERS)
    stranger = decide(seen, facts(aliases=(guarded,), messages=(QUESTION,)))
    refusal = only(stranger.decisions)
    assert isinstance(refusal, Refuse)
    assert (refusal.answer, refusal.alias_id) == ("policy", 1)
    follower = AuthorFact(contact_id=9, follows=frozenset({70}))
    welcome = decide(seen, facts(aliases=(guarded,), messages=(QUESTION,), author=follower))
    assert isinstance(only(welcome.decisions), AppendToRecord)


# --- forwards


@pytest.mark.parametrize(
    "to", [["sales@ours.example", "support@ours.example"], ["support@ours.example", "sales@ours.example"]]
)
@pytest.mark.parametrize("door", [Door.SMTP, Door.IMAP])
def test_a_reply_written_to_an_alias_of_another_kind_starts_anew_there_alone(to: list[str], door: Door) -> None:
    """T-062."""
    decision = only(decide(evidence(to=to, door=door, **ANSWERS), facts(messages=(QUESTION,))).decisions)
    assert isinstance(decision, CreateRecord)
    assert (decision.kind, decision.alias_id) == ("lead", SALES.alias_id)
    assert codes(decision)[0] == "forward.other_kind"


def test_a_reference_and_an_alias_of_another_kind_make_a_new_record() -> None:
    """T-082."""
    seen = evidence(author=BOB, to=["sales@ours.example"], references=("<question@ours.example>",))
    assert isinstance(only(decide(seen, facts(messages=(QUESTION,))).decisions), CreateRecord)


def test_an_alias_of_another_kind_in_cc_makes_no_forward() -> None:
    """I-25."""
    seen = evidence(to=["support@ours.example"], cc=["sales@ours.example"], **ANSWERS)
    decision = only(decide(seen, facts(messages=(QUESTION,))).decisions)
    assert isinstance(decision, AppendToRecord)


def test_an_alias_of_the_same_kind_in_another_company_is_elsewhere_too() -> None:
    theirs = replace(SUPPORT, alias_id=7, domain="second.example", company_id=2)
    seen = evidence(to=["support@second.example"], **ANSWERS)
    decision = only(decide(seen, facts(aliases=(SUPPORT, theirs), messages=(QUESTION,))).decisions)
    assert isinstance(decision, CreateRecord)
    assert decision.company_id == 2


def test_the_alias_that_made_the_record_is_never_elsewhere_whatever_the_record_became() -> None:
    became_a_lead = replace(QUESTION, kind="lead")
    seen = evidence(to=["support@ours.example"], **ANSWERS)
    decision = only(decide(seen, facts(messages=(became_a_lead,))).decisions)
    assert isinstance(decision, AppendToRecord)


def test_a_signed_reply_beside_an_alias_of_another_kind_means_both() -> None:
    seen = evidence(to=[reply_address(500), "sales@ours.example"])
    reply, forward = decide(seen, facts(token_messages={500: QUESTION})).decisions
    assert isinstance(reply, AppendToRecord)
    assert isinstance(forward, CreateRecord)
    assert forward.kind == "lead"


def test_a_forward_to_a_guarded_alias_is_refused_there() -> None:
    guarded = replace(SALES, policy=AliasPolicy.COLLEAGUES)
    seen = evidence(to=["sales@ours.example"], **ANSWERS)
    decision = only(decide(seen, facts(aliases=(SUPPORT, guarded), messages=(QUESTION,))).decisions)
    assert isinstance(decision, Refuse)
    assert codes(decision) == ["forward.other_kind", "policy.no_colleague"]
