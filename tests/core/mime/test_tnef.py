from __future__ import annotations

import pytest

from postroom.core.mime.defects import Defect
from postroom.core.mime.parsing import parse
from postroom.core.mime.rtf import MAX_RTF, RtfBody, decompress_rtf, read_rtf
from postroom.core.mime.tnef import MAX_DEPTH, MAX_FILES, TnefFile, read_tnef
from tests.core.mime import tnef_writer as writer
from tests.core.mime.mails import TEXT, multipart, part

ENCAPSULATED = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 Arial;}}{\colortbl\red0;}"
    rb"{\*\htmltag19 <html>}{\*\htmltag34 <head>}{\*\mhtmltag1 <x>}\htmlrtf {\htmlrtf0 {\*\htmltag64 <p>}"
    rb"Gr\'fc\'dfe \u8364?\htmlrtf \par\htmlrtf0 {\f1 \'cf\'f0}{\*\htmltag244 <b>}\{x\}{\*\htmltag72 </p>}}"
)


def winmail(content: bytes, *, name: str = "winmail.dat") -> bytes:
    return part(f"application/ms-tnef; name={name}", content, Content_Transfer_Encoding="binary")


def test_the_body_and_the_files_of_a_winmail_dat_take_its_place() -> None:
    stream = writer.stream(
        writer.attribute(1, writer.CODE_PAGE, (1252).to_bytes(8, "little")),
        writer.attribute(1, writer.PROPERTIES, writer.properties(writer.variable(writer.BINARY, 0x1013, b"<p>Hello"))),
        writer.file("Rechnung für Bob.pdf", b"%PDF-1.4", more=[writer.unicode(0x370E, "application/pdf")]),
        writer.file("photo.png", b"\x89PNG", more=[writer.unicode(0x3712, "img1@x")]),
    )
    found = parse(multipart("mixed", winmail(stream)))
    assert found.html == "<p>Hello"
    assert [(one.name, one.content_type, one.content, one.content_id) for one in found.attachments] == [
        ("Rechnung für Bob.pdf", "application/pdf", b"%PDF-1.4", ""),
        ("photo.png", "image/png", b"\x89PNG", "img1@x"),
    ]
    assert not found.defects


def test_the_mails_own_body_goes_before_the_one_in_winmail_dat() -> None:
    stream = writer.stream(writer.attribute(1, writer.BODY, b"The hidden text\0"), writer.file("a.txt", b"a"))
    found = parse(multipart("mixed", TEXT, winmail(stream)))
    assert (found.text, found.html, [one.name for one in found.attachments]) == ("The text", "", ["a.txt"])


def test_a_file_named_winmail_dat_of_any_type_is_opened_and_a_false_one_stays_a_file() -> None:
    stream = writer.stream(writer.file("a.txt", b"a"))
    real = part("application/octet-stream; name=WINMAIL.DAT", stream, Content_Transfer_Encoding="binary")
    assert [one.name for one in parse(multipart("mixed", TEXT, real)).attachments] == ["a.txt"]
    false = parse(multipart("mixed", TEXT, winmail(b"no TNEF")))
    assert [one.name for one in false.attachments] == ["winmail.dat"]
    assert Defect.BAD_TNEF in false.defects


def test_a_damaged_stream_yields_what_stands_before_the_damage_and_is_kept() -> None:
    stream = writer.stream(writer.file("a.txt", b"a"), writer.file("b.txt", b"b" * 100))[:-120]
    found = parse(multipart("mixed", TEXT, winmail(stream)))
    assert [one.name for one in found.attachments][:2] == ["winmail.dat", "a.txt"]
    assert Defect.BAD_TNEF in found.defects


def test_a_mail_within_becomes_a_file_and_its_files_follow() -> None:
    inner = writer.stream(writer.attribute(1, writer.BODY, b"Inner words\0"), writer.file("inner.txt", b"i"))
    found = read_tnef(writer.stream(writer.mail_within("Re: Bike", inner)))
    assert found is not None
    assert found.files == [
        TnefFile(name="Re: Bike.txt", content_type="text/plain", content=b"Inner words"),
        TnefFile(name="inner.txt", content=b"i"),
    ]


def test_properties_of_every_shape_are_passed_over() -> None:
    values = (
        writer.named(writer.UNICODE, "Keywords", "x\0".encode("utf-16-le")),
        writer.numbered(0x03, bytes(4)),
        writer.fixed(0x40, 0x0039, bytes(8)),
        writer.fixed(0x0B, 0x0E1F, bytes(2)),
        writer.variable(0x101E, 0x1002, b"many", b"texts"),
        writer.variable(writer.STRING8, 0x1000, "Größe\0".encode("cp1252")),
    )
    found = read_tnef(writer.stream(writer.attribute(1, writer.PROPERTIES, writer.properties(*values))))
    assert found is not None
    assert (found.text, found.is_whole) == ("Größe", True)


