"""Pictures from addresses that strangers wrote: from the public internet alone, in bounds, and only what is a picture."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import dns.resolver
import pytest

from postroom.adapters.fetching.pictures import MOST_BYTES, PictureFetcher, look_up
from postroom.adapters.fetching.targets import NotThere, aim, is_public
from postroom.adapters.fetching.visiting import Visitor
from postroom.core.mime.mail_html import picture_type
from postroom.core.terms.networks import read_networks
from postroom.core.terms.pictures import NoPicture, Picture
from postroom.core.terms.reasons import because
from postroom.core.terms.visits import NoVisit
from tests.laboratory.certificates import make_certificates
from tests.laboratory.pictures import PNG, PictureServer, leads_to, says

OWN = ("127.0.0.0/8",)
ANYWHERE = "93.184.215.14"


def nobody(host: str) -> Sequence[str]:
    raise AssertionError(f"{host} was looked up")


def at(*addresses: str) -> object:
    return lambda _: addresses


PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "240.0.0.1", "::", "::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:53aa:64c:0:0:0:1", "fec0::1", "2001:db8::1",
    "192.0.0.8", "192.0.0.9", "192.88.99.1", "198.18.0.1", "198.19.255.254", "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110",
    "2002:a83f:8110::1", "3fff::1", "3fff:fff::1", "2001:2::1", "2001:20::1", "2001:30::1", "2001:1ff::1", "100::1", "100:0:0:1::1",
    "5f00::1", "64:ff9b:1::1", "64:ff9b:1:ffff::a00:1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "2620:4f:8000::1", "::5db8:d70e",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_never_asked_by_number_nor_by_name(address: str) -> None:
    assert not is_public(ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(NotThere):
        aim(f"http://{literal}/a.png", nobody, ())
    with pytest.raises(NotThere):
        aim("http://pictures.example/a.png", at(address), ())  # type: ignore[arg-type]
    with pytest.raises(NotThere):  # one public address beside it does not help
        aim("http://pictures.example/a.png", at(ANYWHERE, address), ())  # type: ignore[arg-type]


@pytest.mark.parametrize("address", [ANYWHERE, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_what_is_public_is_connected_to_as_it_was_checked(address: str) -> None:
    found = aim("https://Pictures.Example/a b.png?x=1#part".replace(" ", "%20"), at(address), ())  # type: ignore[arg-type]
    assert (found.host, found.port, found.address, found.path) == ("pictures.example", 443, address, "/a%20b.png?x=1")


@pytest.mark.parametrize(
    "url",
    [
        "", "file:///etc/passwd", "ftp://a.example/x", "javascript:alert(1)", "data:image/png;base64,xx", "http://", "http:///a.png",
        "http://user@a.example/x", "http://user:word@a.example/x", "http://a.example:22/x", "http://a.example:8080/x", "http://a.example:99999/x",
        "http://127.1/x", "http://2130706433/x", "http://0x7f000001/x", "http://0177.0.0.1/x", "http://a.example/\r\nHost: b", "http://a b/x",
        "http://a.example/" + "x" * 2000, "http://[::1/x", "http://-a.example/x", "http://a..example./\0",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_picture_leads_nowhere(url: str) -> None:
    with pytest.raises(NotThere):
        aim(url, at(ANYWHERE), ())  # type: ignore[arg-type]


def test_a_network_that_an_operator_names_is_let_in_on_any_port() -> None:
    allowed = read_networks(["10.1.2.0/24", "nonsense"])
    found = aim("http://pictures.house.example:8080/a.png", at("10.1.2.3"), allowed)  # type: ignore[arg-type]
    assert (found.address, found.authority) == ("10.1.2.3", "pictures.house.example:8080")
    with pytest.raises(NotThere):
        aim("http://pictures.house.example/a.png", at("10.1.3.3"), allowed)  # type: ignore[arg-type]


def test_a_picture_is_fetched_without_a_word_of_who_asks() -> None:
    with PictureServer({"/a.png?x=%C3%A9": says(PNG, "text/html")}) as server:
        found = PictureFetcher(resolve=nobody).fetch(server.url("/a.png?x=é"), allowed=OWN)
        assert found == Picture(content=PNG, content_type="image/png"), "believed by its first bytes"
        head = server.asked[0].lower()
    assert "cookie" not in head
    assert "referer" not in head
    assert f"host: 127.0.0.1:{server.port}" in head
    assert "python" not in head


def test_without_an_allowance_loopback_is_not_asked() -> None:
    with PictureServer({"/a.png": says()}) as server:
        assert PictureFetcher().fetch(server.url()) == NoPicture(reason=because("visit.not_public"))
        assert server.asked == []


@pytest.mark.parametrize(
    "place",
    [
        "http://10.0.0.1/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "//10.0.0.1/a.png",
        "file:///etc/passwd",
        "http://[::1]/a.png",
    ],
)
def test_being_led_on_is_checked_anew(place: str) -> None:
    with PictureServer({"/a.png": leads_to(place)}) as server:
        found = PictureFetcher(resolve=nobody).fetch(server.url(), allowed=OWN)
        assert isinstance(found, NoPicture)
        assert len(server.asked) == 1


def test_being_led_on_has_an_end() -> None:
    scripts = {
        "/a.png": leads_to("/b.png"),
        "/b.png": leads_to("/c.png"),
        "/c.png": says(),
        "/round": leads_to("/round"),
    }
    with PictureServer(scripts) as server:
        fetcher = PictureFetcher(resolve=nobody)
        assert isinstance(fetcher.fetch(server.url(), allowed=OWN), Picture)
        assert fetcher.fetch(server.url("/round"), allowed=OWN) == NoPicture(reason=because("visit.led_on"))


def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """It is looked up once for each step, and what was checked is what is connected to."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    with PictureServer({"/a.png": leads_to("/b.png")}) as server:
        found = PictureFetcher(resolve=lambda _: next(answers)).fetch(server.url(host="pictures.example"), allowed=OWN)
        assert found == NoPicture(reason=because("visit.not_public"))
        assert len(server.asked) == 1
        assert f"Host: pictures.example:{server.port}" in server.asked[0]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", ""),
        (b"<html>", ""),
        (b"%PDF-1.7", ""),
        (b"BM......", ""),
        (b"RIFF\x10\0\0\0WAVEfmt ", ""),
        (b"", ""),
    ],
)
def test_only_pictures_of_four_kinds_pass_whatever_they_call_themselves(content: bytes, kind: str) -> None:
    assert picture_type(content) == kind
    with PictureServer({"/a.png": says(content, "image/png")}) as server:
        found = PictureFetcher(resolve=nobody).fetch(server.url(), allowed=OWN)
    assert (found.content_type if isinstance(found, Picture) else "") == kind


