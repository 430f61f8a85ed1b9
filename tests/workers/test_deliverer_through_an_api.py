"""A mail's whole way through a provider's API: posted on a record, handed over, and what the provider tells later."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from django.test import Client

from postroom.adapters.journal import WireJournalFile
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.provider_hooks import show_hook
from postroom.store.models import Attempt, Delivery, Notification, OutgoingServer, Record
from tests.adapters.esp.providing import ACCEPTED, KEY, OPTIONS
from tests.adapters.esp.scripted_api import Does, Request, Says, ScriptedApi, api_that
from tests.adapters.esp.telling import Told, post_of
from tests.flows.outgoing_mails import numbered, ports_with
from tests.laboratory.sink import CountingSink
from tests.laboratory.waiting import wait_until
from tests.people import House, add_contact, add_server, build_house
from tests.workers.test_deliverer import PATIENCE, delivering, journals, some_mail, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return ports_with(tmp_path)


def an_api_server(ports: Ports, api: ScriptedApi, provider: str = "postmark", **more: object) -> OutgoingServer:
    values: dict[str, object] = {
        "name": f"{provider} of the house",
        "transport": "api",
        "provider": provider,
        "provider_options": OPTIONS[provider] | {"api_url": api.url},
        "secret": ports.vault.seal(KEY),
        "max_connections": 3,
    }
    return OutgoingServer.objects.create(**(values | more))


def as_postmark(request: Request) -> Says:
    to = request.json["To"]
    return Says(json={**ACCEPTED["postmark"].json, "To": to, "MessageID": f"id-{to}"})


def a_ticket(ports: Ports, house: House) -> Record:
    now = ports.clock.now()
    carla = add_contact("Customer Carla", "carla@customer.example", house.company)
    return Record.objects.create(
        kind=house.ticket,
        company=house.company,
        title="My parcel is late",
        contact=carla,
        created_at=now,
        updated_at=now,
    )


def envelope_on(record: Record, house: House) -> str:
    """The class of the envelope as the page shows it."""
    window = Client()
    window.force_login(house.alice.user)
    page = window.get(f"/records/{record.pk}/").content.decode()
    found = re.search(r'<a id="envelope-\d+" class="(\w*)"', page)
    assert found is not None
    return found[1]


@pytest.mark.slow
def test_posted_on_a_record_it_leaves_through_the_api_and_a_bounce_turns_its_envelope_red(ports: Ports) -> None:
    house = build_house()
    record = a_ticket(ports, house)
    with api_that(always=as_postmark) as api, delivering(ports):
        server = an_api_server(ports, api)
        post_message(ports, record_id=record.pk, author=house.alice, html="<p>It left today.</p>", to_customer=True)
        wait_until(lambda: states() == {"sent": 1}, "it is sent", PATIENCE)
        (request,) = api.requests
    delivery = Delivery.objects.get()
    assert delivery.provider_message_id == "id-Customer Carla <carla@customer.example>"
    assert delivery.server_id == server.pk
    assert envelope_on(record, house) != "red"
    attempt = Attempt.objects.get()
    assert (attempt.code, attempt.state, attempt.server_id) == (250, "sent", server.pk)
    token = request.json["Metadata"]["postroom"]

    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    place = facts.address.removeprefix(ports.configuration.public_url)
    told = Told(token=token, message_id=delivery.provider_message_id, at=ports.clock.now())
    post = post_of("postmark", "bounced", told)
    assert Client().post(place, post.body, content_type="application/json").status_code == 200
    delivery.refresh_from_db()
    assert (delivery.state, delivery.blame) == ("bounced", "address")
    notification = Notification.objects.get(contact=record.contact)
    assert (notification.state, notification.failure_reason) == ("bounce", "550 5.1.1 No such user here")
    assert envelope_on(record, house) == "red"


@pytest.mark.slow
def test_many_mails_leave_each_once_and_are_recorded_with_the_providers_ids(ports: Ports) -> None:
    with api_that(always=as_postmark) as api:
        an_api_server(ports, api)
        some_mail(ports, *numbered(120))
        with delivering(ports):
            wait_until(lambda: states()["sent"] == 120, "all are sent", PATIENCE)
        asked = Counter(request.json["To"] for request in api.requests)
        assert api.most_at_once <= 3
    assert asked == Counter(numbered(120))
    assert Delivery.objects.exclude(provider_message_id="").count() == 120
    assert Attempt.objects.filter(code=250).count() == 120
    assert journals(ports) == []


def test_a_wrong_key_opens_the_circuit_and_another_server_takes_over(ports: Ports) -> None:
    wrong = Says(status=401, json={"ErrorCode": 10, "Message": "Bad or missing Server API token."})
    with api_that(always=wrong) as api, CountingSink() as sink:
        broken = an_api_server(ports, api, priority=1)
        relay = add_server(port=sink.smtp_port, priority=2)
        some_mail(ports, *numbered(20))
        with delivering(ports):
            wait_until(lambda: states()["sent"] == 20, "all are sent", PATIENCE)
        assert len(api.requests) <= 2
    broken.refresh_from_db()
    assert "The login failed" in broken.trouble
    assert "Bad or missing Server API token" in broken.trouble
    assert KEY not in broken.trouble
    assert set(Delivery.objects.values_list("server_id", "attempt_count")) == {(relay.pk, 1)}


def test_told_to_come_back_in_an_hour_the_server_rests_for_an_hour(ports: Ports) -> None:
    limit = Says(status=429, json={"name": "daily_quota_exceeded"}, headers={"Retry-After": "3600"})
    with api_that(always=limit) as api:
        server = an_api_server(ports, api, "resend")
        some_mail(ports, *numbered(3))
        with delivering(ports):
            wait_until(
                lambda: Delivery.objects.filter(waits_for__code="wait.broken").count() == 3, "all wait", PATIENCE
            )
    server.refresh_from_db()
    assert server.broken_until is not None
    assert 3400 < (server.broken_until - ports.clock.now()).total_seconds() <= 3600
    assert set(Delivery.objects.values_list("attempt_count", flat=True)) == {0}


def test_a_lost_answer_leaves_the_mail_unknown_and_a_later_event_settles_it(ports: Ports) -> None:
    with api_that(Does.DROP, always=as_postmark) as api:
        server = an_api_server(ports, api, max_connections=1)
        some_mail(ports, "carla@customer.example")
        with delivering(ports):
            wait_until(lambda: states() == {"unknown": 1}, "it is unknown", PATIENCE)
        (request,) = api.requests
    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    told = Told(token=request.json["Metadata"]["postroom"], message_id="id-at-last", at=ports.clock.now())
    post = post_of("postmark", "delivered", told)
    place = facts.address.removeprefix(ports.configuration.public_url)
    assert Client().post(place, post.body, content_type="application/json").status_code == 200
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.provider_message_id) == ("sent", "id-at-last")
    assert delivery.confirmed_at is not None


def test_the_journal_of_a_dead_worker_gives_back_the_providers_id(ports: Ports) -> None:
    with api_that(always=as_postmark) as api:
        an_api_server(ports, api)
        finished, started = some_mail(ports, *numbered(2))
        claim_and_compose(ports, "dead-worker", 2, shelf=Shelf())
        folder = Path(ports.configuration.data_dir) / "journal"
        folder.mkdir()
        journal = WireJournalFile(folder / "dead-worker.journal")
        journal.started(finished.pk)
        journal.started(started.pk)
        reply = SmtpReply(250, "2.0.0", "taken")
        journal.finished(
            WireOutcome(key=finished.pk, phase=Phase.BODY, reply=reply, provider_message_id="id-of-the-dead")
        )
        journal.close()
        with delivering(ports):
            wait_until(lambda: states() == {"sent": 1, "unknown": 1}, "all is settled", PATIENCE)
        assert api.requests == []
    assert Delivery.objects.get(state="sent").provider_message_id == "id-of-the-dead"


@pytest.mark.parametrize(
    ("provider", "options", "words"),
    [("pigeon", {}, "no provider 'pigeon'"), ("mailgun", {}, "Sending domain"), ("", {}, "no provider")],
)
def test_a_server_that_was_filled_in_wrongly_is_told_so_and_stops_nobody_else(
    ports: Ports, provider: str, options: dict[str, str], words: str
) -> None:
    server = OutgoingServer.objects.create(
        name="Wrong", transport="api", provider=provider, provider_options=options, secret=ports.vault.seal(KEY)
    )
    some_mail(ports, "carla@customer.example")
    with delivering(ports):
        wait_until(lambda: OutgoingServer.objects.get().trouble, "it says why", PATIENCE)
    server.refresh_from_db()
    assert words in server.trouble
    assert Delivery.objects.get().attempt_count == 0


def test_what_is_larger_than_the_provider_takes_is_not_tried(ports: Ports) -> None:
    with api_that(always=as_postmark) as api:
        an_api_server(ports, api, max_message_size=200)
        some_mail(ports, "carla@customer.example")
        with delivering(ports):
            wait_until(lambda: states() == {"failed": 1}, "it failed", PATIENCE)
        assert api.requests == []


@pytest.mark.slow
def test_amazon_through_the_deliverer(ports: Ports) -> None:
    with api_that(always=ACCEPTED["amazon_ses"]) as api:
        an_api_server(ports, api, "amazon_ses")
        (delivery,) = some_mail(ports, "carla@customer.example")
        with delivering(ports):
            wait_until(lambda: states() == {"sent": 1}, "it is sent", PATIENCE)
        (request,) = api.requests
    delivery.refresh_from_db()
    assert delivery.provider_message_id == "0107018f-amazon-000000"
    tags = {one["Name"]: one["Value"] for one in json.loads(request.body)["EmailTags"]}
    assert tags["postroom"].startswith("b")
