"""Pictures from elsewhere: left out until a reader asks, then fetched by us, over addresses that only we can write."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.test import Client

from postroom import wiring
from postroom.adapters.fetching.pictures import PictureFetcher
from postroom.core.mime.remote_images import MOST, has_remote_images, with_remote_images, without_remote_images
from postroom.store.models import Company, Contact, InboundMessage, Member, Message, Parameter, Record, TrustedPictures
from tests.laboratory.pictures import PNG, PictureServer, says
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer({"/a.png?to=carla&n=1": says(), "/page": says(b"<html>", "text/html")}) as server:
        yield server


@pytest.fixture
def carla(company: Company) -> Contact:
    return seeding.a_contact("Carla Conti", "carla@customer.example", company)


@pytest.fixture
def record(company: Company, carla: Contact) -> Record:
    return seeding.a_record(company, "Poster", contact=carla)


@pytest.fixture
def message(record: Record, carla: Contact, server: PictureServer, company: Company) -> Message:
    address = server.url("/a.png?to=carla&amp;n=1")
    said = f'<p>Look: <img src="{address}" alt="colours"></p>'
    quoted = f'<img src="{server.url("/page")}">'
    return seeding.a_message(record, carla, said, quoted=quoted, inbound=came_in(company, "proven"))


def came_in(company: Company, proof: str | None) -> InboundMessage:
    """A mail, with what was found of its author."""
    return seeding.an_inbound(
        company, "Poster", b"From: carla@customer.example", authentication=proof and {"proof": proof}
    )


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


def allow_loopback() -> None:
    Parameter.objects.create(key="mail.images.private_networks", value="127.0.0.0/8")


def body(window: Client, message: Message, query: str = "") -> str:
    return str(window.get(f"/message/{message.pk}/body/{query}").content.decode())


def ask(window: Client, message: Message, **how: str) -> str:
    """Show images: the query of the frame that comes instead."""
    piece = window.post(f"/message/{message.pk}/images/", how, headers=HTMX).content.decode()
    found = re.search(rf'src="/message/{message.pk}/body/([^"]*)"', piece)
    assert found is not None
    return html.unescape(found[1])


def ways(said: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'<img[^>]* src="([^"]+)"', said)]


def test_nothing_is_fetched_and_no_address_is_left_before_a_reader_asks(
    window: Client, message: Message, server: PictureServer
) -> None:
    answer = window.get(f"/message/{message.pk}/body/")
    said = answer.content.decode()
    assert "127.0.0.1" not in said
    assert said.count("data-remote") >= 2
    assert "img-src 'self'" in answer["Content-Security-Policy"]
    assert server.asked == []


def test_pictures_come_over_us_when_a_reader_asks(window: Client, message: Message, server: PictureServer) -> None:
    allow_loopback()
    said = body(window, message, ask(window, message))
    assert "127.0.0.1" not in said
    assert server.asked == [], "not before the frame shows them"
    picture, page = ways(said)
    answer = window.get(picture)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, PNG, "image/png")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "private, max-age=86400"
    assert window.get(page).status_code == 404, "no picture, whatever it is called"
    assert body(window, message).count("data-remote") >= 2, "asked for one message, for an hour, by one reader"


def test_without_an_allowance_our_own_network_is_not_asked(
    window: Client, message: Message, server: PictureServer
) -> None:
    picture = ways(body(window, message, ask(window, message)))[0]
    answer = window.get(picture)
    assert answer.status_code == 404
    assert b"not a public one" in answer.content
    german = window.get(picture, headers={"Accept-Language": "de"})
    assert "Die Adresse ist keine öffentliche." in german.content.decode()
    assert server.asked == []


def test_no_other_address_is_fetched_and_no_other_message_shown(
    window: Client, message: Message, record: Record, carla: Contact, bob: Member, mallory: Member, signed_in: SignedIn
) -> None:
    allow_loopback()
    other = seeding.a_message(record, carla, '<img src="https://a.example/x.png">')
    leave = ask(window, message)
    picture = ways(body(window, message, leave))[0]
    signed = picture.split("at=")[1]
    assert window.get(f"/message/{other.pk}/picture/?at={signed}").status_code == 404
    assert window.get(f"/message/{message.pk}/picture/?at={signed[:-2]}xx").status_code == 404
    assert window.get(f"/message/{message.pk}/picture/").status_code == 404
    assert signed_in(mallory).get(picture).status_code == 404
    assert "data-remote" in body(window, other, leave), "the leave is for one message"
    assert "/picture/" not in body(signed_in(bob), message, leave), "and for one reader"
    assert signed_in(mallory).post(f"/message/{message.pk}/images/").status_code == 404


def test_always_for_this_sender_is_for_one_reader_and_can_be_taken_back(
    window: Client, message: Message, record: Record, carla: Contact, bob: Member, signed_in: SignedIn, company: Company
) -> None:
    assert ask(window, message, always="1").startswith("?images=")
    later = seeding.a_message(record, carla, '<img src="https://a.example/x.png">', inbound=came_in(company, "proven"))
    assert "/picture/" in body(window, later)
    assert "/picture/" not in body(signed_in(bob), later)
    assert TrustedPictures.objects.get().address == "carla@customer.example"
    ask(window, later, never="1")
    assert "/picture/" not in body(window, later)


def test_who_only_claims_to_be_that_sender_is_not_trusted(
    window: Client, message: Message, record: Record, carla: Contact
) -> None:
    ask(window, message, always="1")
    forged = seeding.a_message(record, carla, '<img src="https://a.example/x.png">', is_unverified=True)
    assert "/picture/" not in body(window, forged)
    ask(window, forged, always="1")
    assert TrustedPictures.objects.count() == 1
    assert "/picture/" not in body(window, forged)


@pytest.mark.parametrize("proof", ["unproven", "spoofed", "not_applicable", "", None])
def test_that_nothing_speaks_against_a_sender_is_no_proof(
    window: Client, message: Message, record: Record, carla: Contact, company: Company, proof: str | None
) -> None:
    picture = '<img src="https://a.example/x.png">'
    forged = seeding.a_message(record, carla, picture, inbound=came_in(company, proof))
    ask(window, forged, always="1")
    assert not TrustedPictures.objects.exists()
    ask(window, message, always="1")
    assert "/picture/" not in body(window, forged)
    assert "/picture/" in body(window, forged, ask(window, forged)), "once, where the reader asks"
    gone = seeding.a_message(record, carla, picture, addressed={"to": [["", "help@northwind.example"]]})
    assert "/picture/" not in body(window, gone), "a mail of which nothing is kept proves nothing"


def test_what_a_colleague_posted_is_proven(window: Client, record: Record, bob: Member) -> None:
    posted = seeding.a_message(record, bob.contact, '<img src="https://a.example/x.png">')
    ask(window, posted, always="1")
    assert TrustedPictures.objects.get().address == bob.contact.normal
    assert "/picture/" in body(window, posted)


def test_the_flow_asks_the_port_with_the_networks_that_are_named(
    window: Client, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a test, or another installation, may plug in another pipe."""
    resolved: list[str] = []

    def resolve(host: str) -> list[str]:
        resolved.append(host)
        return ["10.0.0.1"]

    mine = replace(wiring.ports(), pictures=PictureFetcher(resolve=resolve))
    monkeypatch.setattr("postroom.web.pictures.ports", lambda: mine)
    Message.objects.get(pk=message.pk)
    message.body.html = '<img src="https://pictures.example/x.png">'
    message.body.save()
    picture = ways(body(window, message, ask(window, message)))[0]
    assert window.get(picture).status_code == 404
    assert resolved == ["pictures.example"]


@pytest.mark.parametrize(
    ("html_text", "left"),
    [
        ('<img src="https://a.example/x.png" alt="a">', '<img data-remote="" alt="a">'),
        ('<img alt="1 > 0" width="3" src="http://a.example/x">', '<img alt="1 > 0" width="3" data-remote="">'),
        ('<img src="cid:logo"><img src="/own.png">', '<img src="cid:logo"><img src="/own.png">'),
        ('<p title="src=&quot;http://a&quot;"> src="http://a.example" </p>', None),
        ("<p>no picture</p>", None),
    ],
)
def test_only_pictures_from_elsewhere_are_taken_out(html_text: str, left: str | None) -> None:
    assert without_remote_images(html_text) == (left or html_text)
    assert has_remote_images(html_text) == (left is not None and left != html_text)


def test_a_mail_of_very_many_pictures_fetches_a_bounded_number() -> None:
    many = '<img src="https://a.example/x.png">' * 300
    led = with_remote_images(many, lambda address: f"/w?{len(address)}&")
    assert led.count('src="/w?23&amp;"') == MOST
    assert led.count("data-remote") == 300 - MOST
