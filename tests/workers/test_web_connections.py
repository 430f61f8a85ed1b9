"""The pages under a burst of requests: they share few connections to the database, and leave the others to those who send mail."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from django.db import connection

from postroom.workers.web import CONNECTIONS
from tests.web.served import served

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

REQUESTS = 160


def connections_of_others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def test_a_burst_of_strangers_requests_takes_no_more_than_its_share() -> None:
    before = connections_of_others()
    with served() as base:
        parts = urlsplit(base)

        def knock(number: int) -> int:
            window = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
            try:
                window.request("GET", "/api/v1/records", headers={"Authorization": f"Bearer prk_{number:040x}"})
                return window.getresponse().status
            finally:
                window.close()

        with ThreadPoolExecutor(16) as strangers:
            answers = Counter(strangers.map(knock, range(REQUESTS)))
        assert answers == {401: REQUESTS}
        taken = connections_of_others() - before
    print(f"{taken} connections for {REQUESTS} requests")
    assert taken <= CONNECTIONS + 4  # the pages' own ear, and what the process itself needs
