"""As whom a mail leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.core.delivery.identity import (
    DomainFact,
    Identity,
    NoIdentity,
    Sender,
    Sending,
    default_from,
    identify,
)
from postroom.core.delivery.servers import Order, ServerFact, read_filter
from postroom.core.terms.states import FailureType

OPEN = ServerFact(id=1, name="Relay")
MINE = DomainFact(name="mycompany.com")
ADMIN = Sending(
    name="Admin", address="admin@example.com", server=OPEN, domain=MINE, own_domains=frozenset({"mycompany.com"})
)


def identity_of(sending: Sending) -> Identity:
    sender = identify(sending)
    assert isinstance(sender, Sender)
    return sender.for_delivery(lambda: "btoken")


def filtered(names: str, **more: object) -> ServerFact:
    return replace(OPEN, filter=read_filter(names), **more)  # type: ignore[arg-type]


def test_a_stranger_is_encapsulated_in_the_default_from() -> None:
    found = identity_of(ADMIN)
    assert str(found.header_from) == "Admin <notifications@mycompany.com>"
    assert [reason.code for reason in found.reasons] == ["from.rewritten", "return.signed"]


def test_without_a_name_the_part_before_the_at_sign_stands_in() -> None:
    assert str(identity_of(replace(ADMIN, name="")).header_from) == "admin <notifications@mycompany.com>"


def test_a_from_in_a_domain_of_ours_is_kept() -> None:
    found = identity_of(replace(ADMIN, address="Alice@MyCompany.com"))
    assert found.header_from.spec == "Alice@MyCompany.com"
    assert found.reasons[0].code == "from.kept_own"


def test_in_the_other_order_a_server_without_filter_sends_as_the_default_from_alone() -> None:
    found = identity_of(replace(ADMIN, address="alice@mycompany.com", order=Order.ODOO18))
    assert found.header_from.spec == "notifications@mycompany.com"


@pytest.mark.parametrize("names", ["example.com", "admin@example.com"])
def test_a_from_that_the_filter_names_is_kept(names: str) -> None:
    found = identity_of(replace(ADMIN, server=filtered(names)))
    assert found.header_from.spec == "admin@example.com"
    assert found.reasons[0].code == "from.kept_filter"


def test_with_one_address_as_default_from_and_filter_every_other_from_is_encapsulated() -> None:
    domain = replace(MINE, default_from="robot@mycompany.com")
    sending = replace(ADMIN, domain=domain, server=filtered("robot@mycompany.com"))
    for address in ("admin@example.com", "alice@mycompany.com"):
        assert identity_of(replace(sending, address=address)).header_from.spec == "robot@mycompany.com"


def test_a_server_that_the_mail_names_sends_the_from_as_written() -> None:
    found = identity_of(replace(ADMIN, is_forced=True, server=filtered("elsewhere.example")))
    assert found.header_from.spec == "admin@example.com"
    assert found.reasons[0].code == "from.kept_forced"


def test_without_a_default_from_the_from_is_sent_as_written() -> None:
    found = identity_of(replace(ADMIN, domain=None))
    assert found.header_from.spec == "admin@example.com"
    assert found.reasons[0].code == "from.kept_no_default"


@pytest.mark.case("T-179")
@pytest.mark.parametrize(
    ("given", "last_resort", "expected"),
    [
        ("notifications", "", "notifications@mycompany.com"),
        ("Robot@Elsewhere.example", "", "robot@elsewhere.example"),
        ("", "mail@last.example", "mail@last.example"),
        ("", "", ""),
    ],
)
def test_the_default_from_is_a_local_part_or_an_address(given: str, last_resort: str, expected: str) -> None:
    assert default_from(replace(MINE, default_from=given), last_resort) == expected


def test_a_mail_without_from_gets_the_default_one() -> None:
    assert identity_of(replace(ADMIN, address="")).header_from.spec == "notifications@mycompany.com"


@pytest.mark.parametrize(
    ("sending", "kind"),
    [
        (replace(ADMIN, address="", domain=None), FailureType.MAIL_FROM_MISSING),
        (replace(ADMIN, address="not an address"), FailureType.MAIL_FROM_INVALID),
    ],
)
def test_a_mail_that_has_no_usable_from_cannot_leave(sending: Sending, kind: FailureType) -> None:
    found = identify(sending)
    assert isinstance(found, NoIdentity)
    assert found.failure_type is kind
    assert str(found.reason)


@pytest.mark.parametrize(
    ("change", "expected", "code"),
    [
        ({}, "bounce+btoken@mycompany.com", "return.signed"),
        ({"domain": replace(MINE, bounce_alias="back")}, "back+btoken@mycompany.com", "return.signed"),
        ({"domain": replace(MINE, plus_addresses_arrive=False)}, "bounce@mycompany.com", "return.no_plus"),
        ({"server": replace(OPEN, envelope_sender="plain")}, "bounce@mycompany.com", "return.plain"),
        (
            {"server": replace(OPEN, envelope_sender="login", login="me@gmail.example")},
            "me@gmail.example",
            "return.login",
        ),
        (
            {"server": replace(OPEN, envelope_sender="login", login="me")},
            "bounce+btoken@mycompany.com",
            "return.signed",
        ),
        ({"null_return_path": True}, "", "return.null"),
        ({"server": filtered("example.com")}, "admin@example.com", "return.filter"),
        ({"server": filtered("mycompany.com")}, "bounce+btoken@mycompany.com", "return.signed"),
        ({"domain": None}, "admin@example.com", "return.from"),
        ({"domain": None, "last_resort": "mail@last.example"}, "mail@last.example", "return.from"),
    ],
)
def test_the_envelope_sender(change: dict[str, object], expected: str, code: str) -> None:
    found = identity_of(replace(ADMIN, **change))  # type: ignore[arg-type]
    assert found.envelope_from == expected
    assert found.reasons[-1].code == code
    assert "?" not in str(found.reasons[-1])
