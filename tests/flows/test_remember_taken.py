"""Mails of a mailbox are recognised by number and content; by POP3, where servers number anew, by content."""

from __future__ import annotations

import pytest

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.remember_taken import TakenNow, recognise, remember
from postroom.store.models import Mailbox, TakenMail
from postroom.wiring import ports
from tests.people import build_house, write_mail

pytestmark = pytest.mark.django_db

FIRST, SECOND = write_mail(Message_ID="<1@customer.example>"), write_mail(Message_ID="<2@customer.example>")


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox.objects.create(company=build_house().company, name="Box", host="pop.example", username="box")


def take(mailbox: Mailbox, validity: int, uid: int | str, raw: bytes) -> None:
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    number = accept_message(ports(), Arrival(door=Door.POP3, raw=raw, envelope=envelope, mailbox_id=mailbox.pk))
    remember(ports(), mailbox.pk, validity, [TakenNow(uid=uid, raw=raw, inbound_id=number, is_settled=True)])


def test_a_pop3_server_that_names_all_its_mails_anew_makes_no_duplicates(mailbox: Mailbox) -> None:
    take(mailbox, 0, "old-1", FIRST)
    assert recognise(mailbox.pk, 0, [("new-1", FIRST), ("new-2", SECOND)]) == {"new-1"}
    assert set(TakenMail.objects.values_list("uid", flat=True)) == {"old-1", "new-1"}
    assert recognise(mailbox.pk, 0, [("new-1", FIRST)]) == {"new-1"}


def test_a_name_that_is_used_again_for_another_mail_is_another_mail(mailbox: Mailbox) -> None:
    take(mailbox, 0, "1", FIRST)
    assert recognise(mailbox.pk, 0, [("1", SECOND)]) == set()


def test_two_equal_mails_in_an_imap_folder_are_two_while_its_numbers_hold(mailbox: Mailbox) -> None:
    take(mailbox, 7, 1, FIRST)
    assert recognise(mailbox.pk, 7, [(2, FIRST)]) == set()
    assert recognise(mailbox.pk, 8, [(1, FIRST)]) == {"1"}
