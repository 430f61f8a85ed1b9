"""Refused senders are told, and nobody else is: one a day, so many an hour, in a flat number of statements."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.store.models import Alarm, InboundMessage, RefusalNotice
from postroom.wiring import ports
from tests.flows.arriving import answers, arrive, route_all, words_of
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house() -> House:
    found = build_house()
    found.support.policy = "known_contacts"
    found.support.save()
    return found


def strangers(first: int, count: int) -> None:
    """So many strangers write to support@ in one batch."""
    accept_messages(
        ports(),
        [
            Arrival(
                door=Door.SMTP,
                raw=write_mail(sender=f"s{number}@strangers.example", subject=f"offer {number}"),
                envelope=Envelope(mail_from=f"s{number}@strangers.example", rcpt_to=("support@in.test",)),
            )
            for number in range(first, first + count)
        ],
    )


def test_many_refusals_cost_as_many_statements_as_few() -> None:
    set_parameter(ports(), "mail.gateway.answers.hour", "1000", member=None)
    counts = []
    for first, count in ((0, 2), (10, 40)):
        strangers(first, count)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert route_waiting(ports()) == count
        counts.append(len(seen))
    assert counts[0] == counts[1], counts
    assert len(answers()) == 42


def test_a_sender_is_told_once_a_day_for_each_kind_of_answer_also_within_one_batch() -> None:
    envelope = Envelope(mail_from="s@x.example", rcpt_to=("support@in.test",))
    mails = [write_mail(sender="s@x.example", subject=f"offer {number}") for number in range(3)]
    accept_messages(ports(), [Arrival(door=Door.SMTP, raw=raw, envelope=envelope) for raw in mails])
    route_all()
    assert len(answers()) == 1
    arrive(write_mail(sender="s@x.example", to="catchall@in.test"), "catchall@in.test", sender="s@x.example")
    assert len(answers()) == 2, "another kind of answer"
    RefusalNotice.objects.update(sent_on=ports().clock.now().date().replace(year=2020))
    arrive(write_mail(sender="s@x.example", subject="next day"), "support@in.test", sender="s@x.example")
    assert len(answers()) == 3


def test_a_flood_of_strangers_makes_no_flood_of_answers_and_an_alarm() -> None:
    set_parameter(ports(), "mail.gateway.answers.hour", "5", member=None)
    strangers(0, 12)
    route_all()
    assert len(answers()) == 5
    assert InboundMessage.objects.filter(state=InboundState.REFUSED).count() == 12, "all of them stay in the log"
    alarm = Alarm.objects.get()
    assert (alarm.code, alarm.reason["facts"]) == ("answers.capped", {"limit": "5"})
    strangers(20, 3)
    route_all()
    assert len(answers()) == 5
    RefusalNotice.objects.update(sent_at=ports().clock.now().replace(year=2020))
    strangers(30, 3)
    route_all()
    assert len(answers()) == 8, "an hour later"


def test_with_a_cap_of_nothing_nobody_is_answered_and_nobody_alarmed() -> None:
    set_parameter(ports(), "mail.gateway.answers.hour", "0", member=None)
    strangers(0, 3)
    route_all()
    assert not answers()
    assert not Alarm.objects.exists()


def test_an_answer_names_the_refused_address_and_quotes_the_subject_alone() -> None:
    """W-23, W-43: no words of the mail travel to whom its envelope claims, and nobody gets a copy."""
    mail = write_mail(sender="s@x.example", subject="A <b>bold</b> offer", text="Buy my secret words\n")
    arrive(mail, "support@in.test", sender="s@x.example")
    answer = answers()[0]
    said = words_of(answer)
    assert "support@in.test" in said
    assert "A &lt;b&gt;bold&lt;/b&gt; offer" in said
    assert "secret words" not in said
    assert [one.to_address for one in answer.deliveries.all()] == ["s@x.example"]
    assert answer.in_reply_to in answer.references.split()


def test_a_machine_that_answers_our_refusal_is_not_answered_again() -> None:
    arrive(write_mail(sender="s@x.example"), "support@in.test", sender="s@x.example")
    notice = answers()[0].header_message_id
    back = write_mail(sender="s@x.example", subject="Re: Re: ", In_Reply_To=notice, Precedence="bulk")
    assert arrive(back, "support@in.test", sender="s@x.example").state == InboundState.DISCARDED
    assert len(answers()) == 1
