"""What a process of Postroom can be, and how each begins.

Duty: the one table of roles that the supervisor starts and that can be run alone, one by one or on several machines.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping

from postroom.core.terms.configuration import Configuration
from postroom.workers.stopping import Stop, die_with_supervisor

# Imports wait until a role begins: a router needs no web server.


def run_role(kind: str, configuration: Configuration) -> None:
    """Be this, until SIGTERM or SIGINT, or until the supervisor is gone. Raises KeyError for a role that there is not."""
    from postroom.workers.signs import name_connections  # noqa: PLC0415

    begin = ROLES[kind]
    die_with_supervisor()
    name_connections(kind)
    begin(configuration)


def command_of(kind: str) -> tuple[str, ...]:
    """How to start a process in this role."""
    return (sys.executable, "-m", "postroom", "worker", kind)


def staff_for(configuration: Configuration) -> dict[str, int]:
    """How many of each role a machine runs."""
    return {
        "web": 1,
        "door": configuration.doors,
        "router": configuration.routers,
        "deliverer": configuration.deliverers,
        "scheduler": 1,
        "watcher": 1,
    }


def _web(configuration: Configuration) -> None:
    from postroom.workers.web import run_web  # noqa: PLC0415

    run_web(configuration)


def _door(_configuration: Configuration) -> None:
    from postroom.workers.smtp_listener import run_door  # noqa: PLC0415

    run_door()


def _router(_configuration: Configuration) -> None:
    from postroom.workers.router import run  # noqa: PLC0415

    _until_told(run)


def _deliverer(_configuration: Configuration) -> None:
    from postroom.workers.deliverer import run  # noqa: PLC0415

    run(f"{socket.gethostname()[:40]}:{os.getpid()}")


def _scheduler(_configuration: Configuration) -> None:
    from postroom.workers.scheduler import run  # noqa: PLC0415

    _until_told(run)


def _watcher(_configuration: Configuration) -> None:
    from postroom.workers.mailbox_watcher import run  # noqa: PLC0415

    _until_told(run)


def _until_told(resident: Callable[[Stop], None]) -> None:
    stop = Stop()
    stop.on_signals()
    resident(stop)


ROLES: Mapping[str, Callable[[Configuration], None]] = {
    "web": _web,
    "door": _door,
    "router": _router,
    "deliverer": _deliverer,
    "scheduler": _scheduler,
    "watcher": _watcher,
}
