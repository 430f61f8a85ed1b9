"""Why it was refused: words, status and code weighed, and the taxonomy that the answer comes from."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.core.reports.blame import blame, reason_of
from postroom.core.reports.classifying import classify
from postroom.core.reports.taxonomy import TAXONOMY, Permanence
from postroom.core.reports.wordings import _WORDINGS
from postroom.core.terms.smtp_replies import read_reply
from postroom.core.terms.states import Blame

STATUSES = st.from_regex(re.compile(r"[245]\.[0-9]{1,2}\.[0-9]{1,3}", re.ASCII), fullmatch=True)


@pytest.mark.parametrize(
    ("code", "line", "reason"),
    [
        # providers' own numbers
        (550, "5.1.1 The email account that you tried to reach does not exist. https://support.provider.example NoSuchUser", "user_unknown"),
        (550, "5.7.26 This mail has been blocked because the sender is unauthenticated.", "auth_failure"),
        (550, "5.7.25 The IP address sending this message does not have a PTR record setup", "no_reverse_name"),
        (421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail", "rate_limited"),
        (550, "5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain", "bad_reputation"),
        (550, "5.4.5 Daily user sending limit exceeded", "sender_suspended"),
        (550, "5.4.1 Recipient address rejected: Access denied. [mx.protection.example]", "user_unknown"),
        (550, "5.4.1 All recipient addresses rejected : Access denied", "user_unknown"),
        (550, "5.7.60 SMTP; Client does not have permissions to send as this sender", "sender_rejected"),
        (550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", "sender_suspended"),
        (550, "5.7.606 Access denied, banned sending IP [192.0.2.1]", "blocked_network"),
        (550, "5.7.649 go away", "blocked_network"),
        (550, "5.7.124 RESOLVER.RST.NotAuthorized; sender not in allowed-senders list", "restricted"),
        (550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", "restricted"),
        (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; not found", "user_unknown"),
        (550, "5.1.8 Access denied, bad outbound sender", "sender_suspended"),
        (550, "5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient", "too_large"),
        (451, "4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation", "rate_limited"),
        (550, "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your provider since part of their network is on our block list (S3150).", "blocked_network"),
        (421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", "rate_limited"),
        (553, "5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred", "rate_limited"),
        (554, "Message not allowed - [PH01] Email not accepted for policy reasons", "spam_content"),
        (553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1", "blocked_network"),
        (554, "5.7.0 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", "blocked_network"),
        (554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocked_network"),
        (550, "Rejected by header based Anti-Spoofing policy: alice@ours.example", "auth_failure"),
        (554, "delivery error: dd This user doesn't have a provider.example account", "user_unknown"),
        (554, "delivery error: dd Sorry your message cannot be delivered. This mailbox is disabled (554.30).", "suspended"),
        (421, "4.2.1 The user you are trying to contact is receiving mail too quickly.", "rate_limited"),
        # words against numbers
        (550, "5.1.1 mailbox is full", "mailbox_full"),
        (554, "5.0.0 Too many hops 26 (25 max)", "loop"),
        (552, "5.2.2 Too much mail data", "mailbox_full"),
        (550, "5.1.2 Bad destination mailbox address", "host_unknown"),
        (550, "5.1.1 Requested action not taken: mailbox unavailable", "user_unknown"),
        (550, "Requested action not taken: mailbox unavailable", "mailbox_busy"),
        (550, "5.6.0 Recipient address rejected: Media error", "content"),
        (521, "5.3.2 System not accepting network messages", "not_accepting"),
        (451, "4.3.2 System not accepting network messages", "system_error"),
        # temporary unless proven permanent
        (450, "4.1.2 Domain not found", "network_error"),
        (550, "5.1.2 Domain not found", "host_unknown"),
        (556, "5.1.10 The domain has a null MX", "not_accepting"),
        (451, "4.4.1 The domain has a null MX", "network_error"),
        (550, "5.1.1 user unknown (our virus scanner is Example AV)", "user_unknown"),
        (554, "5.7.1 user unknown to our virus scanner", "virus"),
        # languages
        (550, "Utilisateur inconnu", "user_unknown"),
        (550, "Benutzer unbekannt", "user_unknown"),
        (550, "Postfach voll", "mailbox_full"),
        (550, "Buzón lleno", "mailbox_full"),
        (550, "Такой пользователь не найден", "user_unknown"),
        (550, "收件人邮件地址不存在", "user_unknown"),
    ],
)  # fmt: skip
def test_a_reply_tells_why(code: int, line: str, reason: str) -> None:
    assert reason_of(read_reply(code, [line])) == reason


@pytest.mark.parametrize("status", ["5.0.0", "", "5.3.0"])
def test_an_unknown_user_after_the_content_is_a_filter_and_no_proof(status: str) -> None:
    """The server took the recipient before."""
    said = "550 Unknown user bob@there.example"
    assert (
        classify(status, said, 550, background="host mx said: 550 Unknown user (in reply to RCPT TO command)")
        == "user_unknown"
    )
    if status != "5.3.0":
        assert classify(status, said, 550, background=f"{said} (in reply to end of DATA command)") == "filtered"
        assert (
            classify(status, said, 550, background=f">>> DATA\n<<< {said}\n554 5.0.0 Service unavailable") == "filtered"
        )
    pipelined = f">>> DATA\n<<< {said}\n550 5.1.1 User unknown\n<<< 503 5.0.0 Need RCPT (recipient)"
    assert classify("", said, 550, background=pipelined) == "user_unknown"
    assert classify("5.1.1", said, 550, background=f"{said} (in reply to end of DATA command)") == "user_unknown"


def test_the_rest_of_the_report_is_asked_only_where_the_reply_tells_nothing() -> None:
    assert classify("5.0.0", "", background="User bob not found in the directory") == "user_unknown"
    assert classify("5.0.0", "550 mailbox is full", background="user unknown") == "mailbox_full"
    assert classify("5.2.2", "", background="user unknown") == "mailbox_full"
    assert classify("5.0.0", "", background="we are sorry") == "undetermined"


def test_an_address_within_the_words_is_no_word() -> None:
    assert classify("", "550 <spam-virus-user-unknown@there.example>: no", 550) == "policy"


def test_every_word_leads_to_a_reason_of_the_taxonomy() -> None:
    assert {reason for reason, _ in _WORDINGS} <= set(TAXONOMY)


def test_the_taxonomy_tells_of_each_reason_what_it_means_and_what_helps() -> None:
    assert len(TAXONOMY) >= 30
    for code, reason in TAXONOMY.items():
        assert reason.code == code
        assert len(code) <= 24, "as wide as the column"
        assert reason.permanence is not Permanence.NONE
        assert all(text.endswith(".") for text in (reason.meaning, reason.cure))
        assert reason.example


def test_the_examples_of_the_taxonomy_are_read_as_what_they_are_examples_of() -> None:
    wrong = {}
    for code, reason in TAXONOMY.items():
        number, _, rest = reason.example.partition(" ")
        if not number.isdecimal():
            number, rest = "0", reason.example
        found = reason_of(read_reply(int(number), [rest])) if number != "0" else classify("", rest)
        if code not in (found, "feedback"):
            wrong[code] = found
    assert wrong == {}


def test_only_five_reasons_blame_the_address() -> None:
    """It is what stops later mail."""
    blamed = {code for code, reason in TAXONOMY.items() if reason.blame is Blame.ADDRESS}
    assert blamed == {"user_unknown", "host_unknown", "has_moved", "not_accepting", "bad_address"}


@settings(max_examples=300, deadline=None)
@given(STATUSES, st.text(max_size=300), st.integers(min_value=0, max_value=700), st.text(max_size=300))
def test_whatever_is_said_has_a_reason_and_the_blame_of_that_reason(
    status: str, text: str, code: int, more: str
) -> None:
    assert classify(status, text, code, background=more) in TAXONOMY
    assert blame(status, text, code=code) is TAXONOMY[classify(status, text, code)].blame


@settings(max_examples=200, deadline=None)
@given(STATUSES.filter(lambda status: status[0] == "4"))
def test_no_temporary_status_alone_speaks_against_a_domain(status: str) -> None:
    assert classify(status, "") not in ("host_unknown", "not_accepting", "bad_address")


@pytest.mark.parametrize(
    "said",
    [
        "cannot resolve your domain", "your host name does not exist", "the IP address is unknown", "sender domain must exist",
        "HELO domain does not exist", "unknown mailer error 1", "unknown command", "invalid user name or password",
        "relay not permitted: invalid user domain", "user is invalid or mailbox is full", "the account is locked", "user over hard quota",
        "recipient address rejected: greylisted", "unverified address: connection timed out", "no such file or directory",
        "user refuses this mail: message filtered", "the list does not accept mail of those who are not subscribed",
        "mail server for the domain not found, try again", "cannot open the user's mailbox", "user authentication failed",
    ],
)  # fmt: skip
def test_these_words_are_no_proof_against_an_address(said: str) -> None:
    assert blame("", said, code=550) is not Blame.ADDRESS


@pytest.mark.parametrize(
    "said",
    [
        "bad address", "no mailbox found", "no account by that name here", "not a valid user here", "recipient not found", "addressee unknown",
        "unknown local part", "this address no longer exists", "this recipient is not in my list: no such mailbox", "invalid recipient",
        "the user you are trying to contact does not exist", "unrouteable address", "no such domain", "host unknown", "unable to resolve domain",
        "the domain has no MX records", "the person has been replaced by charlie@there.example", "mail receiving disabled for this domain",
        "Empfänger unbekannt", "nessun utente con questo nome", "no existe ese usuario", "o endereço não existe", "het adres bestaat niet",
    ],
)  # fmt: skip
def test_these_words_are_proof_against_an_address(said: str) -> None:
    assert blame("", said, code=550) is Blame.ADDRESS
