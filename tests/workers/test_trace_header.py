"""The Received line, and counting hops."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.workers.trace_header import count_hops, protocol_name, received_line

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def line(**changes: object) -> bytes:
    values: dict[str, object] = {
        "helo": "client.example",
        "address": "192.0.2.7",
        "hostname": "mx.postroom.test",
        "protocol": "ESMTP",
        "unique": "0123456789abcdef",
        "recipients": ["support@postroom.test"],
        "now": NOON,
    } | changes
    return received_line(**values)  # type: ignore[arg-type]


def test_the_line_says_who_gave_what_to_whom_and_when() -> None:
    assert line() == (
        b"Received: from client.example ([192.0.2.7])\r\n"
        b"\tby mx.postroom.test (Postroom) with ESMTP id 0123456789abcdef\r\n"
        b"\tfor <support@postroom.test>;\r\n"
        b"\tMon, 02 Mar 2026 12:00:00 +0000\r\n"
    )


def test_several_recipients_do_not_learn_of_each_other() -> None:
    assert b"for <" not in line(recipients=["alice@postroom.test", "bob@postroom.test"])


def test_an_ipv6_peer_is_written_as_an_address_literal() -> None:
    assert b"([IPv6:2001:db8::1])" in line(address="2001:db8::1")


def test_a_peer_without_an_address_has_none_in_the_line() -> None:
    assert line(address="").startswith(b"Received: from client.example\r\n")


@given(st.text(max_size=400), st.text(max_size=100))
def test_nothing_a_peer_says_breaks_the_header(helo: str, recipient: str) -> None:
    raw = line(helo=helo, recipients=[recipient])
    assert raw.count(b"\r\n") in (3, 4)
    assert all(one[:1] == b"\t" for one in raw.split(b"\r\n")[1:-1])
    assert message_from_bytes(raw + b"\r\nbody").keys() == ["Received"]


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"lmtp": False, "extended": False, "tls": False, "utf8": False}, "SMTP"),
        ({"lmtp": False, "extended": True, "tls": False, "utf8": False}, "ESMTP"),
        ({"lmtp": False, "extended": True, "tls": True, "utf8": False}, "ESMTPS"),
        ({"lmtp": False, "extended": True, "tls": True, "utf8": True}, "UTF8SMTPS"),
        ({"lmtp": True, "extended": True, "tls": False, "utf8": False}, "LMTP"),
        ({"lmtp": True, "extended": True, "tls": True, "utf8": True}, "UTF8LMTPS"),
    ],
)
def test_the_protocol_has_its_registered_name(facts: dict[str, bool], name: str) -> None:
    assert protocol_name(**facts) == name


def test_hops_are_counted_in_the_header_alone() -> None:
    assert count_hops(b"Received: a\r\nSubject: x\r\nRECEIVED : b\r\n c\r\n\r\nReceived: quoted\r\n") == 2
    assert count_hops(b"") == 0
