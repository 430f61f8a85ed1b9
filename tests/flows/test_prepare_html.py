"""What a mail's HTML goes through before it leaves: once per message, whoever many its recipients are (O-73, T-172, T-191)."""

from __future__ import annotations

import dataclasses
from email import message_from_bytes
from email.message import Message as Mail

import pytest

from postroom.core.mime.composing import OutgoingAttachment
from postroom.core.terms.addresses import Address
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mail
from postroom.flows.ports import Ports
from postroom.flows.post_message import NewFile, post_message
from postroom.flows.prepare_html import prepare_html
from postroom.store.models import Company, Follower, MessageBody, OutgoingMail, Parameter, Record
from tests.flows.outgoing_mails import HandClock, a_company, a_server, ports_with
from tests.people import add_contact, build_house

pytestmark = pytest.mark.django_db

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


@pytest.fixture
def ports() -> Ports:
    return ports_with(clock=HandClock(), base_url="https://desk.example")


def queued(ports: Ports, company: Company, html: str, *names: str, **more: object) -> OutgoingMail:
    number = enqueue_mail(
        ports,
        MailDraft(
            company_id=company.pk,
            header_from=Address("Alice", "alice", "northwind.example"),
            recipients=[DraftRecipient(name=name, address=f"{name}@reader.example") for name in names or ("carla",)],
            subject="Hello",
            html=html,
            header_message_id="<one@northwind.example>",
            **more,  # type: ignore[arg-type]
        ),
    )
    return OutgoingMail.objects.get(pk=number)


def read(mail: OutgoingMail) -> Mail:
    content = mail.content
    return message_from_bytes(bytes(content.content_headers) + b"\r\n" + bytes(content.body))


def kinds(mail: Mail) -> list[str]:
    return [part.get_content_type() for part in mail.walk()]


def html_of(mail: Mail) -> str:
    part = next(part for part in mail.walk() if part.get_content_type() == "text/html")
    return str(part.get_payload(decode=True), "utf-8")  # type: ignore[arg-type]


def text_of(mail: Mail) -> str:
    part = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
    return str(part.get_payload(decode=True), "utf-8")  # type: ignore[arg-type]


def test_o_73_links_are_made_absolute(ports: Ports) -> None:
    mail = read(queued(ports, a_company(), '<p><a href="/records/5/">here</a></p>'))
    assert 'href="https://desk.example/records/5/"' in html_of(mail)
    assert "[1] https://desk.example/records/5/" in text_of(mail)


def test_the_address_of_the_parameter_counts_before_that_of_the_configuration(ports: Ports) -> None:
    Parameter.objects.create(key="web.base.url", value="https://mail.example/")
    mail = read(queued(ports, a_company(), '<a href="/x">here</a>'))
    assert 'href="https://mail.example/x"' in html_of(mail)


def test_style_sheets_are_written_into_the_elements(ports: Ports) -> None:
    mail = read(queued(ports, a_company(), "<style>p { color: red }</style><p>x</p>"))
    assert '<p style="color: red;">x</p>' in html_of(mail)
    assert "color" not in text_of(mail)


def test_pictures_in_the_html_become_related_parts_and_files_stay_behind_them(ports: Ports) -> None:
    file = OutgoingAttachment(name="a.pdf", content_type="application/pdf", content=b"%PDF")
    mail = read(queued(ports, a_company(), f'<p><img src="{PIXEL}" alt="logo"></p>', attachments=[file]))
    assert kinds(mail) == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/gif", "application/pdf",
    ]  # fmt: skip
    picture = next(part for part in mail.walk() if part.get_content_type() == "image/gif")
    assert picture["Content-ID"].strip("<>") in html_of(mail)
    assert picture.get_content_disposition() == "inline"
    assert text_of(mail).strip() == "logo"


def test_t_172_the_text_stands_before_the_html(ports: Ports) -> None:
    assert kinds(read(queued(ports, a_company(), "<p>x</p>"))) == ["multipart/alternative", "text/plain", "text/html"]


def test_the_work_is_done_once_whatever_the_number_of_recipients(ports: Ports) -> None:
    asked: list[str] = []

    class CountingHtml:
        def sanitize(self, html: str) -> str:
            return ports.html.sanitize(html)

        def inline_css(self, html: str) -> str:
            asked.append(html)
            return ports.html.inline_css(html)

    counting = dataclasses.replace(ports, html=CountingHtml())
    names = [f"customer{number}" for number in range(50)]
    queued(counting, a_company(), "<style>p { color: red }</style><p>x</p>", *names)
    assert len(asked) == 1
    queued(counting, a_company("Second", "second.example"), "<p>x</p>", *names)
    assert len(asked) == 1, "html without style sheets is not looked at"


def test_preparing_twice_changes_nothing(ports: Ports) -> None:
    html = f'<style>b {{ color: red }}</style><b>x</b><a href="/y">y</a><img src="{PIXEL}"><script>alert(1)</script>'
    once = prepare_html(ports, html)
    again = prepare_html(ports, once.html)
    assert again.html == once.html
    assert (len(once.pictures), len(again.pictures)) == (1, 0)
    assert "script" not in once.html


def test_what_a_person_writes_is_kept_with_its_pictures_as_attachments(ports: Ports) -> None:
    house = build_house()
    now = ports.clock.now()
    record = Record.objects.create(company=house.company, kind=house.ticket, title="x", created_at=now, updated_at=now)
    Follower.objects.create(record=record, contact=add_contact("Carla", "carla@customer.example", house.company))
    message = post_message(
        ports,
        record_id=record.pk,
        author=house.alice,
        html=f'<p>Look <img src="{PIXEL}" alt="dot"> <a href="/records/">all</a></p>',
        subject="Two\r\nlines\nBcc: victim@else.example",
        attachments=[NewFile(name="a.txt", content_type="text/plain", content=b"a")],
    )
    body = MessageBody.objects.get(pk=message.pk).html
    picture = message.attachments.get(is_inline=True)
    assert f'src="cid:{picture.content_id}"' in body
    assert 'href="https://desk.example/records/"' in body
    assert message.attachment_count == 2
    a_server()
    (ready,) = claim_and_compose(ports, "w", 10, shelf=Shelf()).ready
    raw = b"".join(ready.wire.chunks)
    mail = message_from_bytes(raw)
    assert mail["Subject"] == "Two lines Bcc: victim@else.example", "T-191: joined by a space"
    assert mail["Bcc"] is None
    assert mail["MIME-Version"] == "1.0"
