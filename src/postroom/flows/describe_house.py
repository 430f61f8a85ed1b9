"""The house as a support bundle shows it: configuration, parameters, servers, mailboxes, domains, aliases, versions, recent changes.

Laws: reads only; no secret and no sealed bytes, whatever a column is called: bytes are told as set or not set, and texts pass the filter of the
logs. Only what mail depends on; people are told as numbers.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import django
import psycopg
from django.db import connection, models

from postroom import __version__
from postroom.core.terms.log_lines import MASK, is_secret_key, without_secrets
from postroom.core.terms.parameters import PARAMETERS
from postroom.core.terms.secret import Secret
from postroom.flows.guard_installation import is_capturing
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import (
    Alias,
    AliasDomain,
    AuditEvent,
    AutomationRule,
    Company,
    DkimKey,
    InboundHook,
    Mailbox,
    Member,
    OutgoingServer,
    ProviderHook,
    RecordKind,
    ScheduledAction,
    SettingChange,
)

MOST_ROWS = 500
_DIGESTS = ("token_digest", "hash")  # of secrets: nobody needs them
_SHOWN: Sequence[tuple[str, type[models.Model]]] = (
    ("outgoing_servers", OutgoingServer),
    ("mailboxes", Mailbox),
    ("domains", AliasDomain),
    ("aliases", Alias),
    ("dkim_keys", DkimKey),
    ("addresses_for_providers", InboundHook),
    ("events_of_providers", ProviderHook),
    ("kinds", RecordKind),
    ("rules", AutomationRule),
    ("schedule", ScheduledAction),
)


def describe_settings(ports: Ports) -> dict[str, Any]:
    """What is set. A dozen queries."""
    values = parameters(ports)
    told: dict[str, Any] = {
        "configuration": _configuration(ports),
        "parameters": {key: row_value(key, values.text(key)) for key in PARAMETERS},
        "changed_parameters": sorted(set(values.stored) & set(PARAMETERS)),
        "capture_mode": is_capturing(),
        "companies": Company.objects.count(),
        "members": Member.objects.count(),
    }
    for name, model in _SHOWN:
        told[name] = [row_as_json(row) for row in model._default_manager.order_by("pk")[:MOST_ROWS]]
    return told


def _configuration(ports: Ports) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for one in fields(ports.configuration):
        value = getattr(ports.configuration, one.name)
        told[one.name] = _set_or_not(value) if isinstance(value, Secret) else row_value(one.name, value)
    return told


def row_as_json(row: models.Model) -> dict[str, Any]:
    """Its columns, without what is secret."""
    told: dict[str, Any] = {}
    for column in row._meta.concrete_fields:
        value = getattr(row, column.attname)
        if column.name in _DIGESTS:
            continue
        if isinstance(column, models.BinaryField):
            told[column.attname] = _set_or_not(value)
        else:
            told[column.attname] = row_value(column.attname, value)
    return told


def row_value(name: str, value: Any) -> Any:
    """A value under this name as JSON; what is called a secret is masked."""
    match value:
        case None | bool() | int() | float():
            return value
        case str() if is_secret_key(name):
            return MASK if value else ""
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): row_value(str(key), one) for key, one in value.items()}
        case list() | tuple():
            return [row_value("", one) for one in value]
        case _:
            return _set_or_not(value) if isinstance(value, bytes | memoryview) else without_secrets(str(value))


def _set_or_not(value: Any) -> str:
    return MASK if value else ""


def recent_changes(now: datetime, *, back: timedelta) -> list[dict[str, Any]]:
    """What was changed lately, the newest first: settings with before and after, and what the audit log knows of people and keys."""
    since = now - back
    told = [
        {
            "at": row.changed_at.isoformat(),
            "by": row.user.get_username() if row.user is not None else "",
            "subject": row.subject,
            "before": row_value("", row.before),
            "after": row_value("", row.after),
        }
        for row in SettingChange.objects.filter(changed_at__gte=since).select_related("user").order_by("-id")[:200]
    ]
    told += [
        {"at": row.at.isoformat(), "by": row.login, "subject": f"{row.what} {row.subject}".strip()}
        for row in AuditEvent.objects.filter(at__gte=since, what__in=_TELLING).order_by("-id")[:100]
    ]
    return sorted(told, key=lambda one: str(one["at"]), reverse=True)


_TELLING = ("key_created", "key_removed", "secrets_rotated", "company_changed", "member_created", "member_changed")


def versions() -> dict[str, str]:
    """Of what takes part. One query."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (database,) = cursor.fetchone()
    return {
        "postroom": __version__,
        "python": platform.python_version(),
        "django": django.get_version(),
        "psycopg": psycopg.__version__,
        "postgresql": str(database),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
