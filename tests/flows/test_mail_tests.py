"""Tests of mails that are kept: for administrators of the house, for some days, without the mail itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postroom.core.terms.states import MailTestState, Role
from postroom.flows.access import NotAllowed
from postroom.flows.analyse_mail import CannotTest, TestWish
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.mail_tests import KEPT, list_mail_tests, mail_test, seed_ways, test_mail
from postroom.store.models import Company, MailTest
from postroom.wiring import ports
from tests.core.mailtest.samples import a_mail
from tests.people import add_member, build_house

pytestmark = pytest.mark.django_db

ALONE = TestWish(asks_world=False)


def test_a_test_is_kept_with_its_report_and_without_the_mail() -> None:
    house = build_house()
    fact = test_mail(ports(), a_mail(), member=house.alice, name="printers.eml", wish=ALONE)
    assert fact.report is not None
    row = MailTest.objects.get()
    assert "walking down the stairs" not in str(row.report)
    again = mail_test(ports(), fact.id, member=house.alice)
    assert (again.report, again.name, again.asked_by) == (fact.report, "printers.eml", "Alice")
    assert again.state is MailTestState.FINISHED
    assert [one.id for one in list_mail_tests(ports(), member=house.alice)] == [fact.id]


def test_what_cannot_be_looked_at_is_not_kept() -> None:
    with pytest.raises(CannotTest):
        test_mail(ports(), b"", member=None, name="", wish=ALONE)
    assert not MailTest.objects.exists()


def test_only_administrators_of_the_house_test_mails() -> None:
    house = build_house()
    other = Company.objects.create(name="Other")
    elsewhere = add_member(other, "Diana", "diana@other.example", role=Role.ADMINISTRATOR)
    fact = test_mail(ports(), a_mail(), member=None, name="", wish=ALONE)
    for member in (house.bob, elsewhere):
        with pytest.raises(NotAllowed):
            test_mail(ports(), a_mail(), member=member, name="", wish=ALONE)
        with pytest.raises(NotAllowed):
            mail_test(ports(), fact.id, member=member)
        with pytest.raises(NotAllowed):
            list_mail_tests(ports(), member=member)
        with pytest.raises(NotAllowed):
            seed_ways(ports(), member=member)
    assert MailTest.objects.count() == 1


def test_a_test_is_forgotten_after_some_days() -> None:
    old = test_mail(ports(), a_mail(), member=None, name="old", wish=ALONE)
    test_mail(ports(), a_mail(), member=None, name="new", wish=ALONE)
    MailTest.objects.filter(pk=old.id).update(asked_at=ports().clock.now() - KEPT - timedelta(hours=1))
    assert forget_old_mail(ports())["mail tests"] == 1
    assert MailTest.objects.get().name == "new"


def test_a_seed_that_nobody_looks_for_any_more_is_lost() -> None:
    now = ports().clock.now()
    row = MailTest.objects.create(source="seed", asked_at=now - timedelta(hours=1), until=now - timedelta(minutes=30))
    fact = mail_test(ports(), row.pk, member=None)
    assert fact.state is MailTestState.FAILED
    assert fact.trouble is not None
    assert fact.trouble.code == "mailtest.seed.lost"
