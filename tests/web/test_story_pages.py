"""The page of stories: found, told, led on to, and only for who may see it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.urls import reverse

from postroom.core.terms.states import Role
from postroom.store.models import Attempt, Company, Contact, Member
from tests.flows.arriving import CARLA
from tests.flows.mail_of_carla import QUEUE_ID, Tale, tell_all
from tests.flows.outgoing_mails import HandClock, a_mail, deliveries, ports_with
from tests.people import House, add_member, build_house
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(db: None) -> House:
    return build_house()


@pytest.fixture
def tale(house: House) -> Tale:
    clock = HandClock()
    return tell_all(ports_with(clock=clock), clock, house)


def read(signed_in: SignedIn, member: Member, asked: object, *, is_piece: bool = False, after: str = "") -> str:
    headers = {"HX-Request": "true"} if is_piece else {}
    place = f"/story/?q={quote(str(asked))}" + (f"&after={after}" if after else "")
    answer = signed_in(member).get(place, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_newest_stands_above_with_the_words_of_the_servers(signed_in: SignedIn, tale: Tale, house: House) -> None:
    text = read(signed_in, house.alice, tale.message.pk).partition('class="pr-story"')[2]
    said = [
        "Customer Carla answered",
        "was not delivered",
        "Relay took the mail",
        "451 4.7.1 Greylisted",
        "Alice wrote",
    ]
    places = [text.index(one) for one in said]
    assert places == sorted(places)
    assert QUEUE_ID in text
    assert "There is no such mailbox at this domain." in text


def test_by_the_queue_id_the_page_says_how_far_was_looked(signed_in: SignedIn, tale: Tale, house: House) -> None:
    text = read(signed_in, house.alice, QUEUE_ID)
    assert "found by what a relay calls it" in text
    assert "the newest 200,000 answers of servers" in text


def test_nothing_asked_and_nothing_found(signed_in: SignedIn, house: House) -> None:
    assert "Whose story shall be told?" in read(signed_in, house.alice, "")
    assert "Nothing that you may see bears this name" in read(signed_in, house.alice, "nobody@nowhere.example")


def test_an_agent_gets_no_ways_to_places_that_are_closed_to_him(signed_in: SignedIn, tale: Tale, house: House) -> None:
    for asked in (tale.message.pk, CARLA):
        text = read(signed_in, house.bob, asked)
        assert "Relay took the mail" in text
        assert "/queue/" not in text.partition('class="pr-story"')[2]
        assert "/inbound/" not in text.partition('class="pr-story"')[2]
    assert f'/queue/{tale.delivery.pk}/"' in read(signed_in, house.alice, tale.message.pk)


def test_another_company_reads_nothing(signed_in: SignedIn, tale: Tale) -> None:
    mallory = add_member(Company.objects.create(name="Elsewhere"), "Mallory", "m@else.test", role=Role.ADMINISTRATOR)
    for asked in (tale.message.pk, tale.message_id, CARLA, QUEUE_ID, f"delivery:{tale.delivery.pk}"):
        text = read(signed_in, mallory, asked)
        assert "Not found" in text
        assert "parcel" not in text


def test_an_address_is_read_on_piece_by_piece(signed_in: SignedIn, tale: Tale, house: House) -> None:
    for number in range(60):
        mail = a_mail(house.company, at=tale.clock.now(), subject=f"Offer {number}")
        deliveries(mail, CARLA, at=tale.clock.now(), state="sent")
    text = read(signed_in, house.alice, CARLA)
    assert "Customer Carla wrote" not in text, "that is long ago"
    cursor = text.partition("&amp;after=")[2].partition('"')[0]
    piece = read(signed_in, house.alice, CARLA, is_piece=True, after=cursor)
    assert "<html" not in piece
    assert "Customer Carla wrote" in piece
    assert "&amp;after=" not in piece


def test_what_a_server_says_is_no_markup(signed_in: SignedIn, tale: Tale, house: House) -> None:
    Attempt.objects.filter(code=250).update(text='<script>alert(1)</script><b onclick=x>Ok: queued as "><img src=x>')
    text = read(signed_in, house.alice, tale.message.pk)
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_other_pages_lead_to_the_story(signed_in: SignedIn, tale: Tale, house: House) -> None:
    window = signed_in(house.alice)
    carla = Contact.objects.get(normal=CARLA)
    inbound = tale.message.parent.inbound_id if tale.message.parent else None
    ways = {
        reverse("web:recipients", args=[tale.message.pk]): f"/story/?q={tale.message.pk}",
        reverse("web:delivery", args=[tale.delivery.pk]): f"/story/?q={tale.message.pk}",
        reverse("web:contact", args=[carla.pk]): f"/story/?q={quote(CARLA)}",
    }
    if inbound:
        ways[reverse("web:inbound_mail", args=[inbound])] = f"/story/?q=inbound:{inbound}"
    assert len(ways) == 4
    for page, link in ways.items():
        assert link.replace("%40", "@") in window.get(page).content.decode().replace("%40", "@"), page
