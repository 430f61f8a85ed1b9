"""The watcher: a thread for each mailbox, on a scripted server and on a real Dovecot."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
from django.db import connection

from postroom.core.terms.mailboxes import MailboxTrouble, TroubleKind
from postroom.flows.fetch_mailbox import Lease, take_lease
from postroom.flows.ports import Ports
from postroom.flows.reach_mailbox import call_watchers
from postroom.store.models import InboundMessage, Mailbox
from postroom.wiring import ports as wired_ports
from postroom.workers import mailbox_watcher
from postroom.workers.mailbox_watcher import MailboxWatcher, _Watch
from postroom.workers.stopping import Stop
from tests.flows.scripted_mailbox import ScriptedMailbox, kept_mails, make_mailbox, ports_with
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.waiting import wait_until
from tests.workers.children import python

pytestmark = pytest.mark.django_db(transaction=True)

MAIL = b"Message-ID: <%d@customer.example>\r\nFrom: carla@customer.example\r\nSubject: Hello\r\n\r\nHello %d\r\n"


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    assert not [one for one in threading.enumerate() if one.name.startswith("mailbox-")]


def mail(number: int) -> bytes:
    return MAIL % (number, number)


@contextmanager
def watching(ports: Ports) -> Iterator[MailboxWatcher]:
    stop = Stop()
    watcher = MailboxWatcher(ports, stop)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join(90)
        assert not thread.is_alive()
        stop.close()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    people = {f"{name}@postroom.test": f"{name}'s password" for name in ("support", "sales", "crowd", "post")}
    with Dovecot(people) as server:
        yield server


def mailbox_at(dovecot: Dovecot, person: str, **changes: object) -> Mailbox:
    address = f"{person}@postroom.test"
    facts = {
        "host": "127.0.0.1",
        "port": dovecot.imap_port,
        "encryption": "none",
        "username": address,
        "secret": wired_ports().vault.seal(dovecot.users[address]),
    }
    return make_mailbox(person, **{**facts, **changes})


# ---- on a scripted server


def test_each_mailbox_is_read_and_then_waited_on() -> None:
    box = ScriptedMailbox()
    box.put(mail(1))
    make_mailbox()
    with watching(ports_with(box)):
        wait_until(lambda: "wait" in box.diary, "it waits for news")
    assert kept_mails() == [mail(1)]
    assert box.diary[-1] == "close"
    assert Mailbox.objects.get().leased_by == ""


def test_who_waits_holds_no_database_connection() -> None:
    box = ScriptedMailbox()
    for number in range(5):
        make_mailbox(f"box {number}")
    open_before = connections_of_this_database()  # ours, and what other tests are still closing
    with watching(ports_with(box)):
        wait_until(lambda: box.diary.count("wait") >= 5, "all wait for news")
        wait_until(lambda: connections_of_this_database() <= open_before + 2, "only the watcher's own are new")


def connections_of_this_database() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_a_call_makes_it_look_at_once() -> None:
    box = ScriptedMailbox()
    make_mailbox(interval_seconds=3600)
    with watching(ports_with(box)):
        wait_until(lambda: "wait" in box.diary, "it waits for news")
        box.put(mail(1))
        call_watchers()
        wait_until(lambda: kept_mails() == [mail(1)], "it looked")


def test_the_interval_makes_it_look_by_itself() -> None:
    box = ScriptedMailbox()
    make_mailbox(interval_seconds=0)
    with watching(ports_with(box)):
        wait_until(lambda: box.diary.count("wait") >= 3, "it looks again and again")


def test_a_slow_mailbox_delays_no_other() -> None:
    gate = threading.Event()
    slow, quick = ScriptedMailbox(), ScriptedMailbox()
    slow.before["fetch"] = lambda: gate.wait(90)
    quick.put(mail(1))
    boxes = {"slow.postroom.test": slow, "quick.postroom.test": quick}
    ports = ports_with(ScriptedMailbox())
    object.__setattr__(ports, "mailbox_session", lambda endpoint: boxes[endpoint.host].session(endpoint))
    make_mailbox("slow", host="slow.postroom.test", priority=1)
    make_mailbox("quick", host="quick.postroom.test", priority=2)
    with watching(ports):
        wait_until(lambda: kept_mails() == [mail(1)], "the quick one is read")
        gate.set()


def test_trouble_is_kept_with_the_mailbox_and_its_end_is_noticed_when_somebody_calls() -> None:
    box = ScriptedMailbox()
    box.put(mail(1))
    box.trouble["fetch"] = MailboxTrouble(TroubleKind.LOGIN, "The password was refused.", "AUTHENTICATIONFAILED")
    mailbox = make_mailbox()
    with watching(ports_with(box)):
        wait_until(lambda: Mailbox.objects.get().error_count, "the trouble is noted")
        mailbox.refresh_from_db()
        assert mailbox.last_error == "The password was refused. [AUTHENTICATIONFAILED]"
        box.trouble.clear()
        call_watchers()
        wait_until(lambda: kept_mails() == [mail(1)], "it is read")
        wait_until(lambda: Mailbox.objects.get().error_count == 0, "the trouble is over")


def test_a_changed_setting_is_used_at_once() -> None:
    box = ScriptedMailbox()
    make_mailbox(interval_seconds=3600)
    with watching(ports_with(box)):
        wait_until(lambda: "wait" in box.diary, "it waits for news")
        Mailbox.objects.update(folder="Tickets")
        call_watchers()
        wait_until(lambda: box.endpoints[-1].folder == "Tickets", "it reads the other folder")


def test_a_mailbox_that_is_switched_off_is_let_go() -> None:
    box = ScriptedMailbox()
    make_mailbox(interval_seconds=3600)
    with watching(ports_with(box)):
        wait_until(lambda: "wait" in box.diary, "it waits for news")
        Mailbox.objects.update(is_active=False)
        call_watchers()
        wait_until(lambda: box.diary[-1] == "close", "the session is closed")
        wait_until(lambda: Mailbox.objects.get().leased_by == "", "the lease is given back")
        looks = len(box.diary)
        call_watchers()
        Mailbox.objects.update(is_active=True)
        call_watchers()
        wait_until(lambda: len(box.diary) > looks and box.diary[-1] == "wait", "it is read again")


def test_a_bug_is_told_and_survived(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(mailbox_watcher, "BUG_PAUSE", 0.01)
    box = ScriptedMailbox()
    box.put(mail(1))
    make_mailbox()
    box.before["fetch"] = lambda: 1 / 0
    with watching(ports_with(box)):
        wait_until(lambda: kept_mails() == [mail(1)], "it is read all the same")
    assert "ZeroDivisionError" in caplog.text


def test_of_two_watchers_one_reads_and_the_other_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox_watcher, "TAKEN_ELSEWHERE_PAUSE", 0.02)
    tries: list[str] = []
    take_lease = mailbox_watcher.take_lease

    def note(ports: Ports, mailbox_id: int, holder: str) -> Lease | None:
        tries.append(holder)
        return take_lease(ports, mailbox_id, holder)

    monkeypatch.setattr(mailbox_watcher, "take_lease", note)
    box = ScriptedMailbox()
    make_mailbox(interval_seconds=3600)
    with ExitStack() as until_the_end:
        with watching(ports_with(box)):
            wait_until(lambda: "wait" in box.diary, "the first one reads")
            first = Mailbox.objects.get().leased_by
            until_the_end.enter_context(watching(ports_with(box)))
            wait_until(lambda: sum(holder != first for holder in tries) >= 3, "the second one tried again and again")
            assert Mailbox.objects.get().leased_by == first
            assert len(box.endpoints) == 1
        wait_until(lambda: Mailbox.objects.get().leased_by not in ("", first), "the second one has it")


# ---- on a real server


def test_new_mail_is_here_within_seconds(dovecot: Dovecot) -> None:
    mailbox_at(dovecot, "support", interval_seconds=3600)
    with watching(wired_ports()):
        wait_until(lambda: Mailbox.objects.get().fetched_at, "it was looked at")
        began = time.monotonic()
        dovecot.deliver("support@postroom.test", mail(1))
        wait_until(lambda: len(kept_mails()) == 1, "the mail is here")
        print(f"here after {time.monotonic() - began:.2f} s")
        wait_until(lambda: "\\Seen" in dovecot.flags("support@postroom.test")[0], "it is marked there")
    assert kept_mails()[0].endswith(mail(1))


def test_pop3_is_read_too(dovecot: Dovecot) -> None:
    mailbox_at(dovecot, "post", protocol="pop3", port=dovecot.pop3_port, after_fetch="delete", interval_seconds=3600)
    for number in (1, 2):
        dovecot.deliver("post@postroom.test", mail(number))
    with watching(wired_ports()):
        wait_until(lambda: len(kept_mails()) == 2, "both mails are here")
        wait_until(lambda: dovecot.mails("post@postroom.test") == [], "they are deleted there")
        dovecot.deliver("post@postroom.test", mail(3))
        call_watchers()
        wait_until(lambda: len(kept_mails()) == 3, "the third is here")
    assert set(InboundMessage.objects.values_list("door", flat=True)) == {"pop3"}


def test_a_server_that_crashes_is_read_again_when_it_is_back(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox_watcher, "LOST_PAUSE", 0.05)
    mailbox_at(dovecot, "sales", interval_seconds=3600)
    with watching(wired_ports()):
        wait_until(lambda: Mailbox.objects.get().fetched_at, "it was looked at")
        dovecot.crash()
        wait_until(lambda: Mailbox.objects.get().error_count, "the trouble is noted")
        dovecot.start()
        dovecot.deliver("sales@postroom.test", mail(1))
        call_watchers()
        wait_until(lambda: len(kept_mails()) == 1, "the mail is here")


@pytest.mark.slow
def test_two_processes_on_one_mailbox_take_nothing_twice_even_if_one_is_killed(dovecot: Dovecot) -> None:
    mailbox_at(dovecot, "crowd")
    address = "crowd@postroom.test"
    code = """
        from datetime import timedelta
        from postroom.flows import fetch_mailbox
        from postroom.workers import mailbox_watcher
        from postroom.workers.stopping import Stop
        fetch_mailbox.LEASE = timedelta(seconds=10)
        fetch_mailbox.BATCH_MAILS = 7
        mailbox_watcher.REFRESH = 0.3
        mailbox_watcher.TAKEN_ELSEWHERE_PAUSE = 0.2
        stop = Stop()
        stop.on_signals()
        mailbox_watcher.run(stop)
    """
    with python(code) as first, python(code) as second:
        for number in range(1, 61):
            dovecot.append(address, mail(number))
        wait_until(lambda: InboundMessage.objects.count() >= 5, "they began")
        holder = Mailbox.objects.get().leased_by
        killed = first if f":{first.pid}:" in holder else second
        other = second if killed is first else first
        killed.send_signal(signal.SIGKILL)
        for number in range(61, 101):
            dovecot.append(address, mail(number))
        wait_until(lambda: len(set(kept_mails())) == 100, "the other one took the rest", 60)
        other.send_signal(signal.SIGTERM)
        assert other.wait(60) == 0
    kept = kept_mails()
    twice = len(kept) - 100
    assert twice <= 7, "only the batch that the kill fell into may come again, and the router knows it"
    print(f"came again after the kill: {twice}")
    wait_until(lambda: all("\\Seen" in flags for flags in dovecot.flags(address)), "all are marked there")


def test_threads_that_do_not_end_share_one_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody renews the leases of the other mailboxes meanwhile, and a supervisor waits no longer."""
    clock, joined = [0.0], list[float]()

    class Stuck:
        mailbox_id = 1

        def end(self) -> None: ...
        def is_alive(self) -> bool:
            return True

        def join(self, seconds: float) -> None:
            joined.append(seconds)
            clock[0] += seconds

    monkeypatch.setattr(mailbox_watcher, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    stop = Stop()
    watcher = MailboxWatcher(wired_ports(), stop)
    watcher._watches = {number: Stuck() for number in range(3)}  # type: ignore[misc]
    watcher._end([0, 1, 2])
    assert joined == [mailbox_watcher.END_PATIENCE, 0.0, 0.0]
    stop.close()


def test_a_thread_that_does_not_let_go_keeps_its_lease_from_its_successor() -> None:
    ports = wired_ports()
    mailbox = make_mailbox()
    first, second = _Watch(ports, mailbox.pk), _Watch(ports, mailbox.pk)
    assert take_lease(ports, mailbox.pk, first._holder) is not None
    assert take_lease(ports, mailbox.pk, second._holder) is None
