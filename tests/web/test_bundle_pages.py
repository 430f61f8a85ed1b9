"""The support bundle as people download it."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.test import Client

from postroom.store.models import AuditEvent, Message
from tests.flows.arriving import arrive
from tests.people import House, build_house, write_mail
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def alice(house: House, signed_in: SignedIn) -> Client:
    return signed_in(house.alice)


def test_the_button_stands_where_the_trouble_is(house: House, alice: Client) -> None:
    inbound = arrive(write_mail(), "support@in.test")
    message = Message.objects.get(inbound=inbound)
    pages = {
        f"/inbound/{inbound.pk}/": f"?inbound={inbound.pk}",
        f"/records/{message.record_id}/": f"?record={message.record_id}",
        "/settings/health/": "",
    }
    for page, query in pages.items():
        assert f'href="/settings/health/bundle/{query}"' in alice.get(page).content.decode(), page
    assert f"bundle/?message={message.pk}" in alice.get(f"/records/{message.record_id}/").content.decode()


def test_a_bundle_is_made_by_post_alone_masked_as_wished_and_noted(house: House, alice: Client) -> None:
    inbound = arrive(write_mail(), "support@in.test")
    form = alice.get(f"/settings/health/bundle/?inbound={inbound.pk}")
    assert f'name="inbound" value="{inbound.pk}"' in form.content.decode()
    assert not AuditEvent.objects.filter(what="bundle_made").exists()
    answer = alice.post("/settings/health/bundle/", {"inbound": str(inbound.pk), "addresses": "1"})
    assert answer["Content-Type"] == "application/zip"
    assert f"postroom-bundle-inbound-{inbound.pk}-" in answer["Content-Disposition"]
    assert answer["Cache-Control"] == "private, no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        raw = archive.read(f"mails/received-{inbound.pk}.eml")
        assert b"carla@customer.example" not in b"".join(archive.read(name) for name in archive.namelist())
    assert b"where is my parcel" in raw  # words were not to be masked
    event = AuditEvent.objects.get(what="bundle_made")
    assert (event.login, event.subject, event.detail) == ("alice", f"inbound {inbound.pk}", {"masks": ["addresses"]})


def test_agents_see_no_button_and_get_no_bundle(house: House, signed_in: SignedIn) -> None:
    inbound = arrive(write_mail(), "support@in.test")
    message = Message.objects.get(inbound=inbound)
    bob = signed_in(house.bob)
    assert "health/bundle" not in bob.get(f"/records/{message.record_id}/").content.decode()
    assert bob.get("/settings/health/bundle/").status_code == 403
    assert bob.post("/settings/health/bundle/", {"inbound": str(inbound.pk)}).status_code == 403


def test_what_is_not_there_is_404(alice: Client) -> None:
    for query in ("inbound=999999", "message=999999", "record=999999", "inbound=x", "record=-1"):
        assert alice.get(f"/settings/health/bundle/?{query}").status_code == 404, query
        name, _, value = query.partition("=")
        assert alice.post("/settings/health/bundle/", {name: value}).status_code == 404, query
