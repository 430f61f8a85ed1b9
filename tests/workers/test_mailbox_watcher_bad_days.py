"""The watcher and its neighbours on a real Dovecot: killed in mid-fetch, paused and waking up late, a folder made anew, TLS, moves."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.flows.fetch_mailbox import fetch_now
from postroom.flows.reconcile_mailbox import reconcile_mailbox
from postroom.flows.route_message import route_waiting
from postroom.store.models import InboundMessage, Mailbox, Record, RecordKind
from postroom.wiring import ports as wired_ports
from tests.flows.scripted_mailbox import kept_mails, make_mailbox
from tests.laboratory.availability import need_dovecot
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.waiting import wait_until
from tests.workers.children import python

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PEOPLE = ("anew", "moved", "secure", "killed", "late", "crashed", "posted")

WATCH = """
    from datetime import timedelta
    from postroom.flows import fetch_mailbox, note_health
    from postroom.workers import mailbox_watcher
    from postroom.workers.stopping import Stop
    note_health.LONGEST_PAUSE = note_health.LONGEST_LOGIN_PAUSE = timedelta(seconds=1)  # a server that starts refuses a few times
    fetch_mailbox.LEASE = timedelta(seconds=2)
    fetch_mailbox.BATCH_MAILS = 5
    mailbox_watcher.REFRESH = 0.3
    mailbox_watcher.TAKEN_ELSEWHERE_PAUSE = mailbox_watcher.LOST_PAUSE = 0.2
    stop = Stop()
    stop.on_signals()
    mailbox_watcher.run(stop)
