"""Who walks through the pages in these tests. (Models are imported late: this file is read before Django is set up.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from postroom.store.models import Company, Member

SignedIn = Callable[["Member"], "Client"]


@pytest.fixture
def company(db: None) -> Company:
    from tests.web import seeding

    seeding.a_kind(stages=["New", "In progress", "Solved"])
    return seeding.a_company()


def _member(login: str, name: str, role: str) -> Any:
    @pytest.fixture(name=login)
    def member(company: Company) -> Member:
        from postroom.core.terms.states import Role
        from tests.web import seeding

        return seeding.a_member(login, name, company, Role(role))

    return member


ada = _member("ada", "Ada Admin", "administrator")
alice = _member("alice", "Alice Archer", "manager")
bob = _member("bob", "Bob Brandt", "agent")
rita = _member("rita", "Rita Reader", "read_only")


@pytest.fixture
def mallory(db: None) -> Member:
    """The administrator of another company."""
    from postroom.core.terms.states import Role
    from tests.web import seeding

    return seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)


@pytest.fixture
def signed_in() -> SignedIn:
    """A browser in which this member has signed in."""
    from django.test import Client

    def window(member: Member) -> Client:
        client = Client()
        client.force_login(member.user)
        return client

    return window
