"""The pages: granian serves the ASGI application, and static files by itself.

Duty: the child process `web` of the supervisor. The application is named, not imported: it stands on a higher floor.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from postroom.core.terms.configuration import Configuration
from postroom.workers.stopping import die_with

APPLICATION = "postroom.project.asgi"
OPEN_STREAMS_MAY_TAKE = 3  # seconds: browsers keep event streams open for ever


def run_web(configuration: Configuration) -> None:
    """Until SIGTERM or SIGINT. Static files are collected first."""
    call_command("collectstatic", interactive=False, verbosity=0)
    Server(
        f"{__name__}:load_application",
        factory=True,
        address=configuration.web_host,
        port=configuration.web_port,
        interface=Interfaces.ASGINL,  # Django knows no lifespan
        workers=configuration.web_workers,
        workers_kill_timeout=OPEN_STREAMS_MAY_TAKE,
        respawn_failed_workers=True,
        backlog=1024,
        log_access=False,
        log_level=LogLevels.warning,
        static_path_route=["/" + settings.STATIC_URL.strip("/")],
        static_path_mount=[Path(settings.STATIC_ROOT)],
        static_path_expires=3600,
    ).serve()


def load_application() -> Any:
    """In each of granian's own processes, which must not outlive the one that serves."""
    die_with(os.getppid())
    return import_module(APPLICATION).application
