"""One timeline per message and per address: found by all of its names, complete, in order, and only for who may see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.diagnosis.story import FoundBy, Story, StoryEvent, StoryKind, merged
from postroom.core.terms.states import MessageKind, Role
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.suppress_address import release, suppress
from postroom.flows.tell_story import StoryWish, tell_story, tell_together
from postroom.store.models import (
    AddressHealth,
    Attempt,
    BounceEvent,
    Company,
    Contact,
    Delivery,
    InboundMessage,
    Member,
    Message,
    ReportedRecipient,
)
from tests.flows.arriving import CARLA
from tests.flows.mail_of_carla import GREYLISTED, QUEUE_ID, Tale, comes_in, return_path, tell_all
from tests.flows.outgoing_mails import HandClock, a_mail, deliveries, ports_with
from tests.people import House, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


@pytest.fixture
def house(db: None) -> House:
    return build_house()


@pytest.fixture
def tale(ports: Ports, clock: HandClock, house: House) -> Tale:
    return tell_all(ports, clock, house)


def story(tale: Tale, asked: object, member: Member | None = None, **more: object) -> Story:
    return tell_story(tale.ports, StoryWish(asked=str(asked), **more), member=member)  # type: ignore[arg-type]


def kinds(found: Story) -> list[str]:
    return [event.kind.value for event in found.events]


WHOLE = ["posted", "heard", "queued", "attempt", "attempt", "attempt", "report", "suppressed", "answer"]


def test_a_mail_is_told_from_posting_to_the_answer(tale: Tale) -> None:
    found = story(tale, tale.message.pk)
    assert kinds(found) == WHOLE
    said = [str(event.said) for event in found.events]
    assert said[0] == "Alice wrote a message: My parcel is late"
    assert said[3] == f"Relay asked to come back later with the mail to {CARLA} (greylisting)."
    assert said[4] == said[3]
    assert said[5] == f"Relay took the mail to {CARLA}."
    assert said[6] == f"A report came back: the mail to {CARLA} was not delivered."
    assert said[7] == f"From now on campaigns leave {CARLA} out."
    assert said[8] == "Customer Carla answered: My parcel is late"
    assert found.events[3].evidence == "451 4.7.1 Greylisted, come back in a few minutes"
    assert found.events[5].relay_ids == (QUEUE_ID,)
    assert found.events[6].cause == "user_unknown"
    assert found.events[8].evidence.startswith("It is there!")
    assert [mail.state for mail in found.mails] == ["bounced"]
    assert [event.at for event in found.events] == sorted(event.at for event in found.events)


@pytest.mark.parametrize(
    ("question", "by"),
    [
        ("number", FoundBy.NUMBER),
        ("message:number", FoundBy.NUMBER),
        ("Message-ID", FoundBy.MESSAGE_ID),
        ("Message-ID without brackets", FoundBy.MESSAGE_ID),
        ("delivery:number", FoundBy.DELIVERY),
        ("queue id", FoundBy.RELAY),
        ("line of a log", FoundBy.RELAY),
        ("line with an address", FoundBy.RELAY),
    ],
)
def test_it_is_found_by_each_of_its_names(tale: Tale, question: str, by: FoundBy) -> None:
    asked = {
        "number": tale.message.pk,
        "message:number": f"message:{tale.message.pk}",
        "Message-ID": tale.message_id,
        "Message-ID without brackets": tale.message_id.strip("<>"),
        "delivery:number": f"delivery:{tale.delivery.pk}",
        "queue id": QUEUE_ID,
        "line with an address": f"4F2: to=<{CARLA}>, relay=mx.test, status=sent (250 2.0.0 Ok: queued as {QUEUE_ID})",
        "line of a log": f"Mar  1 12:15:00 mx postfix/qmgr[12]: status=sent (250 2.0.0 Ok: queued as {QUEUE_ID})",
    }[question]
    found = story(tale, asked)
    assert found.found_by is by
    assert [kind for kind in kinds(found) if kind != "heard"] == [kind for kind in WHOLE if kind != "heard"]


def test_by_the_queue_id_it_says_how_far_was_looked(tale: Tale) -> None:
    assert [remark.code for remark in story(tale, QUEUE_ID).remarks] == ["story.recent_replies"]
    nothing = story(tale, "NOBODYKNOWSTHIS1")
    assert (nothing.found_by, nothing.events) == (FoundBy.NOTHING, ())
    assert [remark.code for remark in nothing.remarks] == ["story.nothing", "story.recent_replies"]
    for asked in ("nobody@else.example", "delivery:999999"):  # no id of a relay was looked for
        assert [remark.code for remark in story(tale, asked).remarks] == ["story.nothing"]
    assert [remark.code for remark in story(tale, "4Zx").remarks] == ["story.nothing", "story.too_short"]


def test_an_id_that_is_a_part_of_another_one_does_not_stand_for_it(tale: Tale) -> None:
    other = deliveries(tale.delivery.mail, "dora@customer.example", at=tale.clock.now(), state="sent")[0]
    Attempt.objects.create(
        delivery=other,
        tried_at=tale.clock.now(),
        phase="body",
        code=250,
        text=f"Ok: queued as {QUEUE_ID}9",
        state="sent",
    )
    assert [mail.address for mail in story(tale, QUEUE_ID).mails] == [CARLA]


def test_the_mail_that_came_in_is_told_with_what_it_became(tale: Tale) -> None:
    found = story(tale, "<question@customer.example>")
    assert kinds(found)[:3] == ["received", "routed", "posted"]
    assert str(found.events[0].said) == "A mail from Customer Carla <carla@customer.example> came in (SMTP)."
    assert found.events[1].why, "why it came to this record"
    inbound = InboundMessage.objects.get(message_id="<question@customer.example>")
    by_number = story(tale, f"inbound:{inbound.pk}")
    assert (by_number.found_by, by_number.events) == (FoundBy.INBOUND, found.events)


def test_an_address_is_told_with_what_it_wrote_and_what_it_got(tale: Tale) -> None:
    found = story(tale, "Carla@Customer.example")
    assert found.found_by is FoundBy.ADDRESS
    assert kinds(found) == ["answer", *(kind for kind in WHOLE if kind != "heard")]
    assert str(found.events[0].said) == "Customer Carla wrote: My parcel is late"
    assert found.next == ""


def test_an_address_on_the_blacklist_and_off_again(tale: Tale, house: House) -> None:
    tale.clock.pass_by(hours=1)
    number = AddressHealth.objects.get(address=CARLA).pk
    release(tale.ports, number, why="she called", member=house.alice)
    tale.clock.pass_by(hours=1)
    suppress(tale.ports, company_id=house.company.pk, address=CARLA, why="asked for it", days=1, member=house.alice)
    tale.clock.pass_by(days=2)
    for asked in (CARLA, tale.message.pk):
        found = story(tale, asked)
        assert kinds(found)[-5:] == ["suppressed", "answer", "released", "suppressed", "released"]
        released, again, expired = found.events[-3:]
        assert (str(released.said), released.evidence) == (
            f"Campaigns may write to {CARLA} again: Alice released it.",
            "she called",
        )
        assert "asked for it" in str(again.why[0])
        assert str(expired.said) == f"Campaigns may write to {CARLA} again: the time was over."
    assert story(tale, CARLA).health_ids == (number,)


def test_what_was_counted_is_told_where_its_mail_is_not_kept_any_more(tale: Tale) -> None:
    assert BounceEvent.objects.count() == 1
    assert "counted" not in kinds(story(tale, CARLA)), "the report itself tells it"
    Delivery.objects.all().delete()
    found = story(tale, CARLA)
    assert "counted" in kinds(found)
    assert "550 5.1.1 no such user" in next(one for one in found.events if one.kind is StoryKind.COUNTED).evidence


def test_a_complaint_and_a_read_receipt_stand_with_the_mail(tale: Tale) -> None:
    receipt = (
        b"From: Customer Carla <carla@customer.example>\r\nTo: bounce@in.test\r\nSubject: Read: Re: My parcel\r\n"
        b"Message-ID: <read1@customer.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nYour message was displayed.\r\n"
        b"--b\r\nContent-Type: message/disposition-notification\r\n\r\n"
        b"Final-Recipient: rfc822; carla@customer.example\r\nOriginal-Message-ID: " + tale.message_id.encode() + b"\r\n"
        b"Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--b--\r\n"
    )
    tale.clock.pass_by(minutes=1)
    comes_in(tale.ports, receipt, return_path(tale.ports, tale.delivery), sender="")
    assert ReportedRecipient.objects.filter(action="mdn", delivery=tale.delivery).count() == 1
    assert Delivery.objects.get(pk=tale.delivery.pk).state == "bounced", "it says nothing about arriving"
    found = story(tale, tale.message.pk)
    assert str(found.events[-1].said) == f"A read receipt came back about the mail to {CARLA}."


def test_a_mail_that_became_nothing_is_told_too(tale: Tale, house: House) -> None:
    raw = write_mail(sender="MAILER-DAEMON@relay.example", subject="Hello", Message_ID="<odd@relay.example>")
    held = comes_in(tale.ports, raw, "support@in.test", sender="mailer-daemon@relay.example")
    assert held.state == "held"
    found = story(tale, "<odd@relay.example>")
    assert [str(event.said) for event in found.events][1] == "It was held: a person decides."
    of_address = story(tale, "mailer-daemon@relay.example")
    assert kinds(of_address) == ["received", "routed"]
    assert [remark.code for remark in of_address.remarks] == ["story.recent_inbound"]
    assert not story(tale, "mailer-daemon@relay.example", house.bob).is_found, "an agent does not see the log"


def test_a_sender_whose_address_only_ends_alike_is_another(tale: Tale, house: House) -> None:
    sender = "Mailer <mailer-daemon@relay.example>"
    comes_in(tale.ports, write_mail(sender=sender), "support@in.test", sender="")
    assert story(tale, "Mailer-Daemon@RELAY.example").is_found
    for other in ("daemon@relay.example", "mailer-daemon@relay.exampl", "mailer-daemon@relay.example.org"):
        assert not story(tale, other).is_found, other


def test_since_leaves_out_what_happened_before(tale: Tale) -> None:
    yesterday = tale.clock.now() - timedelta(days=1)
    assert kinds(story(tale, tale.message.pk, since=yesterday)) == ["report", "suppressed", "answer"]
    assert kinds(story(tale, CARLA, since=yesterday)) == ["suppressed", "answer"], (
        "its mail is older: it belongs to another page"
    )


def test_words_of_a_note_are_never_told(tale: Tale, house: House) -> None:
    note = post_message(
        tale.ports, record_id=tale.record.pk, author=house.bob, html="<p>She is difficult.</p>", kind=MessageKind.NOTE
    )
    Message.objects.filter(pk=note.pk).update(parent=tale.message)
    for asked in (tale.message.pk, note.pk, "bob@box.test", CARLA):
        for reader in (None, house.alice, house.bob):
            assert "difficult" not in str(story(tale, asked, reader).as_json())
    assert "wrote a note" in str([str(one.said) for one in story(tale, "bob@box.test").events])


# -- who may see it


QUESTIONS = ("message", "id", "delivery", "inbound", "queue", "carla", "question")


def asked_of(tale: Tale) -> dict[str, str]:
    return {
        "message": str(tale.message.pk),
        "id": tale.message_id,
        "delivery": f"delivery:{tale.delivery.pk}",
        "inbound": f"inbound:{InboundMessage.objects.earliest('id').pk}",
        "queue": QUEUE_ID,
        "carla": CARLA,
        "question": "<question@customer.example>",
    }


SEES = {
    Role.ADMINISTRATOR: set(QUESTIONS),
    Role.MANAGER: set(QUESTIONS),
    Role.AGENT: set(QUESTIONS) - {"inbound", "queue"},
    Role.READ_ONLY: set(QUESTIONS) - {"inbound", "queue"},
}


@pytest.mark.parametrize("role", SEES)
def test_each_role_is_told_what_it_may_see(tale: Tale, house: House, role: Role) -> None:
    reader = add_member(house.company, "Rita", "rita@box.test", role=role)
    found = {name for name, asked in asked_of(tale).items() if story(tale, asked, reader).is_found}
    assert found == SEES[role]


def test_another_company_is_told_nothing(tale: Tale) -> None:
    other = Company.objects.create(name="Elsewhere")
    mallory = add_member(other, "Mallory", "mallory@elsewhere.test", role=Role.ADMINISTRATOR)
    for asked in asked_of(tale).values():
        found = story(tale, asked, mallory)
        assert (found.is_found, found.events, found.mails) == (False, (), ()), asked
    own = a_mail(other, at=tale.clock.now(), subject="Ours")
    deliveries(own, CARLA, at=tale.clock.now())
    found = story(tale, CARLA, mallory)
    assert [mail.subject for mail in found.mails] == ["Ours"]
    assert kinds(found) == ["queued"]


def test_mails_that_no_message_caused_are_for_who_may_see_the_queue(tale: Tale, house: House) -> None:
    secret = a_mail(house.company, at=tale.clock.now(), subject="Your new password")
    row = deliveries(secret, "dora@customer.example", at=tale.clock.now())[0]
    for asked in ("dora@customer.example", f"delivery:{row.pk}", secret.header_message_id):
        assert story(tale, asked, house.alice).is_found
        assert not story(tale, asked, house.bob).is_found


# -- strange questions, strange words


@pytest.mark.parametrize(
    "asked",
    ["", "   ", "0", "99999999999999999999", "delivery:", "delivery:x", "inbound:0", "@", "@@", "<>", "<@>", "a@b", "\0", "%_%",
     "' OR 1=1 --", "x" * 5_000, "message:999999", "delivery:999999", "ö@ü.example", "\u202ereversed"],
)  # fmt: skip
def test_a_strange_question_is_answered_with_nothing(tale: Tale, asked: str) -> None:
    assert not story(tale, asked).is_found


@pytest.mark.parametrize("cursor", ["x", "1", "___", "1_2_3_4", "____", "-1_-1_-1_-1", "9" * 40 + "_" * 3])
def test_a_cursor_that_makes_no_sense_is_no_fault(tale: Tale, cursor: str) -> None:
    story(tale, CARLA, cursor=cursor)
    story(tale, tale.message.pk, cursor=cursor)


def test_a_hostile_answer_of_a_server_is_kept_as_it_is_and_does_nothing(tale: Tale) -> None:
    hostile = "<script>alert(1)</script> {server} %s \x1b[2J " + "queued as " * 5_000 + "A1B2C3D4"
    Attempt.objects.filter(text__contains="queued as").update(text=hostile)
    found = story(tale, tale.message.pk)
    told = next(event for event in found.events if event.evidence.startswith("250 2.0.0 <script>"))
    assert len(told.evidence) <= 2_001
    assert str(told.said) == f"Relay took the mail to {CARLA}."
    assert story(tale, "A1B2C3D4").is_found, "it stands in the answer, wherever"


# -- however much there is


def many(tale: Tale, count: int) -> None:
    start = tale.clock.now() - timedelta(days=count)
    for number in range(count):
        at = start + timedelta(days=number)
        row = deliveries(a_mail(tale.delivery.company, at=at), CARLA, at=at, state="sent")[0]
        Attempt.objects.create(delivery=row, tried_at=at, phase="body", code=250, text="Ok", state="sent")


def test_an_address_is_read_page_by_page_and_nothing_is_left_out_or_told_twice(tale: Tale) -> None:
    many(tale, 25)
    whole = story(tale, CARLA, size=200)
    pages, cursor = [], ""
    while True:
        page = story(tale, CARLA, size=4, cursor=cursor)
        pages.append(page)
        assert len(page.mails) <= 4
        if not (cursor := page.next):
            break
    assert len(pages) > 6
    assert sorted(mail.delivery_id for page in pages for mail in page.mails) == sorted(
        mail.delivery_id for mail in whole.mails
    )
    told = {(event.kind, event.source) for page in pages for event in page.events}
    assert told == {(event.kind, event.source) for event in whole.events}


def test_an_answer_of_nobody_known_is_told_once_and_beside_the_mail_that_it_answers(tale: Tale) -> None:
    answer = Message.objects.get(parent=tale.message)
    Message.objects.filter(pk=answer.pk).update(author=None, author_address=CARLA)
    for minute in range(4):
        at = tale.clock.now() + timedelta(minutes=minute)
        deliveries(a_mail(tale.delivery.company, at=at), CARLA, at=at, state="sent")
    first = story(tale, CARLA, size=4)
    second = story(tale, CARLA, size=4, cursor=first.next)
    told = [sum(event.links.message_id == answer.pk for event in page.events) for page in (first, second)]
    shown = [tale.delivery.pk in {mail.delivery_id for mail in page.mails} for page in (first, second)]
    assert (told, shown) == ([0, 1], [False, True])


def test_only_what_waits_is_due(tale: Tale) -> None:
    waits = deliveries(tale.delivery.mail, "dora@customer.example", at=tale.clock.now())[0]
    due = {mail.delivery_id: mail.due_at for mail in story(tale, tale.message.pk).mails}
    assert (due[tale.delivery.pk], due[waits.pk]) == (None, waits.due_at)


def test_a_message_to_many_is_read_page_by_page(tale: Tale) -> None:
    deliveries(tale.delivery.mail, *[f"c{number}@reader.example" for number in range(9)], at=tale.clock.now())
    first = story(tale, tale.message.pk, size=4)
    second = story(tale, tale.message.pk, size=4, cursor=first.next)
    third = story(tale, tale.message.pk, size=4, cursor=second.next)
    assert [len(page.mails) for page in (first, second, third)] == [4, 4, 2]
    assert third.next == ""


MOST_QUERIES = {"message": 10, "id": 11, "delivery": 8, "queue": 15, "carla": 11, "question": 12, "inbound": 12}


@pytest.mark.parametrize("name", MOST_QUERIES)
def test_a_story_costs_the_same_few_queries_whatever_is_stored(tale: Tale, house: House, name: str) -> None:
    asked = asked_of(tale)[name]
    counts = []
    for more in (0, 30):
        many(tale, more)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert story(tale, asked).is_found
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert counts[1] <= MOST_QUERIES[name], "\n".join(one["sql"][:150] for one in seen.captured_queries)


def together(tale: Tale) -> tuple[StoryEvent, ...]:
    """All that is stored, in one order."""
    return tell_together(
        tale.ports,
        messages=list(Message.objects.order_by("-id").values_list("pk", flat=True)[:20]),
        inbound=list(InboundMessage.objects.values_list("pk", flat=True)),
        deliveries=list(Delivery.objects.order_by("-id").values_list("pk", flat=True)[:60]),
        member=None,
    )


def test_many_are_told_together_as_each_is_alone(tale: Tale, house: House) -> None:
    comes_in(tale.ports, write_mail(subject="Buy now", Message_ID="<nobody@customer.example>"), "nobody@in.test")
    alone = [story(tale, number).events for number in Message.objects.values_list("pk", flat=True)]
    alone += [story(tale, f"inbound:{number}").events for number in InboundMessage.objects.values_list("pk", flat=True)]
    alone += [story(tale, f"delivery:{number}").events for number in Delivery.objects.values_list("pk", flat=True)]
    assert together(tale) == merged(*alone)
    assert {"received", "routed", *WHOLE} <= {event.kind.value for event in together(tale)}


def test_many_told_together_cost_as_many_queries_as_few(tale: Tale, house: House) -> None:
    counts = []
    for more in (0, 12):
        many(tale, more)
        for number in range(more):
            post_message(tale.ports, record_id=tale.record.pk, author=house.alice, html=f"<p>{number}</p>")
            comes_in(tale.ports, write_mail(Message_ID=f"<{number}@customer.example>"), "support@in.test")
        with CaptureQueriesContext(connection) as seen:
            assert together(tale)
        counts.append(len(seen) - 3)  # the three that ask what there is
    assert counts[0] == counts[1] <= 11, "\n".join(one["sql"][:150] for one in seen.captured_queries)


def test_greylisting_is_what_the_server_said(tale: Tale) -> None:
    assert Attempt.objects.filter(code=GREYLISTED[0]).count() == 2


def test_reading_a_story_changes_nothing(tale: Tale) -> None:
    before = [model.objects.count() for model in (Delivery, Attempt, Message, InboundMessage, AddressHealth, Contact)]
    for asked in asked_of(tale).values():
        with CaptureQueriesContext(connection) as seen:
            story(tale, asked)
        assert all(one["sql"].lstrip("( \n").upper().startswith("SELECT") for one in seen.captured_queries)
    after = [model.objects.count() for model in (Delivery, Attempt, Message, InboundMessage, AddressHealth, Contact)]
    assert before == after
