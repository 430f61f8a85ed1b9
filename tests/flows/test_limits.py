"""Limits of servers and destinations, on a real PostgreSQL: who passes, who waits and until when, what is given back."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.delivery.throttle import Span
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.gates import Gate
from postroom.core.terms.reasons import reasons_from_json
from postroom.core.terms.smtp_replies import SmtpReply, read_reply
from postroom.flows.deliver_mail import ClaimedBatch, ReadyMail, Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.record_outcomes import RecordedBatch, record_outcomes
from postroom.flows.recover_journals import put_back
from postroom.flows.settings import limit_destination, release_destination, release_server, save_server
from postroom.store.models import (
    Company,
    Delivery,
    Destination,
    DestinationDomain,
    OutgoingServer,
    SendingGate,
    SettingChange,
)
from postroom.store.queries.gates import full_servers, limited_servers, slow_destinations, used_today
from postroom.store.queries.pages_queue import delivery
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, numbered, ports_with

pytestmark = pytest.mark.django_db

WORKER = "worker-1"
TOMORROW = timedelta(hours=12)  # the clock stands at noon


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


@pytest.fixture
def company() -> Company:
    return a_company()


def some_mail(company: Company, clock: HandClock, count: int, **more: object) -> list[Delivery]:
    return deliveries(a_mail(company, at=clock.now()), *numbered(count), at=clock.now(), **more)


def claimed(ports: Ports, limit: int = 1000, shelf: Shelf | None = None, busy: tuple[int, ...] = ()) -> ClaimedBatch:
    return claim_and_compose(ports, WORKER, limit, shelf=shelf or Shelf(), busy=busy)


def said(ready: ReadyMail, line: str = "250 2.0.0 taken", phase: Phase = Phase.BODY) -> WireOutcome:
    return WireOutcome(key=ready.ticket.delivery_id, phase=phase, reply=read_reply(int(line[:3]), [line[4:]]))


def recorded(ports: Ports, *outcomes: tuple[ReadyMail, WireOutcome], shelf: Shelf | None = None) -> RecordedBatch:
    return record_outcomes(ports, WORKER, [(ready.ticket, outcome) for ready, outcome in outcomes], shelf=shelf)


def sent(ports: Ports, batch: ClaimedBatch) -> int:
    recorded(ports, *((ready, said(ready)) for ready in batch.ready))
    return len(batch.ready)


def waits() -> Counter[str]:
    return Counter(Delivery.objects.filter(waits_for__isnull=False).values_list("waits_for__code", flat=True))


# -- of a server


def test_the_rest_of_a_day_waits_for_tomorrow_and_says_so(ports: Ports, clock: HandClock, company: Company) -> None:
    server = a_server(daily_limit=10)
    some_mail(company, clock, 25)
    batch = claimed(ports)
    assert sent(ports, batch) == 10
    assert batch.alarms == (
        "Daily limit reached: Relay sends 10 mails a day. The rest waits until 2026-03-02 00:00 UTC.",
    )
    midnight = clock.now() + TOMORROW
    due = Counter(Delivery.objects.exclude(state="sent").values_list("due_at", flat=True))
    assert due == {midnight: 10, midnight + timedelta(days=1): 5}
    first = Delivery.objects.filter(due_at=midnight).order_by("pk")[0]
    assert (first.state, first.attempt_count, first.server_id) == ("queued", 0, server.pk)
    assert str(reasons_from_json([first.waits_for])[0]).startswith("Daily limit reached")
    assert claimed(ports).taken == 0
    clock.pass_by(hours=12)
    assert sent(ports, claimed(ports)) == 10


def test_what_waits_says_at_which_gate_since_when_and_what_helps(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    a_server(daily_limit=1)
    rows = some_mail(company, clock, 3)
    began = clock.now()
    sent(ports, claimed(ports))
    clock.pass_by(hours=3)
    fact = delivery(Delivery.objects.all(), rows[1].pk, now=clock.now())
    assert fact is not None
    assert (fact.row.gate, fact.row.held_since, fact.row.due_at) == (Gate.LIMIT, began, began + TOMORROW)
    assert [cure.code for cure in fact.cures] == ["cure.raise_limit", "cure.another_server", "cure.in_app"]
    clock.pass_by(hours=9)
    some_mail(company, clock, 1, lane=0)  # somebody more urgent takes the day
    assert sent(ports, claimed(ports)) == 1
    assert claimed(ports).ready == ()  # the others are looked at after the urgent one, in vain
    fact = delivery(Delivery.objects.all(), rows[1].pk, now=clock.now())
    assert fact is not None
    assert fact.row.held_since == began  # still the same gate


def test_a_reached_limit_is_on_the_first_page_until_the_day_is_over(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    server = a_server(daily_limit=2)
    some_mail(company, clock, 3)
    assert full_servers(OutgoingServer.objects.all(), clock.now()) == ()
    claimed(ports)
    (full,) = full_servers(OutgoingServer.objects.all(), clock.now())
    assert (full.id, full.used, full.until) == (server.pk, 2, clock.now() + TOMORROW)
    assert used_today([server.pk], clock.now()) == {server.pk: 2}
    clock.pass_by(days=1)
    assert full_servers(OutgoingServer.objects.all(), clock.now()) == ()


def test_a_warm_up_lets_more_leave_day_by_day(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server(warm_up_started_on=date(2026, 3, 1), warm_up_first_day=4, warm_up_growth=100)
    some_mail(company, clock, 30, lane=0)
    clock.pass_by(hours=1)
    counts = []
    for _ in range(3):
        counts.append(sent(ports, claimed(ports)))
        Delivery.objects.filter(state="queued").update(due_at=clock.now())
        clock.pass_by(days=1)
    assert counts == [4, 8, 16]
    assert waits()["wait.warm_up"] == 2


def test_another_server_takes_over_when_the_day_of_the_first_is_full(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    first = a_server(daily_limit=3, priority=1)
    second = a_server(2526, priority=2, name="Second")
    some_mail(company, clock, 10)
    batch = claimed(ports)
    assert Counter(ready.ticket.server_id for ready in batch.ready) == {first.pk: 3, second.pk: 7}
    passed_on = next(ready for ready in batch.ready if ready.ticket.server_id == second.pk)
    assert (passed_on.ticket.reasons or [])[0]["code"] == "server.skipped_full"
    assert SendingGate.objects.get().frontier_at is None  # nobody was promised anything


def test_two_full_servers_pass_mail_on_to_each_other_and_in_the_end_it_waits(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    servers = [a_server(2525 + number, daily_limit=4, priority=number + 1, name=str(number)) for number in range(3)]
    some_mail(company, clock, 20)
    batch = claimed(ports)
    assert Counter(ready.ticket.server_id for ready in batch.ready) == {server.pk: 4 for server in servers}
    assert Delivery.objects.filter(state="queued", due_at__gt=clock.now()).count() == 8


def test_a_minute_is_a_minute_and_the_rest_comes_evenly(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server(per_minute_limit=60)
    some_mail(company, clock, 200)
    counts = []
    for _ in range(4):
        counts.append(sum(sent(ports, claimed(ports)) for _ in _seconds(clock, 60)))
    assert counts == [60, 60, 60, 20]
    assert Delivery.objects.filter(state="sent").count() == 200


def _seconds(clock: HandClock, count: int) -> object:
    for _ in range(count):
        yield
        clock.pass_by(seconds=1)


def test_urgent_mail_goes_first_in_the_next_minute(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server(per_minute_limit=10)
    some_mail(company, clock, 100, lane=2)
    sent(ports, claimed(ports))
    urgent = some_mail(company, clock, 1, lane=0)[0]
    assert claimed(ports).ready == ()
    clock.pass_by(seconds=60)
    assert claimed(ports).ready[0].ticket.delivery_id == urgent.pk


def test_limits_cost_the_same_for_one_mail_and_for_a_thousand(ports: Ports, clock: HandClock, company: Company) -> None:
    shelf = Shelf()

    def queries(count: int) -> int:
        for _ in range(count):
            some_mail(company, clock, 3)
        with CaptureQueriesContext(connection) as captured:
            assert claimed(ports, shelf=shelf).taken == 3 * count
        Delivery.objects.all().delete()
        clock.pass_by(seconds=2)
        return len(captured)

    server = a_server()
    queries(1)
    without = queries(1)
    OutgoingServer.objects.filter(pk=server.pk).update(daily_limit=100_000, per_minute_limit=100_000)
    queries(1)  # the gates' rows are made
    assert queries(1) == queries(30)
    assert queries(1) - without <= 4  # lock, write, and the transaction around them


def test_without_limits_no_gate_is_ever_looked_at(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server()
    some_mail(company, clock, 3)
    with CaptureQueriesContext(connection) as captured:
        sent(ports, claimed(ports))
    assert not [query for query in captured.captured_queries if "sendinggate" in query["sql"]]


# -- what was not used


@pytest.mark.parametrize(
    ("line", "phase", "day", "minute"),
    [
        ("250 2.0.0 taken", Phase.BODY, 5, 5),
        ("550 5.1.1 Nobody", Phase.RCPT, 4, 5),
        ("451 4.2.2 Later", Phase.RCPT, 4, 5),
        ("535 5.7.8 Wrong password", Phase.AUTH, 4, 4),
        ("421 4.3.2 Going down", Phase.MAIL, 4, 4),
    ],
)
def test_a_place_through_which_nothing_left_is_free_again(
    ports: Ports, clock: HandClock, company: Company, line: str, phase: Phase, day: int, minute: int
) -> None:
    a_server(daily_limit=9, per_minute_limit=9)
    some_mail(company, clock, 5)
    batch = claimed(ports)
    recorded(ports, (batch.ready[0], said(batch.ready[0], line, phase)))
    used = dict(SendingGate.objects.values_list("span", "used"))
    assert used == {Span.DAY: day, Span.MINUTE: minute}


def test_a_connection_that_dies_before_the_reply_may_have_used_its_place(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    a_server(daily_limit=9)
    some_mail(company, clock, 1)
    (ready,) = claimed(ports).ready
    outcome = WireOutcome(key=ready.ticket.delivery_id, phase=Phase.BODY, reply=None, trouble="reset")
    recorded(ports, (ready, outcome))
    assert SendingGate.objects.get().used == 1


def test_what_goes_back_unsent_gives_its_place_back_once(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server(daily_limit=9)
    some_mail(company, clock, 5)
    tickets = [ready.ticket for ready in claimed(ports).ready]
    assert put_back(WORKER, tickets[:2]) == 2
    assert put_back(WORKER, tickets[:2]) == 0
    assert SendingGate.objects.get().used == 3


def test_a_place_of_a_window_that_is_over_is_not_given_back(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server(per_minute_limit=9)
    some_mail(company, clock, 3)
    old = [ready.ticket for ready in claimed(ports).ready]
    clock.pass_by(minutes=5)
    some_mail(company, clock, 4)
    claimed(ports)
    put_back(WORKER, old)
    assert SendingGate.objects.get().used == 4


def test_a_mail_that_cannot_be_composed_gives_its_place_back(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server(daily_limit=9, max_message_size=1000)
    deliveries(a_mail(company, at=clock.now(), text="x" * 2000), "bob@reader.example", at=clock.now())
    assert claimed(ports).ready == ()
    assert SendingGate.objects.get().used == 0


def test_who_raises_a_limit_lets_the_waiting_go_at_once(ports: Ports, clock: HandClock, company: Company) -> None:
    server = a_server(daily_limit=5)
    some_mail(company, clock, 30)
    assert len(claimed(ports).ready) == 5
    save_server(ports, {"id": server.pk, "daily_limit": 20}, member=None)
    assert len(claimed(ports).ready) == 15
    assert SendingGate.objects.get().used == 20


# -- of a destination


def to(company: Company, clock: HandClock, domain: str, count: int, **more: object) -> list[Delivery]:
    addresses = [f"customer{number}@{domain}" for number in range(count)]
    return deliveries(a_mail(company, at=clock.now()), *addresses, at=clock.now(), **more)


def test_a_limit_of_a_provider_holds_for_all_its_domains_and_for_no_other(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    a_server()
    limit_destination(ports, "google.com", 6, member=None)
    DestinationDomain.objects.create(domain="northwind.test", destination="google.com", resolved_at=clock.now())
    DestinationDomain.objects.create(domain="unasked.test", destination="google.com")  # not known yet: it stands alone
    for domain in ("gmail.com", "northwind.test", "unasked.test", "reader.example"):
        to(company, clock, domain, 5)
    leaving = Counter(ready.ticket.domain for ready in claimed(ports).ready)
    assert leaving == {"gmail.com": 5, "northwind.test": 1, "unasked.test": 5, "reader.example": 5}
    assert waits() == {"wait.destination": 4}
    assert SettingChange.objects.filter(subject="destination google.com").exists()
    limit_destination(ports, "google.com", 0, member=None)
    assert len(claimed(ports).ready) == 4


def test_each_server_has_its_own_limit_at_a_destination(ports: Ports, clock: HandClock, company: Company) -> None:
    one = a_server(from_filter="northwind.example")
    two = a_server(2526, name="Two", from_filter="guest.example")
    Destination.objects.create(name="google.com", per_minute_limit=3, changed_at=clock.now())
    to(company, clock, "gmail.com", 5)
    mail = a_mail(a_company("Guest", "guest.example"), at=clock.now(), from_address="gus@guest.example")
    deliveries(mail, *[f"c{number}@gmail.com" for number in range(5)], at=clock.now())
    assert Counter(ready.ticket.server_id for ready in claimed(ports).ready) == {one.pk: 3, two.pk: 3}


def test_a_destination_that_asks_us_to_slow_down_is_heeded_from_the_next_batch_on(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    a_server()
    shelf = Shelf()
    to(company, clock, "gmail.com", 41)
    *taken, refused, refused_too = claimed(ports, shelf=shelf).ready
    recorded(ports, *((ready, said(ready)) for ready in taken[:30]), shelf=shelf)
    slow = "421 4.7.28 Unusual rate of mail"
    done = recorded(ports, *((ready, said(ready, slow, Phase.RCPT)) for ready in (refused, refused_too)), shelf=shelf)
    assert done.alarms == (
        "destination google.com asked to slow down: 15 mails a minute. It said: 421 4.7.28 Unusual rate of mail",
    )
    again = recorded(ports, *((ready, said(ready, slow, Phase.RCPT)) for ready in taken[30:]), shelf=shelf)
    assert again.alarms == ()  # they were on their way already
    to(company, clock, "gmail.com", 40)
    to(company, clock, "reader.example", 5)
    batch = claimed(ports, shelf=shelf)
    assert Counter(ready.ticket.domain for ready in batch.ready) == {"gmail.com": 15, "reader.example": 5}
    assert waits()["wait.slowed"] == 25
    (fact,) = slow_destinations(clock.now())
    assert (fact.name, fact.per_minute, fact.said) == ("google.com", 15, "421 4.7.28 Unusual rate of mail")
    clock.pass_by(hours=3)
    assert slow_destinations(clock.now())[0].per_minute == 0


def test_an_unknown_domain_that_asks_to_slow_down_stands_alone_and_is_asked_for(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    a_server()
    to(company, clock, "reader.example", 1)
    (ready,) = claimed(ports).ready
    recorded(ports, (ready, said(ready, "450 4.2.1 Too quickly", Phase.RCPT)))
    assert Destination.objects.get().name == "reader.example"
    assert DestinationDomain.objects.get().resolved_at is None


def test_what_is_slowed_down_costs_no_query_where_nobody_asked(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    a_server()
    to(company, clock, "gmail.com", 2)
    one, two = claimed(ports).ready
    with CaptureQueriesContext(connection) as captured:
        recorded(ports, (one, said(one)), (two, said(two, "550 5.1.1 Nobody", Phase.RCPT)))
    assert not [query for query in captured.captured_queries if "destination" in query["sql"]]


def test_a_reply_without_text_harms_nothing(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server()
    to(company, clock, "gmail.com", 1)
    (ready,) = claimed(ports).ready
    outcome = WireOutcome(key=ready.ticket.delivery_id, phase=Phase.RCPT, reply=SmtpReply(421, "", ""))
    recorded(ports, (ready, outcome))
    assert Destination.objects.get().learned_per_minute == 1


def test_a_server_that_asks_for_less_gets_less_from_the_next_batch_on(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    server = a_server()
    some_mail(company, clock, 40)
    batch = claimed(ports).ready
    recorded(ports, *((ready, said(ready)) for ready in batch[:30]))
    slow = "421 4.7.0 Too many messages, slow down"
    done = recorded(ports, *((ready, said(ready, slow, Phase.MAIL)) for ready in batch[30:]))
    assert [alarm for alarm in done.alarms if "15 mails a minute" in alarm]
    server.refresh_from_db()
    assert (server.learned_per_minute, server.slow_reply) == (15, slow)
    assert not Destination.objects.exists()  # the server does not know yet for whom the mail is
    clock.pass_by(minutes=2)  # its circuit was open meanwhile
    some_mail(company, clock, 40)
    assert len(claimed(ports).ready) == 15
    assert "wait.server_slowed" in waits()
    (fact,) = limited_servers(OutgoingServer.objects.all(), clock.now())
    assert (fact.learned, fact.said) == (15, slow)
    release_server(ports, server.pk, member=None)
    server.refresh_from_db()
    assert (server.learned_per_minute, server.slow_until) == (0, None)
    assert len(claimed(ports).ready) > 0


def test_a_server_that_took_nothing_wants_a_rest_and_no_rate(ports: Ports, clock: HandClock, company: Company) -> None:
    server = a_server()
    some_mail(company, clock, 2)
    recorded(ports, *((ready, said(ready, "421 4.7.0 Go away", Phase.GREETING)) for ready in claimed(ports).ready))
    server.refresh_from_db()
    assert server.learned_per_minute == 0
    assert server.broken_until is not None


def test_a_limit_is_set_for_a_provider_by_any_of_its_domains(ports: Ports, clock: HandClock) -> None:
    assert limit_destination(ports, "Gmail.com", 9, member=None) == "google.com"
    DestinationDomain.objects.create(domain="northwind.test", destination="google.com", resolved_at=clock.now())
    assert limit_destination(ports, "northwind.test", 8, member=None) == "google.com"
    assert Destination.objects.get().per_minute_limit == 8
    for nonsense in ("", "gmail", "two words", "a" * 300 + ".example", "\0.example"):
        with pytest.raises(ValidationError):
            limit_destination(ports, nonsense, 5, member=None)
    for number in (-1, 2**40):
        with pytest.raises(ValidationError):
            limit_destination(ports, "gmail.com", number, member=None)


def test_what_a_destination_asked_for_is_forgotten_and_what_a_person_set_stays(ports: Ports, clock: HandClock) -> None:
    now = clock.now()
    Destination.objects.create(
        name="google.com",
        per_minute_limit=60,
        learned_per_minute=2,
        slow_until=now + timedelta(hours=1),
        changed_at=now,
    )
    assert slow_destinations(now)[0].per_minute == 2
    assert release_destination(ports, "gmail.com", member=None) == "google.com"
    assert (slow_destinations(now)[0].per_minute, slow_destinations(now)[0].learned) == (60, 0)
    release_destination(ports, "nobody.example", member=None)
    assert Destination.objects.count() == 1
