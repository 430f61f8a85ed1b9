"""The supervisor with small children, and `postroom up` whole."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postroom.core.terms.configuration import Configuration
from postroom.workers import supervisor
from postroom.workers.roles import ROLES, staff_for
from postroom.workers.stopping import Stop
from postroom.workers.supervisor import (
    AlreadyUp,
    Place,
    PortTaken,
    Post,
    Supervisor,
    alone_in,
    places_of,
    posts_of,
    require_free,
)
from tests.laboratory.ports import Port
from tests.laboratory.waiting import wait_until


@dataclass(slots=True)
class Running:
    """A supervisor at work in a thread of the test, and what it says."""

    lines: list[str] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)

    def said(self, *words: str) -> Callable[[], list[str]]:
        return lambda: [line for line in self.lines if all(word in line for word in words)]

    def pid(self, name: str, nth: int = 1) -> int:
        """Of the nth process of this name."""
        wait_until(
            lambda: len(self.said(f"{name}: process", "ended")()) >= nth - 1 and len(self.starts(name)) >= nth,
            f"{name} was started",
        )
        return self.starts(name)[nth - 1]

    def starts(self, name: str) -> list[int]:
        return [
            int(line.split()[-1])
            for line in self.lines
            if line.startswith(f"{name}: process") and line.split()[-1].isdigit()
        ]


@contextmanager
def supervising(*posts: Post, places: tuple[Place, ...] = ()) -> Iterator[Running]:
    running = Running()
    one = Supervisor(posts, running.stop, places=places, say=running.lines.append)
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield running
    finally:
        running.stop.set()
        thread.join(60)
        assert not thread.is_alive()
        running.stop.close()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.05)
    # signals are for the main thread; the thread of the test has none
    monkeypatch.setattr(Stop, "on_signals", lambda _self: None)


def post(name: str, code: str = "import time; time.sleep(600)") -> Post:
    return Post(name=name, command=(sys.executable, "-c", code))


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False


def test_each_post_has_a_process_and_none_is_left_at_the_end() -> None:
    with supervising(post("alice"), post("bob")) as running:
        processes = [running.pid("alice"), running.pid("bob")]
        assert all(map(lives, processes))
    assert not any(map(lives, processes))
    assert running.lines[-1] == "Stopped."


def test_who_is_killed_is_started_again() -> None:
    with supervising(post("alice")) as running:
        first = running.pid("alice")
        os.kill(first, signal.SIGKILL)
        second = running.pid("alice", 2)
        assert second != first
        assert lives(second)
    assert running.said("SIGKILL", "started again")()


def test_who_keeps_dying_is_started_more_and_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 1.0)
    one = Supervisor([post("alice", "raise SystemExit(3)")], Stop(), say=lambda _line: None)
    child = supervisor._Child(one.posts[0])
    pauses = []
    for _ in range(8):
        one._start(child)
        assert child.process is not None
        child.process.wait(60)
        one._bury(child, child.started_at)
        pauses.append(child.pause)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    one._start(child)
    assert child.process is not None
    child.process.wait(60)
    one._bury(child, child.started_at + 61)
    assert child.pause == 1.0
    one.stop.close()


def test_nothing_is_left_of_a_process_that_died() -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True); import time; time.sleep(600)"
    with supervising(post("alice", code)) as running:
        first = running.pid("alice")
        wait_until(lambda: len(group_of(first)) == 2, "it has a child of its own")
        family = group_of(first)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not any(map(lives, family)), "the child is gone, too")
        running.pid("alice", 2)


def group_of(leader: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[2]) == leader:
                found.append(int(stat.parent.name))
        except (OSError, IndexError):
            continue
    return found


def test_who_does_not_end_when_asked_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "END_PATIENCE", 0.3)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    with supervising(post("alice", code)) as running:
        process = running.pid("alice")
        wait_until(lambda: ignores_term(process), "it is deaf")
    assert running.said("does not end: killed")()
    assert not lives(process)


def ignores_term(process: int) -> bool:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("SigIgn:"):
            return bool(int(line.split()[1], 16) & (1 << (signal.SIGTERM - 1)))
    return False


def test_the_addresses_are_told_once_all_of_them_answer() -> None:
    port = Port()  # stays ours until the end, so that nobody else listens there
    number = int(port)
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {number}), reuse_port=False); time.sleep(600)"
    place = Place(label="Pages", host="127.0.0.1", port=number)
    with supervising(post("web", code), places=(place,)) as running:
        wait_until(running.said("Ready after"), "all is ready")
        assert running.said(f"Pages: http://127.0.0.1:{number}")()
    port.release()
    assert len(running.said("Ready after")()) == 1


def test_a_port_that_is_taken_is_named_with_the_cure() -> None:
    port = Port()  # stays ours, so that it is free for whoever reuses addresses, and for nobody else
    number = int(port)
    with socket.create_server(("127.0.0.1", number)):
        with pytest.raises(PortTaken, match=f"Pages: cannot listen on 127.0.0.1 port {number} .*POSTROOM_WEB_PORT"):
            require_free(Place(label="Pages", host="127.0.0.1", port=number))
        with pytest.raises(PortTaken, match="POSTROOM_SMTP_PORT"):
            require_free(Place(label="SMTP", host="127.0.0.1", port=number))
    require_free(Place(label="SMTP", host="127.0.0.1", port=number))
    port.release()


def test_taken_ports_are_told_all_at_once() -> None:
    pages, smtp = Port(), Port()
    places = [
        Place(label="Pages", host="127.0.0.1", port=int(pages)),
        Place(label="SMTP", host="127.0.0.1", port=int(smtp)),
    ]
    with (
        socket.create_server(("127.0.0.1", int(pages))),
        socket.create_server(("127.0.0.1", int(smtp))),
        pytest.raises(PortTaken, match=r"(?s)POSTROOM_WEB_PORT.*POSTROOM_SMTP_PORT"),
    ):
        require_free(*places)
    require_free(*places)
    pages.release()
    smtp.release()


def test_a_data_directory_has_one_supervisor_and_the_second_is_told_whose_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with alone_in(folder):
        with pytest.raises(AlreadyUp, match=f"process {os.getpid()}.*POSTROOM_DATA_DIR"), alone_in(folder):
            pytest.fail("two of them")
        with alone_in(tmp_path / "another"):
            pass
    with alone_in(folder):  # the first one is gone
        assert (folder / "up.lock").read_text() == f"{os.getpid()}\n"


def test_a_dead_database_is_started_again() -> None:
    class Database:
        running = True
        starts = 0

        def is_running(self) -> bool:
            return self.running

        def start(self) -> None:
            self.starts += 1
            self.running = True

    database = Database()
    said: list[str] = []
    one = Supervisor([], Stop(), database=database, say=said.append)  # type: ignore[arg-type]
    one._keep_database()
    assert (database.starts, said) == (0, [])
    database.running = False
    one._database_look_at = time.monotonic()
    one._keep_database()
    assert (database.starts, said) == (1, ["database: does not answer, is started again"])
    one.stop.close()


def test_a_place_that_begins_to_answer_while_we_look_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(supervisor, "answers", lambda _place: next(answers))
    said: list[str] = []
    one = Supervisor([], Stop(), say=said.append)
    one._silent = [Place(label="SMTP", host="127.0.0.1", port=2525)]
    looks = [bool(one._still_silent()), bool(one._still_silent())]
    assert (looks, said) == ([True, False], ["SMTP: 127.0.0.1:2525"])
    one.stop.close()


def test_there_is_a_post_for_each_process_of_the_configuration() -> None:
    configuration = Configuration(deliverers=2, routers=3)
    names = [one.name for one in posts_of(configuration)]
    assert names == [
        "web",
        "door",
        "router 1",
        "router 2",
        "router 3",
        "deliverer 1",
        "deliverer 2",
        "scheduler",
        "watcher",
    ]
    assert staff_for(configuration).keys() == ROLES.keys()
    assert [place.label for place in places_of(configuration)] == ["Pages", "SMTP", "LMTP"]
