"""Who keeps the house: a mailbox is confirmed, a colleague invited, settings are changed and tell of it, programs get keys.

One house serves all of them, beside a real Dovecot, whose authority it believes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from postroom.core.terms.states import Role
from postroom.store.models import ApiKey, Company, Mailbox, Member, ScheduledAction, ScheduledRun
from tests.e2e.journeys.looking import at_desk, listen, opened, remember, shot
from tests.laboratory.availability import requires_chromium, requires_dovecot
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import PATIENCE
from tests.web.served import served
from tests.web.test_door import codes_of

pytestmark = [pytest.mark.slow, requires_chromium, requires_dovecot, pytest.mark.xdist_group("keeping house")]

SUPPORT = "support@box.test"
CHOSEN = "lighthouse-keeper-7"


@dataclass(frozen=True, slots=True)
class House:
    """Ada settles everything; Northwind and Southwind are two companies, each with a ticket."""

    base: str
    browser: Browser
    dovecot: Dovecot
    ada: Member
    southwind: Company


@pytest.fixture(scope="module")
def house(rows_of_its_own: None, shared_browser: Browser) -> Iterator[House]:
    northwind, southwind = seeding.a_company(), seeding.a_company("Southwind Lamps")
    seeding.a_kind(stages=["New", "Solved"])
    ada = seeding.a_member("ada", "Ada Admin", northwind, Role.ADMINISTRATOR)
    ada.companies.add(southwind)
    seeding.a_member("greta", "Greta Gruber", northwind)
    seeding.a_server("Letterbox", transport="letterbox", host="", port=25, encryption="none")
    seeding.a_record(northwind, "A poster of the north")
    seeding.a_record(southwind, "A lamp of the south")
    with Dovecot({SUPPORT: "open sesame"}) as dovecot, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(dovecot.ca_file))
        with served("scheduler") as base:
            yield House(base, shared_browser, dovecot, ada, southwind)


def test_a_mailbox_fails_with_its_cause_and_then_is_confirmed(house: House) -> None:
    with at_desk(house.browser, house.base, "ada") as page:
        opened(page, f"{house.base}/settings/mailboxes/new/?preset=custom")
        page.get_by_label("Name", exact=True).fill("Support")
        page.get_by_label("Host", exact=True).fill("localhost")
        page.get_by_label("Port", exact=True).fill(str(house.dovecot.imaps_port))
        page.get_by_label("Encryption").select_option("tls")
        page.get_by_label("Username").fill(SUPPORT)
        page.get_by_label("Password (or grant").fill("open barley")
        page.get_by_role("button", name="Save and stay, to test").click()

        told = page.get_by_role("status")
        test = page.get_by_role("button", name="Test & Confirm")
        test.click()
        expect(told.filter(has_text="does not accept user name")).to_be_visible()
        expect(told.filter(has_text="AUTHENTICATIONFAILED")).to_be_visible()
        shot(page, "mailbox-wrong-password", whole=True)
        assert not Mailbox.objects.get(name="Support").is_confirmed

        page.get_by_label("Password (or grant").fill("open sesame")
        page.get_by_role("button", name="Save and stay, to test").click()
        expect(test).to_be_enabled()
        test.click()
        expect(told.filter(has_text="The mailbox can be read.")).to_be_visible()
        opened(page, page.url)
        expect(page.get_by_role("button", name="Reset Confirmation")).to_be_visible()
        shot(page, "mailbox-confirmed", whole=True)
    assert Mailbox.objects.get(name="Support").is_confirmed


def test_an_invited_colleague_comes_in_with_a_second_factor_and_sees_her_company_alone(house: House) -> None:
    with at_desk(house.browser, house.base, "ada") as page:
        opened(page, f"{house.base}/settings/people/new/")
        page.get_by_label("Name", exact=True).fill("Dora Dunn")
        page.get_by_label("Mail address").fill("dora@southwind.example")
        page.get_by_label("Role").select_option("agent")
        page.get_by_label("Company", exact=True).select_option(str(house.southwind.pk))
        page.get_by_role("button", name="Only make the account").click()
        page.get_by_role("button", name="Show the link once").click()
        link = page.get_by_text(re.compile("/join/"))
        expect(link).to_be_visible()
        shot(page, "invited-link")
        place = re.search(r"/join/\S+", link.inner_text())
        assert place
    with at_desk(house.browser, house.base, "", "narrow") as page:
        page.goto(house.base + place.group())
        page.get_by_label("Password", exact=True).fill(CHOSEN)
        page.get_by_label("Once more").fill(CHOSEN)
        shot(page, "invited-password", shell=False)
        page.get_by_role("button", name="Save and sign in").click()
        expect(page).not_to_have_url(re.compile("/join/"))

        opened(page, f"{house.base}/security/")
        page.get_by_role("link", name="Switch on").click()
        page.get_by_label("Password").fill(CHOSEN)  # before an account is protected, it is asked for again
        page.get_by_role("button", name="Go on").click()
        secret = page.locator("code", has_text=re.compile("^[A-Z2-7]{16,}$"))
        expect(secret).to_be_visible()
        shot(page, "invited-factor")
        key = secret.inner_text()
        page.get_by_role("textbox").last.fill(codes_of(key))
        page.get_by_role("button", name="Switch on").click()
        page.get_by_role("link", name="I have kept them").click()
        expect(page.get_by_text("10 recovery codes are left")).to_be_visible()

        page.context.clear_cookies()
        page.goto(f"{house.base}/login/")
        page.get_by_label("Username").fill("dora@southwind.example")
        page.get_by_label("Password").fill(CHOSEN)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        shot(page, "invited-code", shell=False)
        page.get_by_label("Code").fill(codes_of(key))
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="One more step")).to_have_count(0)

        opened(page, f"{house.base}/records/")
        expect(page.get_by_text("A lamp of the south", exact=True)).to_be_visible()
        expect(page.get_by_text("A poster of the north", exact=True)).to_have_count(0)
        shot(page, "invited-records")


def test_a_parameter_and_a_scheduled_action_are_changed_and_tell_of_it(house: House) -> None:
    key = "mail.undo.seconds"
    with at_desk(house.browser, house.base, "ada", expected=(422,)) as page:
        opened(page, f"{house.base}/settings/parameters/")
        page.get_by_role("searchbox", name="Search").first.fill(key)
        value = page.get_by_label(key, exact=True)
        form = page.locator("form", has=value)
        expect(page.get_by_text("mail.catchall.domain", exact=True)).to_have_count(0)
        value.fill("1000")
        form.get_by_role("button", name="Save").click()
        expect(form.get_by_role("alert")).to_have_text(
            "At most 120 seconds: urgent mail shall not wait longer for nobody."
        )
        shot(page, "parameter-wrong")
        value.fill("30")
        form.get_by_role("button", name="Save").click()
        expect(form.get_by_text("saved")).to_be_visible()

        opened(page, f"{house.base}/settings/changes/")
        line = page.get_by_role("listitem").filter(has_text=key).first
        expect(line).to_contain_text("Ada Admin")
        expect(line).to_contain_text(re.compile(r"\b10\b.*\b30\b", re.DOTALL))
        shot(page, "parameter-changes")

        action = wait_until(ScheduledAction.objects.filter(key="auto_vacuum").first, "actions are written down", 60)
        assert not ScheduledRun.objects.filter(action=action).exists()
        opened(page, f"{house.base}/settings/actions/auto_vacuum/")
        page.get_by_role("button", name="Run Now").click()
        wait_until(ScheduledRun.objects.filter(action=action, finished_at__isnull=False).exists, "it ran", 60)
        history = page.get_by_role("status").get_by_role("listitem")
        expect(history).to_have_count(1)
        run = ScheduledRun.objects.get(action=action)
        expect(history).to_contain_text(run.result)
        assert run.result
        assert not run.is_failed
        shot(page, "action-history")


def test_a_key_opens_the_api_until_it_is_removed(house: House) -> None:
    def asked(key: str) -> tuple[int, str]:
        request = Request(f"{house.base}/api/v1/records", headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, ""

    with at_desk(house.browser, house.base, "ada") as page:
        opened(page, f"{house.base}/settings/keys/?new=1")
        page.get_by_label("What is it for?").fill("The shop")
        page.get_by_role("button", name="Make a key").click()
        expect(page.get_by_text("It is shown this once and never again")).to_be_visible()
        shot(page, "key-made")
        key = page.locator("pre").first.inner_text().strip()
        status, answer = asked(key)
        assert status == 200
        assert "A lamp of the south" in answer
        assert asked(key[:-1]) == (401, "")

        opened(page, f"{house.base}/settings/keys/")
        line = page.get_by_role("listitem").filter(has_text="The shop")
        expect(line).to_contain_text("last used")
        expect(page.get_by_text(key)).to_have_count(0)
        shot(page, "key-used")
        page.once("dialog", lambda dialog: dialog.accept())
        line.get_by_role("button", name="Remove").click()
        expect(line).to_have_count(0)
    assert asked(key) == (401, "")
    assert not ApiKey.objects.exists()


def test_dark_mode_and_german_stay_over_pages(house: House) -> None:
    with house.browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light") as window:
        window.set_default_timeout(PATIENCE)
        faults = listen(window, house.base)
        remember(window, house.base, "greta")
        page = opened(window.new_page(), f"{house.base}/settings/mine/")
        is_dark(page, False)
        page.get_by_role("button", name="Greta Gruber").press("Enter")
        page.get_by_text("Dark", exact=True).click()
        is_dark(page, True)
        page.get_by_label("Language").select_option("de")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("html")).to_have_attribute("lang", "de")
        is_dark(page, True)
        shot(page, "taste-dark")
        opened(page, f"{house.base}/records/")
        expect(page.get_by_role("searchbox", name="Suchen")).to_be_visible()
        is_dark(page, True)
        shot(page, "taste-german")
        page.emulate_media(color_scheme="dark")
        fresh = opened(window.new_page(), house.base)
        is_dark(fresh, True)
        expect(fresh.locator("html")).to_have_attribute("lang", "de")
    assert not faults


def is_dark(page: Page, wanted: bool) -> None:
    page.wait_for_function("wanted => document.documentElement.classList.contains('dark') === wanted", arg=wanted)
