"""Reads a mail as a report and says what it says, for those who ask from outside: nothing is stored, nothing is asked.

The kinds are those of the report's page: bounce, delayed, receipt, complaint, mdn, autoreply, ordinary.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.core.mime.parsing import parse
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.reading import read_report
from postroom.core.routing.automatic import read_machine_signs
from postroom.core.terms.addresses import split_normal

_KINDS = {
    ReportKind.BOUNCE: "bounce",
    ReportKind.DELAYED: "delayed",
    ReportKind.RECEIPT: "receipt",
    ReportKind.COMPLAINT: "complaint",
    ReportKind.MDN: "mdn",
    ReportKind.NOTICE: "complaint",  # feedback too: the reason tells that nobody complained
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecipient:
    """One recipient of a report.

    ``address`` is the one that failed, ``original_address`` whom the mail was sent to where it was forwarded to somebody else's,
    else ``""``. ``reason`` is a code of the taxonomy and ``verdict`` whose fault it is (`Blame`); both ``""``
    for a success. ``permanence`` is permanent, transient, or none where nothing failed.
    """

    address: str
    action: str
    status: str
    reply: str
    reason: str
    verdict: str
    permanence: str
    original_address: str = ""


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
    is_feedback = report.kind in (ReportKind.COMPLAINT, ReportKind.NOTICE)
    is_trouble = is_feedback or one.action in (Action.FAILED, Action.DELAYED)
    address = _spoken_of(one)
    return ReadRecipient(
        address=address,
        action=one.action,
        status=one.status,
        reply=one.reply,
        reason=one.reason if is_trouble else "",
        verdict=one.blame if is_trouble else "",
        permanence=one.permanence,
        original_address=one.address if one.address != address else "",
    )


def _spoken_of(one: ReportedAddress) -> str:
    """Where it was forwarded to, when that is somebody else's; an alias within the same domain is the address itself."""
    here, there = split_normal(one.address)[1], split_normal(one.final_address)[1]
    if not here or not there:
        return one.address or one.final_address
    is_within = "." not in there or there == here or there.endswith(f".{here}")
    return one.address if is_within else one.final_address
