"""What receivers reported about the house of the web tests."""

from __future__ import annotations

from datetime import timedelta

from postroom.core.terms.reasons import because
from postroom.store.models import ReceiversReport, ReportedSource, ReportedTls, SourceOwner
from postroom.wiring import ports

DOMAIN = "postroom.test"
RELAY, FORGER, SHOP = "192.0.2.25", "203.0.113.66", "2001:db8:85a3::8a2e:370:7334"


def some_reports(days: int = 12) -> int:
    """Of two receivers about one domain, with a forger, a TLS report, and two that do not count; the number of the newest."""
    now = ports().clock.now()
    newest = 0
    for back in range(1, days):
        report = _report(str(back), received_at=now - timedelta(days=back - 1))
        newest = newest or report.pk
        day = (now - timedelta(days=back)).date()
        for ip, count, dkim, spf, disposition in (
            (RELAY, 40 + 7 * back, True, True, "none"),
            (SHOP, 6, back % 2 == 0, False, "none"),
            (FORGER, 2 * back if back % 3 else 0, False, False, "reject"),
        ):
            if count:
                ReportedSource.objects.create(
                    report=report, is_believed=True, form="aggregate", domain=DOMAIN, day=day, ip=ip, count=count,
                    disposition=disposition, dkim_aligned=dkim, spf_aligned=spf, header_from=DOMAIN,
                    dkim_domain=f"{DOMAIN}={'pass' if dkim else 'fail'}", spf_domain=f"bounces.shop.example={'pass' if spf else 'fail'}",
                )  # fmt: skip
    tls = _report("tls", form="tls", received_at=now, sender_domain="mail.receiver.example")
    for result, count in (("", 412), ("certificate-host-mismatch", 5)):
        ReportedTls.objects.create(
            report=tls, is_believed=True, domain=DOMAIN, day=(now - timedelta(days=1)).date(), policy="sts", result=result,
            count=count, receiving_host=f"mx.{DOMAIN}" if result else "",
        )  # fmt: skip
    for ip, server, name, in_spf in (
        (RELAY, "Own relay", "relay.postroom.test", True),
        (SHOP, "", "out7.shop.example", False),
        (FORGER, "", "", False),
    ):
        SourceOwner.objects.create(ip=ip, domain=DOMAIN, server=server, name=name, in_spf=in_spf, looked_at=now)
    _report(
        "forged", is_believed=False, sender_domain="evil.example", organisation="<b>google.com</b>", received_at=now,
        note=because("receivers.unproven").as_json(),
    )  # fmt: skip
    _report(
        "", state="unreadable", form="", domain="", is_believed=False, organisation="", received_at=now,
        note=because("receivers.broken_archive", name="report.zip").as_json(),
    )  # fmt: skip
    return newest


def _report(report_id: str, **values: object) -> ReceiversReport:
    told = {
        "state": "read", "form": "aggregate", "is_believed": True, "proof": "proven", "sender_domain": "receiver.example",
        "organisation": "Receiver Inc.", "contact": "dmarc@receiver.example", "domain": DOMAIN, "policy": "none",
        "begins_at": ports().clock.now() - timedelta(days=2), "ends_at": ports().clock.now() - timedelta(days=1),
    }  # fmt: skip
    return ReceiversReport.objects.create(report_id=report_id, **{**told, **values})
