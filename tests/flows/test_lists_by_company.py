"""Lists of a company are told of what happens there, and of nothing else: other companies know nothing by its moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.states import Role
from postroom.flows.change_queue import change_chosen
from postroom.flows.change_records import What, change_records
from postroom.flows.enqueue_mail import enqueue_again
from postroom.flows.records import create_record
from postroom.flows.settle_inbound import route_again
from postroom.flows.tell_pages import tell_of_deliveries, tell_pages
from postroom.store.models import Company, Delivery, Member
from postroom.wiring import ports
from tests.flows.listening import heard_until_now
from tests.web import seeding

pytestmark = pytest.mark.django_db(transaction=True)

Heard = Callable[[], set[str]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """The lists that looked again since the last question."""
    parameters = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key not in ("cursor_factory", "context", "prepare_threshold")
    }
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute("LISTEN postroom_live")
        yield lambda: {word for word in heard_until_now(listener) if not word.startswith(("record:", "author:"))}


@pytest.fixture
def company() -> Company:
    seeding.a_kind()
    seeding.a_company("Elsewhere")
    return seeding.a_company("Northwind")


@pytest.fixture
def ada(company: Company) -> Member:
    return seeding.a_member("ada", "Ada Admin", company, Role.ADMINISTRATOR)


def test_a_new_or_changed_record_is_told_to_the_lists_of_its_company(
    company: Company, ada: Member, heard: Heard
) -> None:
    record = create_record(ports(), company_id=company.pk, kind="ticket", title="Parcel", author=ada)
    assert heard() == {f"records:{company.pk}"}
    change_records(ports(), record_ids=[record.pk], what=What.DONE, value=True, by=ada)
    assert heard() == {f"records:{company.pk}"}


def test_deliveries_are_told_to_the_queue_of_their_company_by_two_statements(company: Company, heard: Heard) -> None:
    record = seeding.a_record(company, "Parcel")
    ids = {seeding.a_delivery(company, f"{one}@x.example").pk for one in range(3)}
    with CaptureQueriesContext(connection) as asked:
        tell_of_deliveries(ids, f"record:{record.pk}")
    assert len(asked) == 2
    assert heard() == {f"queue:{company.pk}"}


def test_what_only_administrators_of_the_house_see_is_told_to_the_house(company: Company, heard: Heard) -> None:
    delivery = seeding.a_delivery(company, "olga@house.example", is_of_the_house=True)
    tell_of_deliveries({delivery.pk})
    assert heard() == {"queue:0"}
    tell_pages(queued=[delivery.pk])
    assert heard() == {"queue:0"}
    enqueue_again(ports(), [delivery], ["olga@house.example"])
    assert heard() == {"queue:0"}


def test_a_mail_that_is_sent_again_and_a_change_in_the_queue_are_told_there(
    company: Company, ada: Member, heard: Heard
) -> None:
    delivery = seeding.a_delivery(company, "carla@customer.example")
    enqueue_again(ports(), [delivery], ["carla@customer.example"])
    assert heard() == {f"queue:{company.pk}"}
    change_chosen(ports(), "cancel", list(Delivery.objects.values_list("pk", flat=True)), member=ada)
    assert heard() == {f"queue:{company.pk}"}


@pytest.mark.parametrize("whose", ["companys", "nobodys"])
def test_an_inbound_mail_is_told_to_its_company_or_else_to_the_whole_house(
    company: Company, heard: Heard, whose: str
) -> None:
    raw = seeding.a_mail("carla@customer.example", "help@box.test", "Where?", "Where?")
    mail = seeding.an_inbound(company if whose == "companys" else None, "Where?", raw, state="held")
    route_again(ports(), mail.pk, member=None)
    assert heard() == {f"inbound:{company.pk if whose == 'companys' else 0}"}


def test_companies_are_looked_up_by_the_statement_that_tells(company: Company, heard: Heard) -> None:
    record, delivery = seeding.a_record(company, "Parcel"), seeding.a_delivery(company, "carla@customer.example")
    with CaptureQueriesContext(connection) as asked:
        tell_pages("author:1", listed=[record.pk], queued=[delivery.pk], calls=["postroom_outgoing"])
    assert len(asked) == 1
    assert heard() == {f"records:{company.pk}", f"queue:{company.pk}"}


@pytest.mark.parametrize("word", ["queue", "records", "inbound"])
def test_nobody_tells_a_list_without_saying_whose(word: str) -> None:
    with pytest.raises(ValueError, match="whose"):
        tell_pages(word)
