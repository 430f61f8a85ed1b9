"""A seed message: through the queue, found again by its Message-ID and mark, and given up in time; captured mail is not applicable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.seeds import HEADER, make_mark
from postroom.core.terms.states import DeliveryState, MailTestState
from postroom.flows.access import NotAllowed
from postroom.flows.analyse_mail import CannotTest
from postroom.flows.mail_tests import MailTestFact, mail_test
from postroom.flows.ports import Ports
from postroom.flows.send_seed import LONGEST, look_again, look_for_seed, send_seed
from postroom.store.models import Delivery, Installation, LetterboxMail, Mailbox, MailTest, OutgoingMail, OutgoingServer
from tests.flows.outgoing_mails import HandClock, a_company, a_server, ports_with
from tests.flows.scripted_mailbox import ScriptedMailbox, forget_jobs, make_mailbox
from tests.people import build_house

pytestmark = pytest.mark.django_db(transaction=True)


class Town:
    """A server, a mailbox, and a clock that the test turns."""

    def __init__(self) -> None:
        self.clock, self.box = HandClock(), ScriptedMailbox()
        self.ports: Ports = replace(ports_with(clock=self.clock), mailbox_session=self.box.session)
        a_company()
        self.server: OutgoingServer = a_server(username="mailer@northwind.example")
        self.mailbox: Mailbox = make_mailbox()

    def send(self, **more: object) -> MailTestFact:
        return send_seed(self.ports, self.server.pk, self.mailbox.pk, member=None, **more)  # type: ignore[arg-type]

    def now(self, test: MailTestFact) -> MailTestFact:
        return mail_test(self.ports, test.id, member=None)

    def leaves(self, test: MailTestFact, state: DeliveryState = DeliveryState.SENT, **more: object) -> None:
        Delivery.objects.filter(pk=test.delivery_id).update(state=state, **more)

    def arrives(self, test: MailTestFact, mark: str | None = None) -> None:
        """In the mailbox, with its mark or with another one."""
        mark = make_mark(self.ports.address_keys, test.message_id) if mark is None else mark
        fields = f"Message-ID: {test.message_id}\r\n{HEADER}: {mark}\r\nFrom: postmaster@northwind.example\r\nTo: support@postroom.test\r\n"
        self.box.put(
            f"{fields}Subject: Mail test by Postroom\r\nDate: Sun, 1 Mar 2026 12:00:00 +0000\r\n\r\nhello\r\n".encode()
        )


@pytest.fixture
def town() -> Iterator[Town]:
    yield Town()
    forget_jobs()


def jobs() -> list[tuple[str, bool]]:
    """Those that wait, and whether each has a date."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT task_name, scheduled_at IS NOT NULL FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"
        )
        return list(cursor.fetchall())


def test_it_goes_the_way_of_all_mail_and_a_job_looks_for_it(town: Town) -> None:
    test = town.send()
    assert (test.state, test.source, test.server, test.mailbox) == (
        MailTestState.WAITING,
        Source.SEED,
        "Relay",
        "Support",
    )
    delivery = Delivery.objects.get()
    assert (delivery.to_address, delivery.state, test.delivery_id) == ("support@postroom.test", "queued", delivery.pk)
    mail = OutgoingMail.objects.get()
    assert mail.forced_server_id == town.server.pk
    assert mail.header_message_id == test.message_id
    assert [HEADER, make_mark(town.ports.address_keys, test.message_id)] in [list(one) for one in mail.extra_headers]
    assert jobs() == [("look_for_mail_test", True)]


def test_it_comes_back_and_is_judged_once(town: Town) -> None:
    test = town.send()
    assert not look_for_seed(town.ports, test.id)
    assert town.box.diary == []  # nobody asks the mailbox before the mail has left
    town.leaves(test)
    town.arrives(test)
    assert look_for_seed(town.ports, test.id)
    done = town.now(test)
    assert done.state is MailTestState.FINISHED
    assert done.report is not None
    assert done.report.message_id == test.message_id
    assert look_for_seed(town.ports, test.id)
    assert town.now(test) == done


def test_a_mail_without_our_mark_is_not_the_one(town: Town) -> None:
    test = town.send()
    town.leaves(test)
    town.arrives(test, mark="0" * 32)
    assert not look_for_seed(town.ports, test.id)
    assert town.now(test).state is MailTestState.WAITING


