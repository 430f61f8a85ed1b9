"""What the wire said, written down: states, attempts, notifications, circuits; and what dead workers left behind."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from django.db import connection

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.log_lines import LogLine, LogQuestion, read_line
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.flows.deliver_mail import ReadyMail, Shelf, Ticket, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.record_outcomes import RecordedBatch, record_outcomes
from postroom.flows.recover_journals import give_up_expired, recover_worker, renew_leases
from postroom.flows.settle_unknown import Decision, resolve_unknown
from postroom.flows.wake_queue import wake_parked
from postroom.project.logs import JsonFormatter
from postroom.store.models import (
    Attempt,
    Contact,
    Delivery,
    Message,
    Notification,
    OutgoingMail,
    OutgoingServer,
    Parameter,
    Record,
    RecordKind,
)
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, numbered, ports_with

pytestmark = pytest.mark.django_db

WORKER = "worker-1"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


def some_ready(ports: Ports, count: int = 1) -> tuple[ReadyMail, ...]:
    """Claimed by the worker; each has a notification."""
    mail = a_mail(a_company(), at=ports.clock.now())
    message = Message.objects.create(company=mail.company, posted_at=ports.clock.now())
    for row in deliveries(mail, *numbered(count), at=ports.clock.now()):
        contact = Contact.objects.create(name="Customer Carla")
        row.notification = Notification.objects.create(company=mail.company, message=message, contact=contact)
        row.save()
    return claim_and_compose(ports, WORKER, count, shelf=Shelf()).ready


def said(ready: ReadyMail, phase: Phase, code: int = 0, text: str = "", trouble: str = "") -> WireOutcome:
    reply = SmtpReply(code, "", text) if code else None
    return WireOutcome(
        key=ready.ticket.delivery_id, phase=phase, reply=reply, trouble=trouble, connection="relay:25#1", duration=0.25
    )


def recorded(ports: Ports, *outcomes: tuple[ReadyMail, WireOutcome], worker: str = WORKER) -> RecordedBatch:
    return record_outcomes(ports, worker, [(ready.ticket, outcome) for ready, outcome in outcomes], shelf=Shelf())


def row_of(ready: ReadyMail) -> Delivery:
    return Delivery.objects.select_related("notification").get(pk=ready.ticket.delivery_id)


def test_what_was_accepted_is_sent_with_its_history(ports: Ports, clock: HandClock) -> None:
    server = a_server()
    (ready,) = some_ready(ports)
    clock.pass_by(seconds=1)
    recorded(ports, (ready, said(ready, Phase.BODY, 250, "queued as 1")))
    row = row_of(ready)
    assert (row.state, row.server_id, row.attempt_count, row.claimed_by) == ("sent", server.pk, 1, "")
    assert (row.lease_until, row.finished_at, row.failure_type) == (None, clock.now(), "")
    assert [reason["code"] for reason in row.reasons] == ["server.without_filter", "from.kept_own", "return.signed"]
    assert row.notification is not None
    assert row.notification.state == "sent"
    attempt = Attempt.objects.get()
    assert (attempt.delivery_id, attempt.server_id, attempt.code, attempt.text) == (
        row.pk,
        server.pk,
        250,
        "queued as 1",
    )
    assert (attempt.duration_ms, attempt.phase, attempt.state) == (250, "body", "sent")


def test_each_recipient_has_an_outcome_of_his_own(ports: Ports, clock: HandClock) -> None:
    a_server()
    sent, refused, later, nobody_knows = some_ready(ports, 4)
    recorded(
        ports,
        (sent, said(sent, Phase.BODY, 250)),
        (refused, said(refused, Phase.RCPT, 550, "User unknown")),
        (later, said(later, Phase.RCPT, 451, "Come again")),
        (nobody_knows, said(nobody_knows, Phase.BODY, trouble="reset")),
    )
    states = [row_of(ready).state for ready in (sent, refused, later, nobody_knows)]
    assert states == ["sent", "failed", "deferred", "unknown"]
    assert (row_of(refused).blame, row_of(refused).failure_type) == ("address", "mail_email_invalid")
    assert row_of(later).due_at > clock.now()
    assert row_of(later).waits_for == {"code": "wait.transient", "facts": {"reply": "451 Come again"}}
    shown = [getattr(row_of(ready).notification, "state", "") for ready in (sent, refused, later, nobody_knows)]
    assert shown == ["sent", "exception", "ready", "exception"]
    assert Attempt.objects.count() == 4


def test_what_another_worker_took_over_is_not_written(ports: Ports) -> None:
    a_server()
    (ready,) = some_ready(ports)
    Delivery.objects.update(claimed_by="worker-2")
    done = recorded(ports, (ready, said(ready, Phase.BODY, 250)))
    assert done.written == frozenset()
    assert row_of(ready).state == "sending"
    assert not Attempt.objects.exists()


@pytest.mark.case("T-137")
def test_trouble_with_a_server_opens_its_circuit_once_and_costs_no_attempt(ports: Ports, clock: HandClock) -> None:
    server = a_server()
    one, two = some_ready(ports, 2)
    done = recorded(ports, *((ready, said(ready, Phase.CONNECT, trouble="connection refused")) for ready in (one, two)))
    server.refresh_from_db()
    assert server.trouble_count == 1
    assert server.broken_until is not None
    assert server.broken_until > clock.now()
    assert server.trouble == "Connecting failed: connection refused"
    assert len(done.alarms) == 1
    assert "connection refused" in done.alarms[0]
    assert {(row_of(ready).state, row_of(ready).attempt_count) for ready in (one, two)} == {("queued", 0)}
    assert not Attempt.objects.exists()
    assert claim_and_compose(ports, WORKER, 9, shelf=Shelf()).ready == ()
    assert {row_of(ready).due_at for ready in (one, two)} == {row_of(one).deadline_at}  # parked: the circuit wakes them


def test_a_mail_whose_deadline_is_over_does_not_make_a_broken_server_look_well(ports: Ports, clock: HandClock) -> None:
    server = a_server(trouble_count=2)
    (ready,) = some_ready(ports)
    clock.pass_by(days=9)
    recorded(ports, (ready, said(ready, Phase.GREETING, 554, "go away")))
    server.refresh_from_db()
    assert (row_of(ready).state, server.trouble_count) == ("failed", 3)


def test_another_server_takes_over_at_once(ports: Ports) -> None:
    first = a_server(priority=1)
    second = a_server(2526, priority=2)
    (ready,) = some_ready(ports)
    assert ready.ticket.server_id == first.pk
    recorded(ports, (ready, said(ready, Phase.AUTH, 535, "bad password")))
    (again,) = claim_and_compose(ports, WORKER, 9, shelf=Shelf()).ready
    assert again.ticket.server_id == second.pk
    assert (again.ticket.reasons or [])[0]["code"] == "server.skipped_broken"


def test_the_first_mail_that_a_server_takes_closes_its_circuit(ports: Ports, clock: HandClock) -> None:
    server = a_server(trouble_count=4, broken_until=clock.now(), trouble="it was down")
    (ready,) = some_ready(ports)
    recorded(ports, (ready, said(ready, Phase.BODY, 250)))
    server.refresh_from_db()
    assert (server.trouble_count, server.broken_until, server.trouble) == (0, None, "")


def test_the_configured_server_has_a_circuit_too(clock: HandClock) -> None:
    ports, shelf = ports_with(clock=clock, server_host="relay.example"), Shelf()
    (ready,) = some_ready(ports)
    record_outcomes(ports, WORKER, [(ready.ticket, said(ready, Phase.CONNECT, trouble="refused"))], shelf=shelf)
    assert claim_and_compose(ports, WORKER, 9, shelf=shelf).ready == ()
    assert row_of(ready).due_at > clock.now()
    clock.pass_by(minutes=1)
    assert wake_parked(ports, {}).woken == 1
    (again,) = claim_and_compose(ports, WORKER, 9, shelf=shelf).ready
    record_outcomes(ports, WORKER, [(again.ticket, said(again, Phase.BODY, 250))], shelf=shelf)
    assert shelf.configured_broken_until is None


def test_unknown_mail_is_sent_again_only_where_that_is_the_rule(ports: Ports, clock: HandClock) -> None:
    a_server()
    Parameter.objects.create(key="mail.unknown.policy", value="resend")
    (ready,) = some_ready(ports)
    recorded(ports, (ready, said(ready, Phase.BODY, trouble="reset")))
    assert row_of(ready).state == "deferred"
    assert Attempt.objects.get().text == "reset"


def test_unknown_mail_is_not_sent_again_and_again(ports: Ports, clock: HandClock) -> None:
    a_server()
    Parameter.objects.create(key="mail.unknown.policy", value="resend")
    found = []
    for _ in range(3):
        (ready,) = some_ready(ports) if not found else claim_and_compose(ports, WORKER, 1, shelf=Shelf()).ready
        recorded(ports, (ready, said(ready, Phase.BODY, trouble="reset")))
        found.append(row_of(ready).state)
        clock.pass_by(hours=1)
    assert found == ["deferred", "deferred", "unknown"]


@pytest.mark.parametrize(
    ("policies", "states"),
    [
        ({}, ["unknown", "unknown", "unknown"]),
        ({"": "resend"}, ["deferred", "deferred", "deferred"]),
        ({".campaign": "resend"}, ["unknown", "unknown", "deferred"]),
        ({"": "resend", ".urgent": "keep"}, ["unknown", "deferred", "deferred"]),
        ({"": "keep", ".urgent": "resend", ".normal": "resend"}, ["deferred", "deferred", "unknown"]),
    ],
)
def test_each_lane_may_have_its_own_rule_for_unknown_mail(
    ports: Ports, policies: dict[str, str], states: list[str]
) -> None:
    a_server()
    for suffix, value in policies.items():
        Parameter.objects.create(key=f"mail.unknown.policy{suffix}", value=value)
    some_ready(ports, 3)
    found = []
    for lane, row in enumerate(Delivery.objects.order_by("pk")):
        ticket = Ticket(
            delivery_id=row.pk,
            notification_id=None,
            server_id=None,
            lane=lane,
            attempt_count=0,
            deadline_at=row.deadline_at,
        )
        record_outcomes(
            ports, WORKER, [(ticket, WireOutcome(key=row.pk, phase=Phase.BODY, reply=None, trouble="reset"))]
        )
        row.refresh_from_db()
        found.append(row.state)
    assert found == states


def lines_of(caplog: pytest.LogCaptureFixture) -> list[LogLine]:
    """As they are found in the file."""
    records = [one for one in caplog.records if one.name.endswith("record_outcomes")]
    return [read_line(JsonFormatter().format(one).encode()) for one in records]


def test_what_left_and_what_was_refused_is_found_in_the_log_by_its_message_id(
    ports: Ports, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="postroom")
    a_server()
    taken, refused = some_ready(ports, 2)
    recorded(ports, (taken, said(taken, Phase.BODY, 250)), (refused, said(refused, Phase.BODY, 550, "no")))
    name = row_of(taken).mail.header_message_id
    about = [one for one in lines_of(caplog) if LogQuestion(message=name).wants(one)]
    assert [one.fields.get("delivery") for one in about] == [refused.ticket.delivery_id, None]
    assert about[1].fields["deliveries"] == [taken.ticket.delivery_id]
    assert about[1].fields["message_ids"] == [name]


def test_a_line_of_the_log_names_no_more_mails_than_are_read_of_it(
    ports: Ports, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="postroom")
    a_server()
    ready = some_ready(ports, 90)
    long = [
        replace(one, ticket=replace(one.ticket, message_id=f"<{one.ticket.delivery_id}{'x' * 980}@in.test>"))
        for one in ready
    ]
    recorded(ports, *((one, said(one, Phase.BODY, 250)) for one in long))
    told = lines_of(caplog)
    assert len(told) > 1
    assert [number for one in told for number in one.fields["deliveries"]] == [one.ticket.delivery_id for one in long]
    assert [name for one in told for name in one.fields["message_ids"]] == [one.ticket.message_id for one in long]


def test_a_server_that_was_removed_meanwhile_does_no_harm(ports: Ports) -> None:
    server = a_server()
    (ready,) = some_ready(ports)
    OutgoingServer.objects.filter(pk=server.pk).delete()
    recorded(ports, (ready, said(ready, Phase.BODY, 250)))
    assert (row_of(ready).state, row_of(ready).server_id) == ("sent", None)


@pytest.mark.parametrize(
    "text", ["nul \0 inside", "lone \ud800 surrogate", "back\\u0000slash", "tab\tand \x7f", "ümläut"]
)
def test_whatever_a_server_says_can_be_written(ports: Ports, text: str) -> None:
    a_server()
    (ready,) = some_ready(ports)
    recorded(ports, (ready, said(ready, Phase.RCPT, 550, text)))
    assert row_of(ready).state == "failed"
    stored = Attempt.objects.get().text
    assert stored == text.replace("nul \0 inside", "nul  inside").replace("\ud800", "?")


@pytest.mark.django_db(transaction=True)
def test_open_pages_hear_of_it_with_the_commit(ports: Ports, clock: HandClock) -> None:
    a_server()
    (ready,) = some_ready(ports)
    kind = RecordKind.objects.create(key="parcel", label="Parcel", label_plural="Parcels")
    mail = OutgoingMail.objects.get()
    record = Record.objects.create(
        company=mail.company, kind=kind, title="A parcel", created_at=clock.now(), updated_at=clock.now()
    )
    mail.message = Message.objects.create(company=mail.company, record=record, posted_at=clock.now())
    mail.save()
    wanted = ("dbname", "user", "password", "host", "port")
    where = {key: value for key, value in connection.get_connection_params().items() if key in wanted}
    with psycopg.connect(**where, autocommit=True) as ear:
        ear.execute("LISTEN postroom_live")
        recorded(ports, (ready, said(ready, Phase.BODY, 250)))
        heard = [call.payload for call in ear.notifies(timeout=60, stop_after=2)]
    assert sorted(heard) == [f"queue:{record.company_id}", f"record:{record.pk}"]


# -- recovery


def test_a_journal_tells_what_became_of_a_dead_workers_mail(ports: Ports) -> None:
    a_server()
    finished, started, claimed, refused = some_ready(ports, 4)
    outcomes = [said(finished, Phase.BODY, 250), said(refused, Phase.RCPT, 550, "User unknown")]
    found = recover_worker(
        ports,
        WORKER,
        started=[started.ticket.delivery_id],
        finished={outcome.key: outcome for outcome in outcomes},
    )
    assert (found.finished, found.unknown, found.released) == (2, 1, 1)
    states = [row_of(ready).state for ready in (finished, started, claimed, refused)]
    assert states == ["sent", "unknown", "queued", "failed"]
    again = recover_worker(
        ports,
        WORKER,
        started=[started.ticket.delivery_id],
        finished={outcome.key: outcome for outcome in outcomes},
    )
    assert (again.finished, again.unknown, again.released) == (0, 0, 0)
    assert row_of(started).state == "unknown"


def test_a_dead_machines_mail_is_unknown_after_its_lease(ports: Ports, clock: HandClock) -> None:
    a_server()
    (ready,) = some_ready(ports)
    clock.pass_by(minutes=5, seconds=1)
    assert give_up_expired(ports, []) == 0  # it may wait for the database just as we did
    clock.pass_by(minutes=2)
    assert give_up_expired(ports, [WORKER]) == 0
    assert give_up_expired(ports, []) == 1
    row = row_of(ready)
    assert (row.state, row.failure_type) == ("unknown", "unknown")
    assert row.notification is not None
    assert row.notification.state == "exception"


def test_where_the_rule_is_to_send_again_a_dead_machines_mail_is_sent_again(ports: Ports, clock: HandClock) -> None:
    a_server()
    Parameter.objects.create(key="mail.unknown.policy", value="resend")
    (ready,) = some_ready(ports)
    clock.pass_by(minutes=8)
    assert give_up_expired(ports, []) == 1
    row = row_of(ready)
    assert (row.state, row.claimed_by, row.waits_for["code"]) == ("deferred", "", "wait.resend")
    assert row.due_at > clock.now()
    assert row.notification is not None
    assert row.notification.state == "ready"


def test_a_worker_that_lives_is_not_given_up(ports: Ports, clock: HandClock) -> None:
    a_server()
    some_ready(ports)
    for _ in range(5):
        clock.pass_by(minutes=4)
        renew_leases(ports, WORKER)
        assert give_up_expired(ports, []) == 0


def test_a_worker_that_comes_back_still_tells_what_it_knows(ports: Ports, clock: HandClock) -> None:
    a_server()
    one, two = some_ready(ports, 2)
    clock.pass_by(minutes=10)
    give_up_expired(ports, [])
    recorded(ports, (one, said(one, Phase.BODY, 250)))
    assert (row_of(one).state, row_of(two).state) == ("sent", "unknown")


def test_who_comes_back_after_a_person_decided_changes_nothing(ports: Ports, clock: HandClock) -> None:
    a_server()
    (ready,) = some_ready(ports)
    clock.pass_by(minutes=10)
    give_up_expired(ports, [])
    number = ready.ticket.delivery_id
    assert resolve_unknown(ports, [number], Decision.GIVEN_UP, member=None).done == (number,)
    assert recorded(ports, (ready, said(ready, Phase.BODY, 250))).written == frozenset()
    assert row_of(ready).state == "failed"


def test_a_notification_that_a_person_settled_stays_settled(ports: Ports) -> None:
    a_server()
    (ready,) = some_ready(ports)
    Notification.objects.update(state="canceled")
    recorded(ports, (ready, replace(said(ready, Phase.BODY, 250))))
    assert Notification.objects.get().state == "canceled"
