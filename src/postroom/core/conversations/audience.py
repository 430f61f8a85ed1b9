"""Who hears of a message, how, and why.

Duty: `decide` turns the followers of a record (and explicit recipients) into an audience: one entry a person, with the
channel and the reason; and names those who are left out, with the reason too.
Laws: pure; a note never reaches anybody who is no colleague, whoever asked for it (wish 22), nor does what changes on a record; the author hears nothing of
his own words; a person is in it once; who was addressed in To or Cc of an incoming mail gets no second copy (W-38).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.states import Channel, MessageKind

catalogue(
    {
        "audience.follows": "{name} follows this record.",
        "audience.explicit": "{name} was added to this message.",
        "audience.mentioned": "{name} is mentioned in it.",
        "audience.answered": "{name} wrote the note that is answered.",
        "audience.assigned": "It was given to {name} to do.",
        "audience.inbox": "Reads notifications in the inbox, by own choice.",
        "audience.mail": "Gets them by mail.",
        "audience.note_inbox": "Notes are read in the app here and do not leave by mail (mail.note.by_mail).",
        "audience.no_address": "There is no address to write to.",
        "audience.addressed": "Was in To or Cc of the mail and has it already.",
        "audience.author": "Wrote it.",
        "audience.outside": "A note stays inside: {name} is no colleague.",
        "audience.outside_changes": "What changes here is told to colleagues alone: {name} is none.",
        "audience.inactive": "The contact is archived.",
        "audience.not_this_kind": "Does not follow messages of this kind.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody who may hear of a message. ``normal`` is the normalised address or ``""``."""

    contact_id: int
    name: str
    address: str
    normal: str
    language: str = "en"
    is_active: bool = True
    is_colleague: bool = False
    channel: Channel = Channel.MAIL
    follows_comments: bool = False
    follows_notes: bool = False
    follows_changes: bool = False
    follows_activities: bool = False
    is_explicit: bool = False
    is_mentioned: bool = False
    is_answered: bool = False  # wrote the note that this note answers


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceMember:
    """One person of the audience. ``needs_mail`` is False for those who have the mail already or read the inbox."""

    candidate: Candidate
    channel: Channel
    needs_mail: bool
    reasons: tuple[Reason, ...]

    @property
    def contact_id(self) -> int:
        return self.candidate.contact_id

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def address(self) -> str:
        return self.candidate.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who hears of it, and who does not although he might have."""

    members: tuple[AudienceMember, ...]
    left_out: tuple[tuple[Candidate, Reason], ...]


def decide(
    kind: MessageKind,
    candidates: Iterable[Candidate],
    *,
    author_contact_id: int | None,
    author_normal: str,
    already_addressed: frozenset[str] = frozenset(),
    notes_by_mail: bool = True,
    is_activity: bool = False,
) -> Audience:
    """The audience of one message. ``already_addressed`` are normalised addresses that have the mail itself. Without
    ``notes_by_mail`` colleagues read notes in the inbox, whatever they chose. ``is_activity``: the system speaks of something
    that was to be done, not of a change."""
    members: list[AudienceMember] = []
    left_out: list[tuple[Candidate, Reason]] = []
    seen: set[int] = set()
    for one in candidates:
        if one.contact_id in seen:
            continue
        seen.add(one.contact_id)
        why_not = _reason_against(kind, one, author_contact_id, author_normal, is_activity=is_activity)
        if why_not is not None:
            left_out.append((one, why_not))
        else:
            is_kept_in = kind is MessageKind.NOTE and not notes_by_mail
            members.append(_member(kind, one, already_addressed, is_kept_in=is_kept_in))
    return Audience(members=tuple(members), left_out=tuple(left_out))


def _reason_against(
    kind: MessageKind, one: Candidate, author_id: int | None, author_normal: str, *, is_activity: bool
) -> Reason | None:
    if one.contact_id == author_id or (one.normal and one.normal == author_normal):
        return because("audience.author")
    if not one.is_active:
        return because("audience.inactive")
    if kind is MessageKind.NOTE and not one.is_colleague:
        return because("audience.outside", name=one.name)
    if kind is MessageKind.SYSTEM and not one.is_colleague:
        return because("audience.outside_changes", name=one.name)
    is_meant = one.is_explicit or one.is_mentioned or one.is_answered
    if not (is_meant or _follows(kind, one, is_activity=is_activity)):
        return because("audience.not_this_kind")
    return None


def _follows(kind: MessageKind, one: Candidate, *, is_activity: bool) -> bool:
    match kind:
        case MessageKind.COMMENT:
            return one.follows_comments
        case MessageKind.NOTE:
            return one.follows_notes
        case MessageKind.SYSTEM:
            return one.follows_activities if is_activity else one.follows_changes


def _member(
    kind: MessageKind, one: Candidate, already_addressed: frozenset[str], *, is_kept_in: bool
) -> AudienceMember:
    why = because(_why_told(kind, one), name=one.name)
    if one.channel is Channel.INBOX and one.is_colleague:
        return AudienceMember(
            candidate=one, channel=Channel.INBOX, needs_mail=False, reasons=(why, because("audience.inbox"))
        )
    if is_kept_in:
        return AudienceMember(
            candidate=one, channel=Channel.INBOX, needs_mail=False, reasons=(why, because("audience.note_inbox"))
        )
    if one.normal in already_addressed and one.normal:
        return AudienceMember(
            candidate=one, channel=Channel.MAIL, needs_mail=False, reasons=(why, because("audience.addressed"))
        )
    if not one.address:
        return AudienceMember(
            candidate=one, channel=Channel.MAIL, needs_mail=False, reasons=(why, because("audience.no_address"))
        )
    return AudienceMember(candidate=one, channel=Channel.MAIL, needs_mail=True, reasons=(why, because("audience.mail")))


def _why_told(kind: MessageKind, one: Candidate) -> str:
    """What the author did for it counts before what holds anyway."""
    if one.is_mentioned:
        return "audience.mentioned"
    if one.is_explicit:
        return "audience.assigned" if kind is MessageKind.SYSTEM else "audience.explicit"
    return "audience.answered" if one.is_answered else "audience.follows"
