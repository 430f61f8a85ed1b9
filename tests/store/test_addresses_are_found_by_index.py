"""What is asked of addresses for every mail and every campaign costs the same beside a hundred thousand that bounced."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection

from postroom.store import bounces
from postroom.store.queries import pages_suppression, suppressed
from postroom.wiring import ports
from tests.flows.outgoing_mails import a_company

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ADDRESSES = """
    INSERT INTO postroom_addresshealth (company_id, address, domain, bounce_count, first_bounced_at, last_bounced_at, last_status,
                                        last_reply, last_blame, complaint_count, alive_by)
    SELECT %s, 'c' || g || '@d' || g %% 500 || '.example', 'd' || g %% 500 || '.example', g %% 2, now(), now(), '', '', '', 0, ''
    FROM generate_series(1, 20000) g
"""
SUPPRESSIONS = """
    INSERT INTO postroom_suppression (health_id, company_id, cause, reasons, since, who, released_who, released_why)
    SELECT id, company_id, 'address', '[]', now(), '', '', '' FROM postroom_addresshealth
"""
EVENTS = """
    INSERT INTO postroom_bounceevent (health_id, company_id, kind, source, delivery_id, attempt, status, reply, blame, fault,
                                      is_proof, happened_at, recorded_at)
    SELECT id, company_id, 'bounced', 'report', id, 1, '', '', '', '', false, now() - (id % 90)::int * interval '1 day', now()
    FROM postroom_addresshealth
"""


@pytest.fixture
def company_id() -> int:
    company = a_company()
    with connection.cursor() as cursor:
        cursor.execute(ADDRESSES, [company.pk])
        cursor.execute(SUPPRESSIONS)
        cursor.execute(EVENTS)
        for table in ("addresshealth", "suppression", "bounceevent", "contact"):
            cursor.execute(f"ANALYZE postroom_{table}")
    return company.pk


def scanned(statement: str, values: list[object]) -> set[str]:
    """The tables of ours that are read from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", values)
        plan = cursor.fetchone()[0]
    plan = plan if isinstance(plan, list) else json.loads(plan)
    return set(_scans(plan[0]["Plan"])) - {"postroom_contact"}  # it is empty here


def _scans(node: dict[str, object]) -> list[str]:
    children = node.get("Plans", [])
    assert isinstance(children, list)
    own = [str(node["Relation Name"])] if node["Node Type"] == "Seq Scan" else []
    return own + [name for child in children for name in _scans(child)]


def test_whom_a_campaign_leaves_out(company_id: int) -> None:
    asked = [f"c{number}@d{number % 500}.example" for number in range(100)]
    assert scanned(suppressed._SUPPRESSED, [company_id, asked, ports().clock.now()]) == set()


def test_signs_of_life_of_a_batch_of_mails(company_id: int) -> None:
    authors = [f"stranger{number}@elsewhere.example" for number in range(100)]
    assert scanned(bounces._SIGN_OF_LIFE, [authors, [ports().clock.now()] * 100, "mail"]) == set()


def test_who_failed_most(company_id: int) -> None:
    since = ports().clock.now() - timedelta(days=1)
    statement = pages_suppression._RECENT + pages_suppression._WORST_ADDRESSES
    assert "postroom_bounceevent" not in scanned(statement, [[company_id], since, 1000, 8])
