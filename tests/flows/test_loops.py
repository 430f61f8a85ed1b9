"""The breaker in the house: people pass, robots are held, a person lets in what is real."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from postroom.core.mime.parsing import parse
from postroom.core.routing.authenticity import Authenticity, Proof, authenticity_as_json
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import AliasPolicy, Door, InboundState, MessageKind
from postroom.flows.accept_message import Arrival, accept_message, accept_messages
from postroom.flows.access import NotAllowed
from postroom.flows.alarms import visible_alarms
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.flows.settle_inbound import create_record_from, route_again
from postroom.flows.settle_loops import allow_sender, let_be, release_held
from postroom.store.models import (
    Alias,
    Delivery,
    InboundMessage,
    LetterboxMail,
    LoopHold,
    LoopPermit,
    Message,
    OutgoingMail,
    OutgoingServer,
    Record,
    RefusalNotice,
)
from postroom.store.queries.pages_loops import held_groups
from postroom.wiring import ports as wired_ports
from tests.flows.outgoing_mails import HandClock
from tests.people import House, add_contact, build_house, write_mail

pytestmark = pytest.mark.django_db

CARLA = "carla@customer.example"


@pytest.fixture
def clock() -> HandClock:
    clock = HandClock()
    clock.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    return clock


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return dataclasses.replace(wired_ports(), clock=clock)


@pytest.fixture
def house() -> House:
    return build_house()


def arrive(ports: Ports, raw: bytes, *recipients: str, sender: str = CARLA, door: Door = Door.SMTP) -> InboundMessage:
    envelope = Envelope(mail_from=sender, rcpt_to=recipients or ("support@in.test",))
    number = accept_message(ports, Arrival(door=door, raw=raw, envelope=envelope))
    route(ports)
    found = InboundMessage.objects.get(pk=number)
    assert not found.error
    return found


def route(ports: Ports) -> None:
    while route_waiting(ports):
        pass


def codes(row: InboundMessage) -> list[str]:
    return [reason["code"] for decision in row.verdict for reason in decision["reasons"]]


def alarms() -> list[tuple[str, str]]:
    return list(visible_alarms(None).filter(ended_at=None).order_by("id").values_list("code", "subject"))


def limit(ports: Ports, threshold: int, minutes: int = 120) -> None:
    set_parameter(ports, "mail.gateway.loop.threshold", str(threshold), member=None)
    set_parameter(ports, "mail.gateway.loop.minutes", str(minutes), member=None)


# ---- people


BRISK = """Where is my parcel? It should have been here on Monday.
Thanks, I will look into it.
It is with the carrier, they say tomorrow.
Tomorrow is too late for us, can you call them?
I called, nobody answers the phone.
Could you send me the tracking number please?
It is 4711-A, see the attached slip.
The site says it was delivered to a neighbour.
Which neighbour? There is nobody here.
Let me ask the driver directly.
ok
yes
thanks
ok
Great!
He remembers a white house with a red door.
That is number 12, I will walk over.
Found it, the box is wet though.
Please send photographs of the damage.
Here are three of them.
I see. Is the content damaged too?
One cup is broken, the others are fine.
Shall we refund it or send a new one?
A new one please.
It leaves this afternoon.
Perfect, thank you very much.
You are welcome, sorry for the trouble.
ok
yes
thanks""".splitlines()
DISCLAIMER = (
    "\n\nCarla Conti\nHead of Purchasing\nCustomer Ltd, Main Street 5, 10115 Berlin\nPhone +49 30 1234567\n"
    "This e-mail and any attachments are confidential and intended solely for the addressee. If you are not the intended "
    "recipient please delete it and tell the sender.\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("signature", ["", DISCLAIMER], ids=["bare", "long signature"])
def test_thirty_different_human_mails_of_one_author_to_one_record_pass_within_an_hour(
    house: House, ports: Ports, clock: HandClock, signature: str
) -> None:
    arrive(ports, write_mail(), "support@in.test")
    address = OutgoingMail.objects.latest("id").reply_to_address
    for text in BRISK:
        clock.pass_by(minutes=2)
        row = arrive(ports, write_mail(to=address, subject="Re: My parcel is late", text=text + signature), address)
        assert row.state == InboundState.ROUTED, (text, row.verdict)
    assert Record.objects.get().messages.count() == 31
    assert alarms() == []


@pytest.mark.slow
def test_two_people_who_write_thirty_mails_in_an_hour_pass(house: House, ports: Ports, clock: HandClock) -> None:
    carla = add_contact("Carla", CARLA)
    arrive(ports, write_mail(), "support@in.test")
    address = OutgoingMail.objects.latest("id").reply_to_address
    for number, text in enumerate(BRISK):
        clock.pass_by(seconds=110)
        sender = CARLA if number % 2 else "bob@box.test"
        raw = write_mail(sender=sender, to=address, subject="Re: My parcel is late", text=text)
        assert arrive(ports, raw, address, sender=sender).state == InboundState.ROUTED, text
    assert carla.follows.exists()


@pytest.mark.slow
def test_people_who_say_ok_and_thanks_and_yes_again_and_again_pass(
    house: House, ports: Ports, clock: HandClock
) -> None:
    arrive(ports, write_mail(), "support@in.test")
    address = OutgoingMail.objects.latest("id").reply_to_address
    for _ in range(6):
        for sender, text in ((CARLA, "ok"), ("bob@box.test", "thanks"), (CARLA, "yes"), ("bob@box.test", "ok")):
            clock.pass_by(seconds=75)
            raw = write_mail(sender=sender, to=address, subject="Re: My parcel is late", text=text)
            assert arrive(ports, raw, address, sender=sender).state == InboundState.ROUTED


@pytest.mark.slow
def test_a_shops_orders_that_differ_by_number_pass_up_to_the_threshold(
    house: House, ports: Ports, clock: HandClock
) -> None:
    states = []
    for number in range(22):
        clock.pass_by(minutes=4)
        text = f"Hello,\n\na new order came in.\nOrder number: {4000 + number}\nTotal: {10 + number}.90 EUR\n"
        raw = write_mail(sender="shop@shop.example", subject=f"Order {4000 + number}", text=text)
        states.append(arrive(ports, raw, "sales@in.test", sender="shop@shop.example").state)
    assert states == [InboundState.ROUTED] * 20 + [InboundState.HELD] * 2
    assert alarms() == [("loop.breaker", f"alias:{house.sales.pk}")]


@pytest.mark.slow
def test_a_mailing_lists_traffic_passes(house: House, ports: Ports, clock: HandClock) -> None:
    for number in range(60):
        clock.pass_by(minutes=1)
        sender = f"member{number % 12}@list-members.example"
        raw = write_mail(
            sender=sender,
            to="announce@lists.example",
            subject=f"[announce] {BRISK[number % 10]}",
            text=f"{BRISK[number % len(BRISK)]} {BRISK[(number * 7 + 3) % len(BRISK)]} And so on, {number}.\n",
            List_Id="<announce.lists.example>",
            Precedence="list",
        )
        assert arrive(ports, raw, "support@in.test", sender="announce-bounces@lists.example").state == "routed"


# ---- the cases


@pytest.mark.case("T-115")
def test_the_limit_counts_the_window_alone(house: House, ports: Ports, clock: HandClock) -> None:
    limit(ports, 5, 30)
    arrive(ports, write_mail(text="long ago"), "support@in.test")
    clock.pass_by(hours=2)
    for number in range(5):
        assert arrive(ports, write_mail(text=BRISK[number]), "support@in.test").state == InboundState.ROUTED
    assert Record.objects.count() == 6


@pytest.mark.case("T-116")
def test_the_mail_too_many_is_held_whatever_the_case_of_its_from_and_nobody_is_answered(
    house: House, ports: Ports, clock: HandClock
) -> None:
    limit(ports, 5, 30)
    for number in range(5):
        arrive(ports, write_mail(text=BRISK[number]), "support@in.test")
    held = arrive(ports, write_mail(sender="CARLA@Customer.EXAMPLE", text=BRISK[9]), "support@in.test")

    assert (held.state, codes(held)[-1]) == (InboundState.HELD, "loop.alias_author")
    assert Record.objects.count() == 5
    assert not OutgoingMail.objects.filter(null_return_path=True).exists()


@pytest.mark.case("T-118")
@pytest.mark.parametrize("entry", ['"Carla" <CARLA@Customer.Example>', "carla@customer.example", "@customer.example"])
def test_who_is_on_the_allow_list_passes(house: House, ports: Ports, entry: str) -> None:
    limit(ports, 5, 30)
    set_parameter(ports, "mail.gateway.allowed", f"someone@else.example, {entry}", member=None)
    for number in range(10):
        assert arrive(ports, write_mail(text=BRISK[number]), "support@in.test").state == InboundState.ROUTED
    assert Record.objects.count() == 10


def test_who_forges_a_listed_address_does_not_pass(house: House, ports: Ports) -> None:
    """The list names whom we trust, not whose name anybody may borrow."""
    limit(ports, 5)
    set_parameter(ports, "mail.gateway.allowed", CARLA, member=None)
    forged = authenticity_as_json(Authenticity(proof=Proof.SPOOFED, author_domain="customer.example"))
    for number in range(7):
        envelope = Envelope(mail_from=CARLA, rcpt_to=("support@in.test",))
        inbound_id = accept_message(
            ports, Arrival(door=Door.SMTP, raw=write_mail(text=BRISK[number]), envelope=envelope)
        )
        InboundMessage.objects.filter(pk=inbound_id).update(authentication=forged)
        route(ports)
    states = list(InboundMessage.objects.order_by("pk").values_list("state", flat=True))
    assert states == [InboundState.ROUTED] * 5 + [InboundState.HELD] * 2


def test_sub_addresses_count_as_one_author(house: House, ports: Ports) -> None:
    limit(ports, 5)
    states = [
        arrive(
            ports, write_mail(sender=f"carla+{number}@customer.example", text=BRISK[number]), "support@in.test"
        ).state
        for number in range(7)
    ]
    assert states == [InboundState.ROUTED] * 5 + [InboundState.HELD] * 2


def test_an_alias_with_a_forced_record_counts_too(house: House, ports: Ports, clock: HandClock) -> None:
    """Its mails make no records, so its record is looked at."""
    limit(ports, 5)
    arrive(ports, write_mail(), "support@in.test")
    Alias.objects.filter(pk=house.sales.pk).update(forced_record=Record.objects.get())
    clock.pass_by(hours=3)
    states = []
    for number in range(11):
        clock.pass_by(minutes=1)
        states.append(
            arrive(ports, write_mail(text=f"Build {number} of the tool has passed all tests."), "sales@in.test").state
        )
    assert states == [InboundState.ROUTED] * 5 + [InboundState.HELD] * 6


def test_a_batch_that_comes_at_once_is_counted_mail_by_mail(house: House, ports: Ports) -> None:
    limit(ports, 5)
    envelope = Envelope(mail_from=CARLA, rcpt_to=("support@in.test",))
    mails = [Arrival(door=Door.SMTP, raw=write_mail(text=text), envelope=envelope) for text in BRISK[:9]]
    accept_messages(ports, mails)
    route(ports)

    assert Record.objects.count() == 5
    assert LoopHold.objects.count() == 4
    assert alarms() == [("loop.breaker", f"alias:{house.support.pk}")]


# ---- our own words


def test_words_of_ours_that_come_back_without_any_mark_are_held_the_third_time(
    house: House, ports: Ports, clock: HandClock
) -> None:
    arrive(ports, write_mail(), "support@in.test")
    record = Record.objects.get()
    address = OutgoingMail.objects.latest("id").reply_to_address
    text = "Your parcel left our house yesterday and should reach you before the end of this week."
    post_message(ports, record_id=record.pk, author=house.alice, html=f"<p>{text}</p>")
    states = []
    for _ in range(4):
        clock.pass_by(minutes=1)
        raw = write_mail(sender="alice@box.test", to=address, subject="whatever", text=f"{text}\n\nMail Works")
        states.append(arrive(ports, raw, address, sender="rule@elsewhere.example").state)
    assert states == [InboundState.ROUTED] * 2 + [InboundState.HELD] * 2
    assert codes(InboundMessage.objects.latest("id"))[-1] == "loop.echo"


def test_our_mail_that_another_postroom_relays_is_known_by_the_mark_it_kept(house: House, ports: Ports) -> None:
    raw = write_mail(X_Postroom_Objects="mark-of-another; record=7; message=9")
    arrive(ports, raw, "support@in.test")
    OutgoingServer.objects.create(name="Box", transport="letterbox")
    claim_and_compose(ports, "test", 100, shelf=Shelf())

    relayed = parse(bytes(LetterboxMail.objects.latest("id").raw))
    marks = [value.partition(";")[0] for value in relayed.all_headers("X-Postroom-Objects")]
    assert sorted(marks) == sorted([ports.our_mark, "mark-of-another"]), "each once"


def test_what_eight_installations_relayed_is_held(house: House, ports: Ports) -> None:
    marks = "".join(f"X-Postroom-Objects: mark-of-number-{number}; record=1\r\n" for number in range(8))
    row = arrive(ports, marks.encode() + write_mail(), "support@in.test")
    assert (row.state, codes(row)[-1]) == (InboundState.HELD, "loop.marks")


# ---- the catchall, refusals


def test_the_same_mail_to_the_catchall_is_a_duplicate_whatever_its_envelope_says(
    house: House, ports: Ports, clock: HandClock
) -> None:
    raw = write_mail(to="catchall@in.test")
    first = arrive(ports, raw, "catchall@in.test")
    second = arrive(ports, raw, "catchall+x@in.test")
    clock.pass_by(hours=5)
    third = arrive(ports, raw, "catchall+y@in.test")

    assert first.state == InboundState.REFUSED
    assert (second.state, codes(second)[-1]) == (InboundState.DISCARDED, "catchall.seen")
    assert third.state == InboundState.REFUSED, "the window is over"


def test_two_copies_in_one_batch_are_one(house: House, ports: Ports) -> None:
    raw = write_mail(to="catchall@in.test")
    accept_messages(
        ports,
        [
            Arrival(door=Door.SMTP, raw=raw, envelope=Envelope(mail_from=CARLA, rcpt_to=(one,)))
            for one in ("catchall@in.test", "catchall+x@in.test")
        ],
    )
    route(ports)
    assert sorted(InboundMessage.objects.values_list("state", flat=True)) == ["discarded", "refused"]


def test_a_sender_is_told_once_and_held_when_he_goes_on(house: House, ports: Ports) -> None:
    Alias.objects.filter(pk=house.sales.pk).update(policy=AliasPolicy.COLLEAGUES)
    rows = [
        arrive(
            ports,
            write_mail(sender=f"robot+{n}@r.example", text=BRISK[n]),
            "sales@in.test",
            sender=f"robot+{n}@r.example",
        )
        for n in range(6)
    ]
    assert [row.state for row in rows] == [InboundState.REFUSED] * 4 + [InboundState.HELD] * 2
    assert Delivery.objects.filter(mail__null_return_path=True).count() == 1
    assert RefusalNotice.objects.get(sender="robot@r.example").times == 4
    assert alarms() == [("loop.breaker", "refusal:policy")]


def test_newsletters_to_an_alias_that_refuses_them_are_never_a_loop(house: House, ports: Ports) -> None:
    """Nobody is told, so nobody can answer."""
    Alias.objects.filter(pk=house.sales.pk).update(policy=AliasPolicy.COLLEAGUES)
    for number in range(8):
        raw = write_mail(sender="news@paper.example", text=BRISK[number], List_Id="<news.paper.example>")
        assert arrive(ports, raw, "sales@in.test", sender="news@paper.example").state == InboundState.REFUSED
    assert alarms() == []


@pytest.mark.slow
def test_not_more_than_a_hundred_senders_of_one_domain_are_told_a_day(house: House, ports: Ports) -> None:
    Alias.objects.filter(pk=house.sales.pk).update(policy=AliasPolicy.COLLEAGUES)
    senders = [f"somebody{number}@flood.example" for number in range(103)]
    accept_messages(
        ports,
        [
            Arrival(
                door=Door.SMTP,
                raw=write_mail(sender=one, to="sales@in.test"),
                envelope=Envelope(mail_from=one, rcpt_to=("sales@in.test",)),
            )
            for one in senders
        ],
    )
    route(ports)
    assert Delivery.objects.filter(mail__null_return_path=True).count() == 100
    assert InboundMessage.objects.filter(state=InboundState.REFUSED).count() == 103
    assert alarms() == [("loop.notices", "flood.example")]


# ---- what a person does


def fill(ports: Ports, house: House, count: int) -> None:
    """So many strangers write to support@."""
    senders = [f"stranger{number}@many.example" for number in range(count)]
    accept_messages(
        ports,
        [
            Arrival(
                door=Door.SMTP,
                raw=write_mail(sender=one, text=f"Yes, I want to take part, {one}."),
                envelope=Envelope(mail_from=one, rcpt_to=("support@in.test",)),
            )
            for one in senders
        ],
    )
    route(ports)


@pytest.mark.slow
def test_a_crowd_is_held_and_let_in_with_one_click(house: House, ports: Ports, clock: HandClock) -> None:
    limit(ports, 4)
    fill(ports, house, 50)
    subject = f"alias:{house.support.pk}"
    (group,) = held_groups(LoopHold.objects.filter(ended_at=None))
    assert (group.target, group.author, group.count, group.senders, group.is_wide) == (subject, "", 30, 30, True)
    assert Record.objects.count() == 20
    sentence = str(visible_alarms(None).get().reason["facts"]["why"])
    assert "support@in.test" in sentence

    assert release_held(ports, subject, member=house.alice) == 30
    route(ports)
    assert Record.objects.count() == 50
    assert alarms() == []
    clock.pass_by(minutes=30)
    assert arrive(ports, write_mail(text="One more"), "support@in.test").state == InboundState.ROUTED
    for text in BRISK[:3]:
        arrive(ports, write_mail(text=text), "support@in.test")
    assert arrive(ports, write_mail(text="the fifth of one author"), "support@in.test").state == InboundState.HELD


def test_what_is_released_is_not_held_again_and_other_authors_are(house: House, ports: Ports) -> None:
    limit(ports, 2)
    for text in BRISK[:4]:
        arrive(ports, write_mail(text=text), "support@in.test")
    for text in BRISK[4:7]:
        arrive(ports, write_mail(sender="bob@other.example", text=text), "support@in.test", sender="bob@other.example")
    subject = f"alias:{house.support.pk}"
    assert LoopHold.objects.filter(subject=subject, ended_at=None).count() == 3

    assert release_held(ports, subject, author=CARLA, member=house.alice) == 2
    route(ports)
    assert Message.objects.filter(author_address=CARLA).count() == 4
    assert alarms() == [("loop.breaker", subject)], "Bob's is still held"


def test_the_permit_ends_with_the_window(house: House, ports: Ports, clock: HandClock) -> None:
    limit(ports, 2)
    for text in BRISK[:3]:
        arrive(ports, write_mail(text=text), "support@in.test")
    release_held(ports, f"alias:{house.support.pk}", member=house.alice)
    route(ports)
    clock.pass_by(minutes=121)
    states = [arrive(ports, write_mail(text=text), "support@in.test").state for text in BRISK[4:7]]
    assert states == [InboundState.ROUTED] * 2 + [InboundState.HELD]


def test_to_allow_a_sender_releases_what_is_held_of_him(house: House, ports: Ports) -> None:
    limit(ports, 2)
    for text in BRISK[:5]:
        arrive(ports, write_mail(text=text), "support@in.test")
    assert allow_sender(ports, "Carla <Carla+x@customer.example>", member=house.alice) == 3
    route(ports)
    assert Record.objects.count() == 5
    assert arrive(ports, write_mail(text="and on"), "support@in.test").state == InboundState.ROUTED
    assert alarms() == []


def test_to_let_it_be_keeps_the_mails_held_and_ends_the_alarm(house: House, ports: Ports) -> None:
    limit(ports, 2)
    for text in BRISK[:4]:
        arrive(ports, write_mail(text=text), "support@in.test")
    assert let_be(ports, f"alias:{house.support.pk}", member=house.alice) == 2
    assert alarms() == []
    assert InboundMessage.objects.filter(state=InboundState.HELD).count() == 2
    assert arrive(ports, write_mail(text="again"), "support@in.test").state == InboundState.HELD
    assert alarms() == [("loop.breaker", f"alias:{house.support.pk}")]


def test_a_mail_that_one_alias_took_and_another_held_is_released_for_that_one_alone(house: House, ports: Ports) -> None:
    limit(ports, 2)
    for text in BRISK[:2]:
        arrive(ports, write_mail(text=text), "support@in.test")
    both = arrive(ports, write_mail(text=BRISK[3]), "support@in.test", "sales@in.test")
    assert both.state == InboundState.ROUTED
    assert Record.objects.count() == 3

    assert release_held(ports, f"alias:{house.support.pk}", member=house.alice) == 1
    route(ports)
    assert Record.objects.count() == 4
    assert Record.objects.filter(alias=house.sales).count() == 1


def test_deciding_on_one_mail_takes_it_out_of_the_breakers_hands(house: House, ports: Ports) -> None:
    limit(ports, 2)
    rows = [arrive(ports, write_mail(text=text), "support@in.test") for text in BRISK[:4]]
    create_record_from(ports, rows[2].pk, "ticket", member=house.alice)
    assert LoopHold.objects.filter(ended_at=None).count() == 1
    route_again(ports, rows[3].pk, member=house.alice)
    route(ports)
    assert InboundMessage.objects.get(pk=rows[3].pk).state == InboundState.HELD, "nobody told the breaker"
    assert LoopHold.objects.filter(ended_at=None).count() == 1


@pytest.mark.parametrize("act", ["release", "let be", "allow"])
def test_agents_do_not_decide_about_loops(house: House, ports: Ports, act: str) -> None:
    deeds = {
        "release": lambda: release_held(ports, "alias:1", member=house.bob),
        "let be": lambda: let_be(ports, "alias:1", member=house.bob),
        "allow": lambda: allow_sender(ports, CARLA, member=house.bob),
    }
    with pytest.raises(NotAllowed):
        deeds[act]()


def test_old_holds_and_permits_are_forgotten(house: House, ports: Ports, clock: HandClock) -> None:
    limit(ports, 2)
    for text in BRISK[:4]:
        arrive(ports, write_mail(text=text), "support@in.test")
    release_held(ports, f"alias:{house.support.pk}", member=house.alice)
    clock.pass_by(days=91)
    forgotten = forget_old_mail(ports)
    assert (forgotten["loop holds"], forgotten["loop permits"]) == (2, 1)
    assert not LoopHold.objects.exists()
    assert not LoopPermit.objects.exists()


# ---- what our automatic mail looks like (RFC 3834)


def leave(ports: Ports) -> Sequence[LetterboxMail]:
    OutgoingServer.objects.get_or_create(name="Box", transport="letterbox")
    while claim_and_compose(ports, "test", 100, shelf=Shelf()).taken:
        pass
    return list(LetterboxMail.objects.order_by("id"))


def says(letter: LetterboxMail) -> tuple[str, bool]:
    """Auto-Submitted, and whether the return path is null."""
    return parse(bytes(letter.raw)).header("Auto-Submitted"), letter.return_path == ""


def test_a_persons_mail_to_followers_is_nobodys_automatic_mail(house: House, ports: Ports) -> None:
    arrive(ports, write_mail(), "support@in.test")
    post_message(ports, record_id=Record.objects.get().pk, author=house.alice, html="<p>On its way.</p>")
    assert {says(letter) for letter in leave(ports)} == {("", False)}


def test_what_automatic_mail_causes_is_marked_automatic(house: House, ports: Ports) -> None:
    arrive(ports, write_mail(sender="alerts@robots.example", Auto_Submitted="auto-generated"), "support@in.test")
    assert {says(letter) for letter in leave(ports)} == {("auto-generated", False)}


def test_system_messages_are_marked_automatic(house: House, ports: Ports) -> None:
    arrive(ports, write_mail(), "support@in.test")
    Delivery.objects.all().delete()
    record = Record.objects.get()
    record.followers.update(changes=True)
    post_message(ports, record_id=record.pk, author=house.charlie, html="<p>Stage: Done</p>", kind=MessageKind.SYSTEM)
    letters = leave(ports)
    assert letters
    assert {says(letter) for letter in letters} == {("auto-generated", False)}


def test_refusals_have_a_null_return_path_and_say_that_they_are_automatic(house: House, ports: Ports) -> None:
    arrive(ports, write_mail(to="catchall@in.test"), "catchall@in.test")
    (letter,) = leave(ports)
    assert says(letter) == ("auto-replied", True)
    assert parse(bytes(letter.raw)).header("X-Auto-Response-Suppress") == "All"


def test_an_automatic_reply_to_our_mail_is_kept_and_told_to_nobody(house: House, ports: Ports) -> None:
    arrive(ports, write_mail(), "support@in.test")
    address = OutgoingMail.objects.latest("id").reply_to_address
    before = Delivery.objects.count()
    raw = write_mail(sender="bob@box.test", to=address, text="I am away.", Auto_Submitted="auto-replied")
    assert arrive(ports, raw, address, sender="").state == InboundState.ROUTED
    assert Delivery.objects.count() == before
