"""What receivers say about mail in our name: DMARC aggregate and failure reports, SMTP TLS reports. The facts, and how they are recognised.

Duty: `may_be_report` tells cheaply whether a mail can be one, `report_files` gives the pieces that may hold it, `read_failure_report` reads
the one form that is no file; `report_mails` puts them together. Laws: pure, never raises; looks at names, types and first bytes alone, since
MIME types are wrong as often as right; nothing is unpacked here. Standards: RFC 7489 app. C, RFC 9990 (aggregate), RFC 6591 and RFC 9991 (failure), RFC 8460 (TLS).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Protocol

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.status_fields import Group, first, merged_groups, part_groups, report_type
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.reasons import Reason, catalogue

MOST_FILES = 5  # of one mail
MOST_TEXT = 320  # characters of any word of a stranger's that is kept
MOST_COUNT = 2_000_000_000
AHEAD = timedelta(
    days=2
)  # that a receiver's clock may go wrong: what lies beyond would stand in the sums of all days to come
HEAD = 4_096  # bytes in which a report shows what it is
_FEEDBACK = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,40}:)?feedback[\s>]")
_FEEDBACK_PARTS = ("message/feedback-report",)
_FAILURES = ("auth-failure", "dmarc")
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b")
_FILE_NAME = re.compile(
    r"[^!\s]{1,253}![^!\s]{1,253}!\d{1,12}!\d{1,12}(?:!\S{1,80})?\.(?:xml|json|zip|gz)", re.IGNORECASE
)

catalogue(
    {
        "receivers.none": "There is no report in it.",
        "receivers.too_large": "The file {name} is larger than {limit} MB: it is not read.",
        "receivers.too_packed": "The file {name} unpacks to more than it may: it is not read.",
        "receivers.too_nested": "The file {name} is an archive within an archive within an archive: it is not read.",
        "receivers.too_many": "The file {name} holds more than {limit} files: the others are not read.",
        "receivers.too_many_entries": "The file {name} holds more than {limit} files: it is not read.",
        "receivers.locked": "The file {name} is locked with a password.",
        "receivers.broken_archive": "The archive {name} is broken.",
        "receivers.doctype": "The report {name} declares entities or a document type, which no report does: it is not read.",
        "receivers.too_deep": "The report {name} is nested deeper than any report is: it is not read.",
        "receivers.too_long": "The report {name} has more than {limit} pieces: it is not read.",
        "receivers.dates": "The report {name} speaks of no time that makes sense.",
        "receivers.no_domain": "The report {name} names no domain.",
        "receivers.unreadable": "The report {name} cannot be read: {trouble}.",
        "receivers.twice": "{organisation} sent the same report before: it is counted once.",
        "receivers.not_ours": "It is about {domain}, which is no domain of ours.",
        "receivers.unproven": "Nobody proves who sent it: what it says is shown apart, and counts for nothing.",
        "receivers.gone": "Its bytes are gone: it could not be read any more.",
    }
)  # fmt: skip


class ReportForm(StrEnum):
    """What kind of report it is."""

    AGGREGATE = "aggregate"  # how much mail in our name came from where in a day, and whether it passed DMARC
    FAILURE = "failure"  # one mail that failed
    TLS = "tls"  # whether servers could send to us encrypted


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFile:
    """A piece of a mail, or a file, that may hold a report."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCount:
    """So many mails from this address that fared alike. ``ip`` in its usual form; ``""``: not named."""

    ip: str
    count: int
    disposition: str = "none"  # none, quarantine, reject; of a failure report what became of the mail
    dkim_aligned: bool = False
    spf_aligned: bool = False
    header_from: str = ""
    dkim_domain: str = ""  # the first that signed, with its result: example.com=fail
    spf_domain: str = ""
    override: str = ""  # why the receiver did otherwise: forwarded, mailing_list, …

    @property
    def passes(self) -> bool:
        return self.dkim_aligned or self.spf_aligned


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsCount:
    """Connections to one of our domains that fared alike. ``result``: RFC 8460 4.3, ``""``: they were encrypted as they should be."""

    domain: str
    count: int
    policy: str = ""  # sts, tlsa, no-policy-found
    result: str = ""
    sending_ip: str = ""
    receiving_host: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiversReport:
    """What was read. ``lost``: rows that could not be; ``policy``: the published one, as the receiver saw it."""

    form: ReportForm
    organisation: str
    report_id: str
    domain: str
    begins_at: datetime
    ends_at: datetime
    contact: str = ""
    policy: str = ""
    sources: tuple[SourceCount, ...] = ()
    tls: tuple[TlsCount, ...] = ()
    lost: int = 0

    @property
    def middle(self) -> datetime:
        """The day of a report is that in which its middle lies: many run from evening to evening."""
        return self.begins_at + (self.ends_at - self.begins_at) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReport:
    """A piece that is none, and why."""

    name: str
    reason: Reason


