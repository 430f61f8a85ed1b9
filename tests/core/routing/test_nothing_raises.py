"""Laws: collecting and deciding never raise, and a decision is always made, with its reasons."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.core.mime.parsed import Attachment, ParsedMail, ReportPart
from postroom.core.routing.deciding import decide
from postroom.core.routing.evidence import collect
from postroom.core.routing.recipients import accepts, read_recipient
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    AuthorFact,
    CreateRecord,
    DeliveryFact,
    DomainFact,
    Evidence,
    Facts,
    MessageFact,
    Recipient,
    Refuse,
)
from postroom.core.terms.addresses import Address
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.reasons import SENTENCES
from postroom.core.terms.states import AliasPolicy, Door
from postroom.core.tokens.addresses import AddressToken, TokenPurpose
from tests.core.routing.people import KEYS, MARK, bounce_address, reply_address

LOCALS = ["support", "sales", "catchall", "bounce", "postmaster", "abuse", "mailer-daemon", "nobody", ""]
DOMAINS = ["ours.example", "second.example", "elsewhere.example", ""]
IDS = ["<1@x.example>", "<2@x.example>", "<3.notice.postroom@x.example>", ""]
ANY = st.characters(exclude_categories=())  # lone surrogates too
TOKENS = st.builds(AddressToken, st.sampled_from(TokenPurpose), st.integers(1, 3))
NUMBERS = st.integers(1, 3)
COUNTS = st.sampled_from([0, 4, 5, 20, 100, 1_000])
SOME_TEXT = st.one_of(
    st.text(ANY, max_size=40), st.sampled_from(["Re: x", "Out of office:", "Undelivered mail", "<a@b.example>"])
)
NAMED = st.one_of(
    st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(DOMAINS)),
    st.sampled_from([reply_address(1), reply_address(2, "support@ours.example"), bounce_address(1)]),
    st.text(ANY, max_size=30),
)
NORMALS = st.lists(NAMED, max_size=3).map(tuple)
ADDRESSES = st.builds(
    Address, SOME_TEXT, st.one_of(st.sampled_from(LOCALS), st.text(ANY, max_size=9)), st.sampled_from(DOMAINS)
)
HEADERS = st.tuples(
    st.sampled_from(
        ["Auto-Submitted", "Precedence", "List-Id", "X-Postroom-Objects", "X-Failed-Recipients", "From", "Content-Type"]
    ),
    st.one_of(
        st.text(ANY, max_size=30),
        st.sampled_from(["auto-replied", "bulk", MARK, "multipart/report; report-type=delivery-status"]),
    ),
)
PARTS = st.builds(
    ReportPart,
    content_type=st.sampled_from(
        [
            "message/delivery-status",
            "message/feedback-report",
            "message/rfc822",
            "text/rfc822-headers",
            "message/disposition-notification",
            "x",
        ]
    ),
    content=st.one_of(
        st.binary(max_size=200), st.just(b"Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n")
    ),
)
MAILS = st.builds(
    ParsedMail,
    headers=st.lists(HEADERS, max_size=3).map(tuple),
    message_id=st.sampled_from(IDS),
    subject=SOME_TEXT,
    header_from=st.lists(ADDRESSES, max_size=2).map(tuple),
    sender=st.none() | ADDRESSES,
    to=st.lists(ADDRESSES, max_size=3).map(tuple),
    cc=st.lists(ADDRESSES, max_size=2).map(tuple),
    resent_to=st.lists(ADDRESSES, max_size=2).map(tuple),
    delivered_to=NORMALS,
    return_path=st.none() | NAMED,
    in_reply_to=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    references=st.lists(st.one_of(st.sampled_from(IDS), st.text(ANY, max_size=20)), max_size=40).map(tuple),
    content_type=st.sampled_from(["text/plain", "multipart/report", ""]),
    content_params=st.dictionaries(
        st.sampled_from(["report-type", "boundary"]),
        st.sampled_from(["delivery-status", "disposition-notification", ""]),
    ),
    text=SOME_TEXT,
    html=SOME_TEXT,
    reply_text=SOME_TEXT,
    attachments=st.lists(
        st.builds(Attachment, name=SOME_TEXT, content_type=SOME_TEXT, content=st.binary(max_size=9), sha256=SOME_TEXT),
        max_size=1,
    ).map(tuple),
    report_parts=st.lists(PARTS, max_size=3).map(tuple),
)
ENVELOPES = st.none() | st.builds(Envelope, mail_from=NAMED, rcpt_to=NORMALS)
DOORS = st.sampled_from(Door)

ALIASES = st.builds(
    AliasFact,
    alias_id=NUMBERS,
    name=st.sampled_from(LOCALS),
    domain=st.sampled_from(DOMAINS),
    kind=st.sampled_from(["ticket", "lead"]),
    company_id=NUMBERS,
    policy=st.sampled_from(AliasPolicy),
    forced_record_id=st.none() | NUMBERS,
    owner_record_id=st.none() | NUMBERS,
    matches_local_part=st.booleans(),
    is_retired=st.booleans(),
    recent_creations_all=COUNTS,
)
MESSAGES = st.builds(
    MessageFact,
    message_id=NUMBERS,
    identifier=st.sampled_from(IDS),
    record_id=st.none() | NUMBERS,
    kind=st.sampled_from(["ticket", "lead", ""]),
    company_id=NUMBERS,
    is_note=st.booleans(),
    record_alias_id=st.none() | NUMBERS,
    author_took_part=st.booleans(),
)
FACTS: st.SearchStrategy[Facts] = st.builds(
    Facts,
    domains=st.lists(st.builds(DomainFact, name=st.sampled_from(DOMAINS), bounce=st.just("bounce"), catchall=st.just("catchall")), max_size=2).map(tuple),
    aliases=st.lists(ALIASES, max_size=4).map(tuple),
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
    token_messages=st.dictionaries(NUMBERS, MESSAGES, max_size=2),
    deliveries=st.lists(st.builds(DeliveryFact, delivery_id=NUMBERS, address=st.just("a@b.example"), company_id=NUMBERS, by_token=st.booleans(), message=st.none() | MESSAGES), max_size=2).map(tuple),
    author=st.builds(AuthorFact, contact_id=st.none() | NUMBERS, is_colleague=st.booleans(), is_alias=st.booleans(), follows=st.frozensets(NUMBERS)),
    duplicate_of=st.none() | NUMBERS,
    known_message=st.none() | MESSAGES,
    known_message_is_ours=st.booleans(),
    taken_aliases=st.frozensets(NUMBERS),
    taken_records=st.frozensets(NUMBERS),
    allowed_local_domains=st.lists(st.sampled_from(DOMAINS), max_size=1).map(tuple),
    fallback_kind=st.sampled_from(["", "lead"]),
    fallback_company_id=st.none() | NUMBERS,
    fallback_recent=COUNTS,
    loop_threshold=st.sampled_from([0, 5, 20]),
    loop_exempt=st.booleans(),
    hold_unknown=st.booleans(),
)  # fmt: skip
RECIPIENTS = st.builds(
    Recipient,
    normal=NAMED,
    local=st.sampled_from(LOCALS),
    detail=SOME_TEXT,
    domain=st.sampled_from(DOMAINS),
    token=st.none() | TOKENS,
    is_header=st.booleans(),
    is_cc=st.booleans(),
)
EVIDENCE: st.SearchStrategy[Evidence] = st.builds(
    Evidence,
    door=DOORS,
    size=st.integers(0, 9),
    recipients=st.lists(RECIPIENTS, max_size=4).map(tuple),
    to=NORMALS,
    cc=NORMALS,
    mail_from=NAMED,
    has_null_reverse_path=st.booleans(),
    author=st.none() | ADDRESSES,
    author_normal=NAMED,
    message_id=st.sampled_from(IDS),
    thread_ids=st.lists(st.sampled_from(IDS), max_size=3).map(tuple),
    in_reply_to=st.lists(st.sampled_from(IDS), max_size=1).map(tuple),
    is_auto_reply=st.booleans(),
    is_automatic=st.booleans(),
    has_our_mark=st.booleans(),
)


def check(seen: Evidence, facts: Facts) -> None:
    verdict = decide(seen, facts)
    assert verdict.decisions
    for decision in verdict.decisions:
        assert decision.reasons
        assert all(
            reason.code in SENTENCES and "?" not in sentence_form(reason.code, reason.facts)
            for reason in decision.reasons
        )
        if isinstance(decision, Refuse) and decision.answer == "unknown" and seen.door.recipient_decides:
            assert not any(accepts(recipient, facts).accepted for recipient in seen.recipients)
        if isinstance(decision, Refuse):
            assert not (decision.may_answer and (seen.has_null_reverse_path or seen.is_automatic or seen.is_auto_reply))
    records = [one.record_id for one in verdict.decisions if isinstance(one, AppendToRecord)]
    aliases = [one.alias_id for one in verdict.decisions if isinstance(one, CreateRecord)]
    assert len(set(records)) == len(records)
    assert len(set(aliases)) == len(aliases)
    if seen.is_auto_reply or seen.report is not None:
        assert not aliases
        assert not any(one.notify for one in verdict.decisions if isinstance(one, AppendToRecord))


def sentence_form(code: str, facts: Any) -> str:
    """The sentence with every fact replaced by a letter: a '?' left over is a fact that is missing."""
    return SENTENCES[code].format_map(Known(dict.fromkeys(facts, "x")))


class Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


@settings(max_examples=100, deadline=None)
@given(EVIDENCE, FACTS)
@pytest.mark.slow
def test_every_evidence_gets_a_decision_with_reasons(seen: Evidence, facts: Facts) -> None:
    check(seen, facts)


@settings(max_examples=100, deadline=None)
@given(MAILS, ENVELOPES, DOORS, FACTS)
@pytest.mark.slow
def test_every_mail_gives_evidence_and_a_decision(
    mail: ParsedMail, envelope: Envelope | None, door: Door, facts: Facts
) -> None:
    check(collect(mail, envelope, door, keys=KEYS, size=1, content_digest="", our_mark=MARK), facts)


@settings(max_examples=100, deadline=None)
@given(NAMED, FACTS)
@pytest.mark.slow
def test_every_text_is_accepted_or_not_with_reasons(address: str, facts: Facts) -> None:
    verdict = accepts(read_recipient(address, KEYS), facts)
    assert verdict.reasons
    assert all(reason.code in SENTENCES for reason in verdict.reasons)
