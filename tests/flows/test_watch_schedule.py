"""An alarm for each scheduled action that is off or late, until it is well again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postroom.core.terms.states import Role
from postroom.flows.alarms import dismiss_alarm
from postroom.flows.ports import Ports
from postroom.flows.run_scheduled_action import ensure_actions
from postroom.flows.watch_schedule import watch_schedule
from postroom.store.models import Alarm, ScheduledAction
from tests.flows.outgoing_mails import HandClock, a_company, ports_with
from tests.people import add_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    ports = ports_with(clock=clock)
    ensure_actions(ports)
    return ports


def open_alarms() -> list[str]:
    return list(Alarm.objects.filter(ended_at=None).order_by("subject").values_list("subject", flat=True))


def test_nothing_is_said_while_all_is_done(ports: Ports) -> None:
    assert watch_schedule(ports) == 0
    assert open_alarms() == []


def test_one_that_is_late_is_said_once_until_it_ran(ports: Ports, clock: HandClock) -> None:
    ScheduledAction.objects.filter(pk="auto_vacuum").update(next_run_at=clock.now() - timedelta(hours=2))
    assert watch_schedule(ports) == 1
    assert watch_schedule(ports) == 0
    assert open_alarms() == ["action:auto_vacuum"]
    alarm = Alarm.objects.get()
    assert (alarm.count, alarm.link) == (1, "/settings/actions/auto_vacuum/")
    assert alarm.reason["code"] == "schedule.late"
    ScheduledAction.objects.filter(pk="auto_vacuum").update(next_run_at=clock.now() + timedelta(days=1))
    watch_schedule(ports)
    assert open_alarms() == []


def test_one_that_is_off_is_said_and_not_again_to_who_knows(ports: Ports, clock: HandClock) -> None:
    alice = add_member(a_company(), "Alice", "alice@northwind.example", role=Role.ADMINISTRATOR)
    ScheduledAction.objects.filter(pk="queue_manager").update(is_active=False)
    assert watch_schedule(ports) == 1
    dismiss_alarm(ports, Alarm.objects.get().pk, member=alice)
    clock.pass_by(minutes=1)
    assert watch_schedule(ports) == 0
    assert "action:queue_manager" not in open_alarms()
    ScheduledAction.objects.filter(pk="queue_manager").update(last_run_at=clock.now())  # on, run, and off again
    assert watch_schedule(ports) == 1
    assert Alarm.objects.get(ended_at=None).reason["code"] == "schedule.off"
