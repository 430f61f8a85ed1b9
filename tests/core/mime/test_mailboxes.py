from __future__ import annotations

import pytest

from postroom.core.mime.headers import read_addresses


def pairs(raw: str) -> list[tuple[str, str]]:
    return [(address.name, address.spec) for address in read_addresses(raw)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("bob@x.example", [("", "bob@x.example")]),
        ("<bob@x.example>", [("", "bob@x.example")]),
        ("Bob <bob@x.example>", [("Bob", "bob@x.example")]),
        ('"Carla, Customer" <c@x.example>', [("Carla, Customer", "c@x.example")]),
        ('"Bike@Home" <a@b.example>', [("Bike@Home", "a@b.example")]),
        ("Bike@Home <a@b.example>", [("Bike@Home", "a@b.example")]),
        (r'"Bob \"the Bike\" B." <b@x.example>', [('Bob "the Bike" B.', "b@x.example")]),
        ("J. R. R. Bob <b@x.example>", [("J. R. R. Bob", "b@x.example")]),
        ("O'Bob <o'bob@x.example>", [("O'Bob", "o'bob@x.example")]),
        ("\"'bob@x.example'\" <bob@x.example>", [("bob@x.example", "bob@x.example")]),
        ("'bob@x.example'", [("", "bob@x.example")]),
        ("=?utf-8?q?Bob_K=C3=BCmmer?= <b@x.example>", [("Bob Kümmer", "b@x.example")]),
        (
            "=?utf-8?Q?Bob,_Jr.?= <b@x.example>, a@x.example",
            [("Bob, Jr.", "b@x.example"), ("", "a@x.example")],
        ),
        ("=?utf-8?Q?Bob_<bob@x.example>?=", [("Bob", "bob@x.example")]),
        ("Bob <=?utf-8?q?bob=40x.example?=>", [("Bob", "bob@x.example")]),
        ("Böb <böb@exämple.example>", [("Böb", "böb@exämple.example")]),
        ('"bob b"@x.example', [("", '"bob b"@x.example')]),
        ('"bob"@x.example', [("", "bob@x.example")]),
        ("bob@[192.0.2.1]", [("", "bob@[192.0.2.1]")]),
        ("bob @ x.example", [("", "bob@x.example")]),
        ("< bob@x.example >", [("", "bob@x.example")]),
        ("<@relay.example,@r2.example:bob@x.example>", [("", "bob@x.example")]),
        ("<mailto:bob@x.example>", [("", "bob@x.example")]),
        ("bob@x.example (Bob (the) Builder)", [("Bob (the) Builder", "bob@x.example")]),
        ("Bob (at work) <bob@x.example>", [("Bob", "bob@x.example")]),
        ("a@x.example b@x.example", [("", "a@x.example"), ("", "b@x.example")]),
        ("A <a@x.example> B <b@x.example>", [("A", "a@x.example"), ("B", "b@x.example")]),
        ("A <a@x.example>; B <b@x.example>", [("A", "a@x.example"), ("B", "b@x.example")]),
        ("a@x.example,,, b@x.example,", [("", "a@x.example"), ("", "b@x.example")]),
        (
            "Team: a@x.example, B <b@x.example>;, c@x.example",
            [("", "a@x.example"), ("B", "b@x.example"), ("", "c@x.example")],
        ),
        ("undisclosed-recipients:;", []),
        ("undisclosed-recipients", []),
        (
            "Bob <bob@x.example, Alice <alice@x.example>",
            [("Bob", "bob@x.example"), ("Alice", "alice@x.example")],
        ),
        ('"Bob <bob@x.example>', [("Bob", "bob@x.example")]),
        ("Bob (no end <bob@x.example>", [("Bob no end", "bob@x.example")]),
        ("<<bob@x.example>>", [("", "bob@x.example")]),
        ("bob@x.example <bob>", [("bob@x.example", "bob@x.example")]),
        ("MAILER-DAEMON", [("", "MAILER-DAEMON")]),
        ("Mail Delivery System <MAILER-DAEMON>", [("Mail Delivery System", "MAILER-DAEMON")]),
        ("<>", []),
        ("", []),
        ("words without an address", []),
        ("a at x dot example", []),
    ],
)
def test_mailboxes_are_read_as_people_write_them(raw: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(raw) == expected


def test_a_name_holds_no_line_breaks_and_no_runs_of_spaces() -> None:
    assert pairs("=?utf-8?q?Bob=0D=0A=0D=0AB?= <b@x.example>") == [("Bob B", "b@x.example")]
    assert pairs("Bob   B <b@x.example>") == [("Bob B", "b@x.example")]
