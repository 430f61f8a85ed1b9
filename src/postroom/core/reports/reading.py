"""Is this mail a report about mails of ours, and what does it say of each recipient?

Duty: `read_report` asks the detectors in order, the most specific first; the first that recognises the mail wins.
Laws: pure; never raises; missing values are empty, not errors. Delayed is not failed; a read receipt and a complaint
are no bounces. Standards: RFC 3464 in RFC 6522, RFC 6533 (international), RFC 5965 (ARF), RFC 8098 (MDN).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.blame import blame
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.notices import (
    NamedRecipient,
    named_recipients,
    notice_text,
    quoted_head_in_text,
    read_notice,
)
from postroom.core.reports.quoted import original_message_id, quoted_heads, quoted_return_path
from postroom.core.reports.status_fields import Group, first, read_groups, read_typed_address
from postroom.core.terms.addresses import normalize
from postroom.core.terms.message_ids import read_message_ids
from postroom.core.terms.states import Blame

MAX_TEXT = 2_000
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_FAILED_STATUS = re.compile(r"\b([45])\.(\d{1,3})\.(\d{1,3})\b")
_CODE = re.compile(r"(?:^|[\s;:<(])([45]\d\d)[\s-]")
_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_MDN_PARTS = ("message/disposition-notification", "message/global-disposition-notification")
_NO_COMPLAINTS = ("not-spam", "auth-failure", "dmarc")

Detector = Callable[[ParsedMail, bool], DeliveryReport | None]


def read_report(mail: ParsedMail, *, has_null_reverse_path: bool = False) -> DeliveryReport | None:
    """What the mail reports, or None for a mail that is no report. The envelope's null reverse-path counts like one in
    the Return-Path header."""
    is_null = has_null_reverse_path or mail.return_path == ""
    return next((report for detector in DETECTORS if (report := detector(mail, is_null)) is not None), None)


def _complaint(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """ARF (RFC 5965)."""
    fields = _fields(mail, ("message/feedback-report",))
    if fields is None:
        return None
    merged = _merged(fields)
    is_complaint = first(merged, "feedback-type").lower() not in _NO_COMPLAINTS
    addresses = [read_typed_address(value) for value in merged.get("original-rcpt-to", [])]
    recipients = tuple(
        ReportedAddress(address=address, action=Action.DELIVERED, blame=Blame.POLICY)
        for address in dict.fromkeys(addresses)
        if address
    )
    return DeliveryReport(
        kind=ReportKind.COMPLAINT if is_complaint else ReportKind.NOTICE,
        recipients=recipients,
        original_message_id=original_message_id(mail),
        reporting_mta=_bare(first(merged, "reporting-mta")),
        text=_text(mail),
        original_mail_from=normalize(first(merged, "original-mail-from")) or quoted_return_path(mail),
    )


def _read_receipt(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """MDN (RFC 8098)."""
    fields = _fields(mail, _MDN_PARTS)
    if fields is None and _report_type(mail) != "disposition-notification":
        return None
    merged = _merged(fields or [])
    ids = read_message_ids(first(merged, "original-message-id"))
    return DeliveryReport(
        kind=ReportKind.MDN, original_message_id=ids[0] if ids else original_message_id(mail), text=_text(mail)
    )


def _delivery_status(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """DSN (RFC 3464), also one whose status part is missing or broken."""
    fields = _fields(mail, _STATUS_PARTS)
    if fields is None and _report_type(mail) != "delivery-status":
        return None
    groups = fields or []
    about_mail = next((group for group in groups if "reporting-mta" in group), {})
    recipients = tuple(one for group in groups if (one := _recipient(group)) is not None)
    if not recipients:
        recipients = tuple(_by_words(named) for named in named_recipients(mail, may_guess=False))
    return DeliveryReport(
        kind=_kind(recipients),
        recipients=recipients,
        original_message_id=original_message_id(mail),
        reporting_mta=_bare(first(about_mail, "reporting-mta")),
        text=_text(mail),
        original_mail_from=quoted_return_path(mail),
    )


def _complaint_of_old(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """What Hotmail's junk programme sends: the mail itself, and the recipient in a header of its own."""
    head = next((head for head in quoted_heads(mail) if "x-hmxmroriginalrecipient" in head), None)
    if head is None or not mail.subject.lower().lstrip().startswith("complaint about message"):
        return None
    address = read_typed_address(first(head, "x-hmxmroriginalrecipient"))
    recipient = ReportedAddress(address=address, action=Action.DELIVERED, blame=Blame.POLICY)
    return DeliveryReport(
        kind=ReportKind.COMPLAINT,
        recipients=(recipient,) if address else (),
        original_message_id=original_message_id(mail),
        text=_text(mail),
        original_mail_from=quoted_return_path(mail),
    )


def _notice_in_words(mail: ParsedMail, is_null: bool) -> DeliveryReport | None:
    """A notice of a server that does not know RFC 3464."""
    notice = read_notice(mail, has_null_reverse_path=is_null)
    if notice is None:
        return None
    recipients = tuple(_by_words(named, is_delay=notice.is_delay) for named in notice.recipients)
    head = quoted_head_in_text(mail)
    return DeliveryReport(
        kind=_kind(recipients),
        recipients=recipients,
        original_message_id=original_message_id(mail, head),
        text=notice_text(mail).strip()[:MAX_TEXT],
        original_mail_from=quoted_return_path(mail, head),
    )


DETECTORS: tuple[Detector, ...] = (
    _complaint,
    _complaint_of_old,
    _read_receipt,
    _delivery_status,
    _notice_in_words,
)


def _recipient(group: Group) -> ReportedAddress | None:
    """One per-recipient group (RFC 3464 2.3); None for the per-message group."""
    original = read_typed_address(first(group, "original-recipient"))
    final = read_typed_address(first(group, "final-recipient")) or read_typed_address(
        first(group, "x-actual-recipient")
    )
    if not (original or final or "action" in group or "status" in group):
        return None
    text = _bare(first(group, "diagnostic-code"))
    code = _CODE.search(text + " ")
    status = _best_status(first(group, "status"), text) or (f"{code[1][0]}.0.0" if code else "")
    action = _action(first(group, "action"), status)
    return ReportedAddress(
        address=original or final,
        final_address=final if original and final != original else "",
        action=action,
        status=status,
        reply=text,
        blame=blame(status, text, code=int(code[1]) if code else 0),
    )


def _by_words(named: NamedRecipient, *, is_delay: bool = False) -> ReportedAddress:
    words = named.words[:MAX_TEXT].strip()
    status, code = _FAILED_STATUS.search(words), _CODE.search(f" {words} ")
    return ReportedAddress(
        address=named.address,
        final_address=named.final_address,
        action=Action.DELAYED if is_delay else Action.FAILED,
        status=status[0] if status else f"{code[1][0] if code else '4' if is_delay else '5'}.0.0",
        reply=words,
        blame=blame(status[0] if status else "", words, code=int(code[1]) if code else 0),
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


def _bare(value: str) -> str:
    """A typed field without its type: ``smtp; 550 no`` is ``550 no``."""
    match = re.match(r"[\w-]{1,20}\s{0,20};", value)
    return (value[match.end() :] if match else value).strip()[:MAX_TEXT]


def _text(mail: ParsedMail) -> str:
    return mail.text.strip()[:MAX_TEXT]
