from __future__ import annotations

import pytest

from postroom.core.mime.bodies import unflow
from postroom.core.mime.defects import Defect
from postroom.core.mime.parsing import parse
from tests.core.mime.mails import HTML, IMAGE, TEXT, joined, mail, multipart, nested, part


def bodies(raw: bytes) -> tuple[str, str, list[str]]:
    read = parse(raw)
    return read.text, read.html, [attachment.name for attachment in read.attachments]


def test_a_mail_of_one_text_is_that_text() -> None:
    assert bodies(mail("text/plain; charset=iso-8859-1", "Grüße\r\n".encode("latin-1"))) == (
        "Grüße\n",
        "",
        [],
    )


def test_a_mail_of_html_alone_has_no_text_but_a_reply_text() -> None:
    read = parse(mail("text/html", "<p>Blue.</p><div class=gmail_quote>Which colour?</div>"))
    assert (read.text, read.html[:12]) == ("", "<p>Blue.</p>")
    assert read.reply_text == "Blue."


def test_a_single_binary_part_is_an_attachment() -> None:
    assert bodies(mail("application/pdf", "%PDF")) == ("", "", ["attachment.pdf"])


def test_a_text_that_calls_itself_an_attachment_is_one() -> None:
    raw = mail("text/plain", "The list", Content_Disposition="attachment; filename=list.txt")
    assert bodies(raw) == ("", "", ["list.txt"])


def test_alternatives_are_two_forms_of_one_body() -> None:
    assert bodies(multipart("alternative", TEXT, HTML)) == ("The text", "<p>The HTML</p>", [])


def test_of_several_html_alternatives_the_last_is_taken_and_of_texts_the_first() -> None:
    raw = multipart("alternative", TEXT, part("text/plain", "Other"), part("text/html", "<p>Worse</p>"), HTML)
    assert bodies(raw) == ("The text", "<p>The HTML</p>", [])


def test_alternatives_inside_mixed_keep_the_attachments_beside_them() -> None:
    raw = multipart("mixed", nested("alternative", TEXT, HTML), part("application/pdf; name=a.pdf", "%PDF"))
    assert bodies(raw) == ("The text", "<p>The HTML</p>", ["a.pdf"])


def test_mixed_inside_an_alternative_is_a_body_too() -> None:
    raw = multipart("alternative", TEXT, nested("mixed", HTML, part("application/pdf; name=a.pdf", "%PDF"), HTML))
    text, html, names = bodies(raw)
    assert (text, names) == ("The text", ["a.pdf"])
    assert html == "<p>The HTML</p><br>\n<p>The HTML</p>"


def test_related_images_stand_beside_the_html() -> None:
    html = part("text/html", '<p>Look: <img src="cid:img1@x"></p>')
    read = parse(multipart("alternative", TEXT, nested("related", html, IMAGE)))
    assert read.text == "The text"
    assert [(one.name, one.content_id, one.is_inline) for one in read.attachments] == [("a.png", "img1@x", True)]


def test_texts_behind_each_other_are_joined() -> None:
    raw = multipart("mixed", TEXT, part("text/plain", "A footer of the mailing list"))
    assert bodies(raw) == ("The text\n\nA footer of the mailing list\n", "", [])


def test_a_text_footer_behind_html_is_in_both_bodies() -> None:
    text, html, _ = bodies(multipart("mixed", HTML, part("text/plain", "A < footer")))
    assert text == "The HTML\n\nA < footer\n"
    assert html == "<p>The HTML</p><br>\nA &lt; footer"


def test_a_named_text_is_an_attachment() -> None:
    raw = multipart(
        "mixed",
        TEXT,
        part("text/plain; name=notes.txt", "Notes"),
        part("text/html", "<p>x", Content_Disposition="attachment"),
    )
    assert bodies(raw) == ("The text", "", ["notes.txt", "attachment.html"])


