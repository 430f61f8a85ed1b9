"""A real browser for the tests of the pages, and pictures of every page.

Debian's Chromium, driven by Playwright, loopback only. ``python -m tests.web.browser URL FOLDER`` signs in as ``admin`` and photographs every
place in light and dark at 1280 and 390 pixels; `shoot` is what the tests use.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.laboratory.availability import chromium_path

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLACES = {
    "home": "/", "records": "/records/", "tickets": "/records/ticket/", "nothing": "/records/ticket/?q=zzz", "new": "/records/ticket/new/",
    "record": "/records/{record}/", "queue": "/queue/", "failed": "/queue/?state=failed", "unknown": "/queue/?state=unknown",
    "lost": "/queue/{lost}/", "narrowed": "/queue/?gate=paused", "my_failures": "/records/?who=failed",
    "groups": "/queue/failures/", "find": "/queue/find/", "for_me": "/for-me/", "failures": "/failures/",
    "delivery": "/queue/{delivery}/", "story": "/story/?q=carla%40customer.example", "no_story": "/story/",
    "inbound": "/inbound/", "mail": "/inbound/{inbound}/", "held": "/held/", "held_mail": "/inbound/{held}/", "try": "/inbound/try/", "narrowed_log": "/inbound/?q=e&age=month", "loops": "/inbound/loops/", "letterbox": "/letterbox/",
    "letter": "/letterbox/{letter}/", "suppression": "/suppression/", "bouncing": "/suppression/?view=bouncing", "address": "/suppression/{address}/", "servers": "/settings/servers/", "server": "/settings/servers/{server}/", "new_server": "/settings/servers/new/?preset=gmail", "mailboxes": "/settings/mailboxes/",
    "mailbox": "/settings/mailboxes/{mailbox}/", "mailbox_reset": "/settings/mailboxes/{mailbox}/reset/?to=end", "new_mailbox": "/settings/mailboxes/new/?preset=gmail", "ingress": "/settings/ingress/",
    "domains": "/settings/domains/", "dkim": "/settings/dkim/", "aliases": "/settings/aliases/", "alias": "/settings/aliases/{alias}/", "templates": "/settings/templates/",
    "template": "/settings/templates/{template}/", "rules": "/settings/rules/", "rule": "/settings/rules/{rule}/", "scheduled": "/scheduled/", "scheduled_one": "/scheduled/{scheduled}/", "parameters": "/settings/parameters/", "actions": "/settings/actions/",
    "action": "/settings/actions/queue_manager/", "changes": "/settings/changes/", "audit": "/settings/audit/", "security": "/security/", "keys": "/settings/keys/", "approvals": "/settings/approvals/", "mine": "/settings/mine/",
    "settings": "/settings/", "people": "/settings/people/", "person": "/settings/people/{person}/", "new_person": "/settings/people/new/", "new_alias": "/settings/aliases/new/", "companies": "/settings/companies/",
    "new_dkim": "/settings/dkim/?new=1", "new_limit": "/settings/limits/?new=1", "new_hook": "/settings/ingress/?new=1", "new_key": "/settings/keys/?new=1", "password": "/password/", "welcome_alias": "/welcome/alias/", "welcome_done": "/welcome/done/",
    "receivers": "/settings/receivers/", "receivers_report": "/settings/receivers/{receivers_report}/", "limits": "/settings/limits/", "health": "/settings/health/", "symptom": "/settings/health/?symptom=spam", "bundle": "/settings/health/bundle/", "secrets": "/settings/secrets/", "mail_tests": "/settings/mail-tests/", "new_api_server": "/settings/servers/new/?provider=mailgun",
}  # fmt: skip
PATIENCE = 60_000  # milliseconds, for what takes a few hundred on an idle machine
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Chromium, closed at the end. While it is open, what is expected of its pages has `PATIENCE`, and the tables may be asked as usual.

    Playwright keeps an event loop in this thread, so Django opens a connection of its own for what runs beside it. That one ends here, too:
    left alone, it would meet the next browser in this process, dead by then if a test in between had cut all connections.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
            connections.close_all()
            expect.set_options(timeout=None)


def a_window(browser: Browser, size: str = "wide", theme: str = "light") -> BrowserContext:
    """A window of this size whose pages wear this theme (unfold keeps it in the local storage)."""
    width, height = SIZES[size]
    window = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    keep = f"localStorage.setItem('adminTheme', JSON.stringify('{theme}'))"
    window.set_default_timeout(PATIENCE)
    window.add_init_script(f"try {{ {keep} }} catch {{ /* an empty page has no storage */ }}")
    return window


def sign_in(page: Page, base: str, login: str, password: str) -> None:
    """Through the form, as people do."""
    page.goto(f"{base}/login/")
    page.fill("input[name=username]", login)
    page.fill("input[name=password]", password)
    page.click("#login-form button[type=submit]")
    page.wait_for_selector(".pr")


def open_page(page: Page, url: str) -> list[str]:
    """Goes there and waits until the frames have their height. Returns what the console complained about."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    page.wait_for_function("window.Alpine !== undefined && document.fonts.status === 'loaded'")
    page.evaluate("document.querySelectorAll('iframe[loading=lazy]').forEach((frame) => frame.loading = 'eager')")
    page.wait_for_function(
        "[...document.querySelectorAll('iframe.pr-frame')].every((frame) => frame.style.height && frame.contentDocument.readyState === 'complete')"
    )
    return complaints


