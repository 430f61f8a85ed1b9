"""The pages: granian serves the ASGI application, and static files by itself.

Duty: the child process `web` of the supervisor. The application is named, not imported: it stands on a higher floor.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from postroom.core.diagnosis.signs import SIGN_EVERY
from postroom.core.terms.configuration import Configuration
from postroom.workers.signs import Signs, name_connections
from postroom.workers.stopping import die_with

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

APPLICATION = "postroom.project.asgi"
CONNECTIONS = 12  # to the database, of one process
CONNECTION_TIMEOUT = 10.0  # seconds that a request waits for one
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


class WithSigns:
    """``application``, and from its first request on signs of life from the loop that serves it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._giving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if self._giving is None:
            self._giving = asyncio.create_task(_give(Signs("web", is_guest=True)))
        await self._application(scope, receive, send)


async def _give(signs: Signs) -> None:
    while True:
        await asyncio.to_thread(signs.give)
        await asyncio.sleep(SIGN_EVERY)


def load_application() -> Any:
    """In each of granian's own processes, which must not outlive the one that serves."""
    die_with(os.getppid())
    _share_connections()
    name_connections("web")
    return WithSigns(import_module(APPLICATION).application)


def _share_connections() -> None:
    """Few connections for all requests of this process. Under ASGI each request has a thread of its own, whose connection would outlive
    it: a burst of strangers' requests used up all that the database has, and nobody could send mail any more."""
    database = connections.settings["default"]
    database["CONN_MAX_AGE"] = 0
    database["OPTIONS"] = database.get("OPTIONS", {}) | {
        "pool": {"min_size": 1, "max_size": CONNECTIONS, "timeout": CONNECTION_TIMEOUT}
    }
