"""A deliverer on a real PostgreSQL, against servers that behave and servers that do not."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from postroom.adapters.journal import WireJournalFile
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.flows.deliver_mail import ClaimedBatch, Shelf, Ticket, claim_and_compose
from postroom.flows.ports import Ports
from postroom.store.models import Attempt, Delivery, OutgoingServer
from postroom.workers import deliverer
from postroom.workers.counters import Counter as ServerCounter
from postroom.workers.counters import Held
from postroom.workers.deliverer import Deliverer
from tests.adapters.smtp.scripted_peer import Does, ScriptedPeer, closed_port, polite
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries, numbered, ports_with
from tests.laboratory.counting import Behaviour
from tests.laboratory.sink import CountingSink
from tests.laboratory.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return ports_with(tmp_path)


class Running:
    """A deliverer in a thread of its own."""

    def __init__(self, ports: Ports, name: str = "worker") -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ports, name))
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def _run(self, ports: Ports, name: str) -> None:
        asyncio.run(self._live(ports, name))

    async def _live(self, ports: Ports, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._deliverer = Deliverer(ports, name)
        self._ready.set()
        await self._deliverer.run()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._deliverer.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def delivering(ports: Ports, name: str = "worker") -> Iterator[Running]:
    running = Running(ports, name)
    try:
        yield running
    finally:
        if running._thread.is_alive():
            running.stop()


def some_mail(ports: Ports, *addresses: str) -> list[Delivery]:
    now = ports.clock.now()
    company = a_company(f"Company {Delivery.objects.count()}", f"d{Delivery.objects.count()}.northwind.example")
    return deliveries(a_mail(company, at=now), *addresses, at=now)


def states() -> Counter[str]:
    return Counter(Delivery.objects.values_list("state", flat=True))


def journals(ports: Ports) -> list[str]:
    return sorted(path.name for path in (Path(ports.configuration.data_dir) / "journal").glob("*"))


def call() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_outgoing', '')")


def test_everything_arrives_once_and_is_recorded(ports: Ports) -> None:
    with CountingSink() as sink:
        a_server(sink.smtp_port)
        some_mail(ports, *numbered(300))
        with delivering(ports):
            wait_until(lambda: states()["sent"] == 300, "all are sent", PATIENCE)
        arrived = [mail.rcpt_to[0] for mail in sink.accepted()]
    assert sorted(arrived) == sorted(numbered(300))
    assert Attempt.objects.filter(code=250).count() == 300
    assert journals(ports) == []


def test_a_call_wakes_it_long_before_the_sweep(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "SWEEP", 3600.0)
    with CountingSink() as sink, delivering(ports):
        a_server(sink.smtp_port)
        wait_until(_somebody_listens, "it listens", PATIENCE)
        some_mail(ports, "bob@reader.example")
        call()
        wait_until(lambda: states()["sent"] == 1, "it is sent", PATIENCE)


def _somebody_listens() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        return bool(cursor.fetchone()[0])


def test_one_refused_recipient_harms_no_other(ports: Ports) -> None:
    answers = {
        "customer3@reader.example": "550 5.1.1 Nobody of that name",
        "customer4@reader.example": "451 4.2.2 Busy",
    }
    with CountingSink(Behaviour(answers=answers)) as sink:
        a_server(sink.smtp_port)
        some_mail(ports, *numbered(6))
        with delivering(ports):
            wait_until(lambda: states() == {"sent": 4, "failed": 1, "deferred": 1}, "all have an outcome", PATIENCE)
    failed, deferred = Delivery.objects.get(state="failed"), Delivery.objects.get(state="deferred")
    assert (failed.to_address, failed.blame) == ("customer3@reader.example", "address")
    assert "Nobody of that name" in failed.failure_reason
    assert deferred.due_at > ports.clock.now()
    assert deferred.attempt_count == 1


def test_a_server_that_is_down_is_left_alone_and_no_attempt_is_counted(
    ports: Ports, caplog: pytest.LogCaptureFixture
) -> None:
    with closed_port() as port:
        server = a_server(port)
        some_mail(ports, *numbered(50))
        with delivering(ports):
            wait_until(
                lambda: Delivery.objects.filter(due_at__gt=ports.clock.now(), state="queued").count() == 50,
                "all wait",
                PATIENCE,
            )
    server.refresh_from_db()
    assert server.trouble_count == 1
    assert server.trouble.startswith("Connecting failed: ")
    assert set(Delivery.objects.values_list("attempt_count", "waits_for__code")) == {(0, "wait.broken")}
    assert not Attempt.objects.exists()
    assert len([record for record in caplog.records if "rests until" in record.getMessage()]) == 1


def test_a_server_that_cannot_even_be_named_stops_nobody_else(ports: Ports) -> None:
    with CountingSink() as sink:
        nameless = a_server(host="no host", priority=1, from_filter="alice@northwind.example")
        some_mail(ports, "bob@reader.example")
        other = a_server(sink.smtp_port, priority=2, from_filter="guest.example")
        now = ports.clock.now()
        guest = a_mail(a_company("Guest", "guest.example"), at=now, from_address="gus@guest.example")
        deliveries(guest, "carla@reader.example", at=now)
        with delivering(ports):
            wait_until(lambda: states() == {"sent": 1, "queued": 1}, "one is sent, one waits", PATIENCE)
            wait_until(lambda: Delivery.objects.get(state="queued").waits_for, "it says why", PATIENCE)
    assert Delivery.objects.get(state="sent").server_id == other.pk
    nameless.refresh_from_db()
    assert "is no host name" in nameless.trouble


def test_another_server_takes_over_from_one_that_is_down(ports: Ports) -> None:
    with closed_port() as port, CountingSink() as sink:
        a_server(port, priority=1)
        second = a_server(sink.smtp_port, priority=2)
        some_mail(ports, *numbered(50))
        with delivering(ports):
            wait_until(lambda: states()["sent"] == 50, "all are sent", PATIENCE)
    assert set(Delivery.objects.values_list("server_id", flat=True)) == {second.pk}


def test_a_connection_that_dies_before_the_reply_leaves_one_mail_unknown(ports: Ports) -> None:
    with ScriptedPeer(polite(answers={"END": [Does.DROP]}), polite()) as peer:
        a_server(peer.port, max_connections=1)
        some_mail(ports, *numbered(5))
        with delivering(ports):
            wait_until(lambda: states() == {"sent": 4, "unknown": 1}, "all have an outcome", PATIENCE)
    assert Delivery.objects.get(state="unknown").failure_type == "unknown"


def test_what_is_on_the_wire_is_finished_and_the_rest_goes_back(ports: Ports) -> None:
    with CountingSink(Behaviour(reply_delay=0.3)) as sink:
        a_server(sink.smtp_port, max_connections=2)
        some_mail(ports, *numbered(200))
        with delivering(ports) as running:
            wait_until(sink.accepted, "something is on the wire", PATIENCE)
            running.stop()
        arrived = {mail.rcpt_to[0] for mail in sink.accepted()}
    sent = set(Delivery.objects.filter(state="sent").values_list("to_address", flat=True))
    assert arrived == sent
    assert 0 < len(sent) < 200
    assert states()["queued"] == 200 - len(sent)
    assert not Delivery.objects.exclude(claimed_by="").exists()
    assert journals(ports) == []


def test_a_dead_workers_journal_is_read_before_anything_of_it_is_sent_again(ports: Ports) -> None:
    with CountingSink() as sink:
        server = a_server(sink.smtp_port)
        finished, started, claimed = some_mail(ports, *numbered(3))
        claim_and_compose(ports, "dead-worker", 3, shelf=Shelf())
        folder = Path(ports.configuration.data_dir) / "journal"
        folder.mkdir()
        journal = WireJournalFile(folder / "dead-worker.journal")
        journal.started(finished.pk)
        journal.finished(WireOutcome(key=finished.pk, phase=Phase.BODY, reply=SmtpReply(250, "", "taken")))
        journal.started(started.pk)
        journal.close()
        with delivering(ports):
            wait_until(lambda: states() == {"sent": 2, "unknown": 1}, "all is settled", PATIENCE)
        arrived = [mail.rcpt_to[0] for mail in sink.accepted()]
    assert arrived == [claimed.to_address]
    assert Delivery.objects.get(state="unknown").pk == started.pk
    assert OutgoingServer.objects.get().pk == server.pk
    assert journals(ports) == []


@pytest.mark.slow
def test_who_cannot_write_his_journal_sends_nothing(
    ports: Ports, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deliverer, "JOURNAL_PAUSE", 0.05)
    full = True
    real = WireJournalFile.started

    def started(journal: WireJournalFile, key: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "the disk is full")
        real(journal, key)

    monkeypatch.setattr(WireJournalFile, "started", started)
    with CountingSink() as sink:
        a_server(sink.smtp_port)
        some_mail(ports, *numbered(20))
        with delivering(ports):
            wait_until(lambda: caplog.text.count("the disk is full") > 1, "it said so, and tried again", PATIENCE)
            assert sink.accepted() == []
            full = False
            wait_until(lambda: states()["sent"] == 20, "all are sent", PATIENCE)
        assert len(sink.accepted()) == 20
    assert set(Delivery.objects.values_list("attempt_count", flat=True)) == {1}


@pytest.mark.slow
def test_an_outage_of_the_database_delays_and_loses_nothing(
    ports: Ports, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_connections() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()"
            )

    with CountingSink(Behaviour(reply_delay=0.02)) as sink:
        a_server(sink.smtp_port, max_connections=2)
        some_mail(ports, *numbered(150))
        with delivering(ports):
            for count in (10, 40, 80):
                wait_until(lambda count=count: len(sink.accepted()) >= count, "some arrived", PATIENCE)
                break_connections()
            wait_until(lambda: states()["sent"] == 150, "all are sent", PATIENCE)
        arrived = Counter(mail.rcpt_to[0] for mail in sink.accepted())
    assert arrived == Counter(numbered(150))


def test_what_went_back_while_the_connection_broke_is_sent_once(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is claimed anew at once: to put it back a second time would take it from the wire into the queue."""
    for name, seconds in (("JOURNAL_PAUSE", 0.0), ("SWEEP", 0.01)):
        monkeypatch.setattr(deliverer, name, seconds)
    real_start, real_put_back, asked = WireJournalFile.started, deliverer.put_back, list[int]()

    def started(journal: WireJournalFile, key: int) -> None:
        if not asked:
            raise OSError(errno.ENOSPC, "the disk is full")
        real_start(journal, key)

    def put_back(worker: str, unsent: Sequence[Ticket]) -> int:
        asked.append(real_put_back(worker, unsent))
        if len(asked) == 1:
            raise OperationalError("the connection broke, and whether it was committed nobody knows")
        return asked[-1]

    monkeypatch.setattr(WireJournalFile, "started", started)
    monkeypatch.setattr(deliverer, "put_back", put_back)
    with CountingSink(Behaviour(reply_delay=0.4)) as sink:
        a_server(sink.smtp_port, max_connections=5)
        some_mail(ports, *numbered(5))
        with delivering(ports):
            wait_until(lambda: states()["sent"] == 5, "all are sent", PATIENCE)
        arrived = Counter(mail.rcpt_to[0] for mail in sink.accepted())
    assert asked[0] == 5
    assert arrived == Counter(numbered(5))


