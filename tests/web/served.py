"""Postroom's own processes serving pages from the database of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.e2e.installation import installed
from tests.laboratory.ports import Port, answers
from tests.laboratory.waiting import wait_until


@contextmanager
def served(*roles: str) -> Iterator[str]:
    """The address of the pages, once they answer. ``roles`` are further processes than ``web``."""
    with ExitStack() as stack:
        ports = [Port() for _ in range(3)]
        for port in ports:
            stack.callback(port.release)
        web, smtp, lmtp = ports
        stack.enter_context(installed("web", *roles, smtp=smtp, lmtp=lmtp, settings={"POSTROOM_WEB_PORT": str(web)}))
        wait_until(lambda: answers(int(web)), "the pages answer", 240)
        yield f"http://127.0.0.1:{web}"
