"""A story beside thousands of others: every look goes along an index, and none reads a table from end to end."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.flows.tell_story import StoryWish, tell_story
from postroom.store.models import (
    AddressHealth,
    Attempt,
    BounceEvent,
    Contact,
    Delivery,
    InboundMessage,
    Message,
    MessageIdentifier,
    OutgoingMail,
    Record,
    ReportedRecipient,
    Suppression,
)
from postroom.store.queries import stories
from tests.flows.arriving import CARLA
from tests.flows.mail_of_carla import QUEUE_ID, Tale, tell_all
from tests.flows.outgoing_mails import HandClock, ports_with
from tests.people import add_contact, build_house
from tests.store.plans import looked_at

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MANY = 4_000
FILLED = (
    AddressHealth, Attempt, BounceEvent, Contact, Delivery, InboundMessage, Message, MessageIdentifier, OutgoingMail,
    ReportedRecipient, Suppression,
)  # fmt: skip


@pytest.fixture
def tale(db: None) -> Tale:
    """Carla's mail among those of thousands; her own come first and last."""
    clock = HandClock()
    tale = tell_all(ports_with(clock=clock), clock, build_house())
    at, company_id = clock.now() - timedelta(days=9), tale.delivery.company_id
    people = Contact.objects.bulk_create(
        Contact(name=f"C{n}", address=f"c{n}@reader.example", normal=f"c{n}@reader.example") for n in range(MANY)
    )
    came = InboundMessage.objects.bulk_create(
        InboundMessage(
            company_id=company_id, door="smtp", size=1, due_at=at, received_at=at, message_id=f"<i{n}@reader.example>",
            state="held" if n % 3 else "routed", mail_from=f"c{n}@reader.example",
        )
        for n in range(MANY)
    )  # fmt: skip
    wrote = Message.objects.bulk_create(
        Message(
            company_id=company_id,
            posted_at=at,
            author=people[n],
            inbound=came[n],
            record=tale.record,
            parent=tale.message if n % 50 == 0 else None,
        )
        for n in range(MANY)
    )
    MessageIdentifier.objects.bulk_create(
        MessageIdentifier(identifier=f"<m{n}@in.test>", message=wrote[n]) for n in range(MANY)
    )
    mails = OutgoingMail.objects.bulk_create(
        OutgoingMail(company_id=company_id, message=wrote[n], header_message_id=f"<m{n}@in.test>", created_at=at)
        for n in range(MANY)
    )
    rows = Delivery.objects.bulk_create(
        Delivery(
            mail=mails[n],
            company_id=company_id,
            to_address=f"c{n}@reader.example",
            state="bounced",
            due_at=at,
            deadline_at=at,
            created_at=at,
        )
        for n in range(MANY)
    )
    Attempt.objects.bulk_create(
        Attempt(delivery=rows[n], tried_at=at, phase="body", code=250, text=f"queued as A{n:09}", state="sent")
        for n in range(MANY)
    )
    ReportedRecipient.objects.bulk_create(
        ReportedRecipient(inbound=came[n], delivery=rows[n], address=f"c{n}@reader.example", action="failed")
        for n in range(MANY)
    )
    healths = AddressHealth.objects.bulk_create(
        AddressHealth(company_id=company_id, address=f"c{n}@reader.example", domain="reader.example")
        for n in range(MANY)
    )
    BounceEvent.objects.bulk_create(
        BounceEvent(
            health=healths[n],
            company_id=company_id,
            kind="bounced",
            source="report",
            delivery_id=rows[n].pk + 10**9,
            happened_at=at,
            recorded_at=at,
        )
        for n in range(MANY)
    )
    Suppression.objects.bulk_create(
        Suppression(health=healths[n], company_id=company_id, cause="bounces", since=at) for n in range(MANY)
    )
    with connection.cursor() as cursor:
        for model in FILLED:
            cursor.execute(f"ANALYZE {model._meta.db_table}")
    return tale


def scanned(statement: str) -> set[str]:
    """The filled tables that are read from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
    plan = plan if isinstance(plan, list) else json.loads(plan)
    return set(_scans(plan[0]["Plan"])) & {model._meta.db_table for model in FILLED}


def _scans(node: dict[str, object]) -> list[str]:
    children = node.get("Plans", [])
    assert isinstance(children, list)
    own = [str(node["Relation Name"])] if node["Node Type"] == "Seq Scan" else []
    return own + [name for child in children for name in _scans(child)]


def test_no_story_reads_a_table_from_end_to_end(tale: Tale) -> None:
    inbound = InboundMessage.objects.get(message_id="<question@customer.example>").pk
    questions = [
        str(tale.message.pk), tale.message_id, CARLA, QUEUE_ID, f"delivery:{tale.delivery.pk}", f"inbound:{inbound}",
        "c17@reader.example", "<m17@in.test>", "<i17@reader.example>", "nobody@nowhere.example", "A000000017",
    ]  # fmt: skip
    troubles = []
    for asked in questions:
        with CaptureQueriesContext(connection) as seen:
            tell_story(tale.ports, StoryWish(asked=asked), member=None)
        for query in seen.captured_queries:
            if tables := scanned(query["sql"]):
                troubles.append(f"{asked}: {', '.join(sorted(tables))}: {query['sql'][:2000]}")
    assert troubles == [], "\n\n".join(troubles)


def test_of_who_wrote_thousands_a_page_is_read(db: None) -> None:
    """Two contacts share the address; the newest of both come first, and no more of their rows are looked at than are shown."""
    size, house = 50, build_house()
    at = HandClock().now()
    pair = [add_contact(name, "carla@customer.example", house.company) for name in ("Customer Carla", "Carla, new")]
    record = Record.objects.create(
        company=house.company, kind=house.lead, title="Many letters", created_at=at, updated_at=at
    )
    Message.objects.bulk_create(
        Message(company=house.company, record=record, posted_at=at, kind="comment", author=pair[n % 3 == 0])
        for n in range(MANY)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE postroom_message")
    newest = list(Message.objects.order_by("-id").values_list("pk", flat=True)[: 2 * size])
    with CaptureQueriesContext(connection) as seen:
        pages = [
            stories.written_by(
                Message.objects.all(), "Carla@Customer.example", before=before, size=size, answering=[newest[0]]
            )
            for before in (None, newest[size - 1])
        ]
    assert [[one.message_id for one in page] for page in pages] == [newest[:size], newest[size:]]
    assert len(seen) == 2
    assert max(looked_at(query["sql"], "postroom_message") for query in seen.captured_queries) <= 3 * size
