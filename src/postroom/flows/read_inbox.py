"""A person has seen what reached them: in the app, or in the Letterbox as somebody else."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.terms.states import Channel
from postroom.flows.access import visible_letterbox
from postroom.flows.ports import Ports
from postroom.store.models import LetterboxMail, Member, Notification


def mark_read(ports: Ports, notification_ids: Sequence[int], *, member: Member) -> int:  # noqa: ARG001 (every flow takes ports)
    """Marks these notifications read, as far as they are the member's own; how many were. One statement."""
    return Notification.objects.filter(
        pk__in=notification_ids, contact_id=member.contact_id, channel=Channel.INBOX, is_read=False
    ).update(is_read=True)


def mark_letter_read(ports: Ports, letterbox_id: int, *, member: Member) -> None:  # noqa: ARG001 (every flow takes ports)
    """Marks a captured mail read, as far as the member may see it."""
    readable = visible_letterbox(member).filter(pk=letterbox_id, is_read=False).values("pk")
    LetterboxMail.objects.filter(pk__in=readable).update(is_read=True)
