"""What colleagues are told of by ourselves: a record was given to them, or something to do.

Duty: the words of these notices, in the voices of `letters`. Laws: pure; everything that people wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from html import escape

from postroom.core.conversations.letters import VOICES

_ASSIGNED = {
    "en": "<p><b>{who}</b> has assigned you to {kind} “{title}”.</p>",
    "de": "<p><b>{who}</b> hat Ihnen „{title}“ ({kind}) zugewiesen.</p>",
}
_PLANNED = {
    "en": "<p><b>{who}</b> asks you to do something until {day}: <b>{summary}</b></p>{note}",
    "de": "<p><b>{who}</b> bittet Sie um etwas bis {day}: <b>{summary}</b></p>{note}",
}


def assigned(who: str, kind: str, title: str) -> Mapping[str, str]:
    """HTML by voice: you have been assigned."""
    facts = {"who": escape(who), "kind": escape(kind), "title": escape(title)}
    return {voice: _ASSIGNED[voice].format_map(facts) for voice in VOICES}


def planned(who: str, summary: str, note: str, due_on: date) -> Mapping[str, str]:
    """HTML by voice: there is something for you to do. ``note`` is plain text."""
    lines = "<br>".join(escape(line) for line in note.splitlines())
    said = f"<blockquote>{lines}</blockquote>" if lines else ""
    facts = {"who": escape(who), "summary": escape(summary), "day": due_on.isoformat(), "note": said}
    return {voice: _PLANNED[voice].format_map(facts) for voice in VOICES}


def done_html(summary: str, feedback: str) -> str:
    """The entry of an activity that was done. ``feedback`` is plain text."""
    lines = "<br>".join(escape(line) for line in feedback.splitlines())
    return f"<p>✓ {escape(summary)}</p>" + (f"<p>{lines}</p>" if lines else "")
