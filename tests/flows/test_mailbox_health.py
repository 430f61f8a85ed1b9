"""How a mailbox fares: pauses, alarms that are raised and cleared by themselves, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from postroom.core.diagnosis.silence import Habit, after_arrival
from postroom.core.terms.mailboxes import MailboxTrouble, TroubleKind
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.fetch_mailbox import due_mailboxes, fetch_due, fetch_now
from postroom.flows.mailbox_facts import MailboxState, standing_of
from postroom.flows.note_health import check_backlog, check_mailboxes
from postroom.flows.ports import Ports
from postroom.flows.settings import save_mailbox, set_parameter
from postroom.store.models import Alarm, InboundMessage, Mailbox, ScheduledAction
from postroom.wiring import ports as wired_ports
from tests.flows.outgoing_mails import HandClock
from tests.flows.scripted_mailbox import ScriptedMailbox, kept_mails, make_mailbox, ports_with

pytestmark = pytest.mark.django_db(transaction=True)

MAIL = b"Message-ID: <%d@customer.example>\r\nFrom: carla@customer.example\r\n\r\nHello %d\r\n"
BROKEN = MailboxTrouble(TroubleKind.CONNECT, "imap.postroom.test:993 refuses the connection.")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def with_clock(box: ScriptedMailbox, clock: HandClock) -> Ports:
    return replace(ports_with(box), clock=clock)


def open_alarms() -> dict[str, str]:
    from postroom.core.terms.reasons import reasons_from_json

    return {row.code: str(reasons_from_json([row.reason])[0]) for row in Alarm.objects.filter(ended_at=None)}


def test_trouble_that_lasts_an_hour_is_an_alarm_with_cause_and_cure_and_clears_itself(clock: HandClock) -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    ports = with_clock(box, clock)
    fetch_now(ports, mailbox.pk)
    box.trouble["fetch"] = BROKEN
    clock.pass_by(minutes=50)
    fetch_now(ports, mailbox.pk)
    assert open_alarms() == {}
    clock.pass_by(minutes=20)
    fetch_now(ports, mailbox.pk)
    said = open_alarms()["mailbox.trouble"]
    assert "The connection was refused" in said
    assert "Check host and port" in said
    box.trouble.clear()
    fetch_now(ports, mailbox.pk)
    assert open_alarms() == {}
    assert Alarm.objects.get().link == f"/settings/mailboxes/{mailbox.pk}/"


def test_a_mailbox_that_nobody_reads_is_an_alarm_too(clock: HandClock) -> None:
    mailbox = make_mailbox(succeeded_at=clock.now())
    ports = with_clock(ScriptedMailbox(), clock)
    assert check_mailboxes(ports) == 0
    clock.pass_by(hours=2)
    assert check_mailboxes(ports) == 1
    assert "nobody says why" in open_alarms()["mailbox.trouble"]
    Mailbox.objects.filter(pk=mailbox.pk).update(is_active=False)
    assert check_mailboxes(ports) == 0
    assert open_alarms() == {}


def test_after_a_long_stop_of_ours_the_first_look_clears_the_alarm(clock: HandClock) -> None:
    mailbox = make_mailbox(succeeded_at=clock.now())
    ports = with_clock(ScriptedMailbox(), clock)
    clock.pass_by(hours=2)
    assert check_mailboxes(ports) == 1  # the scheduler was up before the watcher
    fetch_now(ports, mailbox.pk)
    assert open_alarms() == {}


def test_an_alarm_that_was_raised_while_the_mailbox_was_read_is_cleared_at_the_next_look(clock: HandClock) -> None:
    mailbox = make_mailbox(succeeded_at=clock.now())
    ports = with_clock(ScriptedMailbox(), clock)
    clock.pass_by(hours=2)
    assert check_mailboxes(ports) == 1
    Mailbox.objects.filter(pk=mailbox.pk).update(succeeded_at=clock.now())
    assert check_mailboxes(ports) == 0
    assert open_alarms() == {}


def test_a_token_that_is_dead_is_an_alarm_at_once(clock: HandClock) -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    ports = with_clock(box, clock)
    box.trouble["fetch"] = MailboxTrouble(TroubleKind.TOKEN, "the consent has ended or was withdrawn (revoked)")
    fetch_now(ports, mailbox.pk)
    assert "give the consent" in open_alarms()["mailbox.token"]
    mailbox.refresh_from_db()
    assert mailbox.paused_until == clock.now() + timedelta(minutes=2)
    box.trouble.clear()
    fetch_now(ports, mailbox.pk)
    assert open_alarms() == {}


def test_a_mailbox_that_falls_silent_is_an_alarm_until_mail_comes(clock: HandClock) -> None:
    box = ScriptedMailbox()
    ports = with_clock(box, clock)
    habit, last = _a_month_of_mail(clock.now())
    mailbox = make_mailbox(habit=habit.as_json(), last_message_at=last, succeeded_at=clock.now())

    def read_on(**later: int) -> int:
        clock.pass_by(**later)
        fetch_now(ports, mailbox.pk)
        return check_mailboxes(ports)

    assert read_on(hours=20) == 0
    assert read_on(hours=12) == 1
    assert "Send a mail to it" in open_alarms()["mailbox.silent"]
    set_parameter(ports, "mail.mailbox.silence.hours", "72", member=None)
    box.put(MAIL % (1, 1))
    assert read_on(minutes=5) == 0
    assert open_alarms() == {}


def _a_month_of_mail(until: datetime) -> tuple[Habit, datetime]:
    habit, last, now = Habit(), None, until - timedelta(weeks=4)
    while now <= until:
        habit, last, now = after_arrival(habit, last_at=last, now=now), now, now + timedelta(hours=3)
    assert last is not None
    return habit, last


def test_mails_that_cannot_be_marked_are_taken_told_of_and_read_on(clock: HandClock) -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    ports = with_clock(box, clock)
    box.put(MAIL % (1, 1))
    box.trouble["acknowledge"] = MailboxTrouble(TroubleKind.FOLDER, "says no while acknowledging mail: read-only")
    done = fetch_now(ports, mailbox.pk)
    assert (done.taken, done.trouble) == (1, "")
    assert "read-only" in str(done)
    mailbox.refresh_from_db()
    assert standing_of(ports, mailbox).state is MailboxState.UNSETTLED
    assert (mailbox.error_count, mailbox.paused_until, mailbox.last_uid) == (0, None, 1)
    assert "may only be read" in open_alarms()["mailbox.trouble"]
    box.put(MAIL % (2, 2))
    assert fetch_now(ports, mailbox.pk).taken == 1
    box.trouble.clear()
    box.put(MAIL % (3, 3))
    fetch_now(ports, mailbox.pk)
    assert open_alarms() == {}


def test_who_pauses_is_not_due_but_a_person_need_not_wait(clock: HandClock) -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox(interval_seconds=0)
    ports = with_clock(box, clock)
    box.trouble["fetch"] = BROKEN
    fetch_now(ports, mailbox.pk)
    assert due_mailboxes(ports) == []
    mailbox.refresh_from_db()
    standing = standing_of(ports, mailbox)
    assert standing.state is MailboxState.TROUBLE
    assert standing.next_at == clock.now() + timedelta(seconds=10)
    assert "refused" in str(standing.cause)
    box.trouble.clear()
    assert fetch_now(ports, mailbox.pk).trouble == ""
    clock.pass_by(seconds=11)
    assert due_mailboxes(ports) == [mailbox.pk]


def test_a_mailbox_that_moves_is_to_be_tested_and_begins_anew() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(MAIL % (1, 1))
    fetch_now(ports_with(box), mailbox.pk)
    save_mailbox(wired_ports(), {"id": mailbox.pk, "interval_seconds": 60}, member=None)
    mailbox.refresh_from_db()
    assert (mailbox.is_confirmed, mailbox.last_uid) == (True, 1)
    save_mailbox(wired_ports(), {"id": mailbox.pk, "host": "imap.elsewhere.test", "password": "again"}, member=None)
    mailbox.refresh_from_db()
    assert (mailbox.is_confirmed, mailbox.last_uid, mailbox.uid_validity) == (False, 0, 0)


def test_one_that_hangs_and_one_that_drips_delay_no_good_one() -> None:
    """What the scheduled action does: they are read side by side."""
    import threading

    gate = threading.Event()
    hanging, dripping, good = ScriptedMailbox(), ScriptedMailbox(), ScriptedMailbox()
    hanging.before["fetch"] = lambda: gate.wait(90)
    for number in range(1, 4):
        dripping.put(MAIL % (number, number))
    dripping.before["mail"] = lambda: gate.wait(90)
    good.put(MAIL % (9, 9))
    boxes = {"hanging.test": hanging, "dripping.test": dripping, "good.test": good}
    ports = ports_with(ScriptedMailbox())
    object.__setattr__(ports, "mailbox_session", lambda endpoint: boxes[endpoint.host].session(endpoint))
    for number, host in enumerate(boxes):
        make_mailbox(host, host=host, priority=number)
    was_good_first: list[bool] = []

    def let_go() -> None:
        was_good_first.append(not gate.is_set())
        gate.set()

    good.before["acknowledge"] = let_go
    done = fetch_due(ports)
    assert was_good_first == [True]
    assert sorted(one.taken for one in done) == [0, 1, 3]
    assert len(kept_mails()) == 4


def test_nothing_is_called_silent_while_fetching_is_switched_off(clock: HandClock) -> None:
    make_mailbox(succeeded_at=clock.now())
    clock.pass_by(days=3)
    now = clock.now()
    ScheduledAction.objects.update_or_create(
        key="fetchmail",
        defaults={"name": "Mail: Fetchmail Service", "interval_seconds": 300, "is_active": False, "next_run_at": now},
    )
    assert check_mailboxes(with_clock(ScriptedMailbox(), clock)) == 0


def test_accepted_mail_that_nobody_routes_is_an_alarm(clock: HandClock) -> None:
    ports = with_clock(ScriptedMailbox(), clock)
    accept_message(ports, Arrival(door=Door.PIPE, raw=MAIL % (1, 1), envelope=None))
    assert check_backlog(ports) == 0
    clock.pass_by(hours=2)
    assert check_backlog(ports) == 1
    assert "does a router run?" in open_alarms()["inbound.waiting"]
    InboundMessage.objects.update(state="held")
    assert check_backlog(ports) == 0
    assert open_alarms() == {}
