"""Waiting for mail: woken by the server, by time, or by another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from postroom.adapters.imap.client import ImapSession
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import MailboxCursor, MailboxProtocol, MailboxTrouble, TroubleKind
from tests.adapters.imap.scripted_imap import SELECTED, Answer, be_impatient, imap_server, no
from tests.adapters.mailbox.boxes import SIZE_LIMIT, Box, endpoint_to
from tests.laboratory.scripted import Line, ScriptedPeer
from tests.laboratory.waiting import wait_until


def waiting_in_thread(session: ImapSession, seconds: float) -> tuple[threading.Thread, list[bool]]:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(session.wait_for_new(seconds)))
    thread.start()
    return thread, found


def until_logged_in(box: Box) -> Callable[[], bool]:
    """Whether the server has seen this person's login."""
    return lambda: f"user=<{box.address}>" in box.server.log()


@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.TLS])
def test_new_mail_wakes_the_wait_within_seconds(box: Box, encryption: Encryption) -> None:
    session = ImapSession(box.endpoint(encryption=encryption, verify_certificate=False))
    session.open()
    thread, found = waiting_in_thread(session, 600)
    wait_until(until_logged_in(box), "the session has logged in")
    start = time.perf_counter()
    box.deliver("news")
    thread.join(90)
    print(f"woken after {time.perf_counter() - start:.2f} s")
    assert found == [True]
    session.close()


def test_mail_that_was_there_before_the_wait_counts_unless_it_was_offered(box: Box) -> None:
    session = ImapSession(box.endpoint())
    session.open()
    box.deliver("between opening and waiting")
    assert session.wait_for_new(60)
    assert session.wait_for_new(60)
    assert len(list(session.fetch_new(MailboxCursor(), 10, SIZE_LIMIT))) == 1
    assert not session.wait_for_new(0.05)
    session.close()


def test_marks_and_deletions_by_others_are_no_news(box: Box) -> None:
    box.deliver("one", "two")
    session = ImapSession(box.endpoint())
    list(session.fetch_new(MailboxCursor(), 10, SIZE_LIMIT))
    thread, found = waiting_in_thread(session, 600)
    with box.server.open_mailbox(box.address) as other:
        other.store("1", "+FLAGS", "\\Seen \\Deleted")
        other.expunge()
    assert not found
    session.interrupt()
    thread.join(90)
    assert found == [False]
    session.close()


@pytest.mark.parametrize("capabilities", [b"IMAP4rev1 IDLE", b"IMAP4rev1"])
def test_another_thread_ends_the_wait(capabilities: bytes) -> None:
    nothing_new = imap_server({b"UID SEARCH": b"* SEARCH\r\n", b"IDLE": _idle_patiently}, capabilities=capabilities)
    with ScriptedPeer(nothing_new) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60))
        thread, found = waiting_in_thread(session, 600)
        wait_until(lambda: any(b"SEARCH" in line for line in peer.heard), "the session is about to wait")
        session.interrupt()
        thread.join(90)
        assert found == [False]
        session.close()


def test_an_interruption_before_the_wait_is_not_lost_and_ends_one_wait_only(box: Box) -> None:
    session = ImapSession(box.endpoint())
    session.interrupt()
    session.interrupt()
    assert not session.wait_for_new(60)
    box.deliver("news")
    assert session.wait_for_new(60)
    session.close()


def test_without_idle_the_server_is_asked_from_time_to_time() -> None:
    looks = iter([b"* SEARCH\r\n", b"* SEARCH\r\n", b"* SEARCH 9\r\n"])

    def search(line: Line, tag: bytes, _: bytes) -> None:
        line.say(next(looks), tag + b" OK done\r\n")

    with ScriptedPeer(imap_server({b"UID SEARCH": search}, capabilities=b"IMAP4rev1")) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60), poll_every=0.01)
        assert session.wait_for_new(60)
        session.close()
    assert sum(b"NOOP" in line for line in peer.heard) == 3
    assert not any(b"IDLE" in line for line in peer.heard)


def test_a_server_that_promises_idle_and_refuses_it_is_asked_instead() -> None:
    looks = iter([b"* SEARCH\r\n", b"* SEARCH\r\n", b"* SEARCH 9\r\n"])

    def search(line: Line, tag: bytes, _: bytes) -> None:
        line.say(next(looks), tag + b" OK done\r\n")

    with ScriptedPeer(imap_server({b"UID SEARCH": search, b"IDLE": no(b"not today")})) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60), poll_every=0.01)
        assert session.wait_for_new(60)
        session.close()
    assert sum(b"IDLE" in line for line in peer.heard) == 1


def test_mail_announced_before_the_server_idles_is_heard() -> None:
    looks = iter([b"* SEARCH\r\n", b"* SEARCH 9\r\n"])

    def search(line: Line, tag: bytes, _: bytes) -> None:
        line.say(next(looks), tag + b" OK done\r\n")

    def hasty(line: Line, tag: bytes, _: bytes) -> None:
        line.say(b"* 4 EXISTS\r\n* 1 RECENT\r\n+ idling\r\n")
        assert line.hear() == b"DONE"
        line.say(tag + b" OK done\r\n")

    with ScriptedPeer(imap_server({b"UID SEARCH": search, b"IDLE": hasty})) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60))
        assert session.wait_for_new(60)
        session.close()


