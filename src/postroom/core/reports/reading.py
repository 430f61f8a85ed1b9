"""Is this mail a report about mails of ours, and what does it say of each recipient?

Duty: `read_report` asks the detectors in order, the most specific first; the first that recognises the mail wins.
Laws: pure; never raises; missing values are empty, not errors. Delayed is not failed; a read receipt and a complaint
are no bounces. Most mails are no reports: each detector looks first at what costs nothing.
Standards: RFC 3464 in RFC 6522, RFC 6533 (international), RFC 5965 (ARF), RFC 8098 (MDN).
"""

from __future__ import annotations

from collections.abc import Callable

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.delivery_reports import DeliveryReport
from postroom.core.reports.feedback import read_complaint, read_complaint_of_old, read_receipt
from postroom.core.reports.notices import read_notice
from postroom.core.reports.provider_events import read_provider_event
from postroom.core.reports.recipients import MAX_TEXT
from postroom.core.reports.status_reports import read_status_report

__all__ = ["DETECTORS", "MAX_TEXT", "read_report"]

Detector = Callable[[ParsedMail, bool], DeliveryReport | None]

DETECTORS: tuple[Detector, ...] = (
    read_complaint,  # message/feedback-report
    read_complaint_of_old,  # the mail itself, with a header that names who complained
    read_receipt,  # message/disposition-notification
    read_status_report,  # message/delivery-status, or a content type that promises it
    read_provider_event,  # JSON in a mail
    read_notice,  # plain words
)


def read_report(mail: ParsedMail, *, has_null_reverse_path: bool = False) -> DeliveryReport | None:
    """What the mail reports, or None for a mail that is no report. The envelope's null reverse-path counts like one in
    the Return-Path header."""
    is_null = has_null_reverse_path or mail.return_path == ""
    return next((report for detector in DETECTORS if (report := detector(mail, is_null)) is not None), None)
