"""From the SMTP door to the chart: a receiver's signed report comes in, real processes route and read it, the page shows it. A forged one
comes along, and counts for nothing."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from email.message import EmailMessage

import pytest
from django.test import Client

from postroom.core.terms.states import InboundState
from postroom.flows.run_scheduled_action import ensure_actions
from postroom.store.models import InboundMessage, Record, SourceOwner
from postroom.store.models import ReceiversReport as Row
from postroom.wiring import ports
from tests.e2e.installation import DEADLINE, installed
from tests.laboratory.dns_server import DnsServer
from tests.laboratory.ports import LOOPBACK, Port
from tests.laboratory.waiting import wait_until
from tests.people import add_server, build_house
from tests.receivers import DOMAIN, a_mail, aggregate, gzipped
from tests.receivers import Row as Line

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SENDER = "receiver.example"


def signed(mail: EmailMessage) -> bytes:
    """As the receiver's own server would."""
    raw = mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    dkim = ports().dkim
    key = dkim.open_key(domain=SENDER, selector="s1", algorithm="rsa", private=PRIVATE)
    now = int(ports().clock.now().timestamp())
    return dkim.signatures([key], head + b"\r\n", dkim.body_hash(body), signed_at=now) + raw


PRIVATE, PUBLIC = ports().dkim.make_key("rsa")


def hand_in(port: int, raw: bytes) -> None:
    with smtplib.SMTP(LOOPBACK, port, timeout=60) as client:
        client.sendmail(f"noreply@{SENDER}", [f"dmarc@{DOMAIN}"], raw)


def a_report(report_id: str, count: int) -> EmailMessage:
    day = (ports().clock.now() - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    text = aggregate(
        Line(count=count),
        Line(ip="203.0.113.66", count=3, dkim="fail", spf="fail"),
        report_id=report_id,
        begin=int(day.timestamp()),
    )
    return a_mail(gzipped(text), author=f"noreply@{SENDER}", message_id=f"<{report_id}@{SENDER}>")


def test_a_proven_report_comes_from_the_door_to_the_chart_and_a_forged_one_stands_apart() -> None:
    house = build_house(DOMAIN, people_at=DOMAIN)
    add_server("relay.northwind.example", 587, name="Relay", from_filter=DOMAIN, is_active=False)
    ensure_actions(ports())
    zones: dict[str, dict[str, list[str | tuple[str, ...]]]] = {
        f"s1._domainkey.{SENDER}": {"TXT": [f"v=DKIM1; k=rsa; p={PUBLIC}"]},
        f"_dmarc.{SENDER}": {"TXT": ["v=DMARC1; p=reject"]},
        SENDER: {"TXT": ["v=spf1 -all"]},
        DOMAIN: {"TXT": ["v=spf1 ip4:192.0.2.25 -all"]},
        "25.2.0.192.in-addr.arpa": {"PTR": ["relay.northwind.example."]},
    }
    smtp, lmtp = Port(), Port()
    try:
        with (
            DnsServer(zones) as dns,
            installed(
                "door", "router", "scheduler", smtp=smtp, lmtp=lmtp, settings={"POSTROOM_DNS_SERVERS": f"127.0.0.1:{dns.port}"}
            ) as installation,
        ):  # fmt: skip
            hand_in(installation.smtp_port, signed(a_report("true", 41)))
            hand_in(installation.smtp_port, a_report("forged", 900).as_bytes())
            wait_until(lambda: Row.objects.filter(state="read").count() == 2, "both are read", DEADLINE)
            wait_until(lambda: SourceOwner.objects.count() == 2, "their sources are looked up", DEADLINE)
    finally:
        smtp.release()
        lmtp.release()
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {InboundState.ROUTED}
    assert not Record.objects.exists()
    assert dict(Row.objects.values_list("report_id", "is_believed")) == {"true": True, "forged": False}
    assert SourceOwner.objects.get(ip="192.0.2.25").in_spf is True
    window = Client()
    window.force_login(house.alice.user)
    page = window.get("/settings/receivers/").content.decode()
    assert "41 passed, 3 failed" in page
    assert "941 passed" not in page
    assert ">900<" not in page
    assert "relay.northwind.example" in page
