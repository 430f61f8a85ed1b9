"""STARTTLS and the login, before anything else is said.

Laws: where the endpoint demands encryption, nothing secret is said without it; where the server forbids the
login on this connection (LOGINDISABLED), the password stays here.
Standards: RFC 9051 6.2, RFC 4616 (PLAIN), RFC 2595; XOAUTH2 as Google and Microsoft define it.
"""

from __future__ import annotations

import imaplib

from postroom.adapters.imap.connection import GuardedImap
from postroom.adapters.mailbox.connecting import refusal, said, sasl_plain, sasl_xoauth2
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxTrouble, TroubleKind


def start_tls(wire: GuardedImap, endpoint: MailboxEndpoint) -> None:
    """Encrypts when the endpoint says STARTTLS. Raises `MailboxTrouble` when that cannot be had."""
    if endpoint.encryption is not Encryption.STARTTLS:
        return
    where = f"{endpoint.host}:{endpoint.port}"
    if wire.state != "NONAUTH":
        raise MailboxTrouble(TroubleKind.TLS, f"{where} skips the login, and with it the encryption (PREAUTH).")
    if "STARTTLS" not in wire.capabilities:
        raise MailboxTrouble(TroubleKind.TLS, f"{where} does not offer STARTTLS.")
    wire.start_tls()


def log_in(wire: GuardedImap, endpoint: MailboxEndpoint) -> None:
    """With the token if there is one, else the password. Raises `MailboxTrouble`, and what imaplib raises."""
    if wire.state != "NONAUTH":
        return
    if endpoint.access_token:
        _log_in_with_token(wire, endpoint)
        return
    username, password = endpoint.username, endpoint.password.reveal()
    if any(char in "\r\n\0" for char in username + password):
        raise MailboxTrouble(TroubleKind.LOGIN, "The user name or the password contains a line break.")
    is_plain_offered = "AUTH=PLAIN" in wire.capabilities
    is_forbidden = "LOGINDISABLED" in wire.capabilities
    if is_forbidden and (endpoint.encryption is Encryption.NONE or not is_plain_offered):
        text = f"{endpoint.host}:{endpoint.port} forbids the login on this connection; choose STARTTLS or TLS."
        raise MailboxTrouble(TroubleKind.LOGIN, text, "LOGINDISABLED")
    if is_plain_offered and (is_forbidden or not (username + password).isascii()):
        wire.authenticate("PLAIN", lambda _: sasl_plain(endpoint).encode())
    elif (username + password).isascii():
        wire.login(_quoted(username), password)
    else:
        text = f"{endpoint.host}:{endpoint.port} takes only ASCII letters in user name and password."
        raise MailboxTrouble(TroubleKind.LOGIN, text)


def _log_in_with_token(wire: GuardedImap, endpoint: MailboxEndpoint) -> None:
    challenges: list[bytes] = []

    def answer(challenge: bytes) -> bytes:
        challenges.append(challenge)
        return sasl_xoauth2(endpoint).encode() if len(challenges) == 1 else b""

    try:
        wire.authenticate("XOAUTH2", answer)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        # A second challenge is no question but the reason, as JSON.
        why = b" ".join(challenges[1:]).decode("utf-8", "replace")
        raise refusal(f"{said(error)} {why}", endpoint, "logging in", TroubleKind.LOGIN) from error


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
