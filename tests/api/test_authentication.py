"""Who may call: a key, or a session with the CSRF token for changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from postroom.flows.api_keys import make_key, member_of_key
from postroom.store.models import ApiKey, AuditEvent, Member, Record
from postroom.wiring import ports
from tests.flows.outgoing_mails import HandClock


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer prk_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YWxpY2U6eA=="},
        {"Authorization": "Bearer \x00"},
    ],
)
def test_without_a_key_of_ours_nothing_is_to_be_had(client: Client, db: None, headers: dict[str, str]) -> None:
    for place in ("records", "deliveries", "inbound", "records/1", "records/1/messages"):
        assert client.get(f"/api/v1/{place}", headers=headers).status_code == 401, place


def test_a_key_needs_no_csrf_token(program: Any, bob: Member) -> None:
    answer = program(bob).send("post", "/records", {"kind": "ticket", "title": "By a program"})
    assert answer.status_code == 201


def test_a_session_reads_freely_and_changes_with_the_token_alone(bob: Member, record: Record) -> None:
    window = Client(enforce_csrf_checks=True)
    window.force_login(bob.user)
    assert window.get("/api/v1/records").status_code == 200
    place, body = f"/api/v1/records/{record.pk}", {"title": "Changed"}
    assert window.patch(place, body, content_type="application/json").status_code == 403
    window.get("/records/ticket/new/")
    token = window.cookies["csrftoken"].value
    assert window.patch(place, body, content_type="application/json", headers={"X-CSRFToken": token}).status_code == 200


def test_a_key_opens_nothing_once_it_is_removed_or_its_member_is_off(program: Any, bob: Member) -> None:
    caller = program(bob)
    assert caller.get("/records").status_code == 200
    bob.user.is_active = False
    bob.user.save()
    assert caller.get("/records").status_code == 401
    bob.user.is_active = True
    bob.user.save()
    ApiKey.objects.all().delete()
    assert caller.get("/records").status_code == 401


def test_the_last_use_is_noted_once_a_minute(bob: Member) -> None:
    key = make_key(ports(), member=bob, name="x")
    assert member_of_key(ports(), key.text) == bob
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    member_of_key(ports(), key.text)
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    member_of_key(ports(), key.text)
    later = ApiKey.objects.get().last_used_at
    assert later is not None
    assert later >= first


def test_the_first_use_of_a_day_is_told_once_also_when_it_is_used_around_midnight(bob: Member) -> None:
    clock = HandClock()
    here = replace(ports(), clock=clock)
    key = make_key(here, member=bob, name="x")
    midnight = (clock.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    for seconds in (-20, -10, 10, 20, 30):
        clock.time = midnight + timedelta(seconds=seconds)
        assert member_of_key(here, key.text) == bob
    assert AuditEvent.objects.filter(what="key_used").count() == 2


def test_the_description_is_openapi_and_the_documentation_loads_nothing_from_elsewhere(
    client: Client, db: None
) -> None:
    described = client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert "/api/v1/records/{record_id}/messages" in described["paths"]
    page = client.get("/api/v1/docs").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page.replace("https://127.0.0.1", "")


def test_every_operation_asks_who_calls(client: Client, db: None) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    for place, operations in paths.items():
        for method in operations:
            real = place.replace("{record_id}", "1").replace("{contact_id}", "1").replace("{delivery_id}", "1")
            real = real.replace("{inbound_id}", "1").replace("{action}", "retry")
            answer = getattr(client, method)(real, content_type="application/json")
            assert answer.status_code == 401, (method, place)
