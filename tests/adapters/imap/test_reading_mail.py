"""Fetching from a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from postroom.adapters.imap.client import ImapSession
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxTrouble,
    TroubleKind,
)
from tests.adapters.imap.scripted_imap import be_impatient
from tests.adapters.mailbox.boxes import SIZE_LIMIT, Box, mail, subject_of
from tests.laboratory.waiting import wait_until

NOTHING = Acknowledgement.read("nothing")
BEGINNING = MailboxCursor()


@pytest.fixture
def session(box: Box) -> Iterator[ImapSession]:
    found = ImapSession(box.endpoint())
    yield found
    found.close()


def read(session: ImapSession, cursor: MailboxCursor, limit: int = 100) -> list[FetchedMail]:
    return list(session.fetch_new(cursor, limit, SIZE_LIMIT))


def subjects(mails: list[FetchedMail]) -> list[str]:
    return [subject_of(mail.raw) for mail in mails]


def test_mails_come_oldest_first_byte_for_byte_and_unmarked(box: Box, session: ImapSession) -> None:
    box.deliver("one", "two", "three")
    mails = read(session, BEGINNING)
    assert [mail.raw for mail in mails] == box.mails()
    assert subjects(mails) == ["one", "two", "three"]
    assert all(mail.size == len(mail.raw) and mail.completeness is Completeness.WHOLE for mail in mails)
    assert box.server.flags(box.address) == [frozenset()] * 3


def test_the_cursor_moves_with_what_is_acknowledged_and_goes_on_from_there(box: Box, session: ImapSession) -> None:
    box.deliver("one", "two", "three")
    mails = session.fetch_new(BEGINNING, 100, SIZE_LIMIT)
    first = next(mails)
    assert session.cursor().last_uid == 0
    session.acknowledge([first.uid], NOTHING)
    cursor = session.cursor()
    assert cursor.last_uid == first.uid
    assert subjects(read(session, cursor)) == ["two", "three"]


def test_a_mail_that_was_not_acknowledged_comes_again_and_the_others_do_not(box: Box, session: ImapSession) -> None:
    box.deliver("one", "two", "three")
    one, _, three = read(session, BEGINNING)
    session.acknowledge([one.uid, three.uid], NOTHING)
    assert subjects(read(session, session.cursor())) == ["two"]


def test_no_more_than_the_limit_is_fetched_at_once(box: Box, session: ImapSession) -> None:
    box.deliver("one", "two", "three")
    mails = read(session, BEGINNING, limit=2)
    assert subjects(mails) == ["one", "two"]
    session.acknowledge([mail.uid for mail in mails], NOTHING)
    assert session.wait_for_new(60)
    assert subjects(read(session, session.cursor(), limit=2)) == ["three"]


def test_the_end_cursor_leaves_old_mail_alone(box: Box, session: ImapSession) -> None:
    assert session.end().last_uid == 0
    box.deliver("old")
    end = session.end()
    assert read(session, end) == []
    box.deliver("new")
    assert subjects(read(session, end)) == ["new"]


def test_mail_that_arrives_during_the_session_is_found_by_the_next_fetch(box: Box, session: ImapSession) -> None:
    assert read(session, BEGINNING) == []
    box.deliver("late")
    assert subjects(read(session, session.cursor())) == ["late"]


def test_a_folder_that_was_made_anew_is_read_from_its_beginning(box: Box) -> None:
    box.server.append(box.address, mail("before"), folder="Leads")
    session = ImapSession(box.endpoint(folder="Leads"))
    (before,) = read(session, BEGINNING)
    session.acknowledge([before.uid], NOTHING)
    cursor = session.cursor()
    session.close()

    box.server.recreate(box.address, "Leads")
    box.server.append(box.address, mail("after"), folder="Leads")
    (after,) = read(session, cursor)
    assert (subject_of(after.raw), after.uid) == ("after", before.uid)
    session.acknowledge([after.uid], NOTHING)
    assert session.cursor().uidvalidity != cursor.uidvalidity
    session.close()


def test_a_mail_of_a_folder_that_was_made_anew_is_not_touched_by_an_old_acknowledgement(box: Box) -> None:
    box.server.append(box.address, mail("before"), folder="Leads")
    session = ImapSession(box.endpoint(folder="Leads"))
    (before,) = read(session, BEGINNING)
    session.close()
    box.server.recreate(box.address, "Leads")
    box.server.append(box.address, mail("after"), folder="Leads")
    with pytest.raises(MailboxTrouble, match="made anew") as raised:
        session.acknowledge([before.uid], Acknowledgement.read("delete"))
    assert raised.value.kind is TroubleKind.FOLDER
    assert [subject_of(raw) for raw in box.mails("Leads")] == ["after"]
    session.close()


def test_folders_have_names_in_every_script(box: Box) -> None:
    box.server.append(box.address, mail("hello"), folder="日本語/Anfragen & Angebote")
    session = ImapSession(box.endpoint(folder="日本語/Anfragen & Angebote"))
    assert subjects(read(session, BEGINNING)) == ["hello"]
    session.close()


@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.TLS])
def test_large_mails_come_in_pieces_and_whole(box: Box, encryption: Encryption) -> None:
    for size in (256 * 1024, 3_000_000):
        box.server.deliver(box.address, mail(f"{size}", bytes(range(32, 120)) * (size // 88) + b"\r\n"))
    box.deliver("small")
    session = ImapSession(box.endpoint(encryption=encryption, verify_certificate=False))
    assert [mail.raw for mail in read(session, BEGINNING)] == box.mails()
    session.close()


def test_pieces_that_end_exactly_at_the_end_of_the_mail_are_no_trouble(box: Box, session: ImapSession) -> None:
    box.deliver("measure")
    overhead = len(read(session, BEGINNING)[0].raw) - len(mail("measure"))
    for total in (256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 512 * 1024):
        subject = f"{total}".rjust(7, "0")
        box.server.deliver(
            box.address, mail(subject, b"x" * (total - overhead - len(mail(subject, b"\r\n"))) + b"\r\n")
        )
    found = read(session, BEGINNING)[1:]
    assert [len(each.raw) for each in found] == [int(subject_of(each.raw)) for each in found]


def test_a_mail_above_the_limit_comes_as_its_header_and_is_never_deleted(box: Box, session: ImapSession) -> None:
    box.server.deliver(box.address, mail("huge", b"x" * 5000 + b"\r\n"))
    box.deliver("small")
    huge, small = session.fetch_new(BEGINNING, 100, 2000)
    assert huge.completeness is Completeness.HEADER_ONLY
    assert huge.size > 5000
    assert huge.raw.endswith(b"\r\n\r\n")
    assert subject_of(huge.raw) == "huge"
    assert "larger than 2000 bytes" in huge.defect
    session.acknowledge([huge.uid, small.uid], Acknowledgement.read("delete"))
    assert [subject_of(raw) for raw in box.mails()] == ["huge"]
    assert read(session, session.cursor()) == []


def test_mark_move_and_delete_happen_on_acknowledgement_and_to_the_named_alone(box: Box, session: ImapSession) -> None:
    box.deliver("seen", "moved", "deleted", "left")
    seen, moved, deleted, _ = read(session, BEGINNING)
    assert len(box.mails()) == 4
    session.acknowledge([seen.uid], Acknowledgement.read("mark_seen"))
    session.acknowledge([moved.uid], Acknowledgement.read("move:Done/Größe"))
    session.acknowledge([deleted.uid], Acknowledgement.read("delete"))
    assert [subject_of(raw) for raw in box.mails()] == ["seen", "left"]
    assert box.server.flags(box.address) == [frozenset({"\\Seen"}), frozenset()]
    assert [subject_of(raw) for raw in box.mails("Done/Größe")] == ["moved"]
    assert subjects(read(session, session.cursor())) == ["left"]


def test_a_mail_that_a_person_took_away_meanwhile_is_no_trouble(box: Box, session: ImapSession) -> None:
    box.deliver("one", "two")
    one, two = read(session, BEGINNING)
    with box.server.open_mailbox(box.address) as other:
        other.store("1", "+FLAGS", "\\Deleted")
        other.expunge()
    session.acknowledge([one.uid, two.uid], Acknowledgement.read("move:Done"))
    assert [subject_of(raw) for raw in box.mails("Done")] == ["two"]
    assert session.cursor().last_uid == two.uid


def test_a_lost_connection_is_told_and_the_next_call_connects_anew(own_box: Box) -> None:
    own_box.deliver("one", "two")
    session = ImapSession(own_box.endpoint())
    mails = session.fetch_new(BEGINNING, 100, SIZE_LIMIT)
    session.acknowledge([next(mails).uid], NOTHING)
    own_box.server.crash()
    with pytest.raises(MailboxTrouble) as raised:
        session.wait_for_new(10)
    assert raised.value.kind is TroubleKind.CONNECT
    own_box.server.start()
    assert subjects(read(session, session.cursor())) == ["two"]
    session.close()


def test_a_frozen_server_is_given_up_in_time(own_box: Box) -> None:
    session = ImapSession(own_box.endpoint())
    session.open()
    be_impatient(session)
    own_box.server.pause()
    with pytest.raises(MailboxTrouble) as raised:
        read(session, BEGINNING)
    assert raised.value.kind is TroubleKind.TIMEOUT
    own_box.server.resume()
    own_box.deliver("thawed")
    patient = ImapSession(own_box.endpoint())
    assert subjects(read(patient, BEGINNING)) == ["thawed"]
    patient.close()


def test_closing_twice_or_unopened_is_harmless(box: Box) -> None:
    session = ImapSession(box.endpoint())
    session.close()
    session.open()
    session.close()
    session.close()


def test_many_mails_come_at_the_speed_that_is_printed(box: Box, session: ImapSession) -> None:
    for number in range(200):
        box.server.deliver(box.address, mail(f"{number}", b"x" * 76 + b"\r\n" + b"y" * 4000 + b"\r\n"))
    wait_until(lambda: len(box.server.flags(box.address)) == 200, "all are delivered")
    start = time.perf_counter()
    assert len(read(session, BEGINNING, limit=1000)) == 200
    print(f"IMAP: {200 / (time.perf_counter() - start):.0f} mails of 4 KB a second")
