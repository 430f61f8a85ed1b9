"""Discovery: asked side by side within one deadline, each proposal with who says so."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from postroom.adapters.dns.side_by_side import ask_side_by_side
from postroom.core.delivery.discovery import Proposal, Source
from postroom.flows.find_servers import FoundServers, find_servers
from postroom.flows.ports import Ports
from postroom.flows.settings import set_parameter
from postroom.wiring import ports
from tests.laboratory.dns_server import DnsServer

pytestmark = pytest.mark.django_db
CONFIG = b"""<clientConfig><emailProvider id="x">
<incomingServer type="imap"><hostname>imap.published.test</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.published.test</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>
</emailProvider></clientConfig>"""


class World:
    """What is published, what the DNS says and which doors answer; what was asked is noted."""

    def __init__(self, names: DnsServer) -> None:
        self.names = names
        self.files: dict[str, bytes] = {}
        self.open: set[tuple[str, int]] = set()
        self.fetched: list[str] = []
        self.hang: Callable[[], None] = lambda: None

    def fetch(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None:
        self.fetched.append(url)
        self.hang()
        return self.files.get(url.partition("?")[0])

    def knock(self, proposal: Proposal, *, seconds: float) -> bool:
        return (proposal.host, proposal.port) in self.open

    def ask(self, askings: Sequence[Any], *, seconds: float, servers: Sequence[tuple[str, int]] = ()) -> list[Any]:
        return ask_side_by_side(askings, seconds=seconds, servers=[("127.0.0.1", self.names.port)])

    def ports(self) -> Ports:
        return dataclasses.replace(ports(), fetch_published=self.fetch, knock=self.knock, ask_dns=self.ask)

    def find(self, address: str = "alice@arnold.test", seconds: float = 30.0) -> FoundServers:
        return find_servers(self.ports(), address, seconds=seconds)


@pytest.fixture
def world() -> Iterator[World]:
    with DnsServer({"arnold.test": {"TXT": ["hello"]}}) as names:
        yield World(names)


def told(found: FoundServers) -> tuple[str, ...]:
    """Both ways, with who says so."""
    lines = []
    for way in ("out", "in"):
        one = found.best(way)
        assert one is not None
        lines.append(f"{one.source} {one.service} {one.host}:{one.port}")
    return tuple(lines)


def test_a_domain_that_we_know_is_answered_at_once_and_nobody_is_asked(world: World) -> None:
    found = world.find("alice@gmail.com")
    assert told(found) == ("preset smtp smtp.gmail.com:587", "preset imap imap.gmail.com:993")
    assert not world.fetched
    assert not world.names.asked
    assert told(world.find("alice@yahoo.com"))[0] == "preset smtp smtp.mail.yahoo.com:465"


@pytest.mark.parametrize(
    "url",
    [
        "https://autoconfig.arnold.test/mail/config-v1.1.xml",
        "https://arnold.test/.well-known/autoconfig/mail/config-v1.1.xml",
    ],
)
def test_what_the_provider_publishes_is_believed_before_its_records(world: World, url: str) -> None:
    world.files[url] = CONFIG
    world.names.put("_submissions._tcp.arnold.test", "SRV", "0 1 465 other.arnold.test.")
    assert told(world.find()) == ("published smtp smtp.published.test:465", "published imap imap.published.test:993")


def test_service_records_are_believed_before_guesses_and_tls_before_starttls(world: World) -> None:
    world.names.put("_submission._tcp.arnold.test", "SRV", "0 1 587 start.arnold.test.")
    world.names.put("_submissions._tcp.arnold.test", "SRV", "10 1 465 tls.arnold.test.")
    world.names.put("_imaps._tcp.arnold.test", "SRV", "0 1 993 imap.arnold.test.")
    world.open = {("smtp.arnold.test", 465)}
    assert told(world.find()) == ("records smtp tls.arnold.test:465", "records imap imap.arnold.test:993")


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("aspmx.l.google.com.", "gmail"),
        ("arnold-test.mail.protection.outlook.com.", "microsoft365"),
        ("mx00.kundenserver.de.", "ionos"),
    ],
)
def test_the_provider_is_found_by_who_takes_the_mail(world: World, host: str, key: str) -> None:
    world.names.put("arnold.test", "MX", f"10 {host}")
    found = world.find()
    first = found.best("out")
    assert first is not None
    assert (found.key, first.source) == (key, Source.MAIL_HOSTS)


def test_a_host_that_only_sounds_like_a_provider_is_none(world: World) -> None:
    world.names.put("arnold.test", "MX", "10 evilgoogle.com.")
    assert world.find().key == ""


def test_a_guess_is_tried_and_not_believed(world: World) -> None:
    world.open = {("mail.arnold.test", 587), ("mail.arnold.test", 993)}
    assert told(world.find()) == ("answered smtp mail.arnold.test:587", "answered imap mail.arnold.test:993")


def test_who_takes_the_mail_is_knocked_at_as_well(world: World) -> None:
    world.names.put("arnold.test", "MX", "10 mx.hoster.test.")
    world.open = {("mx.hoster.test", 465), ("mx.hoster.test", 143)}
    assert told(world.find()) == ("answered smtp mx.hoster.test:465", "answered imap mx.hoster.test:143")


def test_where_nobody_answers_a_guess_says_that_it_is_one(world: World) -> None:
    found = world.find()
    assert told(found) == ("guessed smtp smtp.arnold.test:465", "guessed imap imap.arnold.test:993")
    first = found.best("in")
    assert first is not None
    assert "not yet tried" in str(first.why("arnold.test"))


@pytest.mark.slow
def test_a_server_that_hangs_costs_no_more_than_the_deadline(world: World) -> None:
    over = threading.Event()
    world.hang = lambda: over.wait(120) and None
    world.names.silent.add("*")
    world.open = {("mail.arnold.test", 465), ("mail.arnold.test", 993)}
    began = time.monotonic()
    try:
        found = world.find(seconds=4.0)
    finally:
        over.set()
    print(f"{time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 90
    assert told(found) == ("answered smtp mail.arnold.test:465", "answered imap mail.arnold.test:993")
    assert not found.is_asked


def test_a_directory_is_asked_only_where_the_house_names_one(world: World) -> None:
    world.find()
    assert len(world.fetched) == 2
    set_parameter(ports(), "mail.setup.directory", "https://directory.test/v1.1/", member=None)
    world.files["https://directory.test/v1.1/arnold.test"] = CONFIG
    assert told(world.find())[0] == "published smtp smtp.published.test:465"


def test_the_search_ends_early_only_when_nobody_who_is_believed_more_is_still_out(world: World) -> None:
    world.names.put("arnold.test", "MX", "10 aspmx.l.google.com.")
    set_parameter(ports(), "mail.setup.directory", "https://directory.test", member=None)
    world.files["https://directory.test/arnold.test"] = CONFIG

    def side_by_side_with_a_slow_directory(
        tasks: Mapping[str, Callable[[], object]], seconds: float, *, is_enough: Callable[..., bool], name: str
    ) -> dict[str, object]:
        done = {key: task() for key, task in tasks.items() if key != "published 2"}
        if is_enough(done):
            return done
        return done | {"published 2": tasks["published 2"]()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("postroom.flows.find_servers.side_by_side", side_by_side_with_a_slow_directory)
        assert told(world.find())[0] == "published smtp smtp.published.test:465"


@pytest.mark.parametrize("address", ["no address", "", "alice@127.0.0.1", "alice@[127.0.0.1]"])
def test_what_is_no_mail_address_asks_nobody(world: World, address: str) -> None:
    assert world.find(address).proposals == ()
    assert not world.fetched