def test_text_is_read_in_the_streams_code_page() -> None:
    stream = writer.stream(
        writer.attribute(1, writer.CODE_PAGE, (1251).to_bytes(4, "little")),
        writer.attribute(1, writer.BODY, "Привет\0".encode("cp1251")),
    )
    found = read_tnef(stream)
    assert found is not None
    assert found.text == "Привет"


@pytest.mark.parametrize(
    "data",
    [
        b"\x78\x9f\x3e\x22",
        writer.stream(b"\x01\x03\x90\x06\x00\xff\xff\xff\xff"),
        writer.stream(writer.attribute(1, writer.PROPERTIES, b"\xff\xff\xff\xff\x1e\x00\x00\x10\xff\xff\xff\xff")),
        writer.stream(writer.attribute(1, writer.PROPERTIES, b"\x01\x00\x00\x00\x99\x99\x01\x10")),
        writer.stream(writer.attribute(2, writer.ATTACH_DATA, b"no file is open")),
        writer.stream(writer.attribute(1, writer.PROPERTIES, b"\x01\0\0\0\x03\x10\x01\x10\xff\xff\xff\x7f")),
    ],
)
def test_hostile_streams_are_read_without_a_fault(data: bytes) -> None:
    found = read_tnef(data)
    assert found is not None
    assert not found.files


def test_the_number_of_files_and_the_depth_are_bounded() -> None:
    many = read_tnef(writer.stream(*[writer.file("a", b"a")] * (MAX_FILES + 50)))
    assert many is not None
    assert (len(many.files), many.is_whole) == (MAX_FILES, False)
    deep = writer.stream(writer.file("deepest", b"x"))
    for _ in range(MAX_DEPTH + 3):
        deep = writer.stream(writer.mail_within("m", deep))
    found = read_tnef(deep)
    assert found is not None
    assert not found.is_whole
    assert len(found.files) == MAX_DEPTH + 1


# -- RTF -------------------------------------------------------------------------------------------------

PUBLISHED = bytes.fromhex(  # the example of MS-OXRTFCP 3.1
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)


def test_the_published_example_of_compressed_rtf_is_read() -> None:
    rtf = decompress_rtf(PUBLISHED)
    assert rtf == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert read_rtf(rtf) == RtfBody("", "hello world")


@pytest.mark.parametrize("pack", [writer.compressed, writer.uncompressed])
def test_what_was_packed_is_unpacked(pack: object) -> None:
    rtf = b"{\\rtf1 WXYZWXYZ" + b"a" * 9_000 + b"b" * 40 + b"}"
    assert decompress_rtf(pack(rtf)) == rtf  # type: ignore[operator]


def test_html_within_rtf_is_found() -> None:
    stream = writer.stream(
        writer.attribute(
            1,
            writer.PROPERTIES,
            writer.properties(writer.variable(writer.BINARY, 0x1009, writer.compressed(ENCAPSULATED))),
        )
    )
    assert parse(multipart("mixed", winmail(stream))).html == "<html><head><p>Grüße €Пр<b>{x}</p>"


def test_plain_rtf_becomes_plain_text() -> None:
    rtf = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset128 MS;}}{\*\generator Word;}{\info{\title No}}"
        rb"\f0 One\par Two\tab\bullet\line\uc2\u26085??{\f1\'93\'fa}{\pict 00ff}\u-10179 ??\u-8912 ??\lquote x\rquote}"
    )
    assert read_rtf(rtf) == RtfBody("", "One\nTwo\t•\n日日🔰‘x’")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"x" * 15, bytes(16), b"\xff" * 100, PUBLISHED[:20], PUBLISHED[:-3], writer.compressed(b"{\\rtf1 a}")[:-1],
        PUBLISHED[:16] + b"\xff" + b"\x00\x0f" * 8,
    ],
)  # fmt: skip
def test_damaged_packings_are_read_as_far_as_they_go(data: bytes) -> None:
    assert len(decompress_rtf(data)) <= 1_000
    read_rtf(decompress_rtf(data))


def test_a_packing_that_grows_without_end_is_cut() -> None:
    bomb = (
        PUBLISHED[:4]
        + b"\xff\xff\xff\x7f"
        + PUBLISHED[8:16]
        + (b"\x00" + b"a" * 8)
        + (b"\xff" + b"\x0c\xff" * 8) * 100_000
    )
    assert len(decompress_rtf(bomb)) <= MAX_RTF


def test_braces_without_end_are_read() -> None:
    assert read_rtf(b"{\\rtf1" + b"{" * 200_000 + b"a" + b"}" * 300_000).text == "a"
