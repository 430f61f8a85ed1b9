"""Lists of the queue: each filter shows what it names and nothing else, every row once, along an index, in bounded pages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.gates import Gate, gate_of
from postroom.core.terms.reasons import because
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Company, Delivery, OutgoingServer
from postroom.store.queries import queue_lists
from postroom.store.queries.pages_failed import grouped_failures
from postroom.store.queries.queue_lists import QueueView, QueueWish, all_ids, find
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries
from tests.store.plans import looked_at

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
EVERYTHING = QueueWish(companies=None, view=QueueView.ALL)
OUTGOING = QueueWish(companies=None)


@pytest.fixture
def company() -> Company:
    return a_company()


@pytest.fixture
def relay() -> OutgoingServer:
    return a_server(name="Relay")


def rows(company: Company, *addresses: str, **more: object) -> list[int]:
    return [row.pk for row in deliveries(a_mail(company, at=NOW), *addresses, at=NOW, **more)]


def found(wish: QueueWish) -> list[int]:
    return list(all_ids(wish, NOW))


def held(code: str, **facts: str) -> dict[str, object]:
    return because(code, **facts).as_json()


def test_each_gate_lists_what_it_holds_and_each_waiting_mail_is_at_one_gate(company: Company) -> None:
    at = {
        Gate.TURN: rows(company, "turn@x.example"),
        Gate.NOT_DUE: rows(company, "due@x.example", due_at=LATER),
        Gate.PAUSED: rows(company, "paused@x.example", waits_for=held("wait.paused"), due_at=LATER),
        Gate.LIMIT: rows(company, "day@x.example", waits_for=held("wait.daily_limit"))
        + rows(company, "minute@x.example", waits_for=held("wait.per_minute")),
        Gate.SLOWED: rows(company, "slow@x.example", waits_for=held("wait.slowed")),
        Gate.TROUBLE: rows(company, "open@x.example", waits_for=held("wait.broken")),
        Gate.SERVER: rows(company, "none@x.example", waits_for=held("wait.no_server")),
        Gate.RETRY: rows(company, "grey@x.example", state="deferred", waits_for=held("wait.transient")),
        Gate.OTHER: rows(company, "new@x.example", waits_for=held("wait.of_a_later_version")),
    }
    rows(company, "sent@x.example", state="sent")
    for gate, ids in at.items():
        assert sorted(found(replace(OUTGOING, gate=gate))) == ids, gate
    for row in Delivery.objects.exclude(state="sent"):
        code = str((row.waits_for or {}).get("code", ""))
        assert row.pk in at[gate_of(code, row.due_at, NOW)]


def test_an_address_finds_its_mails_whatever_its_letters_and_a_part_finds_those_that_contain_it(
    company: Company,
) -> None:
    (carla,) = rows(company, "Carla@Customer.example")
    (piet,) = rows(company, "piet@customer.example", state="sent")
    rows(company, "dana@elsewhere.example")
    assert found(replace(EVERYTHING, recipient="carla@customer.EXAMPLE")) == [carla]
    assert found(replace(EVERYTHING, recipient="@customer")) == [piet, carla]
    assert found(replace(OUTGOING, recipient="@customer")) == [carla]
    assert found(replace(EVERYTHING, view=QueueView.SENT, recipient="carla@customer.example")) == []


def test_server_lane_and_state_narrow_every_list(company: Company, relay: OutgoingServer) -> None:
    (here,) = rows(company, "a@x.example", server=relay, lane=2)
    rows(company, "b@x.example", lane=2)
    rows(company, "c@x.example", server=relay, lane=0)
    (failed,) = rows(company, "d@x.example", server=relay, lane=2, state="failed")
    rows(company, "e@x.example", lane=2, state="failed")
    (deferred,) = rows(company, "f@x.example", state="deferred")
    narrow = replace(OUTGOING, server=relay.pk, lane=2)
    assert found(narrow) == [here]
    assert found(replace(narrow, view=QueueView.FAILED)) == [failed]
    assert found(replace(narrow, view=QueueView.ALL)) == [failed, here]
    assert found(replace(OUTGOING, state=DeliveryState.DEFERRED)) == [deferred]


@pytest.mark.parametrize("view", QueueView)
def test_companies_see_their_own_alone(company: Company, view: QueueView) -> None:
    other, third = a_company("Other", "other.example"), a_company("Third", "third.example")
    mine = [number for state in DeliveryState for number in rows(company, "a@x.example", state=state)]
    also_mine = [number for state in DeliveryState for number in rows(third, "a@x.example", state=state)]
    for state in DeliveryState:
        rows(other, "a@x.example", state=state)
    own = set(mine + also_mine)
    seen = found(replace(EVERYTHING, view=view, companies=[company.pk, third.pk]))
    everybodys = found(replace(EVERYTHING, view=view))
    assert len(seen) == len(set(seen))
    assert set(seen) == set(everybodys) & own
    assert set(everybodys) - own
    assert found(replace(EVERYTHING, view=view, companies=[])) == []


@pytest.mark.parametrize("wanted", [{}, {"companies": 1}, {"recipient": "1@"}, {"lane": 1}, {"gate": Gate.TURN}])
def test_pages_show_every_row_once_and_in_order(company: Company, wanted: dict[str, object]) -> None:
    for number in range(70):
        due_at = NOW - timedelta(minutes=number // 9)
        rows(company, f"{number}@x.example", lane=number % 3, due_at=due_at)
    if "companies" in wanted:
        wanted = {"companies": [company.pk]}
    wish = replace(OUTGOING, size=7, **wanted)  # type: ignore[arg-type]
    seen: list[int] = []
    while True:
        page = find(wish, NOW)
        assert len(page.ids) <= 7
        seen += page.ids
        if not page.next:
            break
        wish = replace(wish, cursor=page.next)
    order = {row.pk: (row.lane, row.due_at, row.pk) for row in Delivery.objects.all()}
    assert seen == sorted(seen, key=lambda number: order[number])
    assert len(seen) == len(set(seen))
    expected = Delivery.objects.all()
    if "recipient" in wanted:
        expected = expected.filter(to_address__contains="1@")
    if "lane" in wanted:
        expected = expected.filter(lane=1)
    assert len(seen) == expected.count()


def test_a_page_looks_at_a_bounded_window_and_says_where_to_search_further(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_lists, "WINDOW", 10)
    (first,) = rows(company, "carla@x.example", state="sent")
    rows(company, *(f"{number}@x.example" for number in range(25)), state="sent")
    wish = replace(EVERYTHING, view=QueueView.SENT, recipient="carla")
    page = find(wish, NOW)
    assert page.ids == ()
    assert page.next
    assert found(wish) == [first]


@pytest.mark.parametrize("view", [QueueView.ALL, QueueView.SENT, QueueView.OUTGOING])
def test_a_window_is_looked_through_in_one_question_and_its_numbers_do_not_travel(
    company: Company, monkeypatch: pytest.MonkeyPatch, view: QueueView
) -> None:
    monkeypatch.setattr(queue_lists, "GLANCE", 20)
    state = "queued" if view is QueueView.OUTGOING else "sent"
    wanted = rows(company, "carla@x.example", "CARLA@y.example", state=state)
    strangers = rows(company, *(f"{number}@x.example" for number in range(60)), state=state)
    wish = replace(EVERYTHING, view=view, recipient="carla", companies=(company.pk,))
    with CaptureQueriesContext(connection) as seen:
        page = find(wish, NOW)
    assert sorted(page.ids) == sorted(wanted)
    assert len(seen) <= 3
    asked = " ".join(query["sql"] for query in seen.captured_queries)
    assert not [number for number in strangers if re.search(rf"\b{number}\b", asked)]


def test_who_has_no_company_finds_nothing_in_a_search(company: Company) -> None:
    rows(company, "carla@x.example", state="sent")
    for view in QueueView:
        assert found(replace(EVERYTHING, view=view, recipient="carla", companies=())) == []


@pytest.mark.slow
def test_every_list_is_read_along_an_index_of_its_order(company: Company, relay: OutgoingServer) -> None:
    """Nothing is sorted but what a page holds, and no table is read from end to end."""
    mail = a_mail(company, at=NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO postroom_delivery (mail_id, company_id, to_name, to_address, state, lane, due_at, waits_for,"
            " deadline_at, attempt_count, claimed_by, server_id, reasons, failure_type, failure_reason, blame,"
            " provider_message_id, created_at) SELECT %s, %s, '', 'c' || n || '@x.example',"
            " (ARRAY['queued','deferred','sent','sent','failed'])[1 + n %% 5], n %% 3, %s, CASE WHEN n %% 5 = 1 THEN"
            " '{\"code\": \"wait.paused\"}'::jsonb END, %s, 0, '', CASE WHEN n %% 5 = 1 THEN %s END, '[]', '', '', '', '', %s"
            " FROM generate_series(1, 60000) n",
            [mail.pk, company.pk, NOW, LATER, relay.pk, NOW],
        )
        cursor.execute("ANALYZE postroom_delivery")
    for wish, index in {
        OUTGOING: "delivery_queue",
        replace(OUTGOING, companies=(company.pk,)): "delivery_company_queue",
        replace(OUTGOING, gate=Gate.PAUSED): "delivery_gate",
        replace(OUTGOING, server=relay.pk): "delivery_server_queue",
        replace(EVERYTHING, view=QueueView.FAILED, companies=(company.pk,)): "delivery_company_ended",
        replace(EVERYTHING, view=QueueView.FAILED): "delivery_attention",
        replace(EVERYTHING, view=QueueView.SENT): "delivery_company_ended",
        replace(EVERYTHING, recipient="c777@x.example"): "delivery_recipient",
    }.items():
        plan = queue_lists._plan(wish, NOW)
        piece = plan.pieces[0].order_by(*plan.order).values_list(*(name.lstrip("-") for name in plan.order))[:51]
        explained = piece.explain()
        assert index in explained, explained
        assert "Seq Scan" not in explained, explained
        assert "Sort" not in explained, explained
    for companies in (None, (company.pk,), (company.pk, *range(10**6, 10**6 + 70))):
        with CaptureQueriesContext(connection) as seen:
            groups = grouped_failures(companies, shows_house=False)
        assert (groups.total, groups.is_all, len(seen)) == (1_000, False, 1)
        assert looked_at(seen.captured_queries[0]["sql"], "postroom_delivery") <= 2 * 1_001 + 1_001
