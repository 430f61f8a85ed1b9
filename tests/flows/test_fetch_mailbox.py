"""Fetching from a mailbox: durable first, acknowledged afterwards, one reader at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes

import pytest
from django.db import OperationalError

from postroom.core.terms.mailboxes import Completeness, MailboxTrouble, TroubleKind
from postroom.flows import fetch_mailbox
from postroom.flows.fetch_mailbox import (
    LEASE,
    LeaseLost,
    due_mailboxes,
    fetch_now,
    fetch_round,
    notice_of_large_mail,
    release_lease,
    renew_lease,
    take_lease,
    watched_mailboxes,
)
from postroom.flows.note_health import pause_after
from postroom.flows.reach_mailbox import open_mailbox
from postroom.flows.test_mailbox import test_mailbox
from postroom.store.models import InboundMessage, Mailbox, ScheduledAction
from postroom.wiring import ports as wired_ports
from tests.flows.scripted_mailbox import ScriptedMailbox, kept_mails, make_mailbox, ports_with

pytestmark = pytest.mark.django_db(transaction=True)

MAIL = b"Message-ID: <%d@customer.example>\r\nFrom: carla@customer.example\r\n\r\nHello %d\r\n"


def mail(number: int) -> bytes:
    return MAIL % (number, number)


# ---- one round


def test_mails_are_kept_then_acknowledged_then_the_cursor_moves() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    for number in (1, 2, 3):
        box.put(mail(number))
    kept_before_acknowledgement: list[int] = []
    box.before["acknowledge"] = lambda: kept_before_acknowledgement.append(InboundMessage.objects.count())
    done = fetch_now(ports_with(box), mailbox.pk)
    assert (done.taken, done.trouble, done.has_more) == (3, "", False)
    assert kept_before_acknowledgement == [3]
    assert kept_mails() == [mail(1), mail(2), mail(3)]
    assert box.diary == [
        "fetch after 0, at most 50",
        "mail 1",
        "mail 2",
        "mail 3",
        "acknowledge 1,2,3 mark_seen",
        "close",
    ]
    mailbox.refresh_from_db()
    assert (mailbox.uid_validity, mailbox.last_uid, mailbox.leased_by) == (7, 3, "")
    assert mailbox.fetched_at is not None
    assert mailbox.last_message_at is not None
    inbound = InboundMessage.objects.earliest("pk")
    assert (inbound.door, inbound.mailbox_id) == ("imap", mailbox.pk)


def test_what_was_taken_is_not_taken_again() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))
    fetch_now(ports_with(box), mailbox.pk)
    box.put(mail(2))
    assert fetch_now(ports_with(box), mailbox.pk).taken == 1
    assert kept_mails() == [mail(1), mail(2)]


def test_a_full_mailbox_is_taken_in_batches() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    for number in range(1, 121):
        box.put(mail(number))
    assert fetch_now(ports_with(box), mailbox.pk).taken == 120
    assert [line for line in box.diary if line.startswith("fetch")] == [
        "fetch after 0, at most 50",
        "fetch after 50, at most 50",
        "fetch after 100, at most 50",
    ]
    assert len(kept_mails()) == 120


def test_the_budget_ends_a_round_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends between two mails: a server that drips keeps nobody for long."""
    monkeypatch.setattr(fetch_mailbox, "BUDGET", timedelta(0))
    box, mailbox = ScriptedMailbox(), make_mailbox()
    for number in (1, 2):
        box.put(mail(number))
    ports = ports_with(box)
    rounds = [fetch_now(ports, mailbox.pk) for _ in range(3)]
    assert [(one.taken, one.has_more) for one in rounds] == [(1, True), (1, True), (0, False)]
    assert kept_mails() == [mail(1), mail(2)]


def test_what_is_held_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_mailbox, "BATCH_BYTES", 150)
    box, mailbox = ScriptedMailbox(), make_mailbox()
    for number in range(1, 6):
        box.put(mail(number))
    sizes: list[int] = []
    accept = fetch_mailbox.accept_messages

    def watch(ports, arrivals):  # type: ignore[no-untyped-def]
        sizes.append(len(arrivals))
        return accept(ports, arrivals)

    monkeypatch.setattr(fetch_mailbox, "accept_messages", watch)
    assert fetch_now(ports_with(box), mailbox.pk).taken == 5
    assert sizes == [2, 2, 1]


