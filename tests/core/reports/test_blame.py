"""Whose fault a failure is."""

from __future__ import annotations

import pytest

from postroom.core.reports.blame import blame, blame_of
from postroom.core.terms.smtp_replies import SmtpReply, read_reply
from postroom.core.terms.states import Blame


@pytest.mark.parametrize(
    ("code", "line", "who"),
    [
        # the documents' own list
        (550, "5.1.1 The email account that you tried to reach does not exist", "address"),
        (553, "5.1.8 <alice@ours.example>... Domain of sender address does not exist", "sender"),
        (554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "policy"),
        (452, "4.2.2 The recipient's inbox is out of storage space", "mailbox"),
        (421, "4.7.0 Too many connections from your address", "policy"),
        (535, "5.7.8 Username and Password not accepted", "sender"),
        # addresses
        (
            550,
            "5.1.1 <bob@there.example>: Recipient address rejected: User unknown in local recipient table",
            "address",
        ),
        (550, "No such user here", "address"),
        (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "address"),
        (550, "5.4.1 Recipient address rejected: Access denied.", "address"),
        (556, "5.1.10 Domain there.example does not accept mail (nullMX)", "address"),
        (550, "5.4.4 Invalid arguments", "address"),
        (551, "User has moved", "address"),
        # mailboxes
        (552, "5.2.2 Mailbox full", "mailbox"),
        (550, "5.2.1 The email account that you tried to reach is disabled", "mailbox"),
        (550, "5.2.1 <bob@there.example>... User unknown", "mailbox"),
        (452, "4.2.2 Over quota", "mailbox"),
        (452, "Requested action not taken", "mailbox"),
        # policy
        (550, "5.7.1 Message rejected as spam by Content Filtering", "policy"),
        (552, "5.3.4 Message size exceeds fixed limit", "policy"),
        (450, "4.2.0 Greylisted, please try again later", "policy"),
        (554, "5.6.0 Message contains invalid header", "policy"),
        (550, "5.7.606 Access denied, banned sending IP", "policy"),
        (550, "Administrative prohibition", "policy"),
        (554, "Transaction failed", "policy"),
        # sender
        (550, "5.7.26 Unauthenticated email from ours.example is not accepted due to domain's DMARC policy", "sender"),
        (550, "5.7.23 The message was rejected because of Sender Policy Framework violation", "sender"),
        (550, "5.7.25 Reverse DNS validation failed", "sender"),
        (454, "4.7.1 Relay access denied", "sender"),
        (530, "5.7.0 Authentication Required", "sender"),
        (550, "5.1.7 No such domain ours.example", "sender"),
        # servers and ways
        (451, "4.3.0 Temporary local problem", "server"),
        (421, "Service not available", "server"),
        (451, "", "server"),
        (500, "Syntax error", "server"),
        (550, "5.4.6 Routing loop detected", "network"),
        (451, "4.4.1 Connection timed out", "network"),
        (450, "4.1.2 Domain not found, try again", "network"),
    ],
)
def test_a_reply_tells_who_is_to_blame(code: int, line: str, who: str) -> None:
    assert blame_of(read_reply(code, [line])) is Blame(who)


def test_well_known_words_count_for_more_than_a_careless_code() -> None:
    assert blame("5.1.1", "550 5.1.1 mailbox is full") is Blame.MAILBOX
    assert blame("5.0.0", "listed at spamcop") is Blame.POLICY


def test_only_proof_speaks_against_an_address() -> None:
    """It is what suppresses: an unknown refusal, a full or closed mailbox and our own fault do not."""
    for status, text in [
        ("5.0.0", ""),
        ("", "rejected"),
        ("5.2.1", "user unknown"),
        ("5.1.8", "no such domain"),
        ("5.7.1", "no"),
    ]:
        assert blame(status, text, code=550) is not Blame.ADDRESS


def test_not_listed_is_not_on_a_list() -> None:
    assert blame("", "User Bob not listed in Domino Directory") is Blame.ADDRESS
    assert blame("", "192.0.2.1 is listed in our list") is Blame.POLICY


def test_a_permanent_lack_of_a_route_is_a_wrong_domain_and_a_passing_one_is_not() -> None:
    assert blame("5.4.4", "") is Blame.ADDRESS
    assert blame("4.4.4", "") is Blame.NETWORK


def test_garbage_is_the_servers() -> None:
    assert blame_of(SmtpReply(0, "", "\x00\xff" * 5_000)) is Blame.SERVER