def test_a_suspicion_that_comes_while_a_claim_is_under_way_is_heard_by_the_next(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    worker = Deliverer(ports, "worker")

    async def claim_twice() -> None:
        worker._loop = asyncio.get_running_loop()
        await worker._claim()
        await worker._claim()

    def claim_rows(_room: int, _lanes: list[int], known: object, _busy: object) -> ClaimedBatch:
        looks.append(known is not None)
        worker._has_strays = len(looks) == 1  # as `_tend_all` has it, once the leases are renewed
        return ClaimedBatch(taken=0)

    monkeypatch.setattr(worker, "_claim_rows", claim_rows)
    asyncio.run(claim_twice())
    assert looks == [False, True]


def test_urgent_mail_overtakes_what_is_claimed_already(ports: Ports) -> None:
    a_server()
    some_mail(ports, *numbered(60))
    Delivery.objects.update(lane=2)
    counter = ServerCounter(pool=None, max_connections=1)  # type: ignore[arg-type]
    for ready in claim_and_compose(ports, "worker", 60, shelf=Shelf()).ready:
        counter.add(ready)
    some_mail(ports, "urgent@reader.example")
    Delivery.objects.filter(to_address="urgent@reader.example").update(lane=0)
    for ready in claim_and_compose(ports, "worker", 60, shelf=Shelf()).ready:
        counter.add(ready)
    first = counter.take()
    assert first is not None
    assert first.wire.envelope.rcpt_to == ("urgent@reader.example",)
    counter.outstanding = 40
    assert counter.take() is None
    assert len(counter.clear()) == 60
    assert not counter.is_idle


def test_a_shared_body_is_counted_once(ports: Ports) -> None:
    a_server()
    some_mail(ports, *numbered(3))
    mails = claim_and_compose(ports, "worker", 3, shelf=Shelf()).ready
    held = Held()
    for ready in mails:
        held.add(ready)
    heads, body = sum(len(ready.wire.chunks[0]) for ready in mails), len(mails[0].wire.chunks[1])
    assert held.bytes == heads + body
    for ready in mails:
        held.drop(ready.ticket.delivery_id)
    assert (held.bytes, len(held)) == (0, 0)
