"""Bodies in their frames, and files."""

from __future__ import annotations

from hashlib import sha256

import pytest
from django.utils.http import content_disposition_header

from postroom.store.models import Attachment, Company, Member, Message, Record
from postroom.web.frames import download
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

PIXEL = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def record(company: Company) -> Record:
    return seeding.a_record(company, "Poster", contact=seeding.a_contact("Carla", "carla@customer.example"))


def a_file(message: Message, name: str, content_type: str, content: bytes = PIXEL, **more: object) -> Attachment:
    Message.objects.filter(pk=message.pk).update(attachment_count=1)
    assert ports().blobs.put(content) == sha256(content).hexdigest()
    return Attachment.objects.create(
        message=message,
        name=name,
        content_type=content_type,
        size=len(content),
        sha256=sha256(content).hexdigest(),
        **more,
    )


def test_pictures_named_by_content_id_are_fetched_from_us(record: Record, signed_in: SignedIn, bob: Member) -> None:
    html = '<p><img src="cid:logo@x" alt="a"><IMG SRC=\'cid:other%20one\'><img src="cid:unknown"></p>'
    message = seeding.a_message(record, record.contact, html)
    logo = a_file(message, "logo.png", "image/png", content_id="<logo@x>", is_inline=True)
    other = a_file(message, "o.png", "image/png", b"other", content_id="<other one>", is_inline=True)
    page = signed_in(bob).get(f"/message/{message.pk}/body/").content.decode()
    assert f'src="/attachment/{logo.pk}/?inline=1"' in page
    assert f"'/attachment/{other.pk}/?inline=1'" in page
    assert 'src="cid:unknown"' in page


def test_the_quoted_part_is_there_but_folded(record: Record, signed_in: SignedIn, bob: Member) -> None:
    message = seeding.a_message(record, record.contact, "<p>new</p>", quoted="<blockquote>old</blockquote>")
    page = signed_in(bob).get(f"/message/{message.pk}/body/").content.decode()
    assert page.index("new") < page.index("<details>") < page.index("<blockquote>old")
    assert "<details open" not in page


def test_a_message_without_html_shows_its_text(record: Record, signed_in: SignedIn, bob: Member) -> None:
    message = seeding.a_message(record, record.contact, "")
    message.body.text = "1 < 2"
    message.body.save()
    assert "1 &lt; 2" in signed_in(bob).get(f"/message/{message.pk}/body/").content.decode()


def test_a_mail_with_colours_of_its_own_lies_on_white_paper(record: Record, signed_in: SignedIn, bob: Member) -> None:
    plain = seeding.a_message(record, record.contact, "<p>hello</p>")
    coloured = seeding.a_message(record, record.contact, '<p style="color:#333">hello</p>')
    window = signed_in(bob)
    assert 'class="paper"' not in window.get(f"/message/{plain.pk}/body/").content.decode()
    assert 'class="paper"' in window.get(f"/message/{coloured.pk}/body/").content.decode()


def test_the_frame_may_load_nothing_from_elsewhere(record: Record, signed_in: SignedIn, bob: Member) -> None:
    message = seeding.a_message(record, record.contact, '<img src="https://tracker.example/x.png">')
    answer = signed_in(bob).get(f"/message/{message.pk}/body/")
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "'self' data: cid:"
    assert "allow-scripts" not in policy["sandbox"]
    assert answer["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("content_type", "asked", "disposition", "served_as"),
    [
        ("image/png", "?inline=1", "inline", "image/png"),
        ("image/png", "", "attachment", "application/octet-stream"),
        ("image/svg+xml", "?inline=1", "attachment", "application/octet-stream"),
        ("text/html", "?inline=1", "attachment", "application/octet-stream"),
    ],
)
def test_only_plain_pictures_are_shown_and_only_when_a_frame_asks(
    record: Record, signed_in: SignedIn, bob: Member, content_type: str, asked: str, disposition: str, served_as: str
) -> None:
    file = a_file(seeding.a_message(record, record.contact, "x"), "page.html", content_type)
    answer = signed_in(bob).get(f"/attachment/{file.pk}/{asked}")
    assert answer.content == PIXEL
    assert answer["Content-Disposition"].startswith(disposition)
    assert answer["Content-Type"] == served_as
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.case("T-148")
def test_files_of_another_company_are_not_there(
    record: Record, signed_in: SignedIn, mallory: Member, bob: Member
) -> None:
    file = a_file(seeding.a_message(record, record.contact, "x"), "plan.pdf", "application/pdf")
    assert signed_in(mallory).get(f"/attachment/{file.pk}/").status_code == 404
    assert signed_in(bob).get(f"/attachment/{file.pk}/").status_code == 200


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\plan.pdf", "plan.pdf"),
        ("a\r\nSet-Cookie: x=1", "a Set-Cookie_ x=1"),
        ("plan\u202efdp.exe", "plan_fdp.exe"),
        ("...", "file"),
        ("", "file"),
        ("Rechnung für März.pdf", "Rechnung für März.pdf"),
    ],
)
def test_a_name_of_a_file_is_only_a_name(name: str, clean: str) -> None:
    assert download(b"x", name)["Content-Disposition"] == content_disposition_header(as_attachment=True, filename=clean)
