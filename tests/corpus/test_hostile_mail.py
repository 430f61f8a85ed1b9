"""Any bytes are read, and a hostile mail costs about what a friendly one of its size does.

Times are printed; what ends an endless one is the deadline of the test.
"""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.core.mime.defects import Defect
from postroom.core.mime.headers import MAX_BLOCK, MAX_FIELDS
from postroom.core.mime.html_quotes import separate_html_reply
from postroom.core.mime.mailboxes import MAX_ADDRESSES
from postroom.core.mime.markup import html_to_text, text_to_html
from postroom.core.mime.parsing import parse, parse_headers
from postroom.core.mime.parts import MAX_DEPTH, MAX_PARTS
from postroom.core.mime.quotes import separate_reply
from tests.corpus.wholeness import assert_whole

CALM = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
MB = 1024 * 1024

SEED = b"\r\n".join(
    [
        b"Return-Path: <bob@customer.example>",
        b"Received: from a (b [192.0.2.1])\r\n\tby c; Tue, 2 Jan 2024 15:04:05 +0000",
        b"From: =?UTF-8?B?Qm9iIEvDvG1tZXI=?= <bob@customer.example>",
        b'To: "Support, Team" <support@example.com>, alice@example.com',
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from Bob",
        b"Message-ID: <1@customer.example>",
        b"Date: Tue, 2 Jan 2024 16:03:54 +0100",
        b'Content-Type: multipart/mixed; boundary="outer"',
        b"",
        b"preamble",
        b"--outer",
        b"Content-Type: multipart/alternative; boundary=inner",
        b"",
        b"--inner",
        b"Content-Type: text/plain; charset=iso-8859-1; format=flowed",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b"Gr=FC=DFe \r\n\r\nOn Monday, 1 Jan 2024 at 10:00, Alice <alice@example.com> wrote:\r\n> Hello",
        b"--inner",
        b"Content-Type: text/html; charset=utf-8",
        b"Content-Transfer-Encoding: base64",
        b"",
        b"PHA+R3LDvMOfZTwvcD48YmxvY2txdW90ZSB0eXBlPWNpdGU+SGVsbG88L2Jsb2NrcXVvdGU+",
        b"--inner--",
        b"--outer",
        b"Content-Type: image/png; name*0*=utf-8''%c3%a4; name*1=.png",
        b"Content-ID: <a@b>",
        b"Content-Disposition: inline",
        b"Content-Transfer-Encoding: base64",
        b"",
        b"iVBORw0KGgo=",
        b"--outer",
        b"Content-Type: message/rfc822",
        b"",
        b"Subject: inner\r\n\r\nText",
        b"--outer--",
        b"",
    ]
)
SPICES = [
    b"=?utf-8?q?", b"?=", b"\r\n\r\n", b"\n", b"\r", b"\0", b"--outer", b"--inner--", b'"', b"\\", b"(", b"<",
    b";", b"\xff\xfe", b"\xc3", b"*0*=", b"charset=utf-7", b"charset=utf-16", b"charset=punycode", b"&#9" * 9,
    b"<!--", b"\nContent-Type: multipart/mixed; boundary=outer", b"\nDate: Fri, 99 Foo 99999 99:99:99 +9999",
    b"\nbegin 644 x\n#", b"\n> ", b" wrote:\n",
]  # fmt: skip
LINES = [
    "> a", "On 1.2.2024 10:00 Bob <b@x.example> wrote:", "", "-- ", "From: Bob <b@x.example>", "Sent: 2024",
    "Subject: x", "words", "words--- On Mon, 1 Jan 2024 10:00, b@x.example wrote:", "____",
    "Sent from my iPhone",
]  # fmt: skip
MARKUP = [
    "<p>", "</p>", "<div class=gmail_quote>", "</div>", "<blockquote>", "</blockquote>", "<", ">", "<!--",
    "-->", "On 1.2.2024 10:00 b@x.example wrote:", "words", "<script>", '"', "&#99999999999;",
    "<div id=appendonsend>",
]  # fmt: skip


@CALM
@given(raw=st.binary(max_size=2000))
def test_any_bytes_are_read(raw: bytes) -> None:
    assert_whole(parse(raw))
    assert_whole(parse_headers(raw))


@pytest.mark.slow
@CALM
@given(data=st.data())
def test_a_mail_with_damage_is_read(data: st.DataObject) -> None:
    raw = bytearray(SEED)
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.sampled_from([0, 0, 1, 20, 300])))
        raw[start:end] = data.draw(st.sampled_from(SPICES) | st.binary(max_size=8))
    mail = parse(bytes(raw))
    assert_whole(mail)
    assert parse_headers(bytes(raw)).headers == mail.headers


@CALM
@given(text=st.text(max_size=400) | st.lists(st.sampled_from(LINES), max_size=14).map("\n".join))
def test_every_character_of_a_text_is_in_the_reply_the_quotation_or_the_signature(text: str) -> None:
    parts = separate_reply(text)
    assert sorted("".join((parts.reply + parts.quoted + parts.signature).split())) == sorted("".join(text.split()))


@pytest.mark.slow
@CALM
@given(html=st.lists(st.sampled_from(MARKUP) | st.text(max_size=8), max_size=25).map("".join))
def test_any_html_is_read_and_no_character_is_lost_between_fresh_and_quoted(html: str) -> None:
    fresh, quoted = separate_html_reply(html)
    assert sorted(fresh + quoted) == sorted(html)
    html_to_text(html, footnotes=True)


def bomb(name: str, raw: bytes) -> object:
    return pytest.param(raw, id=name)


def nested(depth: int) -> bytes:
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return b"From: bob@x.example\n" + opening + b"\nDeep inside\n"


