"""Reads a mail as a report and says what it says, for those who ask from outside: nothing is stored, nothing is asked.

The kinds are those of the report's page: bounce, delayed, receipt, complaint, mdn, autoreply, ordinary.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.core.mime.parsing import parse
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.reading import read_report
from postroom.core.routing.automatic import read_machine_signs

_KINDS = {
    ReportKind.BOUNCE: "bounce",
    ReportKind.DELAYED: "delayed",
    ReportKind.RECEIPT: "receipt",
    ReportKind.COMPLAINT: "complaint",
    ReportKind.MDN: "mdn",
    ReportKind.NOTICE: "ordinary",  # feedback that blames nobody asks for nothing
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecipient:
    """One recipient of a report. ``reason`` is whose fault it is (`Blame`), ``""`` for a success; ``verdict`` is
    permanent, transient, none (no failure) or unwanted (a complaint)."""

    address: str
    action: str
    status: str
    reply: str
    reason: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMail:
    """What a mail is, as a report."""

    kind: str
    recipients: tuple[ReadRecipient, ...] = ()
    original_message_id: str = ""


def read_mail_as_report(raw: bytes) -> ReadMail:
    """Never raises, whatever the bytes are."""
    mail = parse(raw)
    report = read_report(mail)
    if report is None:
        is_reply = read_machine_signs(mail, has_null_reverse_path=mail.return_path == "").is_auto_reply
        ids = (*mail.in_reply_to, *reversed(mail.references))
        return (
            ReadMail(kind="autoreply", original_message_id=next(iter(ids), ""))
            if is_reply
            else ReadMail(kind="ordinary")
        )
    return ReadMail(
        kind=_KINDS[report.kind],
        recipients=tuple(_recipient(report, one) for one in report.recipients),
        original_message_id=report.original_message_id,
    )


def _recipient(report: DeliveryReport, one: ReportedAddress) -> ReadRecipient:
    is_complaint = report.kind is ReportKind.COMPLAINT
    is_trouble = is_complaint or one.action in (Action.FAILED, Action.DELAYED)
    return ReadRecipient(
        address=one.address or one.final_address,
        action=one.action,
        status=one.status,
        reply=one.reply,
        reason=one.blame if is_trouble else "",
        verdict="unwanted" if is_complaint else _verdict(one),
    )


def _verdict(one: ReportedAddress) -> str:
    """A failure with a status 4.y.z was given up by its server, but may succeed another day (RFC 3463 2)."""
    if one.action is Action.DELAYED:
        return "transient"
    if one.action is not Action.FAILED:
        return "none"
    return "transient" if one.status.startswith("4") else "permanent"
