from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from postroom.core.mime.composing import (
    MailHeaders,
    OutgoingAttachment,
    format_date,
    needs_smtputf8,
    render_body,
    render_headers,
    splice,
)
from postroom.core.mime.parsing import parse
from postroom.core.terms.addresses import Address

ALICE = Address("Alice", "alice", "shop.example")
BOB = Address("", "bob", "customer.example")
NOON = datetime(2024, 1, 2, 12, 0, tzinfo=UTC)


def headers(**fields: object) -> MailHeaders:
    plain: dict[str, object] = {
        "header_from": ALICE,
        "to": (BOB,),
        "message_id": "<1@shop.example>",
        "date": NOON,
    }
    return MailHeaders(**{**plain, **fields})  # type: ignore[arg-type]


def field(mail: MailHeaders, name: str) -> str:
    """The raw field, folds included."""
    unfolded = render_headers(mail).decode().replace("\r\n ", "\x00")
    return next(line for line in unfolded.split("\r\n") if line.startswith(name + ":")).replace("\x00", "\r\n ")


def test_a_whole_mail_looks_as_it_should() -> None:
    mail = headers(
        subject="Your bike",
        reply_to=(Address("Shop", "reply+t", "shop.example"),),
        references=("<0@shop.example>",),
    )
    head, body = splice(render_headers(mail), render_body(text="Ready.", html="<p>Ready.</p>"))
    boundary = head.rpartition(b'boundary="')[2].partition(b'"')[0]
    assert head == (
        b"From: Alice <alice@shop.example>\r\nTo: bob@customer.example\r\nReply-To: Shop "
        b"<reply+t@shop.example>\r\n"
        b"Subject: Your bike\r\nMessage-ID: <1@shop.example>\r\nDate: Tue, 02 Jan 2024 12:00:00 +0000\r\n"
        b"References: <0@shop.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative;\r\n boundary="' + boundary + b'"\r\n\r\n'
    )
    assert body == (
        b"--"
        + boundary
        + b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nReady.\r\n"
        b"\r\n--" + boundary + b"\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        b"<p>Ready.</p>\r\n\r\n--" + boundary + b"--\r\n"
    )


def test_equal_input_gives_equal_bytes() -> None:
    files = (OutgoingAttachment(name="a.bin", content_type="", content=bytes(range(256))),)
    first = render_body(text="Grüße", html="<p>Grüße</p>", attachments=files)
    assert first == render_body(text="Grüße", html="<p>Grüße</p>", attachments=files)
    assert first.content_headers != render_body(text="Grüße!", html="<p>Grüße</p>", attachments=files).content_headers


def test_a_boundary_never_occurs_in_what_it_divides() -> None:
    once = render_body(text="x", html="<p>x</p>")
    boundary = once.content_headers.rpartition(b'boundary="')[2].partition(b'"')[0].decode()
    forged = f"x\r\n--{boundary}\r\nContent-Type: text/html\r\n\r\nforged"
    read = parse(b"".join(splice(render_headers(headers()), render_body(text=forged, html="<p>x</p>"))))
    assert read.text == forged.replace("\r\n", "\n") + "\n"
    assert read.html == "<p>x</p>\n"


def test_without_html_a_mail_is_one_text() -> None:
    body = render_body(text="Ready.")
    assert body.content_headers.startswith(b"Content-Type: text/plain; charset=utf-8\r\n")
    assert body.body == b"Ready.\r\n"


def test_without_a_text_it_is_made_from_the_html_with_links_as_footnotes() -> None:
    body = render_body(html='<p>See <a href="https://shop.example/42">your order</a></p>')
    read = parse(b"".join(splice(render_headers(headers()), body)))
    assert read.text == "See your order [1]\n\n[1] https://shop.example/42\n"


def test_an_empty_looking_html_gives_an_empty_text() -> None:
    read = parse(b"".join(splice(render_headers(headers()), render_body(html="<p><br></p>"))))
    assert (read.text, read.html) == ("", "<p><br></p>\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain", b"7bit"),
        ("x" * 901, b"quoted-printable"),
        ("Grüße aus dem Laden, wir freuen uns auf Bob", b"quoted-printable"),
        ("Привет", b"base64"),
        ("a\0b is odd, but it has to travel", b"quoted-printable"),
    ],
)
def test_the_shortest_safe_transfer_encoding_is_taken(text: str, encoding: bytes) -> None:
    body = render_body(text=text)
    assert body.content_headers.endswith(b"Content-Transfer-Encoding: " + encoding + b"\r\n")
    assert max(map(len, body.body.split(b"\r\n"))) <= 998


