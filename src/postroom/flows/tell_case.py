"""The story of a case: the stories of its mails in one order. What a support bundle shows as the timeline."""

from __future__ import annotations

from postroom.core.diagnosis.story import StoryEvent, merged
from postroom.flows.gather_case import Case
from postroom.flows.ports import Ports
from postroom.flows.tell_story import StoryWish, tell_story
from postroom.store.models import Member


def story_of(ports: Ports, case: Case, *, member: Member | None) -> tuple[StoryEvent, ...]:
    """The oldest first. A handful of queries for each mail of the case (`gather_case` bounds them)."""
    asked = [*(str(one.pk) for one in case.messages), *(f"inbound:{one.pk}" for one in case.inbounds)]
    return tuple(merged(*(tell_story(ports, StoryWish(asked=one), member=member).events for one in asked)))
