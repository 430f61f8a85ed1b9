"""Fetching from a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from postroom.adapters.pop3.client import Pop3Session, _read_uidls
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.secret import Secret
from tests.adapters.mailbox.boxes import SIZE_LIMIT, Box, mail, subject_of
from tests.laboratory.waiting import wait_until

BEGINNING = MailboxCursor()
DELETE = Acknowledgement.read("delete")


@pytest.fixture
def session(box: Box) -> Iterator[Pop3Session]:
    found = Pop3Session(box.endpoint(), poll_every=0.05)
    yield found
    found.close()


def read(session: Pop3Session, cursor: MailboxCursor, limit: int = 100) -> list[FetchedMail]:
    return list(session.fetch_new(cursor, limit, SIZE_LIMIT))


def subjects(mails: list[FetchedMail]) -> list[str]:
    return [subject_of(mail.raw) for mail in mails]


@pytest.mark.parametrize("encryption", list(Encryption))
def test_every_kind_of_encryption_opens_the_mailbox(
    box: Box, encryption: Encryption, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(box.server.ca_file))
    box.deliver("hello")
    session = Pop3Session(box.endpoint(encryption=encryption))
    assert subjects(read(session, BEGINNING)) == ["hello"]
    session.close()


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
def test_an_untrusted_certificate_is_refused_unless_it_is_allowed(box: Box, encryption: Encryption) -> None:
    with pytest.raises(MailboxTrouble, match="not trusted") as raised:
        Pop3Session(box.endpoint(encryption=encryption)).open()
    assert raised.value.kind is TroubleKind.TLS
    session = Pop3Session(box.endpoint(encryption=encryption, verify_certificate=False))
    session.open()
    session.close()


def test_a_wrong_password_is_trouble_with_the_login(box: Box) -> None:
    with pytest.raises(MailboxTrouble) as raised:
        Pop3Session(box.endpoint(password=Secret("wrong"))).open()
    assert (raised.value.kind, raised.value.response_code) == (TroubleKind.LOGIN, "AUTH")


def test_mails_come_oldest_first_and_byte_for_byte(box: Box, session: Pop3Session) -> None:
    box.deliver("one", "two")
    tricky = b".leading dot\r\n..two\r\n\r\n" + b"long " * 50_000 + b"\r\n.\xff\r\n"
    box.server.deliver(box.address, mail("three", tricky))
    mails = read(session, BEGINNING)
    assert [mail.raw for mail in mails] == box.mails()
    assert subjects(mails) == ["one", "two", "three"]
    assert all(mail.completeness is Completeness.WHOLE for mail in mails)
    assert tricky in mails[2].raw


def test_what_was_acknowledged_does_not_come_again_and_the_rest_does(box: Box, session: Pop3Session) -> None:
    box.deliver("one", "two", "three")
    one, _, three = read(session, BEGINNING)
    session.acknowledge([one.uid, three.uid], Acknowledgement.read("mark_seen"))
    cursor = session.cursor()
    assert cursor == MailboxCursor(seen_uidls=frozenset({str(one.uid), str(three.uid)}))
    assert subjects(read(session, cursor)) == ["two"]


def test_no_more_than_the_limit_is_fetched_at_once_and_the_rest_is_news(box: Box, session: Pop3Session) -> None:
    box.deliver("one", "two", "three")
    mails = read(session, BEGINNING, limit=2)
    assert subjects(mails) == ["one", "two"]
    session.acknowledge([mail.uid for mail in mails], DELETE)
    assert session.wait_for_new(60)
    assert subjects(read(session, session.cursor(), limit=2)) == ["three"]


def test_deletions_happen_when_the_session_ends_and_not_before(box: Box, session: Pop3Session) -> None:
    box.deliver("one", "two", "three")
    one, two, _ = read(session, BEGINNING)
    session.acknowledge([one.uid, two.uid], DELETE)
    assert len(box.mails()) == 3
    assert session.cursor() == BEGINNING
    session.close()
    assert [subject_of(raw) for raw in box.mails()] == ["three"]


def test_a_deletion_that_was_lost_with_the_connection_is_made_up_for(own_box: Box) -> None:
    own_box.deliver("one")
    session = Pop3Session(own_box.endpoint())
    (one,) = read(session, BEGINNING)
    session.acknowledge([one.uid], DELETE)
    own_box.server.crash()
    session.close()
    own_box.server.start()
    (again,) = read(session, session.cursor())
    assert again.uid == one.uid
    session.acknowledge([again.uid], DELETE)
    session.close()
    assert own_box.mails() == []


def test_the_cursor_forgets_what_is_gone_from_the_server(box: Box, session: Pop3Session) -> None:
    box.deliver("one")
    gone = MailboxCursor(seen_uidls=frozenset({"gone"}))
    assert subjects(read(session, gone)) == ["one"]
    assert session.cursor() == BEGINNING


def test_the_end_cursor_leaves_old_mail_alone(box: Box, session: Pop3Session) -> None:
    box.deliver("old")
    end = session.end()
    assert read(session, end) == []
    box.deliver("new")
    assert session.wait_for_new(60)
    assert subjects(read(session, end)) == ["new"]


def test_a_mail_above_the_limit_comes_as_its_header_and_is_never_deleted(box: Box, session: Pop3Session) -> None:
    box.server.deliver(box.address, mail("huge", b"x" * 5000 + b"\r\n"))
    box.deliver("small")
    huge, small = session.fetch_new(BEGINNING, 100, 2000)
    assert huge.completeness is Completeness.HEADER_ONLY
    assert huge.size > 5000
    assert huge.raw.endswith(b"\r\n\r\n")
    session.acknowledge([huge.uid, small.uid], DELETE)
    assert session.cursor().seen_uidls == {huge.uid}
    session.close()
    assert [subject_of(raw) for raw in box.mails()] == ["huge"]


def test_mail_cannot_be_moved(box: Box, session: Pop3Session) -> None:
    box.deliver("one")
    (one,) = read(session, BEGINNING)
    with pytest.raises(MailboxTrouble, match="no folders") as raised:
        session.acknowledge([one.uid], Acknowledgement.read("move:Done"))
    assert raised.value.kind is TroubleKind.FOLDER
    assert session.cursor() == BEGINNING


def test_new_mail_ends_the_wait_at_the_next_look(box: Box, session: Pop3Session) -> None:
    assert read(session, BEGINNING) == []
    found: list[bool] = []
    waiting = threading.Thread(target=lambda: found.append(session.wait_for_new(600)))
    waiting.start()
    box.deliver("news")
    waiting.join(90)
    assert found == [True]
    assert subjects(read(session, session.cursor())) == ["news"]


def test_a_wait_ends_by_time_and_by_interruption(box: Box) -> None:
    session = Pop3Session(box.endpoint(), poll_every=300)
    assert not session.wait_for_new(0.01)
    session.interrupt()
    assert not session.wait_for_new(60)
    waiting = threading.Thread(target=session.wait_for_new, args=(600,))
    waiting.start()
    wait_until(lambda: box.server.log().count(f"pop3({box.address})") >= 1, "the session has left to wait")
    session.interrupt()
    waiting.join(90)
    assert not waiting.is_alive()
    session.close()


def test_many_mails_come_at_the_speed_that_is_printed(box: Box, session: Pop3Session) -> None:
    for number in range(200):
        box.server.deliver(box.address, mail(f"{number}", b"x" * 76 + b"\r\n" + b"y" * 4000 + b"\r\n"))
    wait_until(lambda: len(box.server.flags(box.address)) == 200, "all are delivered")
    start = time.perf_counter()
    assert len(read(session, BEGINNING, limit=1000)) == 200
    print(f"POP3: {200 / (time.perf_counter() - start):.0f} mails of 4 KB a second")


def test_a_server_that_gives_one_uidl_to_all_mails_is_listed_in_one_pass() -> None:
    lines = [b"%d same" % number for number in range(1, 200_001)]
    found = _read_uidls([*lines, b"200001 same#2", b"200002 same#2"])
    assert list(found.items())[:3] == [("same", 1), ("same#2", 2), ("same#3", 3)]
    assert sorted(found.values()) == list(range(1, 200_003)), "each has a name of its own"
