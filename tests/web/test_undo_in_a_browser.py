"""What happens on open pages without a reload: undo, and changes that come while the page is fetching others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, Route, expect

from postroom.core.terms.states import Role
from postroom.store.models import AliasDomain, Delivery, Follower, LetterboxMail, Message, Parameter, Record
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser, a_window, sign_in
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]

COUNTING = "window.changes = 0; document.addEventListener('postroom:changed', () => window.changes++)"


@pytest.fixture
def record(db: None) -> Record:
    """Alice writes on it; Bob reads in the app; Carla by mail, which the Letterbox catches."""
    company = seeding.a_company()
    company.alias_domain = AliasDomain.objects.create(name="postroom.test", plus_addresses_arrive=True)
    company.save()
    seeding.a_kind(stages=["New"])
    alice = seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)
    bob = seeding.a_member("bob", "Bob Brandt", company, channel="inbox")
    seeding.a_server("Letterbox", transport="letterbox", host="", port=25, encryption="none")
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    record = seeding.a_record(company, "Poster", contact=carla)
    for contact in (alice.contact, bob.contact, carla):
        Follower.objects.create(record=record, contact=contact)
    seeding.a_message(record, carla, "<p>One corner is folded.</p>")
    return record


@pytest.fixture
def base(record: Record) -> Iterator[str]:
    with served("deliverer") as address:
        yield address


@pytest.fixture
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def opened(browser: Browser, base: str, login: str, record: Record) -> Page:
    page = a_window(browser).new_page()
    page.add_init_script(COUNTING)
    sign_in(page, base, login, seeding.PASSWORD)
    page.goto(f"{base}/records/{record.pk}/")
    expect(page.locator(".pr-live")).to_have_attribute("data-on", "true")
    return page


def write(page: Page, text: str) -> None:
    page.locator(".pr-editor").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def test_undo_takes_it_from_every_open_page_and_gives_the_words_back(
    base: str, browser: Browser, record: Record
) -> None:
    Parameter.objects.create(key="mail.undo.seconds", value="120")  # time enough on a busy machine
    alice, bob = (opened(browser, base, login, record) for login in ("alice", "bob"))
    write(alice, "Dear Carla, you are wrong")
    for page in (alice, bob):
        expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(2)
    expect(bob.get_by_role("button", name="Undo")).to_have_count(0)
    button = alice.get_by_role("button", name="Undo")
    seconds = button.locator("[data-seconds]")
    before = int(seconds.inner_text())
    wait_until(lambda: int(seconds.inner_text()) < before, "the seconds run down")
    held: list[Route] = []
    alice.route("**/activities/", lambda route: held.append(route))  # noqa: PLW0108 (Playwright asks how many it takes); not answered yet
    button.click()
    for page in (alice, bob):
        expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(1)
    expect(alice.locator(".pr-editor")).to_have_text("Dear Carla, you are wrong")
    wait_until(lambda: alice.evaluate("1") and held, "the page asks for what is planned")
    for route in held:
        route.abort()
    assert not Delivery.objects.exists()
    assert Message.objects.count() == 1


def test_when_the_seconds_are_over_the_button_goes_and_the_mail_leaves(
    base: str, browser: Browser, record: Record
) -> None:
    Parameter.objects.create(key="mail.undo.seconds", value="3")
    alice = opened(browser, base, "alice", record)
    write(alice, "Dear Carla, a new one leaves today")
    expect(alice.locator("#pr-thread > li.pr-msg")).to_have_count(2)
    expect(alice.locator("form.pr-undo")).to_have_count(0)
    wait_until(LetterboxMail.objects.exists, "the mail left")
    wait_until(Delivery.objects.filter(finished_at__isnull=False).exists, "it is written down that it left")
    row = Delivery.objects.get()
    assert row.finished_at is not None
    assert row.finished_at >= row.due_at == Message.objects.latest("id").undo_until
    print(f"left {(row.finished_at - row.due_at).total_seconds():.3f} s after its seconds were over")


def test_what_comes_while_the_page_is_fetching_is_not_lost(base: str, browser: Browser, record: Record) -> None:
    page = opened(browser, base, "bob", record)
    page.wait_for_function("window.changes")  # as listening has begun
    before = page.evaluate("window.changes")
    held: list[Route] = []
    page.route("**/live/?*", lambda route: route.continue_() if held else held.append(route))
    said(record, "first")
    wait_until(lambda: page.evaluate("1") and held, "the page asks", 60)
    page.wait_for_function("before => window.changes > before", arg=before)
    before = page.evaluate("window.changes")
    said(record, "second")
    page.wait_for_function("before => window.changes > before", arg=before)
    held[0].continue_()
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(3)
    expect(page.locator("#pr-newer")).to_have_count(1)


def test_a_page_hears_again_after_a_restart_and_shows_what_was_said_meanwhile(
    base: str, browser: Browser, record: Record
) -> None:
    page = opened(browser, base, "bob", record)
    page.route("**/live/record/**", lambda route: route.fulfill(status=502))
    page.evaluate(
        "() => { window.dispatchEvent(new Event('pagehide')); window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})); }"
    )
    expect(page.locator(".pr-live")).to_have_attribute("data-on", "false")
    said(record, "while nobody heard it")
    page.unroute("**/live/record/**")
    expect(page.locator(".pr-live")).to_have_attribute("data-on", "true")
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(2)
    said(record, "and now")
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(3)


def said(record: Record, text: str) -> None:
    seeding.a_message(record, record.contact, f"<p>{text}</p>")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_live', %s)", [f"record:{record.pk}"])
