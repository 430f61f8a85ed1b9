"""Aliases, the catchall, the fallback kind, and mail for nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postroom.core.routing.deciding import decide
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    AuthorFact,
    CreateRecord,
    Decision,
    Evidence,
    Facts,
    Hold,
    Refuse,
)
from postroom.core.terms.states import AliasPolicy, Door
from tests.core.routing.people import SALES, SUPPORT, codes, evidence, facts, fetched, mail, reply_address

FALLBACK: dict[str, Any] = {"fallback_kind": "lead", "fallback_company_id": 1}


def only(seen: Evidence, known: Facts) -> Decision:
    (decision,) = decide(seen, known).decisions
    return decision


def guarded(policy: AliasPolicy, **changes: object) -> Facts:
    return facts(aliases=(replace(SUPPORT, policy=policy, **changes),))  # type: ignore[arg-type]


# --- aliases


def test_a_mail_to_an_alias_makes_a_record_of_its_kind() -> None:
    decision = only(evidence(), facts())
    assert isinstance(decision, CreateRecord)
    assert (decision.kind, decision.company_id, decision.alias_id) == ("ticket", 1, 1)
    assert codes(decision) == ["alias.takes", "policy.everyone"]
    assert str(decision.reasons[0]) == (
        "support@ours.example is the alias support@ours.example, which makes a record of kind ticket."
    )


def test_a_mail_to_two_aliases_makes_a_record_in_each() -> None:
    """T-064."""
    decisions = decide(evidence(to=["support@ours.example", "sales@ours.example"]), facts()).decisions
    assert [one.kind for one in decisions if isinstance(one, CreateRecord)] == ["ticket", "lead"]


def test_an_alias_named_twice_makes_one_record() -> None:
    seen = evidence(to=["support@ours.example", "Support+urgent@ours.example"])
    assert isinstance(only(seen, facts()), CreateRecord)


def test_an_alias_in_cc_takes_the_mail_too() -> None:
    seen = evidence(to=["friend@elsewhere.example"], cc=["support@ours.example"], rcpt=["support@ours.example"])
    assert isinstance(only(seen, facts()), CreateRecord)


def test_at_smtp_a_header_chooses_no_target() -> None:
    """Law 5: To names sales, the envelope support."""
    decision = only(evidence(to=["sales@ours.example"], rcpt=["support@ours.example"]), facts())
    assert isinstance(decision, CreateRecord)
    assert decision.kind == "ticket"


def test_a_fetched_mail_goes_where_delivered_to_says() -> None:
    """W-6: the alias stood in Bcc."""
    seen = fetched(mail(to=["friend@elsewhere.example"], delivered_to=("support@ours.example",)))
    assert isinstance(only(seen, facts()), CreateRecord)


def test_a_forced_record_takes_every_mail() -> None:
    decision = only(evidence(), facts(aliases=(replace(SUPPORT, forced_record_id=70),)))
    assert isinstance(decision, AppendToRecord)
    assert (decision.record_id, decision.parent_message_id, decision.alias_id) == (70, None, 1)


def test_two_aliases_with_one_forced_record_put_one_message_there() -> None:
    both = (replace(SUPPORT, forced_record_id=70), replace(SALES, forced_record_id=70))
    seen = evidence(to=["support@ours.example", "sales@ours.example"])
    assert isinstance(only(seen, facts(aliases=both)), AppendToRecord)


def test_a_retired_alias_still_takes_mail() -> None:
    assert isinstance(only(evidence(), facts(aliases=(replace(SUPPORT, is_retired=True),))), CreateRecord)


@pytest.mark.parametrize(
    ("flag", "allowed", "to", "taken"),
    [
        (True, (), "support@another.example", True),
        (True, (), "support@ours.example", True),
        (False, (), "support@another.example", False),
        (True, ("another.example",), "support@another.example", True),
        (True, ("third.example",), "support@another.example", False),
        (True, ("third.example",), "support@second.example", True),
    ],
    ids=["any domain", "its own", "flag off", "listed", "not listed", "a domain of ours needs no listing"],
)
def test_an_alias_may_match_by_local_part(flag: bool, allowed: tuple[str, ...], to: str, taken: bool) -> None:
    """T-061, T-065, T-067, I-24."""
    known = facts(aliases=(replace(SUPPORT, matches_local_part=flag),), allowed_local_domains=allowed)
    assert isinstance(only(fetched(to=[to]), known), CreateRecord if taken else Hold)


# --- policies


@pytest.mark.parametrize(
    ("policy", "author", "welcome"),
    [
        (AliasPolicy.EVERYONE, AuthorFact(), True),
        (AliasPolicy.KNOWN_CONTACTS, AuthorFact(), False),
        (AliasPolicy.KNOWN_CONTACTS, AuthorFact(contact_id=9), True),
        (AliasPolicy.KNOWN_CONTACTS, AuthorFact(member_id=3, is_colleague=True), True),
        (AliasPolicy.KNOWN_CONTACTS, AuthorFact(contact_id=9, is_alias=True), False),
        (AliasPolicy.FOLLOWERS, AuthorFact(), False),
        (AliasPolicy.FOLLOWERS, AuthorFact(contact_id=9), False),
        (AliasPolicy.FOLLOWERS, AuthorFact(contact_id=9, follows=frozenset({55})), True),
        (AliasPolicy.FOLLOWERS, AuthorFact(contact_id=9, follows=frozenset({56})), False),
        (AliasPolicy.COLLEAGUES, AuthorFact(contact_id=9), False),
        (AliasPolicy.COLLEAGUES, AuthorFact(contact_id=9, is_colleague=True), True),
        (AliasPolicy.COLLEAGUES, AuthorFact(contact_id=9, is_colleague=True, is_alias=True), False),
    ],
)
def test_a_policy_says_who_may_write(policy: AliasPolicy, author: AuthorFact, welcome: bool) -> None:
    """T-050, T-052, T-053, I-53."""
    decision = only(evidence(), replace(guarded(policy, owner_record_id=55), author=author))
    if welcome:
        assert isinstance(decision, CreateRecord)
    else:
        assert isinstance(decision, Refuse)
        assert (decision.answer, decision.alias_id, decision.may_answer) == ("policy", 1, True)
        assert "support@ours.example" in str(decision.reasons[-1])


def test_a_policy_that_nobody_can_meet_is_our_mistake_and_held() -> None:
    decision = only(evidence(), guarded(AliasPolicy.FOLLOWERS))
    assert isinstance(decision, Hold)
    assert codes(decision) == ["policy.no_owner"]


def test_one_alias_may_refuse_while_the_other_takes() -> None:
    """I-29."""
    aliases = (replace(SUPPORT, policy=AliasPolicy.COLLEAGUES), SALES)
    refusal, record = decide(
        evidence(to=["support@ours.example", "sales@ours.example"]), facts(aliases=aliases)
    ).decisions
    assert isinstance(refusal, Refuse)
    assert isinstance(record, CreateRecord)


# --- the catchall


def test_a_mail_to_the_catchall_alone_is_answered_with_the_company_address() -> None:
    """T-071."""
    decision = only(evidence(to=["catchall@ours.example"]), facts())
    assert isinstance(decision, Refuse)
    assert (decision.answer, decision.may_answer) == ("catchall", True)
    assert codes(decision) == ["catchall.only"]


def test_the_catchall_in_bcc_alone_is_the_catchall_alone() -> None:
    decision = only(
        evidence(to=["x@elsewhere.example"], cc=["y@elsewhere.example"], rcpt=["catchall@ours.example"]), facts()
    )
    assert codes(decision) == ["catchall.only"]


def test_the_catchall_in_cc_is_answered_too_when_nothing_else_takes_the_mail() -> None:
    seen = evidence(to=["x@elsewhere.example"], cc=["catchall@ours.example"], rcpt=["catchall@ours.example"])
    assert codes(only(seen, facts())) == ["catchall.among"]


def test_what_the_door_accepts_is_never_refused_without_a_word() -> None:
    """A signed reply address whose record and alias are both gone."""
    decision = only(evidence(to=[reply_address(500, "gone@ours.example")]), facts())
    assert isinstance(decision, Hold)
    assert codes(decision) == ["nobody.gone"]


def test_catchalls_of_two_domains_are_still_the_catchall_alone() -> None:
    decision = only(evidence(to=["catchall@ours.example", "catchall@second.example"]), facts())
    assert isinstance(decision, Refuse)


def test_the_catchall_alone_is_refused_before_the_fallback_kind() -> None:
    """I-28 before I-30."""
    assert isinstance(only(fetched(to=["catchall@ours.example"]), facts(**FALLBACK)), Refuse)


def test_an_alias_in_cc_saves_a_mail_to_the_catchall() -> None:
    """W-14 done better."""
    decision = only(evidence(to=["catchall@ours.example"], cc=["support@ours.example"]), facts())
    assert isinstance(decision, CreateRecord)


def test_the_catchall_beside_an_unknown_address_is_answered_once() -> None:
    """T-073, I-31."""
    decision = only(fetched(to=["catchall@ours.example", "nobody@ours.example"]), facts())
    assert isinstance(decision, Refuse)
    assert codes(decision) == ["catchall.among"]


def test_a_fallback_kind_comes_before_the_catchall_among_others() -> None:
    """I-30 before I-31."""
    decision = only(fetched(to=["catchall@ours.example", "nobody@ours.example"]), facts(**FALLBACK))
    assert isinstance(decision, CreateRecord)


# --- fallback and nobody


def test_a_mailbox_with_a_fallback_kind_takes_what_no_alias_takes() -> None:
    """I-30."""
    decision = only(fetched(to=["whoever@ours.example"]), facts(**FALLBACK))
    assert isinstance(decision, CreateRecord)
    assert (decision.kind, decision.company_id, decision.alias_id) == ("lead", 1, None)


def test_an_alias_comes_before_the_fallback_kind() -> None:
    decision = only(fetched(), facts(**FALLBACK))
    assert isinstance(decision, CreateRecord)
    assert decision.kind == "ticket"


@pytest.mark.parametrize("door", [Door.IMAP, Door.POP3, Door.PIPE, Door.HTTP])
def test_a_fetched_mail_for_nobody_is_held(door: Door) -> None:
    """T-074: unlike elsewhere nothing is dropped."""
    decision = only(evidence(to=["nobody@ours.example"], door=door), facts())
    assert isinstance(decision, Hold)
    assert "nobody@ours.example" in str(decision.reasons[0])


def test_a_fetched_mail_for_nobody_may_be_refused_by_policy() -> None:
    decision = only(fetched(to=["nobody@ours.example"]), facts(hold_unknown=False))
    assert isinstance(decision, Refuse)
    assert (decision.answer, decision.recipient, decision.may_answer) == ("unknown", "nobody@ours.example", True)


@pytest.mark.parametrize("door", [Door.SMTP, Door.LMTP])
def test_at_smtp_a_mail_for_nobody_is_refused_and_not_answered(door: Door) -> None:
    """The door said 550 in the session."""
    decision = only(evidence(to=["nobody@ours.example"], door=door), facts())
    assert isinstance(decision, Refuse)
    assert (decision.answer, decision.may_answer) == ("unknown", False)


def test_a_mail_that_names_nobody_is_held() -> None:
    assert codes(only(fetched(mail(to=())), facts())) == ["nobody.named"]


@pytest.mark.parametrize("to", ["postmaster@ours.example", "Abuse@second.example", "postmaster"])
def test_a_duty_address_without_an_alias_is_read_by_a_person(to: str) -> None:
    """RFC 5321 4.5.1."""
    decision = only(evidence(to=["x@y.example"], rcpt=[to]), facts())
    assert isinstance(decision, Hold)
    assert codes(decision) == ["nobody.duty"]


def test_an_alias_may_be_called_postmaster() -> None:
    alias: AliasFact = replace(SUPPORT, name="postmaster")
    assert isinstance(only(evidence(to=["postmaster@ours.example"]), facts(aliases=(alias,))), CreateRecord)


# --- who is answered


@pytest.mark.parametrize(
    ("headers", "mail_from"),
    [
        ((), ""),
        ((), "<>"),
        ((("Auto-Submitted", "auto-generated"),), "carla@customer.example"),
        ((("Precedence", "bulk"),), "carla@customer.example"),
        ((("List-Id", "<list.customer.example>"),), "carla@customer.example"),
        ((("X-Auto-Response-Suppress", "All"),), "carla@customer.example"),
        ((("X-Auto-Response-Suppress", "OOF, NDR"),), "carla@customer.example"),
    ],
)
def test_no_machine_is_answered(headers: tuple[tuple[str, str], ...], mail_from: str) -> None:
    """Law 6, RFC 3834 2."""
    decision = only(evidence(headers=headers, mail_from=mail_from), guarded(AliasPolicy.COLLEAGUES))
    assert isinstance(decision, Refuse)
    assert not decision.may_answer


def test_who_left_no_address_is_not_answered() -> None:
    seen = fetched(mail(to=["nobody@ours.example"], author=""))
    decision = only(seen, facts(hold_unknown=False))
    assert isinstance(decision, Refuse)
    assert not decision.may_answer


def test_a_fallback_kind_without_a_company_is_none() -> None:
    assert isinstance(only(fetched(to=["nobody@ours.example"]), facts(fallback_kind="lead")), Hold)


def test_automatic_mail_may_make_records() -> None:
    """Alerts and web forms."""
    assert isinstance(only(evidence(headers=(("Auto-Submitted", "auto-generated"),)), facts()), CreateRecord)
