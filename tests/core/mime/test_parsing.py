from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import postroom.core.mime
from postroom.core.mime import parsing
from postroom.core.mime.defects import Defect
from postroom.core.mime.parsing import parse, parse_headers
from postroom.core.terms.addresses import Address
from tests.core.mime.mails import mail

RICH = (
    b"Return-Path: <Bob@Customer.example>\r\n"
    b"Delivered-To: Support+Tok@example.com\r\n"
    b"X-Original-To: support+tok@example.com\r\n"
    b"Delivered-To: <outer@example.org>\r\n"
    b"Received: from a by b;\r\n\tTue, 2 Jan 2024 15:04:05 +0000\r\n"
    b"From: =?utf-8?q?Bob_K=C3=BCmmer?= <bob@customer.example>, Carla <carla@customer.example>\r\n"
    b"Sender: secretary@customer.example\r\n"
    b"Reply-To: office@customer.example\r\n"
    b"To: Support <support@example.com>\r\n"
    b"To: alice@example.com\r\n"
    b"Cc: Team: charlie@example.com;\r\n"
    b"Resent-To: one@example.com\r\nResent-Cc: two@example.com\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n aus dem Laden\r\n"
    b"Date: Tue, 2 Jan 2024 16:03:54 +0100\r\n"
    b"Message-ID: <1@customer.example>\r\n"
    b"In-Reply-To: <0@example.com>\r\n"
    b"References: <a@example.com>\r\n <0@example.com>\r\n"
    b"X-Note: =?utf-8?q?=C3=A4?= b\r\n"
    b"Content-Type: Text/Plain; charset=utf-8; format=flowed\r\n"
    b"\r\nHello\r\n"
)


def test_the_header_fields_are_taken_apart() -> None:
    read = parse(RICH)
    assert read.subject == "Grüße aus dem Laden"
    assert read.header_from == (
        Address("Bob Kümmer", "bob", "customer.example"),
        Address("Carla", "carla", "customer.example"),
    )
    assert read.author == read.header_from[0]
    assert read.sender == Address("", "secretary", "customer.example")
    assert [one.spec for one in read.reply_to] == ["office@customer.example"]
    assert [one.spec for one in read.to] == ["support@example.com", "alice@example.com"]
    assert [one.spec for one in read.cc] == ["charlie@example.com"]
    assert [one.spec for one in read.resent_to] == ["one@example.com", "two@example.com"]
    assert read.delivered_to == ("support+tok@example.com", "outer@example.org")
    assert read.return_path == "bob@customer.example"
    assert read.date == datetime(2024, 1, 2, 15, 3, 54, tzinfo=UTC)
    assert (read.message_id, read.in_reply_to) == ("<1@customer.example>", ("<0@example.com>",))
    assert read.references == ("<a@example.com>", "<0@example.com>")
    assert (read.content_type, read.content_params) == (
        "text/plain",
        {"charset": "utf-8", "format": "flowed"},
    )
    assert read.header("x-note") == "ä b"
    assert read.header("received") == "from a by b; Tue, 2 Jan 2024 15:04:05 +0000"
    assert len(read.all_headers("DELIVERED-TO")) == 2
    assert (read.text, read.reply_text, read.defects) == ("Hello\n", "Hello", ())


def test_the_door_reads_the_same_headers_without_the_body() -> None:
    whole, door = parse(RICH), parse_headers(RICH)
    assert door.text == ""
    for name in (
        "headers",
        "subject",
        "header_from",
        "to",
        "delivered_to",
        "return_path",
        "references",
        "date",
        "content_params",
    ):
        assert getattr(door, name) == getattr(whole, name)
    assert parse_headers(RICH.partition(b"\r\n\r\n")[0] + b"\r\n\r\n") == door


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", None),
        ("Return-Path: <>\r\n", ""),
        ("Return-Path: <b@X.example>\r\n", "b@x.example"),
        ("Return-Path: b@x.example\r\n", "b@x.example"),
        ("Return-Path: Bob <b@x.example>\r\n", "b@x.example"),
        ("Return-Path: <MAILER-DAEMON>\r\n", None),
    ],
)
def test_the_return_path_tells_the_null_sender_from_a_missing_field(field: str, expected: str | None) -> None:
    assert parse(field.encode() + mail()).return_path == expected


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        (b"", Defect.EMPTY_MESSAGE),
        (b"\r\n \r\n", Defect.EMPTY_MESSAGE),
        (b"From: a@x.example\rSubject: x\r\rHi", Defect.BARE_CR),
        (b"Subject: x\n\nHi", Defect.MISSING_FROM),
        (b"Subject: x\n\nHi", Defect.MISSING_MESSAGE_ID),
        (b"Message-ID: 1234\n\nHi", Defect.BAD_MESSAGE_ID),
        (b"Date: soon\n\nHi", Defect.BAD_DATE),
        (b"To: @@@\n\nHi", Defect.BAD_ADDRESS),
        (b"Subject: \xff\n\nHi", Defect.BAD_HEADER_BYTES),
        (b"Subject: x\nnoise\nFrom: a@x.example\n\nHi", Defect.BAD_HEADER),
        (b"Subject: x\nHi there\n", Defect.MISSING_HEADER_SEPARATOR),
        (b"Content-Type: nonsense\n\nHi", Defect.BAD_CONTENT_TYPE),
        (b"Content-Type: text/plain; charset=klingon\n\nHi", Defect.BAD_CHARSET),
        (b"Content-Type: text/plain; charset=utf-8\n\n\xff", Defect.UNDECODABLE_TEXT),
        (b"Content-Transfer-Encoding: base64\n\nSGk", Defect.BAD_TRANSFER_ENCODING),
        (b"Content-Type: multipart/mixed\n\nHi", Defect.BROKEN_BOUNDARY),
        (b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\nHi", Defect.MISSING_CLOSING_BOUNDARY),
    ],
)
def test_what_was_wrong_is_named(raw: bytes, defect: Defect) -> None:
    assert defect in parse(raw).defects


def test_the_rest_of_a_broken_mail_is_still_read() -> None:
    assert parse(b"From: a@x.example\rSubject: x\r\rHi\r").text == "Hi\n"
    assert parse(b"Message-ID: 12 34\n\nHi").message_id == "<1234>"
    assert parse(b"\r\n\r\nSubject: x\r\n\r\nHi").subject == "x"
    assert parse(b"\xef\xbb\xbfSubject: x\r\n\r\nHi").subject == "x"
    assert (
        parse(b"Just words, no header at all.\n\nMore words.\n").text
        == "Just words, no header at all.\n\nMore words.\n"
    )


def test_a_fault_of_ours_keeps_the_mail_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(parsing, "_top_block", fail)
    read = parse(RICH)
    assert read.defects == (Defect.PARSER_FAULT,)
    assert "aus dem Laden" in read.text
    assert parse_headers(RICH).defects == (Defect.PARSER_FAULT,)


def test_every_defect_is_used_and_none_is_invented() -> None:
    folder = Path(next(iter(postroom.core.mime.__path__)))
    sources = "\n".join(path.read_text() for path in folder.glob("*.py") if path.name != "defects.py")
    assert [defect.name for defect in Defect if f"Defect.{defect.name}" not in sources] == []
