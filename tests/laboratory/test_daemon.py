"""Starting, losing races, dying and leaving nothing, shown with the one server that every machine has."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.laboratory.daemon import Daemon, DidNotStart, group_members
from tests.laboratory.mail_client import compose_new, send
from tests.laboratory.ports import LOOPBACK, answers, greeting
from tests.laboratory.sink import CountingSinkProcess
from tests.laboratory.waiting import Overdue, wait_until

ROOT = Path(__file__).parents[2]
ORPHANED = """
import sys
from tests.laboratory.sink import CountingSinkProcess
sink = CountingSinkProcess()
sink.start()
print(sink._process.pid, sink.directory, flush=True)
sys.stdin.read()
"""


def test_a_stopped_server_leaves_neither_process_nor_file() -> None:
    with CountingSinkProcess() as sink:
        group, directory, port = _leader(sink), sink.directory, sink.smtp_port
        assert directory.is_dir()
        assert group_members(group)
        assert answers(port)
    assert not group_members(group)
    assert not directory.exists()


@pytest.mark.slow
def test_a_server_whose_test_was_killed_goes_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHANED], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        group, directory = tests.stdout.readline().split()
        assert group_members(int(group))
        tests.kill()
    wait_until(lambda: not group_members(int(group)), "the orphaned server is gone")
    wait_until(lambda: not Path(directory).exists(), "its directory is removed")


@pytest.mark.slow
def test_a_lost_race_for_a_port_is_repaired_by_a_start_with_new_ports() -> None:
    class Unlucky(CountingSinkProcess):
        thief: socket.socket | None = None

        def prepare(self) -> None:
            super().prepare()
            if self.thief is None:
                self.thief = socket.create_server((LOOPBACK, self.smtp_port))

    sink = Unlucky()
    with sink:
        assert sink.thief is not None
        assert sink.smtp_port != sink.thief.getsockname()[1]
        assert greeting(sink.smtp_port).startswith("220 sink")
    sink.thief.close()


def test_a_program_that_ends_at_once_is_reported_with_its_last_words() -> None:
    class Stillborn(Daemon):
        name = "stillborn"

        def port_names(self) -> Sequence[str]:
            return ()

        def prepare(self) -> None:
            """Nothing."""

        def command(self) -> Sequence[str]:
            return ("sh", "-c", "echo no license found; exit 3")

        def is_ready(self) -> bool:
            return False

    with pytest.raises(DidNotStart, match="no license found"):
        Stillborn().start()


def test_a_paused_server_accepts_connections_and_says_nothing_until_it_resumes() -> None:
    with CountingSinkProcess() as sink:
        sink.pause()
        with socket.create_connection((LOOPBACK, sink.smtp_port), timeout=60) as peer:
            peer.settimeout(0.2)
            with pytest.raises(TimeoutError):
                peer.recv(100)
            sink.resume()
            peer.settimeout(60)
            assert peer.recv(100).startswith(b"220")


def test_a_paused_server_can_be_stopped() -> None:
    sink = CountingSinkProcess()
    sink.start()
    group = _leader(sink)
    sink.pause()
    sink.stop()
    assert not group_members(group)


@pytest.mark.parametrize("how", ["crash", "halt"])
def test_a_server_comes_back_on_its_port_with_its_files(how: str) -> None:
    raw = compose_new(author="alice@box.test", to="bob@box.test", subject="Before", body="x")
    with CountingSinkProcess() as sink:
        port = sink.smtp_port
        send(port, raw)
        getattr(sink, how)()
        with pytest.raises(OSError, match="refused"):
            smtplib.SMTP(LOOPBACK, port, timeout=60)
        sink.start()
        assert sink.smtp_port == port
        send(port, raw)
        assert len(sink.accepted()) == 2


def test_a_zombie_does_not_count_as_a_member_of_its_group() -> None:
    with subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE, start_new_session=True) as child:
        assert group_members(child.pid) == [child.pid]
        os.kill(child.pid, signal.SIGKILL)
        wait_until(lambda: not group_members(child.pid), "the killed child, not yet waited for, is not counted")


def test_waiting_in_vain_names_what_was_waited_for() -> None:
    with pytest.raises(Overdue, match="until the moon is green"):
        wait_until(lambda: False, "the moon is green", deadline=0.01)


def _leader(sink: Daemon) -> int:
    assert sink._process is not None
    return sink._process.pid