"""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    need_dovecot()
    with Dovecot({f"{name}@postroom.test": f"{name}'s password" for name in PEOPLE}) as server:
        yield server


def mail(number: int) -> bytes:
    who = f"carla{number}@customer{number}.example"
    return f"Message-ID: <{number}@customer.example>\r\nFrom: {who}\r\nSubject: mail {number}\r\n\r\nHello {number}\r\n".encode()


def address_of(person: str) -> str:
    return f"{person}@postroom.test"


def mailbox_at(dovecot: Dovecot, person: str, **changes: object) -> Mailbox:
    facts = {
        "host": "127.0.0.1",
        "port": dovecot.imap_port,
        "encryption": "none",
        "username": address_of(person),
        "secret": wired_ports().vault.seal(dovecot.users[address_of(person)]),
        "fallback_kind": RecordKind.objects.get_or_create(key="ticket", defaults={"label": "Ticket"})[0],
    }
    return make_mailbox(person, **{**facts, **changes})


def titles() -> Counter[str]:
    while route_waiting(wired_ports()):
        pass
    return Counter(Record.objects.values_list("title", flat=True))


def expected(count: int) -> Counter[str]:
    return Counter({f"mail {number}": 1 for number in range(1, count + 1)})


def test_a_folder_made_anew_is_read_anew_and_its_mails_are_recognised(dovecot: Dovecot) -> None:
    mailbox = mailbox_at(dovecot, "anew", folder="Tickets")
    for number in (1, 2, 3):
        dovecot.append(address_of("anew"), mail(number), "Tickets")
    assert fetch_now(wired_ports(), mailbox.pk).taken == 3
    mailbox.refresh_from_db()
    before = mailbox.uid_validity
    dovecot.recreate(address_of("anew"), "Tickets")
    for number in (1, 2, 3, 4):
        dovecot.append(address_of("anew"), mail(number), "Tickets")
    done = fetch_now(wired_ports(), mailbox.pk)
    assert (done.taken, done.recognised) == (1, 3)
    mailbox.refresh_from_db()
    assert mailbox.uid_validity != before
    assert titles() == expected(4)
    reconcile_mailbox(wired_ports(), mailbox.pk)
    assert reconcile_mailbox(wired_ports(), mailbox.pk).missing == 0


def test_old_mail_that_was_left_stays_left_when_the_folder_is_made_anew(dovecot: Dovecot) -> None:
    from postroom.flows.test_mailbox import test_mailbox

    mailbox = mailbox_at(dovecot, "anew", folder="Archive")
    with dovecot.open_mailbox(address_of("anew")) as box:
        box.create("Archive")
        box.append("Archive", "", '"02-Mar-2020 08:00:00 +0000"', mail(1))
    found = test_mailbox(wired_ports(), mailbox.pk, member=None, leave_old_mail=True)
    assert found.is_ok, found.reply
    assert fetch_now(wired_ports(), mailbox.pk).taken == 0
    dovecot.recreate(address_of("anew"), "Archive")
    with dovecot.open_mailbox(address_of("anew")) as box:
        box.append("Archive", "", '"02-Mar-2020 08:00:00 +0000"', mail(1))
    dovecot.append(address_of("anew"), mail(2), "Archive")
    assert fetch_now(wired_ports(), mailbox.pk).taken == 1
    assert [b"mail 2" in raw for raw in kept_mails()] == [True]


def test_mails_are_moved_over_tls_after_they_are_here(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.certificates.ca_file))
    mailbox = mailbox_at(
        dovecot,
        "moved",
        host="localhost",
        port=dovecot.imaps_port,
        encryption="tls",
        after_fetch="move:Erledigt/Übernommen",
    )
    for number in (1, 2):
        dovecot.deliver(address_of("moved"), mail(number))
    done = fetch_now(wired_ports(), mailbox.pk)
    assert (done.taken, done.trouble) == (2, "")
    assert dovecot.mails(address_of("moved")) == []
    assert len(dovecot.mails(address_of("moved"), "Erledigt/Übernommen")) == 2


def test_a_server_that_is_killed_in_the_middle_of_a_fetch_loses_nothing(dovecot: Dovecot) -> None:
    mailbox = mailbox_at(dovecot, "crashed", after_fetch="delete")
    for number in range(1, 41):
        dovecot.append(address_of("crashed"), mail(number))
    with python(WATCH):
        wait_until(lambda: InboundMessage.objects.count() >= 5, "it began")
        dovecot.crash()
        dovecot.start()
        wait_until(lambda: not dovecot.mails(address_of("crashed")), "all are taken and deleted", 180)
    mailbox.refresh_from_db()
    assert titles() == expected(40)


def test_a_watcher_that_is_killed_in_the_middle_of_a_fetch_loses_nothing(dovecot: Dovecot) -> None:
    mailbox_at(dovecot, "killed", after_fetch="delete")
    for number in range(1, 61):
        dovecot.append(address_of("killed"), mail(number))
    with python(WATCH) as first:
        wait_until(lambda: InboundMessage.objects.count() >= 10, "it began")
        first.send_signal(signal.SIGKILL)
        first.wait(90)
    with python(WATCH):
        wait_until(lambda: not dovecot.mails(address_of("killed")), "all are taken and deleted", 180)
    assert titles() == expected(60)


def test_pop3_is_killed_in_the_middle_and_loses_nothing(dovecot: Dovecot) -> None:
    mailbox_at(dovecot, "posted", protocol="pop3", port=dovecot.pop3_port, after_fetch="delete", interval_seconds=1)
    for number in range(1, 31):
        dovecot.append(address_of("posted"), mail(number))
    with python(WATCH) as first:
        wait_until(lambda: InboundMessage.objects.count() >= 5, "it began")
        first.send_signal(signal.SIGKILL)
        first.wait(90)
    with python(WATCH):
        wait_until(lambda: not dovecot.mails(address_of("posted")), "all are taken and deleted", 180)
    assert titles() == expected(30)


def test_a_reader_that_was_paused_and_wakes_up_late_touches_nothing(dovecot: Dovecot, tmp_path: Path) -> None:
    """It stands still between reading and storing, for longer than its lease; another one reads everything meanwhile."""
    mailbox = mailbox_at(dovecot, "late", after_fetch="delete")
    for number in range(1, 8):
        dovecot.append(address_of("late"), mail(number))
    sign = tmp_path / "stopped"
    code = f"""
        import os, signal, pathlib
        from datetime import timedelta
        from postroom.flows import fetch_mailbox
        from postroom.wiring import ports
        fetch_mailbox.LEASE = timedelta(seconds=1)
        store = fetch_mailbox._Round._store
        def late(self, *arguments):
            pathlib.Path({str(sign)!r}).touch()
            os.kill(os.getpid(), signal.SIGSTOP)
            store(self, *arguments)
        fetch_mailbox._Round._store = late
        try:
            fetch_mailbox.fetch_now(ports(), {mailbox.pk})
        except fetch_mailbox.LeaseLost:
            print("lease lost", flush=True)
    """
    with python(code) as sleeper:
        wait_until(sign.exists, "it stands still")
        now = wired_ports().clock.now()
        wait_until(
            lambda: (Mailbox.objects.get().leased_until or now) < wired_ports().clock.now() + timedelta(0),
            "its lease ran out",
        )
        assert fetch_now(wired_ports(), mailbox.pk).taken == 7
        os.kill(sleeper.pid, signal.SIGCONT)
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline().strip() == "lease lost"
        assert sleeper.wait(90) == 0
    assert InboundMessage.objects.count() == 7
    assert titles() == expected(7)
