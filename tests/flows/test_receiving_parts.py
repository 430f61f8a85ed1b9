"""What a mail says when it has come in, case by case: from its bytes to the message on the record."""

from __future__ import annotations

from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from postroom.core.mime.parsing import parse
from postroom.core.terms.states import InboundState
from postroom.flows.settings import save_alias
from postroom.store.models import Attachment, MessageBody, Record
from postroom.wiring import ports
from tests.flows.arriving import a_report, arrive
from tests.people import House, build_house

pytestmark = pytest.mark.django_db
HEAD = b"From: Carla <carla@customer.example>\r\nTo: support@in.test\r\nSubject: Parcel\r\nMIME-Version: 1.0\r\n"
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


@pytest.fixture(autouse=True)
def house() -> House:
    return build_house()


def take(raw: bytes) -> MessageBody:
    """It comes in and is a message."""
    inbound = arrive(raw, "support@in.test")
    assert inbound.state == InboundState.ROUTED, inbound.error
    return MessageBody.objects.get()


def mixed(*parts: bytes, subtype: str = "mixed") -> bytes:
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts)
    return HEAD + f'Content-Type: multipart/{subtype}; boundary="x"\r\n\r\n'.encode() + body + b"--x--\r\n"


def headed(mail: EmailMessage | MIMEMultipart) -> bytes:
    mail["From"], mail["To"], mail["Subject"] = "carla@customer.example", "support@in.test", "Parcel"
    return mail.as_bytes()


def content_of(name: str) -> bytes:
    return ports().blobs.get(Attachment.objects.get(name=name).sha256)


TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\nIn words\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>In <b>colour</b></p>\r\n"


@pytest.mark.case("T-001")
def test_a_part_of_an_odd_type_is_an_attachment_with_its_name_and_bytes() -> None:
    part = b'Content-Type: binary/octet-stream; name="a.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n'
    take(mixed(TEXT, part))
    assert content_of("a.dat") == b"\x00\x01\x02"
    assert Attachment.objects.get().content_type == "application/octet-stream"


@pytest.mark.case("T-002")
def test_plain_text_keeps_its_lines() -> None:
    body = take(HEAD + b"Content-Type: text/plain\r\n\r\nOne\r\n  two\r\nthree\r\n")
    assert body.html.replace("\xa0", "&nbsp;").count("<br") == 2
    assert "One" in body.html
    assert "two" in body.text


@pytest.mark.case("T-004", "T-005")
def test_of_two_ways_to_say_it_html_wins() -> None:
    both = b'Content-Type: multipart/alternative; boundary="y"\r\n\r\n--y\r\n' + TEXT + b"--y\r\n" + HTML + b"--y--\r\n"
    pdf = b'Content-Type: application/pdf; name="bill.pdf"\r\nContent-Disposition: attachment\r\n\r\n%PDF-1.4\r\n'
    body = take(mixed(both, pdf))
    assert "<b>colour</b>" in body.html
    assert "In words" not in body.html
    assert [file.name for file in Attachment.objects.all()] == ["bill.pdf"]


@pytest.mark.case("T-007")
def test_a_mail_that_is_one_file_has_no_words_and_one_attachment() -> None:
    body = take(HEAD + b'Content-Type: application/pdf; name="bill.pdf"\r\n\r\n%PDF-1.4 %%EOF')
    assert body.html.strip() == ""
    assert content_of("bill.pdf") == b"%PDF-1.4 %%EOF"


@pytest.mark.case("T-008")
def test_a_redirected_mail_reaches_those_it_was_redirected_to() -> None:
    head = b"Resent-To: support@in.test\r\nResent-Cc: sales@in.test\r\n"
    mail = head + HEAD.replace(b"To: support", b"To: someone") + b"Content-Type: text/plain\r\n\r\nHi\r\n"
    assert arrive(mail).state == InboundState.ROUTED
    assert sorted(Record.objects.values_list("kind_id", flat=True)) == ["lead", "ticket"]


@pytest.mark.case("T-010")
def test_a_type_without_its_first_half_is_understood() -> None:
    take(mixed(TEXT, b'Content-Type: pdf; name="bill.pdf"\r\nContent-Disposition: attachment\r\n\r\n%PDF-1.4'))
    file = Attachment.objects.get()
    assert (file.content_type, content_of("bill.pdf").strip()) == ("application/pdf", b"%PDF-1.4")