def test_an_attached_mail_is_not_walked_into_and_named_after_its_subject() -> None:
    inner = "Subject: =?utf-8?q?Caf=C3=A9?= / menu\r\nContent-Type: text/plain\r\n\r\nInner text"
    read = parse(multipart("mixed", TEXT, part("message/rfc822", inner)))
    assert (read.text, read.html) == ("The text", "")
    assert [(one.name, one.content_type, one.content) for one in read.attachments] == [
        ("Café - menu.eml", "message/rfc822", inner.encode())
    ]
    assert [one.content_type for one in read.report_parts] == ["message/rfc822"]


def test_the_parts_of_a_digest_are_attached_mails() -> None:
    raw = multipart("digest", b"\r\nSubject: One\r\n\r\n1", b"\r\nSubject: Two\r\n\r\n2")
    assert bodies(raw) == ("", "", ["One.eml", "Two.eml"])


def test_a_report_has_its_first_text_and_its_parts() -> None:
    status = "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; bob@x.example\r\nStatus: 5.1.1\r\n"
    read = parse(
        multipart(
            "report",
            nested("alternative", part("text/plain", "It bounced"), part("text/html", "<p>It bounced</p>")),
            part("message/delivery-status", status),
            part("text/plain", "Subject: what was sent"),
            part("message/rfc822", "Message-ID: <9@example.com>\r\n\r\nHi"),
            parameters="; report-type=delivery-status",
        )
    )
    assert (read.text, read.html) == ("It bounced", "<p>It bounced</p>")
    assert read.content_type == "multipart/report"
    assert read.content_params["report-type"] == "delivery-status"
    assert [(one.content_type, one.content[:20]) for one in read.report_parts] == [
        ("message/delivery-status", b"Reporting-MTA: dns; "),
        ("text/plain", b"Subject: what was se"),
        ("message/rfc822", b"Message-ID: <9@examp"),
    ]
    assert read.attachments == ()


def test_a_delivery_status_outside_of_a_report_is_found_too() -> None:
    read = parse(
        multipart(
            "mixed",
            TEXT,
            part("message/delivery-status", "QWN0aW9uOiBmYWlsZWQ=", Content_Transfer_Encoding="base64"),
        )
    )
    assert [(one.content_type, one.content) for one in read.report_parts] == [
        ("message/delivery-status", b"Action: failed")
    ]
    assert [one.name for one in read.attachments] == ["attachment.txt"]


