"""What the database does for a question, as it tells itself."""

from __future__ import annotations

import json
from typing import Any

from django.db import connection


def looked_at(statement: str, table: str) -> float:
    """How many rows of this table the database takes in its hands."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
    plan = plan if isinstance(plan, list) else json.loads(plan)
    return _rows_of(plan[0]["Plan"], table)


def _rows_of(node: dict[str, Any], table: str) -> float:
    own = 0.0
    if node.get("Relation Name") == table:
        own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return own + sum(_rows_of(child, table) for child in node.get("Plans", []))
