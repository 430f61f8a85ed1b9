"""A mail that is too large, made again with links in place of its largest files."""

from __future__ import annotations

from hashlib import sha256

import pytest

from postroom.core.mime.composing import OutgoingAttachment, RenderedBody, render_body
from postroom.core.mime.mail_html import take_out_pictures
from postroom.core.mime.parsing import parse
from postroom.core.mime.thinning import (
    LinkedFile,
    TakenApart,
    choose_files,
    spoken_size,
    take_apart,
    thinned,
    wire_size,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 6000


def a_body(
    *sizes: int, html: str = "<p>Hello <b>Carla</b></p>", pictures: tuple[OutgoingAttachment, ...] = ()
) -> RenderedBody:
    files = [
        OutgoingAttachment(name=f"file{size}.bin", content_type="application/octet-stream", content=b"x" * size)
        for size in sizes
    ]
    return render_body(html=html, attachments=[*files, *pictures])


def chosen(body: RenderedBody, limit: int, *, linkable: frozenset[str] | None = None) -> tuple[TakenApart, list[str]]:
    apart = take_apart(body)
    digests = frozenset(file.sha256 for file in apart.files) if linkable is None else linkable
    found = choose_files(apart, size=len(body.body), limit=limit, linkable=digests)
    return apart, [file.name for file in found]


def links(apart: TakenApart, names: list[str]) -> list[LinkedFile]:
    return [
        LinkedFile(
            sha256=file.sha256, name=file.name, size=file.size, url=f"https://desk.example/files/T/{file.name}?a=1&b=2"
        )
        for file in apart.files
        if file.name in names
    ]


def test_the_largest_files_go_first_and_no_more_than_must() -> None:
    body = a_body(30_000, 200_000, 100_000)
    assert chosen(body, 180_000)[1] == ["file200000.bin"]
    assert chosen(body, 60_000)[1] == ["file200000.bin", "file100000.bin"]
    assert chosen(body, 10_000)[1] == ["file200000.bin", "file100000.bin", "file30000.bin"]


def test_when_links_cannot_help_nothing_is_linked() -> None:
    body = a_body(1000, html="<p>" + "long words " * 5000 + "</p>")
    assert chosen(body, 20_000)[1] == []


def test_only_files_that_can_be_had_are_linked() -> None:
    body = a_body(200_000, 100_000)
    only = frozenset((sha256(b"x" * 100_000).hexdigest(),))
    assert chosen(body, 200_000, linkable=only)[1] == []
    assert chosen(body, 320_000, linkable=only)[1] == ["file100000.bin"]


def test_the_estimate_is_never_below_what_a_file_takes() -> None:
    for size in (0, 1, 56, 57, 58, 1000, 99_999):
        body = render_body(
            text="", attachments=[OutgoingAttachment(name="f.bin", content_type="x/y", content=b"x" * size)]
        )
        assert len(body.body) <= wire_size(size) + 300


def test_words_and_other_files_stay_and_the_link_stands_in_both_forms() -> None:
    body = a_body(2000, 90_000)
    apart, names = chosen(body, 20_000)
    made = thinned(apart, links(apart, names), title="Files:", until="until 2026-12-01")
    assert len(made.body) < 20_000
    mail = parse(made.content_headers + b"\r\n" + made.body)
    assert [(file.name, file.size) for file in mail.attachments] == [("file2000.bin", 2000)]
    assert "Hello Carla" in mail.text
    assert (
        "- file90000.bin (90 kB), until 2026-12-01\n  https://desk.example/files/T/file90000.bin?a=1&b=2" in mail.text
    )
    assert "<b>Carla</b>" in mail.html
    assert 'href="https://desk.example/files/T/file90000.bin?a=1&amp;b=2"' in mail.html


def test_the_links_stand_before_the_end_of_a_whole_document() -> None:
    body = a_body(90_000, html="<html><body><p>İ Hello</p></body></html>")
    apart, names = chosen(body, 20_000)
    made = thinned(apart, links(apart, names), title="Files:", until="")
    html = parse(made.content_headers + b"\r\n" + made.body).html
    assert html.rstrip().endswith("</div></body></html>")
    assert "<p>İ Hello</p>" in html


def test_a_picture_goes_last_and_is_shown_from_its_link() -> None:
    from base64 import b64encode

    pictured = take_out_pictures(f'<p><img alt="logo" src="data:image/png;base64,{b64encode(PNG).decode()}"></p>')
    body = a_body(3000, html=pictured.html, pictures=pictured.pictures)
    assert chosen(body, 11_500)[1] == ["file3000.bin"]
    apart, names = chosen(body, 5_000)
    assert names == ["file3000.bin", "picture-1.png"]
    made = thinned(apart, links(apart, names), title="Files:", until="")
    mail = parse(made.content_headers + b"\r\n" + made.body)
    assert mail.attachments == ()
    assert 'src="https://desk.example/files/T/picture-1.png?a=1&amp;b=2"' in mail.html
    assert "picture-1.png (" not in mail.text, "what is shown is not listed"


def test_a_name_with_marks_cannot_break_the_html() -> None:
    apart = take_apart(a_body(90_000))
    link = LinkedFile(
        sha256=apart.files[0].sha256, name='<img src=x onerror="alert(1)">.pdf', size=1, url="https://d.example/x"
    )
    made = thinned(apart, [link], title="Files:", until="")
    assert "<img src=x" not in parse(made.content_headers + b"\r\n" + made.body).html


@pytest.mark.parametrize(("size", "words"), [(0, "1 kB"), (350_000, "350 kB"), (4_200_000, "4.2 MB")])
def test_sizes_are_told_as_people_say_them(size: int, words: str) -> None:
    assert spoken_size(size) == words
