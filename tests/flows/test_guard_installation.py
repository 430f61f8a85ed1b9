"""A copied database writes to nobody and fetches nothing until a person confirms it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.flows.access import NotAllowed
from postroom.flows.fetch_mailbox import take_lease
from postroom.flows.guard_installation import check_home, confirm_home, is_capturing, is_locked, set_capturing
from postroom.store.models import Mailbox, SettingChange
from postroom.wiring import ports
from tests.people import build_house

pytestmark = pytest.mark.django_db


def elsewhere():
    wired = ports()
    return replace(wired, configuration=replace(wired.configuration, data_dir="/another/machine"))


def test_the_first_start_confirms_itself() -> None:
    home = check_home(ports())
    assert not home.is_locked
    assert not is_capturing()


@pytest.mark.slow
def test_found_elsewhere_all_mail_is_captured_and_nothing_is_fetched() -> None:
    house = build_house()
    box = Mailbox.objects.create(company=house.company, name="box", host="127.0.0.1", username="x", is_confirmed=True)
    check_home(ports())
    assert take_lease(ports(), box.pk, "me") is not None

    assert check_home(elsewhere()).is_locked
    assert is_capturing()
    assert is_locked()
    assert take_lease(elsewhere(), box.pk, "me") is None


def test_back_home_the_lock_opens_by_itself() -> None:
    check_home(ports())
    check_home(elsewhere())
    assert not check_home(ports()).is_locked
    assert not is_capturing()


@pytest.mark.slow
def test_an_administrator_confirms_the_new_home_and_it_is_recorded() -> None:
    house = build_house()
    check_home(ports())
    check_home(elsewhere())
    with pytest.raises(NotAllowed):
        confirm_home(elsewhere(), member=house.bob)
    confirm_home(elsewhere(), member=house.alice)

    assert not check_home(elsewhere()).is_locked
    assert SettingChange.objects.get().user == house.alice.user


def test_capture_mode_is_switched_by_hand() -> None:
    check_home(ports())
    set_capturing(ports(), True, member=None)
    assert is_capturing()
    set_capturing(ports(), False, member=None)
    assert not is_capturing()
