"""Asking for mail hosts, against a name server on the loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from postroom.adapters.dns.mail_hosts import DnsMailHosts
from tests.adapters.dns.name_server import NameServer


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


def asked(names: NameServer, domain: str, timeout: float = 60.0) -> tuple[str, ...] | None:
    return DnsMailHosts([("127.0.0.1", names.port)], timeout=timeout)(domain)


def test_the_preferred_host_comes_first(names: NameServer) -> None:
    names.mx["northwind.example"] = [(20, "Backup.Provider.test."), (10, "mx.provider.test.")]
    assert asked(names, "northwind.example") == ("mx.provider.test", "backup.provider.test")


def test_a_domain_without_mail_hosts_has_none(names: NameServer) -> None:
    names.mx["quiet.example"] = []
    assert asked(names, "quiet.example") == ()


def test_a_domain_that_is_not_there_has_none(names: NameServer) -> None:
    assert asked(names, "nowhere.example") == ()


def test_a_domain_that_takes_no_mail_says_so(names: NameServer) -> None:
    names.mx["deaf.example"] = [(0, ".")]
    assert asked(names, "deaf.example") == ()


def test_a_name_beyond_ascii_is_asked_for_in_its_wire_form(names: NameServer) -> None:
    names.mx["xn--bcher-kva.example"] = [(10, "mx.provider.test.")]
    assert asked(names, "bücher.example") == ("mx.provider.test",)


@pytest.mark.parametrize("trouble", ["refuses", "garbage", "cut"])
def test_a_name_server_in_trouble_tells_nothing(names: NameServer, trouble: str) -> None:
    names.trouble = trouble
    assert asked(names, "northwind.example", timeout=0.6) is None


def test_a_silent_name_server_is_not_waited_for_long(names: NameServer) -> None:
    names.trouble = "silent"
    began = time.monotonic()
    assert asked(names, "northwind.example", timeout=0.3) is None
    print(f"given up after {time.monotonic() - began:.2f} s")


@pytest.mark.parametrize("domain", ["", "a" * 64 + ".example", "two..dots.example", "x." * 200])
def test_what_is_no_name_has_no_hosts(names: NameServer, domain: str) -> None:
    assert asked(names, domain) in ((), None)
