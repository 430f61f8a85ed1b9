"""The watch looks by itself: one alarm for a trouble, a digest by a server that is well, a signed request, and what changed before."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from email import message_from_bytes
from html import unescape
from typing import Any

import pytest
from django.utils import translation

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.terms.mailboxes import MailboxTrouble, TroubleKind
from postroom.core.terms.reasons import SENTENCES, because
from postroom.core.terms.states import DeliveryState, Role
from postroom.core.terms.steps import Step
from postroom.core.terms.visits import NoVisit, Visit
from postroom.flows.run_scheduled_action import WATCH_ACTION, run_action
from postroom.flows.tell_watch import PAUSES, post_one, post_test, set_hook
from postroom.flows.watch_house import WatchResult, watch_house, watch_standing
from postroom.flows.watched_rows import reason_of
from postroom.store.models import (
    Alarm,
    Company,
    Contact,
    Delivery,
    Mailbox,
    ObservedFact,
    OutgoingContent,
    OutgoingMail,
    OutgoingServer,
    ScheduledAction,
    ScheduledRun,
    WatchedFinding,
    WatchHook,
    WatchPost,
    WatchRun,
)
from tests.doctor.ward import DOMAIN, RELAY, Ward
from tests.flows.outgoing_mails import HandClock
from tests.people import add_member

pytestmark = pytest.mark.django_db

BROKEN = "doctor.server_refuses"


class Program:
    """Listens for news: remembers what it was sent, and answers as it was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes, dict[str, str]]] = []
        self.says: Visit | NoVisit = Visit(status=204)

    def __call__(
        self,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        allowed: Sequence[str] = (),
        seconds: float = 8.0,
    ) -> Visit | NoVisit:
        self.heard.append((url, body or b"", dict(headers or {})))
        return self.says


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch, program: Program) -> Iterator[Ward]:
    with Ward(monkeypatch) as made:
        clock = HandClock()
        clock.time = made.now
        made.ports = dataclasses.replace(made.ports, clock=clock, visit=program)
        monkeypatch.setattr("postroom.store.queries.doctor.database_clock", clock.now)
        yield made


def look(ward: Ward, *, hours: float = 1) -> WatchResult:
    """An hour later, the house as lively as before, and what was queued sent."""
    clock = ward.ports.clock
    assert isinstance(clock, HandClock)
    clock.pass_by(hours=hours)
    ScheduledAction.objects.update(next_run_at=ward.now + timedelta(hours=1))
    Delivery.objects.update(state=DeliveryState.SENT, finished_at=ward.now)
    Mailbox.objects.update(succeeded_at=ward.now, last_message_at=ward.now)
    return watch_house(ward.ports)


def break_relay(ward: Ward) -> None:
    ward.relay_says(Step.CONNECT, trouble="connection refused")


def mend_relay(ward: Ward) -> None:
    ward.said = {}


def second_server(ward: Ward) -> OutgoingServer:
    return OutgoingServer.objects.create(
        name="Spare", host="spare.northwind.example", port=587, from_filter=f"alice@{DOMAIN}", priority=50
    )


def open_alarms() -> list[tuple[str, int]]:
    return list(Alarm.objects.filter(ended_at=None, code__startswith="doctor.").values_list("code", "count"))


def digests() -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(header_message_id__contains=".watch").order_by("id"))


def test_a_healthy_house_raises_no_alarm_and_writes_to_nobody(ward: Ward) -> None:
    result = look(ward)
    assert (result.comparison.open, open_alarms(), digests()) == ((), [], [])
    assert WatchRun.objects.get().errors == 0


def test_what_keeps_mail_from_leaving_raises_one_alarm_at_once_and_clears_it_when_it_is_gone(ward: Ward) -> None:
    break_relay(ward)
    assert [one.code.value for one in look(ward).comparison.raised] == ["server_refuses"]
    look(ward)
    look(ward)
    assert open_alarms() == [(BROKEN, 1)]
    mend_relay(ward)
    assert [one.code.value for one in look(ward).comparison.cleared] == ["server_refuses"]
    assert open_alarms() == []


