"""Is this mail a report about mails of ours, and what does it say of each recipient?

Duty: `read_report` asks the detectors in order, the most specific first; the first that recognises the mail wins.
Laws: pure; never raises; missing values are empty, not errors. Delayed is not failed; a read receipt and a complaint
are no bounces. Standards: RFC 3464 in RFC 6522, RFC 6533 (international), RFC 5965 (ARF), RFC 8098 (MDN).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.reports.blame import blame
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.status_fields import Group, first, read_groups, read_typed_address
from postroom.core.terms.addresses import normalize
from postroom.core.terms.message_ids import read_message_ids

MAX_TEXT = 2_000
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_CODE = re.compile(r"(?:^|[\s;:<(])([245]\d\d)[\s-]")
_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_MDN_PARTS = ("message/disposition-notification", "message/global-disposition-notification")
_QUOTED_PARTS = (
    "message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers", "text/rfc822",
)  # fmt: skip
_NO_COMPLAINTS = ("not-spam", "auth-failure", "dmarc")

Detector = Callable[[ParsedMail], DeliveryReport | None]


def read_report(mail: ParsedMail) -> DeliveryReport | None:
    """What the mail reports, or None for a mail that is no report."""
    return next((report for detector in DETECTORS if (report := detector(mail)) is not None), None)


def _complaint(mail: ParsedMail) -> DeliveryReport | None:
    """ARF (RFC 5965)."""
    fields = _fields(mail, ("message/feedback-report",))
    if fields is None:
        return None
    merged = _merged(fields)
    is_complaint = first(merged, "feedback-type").lower() not in _NO_COMPLAINTS
    addresses = [read_typed_address(value) for value in merged.get("original-rcpt-to", [])]
    recipients = tuple(
        ReportedAddress(address=address, action=Action.DELIVERED, blame=blame("5.7.1", ""))
        for address in dict.fromkeys(addresses)
        if address
    )
    return DeliveryReport(
        kind=ReportKind.COMPLAINT if is_complaint else ReportKind.NOTICE,
        recipients=recipients,
        original_message_id=_original_message_id(mail),
        reporting_mta=_bare(first(merged, "reporting-mta")),
        text=_text(mail),
        original_mail_from=normalize(first(merged, "original-mail-from")) or _quoted_return_path(mail),
    )


def _read_receipt(mail: ParsedMail) -> DeliveryReport | None:
    """MDN (RFC 8098)."""
    fields = _fields(mail, _MDN_PARTS)
    if fields is None and _report_type(mail) != "disposition-notification":
        return None
    merged = _merged(fields or [])
    ids = read_message_ids(first(merged, "original-message-id"))
    return DeliveryReport(
        kind=ReportKind.MDN, original_message_id=ids[0] if ids else _original_message_id(mail), text=_text(mail)
    )


def _delivery_status(mail: ParsedMail) -> DeliveryReport | None:
    """DSN (RFC 3464), also one whose status part is missing or broken."""
    fields = _fields(mail, _STATUS_PARTS)
    if fields is None and _report_type(mail) != "delivery-status":
        return None
    groups = fields or []
    about_mail = next((group for group in groups if "reporting-mta" in group), {})
    recipients = tuple(one for group in groups if (one := _recipient(group)) is not None)
    return DeliveryReport(
        kind=_kind(recipients),
        recipients=recipients,
        original_message_id=_original_message_id(mail),
        reporting_mta=_bare(first(about_mail, "reporting-mta")),
        text=_text(mail),
        original_mail_from=_quoted_return_path(mail),
    )


DETECTORS: tuple[Detector, ...] = (
    _complaint,
    _read_receipt,
    _delivery_status,
)


def _recipient(group: Group) -> ReportedAddress | None:
    """One per-recipient group (RFC 3464 2.3); None for the per-message group."""
    named = first(group, "original-recipient"), first(group, "final-recipient", "x-actual-recipient")
    if not any(named) and not ("action" in group or "status" in group):
        return None
    address = next((found for value in named if (found := read_typed_address(value))), "")
    reply = first(group, "diagnostic-code")
    text = reply.partition(";")[2].strip() if re.match(r"[\w-]+\s*;", reply) else reply
    status = _best_status(first(group, "status"), text)
    action = _action(first(group, "action"), status)
    code = _CODE.search(text + " ")
    return ReportedAddress(
        address=address,
        action=action,
        status=status,
        reply=text,
        blame=blame(status, text, code=int(code[1]) if code else 0),
    )


def _best_status(status: str, reply: str) -> str:
    """The Status field; where it says nothing in particular, the one in the reply."""
    given, quoted = _STATUS.search(status), _STATUS.search(reply)
    if given is None or (given[0].endswith(".0.0") and quoted is not None and quoted[1] == given[1]):
        given = quoted or given
    return given[0] if given else ""


def _action(value: str, status: str) -> Action:
    """RFC 3464 2.3.3; where the word is missing or strange, what the status says (law: temporary unless proven)."""
    word = value.strip().lower()
    for action in Action:
        if word.startswith(action.value[:5]):
            return action
    by_class = {"2": Action.DELIVERED, "4": Action.DELAYED}
    return by_class.get(status[:1], Action.FAILED)


def _kind(recipients: tuple[ReportedAddress, ...]) -> ReportKind:
    actions = {recipient.action for recipient in recipients}
    if not actions or Action.FAILED in actions:
        return ReportKind.BOUNCE
    return ReportKind.DELAYED if Action.DELAYED in actions else ReportKind.RECEIPT


def _fields(mail: ParsedMail, types: tuple[str, ...]) -> list[Group] | None:
    """The groups of the first part of one of these types; None when there is no such part."""
    parts = [part for part in mail.report_parts if part.content_type.lower() in types]
    return [group for part in parts for group in read_groups(part.content)] if parts else None


def _merged(groups: list[Group]) -> Group:
    merged: Group = {}
    for group in groups:
        for name, values in group.items():
            merged.setdefault(name, []).extend(values)
    return merged


def _report_type(mail: ParsedMail) -> str:
    """The parameter, also out of a content type that is written wrongly (T-106)."""
    parameter = mail.content_params.get("report-type", "")
    if not parameter and "report-type" in mail.header("Content-Type").lower():
        found = re.search(r"report-type\s*=\s*\"?([\w-]+)", mail.header("Content-Type"), re.IGNORECASE)
        parameter = found[1] if found else ""
    return parameter.strip('" ').lower()


def _quoted(mail: ParsedMail) -> list[ReportPart]:
    return [part for part in mail.report_parts if part.content_type.lower() in _QUOTED_PARTS]


def _original_message_id(mail: ParsedMail) -> str:
    """Of the quoted original; else what the report answers (I-42)."""
    for part in _quoted(mail):
        head = _head(part)
        for name in ("message-id", "x-microsoft-original-message-id"):
            ids = read_message_ids(first(head, name))
            if ids:
                return ids[0]
    outer = (*read_message_ids(mail.header("X-Microsoft-Original-Message-ID")), *mail.in_reply_to)
    return next(iter((*outer, *reversed(mail.references))), "")


def _quoted_return_path(mail: ParsedMail) -> str:
    return next((found for part in _quoted(mail) if (found := normalize(first(_head(part), "return-path")))), "")


def _head(part: ReportPart) -> Group:
    """The header of a quoted mail."""
    groups = read_groups(part.content[:100_000])
    return groups[0] if groups else {}


def _bare(value: str) -> str:
    return (value.partition(";")[2] if ";" in value else value).strip()[:255]


def _text(mail: ParsedMail) -> str:
    return mail.text.strip()[:MAX_TEXT]
