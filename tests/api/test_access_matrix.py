"""Every call of the API, tried by everybody: who may not, gets nothing and reads nothing of what is not theirs.

Each operation has one line in `RULES`: who may call it, with what body.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from postroom.api.v1.api import api
from postroom.core.terms.states import Role
from postroom.flows.api_keys import make_key
from postroom.store.models import (
    Activity,
    AddressHealth,
    Company,
    Delivery,
    Follower,
    InboundMessage,
    MailTemplate,
    MailTest,
    Member,
    Message,
    Record,
    ScheduledMessage,
)
from postroom.wiring import ports
from tests.web import seeding
from tests.web.reported import some_reports

pytestmark = pytest.mark.slow

MANAGERS = frozenset({"admin", "owner"})
WRITERS = MANAGERS | {"colleague"}
OWN = WRITERS | {"reader"}
OTHER = frozenset({"other"})
EVERYBODY = ("admin", "owner", "colleague", "reader", "other", "ingress", "stranger", "nobody")
FOREIGN = (
    "Carla",
    "Poster arrived",
    "oakhurst",
    "Northwind",
    "Alice Archer",
    "Bob Brandt",
    "support@postroom",
    "folded corner",
)

RULES: dict[str, tuple[frozenset[str], dict[str, Any] | None]] = {
    "GET /health": (frozenset(), None),  # of the house alone: see test_health
    "POST /mail-tests": (
        frozenset(),
        {"headers": "From: alice@northwind.example"},
    ),  # of the house alone: see test_mail_tests
    "GET /mail-tests/{test_id}": (frozenset(), None),
    "GET /receivers": (frozenset(), None),  # of the house alone: see test_receivers_pages
    "GET /receivers/{report_id}": (frozenset(), None),
    "GET /records": (OWN | OTHER, None),
    "POST /records": (WRITERS, {"kind": "ticket", "title": "x", "company_id": "{company}"}),
    "GET /records/{record_id}": (OWN, None),
    "PATCH /records/{record_id}": (WRITERS, {"stage": "Solved"}),
    "GET /records/{record_id}/followers": (OWN, None),
    "POST /records/{record_id}/followers": (WRITERS, {"contact_id": "{contact_id}"}),
    "DELETE /records/{record_id}/followers/{contact_id}": (WRITERS, None),
    "GET /records/{record_id}/messages": (OWN, None),
    "POST /records/{record_id}/messages": (WRITERS, {"kind": "note", "text": "x"}),
    "POST /records/{record_id}/merge": (WRITERS, {"into_id": "{other_record}"}),
    "PUT /records/{record_id}/followers/{contact_id}/subtypes": (WRITERS, {"comments": True}),
    "GET /activities": (OWN | OTHER, None),
    "GET /records/{record_id}/activities": (OWN, None),
    "POST /records/{record_id}/activities": (WRITERS, {"due_on": "2030-01-02"}),
    "POST /activities/{activity_id}/done": (WRITERS, {}),
    "DELETE /activities/{activity_id}": (WRITERS, None),
    "GET /records/{record_id}/templates": (OWN, None),
    "GET /records/{record_id}/templates/{template_id}": (WRITERS, None),
    "GET /records/{record_id}/scheduled": (OWN, None),
    "POST /records/{record_id}/scheduled": (WRITERS, {"text": "x", "scheduled_at": "2099-01-01T00:00:00Z"}),
    "PATCH /scheduled/{scheduled_id}": (frozenset({"owner"}), {"subject": "x"}),
    "DELETE /scheduled/{scheduled_id}": (WRITERS, None),
    "POST /scheduled/{scheduled_id}/send-now": (MANAGERS, {}),
    "GET /deliveries": (MANAGERS | OTHER, None),
    "GET /deliveries/{delivery_id}": (MANAGERS, None),
    "POST /deliveries/{delivery_id}/{action}": (MANAGERS, {}),
    "GET /inbound": (MANAGERS | OTHER, None),
    "POST /inbound": (OWN | OTHER | {"ingress"}, {}),
    "GET /inbound/{inbound_id}": (MANAGERS, None),
    "GET /story": (OWN | OTHER, None),  # of what: see test_story
    "GET /suppressions": (OWN | OTHER, None),
    "POST /suppressions": (MANAGERS | OTHER, {"address": "x@y.example", "why": "x"}),
    "POST /suppressions/check": (OWN | OTHER, {"addresses": ["x@y.example"]}),
    "GET /suppressions/{address_id}": (OWN, None),
    "POST /suppressions/{address_id}/release": (MANAGERS, {}),
}


def test_every_call_has_its_line_in_the_table() -> None:
    there = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, calls in api.get_openapi_schema()["paths"].items()
        for method in calls
    }
    missing, gone = sorted(there - set(RULES)), sorted(set(RULES) - there)
    assert not missing, (
        f"Nobody has said who may call {', '.join(missing)}. Add one line for each to RULES in tests/api/test_access_matrix.py: "
        "who may call it, and with what body."
    )
    assert not gone, (
        f"RULES in tests/api/test_access_matrix.py speaks of {', '.join(gone)}, which are no calls any more."
    )


@pytest.fixture
def numbers(db: None) -> dict[str, str]:
    company = seeding.a_house()
    for login, role in (("owner", "manager"), ("colleague", "agent"), ("reader", "read_only")):
        seeding.a_member(login, f"{login.title()} Own", company, Role(role))
    seeding.a_member("other", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)
    record = Record.objects.get(title__startswith="Poster")
    ScheduledMessage.objects.filter(trouble="").update(author=Member.objects.get(user__username="owner"))
    found = {
        "record_id": record.pk,
        "contact_id": Follower.objects.filter(record=record, contact__name__startswith="Carla").get().contact_id,
        "other_record": Record.objects.exclude(pk=record.pk)[0].pk,
        "activity_id": Activity.objects.create(
            company=company,
            record=record,
            summary="Call Carla",
            due_on=seeding.NOW.date(),
            assignee=Member.objects.get(user__username="owner"),
            planned_at=seeding.NOW,
        ).pk,
        "template_id": MailTemplate.objects.get().pk,
        "scheduled_id": ScheduledMessage.objects.get(trouble="").pk,
        "delivery_id": Delivery.objects.get(state="bounced").pk,
        "inbound_id": InboundMessage.objects.filter(company=company)[0].pk,
        "address_id": AddressHealth.objects.get(address="carla@customer.example").pk,
        "test_id": MailTest.objects.create(source="mail", name="Carla.eml", state="finished", asked_at=seeding.NOW).pk,
        "company": company.pk,
        "report_id": some_reports(),
    }
    return {key: str(value) for key, value in found.items()} | {"action": "cancel"}


def test_calls_are_answered_to_whom_they_are_for_and_say_nothing_to_others(numbers: dict[str, str]) -> None:
    keys = {login: key_of(login) for login in EVERYBODY}
    before = what_is_theirs()
    troubles = []
    for call, (allowed, body) in RULES.items():
        method, path = call.split(" ")
        place = f"/api/v1{path.format(**numbers)}"
        for login in EVERYBODY:
            with transaction.atomic():
                answer = asked(method, place, keys[login], filled(body, numbers))
                if login not in OWN and what_is_theirs() != before:
                    troubles.append(f"{call} as {login}: something changed that is not theirs")
                transaction.set_rollback(True)
            troubles += [f"{call} as {login}: {trouble}" for trouble in judged(answer, login, allowed)]
    assert troubles == [], "\n".join(troubles)


def test_a_session_changes_nothing_without_the_token_of_a_page(numbers: dict[str, str]) -> None:
    window = Client(enforce_csrf_checks=True)
    window.force_login(Member.objects.get(user__username="owner").user)
    for call, (_allowed, body) in RULES.items():
        method, path = call.split(" ")
        if method != "GET":
            place = f"/api/v1{path.format(**numbers)}"
            answer = window.generic(method, place, json.dumps(filled(body, numbers)), content_type="application/json")
            assert answer.status_code in (401, 403), call


def key_of(login: str) -> str:
    """The key of this person. A user who is no member has none, so the stranger brings one that was made up."""
    if login == "nobody":
        return ""
    if login == "stranger":
        return "prk_" + "0" * 64
    scope = "ingress" if login == "ingress" else "all"
    who = Member.objects.get(user__username="owner" if login == "ingress" else login)
    return make_key(ports(), member=who, name="x", scope=scope).text


def asked(method: str, place: str, key: str, body: Any) -> Any:
    client = Client(raise_request_exception=False)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return client.generic(method, place, json.dumps(body), content_type="application/json", headers=headers)


def filled(body: dict[str, Any] | None, numbers: dict[str, str]) -> Any:
    return {
        key: int(numbers[value[1:-1]]) if isinstance(value, str) and value.startswith("{") else value
        for key, value in (body or {}).items()
    }


def judged(answer: Any, login: str, allowed: frozenset[str]) -> list[str]:
    status, found = answer.status_code, []
    if login in allowed:
        if status in (401, 403, 404, 405) or status >= 500:
            found.append(f"{status}, though this caller may: {answer.content[:200]!r}")
    elif status == 422 and login == "other" and b"not yours" in answer.content:
        pass  # refused in words, for a company that was named
    elif status not in ((401,) if login in ("stranger", "nobody", "ingress") else (403, 404)):
        found.append(f"{status}, though this caller may not: {answer.content[:200]!r}")
    if login in ("other", "stranger", "nobody"):
        found += [f"reads {word!r}" for word in FOREIGN if word.encode() in answer.content]
    return found


def what_is_theirs() -> list[list[str]]:
    elsewhere = Company.objects.get(name="Elsewhere").pk
    models = (Record, Message, Delivery, InboundMessage, ScheduledMessage, MailTemplate, AddressHealth, Activity)
    rows = [model._default_manager.exclude(company=elsewhere) for model in models]
    return [sorted(map(str, one.values_list())) for one in (*rows, Follower.objects.all())]
