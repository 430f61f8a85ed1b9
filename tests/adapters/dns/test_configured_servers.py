"""Every question to the DNS goes to the name servers of the configuration, with their ports, where there are any."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import dns.resolver
import pytest

from postroom.flows.ports import Ports
from postroom.wiring import make_ports, ports
from tests.adapters.dns.name_server import NameServer

DKIM = "pr1._domainkey.northwind.test"


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.mx["northwind.test"] = [(10, "mx.provider.test.")]
        server.txt[DKIM] = [("v=DKIM1; p=MIIB",)]
        server.others["A", "pictures.northwind.test"] = ["127.0.0.1"]
        yield server


@pytest.fixture
def house(names: NameServer) -> Ports:
    return make_ports(dataclasses.replace(ports().configuration, dns_servers=(f"127.0.0.1:{names.port}",)))


def test_who_takes_a_domains_mail(house: Ports) -> None:
    assert house.mail_hosts("northwind.test") == ("mx.provider.test",)


def test_the_records_of_a_key(house: Ports) -> None:
    assert house.text_records(DKIM) == ("v=DKIM1; p=MIIB",)


def test_where_a_picture_lies(house: Ports, names: NameServer) -> None:
    house.pictures.fetch("http://pictures.northwind.test/logo.png")
    assert "pictures.northwind.test" in names.asked


def test_a_machine_without_name_servers_shows_no_picture_and_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", nowhere)
    found = make_ports(ports().configuration).pictures.fetch("http://pictures.northwind.test/logo.png")
    assert not hasattr(found, "content")
