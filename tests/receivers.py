"""Receivers' reports in the styles of those who send them, written for the tests, and the mails that bring them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

DOMAIN = "northwind.example"
BEGIN = int(datetime(2026, 11, 19, tzinfo=UTC).timestamp())
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of an aggregate report."""

    ip: str = "192.0.2.25"
    count: int = 7
    dkim: str = "pass"
    spf: str = "pass"
    disposition: str = "none"
    reason: str = ""

    def xml(self) -> str:
        reason = f"<reason><type>{self.reason}</type><comment/></reason>" if self.reason else ""
        return (
            f"<record><row><source_ip>{self.ip}</source_ip><count>{self.count}</count><policy_evaluated>"
            f"<disposition>{self.disposition}</disposition><dkim>{self.dkim}</dkim><spf>{self.spf}</spf>{reason}</policy_evaluated></row>"
            f"<identifiers><header_from>{DOMAIN}</header_from></identifiers><auth_results>"
            f"<dkim><domain>{DOMAIN}</domain><selector>pr</selector><result>{self.dkim}</result></dkim>"
            f"<spf><domain>{DOMAIN}</domain><result>{self.spf}</result></spf></auth_results></record>"
        )


def aggregate(
    *rows: Row,
    organisation: str = "receiver.example",
    report_id: str = "4711",
    domain: str = DOMAIN,
    begin: int = BEGIN,
    end: int | None = None,
    email: str = "<email>reports@receiver.example</email>",
    head: str = '<?xml version="1.0" encoding="UTF-8" ?>\n',
    root: str = "<feedback>",
    extra: str = "",
) -> str:
    """RFC 7489 appendix C."""
    return (
        f"{head}{root}{extra}<report_metadata><org_name>{organisation}</org_name>{email}<report_id>{report_id}</report_id>"
        f"<date_range><begin>{begin}</begin><end>{end or begin + 86_399}</end></date_range></report_metadata>"
        f"<policy_published><domain>{domain}</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct>"
        f"</policy_published>{''.join(row.xml() for row in rows or (Row(),))}</feedback>"
    )


def tls(
    *, domain: str = DOMAIN, good: int = 90, failures: tuple[tuple[str, int], ...] = (("certificate-expired", 3),)
) -> str:
    """RFC 8460 4.4."""
    return json.dumps(
        {
            "organization-name": "Receiver Inc.",
            "date-range": {"start-datetime": "2026-11-19T00:00:00Z", "end-datetime": "2026-11-19T23:59:59Z"},
            "contact-info": "tls@receiver.example",
            "report-id": "2026-11-19T00:00:00Z_northwind.example",
            "policies": [
                {
                    "policy": {"policy-type": "sts", "policy-string": ["version: STSv1"], "policy-domain": domain},
                    "summary": {
                        "total-successful-session-count": good,
                        "total-failure-session-count": sum(count for _, count in failures),
                    },
                    "failure-details": [
                        {
                            "result-type": kind,
                            "sending-mta-ip": "203.0.113.5",
                            "receiving-mx-hostname": f"mx.{domain}",
                            "failed-session-count": count,
                        }
                        for kind, count in failures
                    ],
                }
            ],
        }
    )


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def gzipped(text: str | bytes) -> bytes:
    return gzip.compress(text if isinstance(text, bytes) else text.encode())


def a_mail(
    content: bytes,
    *,
    name: str = f"receiver.example!{DOMAIN}!{BEGIN}!{BEGIN + 86_399}.xml.gz",
    content_type: str = "application/gzip",
    author: str = "noreply-dmarc@receiver.example",
    to: str = f"dmarc@{DOMAIN}",
    subject: str = f"Report domain: {DOMAIN} Submitter: receiver.example Report-ID: 4711",
    message_id: str = "<4711@receiver.example>",
) -> EmailMessage:
    """A report as an attachment, as most send it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = author, to, subject, message_id
    mail["Date"] = "Fri, 20 Nov 2026 03:00:00 +0000"
    mail.set_content("This is an aggregate report.")
    main, _, sub = content_type.partition("/")
    mail.add_attachment(content, maintype=main, subtype=sub, filename=name or None)
    return mail


def a_tls_mail(text: str | None = None, *, to: str = f"dmarc@{DOMAIN}") -> bytes:
    """RFC 8460 5.3: multipart/report with the type tlsrpt."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "tls@receiver.example", to
    mail["Subject"], mail["Message-ID"] = (
        f"Report Domain: {DOMAIN} Submitter: receiver.example",
        "<tls@receiver.example>",
    )
    mail["TLS-Report-Domain"], mail["TLS-Report-Submitter"] = DOMAIN, "receiver.example"
    mail.set_content("A TLS report.")
    mail.add_attachment(gzipped(text or tls()), maintype="application", subtype="tlsrpt+gzip", filename="r.json.gz")
    raw = mail.as_bytes()
    return raw.replace(b"multipart/mixed;", b"multipart/report; report-type=tlsrpt;", 1)


def a_failure_mail(*, to: str = f"dmarc@{DOMAIN}", fields: str = "") -> bytes:
    """RFC 6591."""
    return (
        f"From: noreply@receiver.example\r\nTo: {to}\r\nSubject: FW: Invoice\r\nMessage-ID: <failure@receiver.example>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nOne failed.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: Receiver/1\r\n"
        f"Auth-Failure: dmarc\r\nIdentity-Alignment: none\r\nReported-Domain: {DOMAIN}\r\nSource-IP: 198.51.100.66\r\n"
        f"Delivery-Result: reject\r\nOriginal-Mail-From: <x@elsewhere.example>\r\n{fields}"
        "Arrival-Date: Thu, 19 Nov 2026 10:00:00 +0000\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: boss@{DOMAIN}\r\nSubject: Invoice\r\n\r\n--b--\r\n"
    ).encode()
