"""The browser of these tests leaves nothing behind that another test could trip over."""

from __future__ import annotations

import pytest
from django.db import connection

from postroom.store.models import Company
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web.browser import a_browser

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]


def backends() -> set[int]:
    """The processes of PostgreSQL that serve the database of this worker."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return {row[0] for row in cursor.fetchall()}


def test_what_was_asked_beside_a_browser_leaves_no_connection() -> None:
    before = backends()
    with a_browser():
        Company.objects.create(name="Northwind")
        assert backends() != before, "Django has a connection of its own for what runs beside Playwright's loop"
    wait_until(lambda: backends() <= before, "PostgreSQL has ended what was closed")
