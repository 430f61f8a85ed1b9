"""The vocabulary of reports about our mails (RFC 3464 in RFC 6522; RFC 5965; RFC 8098)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postroom.core.reports.taxonomy import UNDETERMINED, Permanence
from postroom.core.terms.states import Blame


class ReportKind(StrEnum):
    """What a mail of the multipart/report family (or its imitation) says."""

    BOUNCE = "bounce"  # at least one recipient failed
    DELAYED = "delayed"  # only delays
    RECEIPT = "receipt"  # only delivered, relayed or expanded
    COMPLAINT = "complaint"  # ARF: a recipient called it unwanted
    MDN = "mdn"  # displayed or deleted: no word on delivery
    NOTICE = "notice"  # feedback that blames nobody: not spam after all, an authentication failure


class Action(StrEnum):
    """RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedAddress:
    """What a report says of one recipient.

    ``address`` is whom the mail was sent to, normalised, ``""`` where the report names none (a signed return path still
    tells the delivery); ``final_address`` where it was forwarded to and failed, ``""`` when that is the same;
    ``status`` such as ``5.1.1`` or ``""``; ``reason`` a code of the taxonomy, and ``blame`` whom that reason blames.
    """

    address: str
    action: Action
    status: str = ""
    reply: str = ""  # Diagnostic-Code text, verbatim
    blame: Blame = Blame.SERVER
    final_address: str = ""
    reason: str = UNDETERMINED

    @property
    def permanence(self) -> Permanence:
        """A failure with a status 4.y.z was given up by its server, but may succeed another day (RFC 3463 2)."""
        match self.action:
            case Action.FAILED:
                return Permanence.TRANSIENT if self.status.startswith("4") else Permanence.PERMANENT
            case Action.DELAYED:
                return Permanence.TRANSIENT
            case Action.DELIVERED | Action.RELAYED | Action.EXPANDED:
                return Permanence.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """A report that was read. ``original_message_id`` (with brackets) and ``text`` may be empty."""

    kind: ReportKind
    recipients: tuple[ReportedAddress, ...] = ()
    original_message_id: str = ""
    reporting_mta: str = ""
    text: str = ""  # the part for people, at most 2,000 characters
    original_mail_from: str = ""  # the envelope sender of the mail reported on, normalised
    queue_ids: tuple[str, ...] = ()  # under which the reporting server had the mail, as it says
