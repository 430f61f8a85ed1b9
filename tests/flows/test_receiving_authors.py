"""Who wrote it, what the new record begins with, and who may write at all, case by case."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from postroom.core.terms.states import Door, InboundState
from postroom.flows.settings import save_alias
from postroom.store.models import (
    Alias,
    AliasDomain,
    Company,
    Delivery,
    Follower,
    Message,
    MessageBody,
    Record,
    RecordKind,
)
from postroom.wiring import ports
from tests.flows.arriving import answers, arrive, why, words_of
from tests.people import House, add_alias, add_contact, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db
CARLA = "carla@customer.example"


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def second(house: House) -> Company:
    """Another company of the house, with a domain of its own and an alias of the same name."""
    domain = AliasDomain.objects.create(name="second.test")
    company = Company.objects.create(name="Second", alias_domain=domain)
    add_alias(company, domain, "support", house.ticket)
    return company


def change(alias: Alias, **values: object) -> Alias:
    return save_alias(ports(), {"id": alias.pk, **values}, member=None)


# ---- authors and followers


@pytest.mark.case("T-031")
def test_a_known_person_is_author_and_follower_and_nothing_is_sent_to_him(house: House) -> None:
    carla = add_contact("Carla", CARLA)
    arrive(write_mail(to="sales@in.test"), "sales@in.test")
    message = Message.objects.get()
    assert (message.author, message.author_name) == (carla, "Customer Carla")
    assert list(Follower.objects.values_list("contact", flat=True)) == [carla.pk]
    assert not Delivery.objects.exists()


@pytest.mark.case("T-032")
def test_an_archived_person_is_no_author_and_no_follower(house: House) -> None:
    carla = add_contact("Carla", CARLA)
    carla.is_active = False
    carla.save()
    arrive(write_mail(to="sales@in.test"), "sales@in.test")
    assert Message.objects.get().author is None
    assert not Follower.objects.exists()


@pytest.mark.case("T-034")
def test_a_person_is_recognised_in_any_spelling_of_the_address(house: House) -> None:
    carla = add_contact("Carla", "Carla@Customer.EXAMPLE")
    arrive(write_mail(sender='"C., Carla" <CARLA@customer.example>'), "support@in.test")
    assert Message.objects.get().author == carla


@pytest.mark.case("T-035")
def test_a_contact_has_one_address_and_two_in_one_field_are_none(house: House) -> None:
    add_contact("Carla", f"{CARLA}, other@customer.example")
    arrive(write_mail(), "support@in.test")
    assert Message.objects.get().author is None


@pytest.mark.case("T-037")
def test_of_several_people_with_one_address_a_follower_comes_before_a_colleague_before_the_oldest(house: House) -> None:
    first = add_contact("Carla A", CARLA)
    arrive(write_mail(to="sales@in.test", Message_ID="<1@customer.example>"), "sales@in.test")
    assert Message.objects.latest("id").author == first

    colleague = add_member(house.company, "Carla", CARLA)
    arrive(write_mail(to="sales@in.test", subject="two"), "sales@in.test")
    assert Message.objects.latest("id").author == colleague.contact

    third = add_contact("Carla C", CARLA)
    record = Message.objects.earliest("id").record
    assert record is not None
    Follower.objects.all().delete()
    Follower.objects.create(record=record, contact=third)
    arrive(write_mail(to="sales@in.test", subject="three", In_Reply_To="<1@customer.example>"), "sales@in.test")
    assert (Message.objects.latest("id").record, Message.objects.latest("id").author) == (record, third)


@pytest.mark.case("T-038")
@pytest.mark.parametrize("name", ["Somebody", ""])
def test_an_address_of_our_own_is_nobody_even_when_a_contact_bears_it(house: House, name: str) -> None:
    """W-49: with and without a display name."""
    add_contact("Loop", "sales@in.test")
    sender = f"{name} <sales@in.test>" if name else "sales@in.test"
    arrive(write_mail(sender=sender), "support@in.test", sender="sales@in.test")
    assert Message.objects.get().author is None


def test_a_contact_of_one_company_is_a_stranger_to_the_other(house: House, second: Company) -> None:
    carla = add_contact("Carla", CARLA, house.company)
    mail = write_mail(to="support@in.test, support@second.test")
    arrive(mail, "support@in.test", "support@second.test")
    authors = dict(Message.objects.values_list("company__name", "author_id"))
    assert authors == {"Mail Works": carla.pk, "Second": None}
    assert set(Record.objects.values_list("company__name", "contact_id")) == {
        ("Mail Works", carla.pk),
        ("Second", None),
    }


def test_a_colleague_of_one_company_passes_the_policy_of_those_that_he_sees(house: House, second: Company) -> None:
    alias = Alias.objects.get(company=second)
    alias.policy = "colleagues"
    alias.save()
    send = {"sender": "bob@box.test"}
    refused = arrive(write_mail(sender="bob@box.test", to="support@second.test"), "support@second.test", **send)
    assert refused.state == InboundState.REFUSED
    house.bob.companies.add(second)
    taken = arrive(write_mail(sender="bob@box.test", to="support@second.test"), "support@second.test", **send)
    assert taken.state == InboundState.ROUTED


@pytest.mark.case("T-040", "T-041")
def test_rights_of_the_author_do_not_matter_and_the_alias_names_who_is_responsible(house: House) -> None:
    reader = add_member(house.company, "Rita", "rita@box.test")
    reader.role = "read_only"
    reader.save()
    change(house.sales, responsible_id=house.bob.pk)
    arrive(write_mail(sender="Rita <rita@box.test>"), "sales@in.test", sender="rita@box.test")
    record = Record.objects.get()
    assert (record.responsible, Message.objects.get().author) == (house.bob, reader.contact)
    assert set(record.followers.values_list("contact__name", flat=True)) == {"Bob", "Rita"}


@pytest.mark.case("T-046", "T-047")
def test_who_was_in_cc_is_kept_with_each_message(house: House) -> None:
    one, two = "Dora <dora@partner.example>", "erik@partner.example"
    arrive(write_mail(Cc=f"{one}, {two}", Message_ID="<1@customer.example>"), "support@in.test")
    arrive(
        write_mail(Cc="D. <dora@partner.example>, f@x.example", In_Reply_To="<1@customer.example>"), "support@in.test"
    )
    kept = [body.addressed["cc"] for body in MessageBody.objects.order_by("message_id")]
    assert kept == [
        [["Dora", "dora@partner.example"], ["", "erik@partner.example"]],
        [["D.", "dora@partner.example"], ["", "f@x.example"]],
    ]


# ---- what a new record begins with


@pytest.mark.case("T-043")
def test_an_alias_without_values_fills_nothing_in_and_is_untested_after_a_change(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    house.support.refresh_from_db()
    assert house.support.status == "valid"
    change(house.support, defaults={})
    house.support.refresh_from_db()
    assert house.support.status == "not_tested"
    arrive(write_mail(subject="Again"), "support@in.test")
    assert Record.objects.latest("id").values == {}


def test_values_of_the_alias_come_before_what_the_mail_says(house: House) -> None:
    RecordKind.objects.filter(pk="ticket").update(value_names=["Channel", "Priority"])
    change(house.support, defaults={"title": "From the web", "stage": "In progress", "Priority": 2})
    arrive(write_mail(), "support@in.test")
    record = Record.objects.get()
    assert (record.title, record.stage, record.values) == ("From the web", "In progress", {"Priority": 2})


@pytest.mark.case("T-220")
@pytest.mark.parametrize(
    "defaults", ["{'a': 1", ["stage"], {"stage": "Nowhere"}, {"Colour": "red"}, {"Channel": [1]}, {"title": 7}]
)
def test_values_that_do_not_fit_the_kind_are_refused_when_the_alias_is_stored(house: House, defaults: object) -> None:
    RecordKind.objects.filter(pk="ticket").update(value_names=["Channel"])
    with pytest.raises(ValidationError, match="defaults"):
        change(house.support, defaults=defaults)


@pytest.mark.case("T-044")
def test_values_that_no_longer_fit_lose_no_mail_and_mark_the_alias(house: House) -> None:
    change(house.support, defaults={"stage": "In progress"})
    RecordKind.objects.filter(pk="ticket").update(stages=["Inbox", "Closed"])
    inbound = arrive(write_mail(), "support@in.test")
    assert (inbound.state, Record.objects.get().stage) == (InboundState.ROUTED, "Inbox")
    house.support.refresh_from_db()
    assert house.support.status == "invalid"
    change(house.support, defaults={"stage": "Closed"})
    arrive(write_mail(subject="two"), "support@in.test")
    house.support.refresh_from_db()
    assert house.support.status == "valid"


# ---- who may write


@pytest.mark.case("T-050")
def test_a_stranger_is_refused_by_an_alias_for_known_people_and_told_so(house: House) -> None:
    change(house.support, policy="known_contacts")
    inbound = arrive(write_mail(subject="Hello"), "support@in.test", sender="bounces@customer.example")
    assert (inbound.state, Record.objects.exists()) == (InboundState.REFUSED, False)
    answer = answers()[0]
    assert (answer.from_name, answer.from_address) == ("MAILER-DAEMON", "mailer-daemon@in.test")
    assert answer.deliveries.get().to_address == "bounces@customer.example", "the reverse-path, as RFC 3834 4 says"
    assert (answer.subject, answer.null_return_path) == ("Re: Hello", True)
    assert ["Auto-Submitted", "auto-replied"] in answer.extra_headers


@pytest.mark.case("T-052", "T-053")
def test_an_alias_for_followers_takes_mail_from_them_alone(house: House) -> None:
    arrive(write_mail(to="sales@in.test", subject="first"), "sales@in.test")
    owner = Record.objects.get()
    change(house.support, policy="followers", owner_record_id=owner.pk)
    assert arrive(write_mail(subject="two"), "support@in.test").state == InboundState.REFUSED, "unknown"
    carla = add_contact("Carla", CARLA)
    assert arrive(write_mail(subject="three"), "support@in.test").state == InboundState.REFUSED, "known, no follower"
    Follower.objects.create(record=owner, contact=carla)
    assert arrive(write_mail(subject="four"), "support@in.test").state == InboundState.ROUTED
    assert len(answers()) == 1


def test_a_policy_that_nobody_could_meet_is_refused_when_stored_and_holds_the_mail_otherwise(house: House) -> None:
    with pytest.raises(ValidationError, match="policy"):
        change(house.support, policy="followers")
    Alias.objects.filter(pk=house.support.pk).update(policy="followers")
    inbound = arrive(write_mail(), "support@in.test")
    assert (inbound.state, why(inbound)) == (InboundState.HELD, ["policy.no_owner"])


@pytest.mark.case("T-055")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Write to Dora <dora@x.example>", None),
        ("Please call +1 555 0100.", "Please call +1 555 0100."),
        ("<p>Ask <b>Dora</b><script>alert(1)</script></p>", "<b>Dora</b>"),
    ],
)
def test_the_aliass_own_words_are_the_answer_made_harmless(house: House, text: str, shown: str | None) -> None:
    change(house.support, policy="colleagues", refusal_text=text)
    arrive(write_mail(), "support@in.test")
    said = words_of(answers()[0])
    assert (shown or "Write to Dora") in said
    assert "script" not in said


@pytest.mark.case("T-056")
@pytest.mark.parametrize(
    "empty",
    [
        "",
        "  \n ",
        "<p></p>",
        "<p><br></p>",
        "<div>&nbsp;</div>",
        "<p><span> </span></p>",
        "<ul><li></li></ul>",
        "<p>\u200b</p>",
    ],
)
def test_words_in_which_nothing_is_to_be_seen_are_none(house: House, empty: str) -> None:
    change(house.support, policy="colleagues", refusal_text=empty)
    arrive(write_mail(to="Support@IN.test"), "Support@IN.test")
    assert "Your mail to support@in.test was not taken" in words_of(answers()[0])


def test_an_answer_is_not_sent_to_machines_lists_and_those_who_asked_for_none(house: House) -> None:
    change(house.support, policy="colleagues")
    for number, headers in enumerate(
        (
            {"Auto-Submitted": "auto-generated"},
            {"Precedence": "bulk"},
            {"List-Id": "<list.x.example>"},
            {"X-Auto-Response-Suppress": "All"},
        )
    ):
        mail = write_mail(subject=str(number), **{name.replace("-", "_"): value for name, value in headers.items()})
        assert arrive(mail, "support@in.test", sender=f"s{number}@x.example").state == InboundState.REFUSED
    assert not answers()


def test_an_answer_is_not_sent_to_an_address_at_which_we_take_mail(house: House) -> None:
    change(house.support, policy="colleagues")
    for number, sender in enumerate(("sales@in.test", "catchall@in.test", "bounce@in.test", "sales+x@IN.test")):
        arrive(write_mail(sender=sender, subject=str(number)), "support@in.test", sender=sender)
    assert not answers()
    arrive(write_mail(sender="otto@in.test"), "support@in.test", sender="otto@in.test")
    assert len(answers()) == 1, "a person of ours whose mail is elsewhere"


def test_a_refused_fetched_mail_is_answered_to_its_return_path(house: House) -> None:
    change(house.support, policy="colleagues")
    arrive(b"Return-Path: <path@customer.example>\r\n" + write_mail(), door=Door.IMAP)
    assert answers()[0].deliveries.get().to_address == "path@customer.example"
