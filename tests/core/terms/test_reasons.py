"""Reasons: why a decision was made, as data with a sentence."""

from __future__ import annotations

import json
import string

import pytest

import postroom.core.routing.sentences as routing_sentences
from postroom.core.terms import reasons
from postroom.core.terms.reasons import (
    SENTENCES,
    Reason,
    because,
    catalogue,
    reasons_as_json,
    reasons_from_json,
    rooms_are_opened_by,
    sentence,
    template_of,
)


def test_a_reason_says_its_sentence_with_its_facts() -> None:
    assert str(because("recipient.unknown", recipient="bob@ours.example")) == "Nobody is called bob@ours.example here."


def test_facts_become_texts() -> None:
    assert because("x", count=7, nothing=None).facts == {"count": "7", "nothing": "None"}


def test_reasons_travel_as_json() -> None:
    reasons = (because("recipient.unknown", recipient="jörg@ours.example"), because("own.marked"))
    stored = json.loads(json.dumps(reasons_as_json(reasons)))
    assert reasons_from_json(stored) == reasons


def test_a_reason_within_a_reason_is_told_with_it_and_travels_with_it() -> None:
    whole = because("recipient.unknown", recipient=because("recipient.no_address", recipient="bob"))
    assert str(whole) == "Nobody is called bob is no mail address. here."
    (stored,) = reasons_from_json(json.loads(json.dumps(reasons_as_json([whole]))))
    assert stored == whole
    assert stored.within["recipient"].code == "recipient.no_address"


def test_reasons_stored_within_one_another_for_ever_are_read_as_far_as_any_go() -> None:
    row: dict[str, object] = {"code": "x"}
    for _ in range(500):
        row = {"code": "x", "within": {"why": row, "other": "no mapping"}}
    (reason,) = reasons_from_json([row])
    depth = 0
    while reason.within:
        reason, depth = reason.within["why"], depth + 1
    assert depth < 5


@pytest.mark.parametrize("row", [{}, {"code": None}, {"code": "gone.long-ago", "facts": "no mapping"}])
def test_reasons_of_an_older_version_are_still_shown(row: dict[str, object]) -> None:
    (reason,) = reasons_from_json([row])
    assert str(reason) == str(row.get("code", ""))


def test_a_missing_fact_shows_as_a_question_mark() -> None:
    assert str(Reason("recipient.unknown")) == "Nobody is called ? here."


def test_a_translation_takes_the_place_of_the_sentence() -> None:
    assert (
        sentence("recipient.unknown", {"recipient": "bob"}, "Niemand heißt hier {recipient}.")
        == "Niemand heißt hier bob."
    )


def test_braces_in_facts_are_only_text() -> None:
    assert (
        str(because("recipient.unknown", recipient="{recipient}{0}{x.__class__}"))
        == "Nobody is called {recipient}{0}{x.__class__} here."
    )


def test_a_code_has_one_sentence() -> None:
    catalogue({"recipient.unknown": SENTENCES["recipient.unknown"]})
    with pytest.raises(ValueError, match=r"recipient\.unknown"):
        catalogue({"recipient.unknown": "Another sentence."})


# a cure, and what is done next, may end in a command to copy; the others are set into a sentence or a list
PARTS = (
    "answer.",
    "heal.",
    "help.",
    "letter.",
    "look.",
    "moment.",
    "next.",
    "piece.",
    "policy.",
    "proposal.",
    "rule.",
    "symptom.",
    "turn.",
)


def test_every_sentence_of_routing_is_one_with_named_fields() -> None:
    assert routing_sentences.__doc__
    for code, text in SENTENCES.items():
        assert text.endswith((".", "?", "}")) or code.startswith(PARTS), code
        fields = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        assert all(name.isidentifier() for name in fields), code


def test_the_rooms_are_opened_once_by_the_first_code_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "SENTENCES", {"known.here": "Known."})
    opened: list[str] = []

    def open_rooms() -> None:
        opened.append("all")
        catalogue({"known.elsewhere": "Known to {room}."})

    monkeypatch.setattr(reasons._Rooms, "open", None)
    rooms_are_opened_by(open_rooms)
    assert (template_of("known.here"), opened) == ("Known.", [])
    assert str(because("known.elsewhere", room="the cellar")) == "Known to the cellar."
    assert template_of("of.nobody") == ""
    assert opened == ["all"]
