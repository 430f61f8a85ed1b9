from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postroom.core.mime.defects import Defect
from postroom.core.mime.headers import HeaderBlock, read_block, read_date, read_parameters


def block(raw: bytes) -> tuple[HeaderBlock, bytes]:
    found = read_block(raw, 0, len(raw))
    return found, raw[found.body :]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_fields_end_at_the_first_empty_line(end: bytes) -> None:
    found, body = block(end.join([b"A: 1", b"B:  2 ", b"b:3", b"", b"C: no field", b"", b"end"]))
    assert found.fields == [("A", "1"), ("B", "2"), ("b", "3")]
    assert body == end.join([b"C: no field", b"", b"end"])
    assert not found.defects


def test_mixed_line_ends_are_understood() -> None:
    found, body = block(b"A: 1\r\nB: 2\n\r\nHi\n")
    assert found.fields == [("A", "1"), ("B", "2")]
    assert body == b"Hi\n"
    found, body = block(b"A: 1\r\r\nB: 2\r\r\n\r\r\nHi")
    assert found.fields == [("A", "1"), ("B", "2")]
    assert body == b"Hi"


def test_a_folded_field_is_unfolded_into_one_line() -> None:
    found, _ = block(b"A: one\r\n two\r\n\tthree\r\nB: 2\r\n\r\n")
    assert found.fields == [("A", "one two three"), ("B", "2")]


def test_a_block_without_a_body_is_a_block() -> None:
    for raw in (b"A: 1", b"A: 1\n", b"A: 1\r\n\r\n"):
        found, body = block(raw)
        assert (found.fields, body, found.defects) == ([("A", "1")], b"", ())


def test_an_empty_block_has_no_fields() -> None:
    assert block(b"\r\nBody: here\r\n")[1] == b"Body: here\r\n"
    assert block(b"") == (HeaderBlock([], 0), b"")


def test_the_from_line_of_a_mailbox_file_is_no_field() -> None:
    found, body = block(b"From bob@x.example Mon Jan  1 00:00:00 2024\nA: 1\n\nHi")
    assert (found.fields, body, found.defects) == ([("A", "1")], b"Hi", ())


def test_a_line_that_lost_its_indentation_continues_the_field_behind_a_comma_or_semicolon() -> None:
    found, body = block(b"To: a@x.example,\nb@x.example\nContent-Type: text/plain;\ncharset=utf-8\n\nHi")
    assert found.fields == [("To", "a@x.example, b@x.example"), ("Content-Type", "text/plain; charset=utf-8")]
    assert body == b"Hi"
    assert found.defects == (Defect.BAD_HEADER,)


def test_noise_between_fields_is_passed_over() -> None:
    found, body = block(b"A: 1\nnoise without a colon\nSubject: x\n\nHi")
    assert found.fields == [("A", "1"), ("Subject", "x")]
    assert (body, found.defects) == (b"Hi", (Defect.BAD_HEADER,))


def test_a_body_without_its_empty_line_is_the_body() -> None:
    found, body = block(b"Subject: x\r\nDear Alice\r\nhow are you\r\n\r\nBob")
    assert found.fields == [("Subject", "x")]
    assert body == b"Dear Alice\r\nhow are you\r\n\r\nBob"
    assert found.defects == (Defect.MISSING_HEADER_SEPARATOR,)


def test_raw_bytes_in_fields_are_guessed_line_by_line() -> None:
    found, _ = block("A: Grüße\n".encode() + "B: Grüße\n".encode("cp1252") + b"\n")
    assert found.fields == [("A", "Grüße"), ("B", "Grüße")]
    assert found.defects == (Defect.BAD_HEADER_BYTES,)


def test_a_value_holds_no_control_characters() -> None:
    found, _ = block(b"A: a\x00b\x01c\rd\x7f\n\n" + "B: x\u2028y\x85z\n".encode())
    assert found.fields == [("A", "a b cd")]
    found, _ = block("B: x\u2028y\x85z\n".encode())
    assert found.fields == [("B", "x y z")]


