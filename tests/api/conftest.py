"""Who calls the API in these tests. (Models are imported late: this file is read before Django is set up.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from postroom.store.models import Company, Member, Record


@pytest.fixture
def company(db: None) -> Company:
    from postroom.store.models import AliasDomain
    from tests.web import seeding

    seeding.a_kind(stages=["New", "Solved"])
    company = seeding.a_company()
    company.alias_domain = AliasDomain.objects.create(name="postroom.test")
    company.save()
    return company


@pytest.fixture
def alice(company: Company) -> Member:
    """A manager."""
    from postroom.core.terms.states import Role
    from tests.web import seeding

    return seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)


@pytest.fixture
def bob(company: Company) -> Member:
    """An agent."""
    from tests.web import seeding

    return seeding.a_member("bob", "Bob Brandt", company)


@pytest.fixture
def rita(company: Company) -> Member:
    """Who reads only."""
    from postroom.core.terms.states import Role
    from tests.web import seeding

    return seeding.a_member("rita", "Rita Reader", company, Role.READ_ONLY)


@pytest.fixture
def mallory(db: None) -> Member:
    """The administrator of another company."""
    from postroom.core.terms.states import Role
    from tests.web import seeding

    return seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)


@pytest.fixture
def record(company: Company) -> Record:
    """Customer Carla's."""
    from tests.web import seeding

    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    return seeding.a_record(company, "Poster", contact=carla, stage="New")


class Program:
    """A program with a member's key, that speaks JSON. CSRF is checked, so that a key must do without."""

    def __init__(self, client: Client, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, place: str, **asked: object) -> Any:
        return self.client.get(f"/api/v1{place}", asked, headers=self.headers)

    def send(self, method: str, place: str, body: object = None) -> Any:
        call = getattr(self.client, method)
        return call(f"/api/v1{place}", body or {}, content_type="application/json", headers=self.headers)


@pytest.fixture
def program() -> Callable[[Member], Program]:
    from django.test import Client

    from postroom.flows.api_keys import make_key
    from postroom.wiring import ports

    def of(member: Member) -> Program:
        key = make_key(ports(), member=member, name="a test")
        return Program(Client(enforce_csrf_checks=True), key.text)

    return of
