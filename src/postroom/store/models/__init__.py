"""Tables, one module per room. Laws: a company on every row that belongs to one, aware UTC times,
bodies and raw mail out of the hot tables, a partial index for every queue, nothing in ``save()``, no signals."""

from postroom.store.models.access import ApiKey, Company, Member, Parameter, SettingChange
from postroom.store.models.activities import Activity, Star, TrustedPictures
from postroom.store.models.agents import AgentProposal
from postroom.store.models.alarms import Alarm
from postroom.store.models.audit import AuditEvent, SealedText
from postroom.store.models.automation import AutomationEvent, AutomationMark, AutomationRule, AutomationTally
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
    Draft,
    DraftFile,
    MailTemplate,
    MailTemplateFile,
    MailTemplateVariant,
    ScheduledFile,
    ScheduledMessage,
)
from postroom.store.models.incoming import (
    Alias,
    AliasFollower,
    HookReceipt,
    InboundHook,
    InboundMessage,
    IngressReceipt,
    Mailbox,
    RawMail,
    RefusalNotice,
    ReportedRecipient,
    SeenMail,
    TakenMail,
)
from postroom.store.models.loops import LoopHold, LoopPermit
from postroom.store.models.mail_tests import MailTest
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
from postroom.store.models.pulse import QueueChange, QueueSample, TrafficHour, TrafficTally
from postroom.store.models.receivers import ReceiversReport, ReportedSource, ReportedTls, SourceOwner
from postroom.store.models.schedule import Installation, ScheduledAction, ScheduledRun
from postroom.store.models.search import SavedView, SearchEntry, SearchProgress
from postroom.store.models.setting_up import OAuthClient, Trial
from postroom.store.models.signs import SignOfLife
from postroom.store.models.suppression import AddressHealth, BounceEvent, Suppression
from postroom.store.models.tracking import DeliveryEvent, ProviderHook
from postroom.store.models.watch import ObservedFact, WatchedFinding, WatchHook, WatchPost, WatchRun

__all__ = [
    "Activity",
    "AddressHealth",
    "AgentProposal",
    "Alarm",
    "Alias",
    "AliasDomain",
    "AliasFollower",
    "ApiKey",
    "Attachment",
    "Attempt",
    "AuditEvent",
    "AutomationEvent",
    "AutomationMark",
    "AutomationRule",
    "AutomationTally",
    "BounceEvent",
    "Company",
    "Contact",
    "Delivery",
    "DeliveryEvent",
    "Destination",
    "DestinationDomain",
    "DkimKey",
    "Draft",
    "DraftFile",
    "Follower",
    "HookReceipt",
    "InboundHook",
    "InboundMessage",
    "IngressReceipt",
    "Installation",
    "LetterboxMail",
    "LoopHold",
    "LoopPermit",
    "MailTemplate",
    "MailTemplateFile",
    "MailTemplateVariant",
    "MailTest",
    "Mailbox",
    "Member",
    "Message",
    "MessageBody",
    "MessageIdentifier",
    "Notification",
    "OAuthClient",
    "ObservedFact",
    "OutgoingContent",
    "OutgoingMail",
    "OutgoingServer",
    "Parameter",
    "ProviderHook",
    "QueueChange",
    "QueueSample",
    "RawMail",
    "ReceiversReport",
    "Record",
    "RecordKind",
    "RefusalNotice",
    "ReportedRecipient",
    "ReportedSource",
    "ReportedTls",
    "Resolution",
    "SavedView",
    "ScheduledAction",
    "ScheduledFile",
    "ScheduledMessage",
    "ScheduledRun",
    "SealedText",
    "SearchEntry",
    "SearchProgress",
    "SeenMail",
    "SendingGate",
    "SettingChange",
    "SignOfLife",
    "SourceOwner",
    "Star",
    "Suppression",
    "TakenMail",
    "TrafficHour",
    "TrafficTally",
    "Trial",
    "TrustedPictures",
    "WatchHook",
    "WatchPost",
    "WatchRun",
    "WatchedFinding",
]
