"""Files too large for a mail leave it, and signed links that expire stand in their place (T-143, T-145)."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default as modern
from urllib.parse import urlsplit

import pytest
from django.test import Client

from postroom.core.mime.parsing import parse
from postroom.core.terms.reasons import reasons_from_json
from postroom.core.tokens.links import make_link_token
from postroom.flows.deliver_mail import ClaimedBatch, Shelf, claim_and_compose
from postroom.flows.link_attachments import FileBehindLink, LinkIsOver, follow_link
from postroom.flows.ports import Ports
from postroom.flows.post_message import NewFile, post_message
from postroom.store.models import (
    Attachment,
    Delivery,
    Follower,
    LetterboxMail,
    Message,
    OutgoingServer,
    Parameter,
    Record,
)
from postroom.wiring import ports as wired_ports
from tests.flows.outgoing_mails import HandClock, a_mail, a_server, deliveries, ports_with
from tests.people import House, add_contact, build_house

pytestmark = pytest.mark.django_db

LINK = re.compile(r"https?://\S+/files/\S+")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock, base_url="https://desk.example")


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def record(house: House, clock: HandClock) -> Record:
    made = Record.objects.create(
        company=house.company, kind=house.ticket, title="Drawings", created_at=clock.now(), updated_at=clock.now()
    )
    for name in ("Customer Carla", "Dora"):
        address = f"{name.split()[-1].lower()}@customer.example"
        Follower.objects.create(record=made, contact=add_contact(name, address, house.company))
    return made


def a_file(name: str, size: int) -> NewFile:
    return NewFile(name=name, content_type="application/pdf", content=name.encode() * (size // len(name) + 1))


def written(ports: Ports, record: Record, house: House, *files: NewFile) -> Message:
    return post_message(ports, record_id=record.pk, author=house.alice, html="<p>The plans</p>", attachments=files)


def claimed(ports: Ports, shelf: Shelf | None = None) -> ClaimedBatch:
    return claim_and_compose(ports, "worker-1", 100, shelf=shelf or Shelf(), most_bytes=100_000_000)


def raw(batch: ClaimedBatch, number: int = 0) -> bytes:
    return b"".join(batch.ready[number].wire.chunks)


def codes(batch: ClaimedBatch) -> list[str]:
    rows = batch.ready[0].ticket.reasons or []
    return [reason.code for reason in reasons_from_json(rows)]


def token_in(text: str) -> str:
    found = LINK.search(text)
    assert found is not None
    return urlsplit(found[0]).path.split("/")[2]


def test_t_145_files_under_the_limit_travel_with_the_mail(ports: Ports, house: House, record: Record) -> None:
    a_server(max_message_size=200_000)
    written(ports, record, house, a_file("plan.pdf", 50_000))
    batch = claimed(ports)
    assert [file.name for file in parse(raw(batch)).attachments] == ["plan.pdf"]
    assert b"/files/" not in raw(batch)
    assert "files.linked" not in codes(batch)


@pytest.mark.parametrize("column", ["max_message_size", "announced_size"])
def test_t_143_files_over_the_servers_limit_become_links(
    ports: Ports, house: House, record: Record, column: str
) -> None:
    a_server(**{column: 100_000})
    message = written(ports, record, house, a_file("plan.pdf", 50_000), a_file("model.pdf", 90_000))
    batch = claimed(ports)
    assert len(batch.ready) == 2
    mail = parse(raw(batch))
    assert [file.name for file in mail.attachments] == ["plan.pdf"]
    assert "The plans" in mail.text
    assert "model.pdf (90 kB), until 2026-03-31" in mail.text
    assert batch.ready[0].wire.size <= 100_000
    assert codes(batch)[-1] == "files.linked"
    sentence = str(reasons_from_json(batch.ready[0].ticket.reasons or [])[-1])
    assert "model.pdf left as a link that works until 2026-03-31" in sentence
    found = follow_link(ports, token_in(mail.text))
    assert isinstance(found, FileBehindLink)
    assert found.content == ports.blobs.get(message.attachments.get(name="model.pdf").sha256)
    strict = message_from_bytes(raw(batch), policy=modern)
    assert [defect for part in strict.walk() for defect in part.defects] == []


def test_t_143_without_a_limit_of_the_server_that_of_the_house_holds(
    ports: Ports, house: House, record: Record
) -> None:
    a_server()
    Parameter.objects.create(key="base.default_max_email_size", value="1")
    written(ports, record, house, a_file("film.pdf", 900_000))
    batch = claimed(ports)
    assert parse(raw(batch)).attachments == ()
    assert codes(batch)[-1] == "files.linked_default"


def test_the_letterbox_shows_the_mail_as_its_recipient_would_see_it(ports: Ports, house: House, record: Record) -> None:
    OutgoingServer.objects.create(name="Letterbox", transport="letterbox", encryption="none", port=25)
    Parameter.objects.create(key="base.default_max_email_size", value="1")
    written(ports, record, house, a_file("film.pdf", 900_000))
    claimed(ports)
    letter = LetterboxMail.objects.first()
    assert letter is not None
    assert "film.pdf (900 kB), until" in parse(bytes(letter.raw)).text
    assert Delivery.objects.filter(reasons__contains=[{"code": "files.linked_default"}]).count() == 2


def test_a_mail_is_made_lighter_once_for_all_its_recipients(ports: Ports, house: House, record: Record) -> None:
    a_server(max_message_size=100_000)
    written(ports, record, house, a_file("model.pdf", 90_000))
    first, second = claimed(ports).ready
    assert first.wire.chunks[1] is second.wire.chunks[1]


def test_the_next_batch_does_not_make_it_again(
    ports: Ports, house: House, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    from postroom.flows import link_attachments

    a_server(max_message_size=100_000)
    written(ports, record, house, a_file("model.pdf", 90_000))
    shelf, made = Shelf(most_at_once=1), []
    real = link_attachments.make_lighter
    monkeypatch.setattr(link_attachments, "make_lighter", lambda *what: made.append(1) or real(*what))
    for _ in range(2):
        shelf.most_at_once = 1
        assert len(claim_and_compose(ports, "worker-1", 1, shelf=shelf).ready) == 1
    assert made == [1]


def test_when_links_do_not_help_the_mail_fails_with_the_sizes(ports: Ports, house: House, clock: HandClock) -> None:
    a_server(max_message_size=2_000)
    mail = a_mail(house.company, at=clock.now(), text="long words " * 500)
    (delivery,) = deliveries(mail, "carla@customer.example", at=clock.now())
    assert claimed(ports).ready == ()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.blame) == ("failed", "policy")
    assert "takes 2000 at most" in delivery.failure_reason


def test_links_can_be_switched_off(ports: Ports, house: House, record: Record) -> None:
    a_server(max_message_size=100_000)
    Parameter.objects.create(key="mail.attachment.link.days", value="0")
    written(ports, record, house, a_file("model.pdf", 90_000))
    assert claimed(ports).ready == ()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"failed"}


def test_the_limit_of_the_house_is_no_wall(ports: Ports, house: House, record: Record) -> None:
    """Where links are off, or do not help, a server without a limit of its own is asked."""
    a_server()
    Parameter.objects.create(key="base.default_max_email_size", value="1")
    Parameter.objects.create(key="mail.attachment.link.days", value="0")
    written(ports, record, house, a_file("film.pdf", 900_000))
    assert [file.name for file in parse(raw(claimed(ports))).attachments] == ["film.pdf"]


def test_a_link_expires(ports: Ports, house: House, record: Record, clock: HandClock) -> None:
    a_server(max_message_size=100_000)
    Parameter.objects.create(key="mail.attachment.link.days", value="7")
    written(ports, record, house, a_file("model.pdf", 90_000))
    token = token_in(parse(raw(claimed(ports))).text)
    clock.pass_by(days=7, hours=11, minutes=59)
    assert isinstance(follow_link(ports, token), FileBehindLink)
    clock.pass_by(minutes=1)
    assert follow_link(ports, token) == LinkIsOver(has_expired=True)


@pytest.mark.parametrize("what", ["message", "attachment", "record"])
def test_a_link_dies_with_what_it_leads_to(
    ports: Ports, house: House, record: Record, clock: HandClock, what: str
) -> None:
    message = written(ports, record, house, a_file("model.pdf", 1_000))
    token = make_link_token(ports.address_keys, message.attachments.get().pk, clock.now() + timedelta(days=1))
    {"message": message, "attachment": message.attachments.get(), "record": record}[what].delete()
    assert follow_link(ports, token) == LinkIsOver(has_expired=False)


def test_a_foreign_token_leads_nowhere(ports: Ports, house: House, record: Record, clock: HandClock) -> None:
    message = written(ports, record, house, a_file("model.pdf", 1_000))
    forged = make_link_token((b"guess" * 7,), message.attachments.get().pk, clock.now() + timedelta(days=1))
    assert follow_link(ports, forged) is None
    assert follow_link(ports, "nonsense") is None


# ---- over HTTP


def a_link(
    record: Record, house: House, name: str, content: bytes = b"<script>alert(1)</script>", days: int = 1
) -> str:
    ports = dataclasses.replace(wired_ports())
    file = NewFile(name=name, content_type="text/html", content=content)
    message = post_message(ports, record_id=record.pk, author=house.alice, html="<p>x</p>", attachments=[file])
    until = ports.clock.now() + timedelta(days=days)
    return f"/files/{make_link_token(ports.address_keys, message.attachments.get().pk, until)}/"


def test_a_stranger_fetches_the_file_as_a_harmless_download(client: Client, house: House, record: Record) -> None:
    answer = client.get(a_link(record, house, '../evil\r\n"name".html') + "any-name.html")
    assert answer.status_code == 200
    assert answer.content == b"<script>alert(1)</script>"
    assert answer["Content-Disposition"].startswith("attachment")
    assert "\n" not in answer["Content-Disposition"]
    assert ".." not in answer["Content-Disposition"]
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["X-Robots-Tag"] == "noindex"
    assert "sessionid" not in answer.cookies


def test_fetching_changes_nothing_and_only_reading_is_heard(
    client: Client, house: House, record: Record, django_assert_max_num_queries: object
) -> None:
    place = a_link(record, house, "plan.pdf")
    before = (Attachment.objects.count(), Message.objects.count(), Delivery.objects.count())
    with django_assert_max_num_queries(1):  # type: ignore[operator]
        assert client.head(place).status_code == 200
    assert client.get(place).status_code == 200
    for method in (client.post, client.put, client.delete, client.patch):
        assert method(place).status_code == 405
    assert (Attachment.objects.count(), Message.objects.count(), Delivery.objects.count()) == before


def test_a_link_that_ended_says_so_kindly(client: Client, house: House, record: Record) -> None:
    late = client.get(a_link(record, house, "plan.pdf", days=-1))
    assert late.status_code == 410
    assert b"the time of this one is over" in late.content
    gone = a_link(record, house, "plan.pdf")
    Attachment.objects.all().delete()
    answer = client.get(gone)
    assert answer.status_code == 410
    assert b"was removed by those who sent it" in answer.content
    assert client.get("/files/" + "A" * 39 + "/x.pdf").status_code == 404
