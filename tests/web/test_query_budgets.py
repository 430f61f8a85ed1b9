"""Every list and record page of the table asks at most fifteen questions, whatever lies in the house."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from pytest_django import DjangoDbBlocker

from postroom.cli.benching.browsing import is_there, queries_of
from postroom.cli.benching.landmarks import landmarks, readers
from postroom.cli.benching.pages import BUDGET, NOT_MEASURED, PLACES, Place, Reader
from postroom.core.terms.states import InboundState
from postroom.flows.seed_house import seed_house
from postroom.flows.seed_plan import SeedWish
from postroom.store.models import InboundMessage, Member
from postroom.wiring import ports

pytestmark = [pytest.mark.xdist_group("query_budgets"), pytest.mark.slow]

VISITS = [(place, reader) for place in PLACES for reader in place.readers]
WISH = SeedWish(messages=3_000, records=600, deliveries=9_000, companies=3)


@dataclass(frozen=True)
class House:
    """Who is signed in, and what their addresses name."""

    sessions: Mapping[Reader, str]
    names: Mapping[Reader, Mapping[str, str]]


@pytest.fixture(scope="module")
def house(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[House]:
    """Seeded once for all tests of this module, in a transaction that is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        seed_house(ports(), WISH, password="a-long-enough-word", writers=0)
        people = readers()
        _let_each_company_hold_a_mail(people.values())
        sessions = {}
        for reader, member in people.items():
            client = Client()
            client.force_login(member.user)
            sessions[reader] = client.cookies["sessionid"].value
        yield House(sessions=sessions, names={reader: landmarks(member) for reader, member in people.items()})
        transaction.set_rollback(True)


def _let_each_company_hold_a_mail(people: Iterable[Member]) -> None:
    """Few mails are held in a house so small, and by dice: the smallest company may have none of them."""
    for company in {one.company_id for one in people}:
        held = InboundMessage.objects.filter(state=InboundState.HELD)
        if not held.filter(company=company).exists():
            one = held.filter(company=None).order_by("pk").first()
            assert one
            InboundMessage.objects.filter(pk=one.pk).update(company=company)


@pytest.mark.parametrize(
    ("place", "reader"), VISITS, ids=[f"{place.name} ({reader})".replace(" ", "_") for place, reader in VISITS]
)
def test_a_page_stays_within_its_budget(place: Place, reader: Reader, house: House) -> None:
    assert is_there(place, house.names[reader]), "the seeded house lacks what this address names"
    path = place.path.format_map(house.names[reader])
    asked = queries_of(path, house.sessions[reader], is_piece=place.is_piece)
    assert len(asked) <= BUDGET, "\n".join(asked)


def test_every_page_is_in_the_table_or_says_why_not() -> None:
    known = {resolve(place.path.format_map(_ANYTHING).partition("?")[0]).view_name for place in PLACES}
    known |= set(NOT_MEASURED)
    forgotten = [name for name in _pages() if name not in known and Client().get(_somewhere(name)).status_code != 405]
    assert not forgotten, "add them to PLACES or NOT_MEASURED in cli/benching/pages.py"


def test_what_is_said_not_to_be_measured_is_there() -> None:
    assert set(NOT_MEASURED) <= set(_pages())


class _Anything(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return "1"


_ANYTHING = _Anything()


def _pages() -> dict[str, URLPattern]:
    """Our own addresses by name."""
    found = {}
    for part in get_resolver().url_patterns:
        if isinstance(part, URLResolver) and part.app_name == "web":
            found = {f"web:{one.name}": one for one in part.url_patterns if isinstance(one, URLPattern)}
    return found


def _somewhere(name: str) -> str:
    return reverse(name, args=["1" for _ in _pages()[name].pattern.converters])
