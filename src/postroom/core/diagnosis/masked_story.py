"""A story without the people in it, or without what they wrote.

Laws: pure. What a field holds is known here, so names, titles and words become their shapes whatever they are, and before a sentence is made of
them; what servers said stays, without addresses and without what was learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postroom.core.diagnosis.masking import Masker
from postroom.core.diagnosis.story import StoryEvent, StoryKind
from postroom.core.terms.reasons import Reason

_WRITTEN = frozenset(("title", "subject", "words", "preview", "text"))
_PEOPLE = frozenset(("who", "sender", "author", "by", "login", "member", "name"))
_BY_PEOPLE = frozenset((StoryKind.ANSWER, StoryKind.RELEASED))  # whose evidence a person wrote
_NOBODY = "somebody"  # what a sentence says where no name is known


def masked_event(event: StoryEvent, masker: Masker) -> StoryEvent:
    """The same event; the same thing where nothing is to be masked."""
    if masker.is_idle:
        return event
    is_server = event.kind is StoryKind.ATTEMPT
    return replace(
        event,
        said=_reason(event.said, masker),
        who=masker.told(event.who) if is_server else masker.person(event.who),
        about=masker.person(event.about),
        evidence=masker.told(masker.words(event.evidence) if event.kind in _BY_PEOPLE else event.evidence),
        why=tuple(_reason(one, masker) for one in event.why),
    )


def _reason(reason: Reason, masker: Masker) -> Reason:
    return Reason(reason.code, _facts(reason.facts, masker))


def _facts(facts: Mapping[str, str], masker: Masker) -> dict[str, str]:
    return {name: _fact(name, str(value), masker) for name, value in facts.items()}


def _fact(name: str, value: str, masker: Masker) -> str:
    if name in _WRITTEN:
        return masker.told(masker.words(value))
    return masker.person(value) if name in _PEOPLE and value != _NOBODY else masker.told(value)