LINKS = b"".join(b"<a href=http://x/%d>a</a>" % number for number in range(60_000))
BOMBS = [
    bomb("a header of 5 MB", b"Subject: " + b"a " * (5 * MB // 2) + b"\n\nHi"),
    bomb("a header block of 5 MB", b"X: y\n" * MB + b"\nHi"),
    bomb("5 MB without a line break", b"a" * 5 * MB),
    bomb("5 MB of line breaks", b"\n" * 5 * MB),
    bomb("5 MB of spaces", b"A: b\n" + b" " * 5 * MB),
    bomb("encoded words that never close", b"Subject: " + b"=?a?q?" * 100_000 + b"\n\nHi"),
    bomb("quotes that never close", b"To: " + b'"\\' * 100_000 + b"\n\nHi"),
    bomb("comments that never close", b"To: " + b"(" * 200_000 + b"\n\nHi"),
    bomb("brackets that never close", b"To: " + b'<"' * 100_000 + b"\n\nHi"),
    bomb("a million parameters", b"Content-Type: text/plain" + b"; a=b" * 200_000 + b"\n\nHi"),
    bomb("parameters without a value", b"Content-Type: text/plain; " + b"a" * 200_000 + b"\n\nHi"),
    bomb("10,000 addresses", b"To: " + b"bob@x.example, " * 10_000 + b"\n\nHi"),
    bomb("10,000 parts", b"Content-Type: multipart/mixed; "
                         b"boundary=a\n\n" + b"--a\n\nHi\n" * 10_000 + b"--a--\n"),
    bomb("200,000 delimiters", b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 200_000),
    bomb("delimiters that are none", b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--ab\n" * 500_000),
    bomb("a boundary that is only spaces behind it", b"Content-Type: multipart/mixed\n\n--a" + b" " * 4 * MB),
    bomb("multiparts nested 2,000 deep", nested(2_000)),
    bomb("multiparts nested in themselves", b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 20_000),
    bomb("base64 with padding everywhere", b"Content-Transfer-Encoding: base64\n\n" + b"YQ==" * MB),
    bomb("quoted-printable soft breaks", b"Content-Transfer-Encoding: "
                                         b"quoted-printable\n\n" + b"= " * (2 * MB)),
    bomb("uuencoded lines", b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n" + b"#86)C\n" * 300_000),
    bomb("format=flowed", b"Content-Type: text/plain; format=flowed\n\n" + b">a \n" * 500_000),
    bomb("a quotation in every second line", b"\n" + b"words\n> quoted\n" * 200_000),
    bomb("attributions without end", b"\n" + b"On 1.2.2024 10:00 bob@x.example wrote:\n" * 50_000),
    bomb("labels without end", b"\n" + b"From: a@b.example\nSent: 2024\n" * 50_000),
    bomb("a line of dashes and a colon", b"\n" + b"-" * MB + b":"),
    bomb("HTML tags that never close", b"Content-Type: text/html\n\n" + b'<a "' * MB),
    bomb("HTML comments that never close", b"Content-Type: text/html\n\n" + b"<!-- <p>" * 500_000),
    bomb("HTML block quotations", b"Content-Type: text/html\n\n" + b"<blockquote>On 1.1.2024 a" * 100_000),
    bomb("HTML lists", b"Content-Type: text/html\n\n" + b"<ul><li>a" * 200_000),
    bomb("HTML links", b"Content-Type: text/html\n\n" + LINKS),
    bomb("a character reference of a million digits", b"Content-Type: text/html\n\n<p>&#" + b"9" * MB + b";"),
    bomb("an XHTML charset of punycode", b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * MB),
]  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("raw", BOMBS)
@pytest.mark.slow
def test_a_hostile_mail_is_read_in_bounded_time(raw: bytes, request: pytest.FixtureRequest) -> None:
    begun = perf_counter()
    mail = parse(raw)
    print(f"{request.node.callspec.id}: {len(raw) / MB:.1f} MB in {perf_counter() - begun:.3f} s")
    assert_whole(mail)
    assert len(mail.headers) <= MAX_FIELDS
    assert sum(len(name) + len(value) for name, value in mail.headers) <= MAX_BLOCK
    assert len(mail.to) <= MAX_ADDRESSES
    assert len(mail.attachments) + len(mail.report_parts) <= 2 * MAX_PARTS


def test_what_lies_deeper_than_the_limit_stays_readable_as_an_attachment() -> None:
    mail = parse(nested(MAX_DEPTH + 10))
    assert Defect.TOO_DEEP in mail.defects
    assert any(b"Deep inside" in attachment.content for attachment in mail.attachments)


def test_parts_beyond_the_limit_are_named_not_read() -> None:
    mail = parse(b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nHi\n" * 10_000 + b"--a--\n")
    assert Defect.TOO_MANY_PARTS in mail.defects
    assert mail.text.count("Hi") == MAX_PARTS - 1


def test_header_lines_beyond_the_limit_are_named_not_read() -> None:
    mail = parse(b"X: y\n" * 100_000 + b"\nHi")
    assert Defect.HEADERS_TOO_LARGE in mail.defects
    assert mail.text == "Hi"


@pytest.mark.parametrize(
    "tag", ["<p>", "<a ", '<a "', "<!--", "<!", "</", "<", "&#", "<ul>", "<blockquote>", "<style>", "<a b='"]
)
@pytest.mark.slow
def test_markup_of_one_kind_is_read_in_bounded_time(tag: str) -> None:
    begun = perf_counter()
    html = tag * (MB // len(tag))
    html_to_text(html, footnotes=True)
    text_to_html(html)
    separate_html_reply(html)
    print(f"{tag}: {perf_counter() - begun:.3f} s")
