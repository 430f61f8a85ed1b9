"""Tables, one module per room. Laws: a company on every row that belongs to one, aware UTC times,
bodies and raw mail out of the hot tables, a partial index for every queue, nothing in ``save()``, no signals."""

from postroom.store.models.access import ApiKey, Company, Member, Parameter, SettingChange
from postroom.store.models.contacts import Contact
from postroom.store.models.conversations import (
    Attachment,
    Follower,
    Message,
    MessageBody,
    MessageIdentifier,
    Notification,
    Record,
    RecordKind,
)
from postroom.store.models.incoming import (
    Alias,
    AliasFollower,
    InboundMessage,
    Mailbox,
    RawMail,
    RefusalNotice,
    ReportedRecipient,
    SeenMail,
)
from postroom.store.models.outgoing import (
    AliasDomain,
    Attempt,
    Delivery,
    LetterboxMail,
    OutgoingContent,
    OutgoingMail,
    OutgoingServer,
)
from postroom.store.models.schedule import Installation, ScheduledAction, ScheduledRun

__all__ = [
    "Alias",
    "AliasDomain",
    "AliasFollower",
    "ApiKey",
    "Attachment",
    "Attempt",
    "Company",
    "Contact",
    "Delivery",
    "Follower",
    "InboundMessage",
    "Installation",
    "LetterboxMail",
    "Mailbox",
    "Member",
    "Message",
    "MessageBody",
    "MessageIdentifier",
    "Notification",
    "OutgoingContent",
    "OutgoingMail",
    "OutgoingServer",
    "Parameter",
    "RawMail",
    "Record",
    "RecordKind",
    "RefusalNotice",
    "ReportedRecipient",
    "ScheduledAction",
    "ScheduledRun",
    "SeenMail",
    "SettingChange",
]
