"""What the loop breaker looks at costs the same however much mail there is."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from psycopg import Cursor

from postroom.store.models import Alias, Delivery, Message, Record
from postroom.store.queries import loop_signs
from postroom.wiring import ports
from tests.flows.outgoing_mails import a_mail, deliveries
from tests.people import House, build_house

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def house() -> House:
    """One record and one alias with much behind them."""
    house = build_house()
    now = ports().clock.now()
    same = {"company": house.company, "kind": house.ticket, "alias": house.support, "updated_at": now}
    records = Record.objects.bulk_create(
        [
            Record(
                title=f"r{n}", contact_address=f"c{n % 50}@many.example", created_at=now - timedelta(minutes=n), **same
            )
            for n in range(3000)
        ]
    )
    Message.objects.bulk_create(
        [
            Message(
                company=house.company,
                record=records[0 if n % 2 else n],
                author_address="c0@many.example",
                text_digest="0" * 64,
                posted_at=now - timedelta(hours=n),
            )
            for n in range(3000)
        ]
    )
    mail = a_mail(house.company, at=now)
    deliveries(mail, *(f"robot+{n}@r.example" for n in range(2000)), at=now, state="sent", finished_at=now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE postroom_record, postroom_message, postroom_delivery")
    return house


def rows_read(statement: str, values: dict[str, object]) -> dict[str, float]:
    """How many rows each table gave, by the plan as it was run. Tables of tests are small enough to be read whole and sorted; large ones
    are not, so these ways are closed."""
    connection.ensure_connection()
    with connection.cursor() as plain:
        for way in ("seqscan", "sort", "bitmapscan"):
            plain.execute(f"SET LOCAL enable_{way} = off")
    with Cursor(connection.connection) as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), values)
        row = cursor.fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    found: dict[str, float] = {}
    _walk(plan[0]["Plan"], found)
    return found


def _walk(node: dict[str, object], found: dict[str, float]) -> None:
    table = node.get("Relation Name")
    if isinstance(table, str):
        rows = float(str(node["Actual Rows"])) + float(str(node.get("Rows Removed by Filter", 0)))
        found[table] = found.get(table, 0) + rows * float(str(node["Actual Loops"]))
    for child in node.get("Plans", []):  # type: ignore[attr-defined]
        _walk(child, found)


def test_the_last_messages_of_a_record_are_read_and_no_more(house: House) -> None:
    now = ports().clock.now()
    read = rows_read(
        loop_signs._ON_RECORDS,
        {"records": [Record.objects.get(title="r0").pk], "most": 100, "since": now - timedelta(days=1)},
    )
    assert read["postroom_message"] <= 100


@pytest.mark.parametrize(
    ("author", "base", "most"), [("c7@many.example", "c7@many.example", 41), ("+", "c7@many.example", 205)]
)
def test_what_an_author_had_made_is_read_as_far_as_the_threshold(
    house: House, author: str, base: str, most: int
) -> None:
    now = ports().clock.now()
    values = {
        "aliases": [Alias.objects.get(name="support").pk],
        "authors": [author],
        "bases": [base],
        "since": now - timedelta(days=1),
        "threshold": 20,
        "wide": 100,
    }
    assert rows_read(loop_signs._THROUGH_ALIASES, values)["postroom_record"] <= most


def test_our_mail_to_an_author_is_found_by_the_index_of_recipients(house: House) -> None:
    values = {
        "bases": ["robot@r.example"],
        "subs": ["robot+"],
        "domains": ["@r.example"],
        "most": 40,
        "since": ports().clock.now() - timedelta(days=1),
    }
    read = rows_read(loop_signs._WRITTEN_TO, values)
    assert read["postroom_delivery"] <= 40 < Delivery.objects.count()
    values |= {"bases": ["nobody@r.example"], "subs": ["nobody+"]}
    assert rows_read(loop_signs._WRITTEN_TO, values).get("postroom_delivery", 0) <= 40
