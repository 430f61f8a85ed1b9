"""Which blobs are still named. Every table of ours with a column ``sha256`` names blobs: there is no list to keep up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from django.apps import apps
from django.db import connection, models
from psycopg import sql

COLUMN = "sha256"


@lru_cache(maxsize=1)
def naming_models() -> tuple[type[models.Model], ...]:
    """The models whose rows name blobs."""
    return tuple(
        model
        for model in apps.get_app_config("postroom").get_models()
        if any(field.name == COLUMN for field in model._meta.concrete_fields)
    )


def named(digests: Sequence[str]) -> set[str]:
    """Those of these digests that a row names. One query."""
    if not digests:
        return set()
    pieces = [
        sql.SQL("SELECT {column} FROM {table} WHERE {column} = ANY(%(digests)s) AND {column} <> ''").format(
            column=sql.Identifier(COLUMN), table=sql.Identifier(model._meta.db_table)
        )
        for model in naming_models()
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ").join(pieces), {"digests": list(digests)})
        return {row[0] for row in cursor.fetchall()}
