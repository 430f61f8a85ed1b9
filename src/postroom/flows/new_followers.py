"""Who follows a record because of a message: kept while the message may be taken back, so that its followers go with it.

Laws: who followed before stays; so does who was added by hand, or wrote or was written to once more, since. Nothing is kept of a
message that cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence

from postroom.store.models import Follower, Message, Record


def follow_by_writing(record: Record, contact_id: int) -> int | None:
    """The new follower's number; None for who follows already, and stays whatever becomes of an earlier message."""
    row, is_new = Follower.objects.get_or_create(record=record, contact_id=contact_id)
    if is_new:
        return row.pk
    stay_following(row)
    return None


def stay_following(row: Follower) -> None:
    """Whatever made it one: from now on it is one for good."""
    if row.came_with_id is not None:
        Follower.objects.filter(pk=row.pk).update(came_with=None)


def came_with(message: Message, followers: Sequence[int | None]) -> None:
    """These are there because of a message that may be taken back."""
    if fresh := [pk for pk in followers if pk is not None]:
        Follower.objects.filter(pk__in=fresh).update(came_with=message)


def leave_with(message: Message) -> None:
    """The message is taken back."""
    if message.record_id is not None:
        Follower.objects.filter(record_id=message.record_id, came_with=message).delete()
