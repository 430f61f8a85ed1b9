"""TXT records, asked of a name server with good days and bad ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postroom.adapters.dns.text_records import DnsTextRecords
from tests.adapters.dns.name_server import NameServer

NAME = "pr202611a._domainkey.northwind.test"


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


def asked(names: NameServer, name: str = NAME, timeout: float = 60.0) -> tuple[str, ...] | None:
    return DnsTextRecords([("127.0.0.1", names.port)], timeout=timeout)(name)


def test_the_strings_of_a_record_are_joined(names: NameServer) -> None:
    names.txt[NAME] = [("v=DKIM1; k=rsa; p=" + "M" * 200, "A" * 200)]
    assert asked(names) == (f"v=DKIM1; k=rsa; p={'M' * 200}{'A' * 200}",)


def test_several_records_stay_several(names: NameServer) -> None:
    names.txt[NAME] = [("one",), ("two",)]
    assert sorted(asked(names) or ()) == ["one", "two"]


def test_a_record_that_came_since_is_seen(names: NameServer) -> None:
    ask = DnsTextRecords([("127.0.0.1", names.port)], timeout=60.0)
    assert ask(NAME) == ()
    names.txt[NAME] = [("here",)]
    assert ask(NAME) == ("here",)


def test_a_name_without_records_has_none(names: NameServer) -> None:
    names.txt[NAME] = []
    assert asked(names) == ()


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test"])
def test_what_is_no_name_has_none(names: NameServer, name: str) -> None:
    assert asked(names, name) == ()
    assert names.asked == []


@pytest.mark.parametrize("trouble", ["silent", "garbage", "cut", "refuses"])
def test_when_nobody_could_tell_it_says_so(names: NameServer, trouble: str) -> None:
    names.trouble = trouble
    assert asked(names, timeout=0.3) is None
