"""A member marks a message with a star, to find it again (U-15)."""

from __future__ import annotations

from postroom.flows.access import visible_messages
from postroom.flows.ports import Ports
from postroom.store.models import Member, Star


def star_message(ports: Ports, message_id: int, *, member: Member, is_on: bool) -> None:
    """Sets or takes the member's own star; twice is as good as once. Raises Message.DoesNotExist for what is not visible."""
    message = visible_messages(member).only("pk").get(pk=message_id)
    if is_on:
        Star.objects.get_or_create(member=member, message=message, defaults={"starred_at": ports.clock.now()})
    else:
        Star.objects.filter(member=member, message=message).delete()
