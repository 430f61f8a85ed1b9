"""From an address to servers: whom to believe first, and what a published file may not do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.delivery.autoconfig import MOST_BYTES, MOST_SERVERS, read_autoconfig
from postroom.core.delivery.discovery import Proposal, Service, Source, best, guesses, ranked, read_service_records
from postroom.core.terms.encryption import Encryption

ALICE = "alice@arnold.test"


def a_file(*servers: str) -> bytes:
    return f'<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="arnold.test"><domain>arnold.test</domain>{"".join(servers)}</emailProvider></clientConfig>'.encode()  # fmt: skip


def a_server(kind: str = "outgoing", what: str = "smtp", **changes: str) -> str:
    values = {"hostname": "mail.arnold.test", "port": "465", "socketType": "SSL", "username": "%EMAILADDRESS%", "authentication": "password-cleartext"}  # fmt: skip
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in (values | changes).items())
    return f'<{kind}Server type="{what}">{inner}</{kind}Server>'


def a_place(host: str = "mail.arnold.test", source: Source = Source.GUESSED, **changes: object) -> Proposal:
    values: dict[str, object] = {"service": Service.SMTP, "port": 465, "encryption": Encryption.TLS}
    return Proposal(host=host, source=source, **(values | changes))  # type: ignore[arg-type]


def test_a_published_file_names_servers_with_its_placeholders_filled_in() -> None:
    out, way_in = read_autoconfig(
        a_file(
            a_server(),
            a_server("incoming", "imap", hostname="IMAP.%EMAILDOMAIN%.", port="993", username="%EMAILLOCALPART%"),
        ),
        ALICE,
    )
    assert (out.service, out.host, out.port, out.encryption, out.username) == (
        "smtp",
        "mail.arnold.test",
        465,
        "tls",
        "",
    )
    assert (way_in.service, way_in.host, way_in.username) == ("imap", "imap.arnold.test", "alice")


@pytest.mark.parametrize(
    "change",
    [
        {"socketType": "plain"},
        {"hostname": "10.0.0.1"},
        {"hostname": "mail arnold"},
        {"hostname": "mail.arnold.test\n"} | {"hostname": "a" * 400},
        {"port": "0"},
        {"port": "65536"},
        {"port": "٤٦٥"},
        {"authentication": "client-IP-address"},
    ],
)
def test_a_server_that_nobody_should_use_is_no_proposal(change: dict[str, str]) -> None:
    assert read_autoconfig(a_file(a_server(**change)), ALICE) == ()


def test_entities_end_the_reading() -> None:
    bomb = b'<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>' + a_file(
        a_server(hostname="&b;")
    ).removeprefix(b'<?xml version="1.0"?>')
    assert read_autoconfig(bomb, ALICE) == ()
    outside = b'<!DOCTYPE c SYSTEM "file:///etc/passwd">' + a_file(a_server()).removeprefix(b'<?xml version="1.0"?>')
    assert read_autoconfig(outside, ALICE) == ()


def test_what_is_huge_or_deep_is_not_read() -> None:
    assert read_autoconfig(b" " * (MOST_BYTES + 1), ALICE) == ()
    assert read_autoconfig(a_file("<a>" * 50 + "</a>" * 50, a_server()), ALICE) == ()
    many = [a_server(port=str(1000 + number)) for number in range(MOST_SERVERS * 3)]
    assert len(read_autoconfig(a_file(*many), ALICE)) == MOST_SERVERS


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"<clientConfig", b"\xff\xfe\x00", b"<a><b></a>"])
def test_what_is_no_such_file_names_nobody(content: bytes) -> None:
    assert read_autoconfig(content, ALICE) == ()


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    assert isinstance(read_autoconfig(content, ALICE), tuple)
    assert isinstance(read_autoconfig(a_file(content.decode("latin-1")), ALICE), tuple)


def test_service_records_go_by_priority_then_weight_and_a_dot_says_not_here() -> None:
    found = read_service_records(
        {
            "_submission._tcp": [
                "20 1 587 late.arnold.test",
                "10 1 587 light.arnold.test",
                "10 9 587 heavy.arnold.test",
            ],
            "_submissions._tcp": ["0 0 465 tls.arnold.test"],
            "_imaps._tcp": ["0 0 0 ."],
            "_imap._tcp": ["nonsense", "1 2 3", "0 1 143 imap.arnold.test"],
        }
    )
    hosts = [one.host for one in ranked(found)]
    assert hosts == [
        "tls.arnold.test",
        "heavy.arnold.test",
        "light.arnold.test",
        "late.arnold.test",
        "imap.arnold.test",
    ]


@pytest.mark.parametrize(
    "host", ["smtp.[x]evil.test", "smtp.arnold.test\\032.evil.test", "127.0.0.1", "_smtp.test", "ev\u0456l.test"]
)
def test_what_is_no_name_of_a_host_is_shown_to_nobody(host: str) -> None:
    assert read_service_records({"_submissions._tcp": [f"0 0 465 {host}"]}) == ()
    assert host not in {one.host for one in guesses("arnold.test", [host])}


def test_who_says_so_decides_whom_to_believe() -> None:
    order = [a_place(source.value + ".test", source) for source in Source]
    assert [one.source for one in ranked(reversed(order))] == list(Source)


def test_a_place_that_two_name_stands_once_with_the_better_word() -> None:
    (one,) = ranked([a_place(), a_place(source=Source.RECORDS)])
    assert one.source is Source.RECORDS


def test_imap_comes_before_pop3_and_nothing_is_found_for_what_nobody_offers() -> None:
    found = ranked(
        [
            a_place(service=Service.POP3, port=995, source=Source.PUBLISHED),
            a_place(service=Service.IMAP, port=993, source=Source.PUBLISHED),
        ]
    )
    first = best(found, Service.IMAP, Service.POP3)
    assert first is not None
    assert first.service is Service.IMAP
    assert best(found, Service.SMTP) is None


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (a_place("mail.arnold.test", Source.RECORDS), True),
        (a_place("mail.hoster.test", Source.RECORDS), False),
        (a_place("evilarnold.test", Source.RECORDS), False),
        (a_place("mail.hoster.test", Source.PUBLISHED), True),
        (a_place("smtp.gmail.com", Source.RECORDS), True),
    ],
)
def test_a_password_goes_unasked_only_where_somebody_vouches_for_the_name(place: Proposal, expected: bool) -> None:
    (one,) = ranked([place])
    assert one.is_vouched_for("arnold.test") is expected


def test_guesses_never_speak_in_clear_and_include_who_takes_the_mail() -> None:
    found = guesses("arnold.test", ("mx.hoster.test",))
    assert {one.encryption for one in found} == {Encryption.TLS, Encryption.STARTTLS}
    assert found[0].host == "smtp.arnold.test"
    assert "mx.hoster.test" in {one.host for one in found}
    assert {one.service for one in found} == set(Service)
