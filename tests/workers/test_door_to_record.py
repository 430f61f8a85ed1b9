"""From a peer's connection to the record, with the real flows and a real PostgreSQL that goes away and comes back."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import psycopg
import pytest
from django.db import connection, connections
from psycopg import sql

from postroom.core.terms.states import InboundState
from postroom.flows.accept_message import accept_messages
from postroom.flows.check_recipient import check_recipients
from postroom.flows.route_message import route_waiting
from postroom.store.models import InboundMessage, RawMail, Record
from postroom.wiring import ports
from postroom.workers import resident
from postroom.workers.resident import Resident
from postroom.workers.router import CHANNEL
from postroom.workers.stopping import Stop
from tests.laboratory.waiting import wait_until
from tests.people import build_house, write_mail
from tests.workers.open_door import LOOPBACK, OpenDoor, Peer, open_door

pytestmark = pytest.mark.django_db(transaction=True)

CARLA = "carla@customer.example"


@contextmanager
def real_door() -> Iterator[OpenDoor]:
    """With the flows behind it, as `run_door` opens it."""
    real = ports()
    with open_door(ports=real, accept=partial(accept_messages, real), check=partial(check_recipients, real)) as door:
        yield door


@contextmanager
def routing() -> Iterator[None]:
    stop = Stop()
    router = Resident("router", lambda: route_waiting(ports()), channel=CHANNEL, stop=stop)
    thread = threading.Thread(target=router.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(90)
        assert not thread.is_alive()
        stop.close()


class Outage:
    """Shuts the database of this test for everybody, and opens it again."""

    def __init__(self) -> None:
        settings = connection.settings_dict
        self._name = sql.Identifier(settings["NAME"])
        connection.close()
        self._server = psycopg.connect(
            host=settings["HOST"],
            user=settings["USER"],
            port=settings["PORT"] or None,
            dbname="postgres",
            autocommit=True,
        )

    def begin(self) -> None:
        connections.close_all()
        self._allow(False)
        self._server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [self._name.as_string().strip('"')],
        )

    def end(self) -> None:
        self._allow(True)

    def close(self) -> None:
        self.end()
        self._server.close()

    def _allow(self, allowed: bool) -> None:
        self._server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(self._name, sql.Literal(allowed)))


@pytest.fixture
def outage() -> Iterator[Outage]:
    one = Outage()
    yield one
    one.close()


def test_a_mail_is_on_its_record_a_moment_after_the_250() -> None:
    build_house()
    with routing(), real_door() as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.sendmail(CARLA, ["support@in.test"], write_mail())
        wait_until(Record.objects.exists, "the record is there")
    assert InboundMessage.objects.get().state == InboundState.ROUTED


def test_the_recipients_of_the_house_are_known_and_no_others() -> None:
    build_house()
    with real_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.say(f"MAIL FROM:<{CARLA}>")
        codes = {
            recipient: peer.say(f"RCPT TO:<{recipient}>")[:9]
            for recipient in (
                "support@in.test",
                "postmaster@in.test",
                "postmaster",
                "nobody@in.test",
                "support@elsewhere.test",
            )
        }
    assert codes == {
        "support@in.test": "250 2.1.5",
        "postmaster@in.test": "250 2.1.5",
        "postmaster": "250 2.1.5",
        "nobody@in.test": "550 5.1.1",
        "support@elsewhere.test": "550 5.1.1",
    }


@pytest.mark.slow
def test_many_mails_at_once_are_all_kept_and_all_routed() -> None:
    build_house()
    peers, each = 8, 25
    with routing(), real_door() as door:

        def send(number: int) -> None:
            with smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=120) as client:
                for mail in range(each):
                    client.sendmail(
                        CARLA,
                        ["support@in.test"],
                        b"Message-ID: <%d.%d@customer.example>\r\n" % (number, mail) + write_mail_without_id(),
                    )

        threads = [threading.Thread(target=send, args=[number]) for number in range(peers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)
        assert InboundMessage.objects.count() == peers * each
        wait_until(
            lambda: not InboundMessage.objects.filter(state=InboundState.RECEIVED).exists(), "all are routed", 60
        )
    assert not InboundMessage.objects.filter(state=InboundState.FAILED).exists()


def write_mail_without_id() -> bytes:
    return b"From: Carla <carla@customer.example>\r\nTo: support@in.test\r\nSubject: My parcel is late\r\n\r\nWhere is it?\r\n"


def test_while_the_database_is_away_the_mail_stays_with_the_peer(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    build_house()
    with real_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail("support@in.test")
        outage.begin()
        peer.send(write_mail())
        assert peer.say(".").startswith("451 4.3.0 ")
        assert peer.say(f"MAIL FROM:<{CARLA}>").startswith("250 ")
        assert peer.say("RCPT TO:<support@in.test>").startswith("451 4.3.0 ")
        assert peer.say("RSET").startswith("250 ")
        outage.end()
        peer.begin_mail("support@in.test")
        peer.send(write_mail())
        assert peer.say(".").startswith("250 2.0.0 ")
    assert InboundMessage.objects.count() == RawMail.objects.count() == 1
    assert caplog.text.count("does not work") == 2
    assert caplog.text.count("works again") == 2


def test_a_router_waits_for_the_database_and_goes_on(
    outage: Outage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resident, "SWEEP", 0.05)
    build_house()
    with routing(), real_door() as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        outage.begin()
        wait_until(lambda: "router: waits for the database" in caplog.text, "it noticed")
        outage.end()
        client.sendmail(CARLA, ["support@in.test"], write_mail())
        wait_until(Record.objects.exists, "it went on")


def test_nothing_a_peer_may_say_breaks_the_columns() -> None:
    build_house()
    with real_door() as door:
        for helo in ("x" * 3000, "\udcff\udcfe", "a\tb", "grüße.example"):
            with Peer(door.smtp_port) as peer:
                peer.reply()
                assert peer.say(f"EHLO {helo}").startswith("250")
                assert peer.say(f"MAIL FROM:<{'s' * 200}@customer.example>").startswith("250 ")
                assert peer.say("RCPT TO:<support@in.test>").startswith("250 ")
                assert peer.say("DATA").startswith("354 ")
                peer.send(b"Subject: \x00\xff\r\nFrom: " + b"x" * 5000 + b"\r\n\r\n\x00\r\n")
                assert peer.say(".").startswith("250 ")
    assert InboundMessage.objects.count() == 4


def test_a_mail_that_is_too_large_for_a_row_is_kept_too() -> None:
    build_house()
    large = b"Subject: large\r\n\r\n" + b"y" * 70 + (b"x" * 998 + b"\r\n") * 1000
    with real_door() as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.sendmail(CARLA, ["support@in.test"], large)
    stored = RawMail.objects.get()
    assert stored.raw is None
    assert ports().blobs.get(stored.sha256).endswith(large)


def test_the_limits_come_from_the_configuration() -> None:
    small = replace(ports(), configuration=replace(ports().configuration, max_message_size=1234, hostname="mx.in.test"))
    build_house()
    from postroom.workers.limits import limits_from

    with open_door(ports=small, limits=limits_from(small.configuration)) as door, Peer(door.smtp_port) as peer:
        assert peer.reply().startswith("220 mx.in.test ")
        assert "SIZE 1234" in peer.say("EHLO x")