def test_another_reply_of_the_same_server_is_no_second_trouble(ward: Ward) -> None:
    ward.relay_says(Step.LOGIN, 535, "Authentication failed", enhanced="5.7.8")
    look(ward)
    ward.relay_says(Step.LOGIN, 535, "Authentication failed, id 4711", enhanced="5.7.8")
    result = look(ward)
    assert (result.comparison.raised, result.comparison.appeared) == ((), ())
    assert open_alarms() == [(BROKEN, 1)]


def test_another_cause_at_the_same_server_renews_the_alarm_and_is_told_since_now(ward: Ward) -> None:
    second_server(ward)
    break_relay(ward)
    look(ward)
    ward.relay_says(Step.LOGIN, 535, "Username and Password not accepted", enhanced="5.7.8")
    result = look(ward, hours=2)
    (news,) = result.comparison.raised
    assert (result.comparison.appeared, news.first_seen) == ((news,), ward.now)
    (alarm,) = Alarm.objects.filter(code=BROKEN)
    assert (alarm.ended_at, alarm.raised_at, alarm.reason) == (None, ward.now, news.cause.as_json())
    assert WatchedFinding.objects.get(code="server_refuses").first_seen_at == ward.now
    assert len(digests()) == 2
    assert look(ward, hours=2).comparison.raised == ()
    assert len(digests()) == 2
    mend_relay(ward)
    assert [one.code.value for one in look(ward).comparison.cleared] == ["server_refuses"]
    assert open_alarms() == []


def test_what_does_not_stop_the_mail_must_be_seen_twice(ward: Ward) -> None:
    ward.dmarc("hello=1")
    assert look(ward).comparison.raised == ()
    assert [one.code.value for one in look(ward).comparison.raised] == ["dmarc_missing"]
    assert look(ward).comparison.raised == ()


def test_what_comes_and_goes_is_not_told_each_time(ward: Ward) -> None:
    for _ in range(4):
        break_relay(ward)
        look(ward)
        mend_relay(ward)
        look(ward)
    assert Alarm.objects.filter(code=BROKEN).count() == 1


def test_an_alarm_of_one_mailbox_does_not_hide_the_trouble_of_another(ward: Ward) -> None:
    other = Mailbox.objects.create(
        company=ward.house.company, name="Sales", host="imap.northwind.example", username=f"sales@{DOMAIN}", is_confirmed=True,
        confirmed_at=ward.now, succeeded_at=ward.now,
    )  # fmt: skip
    Alarm.objects.create(
        code="mailbox.trouble", subject=f"mailbox:{other.pk}", reason={"code": "alarm.mailbox", "facts": {}}, raised_at=ward.now,
        last_at=ward.now,
    )  # fmt: skip
    Mailbox.objects.update(last_error="connection refused", error_count=5)
    ward.box.trouble["open"] = MailboxTrouble(TroubleKind.CONNECT, "connection refused")
    look(ward)
    look(ward)
    told = Alarm.objects.filter(code="doctor.mailbox_refuses", ended_at=None).values_list("subject", flat=True)
    assert list(told) == ["mailbox_refuses mailbox Support"]


def test_an_alarm_ends_though_its_finding_is_of_a_version_before(ward: Ward) -> None:
    key = "spf_forgotten domain northwind.example"
    WatchedFinding.objects.create(
        key=key, code="spf_forgotten", severity="error", subject=f"domain {DOMAIN}", cause={}, cure={}, who="administrator",
        first_seen_at=ward.now, last_seen_at=ward.now, alarmed_at=ward.now,
    )  # fmt: skip
    Alarm.objects.create(code="doctor.spf_forgotten", subject=key, reason={}, raised_at=ward.now, last_at=ward.now)
    look(ward)
    assert open_alarms() == []


def test_the_watch_does_not_find_its_own_alarms(ward: Ward) -> None:
    break_relay(ward)
    look(ward)
    assert "alarm_open" not in {one.finding.code.value for one in look(ward).diagnosis.findings}


def test_names_that_nobody_answers_about_are_neither_there_nor_gone(ward: Ward) -> None:
    ward.dmarc("hello=1")
    look(ward)
    look(ward)
    ward.configure(dns_servers=("127.0.0.1:9",))
    healthy, ward.ports = ward.ports, dataclasses.replace(ward.ports, ask_dns=_deaf)
    assert look(ward).comparison.cleared == ()
    ward.ports = healthy
    assert "doctor.dmarc_missing" in dict(open_alarms())


