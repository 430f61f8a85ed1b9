from __future__ import annotations

from binascii import b2a_uu

import pytest

from postroom.core.mime.enriched import read_enriched
from postroom.core.mime.parsing import parse
from tests.core.mime.mails import IMAGE, PNG, TEXT, mail, multipart, nested, part


def uuencoded(content: bytes, name: str = "bike.pdf", end: str = "\r\n") -> str:
    lines = [b2a_uu(content[place : place + 45]).decode().rstrip("\n") for place in range(0, len(content), 45)]
    return end.join([f"begin 644 {name}", *lines, "`", "end", ""])


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_uuencoded_file_in_the_text_is_an_attachment(end: str) -> None:
    content = bytes(range(256)) * 3
    found = parse(mail(body=f"Before{end}" + uuencoded(content, "my bike.pdf", end) + f"{end}After{end}"))
    assert [(one.name, one.content_type, one.content) for one in found.attachments] == [
        ("my bike.pdf", "application/pdf", content)
    ]
    assert found.text.split() == ["Before", "After"]
    assert not found.defects


def test_two_files_and_a_base64_block() -> None:
    body = (
        uuencoded(b"one", "1.txt")
        + "between\r\n"
        + uuencoded(b"two", "2.txt")
        + "begin-base64 644 3.txt\r\ndGhyZWU=\r\n====\r\n"
    )
    found = parse(mail(body=body))
    assert [(one.name, one.content) for one in found.attachments] == [
        ("1.txt", b"one"),
        ("2.txt", b"two"),
        ("3.txt", b"three"),
    ]
    assert found.text.strip() == "between"


def test_a_yenc_block_is_an_attachment() -> None:
    content = bytes(range(256))
    packed = b"".join(
        b"=" + bytes([(byte + 106) & 255]) if (byte + 42) & 255 in (0, 9, 10, 13, 61) else bytes([(byte + 42) & 255])
        for byte in content
    )
    lines = b"\r\n".join(packed[place : place + 120] for place in range(0, 240, 120)) + b"\r\n" + packed[240:]
    body = b"See:\r\n=ybegin line=128 size=256 name=bytes.bin\r\n" + lines + b"\r\n=yend size=256\r\nBye\r\n"
    found = parse(mail("text/plain; charset=latin1", body))
    assert [(one.name, one.content) for one in found.attachments] == [("bytes.bin", content)]
    assert found.text.split() == ["See:", "Bye"]


@pytest.mark.parametrize(
    "text",
    [
        "begin 644 a story\r\nabout a bike that squeaks\r\nend\r\n",
        "We begin 644 times.\r\nend\r\n",
        uuencoded(b"x" * 90).replace("end", "ned"),
        "begin 644 \r\n#86)C\r\nend",
        "begin-base64 644 x\r\n*** no ***\r\n====\r\n",
        "=ybegin line=128 name=x\r\nnever ends",
    ],
)
def test_what_is_not_evidently_a_block_stays_text(text: str) -> None:
    found = parse(mail(body=text))
    assert not found.attachments
    assert found.text.split() == text.split()


def test_the_name_of_an_embedded_file_is_no_path() -> None:
    assert parse(mail(body=uuencoded(b"x", "../../etc/passwd"))).attachments[0].name == "passwd"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<bold>Now</bold> is the time\nfor <<all>", "Now is the time for <all>"),
        ("<fontfamily><param>Times</param>One</fontfamily>\n\nTwo", "One\nTwo"),
        ("<nofill>a\nb</nofill>\nc", "a\nb c"),
        ("One<nl>Two<lt>x", "One\nTwo<x"),
        ("<param>never closed", ""),
        ("a < b <", "a < b <"),
    ],
)
def test_enriched_text_is_read_as_text(written: str, read: str) -> None:
    assert read_enriched(written) == read


def test_a_mail_in_enriched_text_alone_has_a_body() -> None:
    found = parse(mail("text/enriched", "<bold>Hi</bold>"))
    assert (found.text, found.attachments) == ("Hi", ())
    assert parse(multipart("alternative", TEXT, part("text/enriched", "<bold>Hi</bold>"))).text == "The text"


# -- signed and encrypted --------------------------------------------------------------------------------


def test_smime_signatures_are_kept_and_no_attachments() -> None:
    signature = part("application/pkcs7-signature; name=smime.p7s", "MIIB", Content_Transfer_Encoding="base64")
    found = parse(multipart("signed", nested("mixed", TEXT, IMAGE), signature))
    assert (found.is_signed, found.is_encrypted, found.text) == (True, False, "The text")
    assert [one.name for one in found.attachments] == ["a.png"]
    assert [(one.name, one.size) for one in found.signatures] == [("smime.p7s", 3)]


@pytest.mark.parametrize(
    ("content_type", "is_signed", "is_encrypted"),
    [
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", False, True),
        ("application/x-pkcs7-mime; smime-type=signed-data; name=smime.p7m", True, False),
        ("application/pkcs7-mime; name=smime.p7m", False, True),
        ("application/pkcs7-mime; smime-type=certs-only; name=smime.p7c", False, False),
    ],
)
def test_an_smime_envelope_is_named_and_kept(content_type: str, is_signed: bool, is_encrypted: bool) -> None:
    found = parse(mail(content_type, "MIIB", Content_Transfer_Encoding="base64"))
    assert (found.is_signed, found.is_encrypted) == (is_signed, is_encrypted)
    assert [one.content for one in found.attachments] == [b"0\x82\x01"]


def test_pgp_mime_is_recognised() -> None:
    control = part("application/pgp-encrypted", "Version: 1")
    found = parse(
        multipart(
            "encrypted", control, part("application/octet-stream; name=encrypted.asc", "-----BEGIN PGP MESSAGE-----")
        )
    )
    assert (found.is_signed, found.is_encrypted) == (False, True)
    assert "encrypted.asc" in [one.name for one in found.attachments]


def test_clear_signed_words_are_the_reply_without_their_armour() -> None:
    text = (
        "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nYes, please.\r\n- - one\r\n"
        "-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n-----END PGP SIGNATURE-----\r\n"
    )
    found = parse(mail(body=text))
    assert (found.is_signed, found.is_encrypted) == (True, False)
    assert found.reply_text == "Yes, please.\n- one"
    assert "BEGIN PGP SIGNATURE" in found.text
    assert parse(mail(body="-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n-----END PGP MESSAGE-----")).is_encrypted


# -- pictures --------------------------------------------------------------------------------------------


def test_a_picture_named_by_its_location_is_inline() -> None:
    html = part("text/html", '<p>x<img alt="" src="pics/a.png"><img src=other.png>')
    image = part("image/png", PNG, Content_Location="pics/a.png", Content_Disposition="attachment")
    found = parse(multipart("related", html, image))
    (picture,) = found.attachments
    assert picture.is_inline
    assert f'src="cid:{picture.content_id}"' in found.html
    assert "src=other.png" in found.html


def test_a_reference_decides_what_is_inline_and_not_the_disposition() -> None:
    html = part("text/html", '<img src="cid:img1@x">')
    shown = part("image/png; name=a.png", PNG, Content_ID="<img1@x>", Content_Disposition="attachment")
    hidden = part("image/png; name=b.png", PNG, Content_ID="<img2@x>", Content_Disposition="inline")
    found = parse(multipart("mixed", html, shown, hidden))
    assert [(one.name, one.is_inline) for one in found.attachments] == [("a.png", True), ("b.png", False)]
