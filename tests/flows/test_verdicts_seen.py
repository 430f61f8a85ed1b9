"""A mail that goes to aliases of two companies tells the people of each one nothing about the other's part of it."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from postroom.cli.benching.pages import BUDGET
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import AliasPolicy, Door, InboundState, Role
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.access import company_cut, visible_inbound
from postroom.flows.agent_reading import explain as explain_to_agent
from postroom.flows.explain_routing import explain_inbound
from postroom.flows.route_message import route_waiting
from postroom.flows.tell_story import StoryWish, tell_story
from postroom.store.models import Alias, Company, InboundMessage, Member, Message, Record
from postroom.store.queries import pages_inbound
from postroom.store.queries.pages_chatter import thread
from postroom.store.queries.pages_inbound import InboundWish, inbound, inbound_list
from postroom.store.queries.verdicts_seen import hidden_from
from postroom.wiring import ports
from tests.people import House, add_alias, add_contact, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db

SECRETS = ("takeover", "only-known", "Known contacts", "known contact", "Bravo")
SENTENCE = "It also went to an address of another company."


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def bravo(house: House) -> Company:
    """Its alias for everybody, and one for those whom it knows."""
    bravo = Company.objects.create(name="Bravo", alias_domain=house.domain)
    add_alias(bravo, house.domain, "takeover", house.lead)
    add_alias(bravo, house.domain, "only-known", house.lead, policy=AliasPolicy.KNOWN_CONTACTS)
    return bravo


@pytest.fixture
def mara(house: House) -> Member:
    """Manager of the first company alone."""
    return add_member(house.company, "Mara", "mara@box.test", role=Role.MANAGER)


@pytest.fixture
def row(house: House, bravo: Company) -> InboundMessage:
    add_contact("Customer Carla", "carla@customer.example", bravo)
    return arrive("support@in.test", "takeover@in.test", "only-known@in.test")


def arrive(*recipients: str, **headers: str) -> InboundMessage:
    raw = write_mail(to="support@in.test", **headers)
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=recipients)
    number = accept_message(ports(), Arrival(door=Door.LMTP, raw=raw, envelope=envelope))
    while route_waiting(ports()):
        pass
    return InboundMessage.objects.get(pk=number)


def betrays(text: str, *more: str) -> list[str]:
    return [one for one in (*SECRETS, *more) if one in text]


def others(bravo: Company) -> tuple[str, str]:
    """The numbers of what the other company has of it, as JSON says them."""
    record = Record.objects.filter(company=bravo).first()
    assert record is not None
    return f'"record_id": {record.pk},', f"/records/{record.pk}/"


def test_the_fixture_goes_to_both(row: InboundMessage, bravo: Company) -> None:
    assert row.state == InboundState.ROUTED
    assert Message.objects.filter(inbound=row).count() == 3
    assert Message.objects.filter(inbound=row, company=bravo).count() == 2
    assert "takeover" in json.dumps(row.verdict)


def test_the_log_and_the_mail_tell_a_manager_of_one_company_its_own_part(
    house: House, row: InboundMessage, mara: Member, bravo: Company
) -> None:
    visible, cut = visible_inbound(mara), company_cut(mara)
    told = inbound(visible, row.pk, cut=cut)
    assert told is not None
    assert betrays(repr(told)) == []
    assert [one.record_id for one in told.made] == [Record.objects.get(company=house.company).pk]
    assert [str(reason) for reason in told.decisions[-1].reasons] == [SENTENCE]
    assert told.row.rcpt_to == ("support@in.test",)
    assert betrays(repr(inbound_list(visible, InboundWish(), cut=cut))) == []


def test_nobody_finds_out_by_the_filter_what_went_to_anothers_alias(row: InboundMessage, mara: Member) -> None:
    visible, cut = visible_inbound(mara), company_cut(mara)
    found = {
        alias: [one.id for one in inbound_list(visible, InboundWish(alias=alias), cut=cut).rows]
        for alias in ("support@in.test", "takeover@in.test", "takeo")
    }
    assert found == {"support@in.test": [row.pk], "takeover@in.test": [], "takeo": []}


def test_who_sees_the_whole_house_is_told_all(row: InboundMessage) -> None:
    told = inbound(visible_inbound(None), row.pk, cut=None)
    assert told is not None
    assert (len(told.made), len(told.decisions), len(told.row.rcpt_to)) == (3, 3, 3)
    assert "takeover@in.test" in " ".join(explain_inbound(ports(), row.pk, member=None).sentences)


def test_the_page_and_the_api_show_no_more(client: Client, row: InboundMessage, mara: Member, bravo: Company) -> None:
    client.force_login(mara.user)
    page = client.get(f"/inbound/{row.pk}/")
    assert page.status_code == 200
    text = page.content.decode()
    assert betrays(text, *others(bravo)) == []
    assert SENTENCE in text
    why = client.get(f"/inbound/{row.pk}/why/")
    assert why.status_code == 200
    assert betrays(why.content.decode(), *others(bravo)) == []


def test_explained_anew_it_shows_no_more(row: InboundMessage, mara: Member) -> None:
    found = explain_inbound(ports(), row.pk, member=mara)
    assert betrays(repr(found)) == []
    assert SENTENCE in found.sentences
    assert SENTENCE in found.before
    assert [one.address for one in found.recipients] == ["support@in.test"]


def test_an_agent_program_is_told_no_more(row: InboundMessage, mara: Member) -> None:
    told = explain_to_agent(ports(), {"inbound_id": row.pk}, mara)
    assert betrays(repr(told)) == []


def test_a_refusal_by_anothers_policy_is_not_told(house: House, bravo: Company, mara: Member) -> None:
    row = arrive("support@in.test", "only-known@in.test")
    assert "only-known" in json.dumps(row.verdict)
    told = inbound(visible_inbound(mara), row.pk, cut=company_cut(mara))
    assert betrays(repr(told)) == []
    assert betrays(repr(explain_inbound(ports(), row.pk, member=mara))) == []


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.MANAGER, Role.AGENT, Role.READ_ONLY])
def test_the_story_shows_each_company_its_own_part(
    house: House, row: InboundMessage, bravo: Company, role: Role
) -> None:
    reader = add_member(house.company, "Rita", "rita@box.test", role=role)
    story = tell_story(ports(), StoryWish(asked=row.message_id), member=reader)
    assert len(story.events) > 0
    assert betrays(repr(story)) == []
    ours = add_member(bravo, "Bella", "bella@bravo.example", role=role)
    story = tell_story(ports(), StoryWish(asked=row.message_id), member=ours)
    assert len(story.events) > 0
    assert "support@in.test" not in repr(story)


def test_the_record_shows_its_readers_its_own_part(house: House, row: InboundMessage) -> None:
    record = Record.objects.get(company=house.company)
    shown = thread(record.pk)
    assert betrays(repr(shown)) == []


def test_an_answer_to_anothers_message_that_starts_anew_tells_no_number_of_it(house: House, bravo: Company) -> None:
    arrive("takeover@in.test", Message_ID="<first@customer.example>")
    first = Message.objects.get(company=bravo)
    row = arrive("support@in.test", In_Reply_To="<first@customer.example>")
    assert "forward.other_company" in json.dumps(row.verdict)
    assert f'"message": "{first.pk}"' not in json.dumps(row.verdict)


def test_what_is_to_be_cut_is_looked_up_in_one_question(
    row: InboundMessage, mara: Member, bravo: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    own, theirs = Record.objects.get(company=mara.company).pk, Record.objects.filter(company=bravo).first()
    assert theirs is not None
    named = [{"decision": "AppendToRecord", "record_id": number} for number in (own, theirs.pk, 10**17)]
    delivered = {"decision": "RecordReport", "reasons": [{"code": "x", "facts": {"delivery": "delivery 10"}}]}
    cut = company_cut(mara)
    with django_assert_num_queries(1):
        hidden = hidden_from(cut, [row.verdict, [*named, delivered]], row.rcpt_to)
    assert hidden.numbers["records"] == {theirs.pk, 10**17}
    assert hidden.numbers["deliveries"] == {10}
    assert hidden.numbers["messages"] == frozenset()
    assert len(hidden.numbers["aliases"]) == 2
    assert hidden.addresses == {"takeover@in.test", "only-known@in.test"}


def test_the_number_of_one_kind_of_thing_hides_no_other_kind(row: InboundMessage, mara: Member, bravo: Company) -> None:
    """A record and an alias may bear the same number."""
    alias = Alias.objects.get(company=mara.company, name="support")
    hidden = hidden_from(company_cut(mara), [[{"alias_id": alias.pk, "record_id": 10**17 + alias.pk}]])
    assert hidden.numbers["aliases"] == frozenset()
    assert hidden.numbers["records"] == {10**17 + alias.pk}


def test_where_nothing_is_named_nothing_is_asked(
    mara: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        hidden = hidden_from([mara.company_id], [[{"decision": "Hold", "reasons": []}]])
    assert not any(hidden.numbers.values())


@pytest.mark.parametrize("question", ["sender=carla", "q=nothing-of-that", "alias=support@in.test", "q=e&age=month"])
def test_a_search_that_looks_twice_stays_within_the_budget(
    client: Client,
    row: InboundMessage,
    mara: Member,
    question: str,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """The mails of the glance do not fill the page, so that a longer look follows, and both tell of mails to two companies."""
    arrive("support@in.test", "takeover@in.test")
    arrive("support@in.test", "only-known@in.test", In_Reply_To="<first@customer.example>")
    monkeypatch.setattr(pages_inbound, "GLANCE", 2)
    client.force_login(mara.user)
    client.get("/inbound/")
    with django_assert_max_num_queries(BUDGET):
        page = client.get(f"/inbound/?{question}")
    assert page.status_code == 200
    assert betrays(page.content.decode().replace(question, "")) == []
