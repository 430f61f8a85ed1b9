"""What servers say, and what it means: the replies of providers and the texts of broken connections, one row each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.diagnosis.server_errors import CASES, Fault, explain, explained
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.reasons import SENTENCES
from postroom.core.terms.smtp_replies import SmtpReply, read_reply
from postroom.core.terms.steps import Step

TLS, NONE = Encryption.TLS, Encryption.NONE


def said(step: Step, reply: str, **more: object) -> Fault:
    """``535 5.7.8 text`` as a server would say it."""
    code, _, text = reply.partition(" ")
    return Fault(step=step, reply=read_reply(int(code), [text]), **more)  # type: ignore[arg-type]


def broke(step: Step, trouble: str, **more: object) -> Fault:
    return Fault(step=step, trouble=trouble, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        # what the documents name
        (broke(Step.CONNECT, "connection refused", port=587), "refused"),
        (said(Step.LOGIN, "535 5.7.8 Username and Password not accepted"), "login_refused"),
        (said(Step.LOGIN, "535 5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials a1 - gsmtp"), "gmail_app_password"),
        (said(Step.MAIL, "553 5.1.8 Domain of sender address does not exist"), "sender_domain"),
        (said(Step.DATA, "550 The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved."), "sender_identity"),
        (said(Step.RCPT, "550 5.1.1 The email account does not exist"), "recipient_unknown"),
        (said(Step.RCPT, "554 5.7.1 Rejected by policy"), "policy"),
        (said(Step.MAIL, "452 4.2.2 Mailbox full"), "storage"),
        (said(Step.GREETING, "421 4.7.0 Try again later, closing connection"), "going_down"),
        (broke(Step.CONNECT, "no answer within 10 seconds", port=25), "port_25"),
        (broke(Step.CONNECT, "network is unreachable", port=25), "port_25"),
        (broke(Step.CONNECT, "no answer within 10 seconds", port=587), "connect_timeout"),
        (broke(Step.STARTTLS, "the server does not offer STARTTLS", port=25), "starttls_missing"),
        # the way there
        (broke(Step.CONNECT, "the name smtp.exampel.com could not be resolved: Name or service not known"), "host_unknown"),
        (broke(Step.CONNECT, "'http://x' is no host name"), "host_malformed"),
        (broke(Step.CONNECT, "no route to host", port=587), "unreachable"),
        (broke(Step.CONNECT, "permission denied"), "forbidden_here"),
        # encryption
        (broke(Step.TLS, "the certificate was not accepted: certificate has expired"), "certificate_expired"),
        (broke(Step.TLS, "the certificate was not accepted: certificate is not yet valid"), "certificate_not_yet"),
        (broke(Step.TLS, "the certificate was not accepted: Hostname mismatch, certificate is not valid for 'mail'."), "certificate_name"),
        (broke(Step.TLS, "the certificate was not accepted: IP address mismatch, certificate is not valid for '127.0.0.1'."), "certificate_name"),
        (broke(Step.TLS, "the certificate was not accepted: self-signed certificate"), "certificate_self_signed"),
        (broke(Step.TLS, "the certificate was not accepted: self-signed certificate in certificate chain"), "certificate_unknown"),
        (broke(Step.TLS, "the certificate was not accepted: unable to get local issuer certificate"), "certificate_unknown"),
        (broke(Step.TLS, "the certificate was not accepted: EE certificate key too weak"), "certificate_other"),
        (broke(Step.TLS, "the TLS handshake failed: wrong version number", encryption=TLS, port=587), "tls_on_plain_port"),
        (broke(Step.TLS, "the TLS handshake failed: unsupported protocol"), "tls_too_old"),
        (broke(Step.TLS, "the TLS handshake failed: tlsv1 alert protocol version"), "tls_too_old"),
        (broke(Step.TLS, "the TLS handshake failed: sslv3 alert handshake failure"), "tls_no_cipher"),
        (broke(Step.TLS, "the TLS handshake failed: tlsv13 alert certificate required"), "client_certificate"),
        (broke(Step.GREETING, "the TLS handshake failed: tlsv1 alert unknown ca"), "client_certificate"),
        (broke(Step.TLS, "no answer within 10 seconds", encryption=TLS, port=587), "tls_on_plain_port"),
        (broke(Step.TLS, "the client certificate cannot be used: x"), "client_certificate_unusable"),
        (broke(Step.GREETING, "no answer within 20 seconds", encryption=NONE, port=465), "plain_on_tls_port"),
        (broke(Step.GREETING, "the server closed the connection", port=465), "plain_on_tls_port"),
        (broke(Step.GREETING, "the server closed the connection", port=587), "hung_up"),
        (broke(Step.GREETING, "no answer within 20 seconds", port=587), "silent"),
        (Fault(step=Step.GREETING, reply=SmtpReply(0, "", "HTTP/1.1 400 Bad Request")), "not_smtp"),
        (Fault(step=Step.GREETING, reply=SmtpReply(0, "", "* OK [CAPABILITY IMAP4rev1] Dovecot ready.")), "not_smtp"),
        (Fault(step=Step.GREETING, reply=SmtpReply(0, "", "\ufffd\ufffd\ufffd")), "plain_on_tls_port"),
        (said(Step.STARTTLS, "454 4.7.0 TLS not available due to local problem"), "starttls_refused"),
        (broke(Step.STARTTLS, "plain text came after the answer to STARTTLS: somebody may be listening in"), "injection"),
        # being let in
        (said(Step.GREETING, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"), "blocked"),
        (said(Step.GREETING, "554 5.7.1 access denied"), "blocked"),
        (said(Step.GREETING, "554 No SMTP service here"), "not_in_service"),
        (said(Step.GREETING, "421 4.7.0 Too many concurrent SMTP connections; please try again later."), "too_many_connections"),
        (said(Step.EHLO, "501 5.5.2 Helo command rejected: need fully-qualified hostname", ehlo_name="localhost"), "ehlo_refused"),
        # logging in
        (said(Step.LOGIN, "534 5.7.9 Application-specific password required."), "gmail_app_password"),
        (said(Step.LOGIN, "534 5.7.14 Please log in via your web browser and then try again"), "gmail_browser"),
        (said(Step.LOGIN, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."), "microsoft_smtp_auth"),
        (said(Step.LOGIN, "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."), "microsoft_basic"),
        (said(Step.LOGIN, "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy."), "microsoft_basic"),
        (said(Step.LOGIN, "535 5.7.3 Authentication unsuccessful", host="smtp.office365.com"), "microsoft_login"),
        (said(Step.LOGIN, "535 Authentication Credentials Invalid", host="email-smtp.eu-west-1.amazonaws.com"), "ses_credentials"),
        (said(Step.LOGIN, "535 Authentication failed: Bad username / password", host="smtp.sendgrid.net"), "sendgrid_key"),
        (said(Step.LOGIN, "451 Authentication failed: Maximum credits exceeded"), "quota_of_plan"),
        (said(Step.LOGIN, "535 5.7.8 no", is_token=True), "token_refused"),
        (broke(Step.LOGIN, "no access token: nobody is named who gives them (token source)"), "token_missing"),
        (broke(Step.LOGIN, "the server offers no login that we know (it offers: none)", encryption=NONE), "login_needs_tls"),
        (broke(Step.LOGIN, "the server offers no login that we know (it offers: none)"), "no_login_offered"),
        (broke(Step.LOGIN, "the server offers no login that we know (it offers: XOAUTH2)"), "no_login_in_common"),
        (said(Step.LOGIN, "538 5.7.11 Encryption required for requested authentication mechanism"), "login_needs_tls"),
        (said(Step.LOGIN, "530 5.7.0 Must issue a STARTTLS command first"), "login_needs_tls"),
        (said(Step.LOGIN, "454 4.7.0 Temporary authentication failure"), "login_later"),
        (said(Step.LOGIN, "421 4.7.0 Too many login attempts, please try again later."), "too_fast"),
        (broke(Step.LOGIN, "the server closed the connection"), "login_closed"),
        # sender, recipient
        (said(Step.MAIL, "530 5.7.0 Must issue a STARTTLS command first."), "starttls_required"),
        (said(Step.MAIL, "530 5.5.1 Authentication Required."), "login_required"),
        (said(Step.MAIL, "530 5.7.57 Client not authenticated to send mail."), "login_required"),
        (said(Step.MAIL, "550 5.7.1 Authentication required"), "login_required"),
        (said(Step.DATA, "554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: alice@sender.example"), "sender_identity"),
        (said(Step.RCPT, "553 5.7.1 <alice@x.example>: Sender address rejected: not owned by user bob"), "sender_not_owned"),
        (said(Step.DATA, "554 5.2.252 SendAsDenied; bob@x.example not allowed to send as alice@x.example"), "sender_not_owned"),
        (said(Step.MAIL, "550 5.7.60 SMTP; Client does not have permissions to send as this sender"), "sender_not_owned"),
        (said(Step.RCPT, "450 4.1.8 <a@b.example>: Sender address rejected: Domain not found"), "sender_domain"),
        (said(Step.MAIL, "501 5.1.7 Bad sender address syntax"), "sender_syntax"),
        (said(Step.MAIL, "550 5.6.7 the server does not take internationalized addresses (SMTPUTF8)"), "utf8_missing"),
        (said(Step.MAIL, "552 5.3.4 Message size exceeds fixed limit"), "size"),
        (said(Step.MAIL, "452 4.3.1 Insufficient system storage"), "storage"),
        (said(Step.MAIL, "553 sorry"), "sender_refused"),
        (said(Step.MAIL, "550 5.4.5 Daily user sending limit exceeded."), "daily_limit"),
        (said(Step.RCPT, "554 5.7.1 <bob@reader.example>: Relay access denied"), "relay_denied"),
        (said(Step.RCPT, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"), "relay_denied"),
        (said(Step.RCPT, "450 4.2.0 <bob@reader.example>: Recipient address rejected: Greylisted"), "greylisted"),
        (said(Step.RCPT, "556 5.1.10 Domain does not accept mail (nullMX)"), "recipient_unknown"),
        (said(Step.DATA, "421 Sandbox subdomains are for test purposes only."), "sandbox"),
        (said(Step.RCPT, "451 4.7.1 rate limit exceeded"), "too_fast"),
        # anything else
        (said(Step.DATA, "451 4.3.0 no"), "later"),
        (said(Step.DATA, "554 no"), "refusal"),
        (broke(Step.DATA, "no answer within 20 seconds"), "silent"),
        (broke(Step.DATA, "the connection broke: connection reset by peer"), "hung_up"),
        (broke(Step.RCPT, "the server sent more than it was asked for"), "chatter"),
        (broke(Step.EHLO, "something nobody thought of"), "other"),
    ],
)  # fmt: skip
def test_a_failure_has_its_cause(fault: Fault, code: str) -> None:
    found = explain(fault)
    assert found.code == code
    assert "?" not in str(found.cause) + str(found.cure) or fault.port == 0
    assert str(found.cause) != str(found.cure)


def test_the_facts_are_in_the_sentences() -> None:
    found = explain(broke(Step.CONNECT, "connection refused", host="smtp.example.com", port=2526))
    assert str(found.cause).startswith("The connection was refused: nothing listens on port 2526 of smtp.example.com")
    assert "Allow port 2526 outbound" in str(found.cure)


def test_every_case_has_a_cause_and_a_cure_and_no_sentence_lies_idle() -> None:
    used = {case.code for case in CASES}
    untried = {"none", "letterbox", "secret_unreadable", "no_host", "no_sender"}
    for code in used | untried:
        found = explained(code)
        assert {found.cause.code, found.cure.code} <= SENTENCES.keys()
    known = {
        code.partition(".")[2]
        for code in SENTENCES
        if code.startswith("fault.") and not {"mailbox_", "oauth_"} & {code[6:14], code[6:12]}
    }
    assert known == used | untried


@given(
    st.sampled_from(Step),
    st.none() | st.builds(SmtpReply, st.integers(0, 599), st.sampled_from(["", "5.7.1", "4.7.0"]), st.text()),
    st.text(),
    st.integers(0, 70_000),
)
def test_something_always_fits(step: Step, reply: SmtpReply | None, trouble: str, port: int) -> None:
    found = explain(Fault(step=step, reply=reply, trouble=trouble, port=port))
    assert str(found.cause)
    assert str(found.cure)
