"""What is claimed in the name of the dead: the database finishes the claim of a worker that was killed while it waited for it."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.adapters.journal import WireJournalFile
from postroom.adapters.settled_journals import KEPT, forget_old, remember, remembered
from postroom.flows.ports import Ports
from postroom.store import claims
from postroom.wiring import journal_names, read_dead_journals
from postroom.workers import deliverer
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries, numbered, ports_with
from tests.laboratory.sink import CountingSink
from tests.laboratory.waiting import wait_until
from tests.workers.test_deliverer import delivering, states

PATIENCE = 60.0


def a_dead_workers_journal(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    journal = WireJournalFile(folder / f"{name}.journal")
    journal.started(0)
    journal.close()  # with something to tell it stays, and nobody holds its lock


def claimed_by(worker: str, ports: Ports) -> None:
    """Three deliveries, as such a claim leaves them."""
    now = ports.clock.now()
    lease = {"state": "sending", "claimed_by": worker, "lease_until": now + timedelta(minutes=5)}
    deliveries(a_mail(a_company(), at=now), *numbered(3), at=now, **lease)


@pytest.mark.django_db(transaction=True)
def test_what_a_dead_worker_claims_late_goes_back_into_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "TEND_EVERY", 0.05)
    ports: Ports = ports_with(tmp_path)
    folder = tmp_path / "journal"
    a_dead_workers_journal(folder, "dead-worker")
    with CountingSink() as sink, delivering(ports):
        wait_until(lambda: not (folder / "dead-worker.journal").exists(), "its journal is settled", PATIENCE)
        a_server(sink.smtp_port)
        claimed_by("dead-worker", ports)
        wait_until(lambda: states() == {"sent": 3}, "they were sent after all", PATIENCE)
        assert sorted(mail.rcpt_to[0] for mail in sink.accepted()) == sorted(numbered(3))


@pytest.mark.django_db(transaction=True)
def test_what_a_living_worker_claimed_without_knowing_goes_back_when_it_renews_its_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "RENEW_EVERY", 0.05)
    ports: Ports = ports_with(tmp_path)
    with CountingSink() as sink, delivering(ports, "living-worker"):
        a_server(sink.smtp_port)
        claimed_by("living-worker", ports)
        wait_until(lambda: states() == {"sent": 3}, "all are sent", PATIENCE)
        arrived = sorted(mail.rcpt_to[0] for mail in sink.accepted())
    assert arrived == sorted(numbered(3)), "once each"


def test_a_settled_journals_name_is_kept_for_a_while(tmp_path: Path) -> None:
    folder, settled = tmp_path / "journal", tmp_path / "settled-journals"
    a_dead_workers_journal(folder, "one")
    seen: list[tuple[str, int]] = []
    for _ in range(3):
        read_dead_journals(folder, lambda name, contents: seen.append((name, len(contents.started))))
    assert seen == [("one", 1), ("one", 0), ("one", 0)]
    assert journal_names(folder) == ["one"], "nobody gives up its deliveries meanwhile"
    long_ago = time.time() - KEPT - 1
    os.utime(settled / "one", (long_ago, long_ago))
    read_dead_journals(folder, lambda name, contents: seen.append((name, len(contents.started))))
    assert seen[3:] == [("one", 0)], "one last look"
    assert remembered(settled) == []


def test_a_name_whose_settling_failed_is_not_noted(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    a_dead_workers_journal(folder, "one")

    def fail(name: str, contents: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read_dead_journals(folder, fail)
    assert remembered(tmp_path / "settled-journals") == []
    assert (folder / "one.journal").exists()


def test_forgetting_and_remembering_do_not_need_each_other(tmp_path: Path) -> None:
    forget_old(tmp_path / "nowhere")
    assert remembered(tmp_path / "nowhere") == []
    remember(tmp_path / "somewhere", "one")
    remember(tmp_path / "somewhere", "one")
    forget_old(tmp_path / "somewhere")
    assert remembered(tmp_path / "somewhere") == ["one"]


@pytest.mark.django_db
def test_a_claim_in_the_name_of_nobody_is_released_as_a_whole() -> None:
    ports = ports_with()
    claimed_by("dead-worker", ports)
    assert claims.release("dead-worker") == 3
    assert states() == {"queued": 3}
