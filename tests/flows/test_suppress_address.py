"""People put addresses on the list, take them off, and bring whole lists along; and who writes is warned, never blocked."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.states import Role
from postroom.flows.access import NotAllowed
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.ports import Ports
from postroom.flows.settings import set_parameter
from postroom.flows.suppress_address import Listed, SuppressionError, import_list, read_list, release, suppress
from postroom.store.models import AddressHealth, Company, Contact, Member, MessageBody, Record, Suppression
from postroom.store.queries.suppressed import suppressed_among, troubles_among
from tests.flows.bounce_reports import CLOSED, GONE, arrive, report, return_path, sent_to
from tests.flows.outgoing_mails import HandClock, ports_with
from tests.people import House, add_contact, add_member, build_house

pytestmark = pytest.mark.django_db

CARLA = "carla@customer.example"


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


@pytest.fixture
def carla(house: House) -> Contact:
    return add_contact("Customer Carla", CARLA, house.company)


def bounce(ports: Ports, house: House, contact: Contact, said: tuple[str, str], number: int = 1) -> None:
    (delivery,) = sent_to(ports, house.company, contact)
    arrive(ports, report(contact.normal, said, number=number), return_path(ports, delivery))


def left_out(ports: Ports, house: House, *addresses: str) -> dict[str, str]:
    found = suppressed_among(house.company.pk, addresses, now=ports.clock.now())
    return {address: str(reason) for address, reason in found.items()}


@pytest.mark.case("T-247")
def test_an_address_is_the_same_in_any_case_and_format(ports: Ports, house: House) -> None:
    row = suppress(
        ports,
        company_id=house.company.pk,
        address='"Carla" <CARLA@Customer.Example>',
        why="asked for it",
        member=house.alice,
    )
    assert row.address == CARLA
    with pytest.raises(SuppressionError, match="already"):
        suppress(ports, company_id=house.company.pk, address=CARLA, why="again", member=None)
    given = left_out(ports, house, "Carla@CUSTOMER.example", "carla_@customer.example", "nonsense")
    assert given == {"Carla@CUSTOMER.example": "Alice put it on the list: asked for it"}
    release(ports, row.pk, why="she came back", member=house.alice)
    suppress(ports, company_id=house.company.pk, address="carla@CUSTOMER.example", why="again", member=None)
    assert AddressHealth.objects.count() == 1


def test_a_release_is_kept_with_who_when_and_why_and_told_on_the_contact(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    now = ports.clock.now()
    Record.objects.create(
        company=house.company, kind_id="contact", title="Carla", contact=carla, created_at=now, updated_at=now
    )
    bounce(ports, house, carla, GONE)
    clock.pass_by(days=1)
    release(ports, AddressHealth.objects.get().pk, why="It was our own mistake.", member=house.alice)
    row = Suppression.objects.get()
    assert (row.released_at, row.released_who, row.released_by, row.released_why) == (
        ports.clock.now(),
        "Alice",
        house.alice.user,
        "It was our own mistake.",
    )
    assert left_out(ports, house, CARLA) == {}
    assert list(
        MessageBody.objects.filter(message__record__kind="contact").order_by("pk").values_list("text", flat=True)
    ) == [
        f"Campaigns leave {CARLA} out from now on. The address does not exist: 550 5.1.1 No such user here",
        f"Campaigns may write to {CARLA} again. Alice: It was our own mistake.",
    ]


def test_only_new_evidence_suppresses_again_after_a_release(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    for number in range(5):
        bounce(ports, house, carla, CLOSED, number)
        clock.pass_by(days=2)
    assert left_out(ports, house, CARLA)
    release(ports, AddressHealth.objects.get().pk, why="", member=None)
    clock.pass_by(days=1)
    bounce(ports, house, carla, CLOSED, 6)
    assert left_out(ports, house, CARLA) == {}, "five within a month, but four of them are spent"
    clock.pass_by(days=1)
    bounce(ports, house, carla, GONE, 7)
    assert left_out(ports, house, CARLA)
    assert Suppression.objects.count() == 2


def test_it_ends_by_itself_and_begins_again_with_new_evidence(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    set_parameter(ports, "mail.suppression.expiry_days", "90", member=None)
    bounce(ports, house, carla, GONE)
    clock.pass_by(days=89)
    assert left_out(ports, house, CARLA)
    clock.pass_by(days=1)
    assert left_out(ports, house, CARLA) == {}, "although nobody has cleaned up yet"
    assert forget_old_mail(ports)["suppressions over"] == 1
    row = Suppression.objects.get()
    assert (row.released_at, row.released_who) == (row.expires_at, "")
    clock.pass_by(hours=1)
    bounce(ports, house, carla, GONE, 2)
    assert left_out(ports, house, CARLA)


def test_new_evidence_makes_it_last_longer_and_a_complaint_makes_it_final(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    from tests.flows.bounce_reports import complaint

    set_parameter(ports, "mail.suppression.expiry_days", "90", member=None)
    bounce(ports, house, carla, GONE)
    first = Suppression.objects.get().expires_at
    clock.pass_by(days=10)
    bounce(ports, house, carla, GONE, 2)
    assert Suppression.objects.get().expires_at == first + (ports.clock.now() - Suppression.objects.get().since)
    (delivery,) = sent_to(ports, house.company, carla)
    arrive(ports, complaint(CARLA), return_path(ports, delivery))
    row = Suppression.objects.get()
    assert (row.cause, row.expires_at, len(row.reasons)) == ("complaint", None, 2)


def test_managers_of_the_company_decide_and_nobody_else(ports: Ports, house: House, carla: Contact) -> None:
    other = Company.objects.create(name="Elsewhere")
    mallory = add_member(other, "Mallory", "mallory@else.test", role=Role.ADMINISTRATOR)
    mary = add_member(house.company, "Mary", "mary@box.test", role=Role.MANAGER)
    row = suppress(ports, company_id=house.company.pk, address=CARLA, why="asked for it", member=mary)

    def put(member: Member) -> None:
        suppress(ports, company_id=house.company.pk, address="dora@customer.example", why="no", member=member)

    for member in (house.bob, mallory):
        with pytest.raises(NotAllowed):
            put(member)
        with pytest.raises((NotAllowed, AddressHealth.DoesNotExist)):
            release(ports, row.pk, why="no", member=member)
        with pytest.raises(NotAllowed):
            list(import_list(ports, company_id=house.company.pk, rows=[Listed(address=CARLA)], member=member))
    assert left_out(ports, house, CARLA)
    assert suppressed_among(other.pk, [CARLA], now=ports.clock.now()) == {}


@pytest.mark.parametrize(
    ("address", "why", "days", "said"),
    [("nonsense", "x", 0, "no mail address"), (CARLA, " ", 0, "Say why"), (CARLA, "x", -1, "days")],
)
def test_what_cannot_be_done_is_told(ports: Ports, house: House, address: str, why: str, days: int, said: str) -> None:
    with pytest.raises(SuppressionError, match=said):
        suppress(ports, company_id=house.company.pk, address=address, why=why, member=None, days=days)
    with pytest.raises(AddressHealth.DoesNotExist):
        release(ports, 12345, why="", member=None)


def test_a_list_is_imported_step_by_step_and_again_without_effect(ports: Ports, house: House) -> None:
    rows = [Listed(address=f"c{number}@customer.example", why="from the old system") for number in range(2500)]
    rows += [Listed(address="C0@customer.example"), Listed(address="rubbish")]
    steps = list(import_list(ports, company_id=house.company.pk, rows=rows, member=house.alice))
    assert [step.lines for step in steps] == [1000, 1000, 502]
    assert (sum(step.added for step in steps), sum(step.known for step in steps)) == (2500, 1)
    assert steps[-1].unusable == ("rubbish",)
    again = list(import_list(ports, company_id=house.company.pk, rows=rows, member=house.alice))
    assert sum(step.added for step in again) == 0
    row = Suppression.objects.filter(health__address="c7@customer.example").get()
    assert (row.cause, row.who, row.reasons[0]["facts"]["why"]) == ("imported", "Alice", "from the old system")


@pytest.mark.parametrize(
    "text",
    [
        "carla@customer.example,hard bounce\n\ndora@customer.example\n",
        "reason,created,email\nhard bounce,1583780000,carla@customer.example\n,2,dora@customer.example\n",
        '\ufeffAddress,Cause\ncarla@customer.example,hard bounce\n"dora@customer.example",\n',
    ],
)
def test_lists_of_other_systems_are_read(text: str) -> None:
    assert list(read_list(text.splitlines(keepends=True))) == [
        Listed(address="carla@customer.example", why="hard bounce"),
        Listed(address="dora@customer.example", why=""),
    ]


def test_one_question_answers_for_any_number_of_addresses(ports: Ports, house: House) -> None:
    list(
        import_list(
            ports,
            company_id=house.company.pk,
            rows=[Listed(address=f"c{number}@customer.example") for number in range(500)],
            member=None,
        )
    )
    asked = [f"C{number}@customer.example" for number in range(5000)]
    with CaptureQueriesContext(connection) as queries:
        found = suppressed_among(house.company.pk, asked, now=ports.clock.now())
    assert (len(found), len(queries)) == (500, 1)
    with CaptureQueriesContext(connection) as queries:
        assert len(troubles_among(house.company.pk, [one.lower() for one in asked], now=ports.clock.now())) == 500
    assert len(queries) == 1


def test_an_address_that_lives_again_warns_nobody(ports: Ports, clock: HandClock, house: House, carla: Contact) -> None:
    bounce(ports, house, carla, CLOSED)
    (trouble,) = troubles_among(house.company.pk, [CARLA], now=ports.clock.now()).values()
    assert (trouble.bounces, trouble.last_reply) == (1, CLOSED[1])
    clock.pass_by(days=1)
    from tests.people import write_mail

    arrive(ports, write_mail(), "support@in.test", sender=CARLA)
    assert troubles_among(house.company.pk, [CARLA], now=ports.clock.now()) == {}
