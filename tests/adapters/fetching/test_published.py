"""What providers publish: fetched by HTTPS from the public internet alone, in bounds, whatever the other side does."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from postroom.adapters.fetching.published import fetch_published
from postroom.core.delivery.autoconfig import MOST_BYTES
from tests.laboratory.certificates import Certificates, make_certificates
from tests.laboratory.pictures import PictureServer, leads_to, says

OWN = ("127.0.0.0/8",)
XML = b"<clientConfig/>"
PATH = "/mail/config-v1.1.xml"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("published"), "autoconfig.arnold.test")


class Provider(PictureServer):
    """A server of files in TLS, found under a name of its own."""

    def __init__(self, certificates: Certificates) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.chain)
        super().__init__({}, context=context)
        self._trust = ssl.create_default_context(cafile=certificates.ca_file)

    def fetch(
        self,
        path: str = PATH,
        *,
        host: str = "autoconfig.arnold.test",
        seconds: float = 20.0,
        allowed: tuple[str, ...] = OWN,
        scheme: str = "https",
        trusts: bool = True,
    ) -> bytes | None:
        return fetch_published(
            self.url(path, host, scheme), most_bytes=MOST_BYTES, seconds=seconds, allowed=allowed, resolve=lambda _host: ["127.0.0.1"],
            context=self._trust if trusts else None,
        )  # fmt: skip


@pytest.fixture
def provider(certificates: Certificates) -> Iterator[Provider]:
    with Provider(certificates) as server:
        yield server


def hangs(server: Provider) -> Callable[[socket.socket], None]:
    def act(_line: socket.socket) -> None:
        server.over.wait(90)

    return act


def drips(server: Provider) -> Callable[[socket.socket], None]:
    def act(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with suppress(OSError):
            while not server.over.wait(0.05):
                line.sendall(b" ")

    return act


def test_a_file_that_is_there_is_fetched(provider: Provider) -> None:
    provider.scripts[PATH] = says(XML, "text/xml")
    assert provider.fetch() == XML
    assert "Cookie" not in provider.asked[0]


@pytest.mark.parametrize("status", ["404 Not Found", "500 Broken", "401 Who?"])
def test_what_is_not_there_is_nothing(provider: Provider, status: str) -> None:
    provider.scripts[PATH] = says(XML, "text/xml", status)
    assert provider.fetch() is None


def test_what_is_huge_is_not_taken(provider: Provider) -> None:
    provider.scripts[PATH] = says(b" " * (MOST_BYTES + 1), "text/xml")
    assert provider.fetch() is None


def test_a_private_address_is_not_asked_nor_led_on_to(provider: Provider) -> None:
    provider.scripts[PATH] = says(XML, "text/xml")
    assert provider.fetch(allowed=()) is None
    assert not provider.asked
    provider.scripts["/on"] = leads_to("https://10.0.0.1/secret")
    assert provider.fetch("/on") is None
    provider.scripts["/meta"] = leads_to("https://169.254.169.254/latest/")
    assert provider.fetch("/meta") is None


def test_it_is_led_on_by_https_alone_and_not_for_ever(provider: Provider) -> None:
    provider.scripts[PATH] = says(XML, "text/xml")
    provider.scripts["/on"] = leads_to(PATH)
    assert provider.fetch("/on") == XML
    provider.scripts["/clear"] = leads_to(provider.url(PATH, scheme="http"))
    assert provider.fetch("/clear") is None
    assert provider.fetch(scheme="http") is None
    provider.scripts["/round"] = leads_to("/round")
    assert provider.fetch("/round") is None


def test_a_certificate_that_nobody_vouches_for_or_of_another_name_is_refused(provider: Provider) -> None:
    provider.scripts[PATH] = says(XML, "text/xml")
    assert provider.fetch(trusts=False) is None
    assert provider.fetch(host="autoconfig.else.test") is None


@pytest.mark.slow
@pytest.mark.parametrize("script", [hangs, drips])
def test_whoever_hangs_or_drips_is_left(provider: Provider, script: Callable[[Provider], Callable[[socket.socket], None]]) -> None:  # fmt: skip
    provider.scripts[PATH] = script(provider)
    began = time.monotonic()
    assert provider.fetch(seconds=1.0) is None
    print(f"{time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 60


def test_a_closed_door_is_nothing(certificates: Certificates, tmp_path: Path) -> None:
    with Provider(certificates) as server:
        closed = server
    assert closed.fetch(seconds=5) is None
