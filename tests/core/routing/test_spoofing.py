"""Who claims to be whom, how it is proven, and what happens: one table for people to read.

The explanation of this table is docs/explanation/who-wrote-this.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postroom.core.delivery.destinations import destination_of
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.routing.authenticity import Authenticity, Proof
from postroom.core.routing.claims import believed
from postroom.core.routing.deciding import decide
from postroom.core.routing.submission import UNKNOWN_ENTRANCE, Submission
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    AuthorFact,
    CreateRecord,
    Decision,
    Discard,
    Evidence,
    Facts,
    Hold,
    RecordReport,
    Refuse,
)
from postroom.core.terms.states import AliasPolicy
from tests.core.routing.people import (
    BOB,
    CARLA,
    QUESTION,
    SUPPORT,
    bounce_address,
    delivery,
    evidence,
    facts,
    mail,
    reply_address,
)

MALLORY = "Mallory <mallory@elsewhere.example>"
CEO = "The Boss <boss@ours.example>"  # an address of ours that nobody has
ABROAD = "Bob <bob@freemail.example>"  # a colleague's address outside
KNOWN = AuthorFact(contact_id=5, follows=frozenset({70}))
COLLEAGUE = AuthorFact(contact_id=6, member_id=1, is_colleague=True, follows=frozenset({70}))
NOBODY = AuthorFact()
WHO = {CARLA: KNOWN, BOB: COLLEAGUE, ABROAD: COLLEAGUE, MALLORY: NOBODY, CEO: NOBODY}

P, U, S, N = Proof.PROVEN, Proof.UNPROVEN, Proof.SPOOFED, Proof.NOT_APPLICABLE
EVERYONE, CONTACTS, FOLLOWERS, COLLEAGUES = (
    AliasPolicy.EVERYONE, AliasPolicy.KNOWN_CONTACTS, AliasPolicy.FOLLOWERS, AliasPolicy.COLLEAGUES,
)  # fmt: skip

# (author, proof, how it comes: a policy, "token", "note token", "reference", "note reference"; what happens)
SCENARIOS = [
    # to an alias for everyone: all come in, and whose name counts for nothing is told to be so
    (CARLA, P, EVERYONE, "a record of Carla's"),
    (CARLA, U, EVERYONE, "a record of Carla's"),
    (CARLA, N, EVERYONE, "a record of Carla's"),
    (CARLA, S, EVERYONE, "a record of nobody's, unverified"),
    (MALLORY, U, EVERYONE, "a record of nobody's"),
    (MALLORY, S, EVERYONE, "a record of nobody's, unverified"),
    (BOB, P, EVERYONE, "a record of Bob's"),
    (BOB, U, EVERYONE, "a record of nobody's, unverified"),
    (BOB, S, EVERYONE, "a record of nobody's, unverified"),
    (CEO, U, EVERYONE, "a record of nobody's, unverified"),
    (CEO, P, EVERYONE, "a record of nobody's"),
    # to an alias for known contacts
    (CARLA, P, CONTACTS, "a record of Carla's"),
    (CARLA, U, CONTACTS, "a record of Carla's"),
    (CARLA, S, CONTACTS, "refused, not answered"),
    (MALLORY, P, CONTACTS, "refused, answered"),
    (MALLORY, U, CONTACTS, "refused, answered"),
    (MALLORY, S, CONTACTS, "refused, not answered"),
    (BOB, U, CONTACTS, "held"),
    # to an alias for followers
    (CARLA, P, FOLLOWERS, "a record of Carla's"),
    (CARLA, S, FOLLOWERS, "refused, not answered"),
    (BOB, U, FOLLOWERS, "held"),
    # to an alias for colleagues
    (BOB, P, COLLEAGUES, "a record of Bob's"),
    (BOB, N, COLLEAGUES, "a record of Bob's"),
    (BOB, U, COLLEAGUES, "held"),
    (BOB, S, COLLEAGUES, "refused, not answered"),
    (ABROAD, U, COLLEAGUES, "held"),
    (ABROAD, P, COLLEAGUES, "a record of Bob's"),
    (CEO, P, COLLEAGUES, "refused, answered"),
    (CEO, U, COLLEAGUES, "held"),
    (CEO, S, COLLEAGUES, "refused, not answered"),
    # to the signed reply address of a message: whoever has it was written to
    (CARLA, P, "token", "on the record, by Carla"),
    (CARLA, U, "token", "on the record, by Carla"),
    (CARLA, S, "token", "on the record, by nobody, unverified"),
    (MALLORY, P, "token", "on the record, by nobody"),
    (MALLORY, U, "token", "on the record, by nobody, unverified"),
    (BOB, P, "token", "on the record, by Bob"),
    (BOB, U, "token", "on the record, by nobody, unverified"),
    (CEO, U, "token", "on the record, by nobody, unverified"),
    # to the signed reply address of a note: only colleagues have it, and nobody speaks in their name
    (BOB, P, "note token", "on the record, by Bob"),
    (BOB, N, "note token", "on the record, by Bob"),
    (BOB, U, "note token", "held"),
    (BOB, S, "note token", "held"),
    # by a Message-ID in References: many may know it
    (CARLA, P, "reference", "on the record, by Carla"),
    (CARLA, N, "reference", "on the record, by Carla"),
    (CARLA, U, "reference", "on the record, by nobody, unverified"),
    (CARLA, S, "reference", "held"),
    (MALLORY, P, "reference", "on the record, by nobody, unverified"),
    (MALLORY, U, "reference", "on the record, by nobody, unverified"),
    (BOB, P, "reference", "on the record, by Bob"),
    (BOB, U, "reference", "on the record, by nobody, unverified"),
    (BOB, S, "reference", "held"),
    (BOB, U, "note reference", "held"),
    (BOB, P, "note reference", "on the record, by Bob"),
]


def arranged(author: str, proof: Proof, way: AliasPolicy | str) -> tuple[Evidence, Facts]:
    is_note = str(way).startswith("note")
    message = replace(QUESTION, is_note=is_note)
    known = facts(author=WHO[author], messages=(), aliases=(SUPPORT,))
    parsed = mail(author=author)
    if isinstance(way, AliasPolicy):
        alias: AliasFact = replace(SUPPORT, policy=way, owner_record_id=70)
        known = replace(known, aliases=(alias,))
    elif way.endswith("token"):
        parsed = mail(author=author, to=[reply_address(500)])
        known = replace(known, token_messages={500: message})
    else:
        parsed = mail(author=author, to=["catchall@ours.example"], in_reply_to=(message.identifier,))
        known = replace(known, messages=(message,))
    seen = replace(evidence(parsed), authenticity=Authenticity(proof=proof))
    return seen, known


def told(decision: Decision, author: str, counted: Facts) -> str:
    """The decision in the words of the table."""
    unverified = isinstance(decision, AppendToRecord | CreateRecord) and decision.unverified
    name = author.partition(" ")[0] if counted.author.contact_id and not unverified else "nobody"
    match decision:
        case CreateRecord():
            return f"a record of {name}'s" + (", unverified" if unverified else "")
        case AppendToRecord():
            return f"on the record, by {name}".replace("Customer", "Carla") + (", unverified" if unverified else "")
        case Refuse(may_answer=may_answer):
            return "refused, answered" if may_answer else "refused, not answered"
        case Hold():
            return "held"
        case RecordReport() | Discard():
            return type(decision).__name__


@pytest.mark.parametrize(("author", "proof", "way", "expected"), SCENARIOS)
def test_who_claims_to_be_whom(author: str, proof: Proof, way: AliasPolicy | str, expected: str) -> None:
    seen, known = arranged(author, proof, way)
    (decision,) = decide(seen, known).decisions
    assert told(decision, author, believed(seen, known)).replace("Customer", "Carla") == expected
    assert decision.reasons


def test_the_table_is_long_enough_to_be_one() -> None:
    assert len(SCENARIOS) == len({(author, proof, way) for author, proof, way, _ in SCENARIOS}) >= 40


def test_whose_return_path_is_denied_is_not_answered() -> None:
    """Somebody else would get the answer (RFC 3834 2)."""
    seen, known = arranged(MALLORY, Proof.UNPROVEN, AliasPolicy.COLLEAGUES)
    seen = replace(seen, authenticity=Authenticity(proof=Proof.UNPROVEN, return_path_denied=True))
    (decision,) = decide(seen, known).decisions
    assert isinstance(decision, Refuse)
    assert not decision.may_answer


def test_a_reply_to_an_alias_of_the_same_kind_meets_its_policy() -> None:
    alias = replace(SUPPORT, policy=AliasPolicy.COLLEAGUES)
    parsed = mail(author=BOB, to=["support@ours.example"], in_reply_to=(QUESTION.identifier,))
    known = facts(author=COLLEAGUE, aliases=(alias,), messages=(QUESTION,))
    seen = replace(evidence(parsed), authenticity=Authenticity(proof=Proof.UNPROVEN))
    assert isinstance(decide(seen, known).decisions[0], Hold)
    proven = replace(seen, authenticity=Authenticity(proof=Proof.PROVEN))
    assert isinstance(decide(proven, known).decisions[0], AppendToRecord)


@pytest.mark.parametrize("fallback", ["lead"])
def test_what_a_mailbox_makes_of_a_forged_mail_is_nobodys(fallback: str) -> None:
    seen, _ = arranged(CARLA, Proof.SPOOFED, AliasPolicy.EVERYONE)
    known = facts(author=KNOWN, aliases=(), fallback_kind=fallback, fallback_company_id=1)
    (decision,) = decide(seen, known).decisions
    assert isinstance(decision, CreateRecord)
    assert decision.unverified


# ---- delivery reports: what a forger may not do (W-42)


def report(*addresses: str, original: str = "<sent@ours.example>") -> DeliveryReport:
    recipients = tuple(ReportedAddress(address=one, action=Action.FAILED, status="5.1.1") for one in addresses)
    return DeliveryReport(kind=ReportKind.BOUNCE, recipients=recipients, original_message_id=original)


def reported(given: DeliveryReport, known: Facts, proof: Proof = Proof.UNPROVEN, **more: Any) -> tuple[int, ...]:
    return booked(given, known, proof, **more).delivery_ids


def claimed(given: DeliveryReport, known: Facts, **more: Any) -> tuple[int, ...]:
    return booked(given, known, Proof.UNPROVEN, **more).claimed_ids


def booked(
    given: DeliveryReport,
    known: Facts,
    proof: Proof,
    *,
    to: str = "bounce@ours.example",
    author: str = "mailer-daemon@mx.elsewhere.example",
    submission: Submission = UNKNOWN_ENTRANCE,
) -> RecordReport:
    seen = replace(
        evidence(mail(author=f"MAILER-DAEMON <{author}>", to=[to]), mail_from=""),
        report=given,
        authenticity=Authenticity(proof=proof, submission=submission),
    )
    (decision,) = decide(seen, known).decisions
    assert isinstance(decision, RecordReport)
    return decision


def test_a_report_that_names_nothing_of_ours_changes_nothing() -> None:
    assert reported(report("carla@customer.example", original="<guessed@ours.example>"), facts()) == ()


def test_who_knows_a_message_id_cannot_report_other_peoples_addresses() -> None:
    known = facts(deliveries=(delivery(9, "carla@customer.example"),))
    assert reported(report("somebody@else.example"), known) == ()


def test_our_message_id_and_the_recipients_address_are_known_to_many_and_only_claim() -> None:
    known = facts(deliveries=(delivery(9, "carla@customer.example"), delivery(10, "dora@customer.example")))
    assert reported(report("carla@customer.example"), known) == ()
    assert claimed(report("carla@customer.example"), known) == (9,)


@pytest.mark.parametrize(
    ("author", "takers", "believed"),
    [
        ("mailer-daemon@mx.customer.example", {"customer.example"}, True),  # the recipient's own
        ("postmaster@googlemail.com", {"google.com"}, True),  # whose MX take the recipient's mail, or our way out
        ("microsoftexchange329e71ec88ae4615bbc36ab6ce41109e@customer.example", {"customer.example"}, True),
        ("eve@googlemail.com", {"google.com"}, False),  # a customer of theirs is not they
        ("mailer-daemon@evil.example", {"customer.example"}, False),  # a proven stranger is a stranger
    ],
)
def test_a_proven_mail_server_that_had_the_mail_is_believed(author: str, takers: set[str], believed: bool) -> None:
    known = facts(deliveries=(delivery(9, "carla@customer.example", takers=frozenset(takers)),))
    known = replace(known, reporter=destination_of(author.rpartition("@")[2], [author.rpartition("@")[2]]))
    assert reported(report("carla@customer.example"), known, Proof.PROVEN, author=author) == ((9,) if believed else ())
    assert reported(report("carla@customer.example"), known, Proof.UNPROVEN, author=author) == ()


def test_the_number_under_which_the_next_server_took_it_is_known_to_it_alone() -> None:
    taken = delivery(9, "carla@customer.example", replies=("2.0.0 Ok: queued as 4Zx9QK1dLpz2",))
    known = facts(deliveries=(taken,))
    given = replace(report("carla@customer.example"), queue_ids=("4Zx9QK1dLpz2",))
    assert reported(given, known) == (9,)
    assert reported(replace(given, queue_ids=("4Zx9QK1dLpz3",)), known) == ()
    assert reported(replace(given, queue_ids=("queued", "as", "Ok:")), known) == ()


def test_who_is_proven_may_complain_of_what_he_himself_got() -> None:
    known = facts(deliveries=(delivery(9, "carla@customer.example"),))
    complaint = replace(report("carla@customer.example"), kind=ReportKind.COMPLAINT)
    assert reported(complaint, known, Proof.PROVEN, author="carla@customer.example") == (9,)
    assert reported(complaint, known, Proof.PROVEN, author="eve@customer.example") == ()


def test_what_our_own_mail_server_wrote_itself_is_from_home() -> None:
    known = facts(deliveries=(delivery(9, "carla@customer.example"),))
    born = Submission(server="mail.house.test", is_named=True, is_born_here=True)
    passed_on = Submission(server="mail.house.test", is_named=True)
    assert reported(report("carla@customer.example"), known, submission=born) == (9,)
    assert reported(report("carla@customer.example"), known, submission=passed_on) == ()


def test_a_forged_reporter_with_them_is_not() -> None:
    known = facts(deliveries=(delivery(9, "carla@customer.example"),))
    assert reported(report("carla@customer.example"), known, Proof.SPOOFED) == ()


def test_the_signed_return_path_is_believed_whoever_wrote_it() -> None:
    known = facts(deliveries=(delivery(9, "carla@customer.example", by_token=True),))
    assert reported(report("carla@customer.example"), known, Proof.SPOOFED, to=bounce_address(9)) == (9,)
