"""A journey's page is looked at: a picture for people, and what axe calls serious."""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SERIOUS = ("serious", "critical")


def look(page: Page, name: str) -> None:
    """A picture in the folder of ``POSTROOM_SHOTS``, when it is set; axe finds nothing serious, and nothing sticks out."""
    if folder := os.environ.get("POSTROOM_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
    found = Axe().run(page).response["violations"]
    troubles = [
        f"{fault['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]
    assert not troubles, "\n".join(troubles)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"), (
        f"{name} is wider than the screen"
    )