def test_when_the_database_refuses_nothing_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))

    def refuse(*_: object) -> list[int]:
        raise OperationalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(fetch_mailbox, "accept_messages", refuse)
        with pytest.raises(OperationalError):
            fetch_now(ports_with(box), mailbox.pk)
    assert not any(line.startswith("acknowledge") for line in box.diary)
    assert fetch_now(ports_with(box), mailbox.pk).taken == 1
    assert kept_mails() == [mail(1)]


def test_a_server_that_breaks_off_loses_nothing() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))
    box.put(mail(2))
    box.trouble["acknowledge"] = MailboxTrouble(TroubleKind.CONNECT, "The connection was lost.")
    done = fetch_now(ports_with(box), mailbox.pk)
    assert done.trouble == "The connection was lost."
    mailbox.refresh_from_db()
    assert (mailbox.last_uid, mailbox.last_error, mailbox.error_count) == (0, "The connection was lost.", 1)
    box.trouble.clear()
    again = fetch_now(ports_with(box), mailbox.pk)
    assert (again.taken, again.recognised) == (0, 2)
    assert kept_mails() == [mail(1), mail(2)]
    mailbox.refresh_from_db()
    assert (mailbox.last_uid, mailbox.last_error, mailbox.error_count) == (2, "", 0)


def test_a_mail_that_the_server_does_not_hand_out_blocks_no_other_and_comes_again() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    for number in range(1, 71):
        box.put(mail(number), Completeness.REFUSED if number <= 55 else Completeness.WHOLE)
    assert fetch_now(ports_with(box), mailbox.pk).taken == 15
    mailbox.refresh_from_db()
    assert (mailbox.last_uid, mailbox.open_uids) == (70, list(range(1, 56)))
    box.mails = {uid: replace(one, completeness=Completeness.WHOLE) for uid, one in box.mails.items()}
    assert fetch_now(ports_with(box), mailbox.pk).taken == 55
    mailbox.refresh_from_db()
    assert (mailbox.last_uid, mailbox.open_uids) == (70, [])


def test_a_mail_that_is_too_large_is_told_of_and_stays_where_it_is() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox(after_fetch="delete")
    header = b"From: carla@customer.example\r\nSubject: film\r\n\tof the holidays\r\nContent-Type: multipart/mixed;\r\n boundary=x\r\n\r\n"
    box.put(header, Completeness.HEADER_ONLY, size=99_000_000)
    box.put(mail(2))
    assert fetch_now(ports_with(box), mailbox.pk).taken == 2
    assert [line for line in box.diary if line.startswith("acknowledge")] == [
        "acknowledge 1 nothing",
        "acknowledge 2 delete",
    ]
    notice = message_from_bytes(kept_mails()[0])
    assert notice["Subject"].split() == ["film", "of", "the", "holidays"]
    assert notice.get_content_type() == "text/plain"
    assert "99000000 bytes" in notice.get_payload()


@pytest.mark.parametrize(
    "header", [b"", b"no field at all", b"\r\n\r\n", b" folded at once\r\nSubject: x", b"\xff\x00: x\r\n"]
)
def test_a_notice_is_a_mail_whatever_the_header(header: bytes) -> None:
    notice = message_from_bytes(notice_of_large_mail(header, 2, 1))
    assert notice.get_content_type() == "text/plain"
    assert "2 bytes" in notice.get_payload()


def test_a_wrong_setting_is_trouble_with_the_mailbox() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox(after_fetch="shred")
    box.put(mail(1))
    assert "shred" in fetch_now(ports_with(box), mailbox.pk).trouble
    assert kept_mails() == []


def test_the_secret_is_opened_for_the_session_alone() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    fetch_now(ports_with(box), mailbox.pk)
    [endpoint] = box.endpoints
    assert endpoint.password.reveal() == "correct horse"
    assert "correct horse" not in repr(endpoint)


