"""People who work for another company of the house: not found, not shown, not written to, and no followers of what is not theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postroom.core.terms.states import Role
from postroom.flows.post_message import post_message
from postroom.flows.records import follow
from postroom.store.models import Company, Contact, Follower, Member, Message, Record
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(company: Company) -> Record:
    return seeding.a_record(company, "Poster")


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


def test_they_are_not_found_and_have_no_page(window: Client, record: Record, mallory: Member, bob: Member) -> None:
    assert "Bob Brandt" in window.get("/people/find/?who=bob").content.decode()
    assert window.get(f"/people/{bob.contact_id}/").status_code == 200
    for place in (
        "/people/find/?who=mallory",
        f"/people/chosen/?id={mallory.contact_id}",
        f"/records/{record.pk}/mentionable/?q=mallory",
    ):
        assert b"Mallory Else" not in window.get(place).content, place
    assert window.get(f"/people/{mallory.contact_id}/").status_code == 404


def test_they_do_not_follow_and_hear_of_no_note(record: Record, mallory: Member, alice: Member) -> None:
    with pytest.raises(Contact.DoesNotExist):
        follow(ports(), record_id=record.pk, contact_id=mallory.contact_id, by=alice)
    message = post_message(
        ports(),
        record_id=record.pk,
        author=alice,
        html="<p>Between us</p>",
        kind="note",
        extra_contact_ids=[mallory.contact_id],
        mentioned_contact_ids=[mallory.contact_id],
    )
    assert not Follower.objects.filter(contact=mallory.contact_id).exists()
    assert not message.notifications.exists()


def test_their_address_is_written_to_as_anybodys_outside(record: Record, mallory: Member, alice: Member) -> None:
    post_message(ports(), record_id=record.pk, author=alice, html="<p>Hello</p>", addresses=[mallory.contact.address])
    told = Message.objects.get().notifications.select_related("contact").get()
    assert told.contact_id != mallory.contact_id
    assert (told.contact.normal, told.contact.company_id) == (mallory.contact.normal, record.company_id)


def test_who_works_for_both_and_who_looks_after_the_house_are_colleagues(
    window: Client, company: Company, mallory: Member
) -> None:
    mallory.companies.add(company)
    assert window.get(f"/people/{mallory.contact_id}/").status_code == 200
    hanna = seeding.a_member("hanna", "Hanna House", seeding.a_company("Third"), Role.ADMINISTRATOR)
    assert window.get(f"/people/{hanna.contact_id}/").status_code == 404
    hanna.user.is_superuser = True
    hanna.user.save()
    assert window.get(f"/people/{hanna.contact_id}/").status_code == 200
