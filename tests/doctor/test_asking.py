"""How the doctor asks: whom not, how long, within which budget, and what it says when nobody answers."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import NoReturn

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from postroom.core.delivery.probing import Probe
from postroom.core.diagnosis.checks import OF_DOMAINS
from postroom.core.diagnosis.domain_facts import DomainFacts
from postroom.core.diagnosis.findings import Finding, Folded
from postroom.core.diagnosis.mailbox_health import MailboxFacts, TriedMailbox, WaysInFacts, check_ways_in
from postroom.core.diagnosis.server_errors import Fault, explain
from postroom.core.senders.questions import Asking, Question, RecordType
from postroom.core.terms.reasons import because
from postroom.core.terms.steps import Step
from postroom.flows.access import NotAllowed
from postroom.flows.diagnose import DoctorWish, diagnose, is_whole_staff
from postroom.flows.guard_installation import set_capturing
from postroom.store.models import Attempt, Mailbox, OutgoingServer, SettingChange
from postroom.store.queries.doctor import connected_roles
from postroom.wiring import ports as wired_ports
from tests.adapters.smtp.scripted_peer import ScriptedPeer, closed_port, polite
from tests.doctor.ward import DOMAIN, Ward

pytestmark = pytest.mark.django_db
MOST_QUERIES = 55


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    with Ward(monkeypatch) as made:
        yield made


def told(findings: tuple[Folded, ...]) -> dict[str, str]:
    """Codes with their gravity, those that are folded too."""
    found: dict[str, str] = {}
    for one in findings:
        found[one.finding.code.value] = one.severity.value
        found |= told(one.follows)
    return found


def test_the_tables_are_asked_a_few_bounded_questions(ward: Ward) -> None:
    for number in range(30):
        OutgoingServer.objects.create(name=f"Old {number}", host="old.example", is_active=False)
    ward.queued(
        40,
        state="deferred",
        waits_for={"code": "wait.transient", "facts": {"reply": "450 4.2.0 later"}},
        held_since=ward.now,
    )
    ward.refused(550, "5.1.1", "user unknown", count=20)
    with CaptureQueriesContext(connection) as asked:
        ward.diagnose()
    assert len(asked) <= MOST_QUERIES, [query["sql"][:90] for query in asked]


@pytest.mark.slow
def test_a_silent_name_server_makes_the_records_unchecked_and_nothing_wrong(ward: Ward) -> None:
    ward.dns.silent.add("*")
    findings = diagnose(ward.ports, DoctorWish(patience=8.0), member=None, machine=ward.machine).findings
    (root,) = findings
    assert (root.finding.code.value, root.severity.value) == ("dns_unreachable", "unchecked")
    assert {one.finding.code.value for one in root.follows} == {"dns_unchecked"}


def test_a_name_server_that_fails_for_one_record_leaves_the_rest_checked(ward: Ward) -> None:
    ward.dns.failing.add(f"_dmarc.{DOMAIN}")
    assert told(ward.diagnose()) == {"dns_unchecked": "unchecked"}


def test_while_mail_is_captured_neither_servers_nor_records_are_asked(ward: Ward) -> None:
    set_capturing(ward.ports, True, member=None)
    ward.spf("nothing of the kind")
    findings = ward.diagnose()
    assert told(findings) == {
        "capture_mode": "info",
        "server_captured": "not_applicable",
        "domain_captured": "not_applicable",
    }
    assert ward.dns.asked == []


def test_a_domain_that_is_named_is_checked_even_then(ward: Ward) -> None:
    set_capturing(ward.ports, True, member=None)
    ward.spf("nothing of the kind")
    ward.wish = {"domains": (DOMAIN,)}
    assert told(ward.diagnose())["spf_missing"] == "warning"


def test_private_names_are_asked_about_only_where_name_servers_are_set_on_purpose(ward: Ward) -> None:
    ward.configure(dns_servers=())
    assert told(ward.diagnose()) == {"domain_private": "not_applicable"}
    assert ward.dns.asked == []


def test_a_private_name_that_those_servers_do_not_know_is_not_applicable(ward: Ward) -> None:
    ward.dns.zones.clear()
    assert told(ward.diagnose()) == {"domain_private": "not_applicable"}


def test_another_name_server_may_be_named(ward: Ward) -> None:
    ward.configure(dns_servers=())
    ward.spf("v=spf1 +all")
    ward.wish = {"name_servers": (("127.0.0.1", ward.dns.port),)}
    assert "spf_anybody" in told(ward.diagnose())


def test_a_key_in_several_strings_is_one_key(ward: Ward) -> None:
    record = ward.record_of_key
    ward.dkim((record[:100], record[100:200], record[200:]))
    assert told(ward.diagnose()) == {}


def test_of_a_strangers_domain_the_public_records_alone_are_looked_at(ward: Ward) -> None:
    ward.set_server(from_filter="")
    ward.dns.put("customer.example", "MX", "10 mx.customer.example.")
    ward.dns.put("customer.example", "TXT", "v=spf1 ip4:203.0.113.0/24 -all")
    ward.dns.put("_dmarc.customer.example", "TXT", "v=DMARC1; p=reject")
    ward.wish = {"domains": ("customer.example",)}
    assert told(ward.diagnose()) == {}


def test_mail_may_come_back_by_an_address_of_this_machine(ward: Ward) -> None:
    ward.dns.replace(DOMAIN, "MX", "10 door.elsewhere.example.")
    ward.dns.put("door.elsewhere.example", "A", "127.0.0.1")
    assert told(ward.diagnose()) == {}


def test_only_what_is_asked_for_is_told(ward: Ward) -> None:
    ward.spf("v=spf1 ptr +all")
    ward.wish = {"only": frozenset({"spf_ptr"})}
    assert told(ward.diagnose()) == {"spf_ptr": "warning"}


def test_offline_nobody_is_asked(ward: Ward) -> None:
    ward.spf("v=spf1 +all")
    ward.box.trouble.clear()
    ward.set_mailbox(succeeded_at=None)
    ward.wish = {"asks_world": False}
    assert told(ward.diagnose()) == {}
    assert (ward.dns.asked, ward.box.diary) == ([], [])


def test_a_mailbox_that_was_read_a_moment_ago_is_not_entered_again(ward: Ward) -> None:
    ward.diagnose()
    assert ward.box.diary == []
    Mailbox.objects.update(succeeded_at=None)
    ward.diagnose()
    assert ward.box.diary[0] == "open"


def test_who_does_not_answer_in_time_is_unchecked(ward: Ward) -> None:
    gate = threading.Event()

    def hangs(*_: object, **__: object) -> Probe:
        gate.wait(90)
        return Probe(steps=())

    ward.ports = dataclasses.replace(ward.ports, probe_server=hangs)
    findings = diagnose(ward.ports, DoctorWish(patience=0.7), member=None, machine=ward.machine).findings
    gate.set()
    assert told(findings)["server_unchecked"] == "unchecked"
    assert not [one for one in findings if one.severity.is_problem]


def test_the_doctor_changes_nothing(ward: Ward) -> None:
    ward.set_server(trouble="connection refused", trouble_count=2, broken_until=ward.now)
    ward.set_mailbox(succeeded_at=None, last_error="connection refused", error_count=3)
    before = (OutgoingServer.objects.values().get(), Mailbox.objects.values().get())
    ward.diagnose()
    assert (OutgoingServer.objects.values().get(), Mailbox.objects.values().get()) == before


def test_real_servers_are_tried_as_far_as_a_mail_would_go(ward: Ward) -> None:
    ward.ports = dataclasses.replace(ward.ports, probe_server=wired_ports().probe_server)
    refuses = polite(extensions=["AUTH PLAIN"], answers={"AUTH": ["535 5.7.8 Username and Password not accepted"]})
    with ScriptedPeer(refuses) as peer:
        ward.set_server(host="127.0.0.1", port=peer.port, encryption="none")
        (first,) = ward.diagnose()
    assert (first.finding.code.value, first.finding.detail) == ("server_refuses", "login_refused")
    assert "535 5.7.8" in first.finding.evidence[0]
    with closed_port() as port:
        ward.set_server(port=port)
        (first,) = ward.diagnose()
    assert first.finding.detail == "refused"


def test_a_healthy_real_server_is_no_finding(ward: Ward) -> None:
    ward.ports = dataclasses.replace(ward.ports, probe_server=wired_ports().probe_server)
    with ScriptedPeer(polite(extensions=["SIZE 1000000"])) as peer:
        ward.set_server(host="127.0.0.1", port=peer.port, encryption="none", username="", secret=b"")
        assert told(ward.diagnose()) == {}
        assert peer.mails == []


def test_only_an_administrator_may_ask(ward: Ward) -> None:
    with pytest.raises(NotAllowed):
        diagnose(ward.ports, DoctorWish(), member=ward.house.bob)
    assert diagnose(ward.ports, DoctorWish(asks_world=False), member=ward.house.alice) is not None


def test_the_database_knows_which_processes_are_there() -> None:
    settings = connection.get_connection_params()
    wanted = {name: settings[name] for name in ("dbname", "user", "password", "host", "port") if settings.get(name)}
    with psycopg.connect(**wanted, application_name="postroom router"):
        assert connected_roles()["router"] == 1
        assert not is_whole_staff()


# ---- what changed before


def _changed(ward: Ward, *, is_new: bool = False) -> None:
    SettingChange.objects.create(
        changed_at=ward.now - timedelta(hours=2),
        subject="server Relay",
        before=None if is_new else {"port": 25},
        after={"port": 587},
    )


def _taken(ward: Ward, minutes_ago: int) -> None:
    (row,) = ward.queued(1, state="sent", finished_at=ward.now, server=ward.server)
    at = ward.now - timedelta(minutes=minutes_ago)
    Attempt.objects.create(
        delivery=row, server=ward.server, tried_at=at, phase="data", code=250, text="ok", state="sent"
    )


def test_a_change_of_a_server_in_trouble_is_a_clue(ward: Ward) -> None:
    _changed(ward)
    _taken(ward, minutes_ago=180)
    ward.relay_says(Step.CONNECT, trouble="connection refused")
    assert "changed_before" in told(ward.diagnose())


def test_a_change_after_which_the_server_took_mail_is_innocent(ward: Ward) -> None:
    _changed(ward)
    _taken(ward, minutes_ago=60)
    ward.relay_says(Step.CONNECT, trouble="connection refused")
    assert "changed_before" not in told(ward.diagnose())


def test_that_a_server_was_set_up_is_no_change_that_broke_it(ward: Ward) -> None:
    _changed(ward, is_new=True)
    ward.relay_says(Step.CONNECT, trouble="connection refused")
    assert "changed_before" not in told(ward.diagnose())


def test_a_mere_warning_accuses_no_change(ward: Ward) -> None:
    _changed(ward)
    ward.relay_greets("ready", until=ward.now + timedelta(days=1))
    assert told(ward.diagnose()) == {"server_tls_ends": "warning"}


# ---- what worked before


def test_a_password_that_was_accepted_until_lately_was_changed_there(ward: Ward) -> None:
    ward.relay_says(Step.LOGIN, 535, "Username and Password not accepted", enhanced="5.7.8")
    assert "Check both" in str(ward.diagnose()[0].finding.cure)
    _taken(ward, minutes_ago=60)
    cure = str(ward.diagnose()[0].finding.cure)
    assert cure.startswith("It was accepted until ")
    assert "postroom server edit 'Relay' --password-stdin" in cure
    SettingChange.objects.create(changed_at=ward.now, subject="server Relay", before={"port": 25}, after={"port": 587})
    assert "Check both" in str(ward.diagnose()[0].finding.cure), "it may have been changed here"


def test_of_a_mailbox_too(ward: Ward) -> None:
    tried = TriedMailbox(
        is_ok=False, code="mailbox_login_refused", cause=because("cure.none"), cure=because("cure.none"), reply="no"
    )
    facts = MailboxFacts(id=1, name="Support", tried=tried, accepted_at=ward.now)
    (found, *_) = check_ways_in(WaysInFacts(mailboxes=(facts,)), ward.now)
    assert str(found.cure).startswith("It was accepted until ")
    assert "Settings, Mailboxes, Support" in str(found.cure)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.1.1", "::1"])
def test_what_is_refused_on_this_machine_has_to_be_started(host: str) -> None:
    there = explain(Fault(step=Step.CONNECT, trouble="Connection refused", host=host, port=2525))
    assert (there.code, str(there.cure).startswith("Start the program")) == ("refused", True)
    assert "firewall" in str(explain(Fault(step=Step.CONNECT, trouble="Connection refused", host="a.example")).cure)


# ---- a check of ours that breaks


def _breaks(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("a secret of somebody")


def test_a_test_of_a_server_that_breaks_is_unchecked_logged_and_keeps_nobody_from_being_looked_at(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    ward.ports = dataclasses.replace(ward.ports, probe_server=_breaks)
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    findings = ward.diagnose()
    assert told(findings) == {"spf_several": "error", "check_broken": "unchecked"}
    (broken,) = [one.finding for one in findings if one.finding.code.value == "check_broken"]
    assert (broken.subject, broken.evidence, broken.detail) == ("server Relay", ("ZeroDivisionError",), "servers")
    assert "a secret" not in str(findings)
    (line,) = [one for one in caplog.records if one.exc_info]
    assert isinstance(line.exc_info, tuple)
    assert isinstance(line.exc_info[1], ZeroDivisionError)


def test_a_question_about_a_domain_that_breaks_is_told_of_that_domain_alone(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom.flows.diagnose.OF_DOMAINS", (_breaks_amid, *OF_DOMAINS))
    ward.dmarc("hello=1")
    findings = ward.diagnose()
    assert told(findings) == {"dmarc_missing": "warning", "check_broken": "unchecked"}
    assert [one.finding.subject for one in findings if one.severity.value == "unchecked"] == [f"domain {DOMAIN}"]


def _breaks_amid(facts: DomainFacts) -> Asking[list[Finding]]:
    yield Question(facts.name, RecordType.MX)
    raise ZeroDivisionError


def test_a_resolver_that_breaks_leaves_the_records_unchecked(ward: Ward) -> None:
    ward.ports = dataclasses.replace(ward.ports, ask_dns=_breaks)
    ward.spf("nothing")
    (one,) = ward.diagnose()
    assert (one.finding.code.value, one.finding.detail, one.severity.value) == ("check_broken", "names", "unchecked")


def test_a_policy_whose_fetching_breaks_is_told_of_its_domain(ward: Ward) -> None:
    ward.policy("")
    ward.ports = dataclasses.replace(ward.ports, visit=_breaks)
    assert [(one.finding.code.value, one.finding.subject) for one in ward.diagnose()] == [
        ("check_broken", f"domain {DOMAIN}")
    ]


@pytest.mark.parametrize(
    "check",
    [
        "check_house", "check_key_secrets", "check_server", "check_ways_in", "check_schedule", "check_aliases", "check_queue",
        "check_receivers", "check_machine", "door_findings", "check_history", "check_outside_clocks", "server_facts",
        "ways_in_facts", "domain_facts",
    ],
)  # fmt: skip
def test_whatever_breaks_the_other_checks_go_on(ward: Ward, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    monkeypatch.setattr(f"postroom.flows.diagnose.{check}", _breaks)
    ward.disk(free=0, trouble="Read-only file system")
    ward.set_mailbox(is_active=False)
    seen = told(ward.diagnose())
    assert seen["check_broken"] == "unchecked"
    assert "disk_broken" in seen or check == "check_machine"
    assert "mailbox_off" in seen or check in ("check_ways_in", "ways_in_facts")


def test_a_lost_database_ends_the_look_and_is_no_finding(ward: Ward) -> None:
    def lost(*_: object, **__: object) -> NoReturn:
        raise OperationalError("server closed the connection")

    ward.ports = dataclasses.replace(ward.ports, probe_server=lost)
    with pytest.raises(OperationalError):
        ward.diagnose()