def test_announcements_that_come_in_halves_are_put_together() -> None:
    looks = iter([b"* SEARCH\r\n", b"* SEARCH 9\r\n"])

    def search(line: Line, tag: bytes, _: bytes) -> None:
        line.say(next(looks), tag + b" OK done\r\n")

    def stuttering(line: Line, tag: bytes, _: bytes) -> None:
        line.say(b"+ idling\r\n* OK Still he")
        line.drip(b"re\r\n* 1 FETCH (FLAGS ())\r\n* 4 EXI", every=0.001)
        line.drip(b"STS\r\n", every=0.001)
        assert line.hear() == b"DONE"
        line.say(tag + b" OK done\r\n")

    with ScriptedPeer(imap_server({b"UID SEARCH": search, b"IDLE": stuttering})) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60))
        assert session.wait_for_new(60)
        session.close()


def _deaf(line: Line, *_: bytes) -> None:
    line.say(b"+ idling\r\n")
    line.hear_nothing_more()


def _mute(line: Line, *_: bytes) -> None:
    line.hear_nothing_more()


def _leaving(line: Line, *_: bytes) -> None:
    line.say(b"+ idling\r\n")
    line.hang_up()


def _sent_away(line: Line, *_: bytes) -> None:
    line.say(b"+ idling\r\n* BYE Server is shutting down\r\n")
    line.hear_nothing_more()


def _talkative(line: Line, *_: bytes) -> None:
    line.say(b"+ idling\r\n* OK ")
    while True:
        line.say(b"bla " * 10_000)


@pytest.mark.parametrize(
    ("idle", "kind"),
    [
        (_deaf, TroubleKind.TIMEOUT),
        (_mute, TroubleKind.TIMEOUT),
        (_leaving, TroubleKind.CONNECT),
        (_sent_away, TroubleKind.CONNECT),
        (_talkative, TroubleKind.PROTOCOL),
    ],
)
def test_a_server_that_fails_while_idling_is_trouble(idle: Answer, kind: TroubleKind) -> None:
    with ScriptedPeer(imap_server({b"UID SEARCH": b"* SEARCH\r\n", b"IDLE": idle})) as peer:
        patience = 1 if kind is TroubleKind.TIMEOUT else 30
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=patience))
        with pytest.raises(MailboxTrouble) as raised:
            session.wait_for_new(0.5)
    assert raised.value.kind is kind


def test_a_folder_made_anew_while_the_connection_was_lost_is_news() -> None:
    validity = iter([b"7", b"8"])

    def select(line: Line, tag: bytes, _: bytes) -> None:
        line.say(SELECTED.replace(b"UIDVALIDITY 7", b"UIDVALIDITY " + next(validity)), tag + b" OK done\r\n")

    def search(line: Line, tag: bytes, command: bytes) -> None:
        line.say(b"* SEARCH 1\r\n" if b"UID 1:" in command else b"* SEARCH\r\n", tag + b" OK done\r\n")

    answers: dict[bytes, Answer] = {b"SELECT": select, b"UID SEARCH": search, b"IDLE": _leaving}
    with ScriptedPeer(imap_server(answers)) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60))
        with pytest.raises(MailboxTrouble):
            session.wait_for_new(60)
        assert session.wait_for_new(60)
        session.close()


def _idle_patiently(line: Line, tag: bytes, _: bytes) -> None:
    line.say(b"+ idling\r\n")
    assert line.hear() == b"DONE"
    line.say(tag + b" OK done\r\n")


def test_a_server_that_hangs_in_idle_is_asked_from_time_to_time_instead() -> None:
    """It takes IDLE and never comes out of it: after two lost connections it is asked."""

    def hang(line: Line, _tag: bytes, _: bytes) -> None:
        line.hear_nothing_more()

    with ScriptedPeer(imap_server({b"IDLE": hang, b"UID SEARCH": b"* SEARCH\r\n"})) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60), poll_every=0.02)
        session.open()
        while session.can_idle:
            be_impatient(session)
            with pytest.raises(MailboxTrouble):
                session.wait_for_new(5)
            session.open()
        assert not session.can_idle
        assert not session.wait_for_new(0.1)
        session.close()
    assert sum(line.endswith(b" IDLE") for line in peer.heard) == 2


def test_a_server_that_is_silent_in_idle_about_mail_is_asked_from_time_to_time_instead() -> None:
    there = {"uids": b""}

    def idle(line: Line, tag: bytes, _: bytes) -> None:
        line.say(b"+ idling\r\n")
        there["uids"] = b" 4"
        assert line.hear() == b"DONE"
        line.say(tag + b" OK done\r\n")

    def search(line: Line, tag: bytes, _: bytes) -> None:
        line.say(b"* SEARCH" + there["uids"] + b"\r\n", tag + b" OK done\r\n")

    with ScriptedPeer(imap_server({b"IDLE": idle, b"UID SEARCH": search})) as peer:
        session = ImapSession(endpoint_to(peer.port, MailboxProtocol.IMAP, timeout=60), poll_every=0.02)
        session.open()
        for _ in range(50):
            there["uids"] = b""
            session.wait_for_new(0.2)
            if not session.can_idle:
                break
        assert not session.can_idle
        session.close()