def test_images_that_the_html_shows_travel_with_it_and_others_behind() -> None:
    shown = OutgoingAttachment(name="logo.png", content_type="image/png", content=b"\x89PNG", content_id="<logo@shop>")
    other = OutgoingAttachment(name="Rechnung Nr. 5 für März.pdf", content_type="application/pdf", content=b"%PDF")
    body = render_body(text="Look", html='<img src="cid:logo@shop">', attachments=(shown, other))
    assert body.content_headers.startswith(b"Content-Type: multipart/mixed;")
    assert b'Content-Type: multipart/related; type="text/html";' in body.body
    assert b"Content-ID: <logo@shop>" in body.body
    read = parse(b"".join(splice(render_headers(headers()), body)))
    assert [(one.name, one.content, one.is_inline, one.content_id) for one in read.attachments] == [
        ("logo.png", b"\x89PNG", True, "logo@shop"),
        ("Rechnung Nr. 5 für März.pdf", b"%PDF", False, ""),
    ]


def test_two_equal_images_of_which_one_is_shown_are_both_sent() -> None:
    files = tuple(
        OutgoingAttachment(name="a.png", content_type="image/png", content=b"x", content_id=content_id)
        for content_id in ("a", "b")
    )
    read = parse(b"".join(splice(render_headers(headers()), render_body(html="<img src='cid:a'>", attachments=files))))
    assert [one.is_inline for one in read.attachments] == [True, False]


def test_an_attached_mail_travels_as_it_is_or_as_a_file() -> None:
    plain = OutgoingAttachment(name="a.eml", content_type="message/rfc822", content=b"Subject: x\r\n\r\nHi\r\n")
    eight_bit = OutgoingAttachment(name="b.eml", content_type="message/rfc822", content="Subject: ä\r\n\r\nHi".encode())
    read = parse(b"".join(splice(render_headers(headers()), render_body(text="See", attachments=(plain, eight_bit)))))
    assert [(one.content_type, one.content) for one in read.attachments] == [
        ("message/rfc822", plain.content),
        ("application/octet-stream", eight_bit.content),
    ]


def test_dates_are_written_in_utc_and_in_english() -> None:
    assert (
        format_date(datetime(2024, 5, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))))
        == "Tue, 30 Apr 2024 23:02:03 +0000"
    )


def test_names_are_atoms_quoted_strings_or_encoded_words() -> None:
    names = ["Alice", "Alice B", "B., Alice", 'A "B" C', "Ålice", "=?fake?q?word?="]
    assert [field(headers(header_from=Address(name, "a", "shop.example")), "From") for name in names] == [
        "From: Alice <a@shop.example>",
        "From: Alice B <a@shop.example>",
        'From: "B., Alice" <a@shop.example>',
        'From: "A \\"B\\" C" <a@shop.example>',
        "From: =?utf-8?q?=C3=85lice?= <a@shop.example>",
        "From: =?utf-8?b?PT9mYWtlP3E/d29yZD89?= <a@shop.example>",
    ]


def test_local_parts_are_quoted_where_they_must_be_and_domains_become_a_labels() -> None:
    written = [
        ("a.b+c", "x.example"),
        ("a b", "x.example"),
        ('"a b"', "x.example"),
        ('"a"b', "x.example"),
        ("a", "Bücher.example"),
    ]
    assert [field(headers(header_from=Address("", *one)), "From") for one in written] == [
        "From: a.b+c@x.example",
        'From: "a b"@x.example',
        'From: "a b"@x.example',
        'From: "\\"a\\"b"@x.example',
        "From: a@xn--bcher-kva.example",
    ]


def test_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    mail = headers(to=(Address("Bob", "böb", "x.example"),))
    assert needs_smtputf8(mail)
    assert "To: Bob <böb@x.example>\r\n".encode() in render_headers(mail)
    assert not needs_smtputf8(headers(to=(Address("Böb", "bob", "bücher.example"),)))


def test_a_list_of_recipients_is_folded_between_mailboxes() -> None:
    to = tuple(Address(f"Customer Number {number}", f"customer{number}", "x.example") for number in range(5))
    lines = field(headers(to=to), "To").split("\r\n")
    assert len(lines) > 2
    assert all(len(line) <= 78 for line in lines)
    assert all(line.endswith(",") for line in lines[:-1])