def _deaf(askings: Sequence[object], *, seconds: float, servers: Sequence[tuple[str, int]] = ()) -> list[object]:
    """No question is answered."""
    from postroom.core.senders.questions import TROUBLE

    return [_end(asking, TROUBLE) for asking in askings]


def _end(asking: object, answer: object) -> object:
    try:
        next(asking)  # type: ignore[call-overload]
        while True:
            asking.send(answer)  # type: ignore[attr-defined]
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize("words", ["a\x00b", "half \ud800 of a character", "x" * 3000])
def test_whatever_a_server_says_can_be_kept(ward: Ward, words: str) -> None:
    ward.relay_says(Step.MAIL, 550, words)
    ward.spf(f"v=spf1 a:{RELAY} -all", "v=spf1 \x00 " + "y" * 200)
    assert [one.code.value for one in look(ward).comparison.raised] == ["server_refuses"]
    assert len(open_alarms()) == 1


def test_more_than_is_looked_at_at_once_breaks_nothing(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.core.diagnosis.watching.MOST_WATCHED", 1)
    monkeypatch.setattr("postroom.flows.watch_house.MOST_WATCHED", 1)
    ward.dmarc("hello=1")
    look(ward)
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    look(ward)
    assert WatchedFinding.objects.filter(ended_at=None).count() == 2
    ward.spf(f"v=spf1 a:{RELAY} -all")
    look(ward)
    assert list(WatchedFinding.objects.filter(ended_at=None).values_list("code", flat=True)) == ["dmarc_missing"]


def test_remembering_takes_the_same_statements_for_few_findings_and_for_many(
    ward: Ward, django_assert_max_num_queries: Any
) -> None:
    from postroom.core.diagnosis.findings import fold, found
    from postroom.flows.diagnose import Diagnosis
    from postroom.flows.watch_house import _remember

    many = fold(found(FindingCode.DMARC_MISSING, f"domain d{number}.example") for number in range(90))
    for _ in range(2):
        with django_assert_max_num_queries(10):
            _remember(ward.ports, Diagnosis(findings=many, seconds=1.0))
    assert set(WatchedFinding.objects.values_list("seen_count", flat=True)) == {2}


# ---- by mail


def test_the_digest_leaves_by_another_server_than_the_one_in_trouble(ward: Ward) -> None:
    spare = second_server(ward)
    break_relay(ward)
    assert "queued" in look(ward).mailed
    (mail,) = digests()
    assert mail.forced_server_id == spare.pk
    assert set(Delivery.objects.filter(mail=mail).values_list("is_of_the_house", flat=True)) == {True}
    told = list(Delivery.objects.filter(mail=mail).values_list("to_address", "state"))
    assert told == [(ward.house.alice.contact.address, DeliveryState.QUEUED)]


def test_no_digest_leaves_where_every_server_is_blamed(ward: Ward) -> None:
    break_relay(ward)
    assert "no server is free of trouble" in look(ward).mailed
    assert digests() == []
    mend_relay(ward)
    look(ward)
    assert digests() == []  # it was never told, so its end is no news either


def test_who_administers_one_company_of_several_hears_nothing_and_its_server_carries_nothing(ward: Ward) -> None:
    spare = second_server(ward)
    bravo = Company.objects.create(name="Bravo")
    add_member(bravo, "Bella", "bella@bravo.example", role=Role.ADMINISTRATOR)
    root = add_member(bravo, "Rosa", "rosa@bravo.example", role=Role.ADMINISTRATOR)
    root.user.is_superuser = True
    root.user.save()
    OutgoingServer.objects.filter(pk=spare.pk).update(company=ward.house.company)
    break_relay(ward)
    assert "every server that is left belongs to one company" in look(ward).mailed
    assert digests() == []
    OutgoingServer.objects.filter(pk=spare.pk).update(company=None)
    assert "queued" in look(ward).mailed
    (mail,) = digests()
    assert mail.forced_server_id == spare.pk
    assert [one.to_address for one in Delivery.objects.filter(mail=mail)] == ["rosa@bravo.example"]


def test_where_nobody_sees_the_whole_house_nobody_hears_of_it(ward: Ward) -> None:
    second_server(ward)
    Company.objects.create(name="Bravo")
    break_relay(ward)
    assert look(ward).mailed == "nobody who administers the whole house can be written to"
    assert digests() == []


def test_a_trouble_of_a_mailbox_is_told_by_the_only_server(ward: Ward) -> None:
    ward.dmarc("hello=1")
    look(ward)
    look(ward)
    (mail,) = digests()
    assert mail.forced_server_id == ward.server.pk


def test_one_digest_an_hour_leaves_at_most_and_the_next_tells_the_rest_and_what_is_well_again(ward: Ward) -> None:
    second_server(ward)
    break_relay(ward)
    look(ward)
    mend_relay(ward)
    ward.disk(free=0, trouble="Read-only file system")
    assert "within the hour" in look(ward, hours=0.2).mailed
    assert len(digests()) == 1
    look(ward)
    first, second = digests()
    assert "Relay" in first.subject
    assert WatchedFinding.objects.filter(code="server_refuses", end_mailed_at__isnull=False).exists()
    assert second.pk > first.pk


def test_everybody_is_written_to_in_their_own_language(ward: Ward) -> None:
    from postroom.flows.settings import set_parameter

    alice = ward.house.alice.contact
    Contact.objects.filter(pk=alice.pk).update(language="de")
    set_parameter(ward.ports, "doctor.watch.mail", f"{alice.address},oncall@elsewhere.example", member=None)
    second_server(ward)
    break_relay(ward)
    assert look(ward).mailed == "a digest was queued for 2"
    said = {Delivery.objects.get(mail=mail).to_address: (mail, digest_text(mail)) for mail in digests()}
    german, text = said[alice.address]
    assert german.subject == "Postroom: ein Fehler (server Relay)"
    for words in (
        "Der Doktor Ihres Postroom hat am",
        "Neu:",
        "Fehler: server Relay",
        "Was zu tun ist:",
        "Alle Befunde",
    ):
        assert words in text, words
    cause = translated_into("de", WatchedFinding.objects.get(code="server_refuses"))
    assert cause in text
    assert cause not in said["oncall@elsewhere.example"][1]
    assert "What to do:" in said["oncall@elsewhere.example"][1]
    mend_relay(ward)
    look(ward)
    assert "Postroom: 1 Störung weniger" in {mail.subject for mail in digests()}


def digest_text(mail: OutgoingMail) -> str:
    content = OutgoingContent.objects.get(mail=mail)
    parts = message_from_bytes(bytes(content.content_headers) + b"\r\n" + bytes(content.body)).walk()
    (html,) = [part.get_payload(decode=True) for part in parts if part.get_content_type() == "text/html"]
    assert isinstance(html, bytes)
    return " ".join(unescape(html.decode()).split())


def translated_into(language: str, row: WatchedFinding) -> str:
    reason = reason_of(row.cause)
    with translation.override(language):
        known = translation.gettext(SENTENCES[reason.code])
    assert known != SENTENCES[reason.code]
    return known.format_map(reason.facts)


def test_administrators_of_one_language_share_one_mail(ward: Ward) -> None:
    Contact.objects.update(language="de")
    second_server(ward)
    break_relay(ward)
    look(ward)
    assert [mail.subject for mail in digests()] == ["Postroom: ein Fehler (server Relay)"]


def test_nobody_is_written_to_where_that_is_wished(ward: Ward) -> None:
    from postroom.flows.settings import set_parameter

    set_parameter(ward.ports, "doctor.watch.mail", "nobody", member=None)
    second_server(ward)
    break_relay(ward)
    assert (look(ward).mailed, digests()) == ("", [])


# ---- to a program


def test_a_program_is_told_with_a_signature_that_it_can_check(ward: Ward, program: Program) -> None:
    secret = set_hook(ward.ports, "https://hooks.example.com/postroom", member=None)
    break_relay(ward)
    assert look(ward).is_posted
    assert post_one(ward.ports, WatchPost.objects.get().pk)
    ((url, body, headers),) = program.heard
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert (url, headers["webhook-signature"]) == ("https://hooks.example.com/postroom", f"v1,{expected}")
    said = json.loads(body)
    assert said["type"] == "doctor.changed"
    assert [one["code"] for one in said["data"]["raised"]] == ["server_refuses"]
    assert bytes(WatchHook.objects.get().secret) != secret.encode()


def test_a_program_that_does_not_answer_is_told_again_a_few_times_and_then_no_more(
    ward: Ward, program: Program
) -> None:
    set_hook(ward.ports, "https://hooks.example.com/postroom", member=None)
    program.says = Visit(status=503)
    break_relay(ward)
    look(ward)
    post = WatchPost.objects.get()
    for tries in range(1, len(PAUSES) + 2):
        is_over = post_one(ward.ports, post.pk)
        post.refresh_from_db()
        assert (post.attempts, is_over) == (tries, tries > len(PAUSES))
    assert (post.is_taken, post.said) == (False, "HTTP 503")
    post_one(ward.ports, post.pk)
    assert len(program.heard) == len(PAUSES) + 1


def test_a_trial_is_posted_at_once_and_its_outcome_told(ward: Ward, program: Program) -> None:
    set_hook(ward.ports, "https://hooks.example.com/postroom", member=None)
    program.says = NoVisit(reason=because("visit.refused"), is_theirs=True)
    post = post_test(ward.ports, member=None)
    assert (post.is_taken, post.said, post.done_at is not None) == (False, "It refuses the connection.", True)
    assert json.loads(program.heard[0][1])["type"] == "doctor.test"


@pytest.mark.parametrize("url", ["http://hooks.example.com/", "https://", "ftp://a.example", "https://u:p@a.example/"])
def test_only_an_https_address_is_posted_to(ward: Ward, url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        set_hook(ward.ports, url, member=None)


# ---- what was seen outside


def test_what_is_seen_outside_is_kept_with_its_first_and_last_day_and_a_change_stands_under_the_finding(
    ward: Ward,
) -> None:
    look(ward)
    look(ward)
    spf = ObservedFact.objects.get(name="SPF")
    assert (spf.value, spf.last_seen_at - spf.first_seen_at) == (f"v=spf1 a:{RELAY} -all", timedelta(hours=1))
    ward.spf("v=spf1 ip4:198.51.100.1 -all")
    found = look(ward).diagnosis.findings[0]
    assert found.finding.code.value == "spf_server"
    (change,) = [one.finding for one in found.follows if one.finding.code.value == "changed_before"]
    assert change.evidence[0].endswith(f"v=spf1 a:{RELAY} -all")
    assert f"v=spf1 a:{RELAY} -all" in str(change.cure)


def test_of_more_facts_than_are_compared_none_begins_anew_with_each_look(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom.flows.gather_outside.MOST_FACTS", 1)
    look(ward)
    kept = ObservedFact.objects.count()
    look(ward)
    assert ObservedFact.objects.count() == kept > 1


def test_a_change_outside_that_nothing_suffers_from_is_not_told(ward: Ward) -> None:
    look(ward)
    ward.spf(f"v=spf1 a:{RELAY} ~all")
    assert look(ward).diagnosis.findings == ()


# ---- by the schedule, and for pages


def test_the_scheduled_action_looks_and_says_what_it_did(ward: Ward) -> None:
    break_relay(ward)
    done = run_action(ward.ports, WATCH_ACTION)
    assert done is not None
    assert not done.is_failed, done.result
    assert "1 alarms raised" in ScheduledRun.objects.get(action_id=WATCH_ACTION).result


def test_a_page_is_told_since_when_something_is_wrong_and_what_the_last_look_changed(ward: Ward) -> None:
    break_relay(ward)
    look(ward)
    first = ward.now
    look(ward)
    standing = watch_standing(ward.ports, member=None)
    (one,) = standing.since.values()
    assert (one.first_seen, one.severity, one.seen) == (first, Severity.ERROR, 2)
    assert standing.appeared == ()
    mend_relay(ward)
    look(ward)
    assert len(watch_standing(ward.ports, member=None).gone) == 1
