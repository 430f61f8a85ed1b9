"""A mail with a receiver's report, or the file alone, read as it came. Laws: see `authentication_reports`."""

from __future__ import annotations

from datetime import datetime

from postroom.core.mime.parsing import parse
from postroom.core.reports.authentication_reports import (
    ARCHIVES,
    HEAD,
    NoReport,
    ReadFile,
    ReadReportFiles,
    ReportFile,
    is_failure_report,
    read_failure_report,
    report_files,
)
from postroom.core.terms.reasons import because


def read_report_mail(read_files: ReadReportFiles, raw: bytes, *, now: datetime) -> tuple[ReadFile, ...]:
    """A mail, or a file alone (XML, JSON, gzip, zip), as it comes: one outcome at least. Never raises for what it holds."""
    none = NoReport(name="mail", reason=because("receivers.none"))
    if raw[:HEAD].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith((b"<", b"{", *ARCHIVES)):
        return read_files([ReportFile(name="file", content=raw)], now=now) or (none,)
    mail = parse(raw)
    if is_failure_report(mail):
        report = read_failure_report(mail, received_at=now)
        return (report or NoReport(name="mail", reason=because("receivers.no_domain", name="mail")),)
    return read_files(list(report_files(mail)), now=now) or (none,)