def test_a_space_before_the_colon_is_forgiven() -> None:
    assert block(b"Subject : x\n\n")[0].fields == [("Subject", "x")]


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Tue, 2 Jan 2024 16:03:54 +0100", moment(2024, 1, 2, 15, 3, 54)),
        ("2 Jan 2024 16:03 +0100 (CET)", moment(2024, 1, 2, 15, 3)),
        ("Tue, 02 Jan 2024 16:03:54 GMT", moment(2024, 1, 2, 16, 3, 54)),
        ("Tue, 02 Jan 2024 16:03:54 -0000", moment(2024, 1, 2, 16, 3, 54)),
        ("Tue, 02 Jan 2024 16:03:54", moment(2024, 1, 2, 16, 3, 54)),
        ("Tue Jan  2 16:03:54 2024", moment(2024, 1, 2, 16, 3, 54)),
        ("2 Jan 24 16:03 EST", moment(2024, 1, 2, 21, 3)),
        ("2024-01-02T16:03:54+02:00", moment(2024, 1, 2, 14, 3, 54)),
        ("2024-01-02 16:03:54", moment(2024, 1, 2, 16, 3, 54)),
        ("Sat, 31 Dec 2016 23:59:60 +0000", moment(2016, 12, 31, 23, 59, 59)),
        ("Tue, 2 Jan 2024 16:03:54 +9900", moment(2024, 1, 2, 16, 3, 54)),
        ("Tue, 32 Jan 2024 16:03:54 +0000", None),
        ("Tue, 2 Foo 2024 16:03:54 +0000", None),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None),
        ("Sun, 1 Jan 0001 00:00:00 +0100", None),
        ("yesterday", None),
        ("", None),
        (", , , : : :", None),
    ],
)
def test_dates_are_read_loosely_into_utc(written: str, read: datetime | None) -> None:
    assert read_date(written) == read


@pytest.mark.parametrize(
    ("written", "word", "parameters"),
    [
        ('Text/Plain; Charset="UTF-8"', "text/plain", {"charset": "UTF-8"}),
        ("text/plain", "text/plain", {}),
        ("text/plain;;; a=1 ;", "text/plain", {"a": "1"}),
        ("text/plain charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ("text/plain; charset=us-ascii (Plain text)", "text/plain", {"charset": "us-ascii"}),
        ('a; name="report (1).pdf"; x=y', "a", {"name": "report (1).pdf", "x": "y"}),
        ("a; name=report (1).pdf", "a", {"name": "report (1).pdf"}),
        (r'a; name="C:\new\a.txt"', "a", {"name": r"C:\new\a.txt"}),
        (r'a; name="a\"b\\c"', "a", {"name": r'a"b\c'}),
        ('a; name="no end.pdf', "a", {"name": "no end.pdf"}),
        ("a; name*=utf-8''%e2%82%ac%20rates", "a", {"name": "€ rates"}),
        ("a; name*=iso-8859-1'de'%e4", "a", {"name": "ä"}),
        ("a; name*0*=utf-8''%e2%82; name*1*=%ac; name*2=.txt", "a", {"name": "€.txt"}),
        ("a; name*1=b; name*0=a", "a", {"name": "ab"}),
        ("a; name=old.txt; name*=utf-8''new.txt", "a", {"name": "new.txt"}),
        ("a; name==?utf-8?b?w6Q=?=", "a", {"name": "ä"}),
        ('a; name="=?utf-8?q?=C3=A4?= =?utf-8?q?=C3=B6?="', "a", {"name": "äö"}),
        ("a; name*=%e4", "a", {"name": "ä"}),
        ("a; x=1; x=2", "a", {"x": "1"}),
        ("a; novalue; x=1", "a", {"novalue": ""} | {"x": "1"}),
        ("", "", {}),
    ],
)
def test_parameters_are_read_in_every_abuse(written: str, word: str, parameters: dict[str, str]) -> None:
    parameters = {name: value for name, value in parameters.items() if value}
    assert read_parameters(written) == (word, parameters)


def test_the_parameters_of_one_reading_are_not_those_of_the_next() -> None:
    _, first = read_parameters("text/plain; a=1")
    first["a"] = "changed"
    assert read_parameters("text/plain; a=1") == ("text/plain", {"a": "1"})


def test_noise_and_what_continues_it_cost_no_field() -> None:
    found, body = block(b"noise\n which goes on\nSubject: x\n more\n\nHi")
    assert (found.fields, body) == ([("Subject", "x more")], b"Hi")
    found, body = block(b"  indented\nSubject: x\n\nHi")
    assert (found.fields, body) == ([("Subject", "x")], b"Hi")
