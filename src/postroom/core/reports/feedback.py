"""Complaints and read receipts: reports that are no word on delivery.

Standards: RFC 5965 (ARF) with RFC 6430, 6590 and 6591, RFC 8098 (MDN). Laws: pure, never raises; a complaint names those who
complained, or nobody where the provider blotted them out.
"""

from __future__ import annotations

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.quoted import original_message_id, quoted_heads, quoted_return_path
from postroom.core.reports.recipients import MAX_TEXT
from postroom.core.reports.status_fields import (
    bare_value,
    first,
    merged_groups,
    part_groups,
    read_typed_address,
    report_type,
)
from postroom.core.terms.addresses import normalize
from postroom.core.terms.message_ids import read_message_ids
from postroom.core.terms.states import Blame

_FEEDBACK_PARTS = ("message/feedback-report",)
_MDN_PARTS = ("message/disposition-notification", "message/global-disposition-notification")
_NO_COMPLAINTS = ("not-spam", "auth-failure", "dmarc")


def read_complaint(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """ARF (RFC 5965)."""
    groups = part_groups(mail, _FEEDBACK_PARTS)
    if groups is None:
        return None
    merged = merged_groups(groups)
    feedback = first(merged, "feedback-type").lower()
    is_complaint = feedback not in _NO_COMPLAINTS
    addresses = [read_typed_address(value) for value in merged.get("original-rcpt-to", [])]
    return DeliveryReport(
        kind=ReportKind.COMPLAINT if is_complaint else ReportKind.NOTICE,
        recipients=tuple(_named(address, feedback) for address in dict.fromkeys(addresses) if address),
        original_message_id=original_message_id(mail),
        reporting_mta=bare_value(first(merged, "reporting-mta")),
        text=mail.text.strip()[:MAX_TEXT],
        original_mail_from=normalize(first(merged, "original-mail-from")) or quoted_return_path(mail),
    )


def read_complaint_of_old(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """What Hotmail's junk programme sends: the mail itself, and the recipient in a header of its own."""
    if not mail.subject.lower().lstrip().startswith("complaint about message"):
        return None
    head = next((head for head in quoted_heads(mail) if "x-hmxmroriginalrecipient" in head), None)
    if head is None:
        return None
    address = read_typed_address(first(head, "x-hmxmroriginalrecipient"))
    return DeliveryReport(
        kind=ReportKind.COMPLAINT,
        recipients=(complained(address),) if address else (),
        original_message_id=original_message_id(mail),
        text=mail.text.strip()[:MAX_TEXT],
        original_mail_from=quoted_return_path(mail),
    )


def read_receipt(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """MDN (RFC 8098)."""
    groups = part_groups(mail, _MDN_PARTS)
    if groups is None and report_type(mail) != "disposition-notification":
        return None
    merged = merged_groups(groups or [])
    ids = read_message_ids(first(merged, "original-message-id"))
    return DeliveryReport(
        kind=ReportKind.MDN,
        original_message_id=ids[0] if ids else original_message_id(mail),
        text=mail.text.strip()[:MAX_TEXT],
    )


def _named(address: str, feedback: str) -> ReportedAddress:
    match feedback:
        case "auth-failure" | "dmarc":
            return ReportedAddress(address=address, action=Action.DELIVERED, blame=Blame.SENDER, reason="auth_failure")
        case "not-spam":
            return ReportedAddress(address=address, action=Action.DELIVERED)
        case _:
            return complained(address)


def complained(address: str) -> ReportedAddress:
    """Somebody who called the mail unwanted."""
    return ReportedAddress(address=address, action=Action.DELIVERED, blame=Blame.POLICY, reason="feedback")
