"""The scheduled actions by their keys and names, for who asks about them without running any. Law: `flows.run_scheduled_action` has no others."""

from __future__ import annotations

from collections.abc import Mapping

ACTION_NAMES: Mapping[str, str] = {
    "queue_manager": "Mail: Email Queue Manager",
    "fetchmail": "Mail: Fetchmail Service",
    "reconciliation": "Mail: Reconciliation of mailboxes",
    "destinations": "Mail: Destination Look-up",
    "scheduled_messages": "Mail: Post scheduled messages",
    "automation": "Mail: Automation rules",
    "search": "Search: Words of old messages",
    "pulse": "Mail: Pulse",
    "watch": "Doctor: Watch",
    "auto_vacuum": "Auto-Vacuum",
}