@pytest.mark.case("T-011", "T-014")
def test_a_report_without_a_recipient_is_read_and_names_its_original() -> None:
    raw = a_report(original="<first@in.test>").replace(b"Reporting-MTA", b"Final-Recipient: \r\nReporting-MTA")
    inbound = arrive(raw, "bounce@in.test", sender="")
    assert inbound.attempt_count == 0
    assert inbound.state != InboundState.RECEIVED


@pytest.mark.case("T-013")
@pytest.mark.parametrize("inner", [b"", b"\r\n", b"Subject: inner\r\n\r\nSecret words\r\n"])
def test_a_mail_within_a_mail_is_a_file_and_not_its_words(inner: bytes) -> None:
    """W-26: also when there is nothing in it."""
    part = b'Content-Type: message/rfc822; name="old.eml"\r\nContent-Disposition: attachment\r\n\r\n' + inner
    body = take(mixed(TEXT, part))
    assert "In words" in body.html
    assert "Secret words" not in body.html
    assert Attachment.objects.count() <= 1


@pytest.mark.case("T-016")
def test_xhtml_with_an_encoding_of_its_own_is_read() -> None:
    html = '<?xml version="1.0" encoding="iso-8859-1"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>Größe</p></body></html>'
    body = take(HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode())
    assert "Größe" in body.html


@pytest.mark.case("T-017", "T-020")
@pytest.mark.parametrize("charset", ["", "utf-8", "utf-16-le", "utf-32-be", "us-ascii"])
def test_the_bytes_of_a_text_file_stay_what_they_were(charset: str) -> None:
    content = "<größe/>".encode(charset if charset not in ("", "us-ascii") else "utf-8")
    part = MIMEApplication(content, "xml")
    part.replace_header("Content-Type", "text/xml" + (f"; charset={charset}" if charset else ""))
    part.add_header("Content-Disposition", "attachment", filename="a.xml")
    mail = MIMEMultipart()
    mail.attach(MIMEText("Hello"))
    mail.attach(part)
    take(headed(mail))
    assert content_of("a.xml") == content


@pytest.mark.case("T-019")
@pytest.mark.parametrize("charset", ["windows-874", "iso-8859-8-i", "x-unheard-of"])
def test_charsets_that_python_does_not_know_by_that_name_lose_no_mail(charset: str) -> None:
    """W-2."""
    words, codec = {
        "windows-874": ("สวัสดี", "cp874"),
        "iso-8859-8-i": ("שלום", "iso-8859-8"),
        "x-unheard-of": ("Grüße", "utf-8"),
    }[charset]
    head = HEAD + f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode()
    assert words in take(head + words.encode(codec)).html


@pytest.mark.case("T-022")
def test_pictures_in_the_words_are_kept_with_them() -> None:
    html = (
        b'Content-Type: text/html; charset=utf-8\r\n\r\n<p>See <img src="cid:one@x"> and <img src="cid:two@x"></p>\r\n'
    )
    one = b'Content-Type: image/png; name="=?utf-8?q?=C3=A9t=C3=A9.png?="\r\nContent-ID: <one@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n'
    two = b"Content-Type: image/png\r\nContent-ID: <two@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"
    body = take(mixed(html, one, two, subtype="related"))
    files = Attachment.objects.order_by("id")
    assert [file.content_id.strip("<>") for file in files] == ["one@x", "two@x"], "W-27: also without a name"
    assert files[0].name == "été.png"
    assert body.html.count("<img") == 2


@pytest.mark.case("T-023")
def test_a_picture_written_into_the_words_stays_and_the_aliass_values_do_not_touch_it(house: House) -> None:
    save_alias(ports(), {"id": house.support.pk, "defaults": {"type": "urgent"}}, member=None)
    html = b'Content-Type: text/html; charset=utf-8\r\n\r\n<p>See <img alt="x" src="data:image/png;base64,iVBORw0KGgo="></p>'
    body = take(HEAD + html)
    assert "See" in body.html
    assert Record.objects.get().values == {"type": "urgent"}


def test_hostile_bytes_are_routed_and_kept() -> None:
    for number, raw in enumerate(
        (b"", b"\x00\xff" * 500, b"From: \r\n: :\r\n\r\n", HEAD + b"Content-Type: multipart/mixed\r\n\r\n")
    ):
        inbound = arrive(raw, "support@in.test", sender=f"s{number}@x.example")
        assert inbound.state in (InboundState.ROUTED, InboundState.HELD), inbound.error
        assert parse(raw) is not None
