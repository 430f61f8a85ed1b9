"""Two thousand mails leave while people change whatever can be changed: nothing is lost, nothing leaves twice, all is signed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from postroom.core.terms.configuration import Configuration
from postroom.core.terms.secret import Secret
from postroom.flows.manage_keys import activate_key, create_keys
from postroom.flows.ports import Ports
from postroom.flows.rotate_secrets import RotationTrouble, check_secrets, forget_former_keys, rotate_secrets
from postroom.flows.settings import (
    limit_destination,
    pause_server,
    release_destination,
    release_server,
    resume_server,
    save_server,
)
from postroom.store.models import Attempt, Delivery, OutgoingServer
from postroom.wiring import make_ports
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries, numbered
from tests.laboratory.sink import CountingSink
from tests.laboratory.waiting import wait_until
from tests.workers.test_deliverer import delivering

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

MAILS = 2000
PATIENCE = 60.0


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    path = tmp_path / "secret_key"
    path.write_text("a" * 64)
    return make_ports(Configuration(data_dir=str(tmp_path), secret_key=Secret("a" * 64), secret_key_file=str(path)))


def states() -> Counter[str]:
    return Counter(Delivery.objects.values_list("state", flat=True))


def test_secret_keys_change_while_two_workers_sign_and_send(ports: Ports) -> None:
    company = a_company()
    with CountingSink() as sink:
        a_server(sink.smtp_port)
        for key in create_keys(ports, "northwind.example", "ed25519", member=None):
            activate_key(ports, key.id, member=None)
        now = ports.clock.now()
        deliveries(a_mail(company, at=now), *numbered(MAILS), at=now)
        changes = 0
        with delivering(ports, "worker-1"), delivering(ports, "worker-2"):
            while states()["sent"] < MAILS and changes < 200:
                rotate_secrets(ports, member=None)
                try:
                    forget_former_keys(ports, member=None)
                except RotationTrouble:
                    continue
                changes += 1
            wait_until(lambda: states()["sent"] == MAILS, "all are sent", PATIENCE)
        arrived = sink.accepted()
    print(f"{changes} changes of keys while {MAILS} mails left")
    assert changes > 0
    assert Counter(mail.rcpt_to[0] for mail in arrived) == Counter(numbered(MAILS))
    assert check_secrets(ports, member=None).lost == 0
    assert Attempt.objects.count() == MAILS


def test_pauses_and_limits_change_while_two_workers_send(ports: Ports) -> None:
    company = a_company()
    troubles: list[str] = []
    with CountingSink() as sink:
        server = a_server(sink.smtp_port)
        now = ports.clock.now()
        deliveries(a_mail(company, at=now), *numbered(MAILS), at=now)
        steps = (
            lambda: pause_server(ports, server.pk, member=None),
            lambda: save_server(ports, {"id": server.pk, "per_minute_limit": 5}, member=None),
            lambda: limit_destination(ports, "reader.example", 1, member=None),
            lambda: resume_server(ports, server.pk, member=None),
            lambda: save_server(ports, {"id": server.pk, "per_minute_limit": 0, "daily_limit": 7}, member=None),
            lambda: release_server(ports, server.pk, member=None),
            lambda: release_destination(ports, "reader.example", member=None),
            lambda: save_server(ports, {"id": server.pk, "daily_limit": 0}, member=None),
            lambda: limit_destination(ports, "reader.example", 0, member=None),
        )
        with delivering(ports, "worker-1"), delivering(ports, "worker-2"):
            for _ in range(6):
                for step in steps:
                    try:
                        step()
                    except ValidationError as error:
                        troubles.append(str(error))
            wait_until(lambda: states()["sent"] == MAILS, "all are sent once all is free", PATIENCE)
        arrived = sink.accepted()
    assert troubles == []
    assert Counter(mail.rcpt_to[0] for mail in arrived) == Counter(numbered(MAILS))
    assert OutgoingServer.objects.get().paused_at is None