def test_a_password_that_cannot_be_read_any_more_is_trouble_with_the_mailbox() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox(secret=b"sealed with another key")
    assert "Enter it again" in fetch_now(ports_with(box), mailbox.pk).trouble
    mailbox.refresh_from_db()
    assert mailbox.error_count == 1
    assert not test_mailbox(ports_with(box), mailbox.pk, member=None).is_ok


# ---- the lease


def test_one_holder_at_a_time() -> None:
    ports, mailbox = wired_ports(), make_mailbox()
    lease = take_lease(ports, mailbox.pk, "alice")
    assert lease is not None
    assert take_lease(ports, mailbox.pk, "bob") is None
    assert take_lease(ports, mailbox.pk, "alice") == lease
    release_lease(lease)
    assert take_lease(ports, mailbox.pk, "bob") is not None
    release_lease(lease)
    mailbox.refresh_from_db()
    assert mailbox.leased_by == "bob"


def test_the_lease_of_a_dead_holder_runs_out() -> None:
    ports, mailbox = wired_ports(), make_mailbox()
    lease = take_lease(ports, mailbox.pk, "alice")
    assert lease is not None
    Mailbox.objects.update(leased_until=ports.clock.now() - timedelta(seconds=1))
    assert take_lease(ports, mailbox.pk, "bob") is not None
    with pytest.raises(LeaseLost):
        renew_lease(ports, lease)


def test_a_lease_that_ran_out_and_that_nobody_wanted_is_renewed() -> None:
    ports, mailbox = wired_ports(), make_mailbox()
    lease = take_lease(ports, mailbox.pk, "alice")
    assert lease is not None
    Mailbox.objects.update(leased_until=ports.clock.now() - LEASE)
    renew_lease(ports, lease)
    assert take_lease(ports, mailbox.pk, "bob") is None


def test_who_lost_his_lease_acknowledges_nothing() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))
    ports = ports_with(box)
    lease = take_lease(ports, mailbox.pk, "alice")
    assert lease is not None
    box.before["mail"] = lambda: Mailbox.objects.update(leased_by="bob")
    with open_mailbox(ports, mailbox.pk) as session, pytest.raises(LeaseLost):
        fetch_round(ports, lease, session)
    assert not any(line.startswith("acknowledge") for line in box.diary)
    mailbox.refresh_from_db()
    assert mailbox.last_uid == 0


def test_fetch_now_leaves_a_mailbox_to_whoever_reads_it() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    ports = ports_with(box)
    take_lease(ports, mailbox.pk, "alice")
    done = fetch_now(ports, mailbox.pk)
    assert done.is_leased_elsewhere
    assert str(done) == "is open elsewhere, where it was told to look now: what is new is here in a moment"
    assert box.diary == []