def open_composer(page: Page) -> None:
    """The one line of a record becomes a form, and names who will get it."""
    page.locator(".pr-composer.live .pr-editor").click()
    page.locator(".pr-who-gets-it").wait_for()


def shoot(page: Page, url: str, path: Path) -> list[str]:
    """A picture of the whole page."""
    complaints = open_page(page, url)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(path), full_page=True)
    return complaints


def _everything(base: str, folder: Path, password: str, only: str = "") -> None:
    with a_browser() as browser:
        for size in SIZES:
            for theme in ("light", "dark"):
                window = a_window(browser, size, theme)
                page = window.new_page()
                if not only or "login" in only.split(","):
                    shoot(page, f"{base}/login/", folder / f"login-{size}-{theme}.png")
                sign_in(page, base, "admin", password)
                numbers = some_numbers(page, base)
                for name, place in PLACES.items():
                    if only and name not in only.split(","):
                        continue
                    tab = window.new_page()
                    complaints = shoot(tab, base + place.format(**numbers), folder / f"{name}-{size}-{theme}.png")
                    wide = tab.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
                    print(f"{name} {size} {theme}", "WIDER THAN THE SCREEN" if wide else "", complaints or "")
                    tab.close()
                window.close()


def some_numbers(page: Page, base: str) -> dict[str, str]:
    """One example of each kind, found as a person would: the first in its list."""

    def first(place: str, pattern: str) -> str:
        page.goto(base + place)
        found = page.evaluate(
            "(pattern) => [...document.querySelectorAll('a')].map((a) => a.pathname.match(new RegExp(pattern))).find(Boolean)?.[1]",
            pattern,
        )
        return str(found or 0)

    return {
        "record": first("/records/", r"^/records/(\d+)/"),
        "delivery": first("/queue/?state=all", r"^/queue/(\d+)/"),
        "lost": first("/queue/?state=unknown", r"^/queue/(\d+)/"),
        "inbound": first("/inbound/?state=routed", r"^/inbound/(\d+)/"),
        "held": first("/held/", r"^/inbound/(\d+)/"),
        "letter": first("/letterbox/", r"^/letterbox/(\d+)/"),
        "server": first("/settings/servers/", r"^/settings/servers/(\d+)/"),
        "mailbox": first("/settings/mailboxes/", r"^/settings/mailboxes/(\d+)/"),
        "template": first("/settings/templates/", r"^/settings/templates/(\d+)/"),
        "receivers_report": first("/settings/receivers/", r"^/settings/receivers/(\d+)/"),
        "rule": first("/settings/rules/", r"^/settings/rules/(\d+)/"),
        "scheduled": first("/scheduled/", r"^/scheduled/(\d+)/"),
        "address": first("/suppression/?q=carla@customer.example", r"^/suppression/(\d+)/"),
        "alias": first("/settings/aliases/", r"^/settings/aliases/(\d+)/"),
        "person": first("/settings/people/", r"^/settings/people/(\d+)/"),
    }


if __name__ == "__main__":
    _everything(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else "")
