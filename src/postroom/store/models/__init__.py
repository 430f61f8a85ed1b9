"""Tables, one module per room. Laws: a company on every row that belongs to one, aware UTC times,
bodies and raw mail out of the hot tables, a partial index for every queue, nothing in ``save()``, no signals."""

from postroom.store.models.access import ApiKey, Company, Member, Parameter, SettingChange
from postroom.store.models.alarms import Alarm
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
from postroom.store.models.drafts import (
    MailTemplate,
    MailTemplateFile,
    MailTemplateVariant,
    ScheduledFile,
    ScheduledMessage,
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
from postroom.store.models.loops import LoopHold, LoopPermit
from postroom.store.models.outgoing import (
    AliasDomain,
    Attempt,
    Delivery,
    Destination,
    DestinationDomain,
    DkimKey,
    LetterboxMail,
    OutgoingContent,
    OutgoingMail,
    OutgoingServer,
    Resolution,
    SendingGate,
)
from postroom.store.models.schedule import Installation, ScheduledAction, ScheduledRun
from postroom.store.models.suppression import AddressHealth, BounceEvent, Suppression
from postroom.store.models.tracking import DeliveryEvent, ProviderHook

__all__ = [
    "AddressHealth",
    "Alarm",
    "Alias",
    "AliasDomain",
    "AliasFollower",
    "ApiKey",
    "Attachment",
    "Attempt",
    "BounceEvent",
    "Company",
    "Contact",
    "Delivery",
    "DeliveryEvent",
    "Destination",
    "DestinationDomain",
    "DkimKey",
    "Follower",
    "InboundMessage",
    "Installation",
    "LetterboxMail",
    "LoopHold",
    "LoopPermit",
    "MailTemplate",
    "MailTemplateFile",
    "MailTemplateVariant",
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
    "ProviderHook",
    "RawMail",
    "Record",
    "RecordKind",
    "RefusalNotice",
    "ReportedRecipient",
    "Resolution",
    "ScheduledAction",
    "ScheduledFile",
    "ScheduledMessage",
    "ScheduledRun",
    "SeenMail",
    "SendingGate",
    "SettingChange",
    "Suppression",
]
