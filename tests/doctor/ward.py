"""The ward: a healthy house with a healthy zone, in which a fault is injected and the doctor is called.

The house sends through an own relay (a real peer on loopback), signs with a key that the zone shows, fetches from one mailbox, and
has mail moving. Everything that a fault needs is an attribute of `Ward`; `Ward.diagnose` is the doctor as the command calls it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import pytest

from postroom import wiring
from postroom.core.delivery.probing import Probe, ProbeOrder, ProbeStep
from postroom.core.diagnosis.findings import Folded
from postroom.core.diagnosis.machine_health import MachineFacts
from postroom.core.terms.reasons import because
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.steps import Step
from postroom.core.terms.visits import NoVisit, Visit
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.flows.guard_installation import check_home
from postroom.flows.ports import Ports
from postroom.flows.read_reports import find_owners
from postroom.flows.run_scheduled_action import ensure_actions
from postroom.store.models import (
    Attempt,
    Delivery,
    DkimKey,
    Mailbox,
    OutgoingServer,
    Parameter,
    ReceiversReport,
    ReportedSource,
    ReportedTls,
    TrafficHour,
)
from tests.doctor.processes import Process, at_work
from tests.flows.outgoing_mails import a_mail, deliveries, ports_with
from tests.flows.scripted_mailbox import ScriptedMailbox
from tests.laboratory.dns_server import DnsServer
from tests.people import build_house

DOMAIN = "northwind.example"
RELAY = "relay.northwind.example"
RELAY_IP = "192.0.2.25"
HEALTHY_STAFF = {"deliverer": 1, "router": 1, "scheduler": 1, "watcher": 1, "web": 2}


class Ward:
    """See the module. Made in a test with a database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dns = DnsServer(_zones())
        self.box = ScriptedMailbox()
        self.staff: dict[str, int] = dict(HEALTHY_STAFF)
        self.machine = MachineFacts(runs_here=True)
        self.said: Mapping[str, Probe] = {}
        self.wish: dict[str, Any] = {}
        self.web: dict[str, Visit | NoVisit] = {}  # by host
        self.door_ends: datetime | None = None
        self._monkeypatch = monkeypatch
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.dns)
        self._monkeypatch.setattr("postroom.store.queries.doctor.connected_roles", lambda: dict(self.staff))
        self.ports = ports_with(hostname="post.northwind.example", dns_servers=(f"127.0.0.1:{self.dns.port}",))
        self.ports = dataclasses.replace(
            self.ports,
            probe_server=self._probe,
            mailbox_session=self.box.session,
            ask_dns=_asker(self.ports),
            visit=self._visit,
            door_certificate_end=lambda: self.door_ends,
        )
        self._furnish()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _furnish(self) -> None:
        check_home(self.ports)
        ensure_actions(self.ports)
        self.house = build_house(DOMAIN, people_at=DOMAIN, name="Northwind")
        Parameter.objects.update_or_create(key="mail.catchall.domain", defaults={"value": DOMAIN})
        self.server = OutgoingServer.objects.create(
            name="Relay", host=RELAY, port=587, encryption="starttls", from_filter=DOMAIN, username=f"post@{DOMAIN}",
            secret=self.ports.vault.seal("correct horse"),
        )  # fmt: skip
        self.mailbox = Mailbox.objects.create(
            company=self.house.company, name="Support", host="imap.northwind.example", username=f"support@{DOMAIN}",
            secret=self.ports.vault.seal("correct horse"), is_confirmed=True, confirmed_at=self.now, succeeded_at=self.now,
            last_message_at=self.now,
        )  # fmt: skip
        private, public = _a_key()
        self.key = DkimKey.objects.create(
            domain=DOMAIN, selector="pr202601a", algorithm="rsa", private_key=self.ports.vault.seal(private), public_key=public,
            state="active", created_at=self.now, activated_at=self.now,
        )  # fmt: skip
        self.dns.put(f"{self.key.selector}._domainkey.{DOMAIN}", "TXT", self.record_of_key)

    @property
    def now(self) -> Any:
        return self.ports.clock.now()

    @property
    def record_of_key(self) -> str:
        return f"v=DKIM1; k=rsa; p={self.key.public_key}"

    # -- faults are made of these

    def at_work(self, *roles: str) -> list[Process]:
        """Real processes of an installation, which gave a sign of life each; ended with the ward."""
        return self._stack.enter_context(at_work(*roles))

    def set_server(self, **values: Any) -> None:
        OutgoingServer.objects.filter(pk=self.server.pk).update(**values)

    def set_mailbox(self, **values: Any) -> None:
        Mailbox.objects.filter(pk=self.mailbox.pk).update(**values)

    def configure(self, **values: Any) -> None:
        self.ports = dataclasses.replace(
            self.ports, configuration=dataclasses.replace(self.ports.configuration, **values)
        )

    def disk(self, *, free: int, trouble: str = "") -> None:
        room = dataclasses.replace(self.ports.blobs.room(), free=free, trouble=trouble)
        self._monkeypatch.setattr(type(self.ports.blobs), "room", lambda _: room)

    def spf(self, *records: str) -> None:
        self.dns.replace(DOMAIN, "TXT", *records)

    def dmarc(self, *records: str) -> None:
        self.dns.replace(f"_dmarc.{DOMAIN}", "TXT", *records)

    def dkim(self, *records: str | tuple[str, ...]) -> None:
        self.dns.replace(f"{self.key.selector}._domainkey.{DOMAIN}", "TXT", *records)

    def relay_greets(self, text: str, *, until: datetime | None = None, host: str = RELAY) -> None:
        """Its test goes well; it says this first, and shows a certificate that is good until then."""
        steps = (
            ProbeStep(step=Step.GREETING, reply=SmtpReply(220, "", text), duration=0.01),
            ProbeStep(step=Step.DATA, reply=SmtpReply(354, "", "go ahead"), duration=0.01),
        )
        self.said = {**self.said, host: Probe(steps=steps, certificate_until=until, fingerprint="ab" * 32)}

    def policy(self, text: str, *, status: int = 200, date: datetime | None = None) -> None:
        """The domain has MTA-STS, and this file."""
        self.dns.put(f"_mta-sts.{DOMAIN}", "TXT", "v=STSv1; id=20260101")
        self.dns.put(f"mta-sts.{DOMAIN}", "A", "192.0.2.80")
        self.web[f"mta-sts.{DOMAIN}"] = Visit(status=status, content_type="text/plain", body=text.encode(), date=date)

    def consent_ends(self, at: datetime, *, server: bool = False) -> None:
        grant = json.dumps({"client_id": "a", "refresh_token": "b", "ends_at": str(int(at.timestamp()))})
        values = {"authentication": "token", "token_source": "google", "secret": self.ports.vault.seal(grant)}
        (self.set_server if server else self.set_mailbox)(**values)

    def strangers(self, *, vanished: int = 0, read: int = 0, taken: int = 20) -> None:
        self.set_mailbox(strangers={f"{self.now:%Y-%m-%d}": [vanished, read, taken]})

    def relay_says(self, step: Step, code: int = 0, text: str = "", *, enhanced: str = "", trouble: str = "") -> None:
        """From now on its test fails at this step."""
        reply = SmtpReply(code, enhanced, text) if code else None
        failed = ProbeStep(step=step, reply=reply, is_ok=False, duration=0.01)
        self.said = {RELAY: Probe(steps=(failed,), trouble=trouble)}

    def queued(self, count: int = 1, *, to: str = "carla@customer.example", **values: Any) -> list[Delivery]:
        """Mails in the queue, an hour old."""
        at = self.now - timedelta(hours=1)
        mail = a_mail(
            self.house.company,
            at=at,
            from_address=f"alice@{DOMAIN}",
            header_message_id=f"<{Delivery.objects.count()}@{DOMAIN}>",
        )
        return deliveries(mail, *(f"{number}{to}" for number in range(count)), at=at, **values)

    def refused(self, code: int, enhanced: str, text: str, *, count: int = 1, phase: str = "rcpt") -> None:
        """Mails that failed with this reply."""
        rows = self.queued(
            count,
            state="failed",
            finished_at=self.now,
            server=self.server,
            failure_type="mail_smtp",
            failure_reason=text,
        )
        for row in rows:
            Attempt.objects.create(
                delivery=row, server=self.server, tried_at=self.now, phase=phase, code=code, enhanced=enhanced, text=text,
                state="failed",
            )  # fmt: skip

    def put_off(self, reply: str, *, count: int = 1) -> None:
        """Mails that wait because a server said so."""
        waits_for = {"code": "wait.transient", "facts": {"reply": reply}}
        self.queued(count, state="deferred", waits_for=waits_for, server=self.server, held_since=self.now,
                    due_at=self.now + timedelta(minutes=10))  # fmt: skip

    def traffic(self, hours_ago: int, *, sent: int = 0, failed: int = 0) -> None:
        hour = (self.now - timedelta(hours=hours_ago)).replace(minute=0, second=0, microsecond=0)
        for what, count in (("sent", sent), ("failed", failed)):
            if count:
                TrafficHour.objects.create(company_number=self.house.company.pk, hour=hour, what=what, count=count)

    def reported(self, ip: str, *, passed: int = 50, failed: int = 0, stopped: int = 0, proven: bool = True) -> None:
        """A receiver said so yesterday, and the reader has found out whose the address is."""
        report = self._report("aggregate", proven)
        day = (self.now - timedelta(days=1)).date()
        for count, aligned, disposition in (
            (passed, True, "none"),
            (failed - stopped, False, "none"),
            (stopped, False, "reject"),
        ):
            if count:
                ReportedSource.objects.create(
                    report=report, is_believed=proven, form="aggregate", domain=DOMAIN, day=day, ip=ip, count=count,
                    disposition=disposition, dkim_aligned=aligned, spf_aligned=False,
                )  # fmt: skip
        with_dns = dataclasses.replace(
            self.ports,
            configuration=dataclasses.replace(self.ports.configuration, dns_servers=(f"127.0.0.1:{self.dns.port}",)),
        )
        find_owners(with_dns)

    def reported_tls(self, result: str, *, failed: int, total: int) -> None:
        report = self._report("tls", True)
        for name, count in (("", total - failed), (result, failed)):
            ReportedTls.objects.create(
                report=report, is_believed=True, domain=DOMAIN, day=(self.now - timedelta(days=1)).date(), result=name,
                policy="sts", count=count,
            )  # fmt: skip

    def _report(self, form: str, proven: bool) -> ReceiversReport:
        return ReceiversReport.objects.create(
            received_at=self.now, state="read", form=form, is_believed=proven, sender_domain="receiver.example", domain=DOMAIN,
            organisation="Receiver", report_id=str(ReceiversReport.objects.count()),
        )  # fmt: skip

    # -- the doctor

    def diagnose(self) -> tuple[Folded, ...]:
        wish = DoctorWish(patience=60.0, **self.wish)
        return diagnose(self.ports, wish, member=None, machine=self.machine).findings

    def _visit(self, url: str, **_: Any) -> Visit | NoVisit:
        return self.web.get(url.split("/")[2], NoVisit(reason=because("visit.refused"), is_theirs=True))

    def _probe(self, order: ProbeOrder, *, follow: object = None) -> Probe:
        fine = Probe(steps=(ProbeStep(step=Step.DATA, reply=SmtpReply(354, "", "go ahead"), duration=0.01),))
        return self.said.get(order.endpoint.host, fine)


@lru_cache
def _a_key() -> tuple[str, str]:
    """One for all tests: made in the time of a hundred."""
    private, public = wiring.ports().dkim.make_key("rsa")
    return private.reveal(), public


def _asker(ports: Ports) -> Callable[..., Any]:
    """As the plug board makes it, for the name server of the ward."""
    return wiring._DnsAsker(ports.configuration.dns_servers)


def _zones() -> dict[str, dict[str, list[str | tuple[str, ...]]]]:
    return {
        DOMAIN: {
            "MX": ["10 mx.northwind.example."],
            "TXT": [f"v=spf1 a:{RELAY} -all", "some-verification=abc"],
            "A": ["192.0.2.80"],
        },
        "mx.northwind.example": {"A": ["192.0.2.10"]},
        "imap.northwind.example": {"A": ["192.0.2.11"]},
        RELAY: {"A": [RELAY_IP]},
        "25.2.0.192.in-addr.arpa": {"PTR": [f"{RELAY}."]},
        f"_dmarc.{DOMAIN}": {"TXT": [f"v=DMARC1; p=reject; rua=mailto:dmarc@{DOMAIN}"]},
    }
