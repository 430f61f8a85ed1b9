from __future__ import annotations

from hashlib import sha256

import pytest

from postroom.core.mime.attachments import MAX_NAME, clean_name
from postroom.core.mime.parsed import Attachment
from postroom.core.mime.parsing import parse
from tests.core.mime.mails import IMAGE, PNG, TEXT, multipart, nested, part


def the_attachment(content_type: str, body: bytes | str = b"x", **fields: str) -> Attachment:
    (found,) = parse(multipart("mixed", TEXT, part(content_type, body, **fields))).attachments
    return found


def test_content_is_decoded_and_named_by_its_hash() -> None:
    found = the_attachment("image/png; name=a.png", "iVBORw0KGgo=", Content_Transfer_Encoding="base64")
    assert (found.content, found.size, found.sha256) == (PNG, 8, sha256(PNG).hexdigest())


def test_the_bytes_of_a_text_attachment_are_kept_as_sent() -> None:
    body = "ä\r\n\x00b".encode("utf-16")
    assert the_attachment("text/xml; charset=us-ascii; name=a.xml", body).content == body


@pytest.mark.parametrize(
    ("content_type", "disposition", "name"),
    [
        ("application/pdf; name=type.pdf", "attachment; filename=disposition.pdf", "disposition.pdf"),
        ("application/pdf; name=type.pdf", "attachment", "type.pdf"),
        ("application/pdf; name=type.pdf", 'attachment; filename=""', "type.pdf"),
        ("application/pdf", "attachment; filename*=utf-8''%C3%A4.pdf; filename=ae.pdf", "ä.pdf"),
        ("application/pdf", "attachment; filename*0=Rech; filename*1=nung.pdf", "Rechnung.pdf"),
        ("application/pdf", "attachment; filename*0*=utf-8''%C3; filename*1*=%A4.pdf", "ä.pdf"),
        ("application/pdf", 'attachment; filename="=?utf-8?b?w6QucGRm?="', "ä.pdf"),
        ("application/pdf", 'attachment; filename="=?utf-8?q?a?=\r\n =?utf-8?q?b.pdf?="', "ab.pdf"),
        ("application/pdf", "attachment; filename=two words.pdf", "two words.pdf"),
        ("application/pdf", 'attachment; filename="../../etc/passwd"', "passwd"),
        ("application/pdf", r'attachment; filename="C:\Users\Bob\a.pdf"', "a.pdf"),
        ("application/pdf", 'attachment; filename="a\tb\x01.pdf"', "a b .pdf"),
        ("application/pdf", "attachment; filename*=utf-8''a%0D%0Ab%00.pdf", "a b.pdf"),
        ("application/pdf", "attachment; filename*=utf-8''gpj.%E2%80%AEfdp", "gpj._fdp"),
        ("application/pdf", 'attachment; filename="..."', "attachment.pdf"),
        ("application/pdf", 'attachment; filename="/"', "attachment.pdf"),
        ("application/pdf", "attachment", "attachment.pdf"),
        ("application/x-nobody-knows", "attachment", "attachment"),
        ("image/jpeg", "inline", "attachment.jpg"),
        ("application/ms-tnef", "attachment", "winmail.dat"),
        ("text/calendar", "inline", "invite.ics"),
        ("message/rfc822", "attachment", "attachment.eml"),
    ],
)
def test_a_name_is_one_file_name_whatever_was_sent(content_type: str, disposition: str, name: str) -> None:
    assert the_attachment(content_type, Content_Disposition=disposition).name == name


def test_raw_bytes_in_a_name_are_guessed() -> None:
    raw = multipart(
        "mixed", TEXT, b"Content-Type: application/pdf; name=" + "Größe.pdf".encode("cp1252") + b"\r\n\r\nx"
    )
    assert [one.name for one in parse(raw).attachments] == ["Größe.pdf"]


def test_a_part_may_be_named_by_its_location() -> None:
    assert the_attachment("image/gif", Content_Location="http://x.example/images/logo%20a.gif?x=1").name == "logo a.gif"


def test_a_long_name_keeps_its_extension() -> None:
    assert clean_name("a" * 500 + ".pdf") == "a" * (MAX_NAME - 4) + ".pdf"
    assert len(clean_name("a." + "b" * 500)) == MAX_NAME


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("binary/octet-stream", "application/octet-stream"),
        ("pdf", "application/pdf"),
        ("pdf; name=a.pdf", "application/pdf"),
        ("Application/PDF", "application/pdf"),
        ("application/pdf>", "application/pdf"),
        ("image/jpg", "image/jpeg"),
        ("application/x-zip-compressed", "application/x-zip-compressed"),
    ],
)
def test_content_types_are_corrected(written: str, read: str) -> None:
    found = the_attachment(written, "%PDF", Content_Disposition="attachment; filename=a.x")
    assert (found.content_type, found.content, found.name) == (read, b"%PDF", "a.x")


@pytest.mark.parametrize("disposition", ["inline", "attachment", "attachment; filename=other.png", ""])
def test_an_image_that_the_html_shows_is_inline_whatever_its_disposition(disposition: str) -> None:
    fields = {"Content_ID": "<img1@x>", "Content_Disposition": disposition}
    image = part("image/png", PNG, **{name: value for name, value in fields.items() if value})
    for structure in (
        multipart("related", part("text/html", '<img src="cid:img1@x">'), image),
        multipart("mixed", nested("alternative", TEXT, part("text/html", "<img src='CID:img1%40x'>")), image),
    ):
        (found,) = parse(structure).attachments
        assert (found.is_inline, found.content_id) == (True, "img1@x")


def test_an_image_may_be_shown_by_its_name() -> None:
    (found,) = parse(multipart("related", part("text/html", '<img src="cid:A.png">'), IMAGE)).attachments
    assert found.is_inline


def test_an_image_that_nothing_shows_is_an_attachment_although_it_has_an_id() -> None:
    (found,) = parse(multipart("related", part("text/html", "<p>Look</p>"), IMAGE)).attachments
    assert (found.is_inline, found.content_id) == (False, "img1@x")
