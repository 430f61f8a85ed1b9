"""Alarms are said once, end by themselves or by a person, and are nobody else's business."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.urls import reverse

from postroom.core.terms.reasons import because
from postroom.core.terms.states import Role
from postroom.flows.access import NotAllowed
from postroom.flows.alarms import clear_alarm, dismiss_alarm, raise_alarm, visible_alarms
from postroom.store.models import Alarm, Company
from postroom.store.queries.pages_home import open_alarms
from postroom.wiring import ports
from tests.people import add_member, build_house

pytestmark = pytest.mark.django_db


def leak(place: str = "Rome", **more: object) -> bool:
    return raise_alarm(
        ports(), code="roof", subject=place, reason=because("The roof of {place} leaks.", place=place), **more
    )  # type: ignore[arg-type]


def test_a_trouble_that_shows_again_is_one_alarm() -> None:
    assert [leak(), leak(), leak()] == [True, False, False]
    (shown,) = open_alarms(visible_alarms(None))
    assert (shown.count, shown.sentence) == (3, "The roof of Rome leaks.")


def test_another_subject_is_another_alarm() -> None:
    assert [leak("Rome"), leak("Paris")] == [True, True]
    assert len(open_alarms(visible_alarms(None))) == 2


def test_it_ends_when_the_trouble_does_and_is_new_when_it_comes_back() -> None:
    leak()
    clear_alarm(ports(), code="roof", subject="Rome")
    assert open_alarms(visible_alarms(None)) == ()
    assert leak()


def test_an_alarm_of_what_was_rolled_back_was_never_raised() -> None:
    with transaction.atomic():
        leak()
        transaction.set_rollback(True)
    assert not Alarm.objects.exists()


def test_a_person_dismisses_it_and_is_remembered() -> None:
    house = build_house()
    leak(company_id=house.company.pk)
    alarm = Alarm.objects.get()
    dismiss_alarm(ports(), alarm.pk, member=house.alice)
    alarm.refresh_from_db()
    assert alarm.ended_at is not None
    assert alarm.dismissed_by == house.alice


def test_neither_an_agent_nor_another_company_dismisses_it() -> None:
    house = build_house()
    other = Company.objects.create(name="Other")
    stranger = add_member(other, "Mallory", "mallory@other.test", role=Role.ADMINISTRATOR)
    leak(company_id=house.company.pk)
    leak("The house")
    number = Alarm.objects.get(company=house.company).pk
    with pytest.raises(NotAllowed):
        dismiss_alarm(ports(), number, member=house.bob)
    with pytest.raises(Alarm.DoesNotExist):
        dismiss_alarm(ports(), number, member=stranger)
    assert open_alarms(visible_alarms(stranger)) == ()


def test_the_first_page_shows_it_until_it_is_dismissed(client) -> None:  # type: ignore[no-untyped-def]
    house = build_house()
    leak(company_id=house.company.pk, link="/settings/mailboxes/")
    client.force_login(house.alice.user)
    page = client.get(reverse("web:home")).content.decode()
    assert "The roof of Rome leaks." in page
    assert "/settings/mailboxes/" in page
    client.post(reverse("web:dismiss", args=[Alarm.objects.get().pk]))
    assert "The roof of Rome leaks." not in client.get(reverse("web:home")).content.decode()