def test_trouble_of_ours_frees_the_mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))
    monkeypatch.setattr(fetch_mailbox, "accept_messages", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch_now(ports_with(box), mailbox.pk)
    mailbox.refresh_from_db()
    assert mailbox.leased_until is None
    assert box.diary[-1] == "close"


# ---- who is read, and when


def test_only_confirmed_and_active_mailboxes_are_read() -> None:
    read = make_mailbox("read", priority=2)
    first = make_mailbox("first", priority=1)
    make_mailbox("off", is_active=False)
    make_mailbox("new", is_confirmed=False)
    assert watched_mailboxes() == [first.pk, read.pk]
    now = wired_ports().clock.now()
    ScheduledAction.objects.update_or_create(
        key="fetchmail",
        defaults={"name": "Mail: Fetchmail Service", "interval_seconds": 300, "is_active": False, "next_run_at": now},
    )
    assert watched_mailboxes() == []


def test_due_is_whose_interval_is_over_and_whom_nobody_reads() -> None:
    ports = wired_ports()
    now = ports.clock.now()
    never = make_mailbox("never")
    old = make_mailbox("old", fetched_at=now - timedelta(seconds=301))
    make_mailbox("fresh", fetched_at=now - timedelta(seconds=200))
    make_mailbox("read", leased_by="alice", leased_until=now + LEASE)
    assert sorted(due_mailboxes(ports)) == sorted([never.pk, old.pk])


def test_pauses_grow_and_logins_are_tried_least() -> None:
    assert [pause_after(count, TroubleKind.CONNECT).total_seconds() for count in (1, 2, 3, 10, 99)] == [
        10,
        20,
        40,
        900,
        900,
    ]
    assert [pause_after(count, TroubleKind.LOGIN).total_seconds() for count in (1, 2, 99)] == [120, 240, 3600]


# ---- Test & Confirm


def test_a_mailbox_that_opens_is_confirmed() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox(is_confirmed=False, error_count=3, last_error="once")
    done = test_mailbox(ports_with(box), mailbox.pk, member=None)
    assert (done.is_ok, done.step, str(done.cause)) == (True, "", "The mailbox can be read.")
    mailbox.refresh_from_db()
    assert (mailbox.is_confirmed, mailbox.error_count, mailbox.last_error, mailbox.last_uid) == (True, 0, "", 0)


def test_a_test_without_confirmation_confirms_nothing() -> None:
    mailbox = make_mailbox(is_confirmed=False)
    assert test_mailbox(ports_with(ScriptedMailbox()), mailbox.pk, member=None, confirm=False).is_ok
    mailbox.refresh_from_db()
    assert not mailbox.is_confirmed


def test_old_mail_may_be_left_alone() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox(is_confirmed=False)
    box.put(mail(1))
    ports = ports_with(box)
    assert test_mailbox(ports, mailbox.pk, member=None, leave_old_mail=True).is_ok
    box.put(mail(2))
    assert fetch_now(ports, mailbox.pk).taken == 1
    assert kept_mails() == [mail(2)]


@pytest.mark.parametrize(
    ("host", "kind", "step", "word"),
    [
        ("imap.postroom.test", TroubleKind.CONNECT, "connect", "tried again"),
        ("imap.postroom.test", TroubleKind.TLS, "connect", "STARTTLS"),
        ("imap.postroom.test", TroubleKind.LOGIN, "connect", "Check both"),
        ("imap.gmail.com", TroubleKind.LOGIN, "connect", "app password"),
        ("outlook.office365.com", TroubleKind.LOGIN, "connect", "OAuth"),
        ("imap.postroom.test", TroubleKind.FOLDER, "connect", "name as the server"),
        ("imap.postroom.test", TroubleKind.TIMEOUT, "connect", "overloaded"),
        ("imap.postroom.test", TroubleKind.UNAVAILABLE, "connect", "by itself"),
        ("imap.postroom.test", TroubleKind.PROTOCOL, "connect", "proxy"),
    ],
)
def test_a_test_that_fails_names_step_cause_and_cure(host: str, kind: TroubleKind, step: str, word: str) -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox(host=host, is_confirmed=False)
    box.trouble["open"] = MailboxTrouble(kind, "It did not work.")
    done = test_mailbox(ports_with(box), mailbox.pk, member=None)
    assert (done.is_ok, done.step, done.reply) == (False, step, "It did not work.")
    assert word in str(done.cure)
    mailbox.refresh_from_db()
    assert not mailbox.is_confirmed


# ---- somebody else reads it, too


def test_mails_that_were_gone_before_we_came_and_those_that_were_read_are_counted() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))
    fetch_now(ports_with(box), mailbox.pk)
    stolen = [box.put(mail(number)) for number in (2, 3, 4)]
    for uid in stolen:
        del box.mails[uid]
    read = box.put(mail(5))
    box.mails[read] = replace(box.mails[read], was_read=True)
    box.put(mail(6))
    fetch_now(ports_with(box), mailbox.pk)
    mailbox.refresh_from_db()
    assert list(mailbox.strangers.values()) == [[3, 1, 2]]


def test_the_first_round_of_a_folder_proves_nothing() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.next_uid = 40
    box.put(mail(1))
    fetch_now(ports_with(box), mailbox.pk)
    mailbox.refresh_from_db()
    assert mailbox.strangers == {}
