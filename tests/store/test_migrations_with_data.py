"""The tables of an installation that is at work are brought up to date: nothing is lost, what waits goes on.

The data is written by the models of that time, as far as each later step changes what they hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql
from pytest_django import DjangoDbBlocker

from postroom.core.mime.composing import render_body
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.flows.reach_mailbox import cursor_of
from postroom.flows.route_message import route_waiting
from postroom.store import models
from postroom.store.claims import claim
from postroom.wiring import ports
from postroom.workers.database import Connection
from tests.people import write_mail

pytestmark = pytest.mark.slow

BEFORE = ("postroom", "0010_queue")  # the first tables that went to work
NOW = ports().clock.now()
RAW = write_mail(subject="It waited", Message_ID="<waited@customer.example>")
TAKEN = dict.fromkeys(InboundState, 2)
LEFT = dict.fromkeys(DeliveryState, 2)
OLD_HOLD = [  # as the breaker wrote it before holds were rows of their own
    {
        "decision": "Hold",
        "reasons": [
            {"code": "alias.takes", "facts": {"alias": "support@in.test", "kind": "ticket"}},
            {"code": "loop.alias_author", "facts": {"author": "carla@customer.example", "alias": "support@in.test"}},
        ],
    }
]


@pytest.fixture
def _an_empty_database(
    django_db_setup: None, embedded_postgresql: Connection, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """With no tables at all, for this test alone."""
    name = sql.Identifier(f"old_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}")
    usual = connection.settings_dict["NAME"]
    with psycopg.connect(embedded_postgresql.url, autocommit=True) as server, django_db_blocker.unblock():
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
        connection.close()
        connection.settings_dict["NAME"] = name.as_string().strip('"')
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = usual
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.mark.usefixtures("_an_empty_database")
def test_an_installation_at_work_is_brought_up_to_date_and_loses_nothing() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([BEFORE])
    written = _write(executor.loader.project_state([BEFORE]).apps)
    counts = {name: getattr(models, name).objects.count for name in written}

    call_command("migrate", interactive=False, verbosity=0)

    assert {name: count() for name, count in counts.items()} == written
    assert _states(models.InboundMessage) == TAKEN
    assert _states(models.Delivery) == LEFT

    _what_was_taken_from_mailboxes_is_not_taken_again()
    _later_columns_have_values()
    _what_a_breaker_held_can_be_released()
    claimed = claim("worker", now=ports().clock.now(), lease_until=NOW + timedelta(hours=1), limit=100)
    assert {one.to_address.split("@")[0].rstrip("01") for one in claimed} == {"queued", "deferred"}
    _what_waited_is_routed_once()


def _what_was_taken_from_mailboxes_is_not_taken_again() -> None:
    imap, pop, unconfirmed = models.Mailbox.objects.order_by("id")
    assert (imap.uid_validity, imap.last_uid, imap.floor_uid, imap.open_uids) == (17, 42, 42, [])
    assert cursor_of(pop).seen_uidls == {"a1", "b2"}
    assert (imap.authentication, imap.preset, imap.authserv_ids) == ("password", "custom", "")
    assert imap.confirmed_at is not None
    assert imap.succeeded_at == imap.fetched_at
    assert pop.succeeded_at is None  # its last round went wrong
    assert unconfirmed.confirmed_at is None


def _what_a_breaker_held_can_be_released() -> None:
    hold = models.LoopHold.objects.get()
    assert hold.inbound.state == "held"
    assert (hold.subject, hold.author) == (f"alias:{models.Alias.objects.get().pk}", "carla@customer.example")
    assert (hold.sender, hold.reason["code"]) == ("carla@customer.example", "loop.alias_author")


def _later_columns_have_values() -> None:
    assert set(models.InboundMessage.objects.values_list("hook_id", flat=True)) == {None}
    assert not models.ReportedRecipient.objects.get().is_claim
    assert models.RefusalNotice.objects.get().times == 1
    assert models.ReportedRecipient.objects.get().reason == ""
    assert models.ApiKey.objects.get().scope == "all"
    assert models.OutgoingServer.objects.get().learned_per_minute == 0
    assert set(models.InboundMessage.objects.values_list("authentication", flat=True)) == {None}
    assert not models.Record.objects.exclude(is_done=False, unanswered_since=None).exists()


def _what_waited_is_routed_once() -> None:
    waiting = list(models.InboundMessage.objects.filter(state="received").values_list("pk", flat=True))
    while route_waiting(ports()):
        pass
    done = models.InboundMessage.objects.filter(pk__in=waiting)
    assert sorted(done.values_list("state", flat=True)) == ["discarded", "routed"]  # the same mail, two times
    assert models.Record.objects.filter(title="It waited").count() == 1
    assert models.Follower.objects.filter(record__title="It waited", came_with=None).count() == 1


def _states(model: Any) -> dict[str, int]:
    states = list(model.objects.values_list("state", flat=True))
    return {state: states.count(state) for state in states}


def _write(then: Any) -> dict[str, int]:
    """Something in every table that a later step changes. How many rows there are of each model."""
    made: dict[str, int] = {}

    def make(model: str, **values: Any) -> Any:
        made[model] = made.get(model, 0) + 1
        return then.get_model("postroom", model).objects.create(**values)

    domain = make("AliasDomain", name="in.test")
    company = make("Company", name="Northwind", alias_domain=domain)
    ticket = then.get_model("postroom", "RecordKind").objects.get(key="ticket")
    alias = make("Alias", company=company, domain=domain, name="support", kind=ticket)
    carla = make("Contact", company=company, name="Carla", address="carla@old.example", normal="carla@old.example")
    alice = make("Contact", company=company, name="Alice", address="alice@in.test", normal="alice@in.test")
    make("AliasFollower", alias=alias, contact=alice)
    user = then.get_model("auth", "User").objects.create(username="alice")
    member = make("Member", user=user, contact=alice, company=company, role="administrator")
    make("ApiKey", member=member, name="Shop", hash="0" * 64)
    server = make("OutgoingServer", name="Relay", host="relay.example")

    box = {"company": company, "host": "mail.example", "username": "in", "fetched_at": NOW, "is_confirmed": True}
    imap = make("Mailbox", name="IMAP", uid_validity=17, last_uid=42, **box)
    make("Mailbox", name="POP3", protocol="pop3", seen_uidls=["a1", "b2"], last_error="The server hung up.", **box)
    make("Mailbox", name="New", **{**box, "is_confirmed": False, "fetched_at": None})

    arrivals = [make("InboundMessage", **_arrival(company, state)) for state in TAKEN for _ in range(2)]
    for row in arrivals:
        make("RawMail", inbound=row, raw=RAW)
    held = next(row for row in arrivals if row.state == "held")
    held.verdict = OLD_HOLD
    held.save()
    arrivals[-1].mailbox = imap
    arrivals[-1].save()
    routed = next(row for row in arrivals if row.state == "routed")
    make("SeenMail", key="1" * 64, inbound=routed, seen_at=NOW)
    make("RefusalNotice", sender="carla@old.example", kind="policy", sent_on=NOW.date())

    dates = {"created_at": NOW - timedelta(days=1), "updated_at": NOW}
    record = make("Record", company=company, kind=ticket, title="Lamps", contact=carla, alias=alias, **dates)
    make("Record", company=company, kind=ticket, title="Lamps again", merged_into=record, responsible=member, **dates)
    make("Follower", record=record, contact=alice)
    first = make("Message", company=company, record=record, author=carla, inbound=routed, posted_at=NOW)
    answer = make("Message", company=company, record=record, author=alice, parent=first, posted_at=NOW)
    for message in (first, answer):
        make("MessageBody", message=message, text="All is well.")
        make("MessageIdentifier", message=message, identifier=f"<{message.pk}@in.test>")
    notification = make("Notification", company=company, message=answer, contact=carla, author=alice, state="sent")

    subject = {"company": company, "message": answer, "subject": "Lamps", "header_message_id": "<1@in.test>"}
    mail = make("OutgoingMail", forced_server=server, alias_domain=domain, created_at=NOW, **subject)
    body = render_body(text="All is well.")
    make("OutgoingContent", mail=mail, content_headers=body.content_headers, body=body.body)
    parcels = [make("Delivery", **_delivery(company, mail, state, number)) for state in LEFT for number in range(2)]
    parcels[0].notification = notification
    parcels[0].save()
    make("Attempt", delivery=parcels[0], server=server, tried_at=NOW, phase="body", code=250, state="sent")
    make("ReportedRecipient", inbound=routed, delivery=parcels[0], address="carla@old.example", action="failed")
    return made


def _arrival(company: Any, state: str) -> dict[str, Any]:
    waits = state == "received"
    return {
        "company": company,
        "door": "smtp",
        "mail_from": "carla@customer.example",
        "rcpt_to": ["support@in.test"],
        "size": len(RAW),
        "state": state,
        "due_at": NOW - timedelta(minutes=5),
        "subject": "It waited" if waits else "It is settled",
        "received_at": NOW - timedelta(minutes=5),
        "routed_at": None if waits else NOW,
    }


def _delivery(company: Any, mail: Any, state: str, number: int) -> dict[str, Any]:
    is_sending = state == "sending"
    is_waiting = state in ("queued", "deferred", "sending")
    return {
        "company": company,
        "mail": mail,
        "to_address": f"{state}{number}@reader.example",
        "state": state,
        "due_at": NOW - timedelta(minutes=5),
        "deadline_at": NOW + timedelta(days=5),
        "created_at": NOW - timedelta(minutes=9),
        "finished_at": None if is_waiting else NOW,
        "claimed_by": "deliverer" if is_sending else "",
        "lease_until": NOW + timedelta(minutes=1) if is_sending else None,
    }
