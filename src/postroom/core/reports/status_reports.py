"""Delivery status notifications (RFC 3464 in RFC 6522, RFC 6533), also those whose status part is missing or broken.

Laws: pure, never raises; one entry for each recipient group. Where the fields leave out the address or the reason, the words
of the part for people are asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.delivery_reports import DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.named import NamedRecipient, named_recipients, split_notice, words_by_address
from postroom.core.reports.quoted import original_message_id, quoted_return_path
from postroom.core.reports.recipients import (
    MAX_TEXT,
    Draft,
    best_status,
    draft_by_words,
    judge_all,
    kind_of,
    read_action,
)
from postroom.core.reports.status_fields import (
    Group,
    bare_value,
    first,
    part_groups,
    read_typed_address,
    report_type,
)

_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_SUCCESS = re.compile(r"success|\brelayed\b|has been delivered|was delivered", re.IGNORECASE)


def read_status_report(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """A mail with a delivery-status part, or one that says it is such a report."""
    groups = part_groups(mail, _STATUS_PARTS)
    if groups is None and report_type(mail) != "delivery-status":
        return None
    groups = _whole(groups or [])
    about_mail = next((group for group in groups if "reporting-mta" in group), {})
    text, _ = split_notice(mail)
    by_line = words_by_address(text)
    found = (_draft(group, text, by_line) for group in groups)
    recipients = judge_all(one for one in found if one is not None)
    if not all(one.address for one in recipients) or not recipients:
        recipients = _with_names(recipients, named_recipients(mail, text), text)
    return DeliveryReport(
        kind=kind_of(recipients) if recipients else _kind_by_words(mail),
        recipients=recipients,
        original_message_id=original_message_id(mail),
        reporting_mta=bare_value(first(about_mail, "reporting-mta")),
        text=mail.text.strip()[:MAX_TEXT],
        original_mail_from=quoted_return_path(mail),
        queue_ids=_queue_ids(about_mail),
    )


def _queue_ids(about_mail: Group) -> tuple[str, ...]:
    """``X-Postfix-Queue-ID`` and its kin."""
    values = (value for name, values in about_mail.items() if name.endswith("-queue-id") for value in values)
    return tuple(dict.fromkeys(value.strip()[:100] for value in values))[:5]


def _whole(groups: list[Group]) -> list[Group]:
    """Some servers leave an empty line within the fields of one recipient."""
    whole: list[Group] = []
    for group in groups:
        last = whole[-1] if whole else {}
        if "final-recipient" in last and "action" not in last and "final-recipient" not in group:
            whole[-1] = {**group, **last}
        else:
            whole.append(group)
    return whole


def _draft(group: Group, text: str, by_line: Mapping[str, str]) -> Draft | None:
    """One per-recipient group (RFC 3464 2.3); None for the per-message group."""
    original = read_typed_address(first(group, "original-recipient"))
    final = read_typed_address(first(group, "final-recipient")) or read_typed_address(
        first(group, "x-actual-recipient")
    )
    if not (original or final or "final-recipient" in group or "action" in group or "status" in group):
        return None
    reply = bare_value(first(group, "diagnostic-code"))
    given = first(group, "status")
    status = best_status(given, reply)
    return Draft(
        address=_fuller(original, final) or final,
        action=read_action(first(group, "action"), status),
        status=status,
        reply=reply or by_line.get(final) or by_line.get(original) or "",
        final_address=final if original else "",
        background="\n".join(part for part in (given, text[:MAX_TEXT]) if part),
    )


def _fuller(original: str, final: str) -> str:
    """Some servers leave out the quotation marks of a local part in one of the two."""
    return final if original.replace('"', "") == final.replace('"', "") else original


def _with_names(
    recipients: Sequence[ReportedAddress], named: Sequence[NamedRecipient], text: str
) -> tuple[ReportedAddress, ...]:
    """Where the fields name nobody, or something that is no address (a file, a program), the words may."""
    known = {one.address for one in recipients if one.address}
    fresh = [one for one in named if one.address not in known]
    nameless = [one for one in recipients if not one.address]
    if not fresh:
        return tuple(recipients)
    if len(nameless) == len(fresh):
        filled = iter(fresh)
        return tuple(one if one.address else replace(one, address=next(filled).address) for one in recipients)
    drafts = (draft_by_words(one.address, one.words, text=text, is_delay=False) for one in fresh)
    return (*(one for one in recipients if one.address), *judge_all(drafts))


def _kind_by_words(mail: ParsedMail) -> ReportKind:
    return ReportKind.RECEIPT if _SUCCESS.search(mail.subject[:1_000]) else ReportKind.BOUNCE