def test_it_is_given_up_when_its_time_is_over(town: Town) -> None:
    test = town.send()
    town.leaves(test)
    town.clock.pass_by(seconds=LONGEST.total_seconds() + 1)
    assert look_for_seed(town.ports, test.id)
    done = town.now(test)
    assert done.state is MailTestState.FAILED
    assert str(done.trouble) == "The mail left, but did not arrive in Support within 10 minutes."


def test_one_that_never_left_is_told_from_one_that_did_not_arrive(town: Town) -> None:
    test = town.send(wait=timedelta(minutes=3))
    town.clock.pass_by(minutes=4)
    assert look_for_seed(town.ports, test.id)
    trouble = town.now(test).trouble
    assert trouble is not None
    assert trouble.code == "mailtest.seed.not_sent"


@pytest.mark.parametrize(
    ("state", "code"),
    [(DeliveryState.FAILED, "failed"), (DeliveryState.BOUNCED, "failed"), (DeliveryState.CANCELLED, "cancelled")],
)
def test_a_refusal_ends_it_at_once(town: Town, state: DeliveryState, code: str) -> None:
    test = town.send()
    town.leaves(test, state, failure_reason="550 5.7.1 not from you")
    assert look_for_seed(town.ports, test.id)
    done = town.now(test)
    assert done.state is MailTestState.FAILED
    assert done.trouble is not None
    assert done.trouble.code == f"mailtest.seed.{code}"
    if code == "failed":
        assert "550 5.7.1 not from you" in str(done.trouble)


def test_where_mail_is_captured_it_is_not_applicable_and_nothing_is_sent(town: Town) -> None:
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=town.clock.now())
    test = town.send()
    assert test.state is MailTestState.NOT_APPLICABLE
    assert test.trouble is not None
    assert str(test.trouble).startswith("Not applicable")
    assert not Delivery.objects.exists()
    assert jobs() == []


def test_a_letterbox_is_not_applicable(town: Town) -> None:
    OutgoingServer.objects.filter(pk=town.server.pk).update(transport="letterbox")
    assert town.send().state is MailTestState.NOT_APPLICABLE


def test_a_mail_that_was_captured_meanwhile_is_not_applicable(town: Town) -> None:
    test = town.send()
    town.leaves(test)
    letter = LetterboxMail(
        company_id=Delivery.objects.get().company_id,
        delivery_id=test.delivery_id,
        raw=b"x",
        captured_at=town.clock.now(),
    )
    letter.save()
    assert look_for_seed(town.ports, test.id)
    assert town.now(test).state is MailTestState.NOT_APPLICABLE


def test_the_job_comes_again_later_and_later(town: Town) -> None:
    test = town.send()
    forget_jobs()
    assert not look_again(town.ports, test.id)
    assert jobs() == [("look_for_mail_test", True)]
    town.leaves(test, DeliveryState.CANCELLED)
    forget_jobs()
    assert look_again(town.ports, test.id)
    assert jobs() == []
    assert look_again(town.ports, 0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"username": "support"}, "no_address"),
        ({"is_confirmed": False}, "not_read"),
        ({"is_active": False}, "not_read"),
    ],
)
def test_a_mailbox_that_cannot_serve_is_said_before_anything_is_sent(
    town: Town, changes: dict[str, object], code: str
) -> None:
    Mailbox.objects.filter(pk=town.mailbox.pk).update(**changes)
    with pytest.raises(CannotTest) as refused:
        town.send()
    assert refused.value.reason.code == f"mailtest.seed.{code}"
    assert not MailTest.objects.exists()


def test_an_address_may_be_named_where_the_login_is_none(town: Town) -> None:
    Mailbox.objects.filter(pk=town.mailbox.pk).update(username="support")
    town.send(to="Help@postroom.test")
    assert Delivery.objects.get().to_address == "help@postroom.test"


def test_others_than_administrators_send_nothing(town: Town) -> None:
    house = build_house()
    with pytest.raises(NotAllowed):
        send_seed(town.ports, town.server.pk, town.mailbox.pk, member=house.bob)
    assert not Delivery.objects.exists()
