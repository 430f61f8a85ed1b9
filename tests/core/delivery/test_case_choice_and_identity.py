"""The numbered cases of which server and as whom (T-151 to T-179), with both orders where they differ.

S1 may send for a whole domain, S2 for one address, S3 for the default From alone, S4 has no filter: as in the documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from postroom.core.delivery.identity import DomainFact, Sender, Sending, default_from, identify
from postroom.core.delivery.servers import CONFIGURED, Choice, MailFact, Order, ServerFact, choose, read_filter
from postroom.core.terms.addresses import normalize

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCUMENTED, ODOO18 = Order.DOCUMENTED, Order.ODOO18
both_orders = pytest.mark.parametrize("order", list(Order))

OURS = DomainFact(name="test.mycompany.com", bounce_alias="bounce.test", default_from="notifications.test")
N = "notifications.test@test.mycompany.com"
BOUNCE = "bounce.test@test.mycompany.com"


def server(number: int, names: str = "") -> ServerFact:
    """Its envelope sender is plain, as in the cases; the signed one differs from it by its token alone."""
    return ServerFact(id=number, name=f"S{number}", filter=read_filter(names), priority=number, envelope_sender="plain")


S1 = server(1, "test.mycompany.com")
S2 = server(2, "specific_user@test.mycompany.com")
S3 = server(3, N)
S4 = server(4)
ALL = (S1, S2, S3, S4)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How a mail left."""

    server: int
    header_from: str
    envelope_from: str


def send(
    address: str,
    servers: Sequence[ServerFact] = ALL,
    *,
    name: str = "",
    domain: DomainFact | None = OURS,
    order: Order = DOCUMENTED,
    configured: ServerFact | None = None,
    last_resort: str = "",
) -> Sent:
    mail = MailFact(header_from=normalize(address), default_from=default_from(domain, last_resort))
    choice = choose(mail, servers, order, NOW, configured=configured)
    assert isinstance(choice, Choice)
    own = frozenset({domain.name}) if domain else frozenset()
    sender = identify(
        Sending(
            name=name,
            address=address,
            server=choice.server,
            domain=domain,
            own_domains=own,
            order=order,
            last_resort=last_resort,
        )
    )
    assert isinstance(sender, Sender)
    identity = sender.for_delivery(lambda: "token")
    return Sent(server=choice.server.id, header_from=str(identity.header_from), envelope_from=identity.envelope_from)


@both_orders
@pytest.mark.parametrize("address", ["unknown_email@test.mycompany.com", "Unknown_Email@TEST.MyCompany.com"])
def test_the_domain_of_the_from_finds_its_server_and_is_sent_unchanged(address: str, order: Order) -> None:
    """T-151, and T-157: the envelope sender is the bounce address."""
    assert send(address, order=order) == Sent(server=1, header_from=address, envelope_from=BOUNCE)


@both_orders
def test_the_whole_address_comes_before_its_domain(order: Order) -> None:
    """T-151 for S2. Its filter forbids the bounce address: the From is the envelope sender (O-53)."""
    address = "specific_user@test.mycompany.com"
    assert send(address, order=order) == Sent(server=2, header_from=address, envelope_from=address)


def test_a_foreign_from_leaves_through_the_server_of_the_default_from() -> None:
    """T-152, T-158 with the order odoo18."""
    found = send("test@unknown_domain.com", name="Name", order=ODOO18)
    assert found == Sent(server=3, header_from=f"Name <{N}>", envelope_from=N)


def test_a_foreign_from_leaves_through_the_server_without_filter_encapsulated() -> None:
    """T-152, T-158 as the documents order it: the server without filter comes first, and spoofs nobody."""
    found = send("test@unknown_domain.com", name="Name")
    assert found == Sent(server=4, header_from=f"Name <{N}>", envelope_from=BOUNCE)


@both_orders
@pytest.mark.parametrize(
    "address", ["somebody@domain1.com", "Somebody@DOMAIN2.com", "specific_user@test.mycompany.com"]
)
def test_a_filter_may_mix_domains_and_addresses(address: str, order: Order) -> None:
    """T-154."""
    mixed = server(2, "domain1.com, specific_user@test.mycompany.com, domain2.com")
    assert send(address, (S1, mixed, S3, S4), order=order).server == 2


