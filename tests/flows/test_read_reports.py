"""Receivers' reports on their way: put by while they are routed, read, believed as far as they are proven, counted once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from django.db import connection

from postroom.core.diagnosis.sources import advise
from postroom.core.reports.authentication_reports import ReadFile, ReportFile
from postroom.core.routing.authenticity import Authenticity, Proof, authenticity_as_json
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.check_recipient import check_recipients
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.ports import Ports
from postroom.flows.read_reports import domains_of_ours, is_ours, read_reports
from postroom.flows.settings import set_parameter
from postroom.flows.show_reports import one_report, shown_reports
from postroom.store.models import (
    Company,
    InboundMessage,
    OutgoingMail,
    OutgoingServer,
    RawMail,
    Record,
    ReportedSource,
    ReportedTls,
    SourceOwner,
)
from postroom.store.models import ReceiversReport as Row
from postroom.wiring import _DnsAsker, ports
from tests.flows.arriving import route_all, why
from tests.laboratory.dns_server import DnsServer
from tests.people import House, build_house
from tests.receivers import DOMAIN, a_failure_mail, a_mail, a_tls_mail, aggregate, gzipped, tls, zipped
from tests.receivers import Row as Line

pytestmark = pytest.mark.django_db

REPORTS = f"dmarc@{DOMAIN}"


@pytest.fixture(autouse=True)
def house() -> House:
    return build_house(DOMAIN, people_at=DOMAIN)


def lately(days: int = 1) -> int:
    """Midnight of some days ago."""
    day = ports().clock.now() - timedelta(days=days)
    return int(day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def bring(
    mail: EmailMessage | bytes, *, to: str = REPORTS, proof: Proof = Proof.PROVEN, domain: str = "receiver.example"
) -> InboundMessage:
    """Through the door; what is known of its author is given; routed."""
    raw = mail if isinstance(mail, bytes) else mail.as_bytes()
    envelope = Envelope(mail_from=f"noreply@{domain}", rcpt_to=(to,))
    pk = accept_message(ports(), Arrival(door=Door.SMTP, raw=raw, envelope=envelope))
    known = authenticity_as_json(Authenticity(proof=proof, author_domain=domain))
    InboundMessage.objects.filter(pk=pk).update(authentication=known)
    route_all()
    return InboundMessage.objects.get(pk=pk)


def a_report(*lines: Line, report_id: str = "1", days: int = 1, **values: str) -> EmailMessage:
    text = aggregate(*lines, report_id=report_id, begin=lately(days), **values)
    return a_mail(gzipped(text), message_id=f"<{report_id}.{days}@receiver.example>")


def read(with_ports: Ports | None = None) -> str:
    return read_reports(with_ports or ports())


# ---- where it goes


def test_a_report_makes_no_record_and_no_answer_and_is_read() -> None:
    inbound = bring(a_report())
    assert (inbound.state, why(inbound)) == (InboundState.ROUTED, ["receivers_report.taken"])
    assert not Record.objects.exists()
    assert not OutgoingMail.objects.exists()
    read()
    row = Row.objects.get()
    assert (row.state, row.is_believed, row.organisation, row.domain) == ("read", True, "receiver.example", DOMAIN)
    source = ReportedSource.objects.get()
    assert (source.ip, source.count, source.day) == ("192.0.2.25", 7, datetime.fromtimestamp(lately(), UTC).date())


def test_a_failure_report_is_no_complaint_and_no_bounce() -> None:
    inbound = bring(a_failure_mail())
    assert (inbound.state, why(inbound)) == (InboundState.ROUTED, ["receivers_report.taken"])
    read()
    assert Row.objects.get().form == "failure"
    shown = shown_reports(ports(), member=None, days=400)
    assert not shown.domains, "it repeats what the aggregate report counts"
    assert [(one.source.ip, one.source.failures) for one in shown.sources] == [("198.51.100.66", 1)]


def test_a_tls_report_is_read() -> None:
    day = datetime.fromtimestamp(lately(), UTC).date().isoformat()
    bring(a_tls_mail(tls().replace("2026-11-19", day)))
    read()
    assert sorted(ReportedTls.objects.values_list("result", "count")) == [("", 90), ("certificate-expired", 3)]


def test_the_address_for_reports_is_taken_at_the_door_and_others_are_not() -> None:
    verdicts = check_recipients(ports(), [REPORTS, f"nobody@{DOMAIN}", "dmarc@elsewhere.example"])
    assert [one.accepted for one in verdicts.values()] == [True, False, False]
    set_parameter(ports(), "mail.dmarc.address", "reports@elsewhere.example", member=None)
    verdicts = check_recipients(ports(), [REPORTS, "reports@elsewhere.example"])
    assert [one.accepted for one in verdicts.values()] == [False, True]
    set_parameter(ports(), "mail.dmarc.address", "", member=None)
    assert not check_recipients(ports(), [REPORTS])[REPORTS].accepted


def test_a_report_to_an_alias_is_a_mail_like_any_other() -> None:
    inbound = bring(a_report(), to=f"support@{DOMAIN}")
    assert (inbound.state, Record.objects.count(), Row.objects.count()) == (InboundState.ROUTED, 1, 0)


def test_a_letter_to_the_address_for_reports_is_held_for_a_person() -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "carla@customer.example", REPORTS, "Hello"
    mail.set_content("Is anybody there?")
    inbound = bring(mail)
    assert (inbound.state, why(inbound)[-1]) == (InboundState.HELD, "nobody.reports")


# ---- what is believed


@pytest.mark.parametrize("proof", [Proof.UNPROVEN, Proof.SPOOFED, Proof.NOT_APPLICABLE])
def test_a_report_that_nobody_proves_is_shown_apart_and_counts_nothing(proof: Proof) -> None:
    bring(a_report(), proof=proof)
    read()
    row = Row.objects.get()
    assert (row.is_believed, row.note["code"]) == (False, "receivers.unproven")
    shown = shown_reports(ports(), member=None)
    assert (shown.domains, shown.sources, shown.reporters) == ((), (), ())
    assert [str(one.reason) for one in shown.doubted] == [
        "Nobody proves who sent it: what it says is shown apart, and counts for nothing."
    ]


def test_a_report_about_a_strangers_domain_counts_nothing() -> None:
    bring(a_report(domain="elsewhere.example"))
    read()
    assert Row.objects.get().note["code"] == "receivers.not_ours"


@pytest.mark.parametrize("above", ["example", "co.example"])
def test_what_stands_above_a_domain_of_ours_is_not_ours(above: str) -> None:
    assert not is_ours(above, {f"firm.{above}"})
    assert is_ours(f"firm.{above}", {f"firm.{above}"})


def test_what_one_company_of_several_types_for_its_server_makes_no_domain_ours(house: House) -> None:
    for name, company in (("typed", house.company), ("shared", None)):
        OutgoingServer.objects.create(name=name, host="relay.example", company=company, from_filter=f"{name}.example")
    assert {"typed.example", "shared.example", DOMAIN} <= domains_of_ours()
    Company.objects.create(name="Bravo")
    assert {"shared.example", DOMAIN} <= domains_of_ours()
    assert "typed.example" not in domains_of_ours()


def test_a_report_about_a_name_below_is_ours() -> None:
    bring(a_report(domain=f"news.{DOMAIN}"))
    read()
    assert Row.objects.get().is_believed


def test_the_same_report_twice_counts_once_and_a_forged_one_before_it_takes_nothing_away() -> None:
    bring(a_report(), proof=Proof.UNPROVEN)
    bring(a_report(), to=f"dmarc+a@{DOMAIN}")
    bring(a_report(), to=f"dmarc+b@{DOMAIN}")
    read()
    assert list(Row.objects.order_by("id").values_list("state", "is_believed")) == [
        ("read", False), ("read", True), ("twice", True),
    ]  # fmt: skip
    assert shown_reports(ports(), member=None).domains[0].total == 7


def test_two_reports_in_one_mail_are_two() -> None:
    texts = [aggregate(report_id=name, begin=lately()).encode() for name in "ab"]
    bring(a_mail(zipped(("a.xml", texts[0]), ("b.xml", texts[1])), name="two.zip", content_type="application/zip"))
    read()
    assert sorted(Row.objects.values_list("report_id", flat=True)) == ["a", "b"]


def test_what_cannot_be_read_is_told_and_stops_nobody() -> None:
    bring(a_mail(b"PK\x03\x04 broken", name="a.zip", message_id="<broken@receiver.example>"))
    bring(a_report())
    assert read().startswith("2 reports")
    assert list(Row.objects.order_by("id").values_list("state", flat=True)) == ["unreadable", "read"]
    assert shown_reports(ports(), member=None).doubted[0].reason is not None


def test_a_parser_that_breaks_is_our_trouble_and_stops_nobody() -> None:
    def broken(*_: object, **__: object) -> tuple[()]:
        raise RuntimeError("broken")

    bring(a_report())
    read(dataclasses.replace(ports(), read_report_files=broken))
    assert (Row.objects.get().state, Row.objects.get().note["code"]) == ("unreadable", "receivers.unreadable")


def test_a_report_is_read_in_no_transaction_and_one_that_was_booked_meanwhile_stays_as_it_is() -> None:
    """Its bytes may be far away, and parsing takes seconds: nobody's row is locked as long."""
    depth = len(connection.savepoint_ids)
    real = ports().read_report_files

    def looking(files: Sequence[ReportFile], *, now: datetime) -> tuple[ReadFile, ...]:
        assert len(connection.savepoint_ids) == depth
        Row.objects.update(state="read", organisation="somebody else was faster")
        return real(files, now=now)

    bring(a_report())
    read(dataclasses.replace(ports(), read_report_files=looking))
    assert Row.objects.get().organisation == "somebody else was faster"


