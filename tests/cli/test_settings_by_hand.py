"""parameter, schedule, mailbox, user: what operators do by hand."""

from __future__ import annotations

import pytest
from django.utils import timezone

from postroom.core.terms.parameters import PARAMETERS
from postroom.flows.run_scheduled_action import ACTIONS
from postroom.store.models import Company, Delivery, Installation, Mailbox, Member, ScheduledRun, SettingChange
from tests.cli.conftest import Command
from tests.flows.outgoing_mails import a_company, a_mail, deliveries

pytestmark = pytest.mark.django_db


def test_every_parameter_is_listed_with_its_default_and_meaning(postroom: Command) -> None:
    rows = postroom("parameter", "list", "--json").data
    assert [row["key"] for row in rows] == list(PARAMETERS)
    assert all(row["help"] and row["value"] == row["default"] for row in rows)


def test_a_parameter_is_set_recorded_and_read_again(postroom: Command) -> None:
    assert postroom("parameter", "set", "mail.retry.days", "03").out == "mail.retry.days = 3\n"
    assert postroom("parameter", "get", "mail.retry.days").out == "3\n"
    change = SettingChange.objects.get()
    assert (change.before, change.after) == ("5", "3")


def test_a_value_that_does_not_fit_is_refused_with_what_would(postroom: Command) -> None:
    answer = postroom("parameter", "set", "mail.retry.days", "soon")
    assert (answer.code, answer.err) == (2, "mail.retry.days: A whole number of 0 or more is needed, not 'soon'.\n")


def test_a_number_below_zero_is_a_value_that_does_not_fit_and_no_option(postroom: Command) -> None:
    answer = postroom("parameter", "set", "mail.retry.days", "-5")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "mail.retry.days: A whole number of 0 or more is needed, not '-5'.\n"
    assert postroom("parameter", "set", "mail.retry.days", "3", "--json").data == {
        "key": "mail.retry.days",
        "value": "3",
    }


def test_a_parameter_that_there_is_not_is_answered_with_one_that_there_is(postroom: Command) -> None:
    answer = postroom("parameter", "get", "catchall.domain")
    assert answer.code == 2
    assert "mail.catchall.domain" in answer.err


def test_the_scheduled_actions_are_listed_and_one_is_run(postroom: Command) -> None:
    assert {row["key"] for row in postroom("schedule", "list", "--json").data} == set(ACTIONS)
    answer = postroom("schedule", "run", "auto_vacuum", "--json")
    assert (answer.code, answer.data["failed"]) == (0, False)
    assert ScheduledRun.objects.get().action_id == "auto_vacuum"


def test_an_action_that_there_is_not_is_a_wrong_question(postroom: Command) -> None:
    answer = postroom("schedule", "run", "coffee")
    assert answer.code == 2
    assert "auto_vacuum" in answer.err


def test_a_mailbox_whose_server_is_not_there_fails_with_cause_and_cure(postroom: Command, closed_port: int) -> None:
    company = Company.objects.create(name="Northwind Prints")
    Mailbox.objects.create(
        company=company, name="Support", host="127.0.0.1", port=closed_port, encryption="none", username="alice"
    )
    tested = postroom("mailbox", "test", "Support", "--json")
    assert tested.code == 1
    assert (tested.data["ok"], tested.data["step"]) == (False, "connect")
    assert tested.data["cure"]
    fetched = postroom("mailbox", "fetch", "Support", "--json")
    assert (fetched.code, fetched.data["taken"]) == (1, 0)
    assert fetched.data["trouble"]
    (row,) = postroom("mailbox", "list", "--json").data
    assert row["last_error"]


def test_a_mailbox_that_there_is_not_is_a_wrong_question(postroom: Command) -> None:
    answer = postroom("mailbox", "test", "Nowhere")
    assert (answer.code, answer.err) == (2, "There is no mailbox 'Nowhere'. There is none yet.\n")


def test_a_person_is_created_with_a_role_and_a_password_shown_once(postroom: Command) -> None:
    answer = postroom(
        "user", "add", "alice", "--name", "Alice Ager", "--address", "alice@postroom.test",
        "--role", "administrator", "--company", "Northwind Prints", "--json",
    )  # fmt: skip
    assert answer.code == 0
    member = Member.objects.select_related("user", "contact", "company").get()
    assert (member.role, member.company.name, member.contact.name) == (
        "administrator",
        "Northwind Prints",
        "Alice Ager",
    )
    assert member.user.check_password(answer.data["password"])
    assert SettingChange.objects.get().subject == "user alice"


def test_nobody_is_created_twice_or_without_an_address(postroom: Command) -> None:
    assert postroom("user", "add", "alice", "--address", "alice@postroom.test").code == 0
    again = postroom("user", "add", "alice", "--address", "alice@postroom.test")
    assert (again.code, again.err) == (1, "There is a user 'alice' already.\n")
    bad = postroom("user", "add", "bob", "--address", "nowhere")
    assert (bad.code, bad.err) == (2, "'nowhere' is no mail address.\n")
    weak = postroom("user", "add", "charlie", "--address", "charlie@postroom.test", "--password", "12345")
    assert weak.code == 2
    assert "password" in weak.err
    assert postroom("user", "add", "dora", "--address", "dora@postroom.test", "--role", "queen").code == 2
    assert Member.objects.count() == 1


def test_a_copy_sends_nothing_until_its_new_home_is_confirmed(postroom: Command) -> None:
    first = postroom("home", "--json").data
    assert (first["is_locked"], first["mail_leaves"]) == (False, True)
    Installation.objects.update(identity="elsewhere:/srv/postroom")
    copy = postroom("home", "--json").data
    assert (copy["home"], copy["is_locked"], copy["mail_leaves"]) == ("elsewhere:/srv/postroom", True, False)
    assert "locked until confirmed" in postroom("home").out
    assert postroom("confirm-home").code == 0
    assert postroom("home").out.endswith("Mail leaves.\n")
    assert postroom("capture", "on").code == 0
    assert postroom("home").out.endswith("All outgoing mail goes to the Letterbox.\n")
    assert postroom("capture", "perhaps").code == 2


def test_mails_that_wait_are_spoken_of_before_mail_leaves(postroom: Command) -> None:
    assert postroom("capture", "on").code == 0
    now = timezone.now()
    deliveries(a_mail(a_company(), at=now), "hugo@petit.example", "carla@customer-company.com", at=now)
    told = postroom("capture", "off")
    assert told.code == 2, "nobody is here to be asked"
    assert "2 mails wait" in told.err
    assert "1 of them to addresses that exist nowhere, such as hugo@petit.example" in told.err
    assert "--cancel-waiting" in told.err
    assert postroom("home").out.endswith("All outgoing mail goes to the Letterbox.\n")
    assert postroom("capture", "off", "--cancel-waiting", "--json").data == {"capture": "off", "cancelled": 2}
    assert postroom("home").out.endswith("Mail leaves.\n")
    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
