"""The yardstick: Postfix's smtp-source against its smtp-sink, both in C, neither storing anything. Nothing that sends by SMTP
can be much faster on the same machine."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from postroom.cli.benching.ground import LOOPBACK, free_port, program, running_sink
from postroom.cli.benching.mails import mail
from postroom.cli.telling import give_up

SESSIONS = 10
PATIENCE = 600.0  # seconds


def measure_yardstick(folder: Path, count: int) -> float:
    """Mails a second, over 10 sessions that are kept open."""
    port = free_port()
    content = folder / "yardstick.eml"
    content.write_bytes(mail(1, to="bob@sink.test").replace(b"\r\n", b"\n"))
    command = [program("smtp-source"), "-4", "-d", "-s", str(SESSIONS), "-m", str(count), "-F", str(content)]
    with running_sink(port):
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "-f", "alice@bench.test", "-t", "bob@sink.test", f"{LOOPBACK}:{port}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        give_up(f"smtp-source failed: {done.stderr.strip()}")
    return count / seconds