def test_identifiers_stay_on_one_line_while_it_is_legal() -> None:
    few = tuple(f"<{number}@shop.example>" for number in range(20))
    assert field(headers(references=few), "References") == "References: " + " ".join(few)
    many = tuple(f"<{'x' * 60}{number}@shop.example>" for number in range(30))
    lines = field(headers(references=many), "References").split("\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert " ".join(" ".join(lines).split()[1:]) == " ".join(many)


def test_a_long_subject_is_folded_at_78_and_a_long_word_is_cut_into_encoded_words() -> None:
    subject = field(headers(subject="word " * 60), "Subject")
    assert max(map(len, subject.split("\r\n"))) <= 78
    endless = field(headers(subject="x" * 2000), "Subject")
    assert max(map(len, endless.split("\r\n"))) <= 78
    assert parse(render_headers(headers(subject="x" * 2000)) + b"\r\n").subject == "x" * 2000


@pytest.mark.parametrize(
    "poison",
    ["a\r\nBcc: evil@x.example", "a\nBcc: evil@x.example", "a\rBcc: evil@x.example", "a\0\r\n\r\nBody"],
)
def test_no_value_can_inject_a_field(poison: str) -> None:
    mail = headers(
        header_from=Address(poison, poison, "x.example" + poison),
        to=(Address(poison, poison, poison),),
        subject=poison,
        message_id=f"<{poison}>",
        references=(poison,),
        in_reply_to=(poison,),
        extra=(
            (poison, "x"),
            ("X-Note", poison),
            ("Bcc", "evil@x.example"),
            ("Subject", "second"),
            ("", "x"),
            ("X Y", "z"),
        ),
    )
    files = (OutgoingAttachment(name=poison, content_type=poison, content=b"x", content_id=poison),)
    raw = b"".join(splice(render_headers(mail), render_body(text="x", html="cid:a", attachments=files)))
    read = parse(raw)
    names = [
        "From",
        "To",
        "Subject",
        "Message-ID",
        "Date",
        "In-Reply-To",
        "References",
        "X-Note",
        "MIME-Version",
        "Content-Type",
    ]
    assert [name for name, _ in read.headers] == names
    assert read.text == "x\n"
    assert len(read.attachments) == 1


def test_an_extra_field_is_written_as_given() -> None:
    mail = headers(
        extra=(
            ("List-Unsubscribe", "<https://shop.example/u/1>, <mailto:u@shop.example>"),
            ("Precedence", "list"),
        )
    )
    assert field(mail, "List-Unsubscribe") == "List-Unsubscribe: <https://shop.example/u/1>, <mailto:u@shop.example>"
    assert field(mail, "Precedence") == "Precedence: list"


def test_the_parameters_of_an_attachments_type_travel_with_it() -> None:
    invite = OutgoingAttachment(
        name="invite.ics", content_type="text/calendar; method=REQUEST", content="SUMMARY:Größe".encode()
    )
    latin = OutgoingAttachment(name="a.csv", content_type="text/csv; charset=iso-8859-1", content=b"Gr\xf6\xdfe")
    body = render_body(text="See", attachments=(invite, latin)).body
    assert b'Content-Type: text/calendar;\r\n method="REQUEST";\r\n charset="utf-8";\r\n name="invite.ics"\r\n' in body
    assert b'Content-Type: text/csv;\r\n charset="iso-8859-1";\r\n name="a.csv"\r\n' in body


@pytest.mark.case("T-124")
def test_a_return_path_is_the_envelopes_and_never_a_field_of_the_mail() -> None:
    extra = (("Return-Path", "<bounce@shop.example>"), ("return-path", "<>"), ("X-Order", "7"))
    written = render_headers(headers(extra=extra)).lower()
    assert b"return-path" not in written
    assert b"x-order: 7" in written


@pytest.mark.case("T-142")
def test_an_emoji_in_a_local_part_is_kept() -> None:
    happy, sad = Address("Bob", "bob.😊", "customer.example"), Address("", "😢", "customer.example")
    mail = headers(to=(happy,), cc=(sad,))
    assert field(mail, "To") == "To: Bob <bob.😊@customer.example>"
    assert field(mail, "Cc") == "Cc: 😢@customer.example"
    assert needs_smtputf8(mail)


@pytest.mark.case("T-172")
def test_the_text_stands_before_the_html_and_the_mail_alone_names_the_version_of_mime() -> None:
    whole = b"".join(splice(render_headers(headers()), render_body(html="<p>Ready, <b>Bob</b>.</p>")))
    assert whole.index(b"Content-Type: text/plain") < whole.index(b"Content-Type: text/html")
    assert whole.count(b"MIME-Version: 1.0\r\n") == 1
    assert whole.index(b"MIME-Version") < whole.index(b"\r\n\r\n")
