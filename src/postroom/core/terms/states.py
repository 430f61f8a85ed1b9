"""The states of mails and deliveries. Each has one sentence; `docs/reference/states.md` is made from them.

Inbound:  received -> routed | held | refused | discarded | failed
Delivery: queued -> sending -> sent | deferred | failed | cancelled; later bounced or complained; unknown after a crash.
"""

from __future__ import annotations

from enum import StrEnum


class InboundState(StrEnum):
    """What became of a mail that came in."""

    RECEIVED = "received"  # durable, acknowledged, not routed yet
    ROUTED = "routed"  # on a record, or its report is booked
    HELD = "held"  # nothing matched, or a breaker is open: a person decides
    REFUSED = "refused"  # answered with a refusal
    DISCARDED = "discarded"  # seen before, or our own mail: kept for the log, does nothing
    FAILED = "failed"  # routing raised five times: our bug, kept until "route again" succeeds


class DeliveryState(StrEnum):
    """What became of one mail to one recipient."""

    QUEUED = "queued"  # waits for a worker
    SENDING = "sending"  # claimed by a worker
    SENT = "sent"  # the next hop said 250; not "delivered"
    DEFERRED = "deferred"  # a temporary trouble: tried again at due_at
    FAILED = "failed"  # given up: a permanent refusal or the deadline
    CANCELLED = "cancelled"  # a person or a rule stopped it
    BOUNCED = "bounced"  # sent, and a report came back
    COMPLAINED = "complained"  # sent, and the recipient called it unwanted
    UNKNOWN = "unknown"  # we crashed between the end of DATA and the reply


class Lane(StrEnum):
    """Who waits behind whom."""

    URGENT = "urgent"  # from one person to another
    NORMAL = "normal"  # automation, events
    CAMPAIGN = "campaign"  # bulk


class NotificationState(StrEnum):
    """What one person's notification shows in the chatter (D-32)."""

    READY = "ready"
    SENT = "sent"
    BOUNCE = "bounce"
    EXCEPTION = "exception"
    CANCELED = "canceled"


class Channel(StrEnum):
    """How a person hears of a message."""

    MAIL = "mail"
    INBOX = "inbox"


class MessageKind(StrEnum):
    """What a message on a record is."""

    COMMENT = "comment"  # to the followers
    NOTE = "note"  # internal: never leaves to an outside address
    SYSTEM = "system"  # written by Postroom


class Turn(StrEnum):
    """What a message does to a conversation: somebody outside waits for an answer, or has got one."""

    ASKS = "asks"
    ANSWERS = "answers"


class ActivityKind(StrEnum):
    """What is to be done."""

    TO_DO = "todo"
    CALL = "call"
    MEETING = "meeting"
    EMAIL = "email"  # write to somebody
    DOCUMENT = "document"  # read, sign or file something


class ActivityState(StrEnum):
    """What became of an activity."""

    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"


class AliasPolicy(StrEnum):
    """Who may write to an alias."""

    EVERYONE = "everyone"
    KNOWN_CONTACTS = "known_contacts"
    FOLLOWERS = "followers"
    COLLEAGUES = "colleagues"


class Role(StrEnum):
    """What a person may do."""

    ADMINISTRATOR = "administrator"
    MANAGER = "manager"
    AGENT = "agent"
    READ_ONLY = "read_only"


class Blame(StrEnum):
    """Whose fault a failure is: one vocabulary everywhere."""

    ADDRESS = "address"
    MAILBOX = "mailbox"
    POLICY = "policy"
    SENDER = "sender"
    SERVER = "server"
    NETWORK = "network"


class EvidenceKind(StrEnum):
    """What came back."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"


class EvidenceSource(StrEnum):
    """Who said it, each proven in its own way."""

    REPORT = "report"  # a delivery report at our signed return path, or naming our Message-ID and the address
    SESSION = "session"  # the server's answer while we spoke with it
    PROVIDER = "provider"  # a signed event of the provider through which the mail left


class SuppressionCause(StrEnum):
    """Why an address is left out; a later one stands above an earlier one."""

    BOUNCES = "bounces"  # the rule of several bounces
    ADDRESS = "address"  # one proof that it does not exist
    IMPORTED = "imported"
    MANUAL = "manual"
    COMPLAINT = "complaint"

    def outranks(self, other: SuppressionCause) -> bool:
        order = list(SuppressionCause)
        return order.index(self) > order.index(other)


class FailureType(StrEnum):
    """Why a delivery failed, in the words of the users' habit (D-31)."""

    NONE = ""
    UNKNOWN = "unknown"
    MAIL_EMAIL_INVALID = "mail_email_invalid"
    MAIL_EMAIL_MISSING = "mail_email_missing"
    MAIL_FROM_INVALID = "mail_from_invalid"
    MAIL_FROM_MISSING = "mail_from_missing"
    MAIL_SMTP = "mail_smtp"
    MAIL_BOUNCE = "mail_bounce"


class MailTestState(StrEnum):
    """How far a test of a mail has come."""

    WAITING = "waiting"  # a seed message is on its way
    FINISHED = "finished"  # there is a report
    FAILED = "failed"  # the seed message was not taken, or did not come back
    NOT_APPLICABLE = "not_applicable"  # mail is captured here, so nothing can come back


class Door(StrEnum):
    """Through which door a mail came in."""

    SMTP = "smtp"
    LMTP = "lmtp"
    IMAP = "imap"
    POP3 = "pop3"
    PIPE = "pipe"
    HTTP = "http"

    @property
    def recipient_decides(self) -> bool:
        """At SMTP and LMTP the envelope names the target; elsewhere recipient headers must (law 5)."""
        return self in (Door.SMTP, Door.LMTP)


class ProposalState(StrEnum):
    """What became of a change that an agent proposed."""

    WAITING = "waiting"  # for a person
    DONE = "done"  # a person approved it, and it was done at that moment
    FAILED = "failed"  # a person approved it, and it could not be done any more
    REFUSED = "refused"
    EXPIRED = "expired"  # nobody decided in time
