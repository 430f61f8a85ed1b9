"""How every page looks in a real browser: it fits the screen, complains of nothing, and people who cannot see or point can use it."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.laboratory.availability import requires_chromium
from tests.web import seeding
from tests.web.browser import PLACES, SIZES, a_browser, a_window, open_page, sign_in, some_numbers
from tests.web.reported import some_reports
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("narrow", "dark")])
def test_every_page_fits_is_silent_and_is_open_to_everybody(db: None, size: str, theme: str, half: int) -> None:
    seeding.a_house()
    some_reports()
    troubles: list[str] = []
    with served() as base, a_browser() as browser, a_window(browser, size, theme) as window:
        page = window.new_page()
        sign_in(page, base, "admin", seeding.PASSWORD)
        numbers = some_numbers(page, base)
        for name, place in list(PLACES.items())[half::2]:
            tab = window.new_page()
            complaints = open_page(tab, base + place.format(**numbers))
            width = tab.evaluate("document.documentElement.scrollWidth")
            if width > SIZES[size][0] + 1:
                complaints.append(f"{width} pixels wide")
            found = Axe().run(tab).response["violations"]
            complaints += [
                f"{one['id']}: {one['nodes'][0]['target']}" for one in found if one["impact"] in ("serious", "critical")
            ]
            troubles += [f"{name}: {complaint}" for complaint in complaints]
            tab.close()
    assert troubles == []
