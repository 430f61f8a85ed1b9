"""What the pulse counts: mail in and out, by the hour."""

from __future__ import annotations

from enum import StrEnum


class Traffic(StrEnum):
    """What happened to one mail. Each is counted in the hour in which it happened."""

    RECEIVED = "received"  # came in, and was routed for the first time
    SENT = "sent"  # the next hop said 250
    FAILED = "failed"  # given up
    BOUNCED = "bounced"  # sent, and a report came back
