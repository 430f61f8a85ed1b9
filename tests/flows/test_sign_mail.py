"""Mail is signed on its way out, or waits when its key cannot be opened; it never leaves unsigned by accident."""

from __future__ import annotations

import dataclasses

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.reasons import reasons_from_json
from postroom.core.terms.secret import Secret
from postroom.flows.deliver_mail import ReadyMail, Shelf, claim_and_compose
from postroom.flows.manage_keys import KeyFact, activate_key, create_keys, retire_key, rotate_keys
from postroom.flows.ports import Ports
from postroom.flows.settings import set_parameter
from postroom.store.models import Company, Delivery, DkimKey, Installation, LetterboxMail
from tests.adapters.dkim.verifying import is_verified
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, numbered, ports_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


def active(ports: Ports, domain: str = "northwind.example", algorithm: str = "ed25519", **more: int) -> list[KeyFact]:
    keys = create_keys(ports, domain, algorithm, member=None, **more)
    return [activate_key(ports, key.id, member=None) for key in keys]


def sent(ports: Ports, shelf: Shelf | None = None) -> list[ReadyMail]:
    return list(claim_and_compose(ports, "worker-1", 100, shelf=shelf or Shelf()).ready)


def raw(ready: ReadyMail) -> bytes:
    return b"".join(ready.wire.chunks)


def zone(*keys: KeyFact) -> dict[bytes, bytes]:
    return {f"{key.record.name}.".encode(): key.record.value.encode() for key in keys}


def reasons(ready: ReadyMail) -> list[str]:
    return [str(reason) for reason in reasons_from_json(ready.ticket.reasons or [])]


def test_a_mail_is_signed_with_both_algorithms_and_says_so(ports: Ports, clock: HandClock) -> None:
    a_server()
    rsa, ed25519 = active(ports, algorithm="both")
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(2), at=clock.now())
    first, second = sent(ports)
    for ready in (first, second):
        assert is_verified(raw(ready), zone(rsa), 0)
        assert is_verified(raw(ready), zone(ed25519), 1)
        assert f"Signed for northwind.example with selector {rsa.selector} (RSA)." in reasons(ready)
        assert f"Signed for northwind.example with selector {ed25519.selector} (Ed25519)." in reasons(ready)
    assert first.wire.chunks[1] is second.wire.chunks[1]
    assert f" t={int(clock.now().timestamp())};".encode() in raw(first)
    assert b" x=" not in raw(first)


def test_without_keys_nothing_is_said_of_signatures(ports: Ports, clock: HandClock) -> None:
    a_server()
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert b"DKIM-Signature" not in raw(ready)
    assert not any("igned:" in reason or "Signed" in reason for reason in reasons(ready))


