"""How residents end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

from postroom.workers.stopping import PARENT, Stop
from tests.laboratory.waiting import wait_until


def test_who_waits_wakes_at_once() -> None:
    stop = Stop()
    assert not stop.wait(0.001)
    waiting = threading.Thread(target=lambda: stop.wait(600))
    waiting.start()
    stop.set()
    waiting.join(60)
    assert not waiting.is_alive()
    assert stop.is_set()
    assert stop.wait(60)
    stop.close()


def test_it_may_be_set_any_number_of_times() -> None:
    stop = Stop()
    for _ in range(100_000):
        stop.set()
    assert stop.wait(60)
    stop.close()


def test_a_signal_sets_it() -> None:
    child = run_python(
        """
        from postroom.workers.stopping import Stop
        stop = Stop()
        stop.on_signals()
        print("ready", flush=True)
        print(stop.wait(60), flush=True)
        """
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=60)[0] == "True\n"
    assert child.returncode == 0


def test_a_child_ends_when_its_supervisor_is_killed() -> None:
    supervisor = run_python(
        f"""
        import os, subprocess, sys, time
        code = '''
        import sys
        from postroom.workers.stopping import Stop, die_with_supervisor
        stop = Stop()
        stop.on_signals()
        die_with_supervisor()
        print("ready", flush=True)
        sys.exit(0 if stop.wait(60) else 1)
        '''
        lines = [line.strip() for line in code.splitlines()]
        child = subprocess.Popen([sys.executable, "-c", "\\n".join(lines)], env={{**os.environ, "{PARENT}": str(os.getpid())}},
                                 stdout=subprocess.PIPE)
        child.stdout.readline()
        print(child.pid, flush=True)
        time.sleep(60)
        """
    )
    assert supervisor.stdout is not None
    child = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.communicate(timeout=60)
    wait_until(lambda: not lives(child), "the child is gone")


def test_a_child_whose_supervisor_is_gone_already_ends_at_once() -> None:
    child = run_python(
        """
        from postroom.workers.stopping import Stop, die_with_supervisor
        stop = Stop()
        stop.on_signals()
        die_with_supervisor()
        print(stop.wait(60))
        """,
        **{PARENT: "1" if os.getpid() != 1 else "2"},
    )
    assert child.communicate(timeout=60)[0] == "True\n"


def run_python(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )


def lives(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