ReadFile = ReceiversReport | NoReport


class ReadReportFiles(Protocol):
    """Unpacks and reads files with receivers' reports, within bounds. Never raises for what a stranger wrote; asks nobody."""

    def __call__(self, files: Sequence[ReportFile], *, now: datetime) -> tuple[ReadFile, ...]: ...


def may_be_report(mail: ParsedMail) -> bool:
    """Whether it looks like a receiver's report, as far as its first bytes tell."""
    return is_failure_report(mail) or report_type(mail) == "tlsrpt" or any(True for _ in report_files(mail))


def is_failure_report(mail: ParsedMail) -> bool:
    """RFC 6591: feedback about authentication, not a complaint."""
    groups = part_groups(mail, _FEEDBACK_PARTS)
    return groups is not None and first(merged_groups(groups), "feedback-type").lower() in _FAILURES


def report_files(mail: ParsedMail) -> Iterator[ReportFile]:
    """The pieces that may hold a report, `MOST_FILES` at most; the text itself where somebody sent the XML as words."""
    pieces = [(one.name or "attachment", one.content) for one in mail.attachments]
    pieces += [(part.content_type, part.content) for part in mail.report_parts if "feedback" not in part.content_type]
    found = [ReportFile(name=name[:MOST_TEXT], content=content) for name, content in pieces if _may_hold(name, content)]
    if not found and mail.text[:200].lstrip("\ufeff \t\r\n").startswith(("<", "{")):
        content = mail.text.encode("utf-8", "replace")
        found = [ReportFile(name="text", content=content)] if _may_hold("text", content) else []
    yield from found[:MOST_FILES]


def _may_hold(name: str, content: bytes) -> bool:
    head = content[:HEAD]
    if head.startswith(ARCHIVES) or _FILE_NAME.fullmatch(name[: 2 * MOST_TEXT]):
        return bool(head)
    flat = head.replace(b"\0", b"")  # UTF-16
    return bool(_FEEDBACK.search(flat)) or (b'"policies"' in flat or b'"report-id"' in flat)


# ---- failure reports (RFC 6591): fields, not a file


def read_failure_report(mail: ParsedMail, *, received_at: datetime) -> ReceiversReport | None:
    """One mail that failed, as the receiver tells it; None where the mail says none, or names no domain. The mail that it quotes is not read."""
    groups = part_groups(mail, _FEEDBACK_PARTS)
    if groups is None:
        return None
    fields = merged_groups(groups)
    domain = normalize_domain(first(fields, "reported-domain")) or _domain_of(first(fields, "original-mail-from"))
    if not domain:
        return None
    at = _moment(first(fields, "arrival-date", "received-date")) or mail.date or received_at
    at = at if at <= received_at + AHEAD else received_at
    aligned = first(fields, "identity-alignment").lower()
    return ReceiversReport(
        form=ReportForm.FAILURE,
        organisation=_words(first(fields, "reporting-mta").rpartition(";")[2] or _author_domain(mail)),
        contact=_words(mail.author.normal if mail.author else ""),
        report_id=_words(mail.message_id.strip("<>")),
        domain=domain,
        begins_at=at,
        ends_at=at,
        sources=(
            SourceCount(
                ip=plain_ip(first(fields, "source-ip")),
                count=_incidents(fields),
                disposition=_words(first(fields, "delivery-result").lower())[:20] or "other",
                dkim_aligned="dkim" in aligned,
                spf_aligned="spf" in aligned,
                header_from=domain,
                dkim_domain=_words(first(fields, "dkim-domain")),
                spf_domain=_words(_domain_of(first(fields, "original-mail-from"))),
                override=_words(first(fields, "auth-failure")),
            ),
        ),
    )


def plain_ip(text: str) -> str:
    """An address in its usual form; an IPv4 address in IPv6's clothes is one; ``""`` for what is none."""
    try:
        ip = ipaddress.ip_address((text.split() or [""])[0].strip("[]")[:60])
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip).partition("%")[0]


def count_of(value: object) -> int:
    """A number of a stranger's, within bounds; what is none is 0."""
    text = str(value).strip()[:12]
    return min(int(text), MOST_COUNT) if text.isascii() and text.isdigit() else 0


def _incidents(fields: Group) -> int:
    return max(1, count_of(first(fields, "incidents")))


def _author_domain(mail: ParsedMail) -> str:
    return mail.author.normal.rpartition("@")[2] if mail.author else ""


def _domain_of(address: str) -> str:
    return normalize_domain(address.strip("<> ").rpartition("@")[2])


def _words(text: str) -> str:
    return " ".join(text.replace("\0", "").split())[:MOST_TEXT]


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text[:100])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
