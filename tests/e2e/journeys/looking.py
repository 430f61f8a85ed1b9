"""A journey's pages are looked at: one place for pictures, for what axe calls serious, and for what pages complain of.

Laws: no page complains in the console, answers with an error that the journey does not expect, or asks another host; axe finds nothing
serious, and nothing is wider than the screen. Every picture stands in the table of the journeys (`table`); they are kept where
``POSTROOM_SHOTS`` says, for people to look at.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from postroom.store.models import Member
from tests.e2e.journeys.table import PICTURES
from tests.web.browser import a_window

SERIOUS = ("serious", "critical")
LOUD = ("error", "warning")
SHOTS = "POSTROOM_SHOTS"
EAGER = "document.querySelectorAll('iframe[loading=lazy]').forEach(frame => frame.loading = 'eager')"
STANDS = "window.Alpine !== undefined && document.fonts.status === 'loaded'"


def shot(page: Page, name: str, *, whole: bool = False, shell: bool = True, paper: bool = False) -> None:
    """A picture of what is on the screen, or of the ``whole`` page; and its troubles are none.

    ``shell``: it has the shell, whose scripts are waited for; the pages before a sign-in have none. In a page for ``paper`` no script
    runs, so axe cannot ask there.
    """
    assert name in PICTURES, f"the picture {name} stands in no journey of the table"
    if shell and not paper:
        page.wait_for_function(STANDS)
    if folder := os.environ.get(SHOTS):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.evaluate(EAGER if whole else "0")
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=whole)
    troubles = [] if paper else troubles_of(page)
    assert not troubles, "\n".join([name, *troubles])


def troubles_of(page: Page) -> list[str]:
    """What axe calls serious or critical, and whether one must scroll sideways."""
    found = Axe().run(page).response["violations"]
    troubles = [
        f"{fault['id']} ({fault['impact']}): {node['target']} {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
        troubles.append("wider than the screen")
    return troubles


def listen(window: BrowserContext, base: str, expected: Collection[int] = ()) -> list[str]:
    """Collects what pages of this window do wrong from now on. Answers with an ``expected`` status are none of it."""
    faults: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type in LOUD and not any(f"status of {status} " in said.text for status in expected):
            faults.append(f"console: {said.text} ({said.location.get('url', '')})")

    window.on("console", hear)
    window.on("weberror", lambda error: faults.append(f"script: {error.error}"))
    window.on("request", lambda asked: None if is_own(asked.url, base) else faults.append(f"went out: {asked.url}"))
    window.on(
        "response",
        lambda got: (
            faults.append(f"{got.status}: {got.url}") if got.status >= 400 and got.status not in expected else None
        ),
    )
    return faults


def is_own(url: str, base: str) -> bool:
    return url.startswith((f"{base}/", "data:", "blob:", "about:"))


def remember(window: BrowserContext, base: str, login: str) -> None:
    """The window is signed in, without the form."""
    client = Client()
    client.force_login(Member.objects.get(user__username=login).user)
    window.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base}])


@contextmanager
def at_desk(
    browser: Browser, base: str, login: str, size: str = "wide", theme: str = "light", expected: Collection[int] = ()
) -> Iterator[Page]:
    """A page in a window of its own, signed in when ``login`` says as whom. At the end its pages did nothing wrong."""
    with a_window(browser, size, theme) as window:
        faults = listen(window, base, expected)
        if login:
            remember(window, base, login)
        yield window.new_page()
    assert not faults, "\n".join(faults)


def opened(page: Page, address: str) -> Page:
    """Goes there and waits until the shell's scripts run."""
    page.goto(address)
    page.wait_for_function(STANDS)
    return page
