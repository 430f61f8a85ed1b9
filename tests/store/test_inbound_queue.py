"""Nobody's mail holds up everybody's: heavy mails go alone, and a sender has a share of a batch."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection, transaction

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_message
from postroom.store.models import InboundMessage
from postroom.store.queries import inbound_queue
from postroom.store.queries.inbound_queue import HEAVY, SHARE, claim_waiting
from postroom.wiring import ports
from tests.people import build_house, write_mail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _house() -> None:
    build_house()


def arrives(sender: str, size: int = 1_000) -> int:
    """As large as is said; the bytes themselves do not matter here."""
    envelope = Envelope(mail_from=sender, rcpt_to=("support@in.test",))
    number = accept_message(ports(), Arrival(door=Door.SMTP, raw=write_mail(sender=sender), envelope=envelope))
    InboundMessage.objects.filter(pk=number).update(size=size)
    return number


def claimed(limit: int = 100) -> list[int]:
    """And routed, for all that the queue sees."""
    with transaction.atomic():
        found = [one.id for one in claim_waiting(ports().clock.now(), limit)]
        InboundMessage.objects.filter(pk__in=found).update(state="routed")
    return found


def test_small_mails_come_together_oldest_first() -> None:
    numbers = [arrives(f"c{n}@customer.example") for n in range(5)]
    assert claimed() == numbers
    assert claimed() == []


def test_a_heavy_mail_is_routed_alone_and_other_heavy_ones_let_the_rest_go_first() -> None:
    heavy = [arrives("carla@customer.example", HEAVY + 1) for _ in range(3)]
    small = [arrives(f"c{n}@customer.example") for n in range(4)]
    assert [claimed(), claimed(), claimed(), claimed()] == [heavy[:1], small, heavy[1:2], heavy[2:]]


def test_small_mails_before_a_heavy_one_do_not_wait_for_it() -> None:
    first, heavy, last = arrives("a@x.example"), arrives("b@x.example", HEAVY + 1), arrives("c@x.example")
    assert [claimed(), claimed()] == [[first, last], [heavy]]


def test_a_sender_has_a_share_and_what_is_beyond_it_goes_behind_others() -> None:
    flood = [arrives("robot@flood.example", SHARE // 2) for _ in range(5)]
    other = arrives("carla@customer.example")
    assert claimed() == [*flood[:2], other]
    assert [claimed(), claimed()] == [flood[2:4], flood[4:]]


def test_all_mails_together_have_a_bound() -> None:
    numbers = [arrives(f"c{n}@customer.example", HEAVY) for n in range(12)]
    assert [claimed(), claimed()] == [numbers[:8], numbers[8:]]


def test_while_one_routes_a_heavy_mail_another_has_the_small_ones_and_none_of_the_heavy() -> None:
    heavy = [arrives("carla@customer.example", HEAVY + 1) for _ in range(2)]
    small = arrives("dora@customer.example")
    settings = connection.get_connection_params()
    with psycopg.connect(
        **{k: v for k, v in settings.items() if k in ("host", "port", "dbname", "user", "password")}
    ) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s::bigint)", [inbound_queue._ONE_HEAVY])
        assert [claimed(), claimed()] == [[small], []]
    assert [claimed(), claimed()] == [heavy[:1], heavy[1:]]


def test_what_is_not_taken_is_free_for_others_at_once() -> None:
    arrives("carla@customer.example", HEAVY + 1)
    small = arrives("dora@customer.example")
    settings = connection.get_connection_params()
    with (
        psycopg.connect(
            **{k: v for k, v in settings.items() if k in ("host", "port", "dbname", "user", "password")}
        ) as other,
        transaction.atomic(),
    ):
        assert len(claim_waiting(ports().clock.now(), 100)) == 1
        found = other.execute(
            "SELECT id FROM postroom_inboundmessage WHERE id = %s FOR UPDATE SKIP LOCKED", [small]
        ).fetchall()
        assert found == [(small,)]
