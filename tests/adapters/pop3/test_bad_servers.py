"""Servers that lie, cut, refuse, or lack what others have."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.adapters.pop3.client import Pop3Session
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxProtocol,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.secret import Secret
from tests.adapters.mailbox.boxes import SIZE_LIMIT, endpoint_to
from tests.adapters.pop3.scripted_pop3 import RAW, Answer, content, listing, pop3_server
from tests.laboratory.scripted import Line, ScriptedPeer

DELETE = Acknowledgement.read("delete")


def fetch_from(
    answers: Mapping[bytes, Answer], *, max_bytes: int = SIZE_LIMIT, **changes: Any
) -> tuple[list[FetchedMail], MailboxCursor, list[bytes]]:
    """All mails of such a server (of which the whole ones are deleted), the cursor, and what it heard."""
    with ScriptedPeer(pop3_server(answers)) as peer:
        session = Pop3Session(endpoint_to(peer.port, MailboxProtocol.POP3, timeout=60, **changes))
        try:
            mails = list(session.fetch_new(MailboxCursor(), 100, max_bytes))
            whole = [mail.uid for mail in mails if mail.completeness is Completeness.WHOLE]
            session.acknowledge(whole, DELETE)
        finally:
            session.close()
        return mails, session.cursor(), peer.heard


def trouble_of(answers: Mapping[bytes, Answer], **changes: Any) -> tuple[MailboxTrouble, list[bytes]]:
    with ScriptedPeer(pop3_server(answers)) as peer:
        session = Pop3Session(endpoint_to(peer.port, MailboxProtocol.POP3, **changes))
        with pytest.raises(MailboxTrouble) as raised:
            list(session.fetch_new(MailboxCursor(), 100, SIZE_LIMIT))
        session.close()
    return raised.value, peer.heard


def test_an_obedient_server_is_read_and_told_to_delete() -> None:
    mails, cursor, heard = fetch_from({})
    assert [(mail.uid, mail.raw) for mail in mails] == [("a", RAW), ("b", RAW), ("c", RAW)]
    assert heard[-4:] == [b"DELE 1", b"DELE 2", b"DELE 3", b"QUIT"]
    assert cursor == MailboxCursor()


def test_a_connection_that_dies_in_the_middle_of_a_mail_is_told() -> None:
    def cut(line: Line, _: bytes) -> None:
        line.say(b"+OK\r\nSubject: half of it\r\n\r\nhal")
        line.hang_up()

    trouble, _ = trouble_of({b"RETR 2": cut})
    assert trouble.kind is TroubleKind.CONNECT


def test_a_mail_of_which_half_comes_and_then_silence_is_given_up() -> None:
    def fall_silent(line: Line, _: bytes) -> None:
        line.say(b"+OK\r\nSubject: half of it\r\n")
        line.hear_nothing_more()

    trouble, _ = trouble_of({b"RETR": fall_silent}, timeout=0.5)
    assert trouble.kind is TroubleKind.TIMEOUT


def test_a_mail_larger_than_announced_is_read_to_its_end_and_comes_as_its_header() -> None:
    answers = {
        b"RETR 2": content(b"x" * 70 + b"\r\n" + b"y" * 3000 + b"\r\n"),
        b"TOP 2 0": content(b"Subject: y\r\n\r\n"),
    }
    mails, cursor, heard = fetch_from(answers, max_bytes=1000)
    assert [mail.completeness for mail in mails] == [
        Completeness.WHOLE,
        Completeness.HEADER_ONLY,
        Completeness.WHOLE,
    ]
    assert mails[1].raw == b"Subject: y\r\n\r\n"
    assert b"DELE 2" not in heard
    assert cursor == MailboxCursor()


def test_a_mail_without_end_is_given_up() -> None:
    def endless(line: Line, _: bytes) -> None:
        line.say(b"+OK\r\n")
        while True:
            line.say(b"blah blah\r\n" * 5000)

    with pytest.raises(MailboxTrouble) as raised:
        fetch_from({b"RETR 2": endless}, max_bytes=100_000)
    assert raised.value.kind is TroubleKind.PROTOCOL


def test_a_mail_whose_header_cannot_be_had_alone_is_still_named() -> None:
    large = listing(b"1 20", b"2 99999999", b"3 20")
    mails, _, _ = fetch_from({b"LIST": large, b"TOP": b"-ERR unknown command\r\n"})
    assert [(mail.completeness, mail.raw) for mail in mails][1] == (Completeness.HEADER_ONLY, b"")
    assert mails[1].size == 99_999_999


def test_a_mail_that_is_refused_keeps_no_other_from_coming_and_is_not_passed() -> None:
    mails, cursor, heard = fetch_from({b"RETR 2": b"-ERR cannot open message file\r\n"})
    assert [mail.completeness for mail in mails] == [
        Completeness.WHOLE,
        Completeness.REFUSED,
        Completeness.WHOLE,
    ]
    assert "cannot open message file" in mails[1].defect
    assert b"DELE 2" not in heard
    assert cursor == MailboxCursor()


def test_a_server_that_can_hand_out_nothing_now_is_unavailable() -> None:
    trouble, _ = trouble_of({b"RETR 2": b"-ERR [SYS/TEMP] storage is away\r\n"})
    assert (trouble.kind, trouble.response_code) == (TroubleKind.UNAVAILABLE, "SYS/TEMP")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"-ERR [AUTH] no\r\n", TroubleKind.LOGIN),
        (b"-ERR [IN-USE] another session\r\n", TroubleKind.UNAVAILABLE),
        (b"-ERR [LOGIN-DELAY] wait five minutes\r\n", TroubleKind.UNAVAILABLE),
        (b"-ERR mailbox locked\r\n", TroubleKind.UNAVAILABLE),
        (b"what?\r\n", TroubleKind.LOGIN),
    ],
)
def test_a_refused_login_is_told_from_one_that_cannot_be_now(answer: bytes, kind: TroubleKind) -> None:
    trouble, _ = trouble_of({b"PASS": answer})
    assert trouble.kind is kind


def test_a_password_that_the_server_repeats_is_masked() -> None:
    trouble, _ = trouble_of({b"PASS": b"-ERR no user with password top-secret\r\n"})
    assert "top-secret" not in trouble.text


def test_a_password_with_a_line_break_is_no_command() -> None:
    trouble, heard = trouble_of({}, password=Secret("x\r\nDELE 1"))
    assert trouble.kind is TroubleKind.LOGIN
    assert not any(line.startswith((b"PASS", b"DELE")) for line in heard)


def test_other_letters_than_ascii_are_utf_8() -> None:
    _, _, heard = fetch_from({}, password=Secret("pässwörd"))
    assert "PASS pässwörd".encode() in heard


def test_stls_that_is_refused_is_not_done_without() -> None:
    trouble, heard = trouble_of({b"STLS": b"-ERR unknown command\r\n"}, encryption=Encryption.STARTTLS)
    assert trouble.kind is TroubleKind.TLS
    assert heard == [b"STLS"]


def test_words_smuggled_in_before_the_encryption_end_the_session() -> None:
    trouble, heard = trouble_of(
        {b"STLS": b"+OK go\r\n+OK welcome\r\n"}, encryption=Encryption.STARTTLS, verify_certificate=False
    )
    assert trouble.kind is TroubleKind.TLS
    assert "smuggled" in trouble.text
    assert not any(line.startswith(b"USER") for line in heard)


def test_a_token_goes_by_xoauth2_in_two_steps() -> None:
    _, _, heard = fetch_from({b"AUTH": b"+ \r\n"}, access_token=Secret("ya29.token"))
    blob = base64.b64encode(b"user=alice@box.test\x01auth=Bearer ya29.token\x01\x01")
    assert heard[:2] == [b"AUTH XOAUTH2", blob]


def test_the_reason_why_a_token_was_refused_is_told() -> None:
    def refuse(line: Line, _: bytes) -> None:
        line.say(b"+ \r\n")
        line.hear()
        line.say(b"+ " + base64.b64encode(b'{"status":"400"}') + b"\r\n")
        assert line.hear() == b""
        line.say(b"-ERR [AUTH] Authentication failed\r\n")

    trouble, _ = trouble_of({b"AUTH": refuse}, access_token=Secret("ya29.expired"))
    assert (trouble.kind, trouble.response_code) == (TroubleKind.LOGIN, "AUTH")
    assert '{"status":"400"}' in trouble.text


def test_without_uidl_mails_are_told_apart_by_their_headers() -> None:
    def header(line: Line, command: bytes) -> None:
        number = command.split()[1]
        line.say(content(b"Subject: mail " + number + b"\r\n\r\n"))

    answers: dict[bytes, Answer] = {b"UIDL": b"-ERR unknown command\r\n", b"TOP": header}
    mails, _, _ = fetch_from(answers)
    names = [str(mail.uid) for mail in mails]
    assert len(set(names)) == 3
    assert all(name.startswith("own-") for name in names)
    again, _, _ = fetch_from(answers)
    assert [str(mail.uid) for mail in again] == names


def test_without_uidl_and_top_a_server_cannot_be_read() -> None:
    trouble, _ = trouble_of({b"UIDL": b"-ERR unknown command\r\n", b"TOP": b"-ERR unknown command\r\n"})
    assert trouble.kind is TroubleKind.PROTOCOL
    assert "UIDL" in trouble.text


def test_mails_that_share_a_uidl_are_all_fetched() -> None:
    mails, _, _ = fetch_from({b"UIDL": listing(b"1 same", b"2 same", b"3 same")})
    assert [mail.uid for mail in mails] == ["same", "same#2", "same#3"]


@pytest.mark.parametrize("rows", [b"x y", b"1", b"", b"1 20 20 20\r\nx"])
@pytest.mark.parametrize("command", [b"UIDL", b"LIST"])
def test_a_listing_that_is_none_is_unintelligible(command: bytes, rows: bytes) -> None:
    trouble, _ = trouble_of({command: listing(rows)})
    assert trouble.kind is TroubleKind.PROTOCOL


def test_lines_end_as_the_server_likes() -> None:
    def bare(line: Line, _: bytes) -> None:
        line.say(b"+OK\nSubject: x\n\n..dot\n.\n")

    mails, _, _ = fetch_from({b"RETR": bare, b"LIST": b"+OK\n1 20\n2 20\n3 20\n.\n"})
    assert {mail.raw for mail in mails} == {b"Subject: x\n\n.dot\n"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from([b"UIDL", b"LIST", b"RETR", b"TOP"]),
        st.lists(
            st.one_of(
                st.binary(max_size=40),
                st.sampled_from([b"+OK\r\n", b"1 a\r\n", b"2 20\r\n", b".\r\n", b"..\r\n", b"-ERR\r\n", b"\r\n"]),
            ),
            max_size=6,
        ).map(b"".join),
        min_size=1,
    )
)
@pytest.mark.slow
def test_whatever_a_server_says_is_a_mail_or_trouble(words: dict[bytes, bytes]) -> None:
    def babbling(said: bytes) -> Answer:
        def babble(line: Line, _: bytes) -> None:
            line.say(said)
            line.hang_up()

        return babble

    answers = {command: babbling(said) for command, said in words.items()}
    with ScriptedPeer(pop3_server(answers)) as peer:
        session = Pop3Session(endpoint_to(peer.port, MailboxProtocol.POP3, timeout=0.5))
        try:
            for mail in session.fetch_new(MailboxCursor(), 10, 10):
                assert isinstance(mail, FetchedMail)
        except MailboxTrouble as trouble:
            assert trouble.text.isprintable()  # noqa: PT017 - mails are as welcome as trouble
        finally:
            session.close()
