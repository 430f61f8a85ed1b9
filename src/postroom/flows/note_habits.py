"""What a server showed of itself while mail was sent: its SIZE, and how many mails it takes on a connection."""

from __future__ import annotations

from postroom.store.models import OutgoingServer


def note_habits(server_id: int, *, announced_size: int, learned_mails: int) -> None:
    """Kept for all workers. ``announced_size`` in bytes; 0 says nothing, in both."""
    if announced_size:
        rows = OutgoingServer.objects.filter(pk=server_id).exclude(announced_size=announced_size)
        rows.update(announced_size=announced_size)
    if learned_mails:
        rows = OutgoingServer.objects.filter(pk=server_id).exclude(learned_mails_per_connection=learned_mails)
        rows.update(learned_mails_per_connection=learned_mails)
