"""Servers that lie, cut, refuse, or lack what others have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.adapters.imap.client import ImapSession
from postroom.adapters.imap.fetching import PIECE, in_groups
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxProtocol,
    MailboxTrouble,
    TroubleKind,
)
from tests.adapters.imap.scripted_imap import SELECTED, Answer, imap_server, no, piece, sizes
from tests.adapters.mailbox.boxes import SIZE_LIMIT, endpoint_to
from tests.laboratory.scripted import Line, ScriptedPeer

RAW = b"Subject: x\r\n\r\nHello.\r\n"
THREE_SMALL = sizes(u1=10, u2=10, u3=10)


def fetch_from(
    answers: Mapping[bytes, Answer], *, max_bytes: int = SIZE_LIMIT, timeout: float = 60, **server: Any
) -> tuple[list[FetchedMail], MailboxCursor, list[bytes]]:
    """All mails of such a server (the refused ones are not acknowledged), the cursor, and what it heard."""
    with ScriptedPeer(imap_server(answers, **server)) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=timeout))
        try:
            mails = list(session.fetch_new(MailboxCursor(), 100, max_bytes))
            whole = [mail.uid for mail in mails if mail.completeness is not Completeness.REFUSED]
            session.acknowledge(whole, Acknowledgement.read("nothing"))
        finally:
            session.close()
        return mails, session.cursor(), peer.heard


def trouble_of(answers: Mapping[bytes, Answer], **server: Any) -> MailboxTrouble:
    with pytest.raises(MailboxTrouble) as raised:
        fetch_from(answers, **server)
    return raised.value


def by_uid(contents: dict[int, Answer]) -> Answer:
    """Answers FETCH by the UIDs that it names; a refusal for one of several refuses all."""

    def play(line: Line, tag: bytes, command: bytes) -> None:
        found = re.match(rb"UID FETCH ([\d,]+) ", command)
        assert found is not None
        uids = [int(uid) for uid in found[1].split(b",")]
        answers = [contents[uid] for uid in uids if uid in contents]
        if refusals := [answer for answer in answers if not isinstance(answer, bytes)]:
            refusals[0](line, tag, command)
        else:
            line.say(*(answer for answer in answers if isinstance(answer, bytes)), tag + b" OK done\r\n")

    return play


def test_a_connection_that_dies_in_the_middle_of_a_mail_is_told() -> None:
    def cut(line: Line, *_: bytes) -> None:
        line.say(b"* 1 FETCH (UID 1 BODY[]<0> {500}\r\nSubject: half of it")
        line.hang_up()

    trouble = trouble_of({b"UID FETCH 1,2,3 (RFC822": THREE_SMALL, b"UID FETCH": cut})
    assert trouble.kind is TroubleKind.CONNECT


@pytest.mark.slow
def test_a_mail_of_which_half_comes_and_then_silence_is_given_up() -> None:
    def fall_silent(line: Line, *_: bytes) -> None:
        line.say(b"* 1 FETCH (UID 1 BODY[]<0> {500}\r\nSubject: half of it")
        line.hear_nothing_more()

    trouble = trouble_of({b"UID FETCH 1,2,3 (RFC822": THREE_SMALL, b"UID FETCH": fall_silent}, timeout=0.5)
    assert trouble.kind is TroubleKind.TIMEOUT


@pytest.mark.parametrize("announced", [b"{99999999999999}", b"{" + b"9" * 5000 + b"}", b"{-5}"])
def test_a_literal_that_is_a_lie_costs_nothing(announced: bytes) -> None:
    answers: dict[bytes, Answer] = {
        b"UID FETCH 1,2,3 (RFC822": THREE_SMALL,
        b"UID FETCH": b"* 1 FETCH (UID 1 BODY[]<0> " + announced + b"\r\n" + RAW + b")\r\n",
    }
    assert trouble_of(answers).kind is TroubleKind.PROTOCOL


def test_a_mail_that_is_larger_than_the_server_said_is_fetched_to_its_end() -> None:
    whole = bytes(range(256)) * (PIECE // 256) * 2 + b"the end"

    def pieces(line: Line, tag: bytes, command: bytes) -> None:
        found = re.search(rb"<(\d+)\.(\d+)>", command)
        assert found is not None
        start, count = int(found[1]), int(found[2])
        line.say(piece(1, whole[start : start + count], start), tag + b" OK done\r\n")

    answers: dict[bytes, Answer] = {
        b"UID SEARCH": b"* SEARCH 1\r\n",
        b"UID FETCH 1 (RFC822": sizes(u1=5),
        b"UID FETCH 1 (BODY": pieces,
    }
    (mail,), _, _ = fetch_from(answers)
    assert mail.raw == whole
    assert mail.size == 5


def test_a_mail_that_never_ends_comes_as_its_header() -> None:
    def endless(line: Line, tag: bytes, command: bytes) -> None:
        line.say(piece(1, b"x" * PIECE), tag + b" OK done\r\n")

    answers: dict[bytes, Answer] = {
        b"UID SEARCH": b"* SEARCH 1\r\n",
        b"UID FETCH 1 (RFC822": sizes(u1=5),
        b"UID FETCH 1 (BODY": endless,
        b"UID FETCH 1 (BODY.PEEK[HEADER]": piece(1, b"Subject: x\r\n\r\n").replace(b"[]", b"[HEADER]"),
    }
    (mail,), cursor, _ = fetch_from(answers, max_bytes=3 * PIECE)
    assert mail.completeness is Completeness.HEADER_ONLY
    assert mail.raw == b"Subject: x\r\n\r\n"
    assert cursor.last_uid == 1


def test_a_server_that_ignores_the_bounds_of_a_piece_is_not_believed_without_end() -> None:
    answers: dict[bytes, Answer] = {
        b"UID SEARCH": b"* SEARCH 1\r\n",
        b"UID FETCH 1 (RFC822": sizes(u1=5),
        b"UID FETCH 1 (BODY": piece(1, b"x" * (PIECE * 2)),
    }
    assert trouble_of(answers).kind is TroubleKind.PROTOCOL


def test_a_server_that_names_no_offset_is_understood() -> None:
    answers: dict[bytes, Answer] = {
        b"UID SEARCH": b"* SEARCH 1\r\n",
        b"UID FETCH 1 (RFC822": sizes(u1=5),
        b"UID FETCH 1 (BODY": piece(1, RAW).replace(b"<0>", b""),
    }
    (mail,), _, _ = fetch_from(answers)
    assert mail.raw == RAW


def test_a_mail_that_is_refused_keeps_no_other_from_coming_and_is_not_passed() -> None:
    contents: dict[int, Answer] = {1: piece(1, RAW), 2: no(b"internal error in message 2"), 3: piece(3, RAW)}
    answers = {b"UID FETCH 1,2,3 (RFC822": THREE_SMALL, b"UID FETCH": by_uid(contents)}
    mails, cursor, _ = fetch_from(answers)
    assert [mail.completeness for mail in mails] == [
        Completeness.WHOLE,
        Completeness.REFUSED,
        Completeness.WHOLE,
    ]
    assert "internal error in message 2" in mails[1].defect
    assert cursor == MailboxCursor(uidvalidity=7, last_uid=3, open_uids=frozenset({2}))


def test_a_server_that_can_hand_out_nothing_now_is_unavailable() -> None:
    contents: dict[int, Answer] = {
        1: piece(1, RAW),
        2: no(b"[UNAVAILABLE] storage is away"),
        3: piece(3, RAW),
    }
    trouble = trouble_of({b"UID FETCH 1,2,3 (RFC822": THREE_SMALL, b"UID FETCH": by_uid(contents)})
    assert trouble.kind is TroubleKind.UNAVAILABLE


def test_a_mail_without_content_is_refused_and_one_that_is_gone_is_left_out() -> None:
    contents: dict[int, Answer] = {
        1: b"* 1 FETCH (UID 1 BODY[]<0> NIL)\r\n",
        2: b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n",
    }
    answers = {b"UID FETCH 1,2,3 (RFC822": THREE_SMALL, b"UID FETCH": by_uid(contents)}
    mails, cursor, _ = fetch_from(answers)
    assert [(mail.uid, mail.completeness) for mail in mails] == [
        (1, Completeness.REFUSED),
        (2, Completeness.REFUSED),
    ]
    assert cursor.last_uid == 0


def test_a_mail_that_vanishes_between_two_pieces_is_not_taken_for_whole() -> None:
    def pieces(line: Line, tag: bytes, command: bytes) -> None:
        line.say(piece(1, b"x" * PIECE) if b"<0." in command else b"", tag + b" OK done\r\n")

    answers: dict[bytes, Answer] = {
        b"UID SEARCH": b"* SEARCH 1\r\n",
        b"UID FETCH 1 (RFC822": sizes(u1=PIECE * 2),
        b"UID FETCH 1 (BODY": pieces,
    }
    (mail,), _, _ = fetch_from(answers)
    assert mail.completeness is Completeness.REFUSED


def test_answers_about_other_mails_are_not_mistaken_for_ours() -> None:
    noise = b"* 1 FETCH (FLAGS (\\Seen))\r\n* 9 FETCH (UID 99 BODY[]<0> {3}\r\nbad)\r\n* 4 EXISTS\r\n"
    answers: dict[bytes, Answer] = {
        b"UID SEARCH": b"* SEARCH 1\r\n",
        b"UID FETCH 1 (RFC822": noise + sizes(u1=5),
        b"UID FETCH 1 (BODY": noise + piece(1, RAW),
    }
    mails, _, _ = fetch_from(answers)
    assert [(mail.uid, mail.raw) for mail in mails] == [(1, RAW)]


def test_a_mailbox_with_few_mails_among_millions_of_numbers_is_searched_in_few_steps() -> None:
    lying_there = [3, 700_000, 1_999_999, 2_000_000]

    def search(line: Line, tag: bytes, command: bytes) -> None:
        found = re.fullmatch(rb"UID SEARCH UID (\d+):(\d+|\*)", command)
        assert found is not None
        low, high = int(found[1]), 10**10 if found[2] == b"*" else int(found[2])
        uids = [uid for uid in lying_there if low <= uid <= high] or [lying_there[-1]] * (found[2] == b"*")
        line.say(b"* SEARCH " + b" ".join(b"%d" % uid for uid in uids) + b"\r\n", tag + b" OK done\r\n")

    def fetch(line: Line, tag: bytes, command: bytes) -> None:
        for uid in lying_there:
            line.say(b"* 1 FETCH (UID %d RFC822.SIZE 20 BODY[]<0> {1}\r\nx)\r\n" % uid)
        line.say(tag + b" OK done\r\n")

    answers: dict[bytes, Answer] = {
        b"SELECT": SELECTED.replace(b"UIDNEXT 4", b"UIDNEXT 2000000"),
        b"UID SEARCH": search,
        b"UID FETCH": fetch,
    }
    mails, cursor, heard = fetch_from(answers)
    assert [mail.uid for mail in mails] == lying_there
    assert cursor.last_uid == 2_000_000
    assert sum(b"SEARCH" in line for line in heard) < 20


def test_without_move_mails_are_copied_and_then_deleted_and_a_missing_folder_is_made() -> None:
    copies = iter([no(b"[TRYCREATE] no such folder"), b"", b""])

    def copy(line: Line, tag: bytes, command: bytes) -> None:
        answer = next(copies)
        if callable(answer):
            answer(line, tag, command)
        else:
            line.say(tag + b" OK done\r\n")

    heard = _acknowledged("move:Done", {b"UID COPY": copy}, capabilities=b"IMAP4rev1 UIDPLUS")
    assert heard == [
        b"NOOP",
        b'UID COPY 1 "Done"',
        b'CREATE "Done"',
        b'UID COPY 1 "Done"',
        b"UID STORE 1 +FLAGS.SILENT (\\Deleted)",
        b"UID EXPUNGE 1",
    ]


def test_a_mail_that_vanishes_while_it_is_moved_is_noticed_and_the_move_repeated() -> None:
    moves = iter([no(b"[EXPUNGEISSUED] some are gone"), b""])

    def move(line: Line, tag: bytes, command: bytes) -> None:
        answer = next(moves)
        if callable(answer):
            answer(line, tag, command)
        else:
            line.say(tag + b" OK done\r\n")

    heard = _acknowledged("move:Done", {b"UID MOVE": move})
    assert heard == [b"NOOP", b'UID MOVE 1 "Done"', b"NOOP", b'UID MOVE 1 "Done"']


@pytest.mark.parametrize(
    ("deleted", "last"),
    [(b"* SEARCH 1\r\n", b"EXPUNGE"), (b"* SEARCH 1 2\r\n", b"UID SEARCH DELETED")],
)
def test_without_uidplus_nobody_elses_deleted_mail_is_expunged(deleted: bytes, last: bytes) -> None:
    heard = _acknowledged("delete", {b"UID SEARCH DELETED": deleted}, capabilities=b"IMAP4rev1")
    assert heard[0] == b"UID STORE 1 +FLAGS.SILENT (\\Deleted)"
    assert heard[-1] == last


def test_a_target_folder_that_cannot_be_made_is_trouble_with_the_folder_and_nothing_is_passed() -> None:
    answers: dict[bytes, Answer] = {b"UID MOVE": no(b"[TRYCREATE] no"), b"CREATE": no(b"[NOPERM] not here")}
    with pytest.raises(MailboxTrouble, match="NOPERM") as raised:
        _acknowledged("move:Done", answers)
    assert raised.value.kind is TroubleKind.FOLDER


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [
                    b"* SEARCH 1 2\r\n",
                    b"* 1 FETCH (UID 1 RFC822.SIZE 5",
                    b"* 1 FETCH (UID 1 BODY[]<0> {3}\r\nabc",
                    b'* 1 FETCH (UID 1 BODY[]<0> "',
                    b")\r\n",
                    b"* 1 FETCH " + b"(" * 2000,
                    b"* BYE\r\n",
                    b"+ \r\n",
                    b"* OK [UIDVALIDITY x] y\r\n",
                    b"TAG OK\r\n",
                    b"TAG BAD\r\n",
                    b"\r\n",
                ]
            ),
        ),
        max_size=8,
    )
)
@pytest.mark.slow
def test_whatever_a_server_says_is_a_mail_or_trouble(words: list[bytes]) -> None:
    def babble(line: Line, tag: bytes, _: bytes) -> None:
        line.say(b"".join(words).replace(b"TAG", tag), b"\r\n", tag + b" OK done\r\n")

    with ScriptedPeer(imap_server({b"UID": babble})) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=0.2))
        try:
            for mail in session.fetch_new(MailboxCursor(), 10, 1000):
                assert isinstance(mail, FetchedMail)
        except MailboxTrouble as trouble:
            assert trouble.text.isprintable()  # noqa: PT017 - mails are as welcome as trouble
        finally:
            session.close()


def test_groups_hold_small_mails_together_and_large_ones_alone() -> None:
    claimed = {1: 10, 2: 10, 3: PIECE + 1, 4: 10, 5: 0, 6: 600, 7: 10}
    assert list(in_groups(claimed, 500)) == [{1: 10, 2: 10}, {3: PIECE + 1}, {4: 10, 5: 0}, {6: 600}, {7: 10}]
    assert [len(group) for group in in_groups(dict.fromkeys(range(120), 1), 500)] == [50, 50, 20]
    assert [len(group) for group in in_groups(dict.fromkeys(range(40), PIECE), PIECE)] == [16, 16, 8]
    assert list(in_groups({}, 500)) == []


def _acknowledged(
    how: str, answers: Mapping[bytes, Answer], capabilities: bytes = b"IMAP4rev1 MOVE UIDPLUS"
) -> list[bytes]:
    """Which commands the acknowledgement of mail 1 was made of."""
    fixed: dict[bytes, Answer] = {
        b"UID SEARCH": b"* SEARCH 1\r\n",
        b"UID FETCH 1 (RFC822": sizes(u1=5),
        b"UID FETCH 1 (BODY": piece(1, RAW),
    }
    with ScriptedPeer(imap_server({**fixed, **answers}, capabilities=capabilities)) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60))
        (mail,) = session.fetch_new(MailboxCursor(), 10, SIZE_LIMIT)
        before = len(peer.heard)
        try:
            session.acknowledge([mail.uid], Acknowledgement.read(how))
            assert session.cursor().last_uid == 1
        except MailboxTrouble:
            assert session.cursor().last_uid == 0
            raise
        said = [line.partition(b" ")[2] for line in peer.heard[before:]]
        session.close()
    return said
