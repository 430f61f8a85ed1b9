"""A deliverer is killed again and again while it sends: nothing is lost, nothing goes out twice.

The server notes each mail in a file before it says 250. What it took and whose 250 the killed process did not live to note is the
one thing that nobody can know: at most one mail for each connection and kill, and it is shown as unknown.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from postroom.store.models import Attempt, Delivery
from postroom.workers.database import Connection
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries, numbered, ports_with
from tests.laboratory.counting import Behaviour
from tests.laboratory.sink import CountingSinkProcess
from tests.laboratory.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MAILS, KILLS, CONNECTIONS = 2000, 6, 10
PATIENCE = 400.0
PROGRAM = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "postroom.project.settings")
import django
django.setup()
from postroom.workers.deliverer import run
run("victim")
"""


@pytest.fixture
def environment(embedded_postgresql: Connection, short_dir: Path) -> dict[str, str]:
    """Of a deliverer on the database of this test."""
    settings = connection.settings_dict
    url = f"postgresql://{settings['USER']}@/{settings['NAME']}?host={quote(str(settings['HOST']), safe='')}"
    if settings.get("PORT"):
        url += f"&port={settings['PORT']}"
    known = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    source = str(Path(__file__).parents[2] / "src")
    return {**known, "POSTROOM_DATABASE_URL": url, "POSTROOM_DATA_DIR": str(short_dir), "PYTHONPATH": source}


@contextmanager
def deliverer(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


def waiting() -> int:
    return Delivery.objects.filter(state__in=["queued", "deferred", "sending"]).count()


def test_whoever_is_killed_and_when_nothing_is_lost_and_nothing_goes_out_twice(environment: dict[str, str]) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    ports = ports_with()
    with CountingSinkProcess(Behaviour(reply_delay=0.005)) as sink:
        a_server(sink.smtp_port, max_connections=CONNECTIONS)
        now = ports.clock.now()
        company = a_company()
        for part in range(4):
            mail = a_mail(company, at=now)
            deliveries(mail, *numbered(MAILS)[part::4], at=now, deadline_at=now + timedelta(days=5))
        marks = sorted(dice.randrange(1, MAILS - 100) for _ in range(KILLS))
        for mark in marks:
            with deliverer(environment) as process:
                wait_until(
                    lambda mark=mark: len(sink.accepted()) >= mark or process.poll() is not None,
                    f"{mark} mails arrived",
                    PATIENCE,
                )
                assert process.poll() is None, "it died by itself"
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE)
        journals = Path(environment["POSTROOM_DATA_DIR"]) / "journal"
        of_the_dead = set(journals.iterdir())
        with deliverer(environment) as process:
            wait_until(
                lambda: (not waiting() and set(journals.iterdir()) - of_the_dead) or process.poll() is not None,
                "nothing waits any more, and the last one is there to say so",
                PATIENCE,
            )
            process.terminate()
            assert process.wait(PATIENCE) == 0
        arrived = Counter(mail.rcpt_to[0] for mail in sink.accepted())
    states = dict(Delivery.objects.values_list("to_address", "state"))
    unknown = {address for address, state in states.items() if state == "unknown"}
    sent = {address for address, state in states.items() if state == "sent"}
    print(
        f"killed after {marks}: {len(sent)} sent, {len(unknown)} unknown, of which {len(unknown & arrived.keys())} arrived"
    )
    assert sent | unknown == set(numbered(MAILS))
    assert [address for address, count in arrived.items() if count > 1] == []
    assert sent <= arrived.keys()
    assert arrived.keys() <= sent | unknown
    assert len(unknown) <= CONNECTIONS * KILLS
    assert Attempt.objects.filter(state="sent").count() == len(sent)
    assert not any(journals.iterdir())
