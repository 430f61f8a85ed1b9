"""Deliverers that share limits, meet slow and paused servers, and learn habits: on a real PostgreSQL, over real sockets."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from postroom.flows.settings import pause_server, resume_server
from postroom.store.models import Delivery, Destination, OutgoingServer, SendingGate
from postroom.workers import counters
from tests.adapters.smtp.scripted_peer import ScriptedPeer, polite
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, numbered, ports_with
from tests.laboratory.counting import Behaviour
from tests.laboratory.sink import CountingSink
from tests.laboratory.waiting import wait_until
from tests.workers.test_deliverer import call, delivering

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 90.0
SOON = 90.0


def states() -> Counter[str]:
    return Counter(Delivery.objects.values_list("state", flat=True))


def put_off() -> int:
    return Delivery.objects.filter(state="queued", waits_for__code="wait.per_minute", claimed_by="").count()


@pytest.mark.slow
def test_two_workers_that_share_a_limit_never_exceed_it(tmp_path: Path) -> None:
    clock = HandClock()
    ports = ports_with(tmp_path, clock=clock)
    with CountingSink() as sink, ExitStack() as workers:
        a_server(sink.smtp_port, per_minute_limit=300)
        deliveries(a_mail(a_company(), at=clock.now()), *numbered(2000), at=clock.now())
        for name in ("one", "two"):
            workers.enter_context(delivering(ports, name))
        wait_until(lambda: states()["sent"] == 300 and put_off() == 1700, "300 left, the rest waits", PATIENCE)
        assert len(sink.accepted()) == 300
        for minutes, sent in ((2, 600), (1, 900)):  # their slots are spread over the minutes that follow
            clock.pass_by(minutes=minutes, seconds=1)
            call()
            wait_until(lambda sent=sent: states() == {"sent": sent, "queued": 2000 - sent}, "300 more left", PATIENCE)
            assert len(sink.accepted()) == sent
    assert states() == {"sent": 900, "queued": 1100}
    assert SendingGate.objects.get().used == 300


@pytest.mark.slow
def test_a_slow_server_keeps_nobody_elses_mail_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "SLOW_AFTER", 0.2)
    monkeypatch.setattr(counters, "SHARE", 60)
    ports = ports_with(tmp_path)
    now = ports.clock.now()
    with CountingSink(Behaviour(reply_delay=0.5)) as slow, CountingSink() as quick:
        a_server(slow.smtp_port, name="Slow", from_filter="northwind.example", max_connections=2)
        second = a_server(quick.smtp_port, name="Quick", from_filter="guest.example")
        deliveries(a_mail(a_company(), at=now), *numbered(3000), at=now, lane=2)
        guest = a_mail(a_company("Guest", "guest.example"), at=now, from_address="gus@guest.example")
        deliveries(guest, *numbered(100), at=now, lane=2)  # behind all that, in the same lane
        with delivering(ports):
            wait_until(
                lambda: Delivery.objects.filter(server=second, state="sent").count() == 100, "the others left", PATIENCE
            )
            wait_until(
                lambda: Delivery.objects.filter(waits_for__code="wait.busy").count() > 2000, "the rest is parked", SOON
            )
            there = len(slow.accepted())
            wait_until(lambda: len(slow.accepted()) > there + 8, "and still comes", PATIENCE)


@pytest.mark.slow
def test_what_is_held_for_a_server_goes_back_when_it_is_paused(tmp_path: Path) -> None:
    ports = ports_with(tmp_path)
    now = ports.clock.now()
    with CountingSink(Behaviour(reply_delay=0.2)) as sink:
        server = a_server(sink.smtp_port, max_connections=1)
        deliveries(a_mail(a_company(), at=now), *numbered(300), at=now)
        with delivering(ports):
            wait_until(sink.accepted, "it began", PATIENCE)
            pause_server(ports, server.pk, member=None)
            parked = Delivery.objects.filter(waits_for__code="wait.paused")
            wait_until(lambda: parked.count() > 200, "what was held waits for the server", PATIENCE)
            OutgoingServer.objects.filter(pk=server.pk).update(max_connections=50)
            resume_server(ports, server.pk, member=None)
            wait_until(lambda: states()["sent"] == 300, "all is sent", PATIENCE)
        assert len(sink.accepted()) == 300


def test_a_server_that_comes_back_gets_what_waited_for_it(tmp_path: Path) -> None:
    ports = ports_with(tmp_path)
    now = ports.clock.now()
    with CountingSink() as sink:
        server = a_server(1, max_connections=2)
        deliveries(a_mail(a_company(), at=now), *numbered(100), at=now)
        with delivering(ports):
            parked = Delivery.objects.filter(waits_for__code="wait.broken", state="queued", due_at__gt=now)
            wait_until(lambda: parked.count() == 100, "all is parked", PATIENCE)
            OutgoingServer.objects.filter(pk=server.pk).update(port=sink.smtp_port, broken_until=ports.clock.now())
            wait_until(lambda: states()["sent"] == 100, "all is sent", PATIENCE)
    server.refresh_from_db()
    assert (server.trouble_count, server.broken_until) == (0, None)


@pytest.mark.slow
def test_what_is_held_for_a_destination_goes_back_when_it_asks_to_slow_down(tmp_path: Path) -> None:
    ports = ports_with(tmp_path)
    now = ports.clock.now()
    answers = {"customer30@gmail.com": "421 4.7.28 Unusual rate of mail"}
    with CountingSink(Behaviour(answers=answers, reply_delay=0.05)) as sink:
        a_server(sink.smtp_port, max_connections=2)
        addresses = [f"customer{number}@gmail.com" for number in range(600)]
        deliveries(a_mail(a_company(), at=now), *addresses, at=now)
        with delivering(ports):
            slowed = Delivery.objects.filter(waits_for__code="wait.slowed")
            wait_until(lambda: slowed.count() > 300, "most of them wait for the destination", PATIENCE)
        learned = Destination.objects.get(name="google.com").learned_per_minute
        arrived = len(sink.accepted())
    print(f"{arrived} had arrived, then {learned} a minute")
    assert 1 <= learned <= arrived
    assert arrived < 300


def test_what_a_server_shows_of_itself_is_kept(tmp_path: Path) -> None:
    ports = ports_with(tmp_path)
    now = ports.clock.now()
    goodbye = "421 4.7.0 Too many messages in this connection"
    script = polite(extensions=("PIPELINING", "SIZE 123456"), answers={"MAIL": ["250 ok", "250 ok", goodbye]})
    with ScriptedPeer(*[script] * 10) as peer:
        server = a_server(peer.port, max_connections=1)
        deliveries(a_mail(a_company(), at=now), *numbered(6), at=now)
        with delivering(ports):
            wait_until(lambda: states()["sent"] == 6, "all is sent", PATIENCE)
            wait_until(
                lambda: OutgoingServer.objects.get(pk=server.pk).learned_mails_per_connection, "it is kept", PATIENCE
            )
    server.refresh_from_db()
    assert (server.learned_mails_per_connection, server.announced_size) == (2, 123456)
    assert set(Delivery.objects.values_list("attempt_count", flat=True)) == {1}  # the goodbye cost nobody an attempt
