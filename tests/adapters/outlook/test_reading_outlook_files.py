"""Outlook files become mails as far as they hold them; hostile ones cost no more than their budget."""

from __future__ import annotations

import random
import struct

import pytest

from postroom.adapters.outlook.reading import read_outlook
from postroom.core.mailtest.outlook import MAGIC, OutlookMail, OutlookTrouble
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse
from postroom.core.terms.reasons import because
from tests.laboratory.outlook_file import Tree, compound_file, outlook_file

pytestmark = pytest.mark.slow  # each is a process

HEADERS = (
    "Received: from mail.northwind.example (mail.northwind.example [8.8.8.8])\r\n\tby mx.box.test with ESMTPS id 1; Mon, 2 Mar 2026 09:00:04 +0000\r\n"
    "From: Alice <alice@northwind.example>\r\nTo: Bob <bob@box.test>\r\nSubject: Printers\r\n"
    "Date: Mon, 2 Mar 2026 10:00:00 +0100\r\nMessage-ID: <1@northwind.example>\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed;\r\n\tboundary="gone"\r\n'
)


def read(raw: bytes) -> tuple[OutlookMail, ParsedMail]:
    found = read_outlook(raw)
    assert isinstance(found, OutlookMail), found
    return found, parse(found.raw)


def test_a_mail_that_travelled_has_the_header_of_the_wire() -> None:
    raw = outlook_file(
        subject="Printers",
        body="They smoke: Grüße.",
        html="<p>They smoke: Grüße.</p>",
        headers=HEADERS,
        files=[("costs.csv", b"a;b\r\n")],
    )
    found, mail = read(raw)
    assert found.has_header
    assert mail.message_id == "<1@northwind.example>"
    assert mail.header_from[0].spec == "alice@northwind.example"
    assert "8.8.8.8" in mail.header("received")
    assert mail.text.strip() == "They smoke: Grüße."
    assert "<p>They smoke: Grüße.</p>" in mail.html
    assert [(one.name, one.content) for one in mail.attachments] == [("costs.csv", b"a;b\r\n")]
    assert len(mail.all_headers("content-type")) == 1
    assert len(mail.all_headers("mime-version")) == 1


def test_a_mail_that_never_travelled_is_made_of_its_properties() -> None:
    raw = outlook_file(
        subject="Printers",
        body="They smoke.",
        sender=("Alice", "alice@northwind.example"),
        to=[("Bob", "bob@box.test")],
    )
    found, mail = read(raw)
    assert not found.has_header
    assert [one.spec for one in mail.header_from] == ["alice@northwind.example"]
    assert [one.spec for one in mail.to] == ["bob@box.test"]
    assert (mail.subject, mail.message_id, mail.date) == ("Printers", "", None)


def test_an_attachment_of_many_sectors_is_whole() -> None:
    content = random.Random(7).randbytes(300_000)
    _, mail = read(outlook_file(subject="x", body="y", headers=HEADERS, files=[("noise.bin", content)]))
    assert mail.attachments[0].content == content


def test_a_subject_cannot_smuggle_a_field_in() -> None:
    _, mail = read(
        outlook_file(subject="a\r\nBcc: mallory@evil.example", body="y", sender=("A", "alice@northwind.example"))
    )
    assert not mail.all_headers("bcc")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no Outlook file"),
        (b"Subject: a mail\r\n\r\nhello", "no Outlook file"),
        (MAGIC + b"\0" * 600, "damaged"),
        (outlook_file(subject="Printers", body="They smoke.")[:1_000], "damaged"),
        (compound_file({"Workbook": b"x" * 5_000}), "damaged"),
    ],
    ids=["nothing", "a mail", "an empty head", "cut off", "another kind of file"],
)
def test_what_is_none_is_said_to_be_none(raw: bytes, why: str) -> None:
    found = read_outlook(raw)
    assert isinstance(found, OutlookTrouble)
    assert why in str(found.why)


def test_streams_that_share_their_sectors_do_not_fill_the_memory() -> None:
    """A small file whose hundreds of streams are all the same large one: read one by one, they would be three gigabytes."""
    names = [f"__substg1.0_{number:04X}0102" for number in range(1, 500)]
    large: Tree = dict.fromkeys(names, b"")
    raw = bytearray(compound_file({"__substg1.0_00000102": b"x" * 6_000_000, **large}))
    directory = raw.find("Root Entry".encode("utf-16-le"))
    entry = raw.find("__substg1.0_00000102".encode("utf-16-le"), directory)
    start, size = struct.unpack_from("<IQ", raw, entry + 116)
    assert size == 6_000_000
    for name in names:
        struct.pack_into("<IQ", raw, raw.find(name.encode("utf-16-le"), directory) + 116, start, size)
    found = read_outlook(bytes(raw))
    assert found == OutlookTrouble(why=because("piece.outlook.holds_more", error=""))


def test_a_directory_that_leads_back_to_itself_ends() -> None:
    raw = bytearray(outlook_file(subject="Printers", body="They smoke.", headers=HEADERS))
    root = raw.find("Root Entry".encode("utf-16-le"))
    for place in range(root, len(raw) - 128, 128):
        if raw[place + 66] == 1:  # a storage: its child is the root
            struct.pack_into("<I", raw, place + 76, 0)
    assert isinstance(read_outlook(bytes(raw)), OutlookTrouble | OutlookMail)


def test_a_reader_that_takes_too_long_is_ended() -> None:
    found = read_outlook(outlook_file(subject="x", body="y"), seconds=0.001)
    assert isinstance(found, OutlookTrouble)
    assert "takes more than" in str(found.why)


def test_bytes_that_were_changed_anywhere_are_read_or_refused() -> None:
    dice = random.Random(11)
    whole = outlook_file(subject="Printers", body="They smoke.", headers=HEADERS, to=[("Bob", "bob@box.test")])
    for _ in range(12):
        raw = bytearray(whole)
        for _ in range(dice.randrange(1, 30)):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        found = read_outlook(bytes(raw))
        if isinstance(found, OutlookMail):
            parse(found.raw)
        else:
            assert str(found.why)
