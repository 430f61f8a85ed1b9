"""The vocabulary of routing: what a mail shows (`Evidence`), what we know (`Facts`), what follows (`Decision`).

Flow: ``parse -> collect(mail, envelope) -> Evidence -> look_up -> Facts -> decide(evidence, facts, now) -> Verdict``.
Laws: envelope before header (recipient headers choose a target only where the door has no envelope, law 5);
every decision carries reasons; decisions are a closed union; nothing is silently lost: where nothing matches, a mail is
refused in the session, or held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from postroom.core.reports.delivery_reports import DeliveryReport
from postroom.core.routing.authenticity import UNASKED, Authenticity
from postroom.core.terms.addresses import Address
from postroom.core.terms.reasons import Reason
from postroom.core.terms.states import AliasPolicy, Door
from postroom.core.tokens.addresses import AddressToken, TokenPurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One address this mail is for: from the envelope, or from headers where there is none. ``normal`` is normalised."""

    normal: str
    local: str  # without sub-address
    detail: str  # the sub-address ("plus part"), or ""
    domain: str
    token: AddressToken | None = None  # a genuine signed token of ours in it
    is_header: bool = False  # named by To, Cc or Delivered-To only (fetched and piped mail)
    is_cc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the mail shows by itself, tokens verified. Ids with angle brackets, addresses normalised."""

    door: Door
    size: int
    recipients: tuple[Recipient, ...]
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    mail_from: str = ""
    has_null_reverse_path: bool = False
    author: Address | None = None
    author_normal: str = ""
    subject: str = ""
    message_id: str = ""
    thread_ids: tuple[str, ...] = ()  # In-Reply-To first, then References, newest first; at most 32
    fingerprint: str = ""  # sha256 hex of Message-ID (or content, without one) and recipients
    report: DeliveryReport | None = None
    is_auto_reply: bool = False  # auto-replied, out-of-office: attached to what it answers, creates nothing
    is_automatic: bool = False  # auto-generated, bulk, list: may create, is never answered
    has_our_mark: bool = False  # X-Postroom-Objects (or X-Odoo-Objects) naming this installation, or a notice of ours
    is_bounce_addressed: bool = False  # a recipient bears a genuine bounce token (plain bounce addresses need facts)
    subject_is_reply: bool = False
    in_reply_to: tuple[str, ...] = ()  # of the thread ids those that In-Reply-To names: the mail answers these exactly
    text_digest: str = ""  # sha256 hex of the normalised subject and new words: equal for near-identical mails
    wants_no_answer: bool = False  # X-Auto-Response-Suppress asks for no report: no sign of an automatic mail
    report_token: AddressToken | None = None  # a genuine bounce token in the return path that the report quotes
    trace: tuple[str, ...] = ()  # marks of the installations that relayed it, nearest first
    authenticity: Authenticity = UNASKED  # what is known about the author beyond his own words
    is_personal: bool = False  # to a signed reply address that the From was given, and nobody else
    is_receivers_report: bool = False  # it looks like a DMARC or TLS report; whether it is one is read later

    @property
    def bounce_numbers(self) -> tuple[int, ...]:
        """The deliveries that genuine bounce tokens name."""
        tokens = [recipient.token for recipient in self.recipients] + [self.report_token]
        return tuple(dict.fromkeys(t.number for t in tokens if t and t.purpose is TokenPurpose.BOUNCE))

    @property
    def reply_numbers(self) -> tuple[int, ...]:
        """The messages that genuine reply tokens name."""
        tokens = [recipient.token for recipient in self.recipients]
        return tuple(dict.fromkeys(t.number for t in tokens if t and t.purpose is TokenPurpose.REPLY))


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasFact:
    """An alias that some recipient may mean."""

    alias_id: int
    name: str
    domain: str
    kind: str
    company_id: int
    policy: AliasPolicy
    forced_record_id: int | None = None
    owner_record_id: int | None = None
    matches_local_part: bool = False
    is_retired: bool = False
    refusal_text: str = ""
    recent_creations_all: int = 0  # records it made, from anybody's mail, within the loop window


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFact:
    """A stored message that the mail refers to."""

    message_id: int  # the row
    identifier: str  # the Message-ID by which it was found, "" when found by token
    record_id: int | None
    kind: str  # the record's kind, "" without record
    company_id: int
    is_note: bool
    record_alias_id: int | None = None
    record_address: str = ""  # the record's own contact address, normalised
    author_took_part: bool = False  # the mail's author wrote on this record before, or we wrote to him from it


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFact:
    """A delivery of ours that a report speaks of (by signed return path or by quoted Message-ID)."""

    delivery_id: int
    address: str
    company_id: int
    by_token: bool
    takers: frozenset[str] = frozenset()  # who had the mail: the recipient's provider, and the server it was handed to
    replies: tuple[str, ...] = ()  # with which it was taken, verbatim
    message: MessageFact | None = None  # what was delivered: an auto-reply to the return path answers it


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorFact:
    """Who the author is to us. All empty for a stranger."""

    contact_id: int | None = None
    member_id: int | None = None
    is_colleague: bool = False
    is_alias: bool = False  # the address is one of our own aliases: never an author (T-038)
    follows: frozenset[int] = frozenset()  # of the records in question
    companies: frozenset[int] | None = (
        None  # to which the contact is known, for a colleague those he sees; None: to all
    )
    also: tuple[AuthorFact, ...] = ()  # further contacts with this address, in order of preference

    def within(self, company_id: int, record_id: int | None = None) -> AuthorFact:
        """Who the author is to this company: who follows the record before colleagues, they before others (I-60)."""
        known = [one for one in (self, *self.also) if one.companies is None or company_id in one.companies]
        followers = [one for one in known if record_id is not None and record_id in one.follows]
        return next(iter((*followers, *known)), AuthorFact(is_alias=self.is_alias))


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFact:
    """One of our alias domains."""

    name: str
    bounce: str  # local parts
    catchall: str
    company_id: int | None = None
    is_retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message of late. ``author`` without sub-address; ``at`` None: in this very batch."""

    author: str
    digest: str  # see `routing.likeness`
    came_in: bool  # else it was written on the page or by a program
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSigns:
    """What the loop breaker looks at beside counts: the last day's, oldest first."""

    on_records: Mapping[int, tuple[Said, ...]] = field(default_factory=dict)  # the last messages of each record
    through_aliases: Mapping[int, tuple[Said, ...]] = field(default_factory=dict)  # what this author had made by each
    written_to: tuple[datetime, ...] = ()  # when mail that nobody wrote here by hand was queued for this author
    refused: Mapping[str, int] = field(default_factory=dict)  # today, by kind of answer
    permits: frozenset[tuple[str, str]] = frozenset()  # (subject, author or ""): a person said that this is no loop
    earlier_copy: int | None = None  # an inbound mail to the catchall with this Message-ID
    since: datetime | None = None  # the beginning of the window; for rounds, mails up to a day before count, too
    now: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that we know and that a decision on this mail may need; looked up once per batch."""

    domains: tuple[DomainFact, ...] = ()
    aliases: tuple[AliasFact, ...] = ()
    messages: tuple[MessageFact, ...] = ()  # matches of thread_ids and reply tokens, newest first
    token_messages: Mapping[int, MessageFact] = field(default_factory=dict)  # message row of a reply token -> fact
    deliveries: tuple[DeliveryFact, ...] = ()
    author: AuthorFact = AuthorFact()
    reporter: str = ""  # the provider of the author's domain, named as in `DeliveryFact.takers`
    duplicate_of: int | None = None  # an inbound mail that was routed with the same fingerprint
    known_message: MessageFact | None = None  # a stored message that bears this very Message-ID
    known_message_is_ours: bool = False  # ... and we sent it
    taken_aliases: frozenset[int] = frozenset()  # aliases that made a record of this very Message-ID already
    taken_records: frozenset[int] = frozenset()  # records on which a message with this very Message-ID is already
    allowed_local_domains: tuple[str, ...] = ()  # mail.catchall.domain.allowed
    fallback_kind: str = ""  # of the mailbox
    fallback_company_id: int | None = None
    fallback_recent: int = 0  # records of the fallback kind made from this author within the loop window
    loop_threshold: int = 20
    loop_exempt: bool = False  # the author is on the allow-list (D-16)
    hold_unknown: bool = True  # fetched mail for nobody: held, else refused with an answer
    signs: LoopSigns = LoopSigns()
    reports_address: str = ""  # mail.dmarc.address: a local part of all our domains, or one address


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendToRecord:
    """The mail becomes a message on a record."""

    record_id: int
    parent_message_id: int | None
    as_note: bool = False
    notify: bool = True  # an auto-reply is attached but notifies nobody
    unverified: bool = False
    alias_id: int | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRecord:
    """The mail becomes a new record of a kind, and its first message."""

    kind: str
    company_id: int
    alias_id: int | None = None
    unverified: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReport:
    """The mail is a report; ``delivery_ids`` are the deliveries of ours that it proves to speak of, ``claimed_ids`` those that it
    merely says it speaks of. ``is_hearsay``: by a Message-ID that others know as well, each recipient of the mail."""

    report: DeliveryReport
    delivery_ids: tuple[int, ...] = ()
    claimed_ids: tuple[int, ...] = ()
    is_hearsay: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeReceiversReport:
    """The mail brings a receiver's report on mail in our name (DMARC, SMTP TLS): it is put by and read; no record, no answer."""

    recipient: str
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The sender is told that the mail was not taken, where telling is allowed. ``answer`` is the text's kind."""

    answer: str  # "unknown", "catchall", "policy"
    recipient: str = ""
    alias_id: int | None = None
    may_answer: bool = True
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """The mail is kept for the log and does nothing: seen before, or our own."""

    duplicate_of: int | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A person decides. ``breaker`` names the target whose loop breaker holds the mail (``alias:3``), ``author`` whom it holds,
    or ``""`` for everybody."""

    breaker: str = ""
    author: str = ""
    reasons: tuple[Reason, ...] = ()


Decision = AppendToRecord | CreateRecord | RecordReport | TakeReceiversReport | Refuse | Discard | Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One decision per target. The mail's state is the best of them: routed over held over refused over discarded."""

    decisions: tuple[Decision, ...]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(reason for decision in self.decisions for reason in decision.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientVerdict:
    """The answer to RCPT: ``accepts()`` of `routing.recipients`, used by the doors and the router alike."""

    accepted: bool
    reasons: tuple[Reason, ...] = ()