def test_a_failure_report_of_the_future_is_of_the_day_on_which_it_came() -> None:
    bring(a_failure_mail().replace(b"19 Nov 2026", b"19 Nov 2999"))
    read()
    row = Row.objects.get()
    assert row.state == "read"
    assert row.begins_at == row.received_at


def test_a_report_whose_bytes_are_gone_is_told() -> None:
    inbound = bring(a_report())
    RawMail.objects.filter(inbound=inbound).delete()
    read()
    assert Row.objects.get().note["code"] == "receivers.gone"


# ---- sums


def test_sums_by_day_and_by_source() -> None:
    bring(a_report(Line(count=5), Line(ip="198.51.100.66", count=3, dkim="fail", spf="fail", disposition="reject")))
    bring(a_report(Line(count=11), report_id="2", days=2))
    read()
    shown = shown_reports(ports(), member=None, days=7)
    (domain,) = shown.domains
    assert (domain.passed, domain.failed, domain.stopped, len(domain.days)) == (16, 3, 3, 8)
    assert [(day.passed, day.failed) for day in domain.days][-3:] == [(11, 0), (5, 3), (0, 0)]
    assert [(one.source.ip, one.source.count, one.advice.code) for one in shown.sources] == [
        ("198.51.100.66", 3, "source.stranger"),
        ("192.0.2.25", 16, "source.fine"),
    ]
    assert [(one.sender, one.reports) for one in shown.reporters] == [("receiver.example", 2)]
    assert shown_reports(ports(), member=None, domain="elsewhere.example").sources == ()