def test_what_is_too_large_is_not_read_whether_it_says_so_or_not() -> None:
    def endless(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG)
        with suppress(OSError):
            for _ in range(200):
                line.sendall(b"x" * 100_000)

    def boasting(line: socket.socket) -> None:
        line.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {MOST_BYTES + 1}\r\n\r\n".encode())

    with PictureServer({"/endless": endless, "/boasting": boasting}) as server:
        for path in server.scripts:
            found = PictureFetcher(resolve=nobody).fetch(server.url(path), allowed=OWN)
            assert found == NoPicture(reason=because("visit.large")), path


def test_a_server_that_drips_or_hangs_is_cut_off() -> None:
    """The watchman ends it: every byte is in time, all of them are not."""
    with PictureServer({}) as server:

        def dripping(line: socket.socket) -> None:
            line.sendall(b"HTTP/1.1 200 OK\r\n")
            with suppress(OSError):
                while not server.over.wait(0.05):
                    line.sendall(b"X-Drop: 1\r\n"[:1])

        server.scripts.update({"/drip": dripping, "/hang": lambda _: server.over.wait(90)})  # type: ignore[dict-item]
        for path in server.scripts:
            found = PictureFetcher(resolve=nobody, seconds=0.6).fetch(server.url(path), allowed=OWN)
            assert isinstance(found, NoPicture), path


@pytest.mark.parametrize("nonsense", [b"", b"\0\0\0", b"HTTP/1.1 what\r\n\r\n", b"220 mail.example ESMTP\r\n"])
def test_a_server_that_speaks_something_else_gives_nothing(nonsense: bytes) -> None:
    with PictureServer({"/a.png": lambda line: line.sendall(nonsense)}) as server:
        assert isinstance(PictureFetcher(resolve=nobody).fetch(server.url(), allowed=OWN), NoPicture)


def test_certificates_are_verified_against_the_name(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, "pictures.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    trusted = ssl.create_default_context(cafile=str(made.ca_file))

    def fetch(server: PictureServer, host: str, known: ssl.SSLContext | None) -> Picture | NoPicture:
        fetcher = PictureFetcher(resolve=lambda _: ["127.0.0.1"], ssl_context=known)
        return fetcher.fetch(server.url(host=host, scheme="https"), allowed=OWN)

    with PictureServer({"/a.png": says()}, context=context) as server:
        assert isinstance(fetch(server, "pictures.example", trusted), Picture)
        assert isinstance(fetch(server, "other.example", trusted), NoPicture)
        assert isinstance(fetch(server, "pictures.example", None), NoPicture)


def test_a_name_that_nobody_knows_is_told_as_such() -> None:
    def lost(host: str) -> Sequence[str]:
        raise OSError("no answer")

    for resolve in (lost, lambda _: []):
        assert isinstance(PictureFetcher(resolve=resolve).fetch("http://a.example/x.png"), NoPicture)


def test_a_machine_that_knows_no_name_server_fetches_nothing_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", unknown)
    assert isinstance(PictureFetcher().fetch("http://a.example/x.png"), NoPicture)
    assert isinstance(Visitor().visit("https://a.example/"), NoVisit)
    with pytest.raises(OSError, match="could not be looked up"):
        look_up("a.example")
