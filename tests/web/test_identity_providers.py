"""Whom an identity provider may bring in, and to which account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from postroom.core.terms.configuration import ConfigurationError, read_configuration
from postroom.store.models import AuditEvent, Member
from postroom.web.signing.adapters import Providers


@dataclass
class Address:
    email: str
    verified: bool = True


@dataclass
class Brought:
    """What allauth knows after the provider has answered."""

    email_addresses: list[Address]
    is_existing: bool = False
    user: Any = field(default_factory=lambda: get_user_model()(first_name="Nina", last_name="New"))
    connected: list[Any] = field(default_factory=list)

    def connect(self, _request: Any, user: Any) -> None:
        self.connected.append(user)


def bring(*addresses: Address, **more: Any) -> tuple[list[Any], str]:
    """To whom it was connected, and why somebody was turned away."""
    request = RequestFactory().get("/sign-in/oidc/login/callback/")
    request.user = AnonymousUser()
    brought = Brought(list(addresses), **more)
    try:
        Providers().pre_social_login(request, brought)
    except ImmediateHttpResponse as refused:
        return brought.connected, f"{refused.response.status_code} {refused.response.content.decode()}"
    return brought.connected, ""


@pytest.fixture
def open_to_new(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change(**more: Any) -> None:
        monkeypatch.setattr(settings, "POSTROOM", replace(settings.POSTROOM, **more))

    return change


def test_a_verified_address_of_one_member_is_that_member(alice: Member) -> None:
    assert bring(Address("Alice@Postroom.test"))[0] == [alice.user]
    assert AuditEvent.objects.filter(what="oidc_connected", login="alice").exists()


@pytest.mark.parametrize("addresses", [[], [Address("alice@postroom.test", verified=False)], [Address("")]])
def test_an_address_that_is_not_verified_opens_nothing(alice: Member, addresses: list[Address]) -> None:
    connected, why = bring(*addresses)
    assert connected == []
    assert "verified" in why


def test_an_account_that_is_switched_off_stays_so(alice: Member) -> None:
    alice.user.is_active = False
    alice.user.save()
    assert bring(Address("alice@postroom.test"))[0] == []
    assert bring(Address("alice@postroom.test"), is_existing=True, user=alice.user)[1]


def test_a_superuser_is_never_connected_by_an_address(alice: Member) -> None:
    alice.user.is_superuser = True
    alice.user.save()
    assert bring(Address("alice@postroom.test"))[0] == []


def test_an_address_of_two_accounts_opens_neither(alice: Member, bob: Member) -> None:
    get_user_model().objects.filter(pk=bob.user_id).update(email="alice@postroom.test")
    assert bring(Address("alice@postroom.test"))[0] == []


def test_new_people_come_in_only_where_it_was_said_and_from_their_domains(
    alice: Member, open_to_new: Callable[..., None]
) -> None:
    nina = Address("nina@northwind.example")
    assert bring(nina)[0] == []
    open_to_new(oidc_new_people=True, oidc_domains=("northwind.example",))
    assert bring(Address("nina@evil.example"))[0] == []
    assert bring(Address("nina@sub.northwind.example"))[0] == []
    (user,) = bring(nina)[0]
    member = Member.objects.get(user=user)
    assert (member.role, member.contact.address, user.has_usable_password()) == (
        "agent",
        "nina@northwind.example",
        False,
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"oidc_issuer": "http://login.example"}, "https"),
        ({"oidc_issuer": "https://login.example"}, "oidc_client_id"),
        (
            {
                "oidc_issuer": "https://x.example",
                "oidc_client_id": "a",
                "oidc_client_secret": "b",
                "oidc_new_people": True,
            },
            "oidc_domains",
        ),
        ({"oidc_role": "administrator"}, "administrator"),
        ({"sign_in_failures": 0}, "sign_in_failures"),
    ],
)
def test_a_provider_that_anybody_could_use_is_refused_at_the_start(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_configuration(values, {})
