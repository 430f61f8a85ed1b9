"""Aliases and domains as they are stored, case by case; and that a former address stays alive."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from postroom.core.terms.alias_values import AliasValueError, as_lines, clean_alias_name, read_lines
from postroom.core.terms.states import InboundState
from postroom.flows.access import NotAllowed
from postroom.flows.check_recipient import check_recipients
from postroom.flows.settings import save_alias, save_domain, set_parameter
from postroom.store.models import Alias, AliasDomain, Company, Record
from postroom.wiring import ports
from tests.flows.arriving import a_thread, arrive
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


def new_alias(house: House, name: str, **values: object) -> Alias:
    given = {"name": name, "company_id": house.company.pk, "domain_id": house.domain.pk, "kind_id": "ticket", **values}
    return save_alias(ports(), given, member=house.alice)


@pytest.mark.case("T-215")
@pytest.mark.parametrize("name", ["bounce", "Catchall", "bounce@in.test"])
def test_an_alias_is_not_called_like_an_address_of_its_own_domain_but_may_be_like_anothers(
    house: House, name: str
) -> None:
    with pytest.raises(ValidationError, match="own address"):
        new_alias(house, name)
    other = AliasDomain.objects.create(name="other.test", bounce_alias="returns", catchall_alias="replies")
    assert new_alias(house, name, domain_id=other.pk).pk


@pytest.mark.case("T-215")
@pytest.mark.parametrize("field", ["bounce_alias", "catchall_alias"])
def test_a_domain_does_not_take_the_name_of_an_alias(house: House, field: str) -> None:
    with pytest.raises(ValidationError, match="an alias already"):
        save_domain(ports(), {"id": house.domain.pk, field: "support"}, member=house.alice)


@pytest.mark.case("T-217")
@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("bidule...inc.", "bidule.inc"),
        ("  Ünïcödé  ", "unicode"),
        ("Déboulonneur 😊", "deboulonneur-"),
        ("jobs@elsewhere.example", "jobs"),
        ("a b\tc", "a-b-c"),
        ("x+y", "x-y"),
        ("ok_it's.fine!", "ok_it's.fine!"),
        ("a" * 80, "a" * 64),
    ],
)
def test_what_is_typed_becomes_a_name_that_mail_programs_can_write(house: House, typed: str, name: str) -> None:
    assert clean_alias_name(typed) == name
    assert new_alias(house, typed).name == name


@pytest.mark.case("T-217", "T-218")
@pytest.mark.parametrize("typed", ["", "   ", ".", "...", "😊", "あ", "---", "@in.test"])
def test_what_leaves_no_name_is_refused(house: House, typed: str) -> None:
    with pytest.raises(ValidationError, match="Letters and digits"):
        new_alias(house, typed)


@pytest.mark.case("T-220")
def test_values_are_written_as_lines_and_a_broken_line_is_refused() -> None:
    assert read_lines("stage = Done\n\n title=A = B \n") == {"stage": "Done", "title": "A = B"}
    assert as_lines(read_lines("stage = Done\ntitle = x")) == "stage = Done\ntitle = x"
    for broken in ("{'stage': 'Done'", "stage", "a = 1\na = 2"):
        with pytest.raises(AliasValueError):
            read_lines(broken)


@pytest.mark.case("T-221")
def test_the_first_domain_is_that_of_every_company_and_later_ones_are_not() -> None:
    closed = Company.objects.create(name="Closed", is_active=False)
    open_one = Company.objects.create(name="Open")
    first = save_domain(ports(), {"name": "First.TEST"}, member=None)
    save_domain(ports(), {"name": "second.test"}, member=None)
    assert {company.alias_domain for company in Company.objects.filter(pk__in=[closed.pk, open_one.pk])} == {first}
    third = Company.objects.create(name="Third")
    assert third.alias_domain is None


@pytest.mark.case("T-223")
def test_local_parts_of_a_domain_lose_what_stands_behind_the_at_and_the_default_from_keeps_it() -> None:
    values = {"name": "a.test", "bounce_alias": "Returns@b.test", "catchall_alias": "replies@b.test"}
    domain = save_domain(ports(), {**values, "default_from": "hello@b.test"}, member=None)
    assert (domain.bounce_alias, domain.catchall_alias, domain.default_from) == ("returns", "replies", "hello@b.test")


@pytest.mark.case("T-224")
def test_records_are_the_company_of_their_alias(house: House) -> None:
    """A record does not change its company, so the domain of an alias never has to follow one."""
    arrive(write_mail(), "support@in.test")
    assert Record.objects.get().company == house.support.company


@pytest.mark.case("T-226")
def test_an_alias_is_changed_by_administrators_of_its_company(house: House) -> None:
    with pytest.raises(NotAllowed):
        save_alias(ports(), {"id": house.support.pk, "name": "help"}, member=house.bob)
    assert save_alias(ports(), {"id": house.support.pk, "name": "help"}, member=house.alice).name == "help"


@pytest.mark.case("T-227")
def test_the_parameters_of_old_make_one_domain_however_often_they_are_set() -> None:
    for _ in range(2):
        set_parameter(ports(), "mail.catchall.domain", "Example.TEST", member=None)
        set_parameter(ports(), "mail.catchall.alias", "replies", member=None)
    domain = AliasDomain.objects.get()
    assert (domain.name, domain.catchall_alias) == ("example.test", "replies")


# ---- what is changed away from stays alive


def accepted(*addresses: str) -> list[bool]:
    return [verdict.accepted for verdict in check_recipients(ports(), addresses).values()]


def test_a_renamed_alias_still_takes_mail_under_its_former_name(house: House) -> None:
    save_alias(ports(), {"id": house.support.pk, "name": "help"}, member=house.alice)
    assert accepted("support@in.test", "help@in.test") == [True, True]
    inbound = arrive(write_mail(), "support@in.test")
    assert inbound.state == InboundState.ROUTED
    assert Record.objects.get().followers.count() == 2, "those who follow what the alias makes"


def test_a_name_that_comes_back_is_the_alias_again(house: House) -> None:
    for name in ("help", "support", "help"):
        save_alias(ports(), {"id": house.support.pk, "name": name}, member=house.alice)
    names = dict(Alias.objects.filter(kind="ticket").values_list("name", "retired_at"))
    assert set(names) == {"help", "support"}
    assert names["help"] is None
    assert names["support"] is not None


def test_a_renamed_domain_still_takes_mail_and_answers_under_its_former_name(house: House) -> None:
    thread = a_thread(house)
    save_domain(ports(), {"id": house.domain.pk, "name": "new.test"}, member=house.alice)
    assert accepted("support@in.test", "support@new.test", "sales@in.test", thread.reply_address) == [True] * 4
    arrive(write_mail(to=thread.reply_address), thread.reply_address)
    assert thread.record.messages.count() == 3
    arrive(write_mail(subject="new"), "support@in.test")
    assert Record.objects.count() == 2
    save_domain(ports(), {"id": house.domain.pk, "name": "in.test"}, member=house.alice)
    alive = {domain.name: domain.retired_at is None for domain in AliasDomain.objects.all()}
    assert alive == {"in.test": True, "new.test": False}


def test_the_parameter_of_the_domain_retires_the_former_one_too(house: House) -> None:
    set_parameter(ports(), "mail.catchall.domain", "new.test", member=None)
    assert accepted("support@in.test", "support@new.test") == [True, True]


def test_an_alias_that_was_given_up_still_takes_mail(house: House) -> None:
    save_alias(ports(), {"id": house.support.pk, "retired_at": ports().clock.now()}, member=house.alice)
    assert arrive(write_mail(), "support@in.test").state == InboundState.ROUTED


def test_the_same_name_on_two_domains_belongs_to_two_companies(house: House) -> None:
    domain = AliasDomain.objects.create(name="second.test")
    second = Company.objects.create(name="Second", alias_domain=domain)
    Alias.objects.create(company=second, domain=domain, name="support", kind=house.lead)
    arrive(write_mail(to="support@second.test"), "support@second.test")
    assert [(record.company, record.kind_id) for record in Record.objects.all()] == [(second, "lead")]
    arrive(
        write_mail(to="support@second.test, support@in.test", subject="both"), "support@second.test", "support@in.test"
    )
    assert sorted(Record.objects.filter(title="both").values_list("company__name", "kind_id")) == [
        ("Mail Works", "ticket"),
        ("Second", "lead"),
    ]
