"""Connecting, and what its failures are called."""

from __future__ import annotations

import imaplib
import poplib
import socket
from collections.abc import Callable
from typing import Any

import pytest

from postroom.adapters.imap.client import ImapSession
from postroom.adapters.mailbox.connecting import plain, refusal, troubles
from postroom.adapters.pop3.client import Pop3Session
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    MailboxEndpoint,
    MailboxProtocol,
    MailboxSession,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.secret import Secret
from tests.adapters.mailbox.boxes import endpoint_to
from tests.laboratory.ports import closed_port
from tests.laboratory.scripted import Line, ScriptedPeer

IMAP, POP3 = MailboxProtocol.IMAP, MailboxProtocol.POP3
both_protocols = pytest.mark.parametrize("protocol", [IMAP, POP3])


def session_for(endpoint: MailboxEndpoint) -> MailboxSession:
    return ImapSession(endpoint) if endpoint.protocol is IMAP else Pop3Session(endpoint)


def trouble_with(protocol: MailboxProtocol, script: Callable[[Line], None], **changes: Any) -> MailboxTrouble:
    """What opening a session with this peer raises."""
    with ScriptedPeer(script) as peer, pytest.raises(MailboxTrouble) as raised:
        session_for(endpoint_to(peer.port, protocol, **changes)).open()
    return raised.value


@both_protocols
def test_a_closed_port_is_trouble_with_the_connection(protocol: MailboxProtocol) -> None:
    port = closed_port()
    with pytest.raises(MailboxTrouble, match="refuses the connection") as raised:
        session_for(endpoint_to(port.number, protocol)).open()
    port.release()
    assert raised.value.kind is TroubleKind.CONNECT


@both_protocols
def test_an_unknown_name_is_trouble_with_the_connection(
    protocol: MailboxProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(MailboxTrouble, match=r"imap\.typo\.test cannot be resolved: Name") as raised:
        session_for(endpoint_to(993, protocol, host="imap.typo.test")).open()
    assert raised.value.kind is TroubleKind.CONNECT


@both_protocols
def test_what_is_no_host_name_is_trouble_with_the_connection(protocol: MailboxProtocol) -> None:
    with pytest.raises(MailboxTrouble, match="cannot be resolved") as raised:
        session_for(endpoint_to(993, protocol, host=f"{'x' * 70}.test")).open()
    assert raised.value.kind is TroubleKind.CONNECT


@both_protocols
def test_a_peer_that_never_greets_is_given_up(protocol: MailboxProtocol) -> None:
    trouble = trouble_with(protocol, lambda line: line.hear_nothing_more(), timeout=0.1)
    assert trouble.kind is TroubleKind.TIMEOUT


@both_protocols
def test_a_greeting_that_drips_is_given_up_although_it_is_never_silent(protocol: MailboxProtocol) -> None:
    trouble = trouble_with(protocol, lambda line: line.drip(b"+" * 10_000, every=0.02), timeout=0.1)
    assert trouble.kind is TroubleKind.TIMEOUT


@both_protocols
def test_a_peer_that_closes_at_once_is_trouble_with_the_connection(protocol: MailboxProtocol) -> None:
    assert trouble_with(protocol, lambda line: line.hang_up()).kind is TroubleKind.CONNECT


@both_protocols
def test_a_greeting_of_another_trade_is_unintelligible(protocol: MailboxProtocol) -> None:
    trouble = trouble_with(protocol, lambda line: line.say(b"220 mx.test ESMTP\r\n"))
    assert trouble.kind is TroubleKind.PROTOCOL
    assert "220 mx.test" in trouble.text


@both_protocols
def test_a_line_without_end_is_given_up(protocol: MailboxProtocol) -> None:
    def endless(line: Line) -> None:
        while True:
            line.say(b"* OK " + b"x" * 65536)

    assert trouble_with(protocol, endless).kind is TroubleKind.PROTOCOL


@both_protocols
def test_tls_with_a_peer_that_speaks_none_is_trouble_with_the_encryption(protocol: MailboxProtocol) -> None:
    trouble = trouble_with(
        protocol, lambda line: line.say(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"), encryption=Encryption.TLS
    )
    assert trouble.kind is TroubleKind.TLS


ENDPOINT = endpoint_to(993, IMAP, password=Secret("pa55 word"), access_token=Secret("ya29.token"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (imaplib.IMAP4.abort("command: FETCH => socket error: EOF"), TroubleKind.CONNECT),
        (imaplib.IMAP4.abort("unexpected response: b'?'"), TroubleKind.PROTOCOL),
        (imaplib.IMAP4.readonly("mailbox status changed to READ-ONLY"), TroubleKind.FOLDER),
        (imaplib.IMAP4.error("select failed: No such folder"), TroubleKind.FOLDER),
        (imaplib.IMAP4.error("[OVERQUOTA] Account exceeded bandwidth limits"), TroubleKind.UNAVAILABLE),
        (
            imaplib.IMAP4.error("[ALERT] Too many simultaneous connections. (Failure)"),
            TroubleKind.UNAVAILABLE,
        ),
        (poplib.error_proto(b"-ERR [IN-USE] Mailbox is locked"), TroubleKind.UNAVAILABLE),
        (poplib.error_proto("-ERR maildrop already locked"), TroubleKind.UNAVAILABLE),
        (ConnectionResetError(104, "Connection reset by peer"), TroubleKind.CONNECT),
        (EOFError("closed"), TroubleKind.CONNECT),
        (ValueError("invalid literal for int()"), TroubleKind.PROTOCOL),
        (RecursionError("maximum recursion depth exceeded"), TroubleKind.PROTOCOL),
        (MemoryError(), TroubleKind.PROTOCOL),
    ],
)
def test_each_failure_of_the_libraries_has_its_kind(error: Exception, kind: TroubleKind) -> None:
    with pytest.raises(MailboxTrouble) as raised, troubles(ENDPOINT, "reading", TroubleKind.FOLDER):
        raise error
    assert raised.value.kind is kind
    assert raised.value.__cause__ is error


def test_trouble_that_has_a_name_already_keeps_it() -> None:
    trouble = MailboxTrouble(TroubleKind.LOGIN, "No.")
    with pytest.raises(MailboxTrouble) as raised, troubles(ENDPOINT, "reading"):
        raise trouble
    assert raised.value is trouble


def test_the_servers_code_is_kept_beside_its_words() -> None:
    trouble = refusal("[AUTHENTICATIONFAILED] Nope.", ENDPOINT, "logging in", TroubleKind.LOGIN)
    assert (trouble.kind, trouble.response_code) == (TroubleKind.LOGIN, "AUTHENTICATIONFAILED")
    assert trouble.text.endswith("says no while logging in: [AUTHENTICATIONFAILED] Nope.")


@pytest.mark.parametrize(
    "echoed",
    [
        "bad password: pa55 word",
        "bad password: cGE1NSB3b3Jk",
        "AUTHENTICATE PLAIN AGFsaWNlQGJveC50ZXN0AHBhNTUgd29yZA== failed",
        "token ya29.token expired",
    ],
)
def test_a_secret_that_the_server_repeats_is_masked(echoed: str) -> None:
    text = plain(echoed, ENDPOINT)
    assert "********" in text
    assert not any(secret in text for secret in ("pa55", "ya29", "cGE1NSB3", "AGFs"))


def test_a_servers_words_are_one_short_printable_line() -> None:
    text = plain("a\r\nb\x1b[31m\x00c " + "long " * 1000, ENDPOINT)
    assert text.isprintable()
    assert text.startswith("a b [31m c long")
    assert len(text) == 300