def test_the_key_of_a_parent_signs_for_a_subdomain(ports: Ports, clock: HandClock) -> None:
    a_server()
    (key,) = active(ports)
    mail = a_mail(
        a_company(domain="news.northwind.example"), at=clock.now(), from_address="alice@news.northwind.example"
    )
    deliveries(mail, *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert is_verified(raw(ready), zone(key))
    assert b"\r\n d=northwind.example;\r\n" in raw(ready)


def test_the_from_that_really_leaves_decides(ports: Ports, clock: HandClock) -> None:
    a_server()
    (key,) = active(ports)
    mail = a_mail(a_company(), at=clock.now(), from_address="carla@customer.example")
    deliveries(mail, *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert b"<notifications@northwind.example>" in raw(ready)
    assert is_verified(raw(ready), zone(key))


def test_a_domain_with_an_accent_is_signed_for_in_a_labels(ports: Ports, clock: HandClock) -> None:
    a_server()
    (key,) = active(ports, "bücher.example")
    mail = a_mail(a_company(domain="xn--bcher-kva.example"), at=clock.now(), from_address="alice@bücher.example")
    deliveries(mail, *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert key.domain == "xn--bcher-kva.example"
    assert is_verified(raw(ready), zone(key))


def test_a_server_that_signs_itself_gets_the_mail_as_it_is(ports: Ports, clock: HandClock) -> None:
    a_server(signs_dkim=False)
    active(ports)
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert b"DKIM-Signature" not in raw(ready)
    assert "Not signed: Relay signs itself (DKIM is switched off for it)." in reasons(ready)


def test_a_domain_without_a_key_is_sent_unsigned_and_says_so(ports: Ports, clock: HandClock) -> None:
    a_server()
    active(ports, "other.example")
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert b"DKIM-Signature" not in raw(ready)
    assert "Not signed: no DKIM key of ours is for northwind.example." in reasons(ready)


def test_a_companys_key_does_not_sign_the_mail_of_another(ports: Ports, clock: HandClock) -> None:
    a_server()
    mine, other = a_company(), Company.objects.create(name="Elsewhere")
    active(ports, company_id=other.pk)
    deliveries(a_mail(mine, at=clock.now()), *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert b"DKIM-Signature" not in raw(ready)


def test_a_key_that_cannot_be_opened_makes_the_mail_wait_until_it_can(ports: Ports, clock: HandClock) -> None:
    a_server()
    (key,) = active(ports)
    row = DkimKey.objects.get()
    sealed = bytes(row.private_key)
    DkimKey.objects.update(private_key=b"sealed elsewhere")
    (delivery,) = deliveries(a_mail(a_company(), at=clock.now()), *numbered(1), at=clock.now())
    shelf = Shelf()
    assert sent(ports, shelf) == []
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt_count) == ("queued", 0)
    assert delivery.waits_for is not None
    assert delivery.waits_for["code"] == "wait.dkim"
    assert delivery.waits_for["facts"] == {"selector": key.selector, "domain": "northwind.example"}
    DkimKey.objects.update(private_key=sealed)
    clock.pass_by(minutes=6)
    (ready,) = sent(ports, shelf)
    assert is_verified(raw(ready), zone(key))


def test_retiring_the_key_that_cannot_be_opened_lets_the_mail_go_at_once(ports: Ports, clock: HandClock) -> None:
    a_server()
    (key,) = active(ports)
    DkimKey.objects.update(private_key=b"sealed elsewhere")
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(1), at=clock.now())
    assert sent(ports) == []
    retire_key(ports, key.id, member=None)
    assert len(sent(ports)) == 1


def test_a_worker_that_runs_takes_up_changes_within_seconds(ports: Ports, clock: HandClock) -> None:
    a_server()
    mail, shelf = a_mail(a_company(), at=clock.now()), Shelf()

    def next_one() -> bytes:
        clock.pass_by(seconds=6)
        deliveries(mail, *numbered(1), at=clock.now())
        (ready,) = sent(ports, shelf)
        return raw(ready)

    assert b"DKIM-Signature" not in next_one()
    (old,) = active(ports)
    assert is_verified(next_one(), zone(old))
    (new,) = rotate_keys(ports, old.domain, member=None)
    assert is_verified(next_one(), zone(old))
    activate_key(ports, new.id, member=None)
    assert is_verified(next_one(), zone(new))
    retire_key(ports, new.id, member=None)
    assert b"DKIM-Signature" not in next_one()


def test_signing_asks_the_database_nothing_while_nothing_changes(ports: Ports, clock: HandClock) -> None:
    a_server()
    mail, shelf = a_mail(a_company(), at=clock.now()), Shelf()

    def queries() -> list[str]:
        deliveries(mail, *numbered(3), at=clock.now())
        with CaptureQueriesContext(connection) as captured:
            assert len(sent(ports, shelf)) == 3
        return [query["sql"] for query in captured.captured_queries if "dkimkey" in query["sql"]]

    assert len(queries()) == 1
    assert queries() == []
    active(ports, algorithm="both")
    clock.pass_by(seconds=6)
    assert len(queries()) == 2
    clock.pass_by(seconds=6)
    assert len(queries()) == 1
    assert queries() == []


def test_a_shared_body_is_hashed_once(ports: Ports, clock: HandClock) -> None:
    class Counting:
        def __init__(self) -> None:
            self.hashed = 0

        def __getattr__(self, name: str) -> object:
            return getattr(ports.dkim, name)

        def body_hash(self, body: bytes) -> bytes:
            self.hashed += 1
            return ports.dkim.body_hash(body)

    a_server()
    (key,) = active(ports)
    counting = Counting()
    counted = dataclasses.replace(ports, dkim=counting)
    company, shelf = a_company(), Shelf()
    for text in ("one", "two"):
        deliveries(a_mail(company, at=clock.now(), text=text), *numbered(20), at=clock.now())
    assert all(is_verified(raw(ready), zone(key)) for ready in sent(counted, shelf))
    assert counting.hashed == 2


def test_captured_mail_is_signed_too(ports: Ports, clock: HandClock) -> None:
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=clock.now())
    (key,) = active(ports)
    (delivery,) = deliveries(a_mail(a_company(), at=clock.now()), *numbered(1), at=clock.now())
    assert sent(ports) == []
    letter = LetterboxMail.objects.get(delivery=delivery)
    assert is_verified(bytes(letter.raw), zone(key))
    found = reasons_from_json(Delivery.objects.get().reasons)
    assert "dkim.signed" in [reason.code for reason in found]


def test_a_signature_expires_when_the_parameter_says_so(ports: Ports, clock: HandClock) -> None:
    a_server()
    active(ports)
    set_parameter(ports, "mail.dkim.expiry_days", "14", member=None)
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(1), at=clock.now())
    (ready,) = sent(ports)
    assert f" x={int(clock.now().timestamp()) + 14 * 86400};".encode() in raw(ready)


def test_private_halves_are_kept_sealed(ports: Ports) -> None:
    active(ports, algorithm="both")
    for row in DkimKey.objects.all():
        assert b"PRIVATE" not in bytes(row.private_key)
        assert "BEGIN PRIVATE KEY" in ports.vault.open(bytes(row.private_key)).reveal()
        assert isinstance(ports.vault.open(bytes(row.private_key)), Secret)
