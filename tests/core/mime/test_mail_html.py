"""Links made absolute and pictures taken out of the HTML, whatever the HTML is."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.mime.composing import OutgoingAttachment, render_body
from postroom.core.mime.mail_html import MAX_PICTURES, absolute_links, picture_type, take_out_pictures
from postroom.core.mime.parsing import parse

BASE = "https://desk.example"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
GIF = b"GIF89a" + bytes(range(20))


def data(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('<a href="/records/5/">', '<a href="https://desk.example/records/5/">'),
        ("<a href=/records/5/>", '<a href="https://desk.example/records/5/">'),
        ("<img src='pic.png'>", '<img src="https://desk.example/pic.png">'),
        ('<a HREF = "/x?a=1&amp;b=2">', '<a HREF = "https://desk.example/x?a=1&amp;b=2">'),
        ('<a href="//cdn.example/y">', '<a href="https://cdn.example/y">'),
        ('<td background="/b.png">', '<td background="https://desk.example/b.png">'),
        ('<a href="../up">', '<a href="https://desk.example/up">'),
    ],
)
def test_a_relative_address_is_resolved(written: str, expected: str) -> None:
    assert absolute_links(written + "x", BASE) == expected + "x"


@pytest.mark.parametrize(
    "kept",
    [
        '<a href="https://else.example/x">x</a>',
        '<a href="mailto:carla@customer.example">x</a>',
        '<a href="tel:+4930">x</a>',
        '<a href="#part">x</a>',
        '<a href="">x</a>',
        '<img src="cid:logo@postroom">',
        "<p>href=/not/a/tag</p>",
        '<a href="//[broken">x</a>',
        '<!-- <a href="/comment"> -->',
    ],
)
def test_what_needs_no_base_stays_as_it_is(kept: str) -> None:
    assert absolute_links(kept, BASE) == kept


def test_without_a_base_nothing_changes() -> None:
    assert absolute_links('<a href="/x">', "") == '<a href="/x">'


def test_what_only_looks_like_an_attribute_inside_another_is_left_alone() -> None:
    """Or a stranger's title would become attributes of his choice."""
    html = "<p title=\"x href='a onload=alert(1)'\">y</p>"
    assert absolute_links(html, BASE) == html


def test_a_quotation_mark_in_an_address_cannot_end_its_attribute() -> None:
    assert absolute_links("<a href='/x\" onclick=\"y'>z</a>", BASE) == (
        '<a href="https://desk.example/x&quot; onclick=&quot;y">z</a>'
    )


def test_a_picture_in_the_html_becomes_a_part_of_its_own() -> None:
    found = take_out_pictures(f'<p>Look <img alt="lamp" src="{data(PNG)}" width="5"> here</p>')
    (picture,) = found.pictures
    assert (picture.content, picture.content_type, picture.name) == (PNG, "image/png", "picture-1.png")
    assert found.html == f'<p>Look <img alt="lamp" src="cid:{picture.content_id}" width="5"> here</p>'
    mail = parse(_raw(found.html, found.pictures))
    assert [(one.content, one.is_inline) for one in mail.attachments] == [(PNG, True)]


def _raw(html: str, pictures: tuple[OutgoingAttachment, ...]) -> bytes:
    body = render_body(html=html, attachments=pictures)
    return body.content_headers + b"\r\n" + body.body


def test_the_same_picture_twice_travels_once() -> None:
    found = take_out_pictures(f"<img src='{data(PNG)}'><img src={data(PNG)}><img src='{data(GIF, 'image/gif')}'>")
    assert [one.content_type for one in found.pictures] == ["image/png", "image/gif"]
    assert found.html.count("cid:") == 3


def test_a_picture_is_what_its_bytes_say_it_is() -> None:
    (picture,) = take_out_pictures(f'<img src="{data(GIF, "image/png")}">').pictures
    assert picture.content_type == "image/gif"


@pytest.mark.parametrize(
    "address",
    [
        "data:image/svg+xml,<svg onload=alert(1)>",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/png;base64,!!!",
        "data:image/png;base64,",
        "data:,",
        "DATA:image/png;base64,AAAA",
        "data:image/png;base64," + "A" * 50,
    ],
)
def test_what_is_no_picture_leaves_its_words(address: str) -> None:
    found = take_out_pictures(f"<p><img alt='a &lt;lamp&gt;' src='{address}'>.</p>")
    assert found.html == "<p>a &lt;lamp&gt;.</p>"
    assert found.pictures == ()


def test_the_number_of_pictures_is_bounded() -> None:
    html = "".join(f'<img src="{data(PNG + str(number).encode())}">' for number in range(MAX_PICTURES + 5))
    found = take_out_pictures(html)
    assert len(found.pictures) == MAX_PICTURES
    assert "data:" not in found.html


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF1234WEBPVP8", "image/webp"),
        (b"RIFF1234WAVE", ""),
        (b"<svg", ""),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(content: bytes, kind: str) -> None:
    assert picture_type(content) == kind


@given(st.text(alphabet="<>aimgsrchef=\"'/:data,;base64 #&x\n", max_size=200))
def test_no_html_is_too_strange(html: str) -> None:
    absolute_links(html, BASE)
    take_out_pictures(html)