def test_one_report_is_shown_with_its_rows() -> None:
    bring(a_report(Line(count=5)))
    read()
    found = one_report(ports(), Row.objects.get().pk, member=None)
    assert found is not None
    assert [row["count"] for row in found["sources"]] == [5]
    assert one_report(ports(), 0, member=None) is None


@pytest.mark.slow
def test_an_address_is_joined_to_the_server_that_it_belongs_to() -> None:
    OutgoingServer.objects.create(name="Relay", host="relay.northwind.example", port=587, from_filter=DOMAIN)
    OutgoingServer.objects.create(name="Google", host="smtp.gmail.com", preset="gmail", port=587, from_filter=DOMAIN)
    zones: dict[str, dict[str, list[str | tuple[str, ...]]]] = {
        DOMAIN: {"TXT": ["v=spf1 ip4:203.0.113.9 -all"]},
        "relay.northwind.example": {"A": ["192.0.2.25"]},
        "25.2.0.192.in-addr.arpa": {"PTR": ["relay.northwind.example."]},
        "_spf.google.com": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
    }
    lines = [
        Line(ip=ip, dkim="fail", spf="fail") for ip in ("192.0.2.25", "198.51.100.66", "203.0.113.9", "203.0.113.10")
    ]
    bring(a_report(*lines))
    with DnsServer(zones) as server:
        place = f"127.0.0.1:{server.port}"
        asking = dataclasses.replace(
            ports(),
            configuration=dataclasses.replace(ports().configuration, dns_servers=(place,)),
            ask_dns=_DnsAsker((place,)),
        )
        assert read(asking).endswith("4 addresses looked up")
        assert read(asking).endswith("0 addresses looked up"), "it is known for a week"
    found = {one.source.ip: one for one in shown_reports(ports(), member=None).sources}
    assert {ip: one.source.server for ip, one in found.items()} == {
        "192.0.2.25": "Relay", "198.51.100.66": "Google", "203.0.113.9": "", "203.0.113.10": "",
    }  # fmt: skip
    assert found["192.0.2.25"].source.name == "relay.northwind.example"
    assert {ip: one.advice.code for ip, one in found.items()} == {
        "192.0.2.25": "source.ours",
        "198.51.100.66": "source.ours",
        "203.0.113.9": "source.in_spf",
        "203.0.113.10": "source.stranger",
    }


def test_nobody_is_asked_about_private_names() -> None:
    bring(a_report())
    assert read().endswith("0 addresses looked up")
    assert not SourceOwner.objects.exists()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"passed": 9}, "source.fine"),
        ({"passed": 3, "server": "Relay"}, "source.ours_partly"),
        ({"passed": 0, "override": "forwarded"}, "source.forwarder"),
        ({"passed": 3}, "source.partly"),
    ],
)
def test_what_is_to_be_done_about_a_source(values: dict[str, object], code: str) -> None:
    facts = {"domain": DOMAIN, "count": 9, "passed": 0, "server": "", "in_spf": False, "override": ""} | values
    assert advise(**facts).code == code  # type: ignore[arg-type]


# ---- for how long


def test_reports_are_forgotten_after_their_days() -> None:
    bring(a_report())
    read()
    Row.objects.update(received_at=ports().clock.now() - timedelta(days=401))
    assert forget_old_mail(ports())["receivers' reports"] == 1
    assert not ReportedSource.objects.exists()
