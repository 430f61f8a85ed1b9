"""`postroom doctor`: what it says to people and to programs, and how it ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace

import pytest

from postroom.cli import entering
from postroom.core.diagnosis.machine_health import MachineFacts
from postroom.flows.watch_house import watch_house
from postroom.store.models import OutgoingServer, WatchedFinding
from postroom.workers import machine
from tests.cli.conftest import Command
from tests.doctor.faults import failures_after_a_change
from tests.doctor.ward import DOMAIN, HEALTHY_STAFF, Ward

pytestmark = pytest.mark.django_db


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """The command asks the plug board for its ports; it gets those of the ward."""
    with Ward(monkeypatch) as made:
        monkeypatch.setattr("postroom.wiring.ports", lambda: made.ports)
        monkeypatch.setattr(machine, "look_at_machine", lambda _: MachineFacts(runs_here=True))
        monkeypatch.setattr("postroom.flows.diagnose.connected_roles", lambda: HEALTHY_STAFF)
        yield made


def test_a_healthy_house_is_told_in_a_line(ward: Ward, postroom: Command) -> None:
    answer = postroom("doctor")
    assert answer.code == 0, answer.out + answer.err
    assert answer.out.startswith("Nothing is wrong. (")


def test_programs_get_findings_causes_first_and_exit_code_1_for_an_error(ward: Ward, postroom: Command) -> None:
    ward.spf("v=spf1 ip4:198.51.100.1 -all")
    answer = postroom("doctor", "--json")
    assert answer.code == 1
    assert answer.data["ok"] is False
    (first,) = answer.data["findings"]
    assert {"code", "severity", "subject", "evidence", "cause", "cure", "who"} <= first.keys()
    assert (first["code"], first["severity"], first["subject"]) == ("spf_server", "error", f"domain {DOMAIN}")
    assert first["records"][0]["value"] == "v=spf1 ip4:198.51.100.1 a:relay.northwind.example -all"


def test_people_get_cause_evidence_cure_and_whose_turn_it_is(ward: Ward, postroom: Command) -> None:
    ward.spf("nothing")
    answer = postroom("doctor")
    assert answer.code == 0  # a warning is no error
    for words in (
        "WARNING",
        "spf_missing",
        "seen",
        "to do",
        "publish",
        "v=spf1 a:relay.northwind.example",
        "who",
        "0 errors, 1 warning.",
    ):
        assert words in answer.out, words


def test_it_says_since_when_what_the_watch_has_seen(ward: Ward, postroom: Command) -> None:
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    ward.refused(550, "5.7.26", "This mail has been blocked because the sender is unauthenticated. SPF DKIM")
    (first,) = postroom("doctor", "--json").data["findings"]
    assert (first["since"], first["follows"][0]["since"]) == (None, None)
    assert "since" not in postroom("doctor").out
    watch_house(ward.ports)
    (first,) = postroom("doctor", "--json").data["findings"]
    seen = WatchedFinding.objects.get(code="spf_several").first_seen_at
    assert datetime.fromisoformat(first["since"]) == seen
    assert first["follows"][0]["since"]
    told = postroom("doctor").out
    assert f"since     {seen:%Y-%m-%d %H:%M} UTC" in told
    assert f"(since {seen:%Y-%m-%d %H:%M} UTC)" in told


def test_it_says_what_changed_before_it_broke_in_words_and_in_json(ward: Ward, postroom: Command) -> None:
    assert postroom("doctor", "--json").data["moments"] == []
    failures_after_a_change(ward)
    newest = postroom("doctor", "--json").data["moments"][0]
    assert (newest["is_trouble"], newest["what"].startswith("Mail began to fail: 60 of 62")) == (True, True)
    told = postroom("doctor").out
    assert "parameter mail.default.from was changed" in told.partition("What changed before it broke")[2]


def test_what_follows_is_told_below_its_cause(ward: Ward, postroom: Command) -> None:
    OutgoingServer.objects.update(paused_at=ward.now)
    ward.queued(
        2, state="deferred", waits_for={"code": "wait.paused", "facts": {"server": "Relay"}}, server=ward.server
    )
    answer = postroom("doctor")
    assert "follows   the queue: Mails that wait: 2" in answer.out


def test_an_address_is_pointed_to_its_story(ward: Ward, postroom: Command) -> None:
    answer = postroom("doctor", f"carla@{DOMAIN}", "--offline")
    assert f"looks at the domain {DOMAIN}" in answer.err
    assert f"postroom story carla@{DOMAIN}" in answer.err
    assert "story" not in postroom("doctor", DOMAIN, "--offline").err


def test_one_code_and_one_domain_can_be_asked_for(ward: Ward, postroom: Command) -> None:
    ward.spf("v=spf1 ptr +all")
    answer = postroom("doctor", DOMAIN, "--only", "spf_ptr", "--json")
    assert [one["code"] for one in answer.data["findings"]] == ["spf_ptr"]


@pytest.mark.parametrize("words", [("not a domain!",), ("--only", "nonsense"), ("--resolver", "nobody")])
def test_who_asks_wrongly_is_told_so(ward: Ward, postroom: Command, words: tuple[str, ...]) -> None:
    answer = postroom("doctor", *words)
    assert answer.code == 2, answer.out
    assert answer.err


def test_control_characters_of_strangers_do_not_reach_the_terminal(ward: Ward, postroom: Command) -> None:
    ward.refused(554, "5.7.1", "Relay access denied \x1b[2J\x07")
    answer = postroom("doctor")
    assert "\x1b" not in answer.out
    assert "Relay access denied" in answer.out


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(errno.ENOSPC, "disk_low", "Make room there"), (errno.EROFS, "disk_broken", "Mend the disk"), (errno.EACCES, "disk_broken", "the rights of")],
    ids=["full", "read-only", "no rights"],
)  # fmt: skip
def test_a_house_that_its_disk_keeps_shut_is_told_of_without_the_database(
    ward: Ward, postroom: Command, monkeypatch: pytest.MonkeyPatch, number: int, code: str, words: str
) -> None:
    @contextmanager
    def shut(*_: object, **__: object) -> Iterator[None]:
        raise OSError(number, os.strerror(number), "" if number == errno.ENOSPC else "/house/commands.lock")
        yield

    monkeypatch.setattr(machine, "look_at_machine", lambda _: MachineFacts(runs_here=False))
    monkeypatch.setattr(entering, "running", shut)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096))
    told = postroom("doctor", "--offline", "--json")
    assert (told.code, told.data["ok"]) == (1, False)
    (finding,) = [one for one in told.data["findings"] if one["severity"] == "error"]
    assert (finding["code"], words in finding["cure"]) == (code, True)
    assert words in postroom("doctor", "--offline").out
    other = postroom("queue", "list")
    assert other.code == 1
    assert ("postroom doctor --offline" in other.err) is (number != errno.EACCES)


def test_a_symptom_is_followed_to_its_cause_and_no_further(ward: Ward, postroom: Command) -> None:
    ward.spf("nothing")
    answer = postroom("doctor", "--symptom", "no-error")
    assert answer.code == 1
    assert "FOUND          SPF" in answer.out
    assert "spf_missing" in answer.out
    assert "DKIM" not in answer.out.partition("WARNING")[0]
    told = postroom("doctor", "--symptom", "no-error", "--json").data
    assert [one["look"] for one in told["looked_at"]] == ["spf"]
    assert (told["found"][0]["code"], told["ok"], told["next"]) == ("spf_missing", False, None)


def test_of_a_symptom_without_a_cause_it_says_what_was_looked_at_and_what_to_do_next(
    ward: Ward, postroom: Command
) -> None:
    answer = postroom("doctor", "--symptom", "duplicates")
    assert answer.code == 0
    for words in ("several active servers", "Nothing of this was found.", "Next: Compare the Message-ID"):
        assert words in answer.out, words


@pytest.mark.parametrize("words", [("--symptom", "sadness"), ("--symptom", "spam", "--only", "spf_ptr")])
def test_a_walk_that_cannot_be_is_asked_wrongly(ward: Ward, postroom: Command, words: tuple[str, ...]) -> None:
    assert postroom("doctor", *words).code == 2
