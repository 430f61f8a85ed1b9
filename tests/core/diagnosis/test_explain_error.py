"""Any error that a person pastes is explained: cause, blame, turn and cure."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.diagnosis.acting import of_case, of_reason
from postroom.core.diagnosis.error_texts import MOST
from postroom.core.diagnosis.errors import _ABOUT_US, explain_error
from postroom.core.diagnosis.mailbox_errors import CASES as MAILBOX_CASES
from postroom.core.diagnosis.oauth_errors import oauth_codes
from postroom.core.diagnosis.server_errors import CASES as SERVER_CASES
from postroom.core.reports.taxonomy import TAXONOMY


@pytest.mark.parametrize(
    ("text", "code", "blame", "who"),
    [
        ("550 5.1.1", "user_unknown", "address", "author"),
        ("smtplib.SMTPRecipientsRefused: {'bob@there.example': (550, b'5.1.1 The email account does not exist')}", "user_unknown", "address", "author"),
        ("553 5.1.8", "sender_domain", "sender", "administrator"),
        ("smtplib.SMTPSenderRefused: (553, b'5.1.8 Domain of sender address does not exist', 'a@b.example')", "sender_domain", "sender", "administrator"),
        ("554 5.7.1", "policy", "policy", "administrator"),
        ("554 5.7.1 Relay access denied", "relay_denied", "sender", "administrator"),
        ("452 4.2.2", "mailbox_full", "mailbox", "recipient"),
        ("421 4.7.0", "rate_limited", "policy", "nobody"),
        ("450 4.7.1 Greylisted, come back later", "greylisted", "policy", "nobody"),
        ("535 5.7.8", "login_refused", "sender", "administrator"),
        ("smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted - gsmtp')", "gmail_app_password", "sender", "administrator"),
        ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant", "microsoft_smtp_auth", "sender", "administrator"),
        ("454 4.7.0 Temporary authentication failure", "login_later", "server", "nobody"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "refused", "network", "administrator"),
        ("TimeoutError: [Errno 110] Connection timed out", "connect_timeout", "network", "administrator"),
        ("timed out connecting to mx.there.example:25", "port_25", "sender", "administrator"),
        ("socket.gaierror: [Errno -2] Name or service not known", "host_unknown", "sender", "administrator"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "resolver_silent", "network", "administrator"),
        ("OSError: [Errno 101] Network is unreachable", "unreachable", "network", "administrator"),
        ("smtplib.SMTPServerDisconnected: Connection unexpectedly closed", "hung_up", "server", "nobody"),
        ("smtplib.SMTPNotSupportedError: STARTTLS extension not supported by server.", "starttls_missing", "sender", "administrator"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)", "certificate_expired", "server", "provider"),
        ("certificate verify failed: Hostname mismatch, certificate is not valid for 'mail.there.example'.", "certificate_name", "server", "provider"),
        ("ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "tls_on_plain_port", "sender", "administrator"),
        ("imaplib.IMAP4.error: [AUTHENTICATIONFAILED] Invalid credentials", "mailbox_login_refused", "sender", "administrator"),
        ("imaplib.IMAP4.error: b'[AUTHENTICATIONFAILED] Invalid credentials' imap.gmail.com:993", "mailbox_login_of_provider", "sender", "administrator"),
        ("b'[ALERT] Too many simultaneous connections. (Failure)'", "mailbox_too_many", "policy", "nobody"),
        ("[ALERT] Your account is not enabled for IMAP use.", "mailbox_imap_off", "sender", "administrator"),
        ("SELECT failed: [NONEXISTENT] Unknown Mailbox: Archive", "mailbox_folder_missing", "sender", "administrator"),
        ("-ERR [AUTH] Invalid login", "mailbox_login_refused", "sender", "administrator"),
        ("invalid_grant: Token has been expired or revoked.", "oauth_ended", "sender", "administrator"),
        ("AADSTS7000222: The provided client secret keys for app are expired", "oauth_secret_expired", "sender", "administrator"),
        ("AADSTS50076: you must use multi-factor authentication", "oauth_second_factor", "sender", "administrator"),
        ("550 The from address does not match a verified Sender Identity.", "sender_identity", "sender", "administrator"),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender_not_owned", "sender", "administrator"),
        ("550 5.7.26 This mail has been blocked because the sender is unauthenticated.", "auth_failure", "sender", "administrator"),
        ("550-5.7.1 [192.0.2.7] it is likely\n550 5.7.1 unsolicited mail", "spam_content", "policy", "author"),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using Spamhaus", "blocked_network", "policy", "administrator"),
        ("550 5.4.5 Daily user sending limit exceeded", "daily_limit", "policy", "nobody"),
        ("Daily limit reached", "daily_limit", "policy", "nobody"),
        ("550: mailbox unavailable", "no_mailbox", "mailbox", "author"),
        ("552 5.3.4 Message size exceeds fixed maximum message size", "too_large", "policy", "author"),
        ("556 5.1.10 null MX", "not_accepting", "address", "author"),
    ],
)  # fmt: skip
def test_what_the_world_says_is_known(text: str, code: str, blame: str, who: str) -> None:
    answer = explain_error(text)
    assert (answer.code, answer.blame and answer.blame.value, answer.who.value) == (code, blame, who)
    assert answer.cause
    assert answer.cure
    assert "?" not in answer.cure
    assert answer.words == text


@pytest.mark.parametrize(
    ("text", "is_lasting"),
    [("550 no", True), ("451 no", False), ("554", True), ("450", False), ("ConnectionRefusedError", None)],
)
def test_the_class_of_the_code_tells_whether_trying_again_helps(text: str, is_lasting: bool | None) -> None:
    assert explain_error(text).is_lasting is is_lasting


def test_what_nobody_knows_is_called_unknown_and_blames_nobody() -> None:
    answer = explain_error("the dog ate it")
    assert (answer.code, answer.blame) == ("unread", None)


def test_an_acceptance_is_no_error() -> None:
    assert explain_error("250 2.0.0 OK queued as 4XYZ").code == "accepted"


def test_a_code_alone_says_no_more_than_it_means() -> None:
    assert explain_error("550").code == "lasting"
    assert explain_error("451").code == "passing"


def test_the_sender_whom_python_names_is_named() -> None:
    assert (
        "shop@nowhere.example"
        in explain_error(
            "SMTPSenderRefused: (553, b'5.1.8 Domain of sender address does not exist', 'shop@nowhere.example')"
        ).cause
    )


def test_every_cause_and_every_reason_has_its_blame_and_its_turn() -> None:
    for case in [*SERVER_CASES, *MAILBOX_CASES]:
        of_case(case.code)
    for code in [*oauth_codes(), *_ABOUT_US]:
        of_case(code)
    for code in TAXONOMY:
        of_reason(code)


@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    assert explain_error(text).cause


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "550 ",
        "5.7.1 ",
        "(550, b'",
        "[A",
        "a.",
        "certificate verify failed: ",
        "SMTPSenderRefused: (",
        "MAIL FROM:<",
        "\n550-",
    ],
)
def test_a_long_hostile_text_takes_no_time(piece: str) -> None:
    began = time.process_time()
    explain_error(piece * (1_000_000 // len(piece)))
    print(f"{piece!r}: {1000 * (time.process_time() - began):.0f} ms for {MOST} of 1,000,000 characters")
