"""Questions that are asked all day are answered from an index, however much lies around."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection

from postroom.store.models import Delivery
from postroom.wiring import ports
from tests.flows.outgoing_mails import a_company, a_mail, deliveries, numbered

pytestmark = pytest.mark.django_db


def indexes_used(question: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE postroom_delivery")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {question}")
        plan = cursor.fetchone()[0]
    plan = plan if isinstance(plan, list) else json.loads(plan)
    return set(_names(plan[0]["Plan"]))


def _names(node: dict[str, object]) -> list[str]:
    children = node.get("Plans", [])
    assert isinstance(children, list)
    own = [str(node["Index Name"])] if "Index Name" in node else []
    return own + [name for child in children for name in _names(child)]


@pytest.fixture
def _a_full_table() -> None:
    """Sent mail, mostly."""
    now = ports().clock.now()
    mail = a_mail(a_company(), at=now)
    deliveries(mail, *numbered(4000), at=now, state="sent", finished_at=now)
    deliveries(mail, *numbered(100), at=now - timedelta(hours=1))


@pytest.mark.usefixtures("_a_full_table")
def test_what_is_due_is_found_by_its_index() -> None:
    assert Delivery.objects.count() == 4100
    assert indexes_used(
        "SELECT id FROM postroom_delivery WHERE lane = 1 AND state IN ('deferred', 'queued') AND due_at <= now()"
        " ORDER BY due_at, id LIMIT 10"
    ) == {"delivery_queue"}
