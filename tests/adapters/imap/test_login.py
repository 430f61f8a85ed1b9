"""Encryption and login, with a real server and with those that one should not trust."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from postroom.adapters.imap.client import ImapSession
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    AfterFetch,
    MailboxEndpoint,
    MailboxProtocol,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.secret import Secret
from tests.adapters.imap.scripted_imap import SELECTED, Answer, imap_server, no
from tests.adapters.mailbox.boxes import Box, endpoint_to
from tests.laboratory.certificates import make_certificates
from tests.laboratory.scripted import Line, ScriptedPeer


def open_and_close(endpoint: MailboxEndpoint) -> None:
    session = ImapSession(endpoint)
    session.open()
    session.close()


def trouble_with(endpoint: MailboxEndpoint) -> MailboxTrouble:
    with pytest.raises(MailboxTrouble) as raised:
        open_and_close(endpoint)
    return raised.value


def scripted(peer: ScriptedPeer, **changes: Any) -> MailboxEndpoint:
    return endpoint_to(peer.port, MailboxProtocol.IMAP, **changes)


@pytest.mark.parametrize("encryption", list(Encryption))
def test_every_kind_of_encryption_opens_the_mailbox(
    box: Box, encryption: Encryption, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(box.server.ca_file))
    open_and_close(box.endpoint(encryption=encryption))


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
def test_an_untrusted_certificate_is_refused_unless_it_is_allowed(box: Box, encryption: Encryption) -> None:
    trouble = trouble_with(box.endpoint(encryption=encryption))
    assert trouble.kind is TroubleKind.TLS
    assert "not trusted" in trouble.text
    open_and_close(box.endpoint(encryption=encryption, verify_certificate=False))


def test_a_certificate_for_another_name_is_refused(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(box.server.ca_file))
    trouble = trouble_with(box.endpoint(encryption=Encryption.TLS, host="127.0.0.2"))
    assert trouble.kind in (
        TroubleKind.TLS,
        TroubleKind.CONNECT,
    )  # where 127.0.0.2 exists, it listens elsewhere


def test_a_wrong_password_is_trouble_with_the_login(box: Box) -> None:
    trouble = trouble_with(box.endpoint(password=Secret("wrong")))
    assert (trouble.kind, trouble.response_code) == (TroubleKind.LOGIN, "AUTHENTICATIONFAILED")
    assert "wrong" not in trouble.text


def test_a_missing_folder_is_trouble_with_the_folder(box: Box) -> None:
    trouble = trouble_with(box.endpoint(folder="Nirwana"))
    assert trouble.kind is TroubleKind.FOLDER
    assert "Nirwana" in trouble.text


def test_starttls_that_is_not_offered_is_not_done_without() -> None:
    with ScriptedPeer(imap_server()) as peer:
        trouble = trouble_with(scripted(peer, encryption=Encryption.STARTTLS))
    assert trouble.kind is TroubleKind.TLS
    assert not any(b"LOGIN" in line for line in peer.heard)


def test_a_server_that_skips_the_login_and_the_encryption_is_not_trusted() -> None:
    with ScriptedPeer(imap_server(greeting=b"* PREAUTH welcome\r\n", capabilities=b"IMAP4rev1 STARTTLS")) as peer:
        assert trouble_with(scripted(peer, encryption=Encryption.STARTTLS)).kind is TroubleKind.TLS
        open_and_close(scripted(peer, encryption=Encryption.NONE))


def test_words_smuggled_in_before_the_encryption_end_the_session() -> None:
    injected = imap_server(
        {b"STARTTLS": lambda line, tag, _: line.say(tag + b" OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")},
        capabilities=b"IMAP4rev1 STARTTLS",
    )
    with ScriptedPeer(injected) as peer:
        trouble = trouble_with(scripted(peer, encryption=Encryption.STARTTLS, verify_certificate=False))
    assert trouble.kind is TroubleKind.TLS
    assert "smuggled" in trouble.text


def test_what_the_server_said_before_the_encryption_counts_for_nothing_afterwards(tmp_path: Path) -> None:
    chain = make_certificates(tmp_path).chain

    def start_tls(line: Line, tag: bytes, _: bytes) -> None:
        line.say(tag + b" OK go\r\n")
        line.encrypt(chain)
        imap_server(capabilities=b"IMAP4rev1", greeting=b"")(line)

    plain = imap_server({b"STARTTLS": start_tls}, capabilities=b"IMAP4rev1 STARTTLS LOGINDISABLED")
    with ScriptedPeer(plain) as peer:
        open_and_close(scripted(peer, encryption=Encryption.STARTTLS, verify_certificate=False))
    assert any(b"LOGIN" in line for line in peer.heard)


@pytest.mark.parametrize("more", [b"", b" AUTH=PLAIN"])
def test_where_the_login_is_forbidden_the_password_stays_here(more: bytes) -> None:
    with ScriptedPeer(imap_server(capabilities=b"IMAP4rev1 LOGINDISABLED" + more)) as peer:
        trouble = trouble_with(scripted(peer))
    assert (trouble.kind, trouble.response_code) == (TroubleKind.LOGIN, "LOGINDISABLED")
    assert "choose STARTTLS or TLS" in trouble.text
    assert all(line.endswith(b"CAPABILITY") for line in peer.heard)


@pytest.mark.parametrize(
    ("username", "password", "line"),
    [
        ("alice", "x", b'LOGIN "alice" "x"'),
        ('al"ice smith', "back\\slash", b'LOGIN "al\\"ice smith" "back\\\\slash"'),
    ],
)
def test_user_names_and_passwords_are_quoted(username: str, password: str, line: bytes) -> None:
    with ScriptedPeer(imap_server()) as peer:
        open_and_close(scripted(peer, username=username, password=Secret(password)))
    assert any(heard.endswith(line) for heard in peer.heard)


@pytest.mark.parametrize("password", ["a\r\nA1 DELETE INBOX", "a\n", "a\0b"])
def test_a_password_with_a_line_break_is_no_command(password: str) -> None:
    with ScriptedPeer(imap_server()) as peer:
        assert trouble_with(scripted(peer, password=Secret(password))).kind is TroubleKind.LOGIN
    assert not any(b"LOGIN" in line or b"DELETE" in line for line in peer.heard)


def test_other_letters_than_ascii_go_by_sasl_and_only_by_it() -> None:
    with ScriptedPeer(imap_server({b"AUTHENTICATE": _sasl(b"")}, capabilities=b"IMAP4rev1 AUTH=PLAIN")) as peer:
        open_and_close(scripted(peer, password=Secret("pässwörd")))
    assert base64.b64encode("\0alice@box.test\0pässwörd".encode()) in peer.heard
    with ScriptedPeer(imap_server()) as peer:
        assert trouble_with(scripted(peer, password=Secret("pässwörd"))).kind is TroubleKind.LOGIN


def test_a_token_goes_by_xoauth2() -> None:
    with ScriptedPeer(imap_server({b"AUTHENTICATE XOAUTH2": _sasl(b"")})) as peer:
        open_and_close(scripted(peer, access_token=Secret("ya29.token")))
    assert base64.b64encode(b"user=alice@box.test\x01auth=Bearer ya29.token\x01\x01") in peer.heard


def test_the_reason_why_a_token_was_refused_is_told() -> None:
    reason = b'{"status":"400","scope":"https://mail.example/"}'
    with ScriptedPeer(imap_server({b"AUTHENTICATE XOAUTH2": _sasl(reason)})) as peer:
        trouble = trouble_with(scripted(peer, access_token=Secret("ya29.expired")))
    assert trouble.kind is TroubleKind.LOGIN
    assert "Invalid credentials" in trouble.text
    assert '"status":"400"' in trouble.text
    assert "ya29" not in trouble.text


def test_a_server_that_cannot_log_in_anybody_now_is_unavailable_and_the_password_not_wrong() -> None:
    with ScriptedPeer(imap_server({b"LOGIN": no(b"[UNAVAILABLE] Backend is down")})) as peer:
        trouble = trouble_with(scripted(peer))
    assert (trouble.kind, trouble.response_code) == (TroubleKind.UNAVAILABLE, "UNAVAILABLE")


def test_a_password_that_the_server_repeats_is_masked() -> None:
    with ScriptedPeer(imap_server({b"LOGIN": no(b"no user alice with password top-secret")})) as peer:
        trouble = trouble_with(scripted(peer))
    assert "********" in trouble.text
    assert "top-secret" not in trouble.text


def test_a_farewell_instead_of_a_greeting_is_no_fault_of_the_login() -> None:
    with ScriptedPeer(imap_server(greeting=b"* BYE Too many connections from you\r\n")) as peer:
        trouble = trouble_with(scripted(peer))
    assert trouble.kind is TroubleKind.UNAVAILABLE
    assert "Too many connections" in trouble.text


def test_a_folder_without_lasting_numbers_is_trouble_with_the_folder() -> None:
    with ScriptedPeer(imap_server({b"SELECT": b"* 0 EXISTS\r\n* OK [UIDNEXT 4] ok\r\n"})) as peer:
        trouble = trouble_with(scripted(peer))
    assert trouble.kind is TroubleKind.FOLDER
    assert "no lasting numbers" in trouble.text


def test_a_folder_that_may_only_be_read_is_read_and_a_test_says_what_cannot_be_done_there() -> None:
    answer = SELECTED + b"* OK [READ-ONLY] look, don't touch\r\n"
    with ScriptedPeer(imap_server({b"SELECT": answer, b"EXAMINE": answer})) as peer:
        session = ImapSession(scripted(peer))
        session.open()
        session.check(Acknowledgement(AfterFetch.NOTHING))
        with pytest.raises(MailboxTrouble, match="may only be read"):
            session.check(Acknowledgement(AfterFetch.MARK_SEEN))
        session.close()


def test_the_steps_of_entering_are_told() -> None:
    with ScriptedPeer(imap_server({b"LOGIN": no(b"[AUTHENTICATIONFAILED] wrong")})) as peer:
        session = ImapSession(scripted(peer))
        with pytest.raises(MailboxTrouble):
            session.open()
    assert [(one.step.value, one.is_ok) for one in session.steps()] == [("connect", True), ("login", False)]


def test_a_token_that_is_refused_is_replaced_once() -> None:
    """It may have been revoked before its time."""
    logins: list[bytes] = []

    def play(line: Line, tag: bytes, _: bytes) -> None:
        line.say(b"+ \r\n")
        logins.append(base64.b64decode(line.hear()))
        if b"Bearer old" in logins[-1]:
            line.say(tag + b" NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")
        else:
            line.say(tag + b" OK welcome\r\n")

    refused: list[str] = []

    def give(former: Secret) -> Secret:
        refused.append(former.reveal())
        return Secret("new" if former else "old")

    with ScriptedPeer(imap_server({b"AUTHENTICATE": play})) as peer:
        session = ImapSession(scripted(peer), tokens=give)
        session.open()
        session.close()
    assert refused == ["", "old"]
    assert [b"Bearer old" in one for one in logins] == [True, False]


def test_when_no_token_is_accepted_the_consent_is_at_fault() -> None:
    with ScriptedPeer(imap_server({b"AUTHENTICATE": _sasl(b"")})) as peer:  # what an accepted one looks like
        session = ImapSession(scripted(peer), tokens=lambda _: Secret("good"))
        session.open()
        session.close()
    with ScriptedPeer(imap_server({b"AUTHENTICATE": no(b"[AUTHENTICATIONFAILED] no")})) as peer:
        session = ImapSession(scripted(peer), tokens=lambda _: Secret("bad"))
        with pytest.raises(MailboxTrouble) as caught:
            session.open()
    assert caught.value.kind is TroubleKind.TOKEN


@pytest.mark.parametrize(("error", "kind"), [(ValueError, TroubleKind.TOKEN), (OSError, TroubleKind.UNAVAILABLE)])
def test_without_a_token_nobody_is_called(error: type[Exception], kind: TroubleKind) -> None:
    def give(_: Secret) -> Secret:
        raise error("the consent has ended or was withdrawn")

    with ScriptedPeer(imap_server()) as peer:
        session = ImapSession(scripted(peer), tokens=give)
        with pytest.raises(MailboxTrouble, match="consent has ended") as caught:
            session.open()
        assert peer.connections == 0
    assert caught.value.kind is kind


def _sasl(reason: bytes) -> Answer:
    """A server that asks for the initial answer, and then accepts, or says why not as a second challenge."""

    def play(line: Line, tag: bytes, _: bytes) -> None:
        line.say(b"+ \r\n")
        line.hear()
        if reason:
            line.say(b"+ " + base64.b64encode(reason) + b"\r\n")
            assert line.hear() == b""
            line.say(tag + b" NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n")
        else:
            line.say(tag + b" OK welcome\r\n")

    return play
