"""Which providers take our recipients' mail: asked in the background, kept, and what was learned moves along."""

from __future__ import annotations

import dataclasses

import pytest

from postroom.adapters.dns.mail_hosts import DnsMailHosts
from postroom.flows.ports import MailHosts, Ports
from postroom.flows.resolve_destinations import SILENT_AFTER, resolve_destinations
from postroom.flows.run_scheduled_action import ensure_actions, run_action
from postroom.store.models import Destination, DestinationDomain, Installation
from tests.adapters.dns.name_server import NameServer
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, deliveries, ports_with

pytestmark = pytest.mark.django_db

HOSTS = {
    "northwind.test": ("aspmx.l.google.com",),
    "contoso.test": ("contoso-test.mail.protection.outlook.com",),
    "shop.test": ("mx.shop.test",),
    "deaf.test": (),
}


class Names:
    """What the DNS would say, and who was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, domain: str) -> tuple[str, ...] | None:
        self.asked.append(domain)
        return HOSTS.get(domain)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def ports(clock: HandClock, names: Names) -> Ports:
    return with_names(ports_with(clock=clock), names)


def with_names(ports: Ports, names: MailHosts) -> Ports:
    return dataclasses.replace(ports, mail_hosts=names)


def mail_to(clock: HandClock, *domains: str) -> None:
    mail = a_mail(a_company(), at=clock.now())
    deliveries(mail, *[f"bob@{domain}" for domain in domains], at=clock.now())


def known() -> dict[str, str]:
    return dict(DestinationDomain.objects.filter(resolved_at__isnull=False).values_list("domain", "destination"))


def test_new_domains_among_the_deliveries_are_asked_for_once(ports: Ports, clock: HandClock, names: Names) -> None:
    mail_to(clock, "Northwind.test", "contoso.test", "shop.test", "deaf.test", "gmail.com", "shop.test")
    assert resolve_destinations(ports) == "4 domains asked"
    assert known() == {
        "northwind.test": "google.com",
        "contoso.test": "outlook.com",
        "shop.test": "shop.test",
        "deaf.test": "deaf.test",
    }
    assert DestinationDomain.objects.get(domain="northwind.test").mail_hosts == ["aspmx.l.google.com"]
    assert resolve_destinations(ports) == "0 domains asked"
    clock.pass_by(days=8)
    assert resolve_destinations(ports) == "4 domains asked"
    assert sorted(names.asked) == sorted([*known(), *known()])


def test_when_the_dns_does_not_answer_nothing_is_forgotten_and_nobody_waits(
    ports: Ports, clock: HandClock, names: Names
) -> None:
    DestinationDomain.objects.create(domain="aaa.test", destination="google.com", resolved_at=clock.now())
    mail_to(clock, *[f"unknown{number}.test" for number in range(9)])
    clock.pass_by(days=8)
    assert resolve_destinations(ports) == "0 domains asked; then the DNS did not answer"
    assert len(names.asked) == SILENT_AFTER
    assert known() == {"aaa.test": "google.com"}


def test_in_capture_mode_nobody_is_asked(ports: Ports, clock: HandClock, names: Names) -> None:
    Installation.objects.create(identity="elsewhere", is_capturing=True, confirmed_at=clock.now())
    mail_to(clock, "shop.test")
    resolve_destinations(ports)
    assert names.asked == []


def test_what_was_learned_of_a_domain_alone_is_its_providers(ports: Ports, clock: HandClock) -> None:
    Destination.objects.create(
        name="northwind.test", learned_per_minute=30, slow_until=clock.now(), changed_at=clock.now()
    )
    DestinationDomain.objects.create(domain="northwind.test", destination="northwind.test")
    resolve_destinations(ports)
    (provider,) = Destination.objects.all()
    assert (provider.name, provider.learned_per_minute) == ("google.com", 30)


def test_who_is_free_again_is_forgotten_and_what_a_person_set_stays(ports: Ports, clock: HandClock) -> None:
    Destination.objects.create(name="a.test", learned_per_minute=30, slow_until=clock.now(), changed_at=clock.now())
    Destination.objects.create(name="b.test", per_minute_limit=9, changed_at=clock.now())
    clock.pass_by(days=1)
    resolve_destinations(ports)
    assert list(Destination.objects.values_list("name", flat=True)) == ["b.test"]


def test_it_is_a_scheduled_action_that_asks_a_real_name_server(ports: Ports, clock: HandClock) -> None:
    ensure_actions(ports)
    mail_to(clock, "northwind.test")
    with NameServer() as server:
        server.mx["northwind.test"] = [(10, "mx.provider.test.")]
        run = run_action(with_names(ports, DnsMailHosts([("127.0.0.1", server.port)])), "destinations")
    assert run is not None
    assert (run.is_failed, run.result) == (False, "1 domains asked")
    assert known() == {"northwind.test": "provider.test"}