def test_a_calendar_among_alternatives_is_an_attachment() -> None:
    raw = multipart("alternative", TEXT, HTML, part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR"))
    assert bodies(raw) == ("The text", "<p>The HTML</p>", ["invite.ics"])


def test_a_signed_mail_shows_its_content_and_keeps_the_signature() -> None:
    raw = multipart("signed", nested("alternative", TEXT, HTML), part("application/pgp-signature", "-----BEGIN"))
    assert bodies(raw) == ("The text", "<p>The HTML</p>", [])
    mail = parse(raw)
    assert (mail.is_signed, mail.is_encrypted) == (True, False)
    assert [(one.name, one.content) for one in mail.signatures] == [("attachment.asc", b"-----BEGIN")]


def test_an_encrypted_mail_is_kept_as_attachments() -> None:
    raw = multipart(
        "encrypted",
        part("application/pgp-encrypted", "Version: 1"),
        part("application/octet-stream; name=x.asc", "---"),
    )
    assert bodies(raw) == ("", "", ["attachment", "x.asc"])


def test_a_multipart_without_its_boundary_is_read_by_the_one_it_uses() -> None:
    read = parse(mail("multipart/mixed", joined("real", TEXT, HTML)))
    assert (read.text, Defect.BROKEN_BOUNDARY in read.defects) == ("The text\n\nThe HTML\n", True)
    read = parse(mail("multipart/mixed; boundary=other", joined("----real", TEXT)))
    assert (read.text, Defect.BROKEN_BOUNDARY in read.defects) == ("The text", True)


def test_a_multipart_without_any_boundary_is_text() -> None:
    read = parse(mail("multipart/mixed; boundary=x", "Just words\r\n"))
    assert (read.text, read.defects) == ("Just words\n", (Defect.BROKEN_BOUNDARY,))


def test_a_multipart_that_never_closes_is_read_to_its_end() -> None:
    read = parse(mail("multipart/mixed; boundary=b", b"--b\r\n" + TEXT + b"\r\n--b\r\n" + HTML))
    assert (read.text, read.defects) == ("The text\n\nThe HTML\n", (Defect.MISSING_CLOSING_BOUNDARY,))


def test_a_boundary_that_begins_like_the_outer_one_is_another() -> None:
    raw = multipart("mixed", nested("alternative", TEXT, HTML, boundary="b1x"), IMAGE, boundary="b1")
    assert bodies(raw) == ("The text", "<p>The HTML</p>", ["a.png"])


def test_an_inner_multipart_with_the_boundary_of_the_outer_one_loses_nothing() -> None:
    raw = multipart("mixed", nested("alternative", TEXT, HTML, boundary="b1"), IMAGE, boundary="b1")
    text, html, names = bodies(raw)
    assert ("The text" in text, "The HTML" in html, names) == (True, True, ["a.png"])


def test_preamble_and_epilogue_are_not_shown() -> None:
    raw = mail("multipart/mixed; boundary=b", b"This is MIME\r\n" + joined("b", TEXT) + b"The end\r\n")
    assert bodies(raw)[0] == "The text"


def test_transfer_encodings_are_undone() -> None:
    assert (
        parse(mail(body="Gr=C3=\r\n=BC=C3=9Fe= \r\n!", Content_Transfer_Encoding="Quoted-Printable")).text == "Grüße!"
    )
    assert parse(mail(body="R3LDvMOfZQ==", Content_Transfer_Encoding="base64")).text == "Grüße"
    uu = mail(
        "application/x-foo; name=cat",
        "begin 644 cat\r\n#0V%T\r\n`\r\nend\r\n",
        Content_Transfer_Encoding="x-uuencode",
    )
    assert parse(uu).attachments[0].content == b"Cat"
    read = parse(mail(body="Hi", Content_Transfer_Encoding="rot-13"))
    assert (read.text, read.defects) == ("Hi", (Defect.BAD_TRANSFER_ENCODING,))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (b'<meta charset="windows-1251"><p>\xcf\xf0\xe8\xe2\xe5\xf2', "Привет"),
        (b'<?xml version="1.0" encoding="iso-8859-2"?><p>\xb1', "ą"),
        ("<p>Grüße".encode(), "Grüße"),
        (b'<meta charset="utf-16"><p>Hi', "Hi"),
    ],
)
def test_html_without_a_declared_charset_may_name_it_itself(html: bytes, text: str) -> None:
    assert parse(mail("text/html", html)).reply_text == text


def test_an_unknown_charset_is_guessed_and_named() -> None:
    read = parse(mail("text/plain; charset=klingon", "Grüße"))
    assert (read.text, read.defects) == ("Grüße", (Defect.BAD_CHARSET,))


def test_flowed_text_is_joined() -> None:
    flowed = "A soft \nline break.\nA hard one.\n> quoted \n> on\n> hard\n>> deep \nnew\n-- \nBob"
    expected = "A soft line break.\nA hard one.\n> quoted on\n> hard\n>> deep \nnew\n-- \nBob"
    assert unflow(flowed, delete_space=False) == expected
    assert unflow("Japa \nnese", delete_space=True) == "Japanese"
    assert unflow(" >stuffed\n  two", delete_space=False) == ">stuffed\n two"
    read = parse(mail("text/plain; format=Flowed; DelSp=Yes", "Japa \r\nnese\r\n"))
    assert read.text == "Japanese\n"


def test_a_named_text_is_the_body_when_there_is_no_other() -> None:
    raw = multipart("mixed", part("text/plain; name=message.txt", "Words"), part("text/plain; name=b.txt", "File"))
    assert bodies(raw) == ("Words", "", ["b.txt"])