@both_orders
def test_without_a_default_from_the_from_is_kept(order: Order) -> None:
    """T-155: nothing is there to stand in, so the From and the envelope sender are the author's."""
    address = "test@unknown_domain.com"
    assert send(address, domain=None, order=order) == Sent(server=4, header_from=address, envelope_from=address)


@pytest.mark.parametrize(("order", "servers"), [(ODOO18, (S1, S2, S4)), (DOCUMENTED, (S1, S2))])
def test_the_domain_of_the_default_from_stands_in(order: Order, servers: Sequence[ServerFact]) -> None:
    """T-160. As the documents order it, only where there is no server without filter."""
    found = send("test@unknown_domain.com", servers, name="Name", order=order)
    assert found == Sent(server=1, header_from=f"Name <{N}>", envelope_from=BOUNCE)


@both_orders
def test_where_no_filter_fits_the_first_server_sends_as_the_default_from(order: Order) -> None:
    """T-161."""
    strangers = [server(number, "random.domain") for number in (1, 2, 3)]
    domain = DomainFact(name="test.mycompany.com", default_from="test@custom_domain.com")
    found = send("specific_user@test.com", strangers, domain=domain, order=order)
    assert found == Sent(
        server=1, header_from="specific_user <test@custom_domain.com>", envelope_from="test@custom_domain.com"
    )


CONFIGURATION = ServerFact(
    id=CONFIGURED, name="localhost:25", filter=read_filter("test.mycompany.com"), envelope_sender="plain"
)


@both_orders
def test_the_server_of_the_configuration_keeps_a_from_that_its_filter_names(order: Order) -> None:
    """T-163: as written, with its capitals."""
    address = "Specific_User@test.mycompany.com"
    found = send(address, (), order=order, configured=CONFIGURATION)
    assert found == Sent(server=CONFIGURED, header_from=address, envelope_from=BOUNCE)


@both_orders
def test_the_server_of_the_configuration_encapsulates_others(order: Order) -> None:
    """T-164."""
    found = send("test@unknown_domain.com", (), name="Name", order=order, configured=CONFIGURATION)
    assert found == Sent(server=CONFIGURED, header_from=f"Name <{N}>", envelope_from=BOUNCE)


@pytest.mark.parametrize(
    ("names", "address", "fits"),
    [
        ("example.com", "admin@example.com", True),
        ("example.com", "admin@EXAMPLE.com", True),
        ("EXAMPLE.com", "admin@example.com", True),
        ("admin@example.com", "Admin@example.com", True),
        ("other.example, example.com, bob@third.example", "admin@example.com", True),
        ("other.example,admin@example.com", "admin@example.com", True),
        ("admin@example.com", "badmin@example.com", False),
        ("admin@example.com", '"admin@example.com" <evil@elsewhere.example>', False),
        ("admin@example.com", "admin@example.com.evil.example", False),
        ("example.com", "admin@notexample.com", False),
        ("mail.example.com", "admin@mmail.example.com", False),
        ("example.com", "admin@mail.example.com", False),
        ("mail.example.com", "admin@example.com", False),
        ("example.com", "admin@éxample.com", False),
        ("exämple.org", "admin@xn--exmple-cua.org", True),
        ("xn--exmple-cua.org", "admin@exämple.org", True),
    ],
)
def test_a_filter_names_whole_addresses_and_whole_domains(names: str, address: str, fits: bool) -> None:
    """T-169, T-170: no part of another address, no subdomain, no look-alike."""
    assert read_filter(names).names(normalize(address)) is fits


@both_orders
def test_the_last_resort_is_the_default_from_where_the_domain_names_none(order: Order) -> None:
    """T-179: ``email_from`` of the configuration stands in for the alias domain's default From."""
    domain = DomainFact(name="test.mycompany.com", bounce_alias="bounce.test", default_from="")
    address = "robot@mycompany.example"
    found = send("test@unknown_domain.com", (S4,), name="Name", domain=domain, order=order, last_resort=address)
    assert found == Sent(server=4, header_from=f"Name <{address}>", envelope_from=BOUNCE)
    assert send("", (S4,), domain=None, order=order, last_resort=address).header_from == address
