"""A morning at the desk, by keyboard alone: read, answer, file away, take back; new mail arrives on top meanwhile.

What is looked for on every page, and where the pictures go: `looking`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from postroom.core.terms.states import Role
from postroom.flows.index_messages import index_new
from postroom.flows.records import create_record
from postroom.store.models import Company, Member, Message, Record
from postroom.wiring import ports
from tests.e2e.journeys.looking import listen, opened, remember, shot
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import PATIENCE, a_browser
from tests.web.served import served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]

WIDE = {"width": 1680, "height": 1000}
TOASTS_STAY = """const later = window.setTimeout;
window.setTimeout = (work, pause, ...more) => later.call(window, work, pause === 12000 ? 600000 : pause, ...more);"""  # on a busy machine
TITLES = [
    "Poster with a folded corner",
    "Where is my parcel?",
    "Invoice with the wrong address",
    "Do you ship to Norway?",
]


@pytest.fixture
def company() -> Company:
    seeding.a_kind(stages=["New", "Solved"])
    return seeding.a_company()


@pytest.fixture
def alice(company: Company) -> Member:
    return seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)


@pytest.fixture
def page(alice: Member) -> Iterator[Page]:
    """A wide window in which Alice has signed in. Whatever a page complains about fails the test at its end."""
    with served() as base, a_browser() as browser:
        window = browser.new_context(viewport=WIDE, base_url=base)
        window.set_default_timeout(PATIENCE)
        window.add_init_script(TOASTS_STAY)
        faults = listen(window, base)
        remember(window, base, "alice")
        page = opened(window.new_page(), base)
        yield page
        window.close()
    assert not faults


def in_pane(page: Page, title: str) -> None:
    expect(page.locator("#pr-pane #pr-heading")).to_have_text(title)


def row(page: Page, title: str) -> Locator:
    """The line of this title, which takes the focus."""
    return page.locator("#pr-rows .pr-item", has=page.get_by_text(title, exact=True))


def test_a_list_is_worked_through_by_keyboard(page: Page, company: Company, alice: Member) -> None:
    carla = seeding.a_contact("Customer Carla", "carla@customer.example", company)
    for number, title in enumerate(TITLES):
        record = seeding.a_record(
            company,
            title,
            contact=carla,
            stage="New",
            updated_at=seeding.ago(minutes=number),
            unanswered_since=seeding.ago(hours=1),
        )
        seeding.a_message(record, carla, f"<p>Question {number}</p>")
    rows = page.locator("#pr-rows .pr-line")
    page.goto("/records/ticket/?state=open")
    expect(rows).to_have_count(4)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    expect(row(page, TITLES[1])).to_be_focused()
    page.keyboard.press("Enter")
    in_pane(page, TITLES[1])
    expect(page).to_have_url(re.compile(r"/records/\d+/$"))
    shot(page, "working-open")

    # what is done leaves the list, the next one opens, undo brings it back
    page.keyboard.press("e")
    expect(rows).to_have_count(3)
    in_pane(page, TITLES[2])
    expect(row(page, TITLES[2])).to_be_focused()
    expect(page.locator("#pr-toast")).to_contain_text("1 record is done.")
    shot(page, "working-done")
    assert Record.objects.filter(is_done=True).values_list("title", flat=True).get() == TITLES[1]
    page.keyboard.press("z")
    expect(rows).to_have_count(4)
    expect(rows.locator(".name")).to_have_text(TITLES)

    # several at once: x chooses, the bar tells how many
    expect(row(page, TITLES[2])).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    expect(row(page, TITLES[3])).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#pr-chosen [data-chosen]")).to_have_text("2")
    page.locator("#pr-chosen summary", has_text="Stage").click()
    page.locator("#pr-chosen").get_by_role("button", name="Solved").click()
    expect(page.locator("#pr-toast")).to_contain_text("2 records have the new stage.")
    expect(page.locator("#pr-toast button")).to_have_count(1)
    assert set(Record.objects.filter(stage="Solved").values_list("title", flat=True)) == set(TITLES[2:])

    # n and r write in the pane; while typing, keys are letters
    row(page, TITLES[0]).focus()
    page.keyboard.press("n")
    in_pane(page, TITLES[0])
    page.wait_for_function("document.activeElement.isContentEditable")
    expect(page.locator("form.pr-composer [name=kind]:checked")).to_have_value("note")
    page.keyboard.type("je zk?")
    expect(page.locator("#pr-keys")).not_to_be_visible()
    page.locator("form.pr-composer .pr-editor, form.pr-composer [contenteditable=true]").first.fill("")
    page.locator("#pr-pane").focus()

    # a new record comes in on top, without a reload, and nothing else moves
    page.evaluate("window.stays = 1")
    create_record(ports(), company_id=company.pk, kind="ticket", title="Fresh from the door", author=alice)
    expect(rows.first.locator(".name")).to_have_text("Fresh from the door")
    expect(rows).to_have_count(5)
    assert page.evaluate("window.stays") == 1

    # help is a dialog that keeps the focus; Esc closes it, then the pane; the address is the list's again
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    shot(page, "working-keys")
    for _ in range(4):
        page.keyboard.press("Tab")
        page.wait_for_function(
            "Boolean(document.activeElement.closest('#pr-keys')) || document.activeElement === document.body"
        )
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator("#pr-pane").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#pr-pane .pr-pane-empty")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/records/ticket/\?state=open$"))
    page.go_back()
    expect(page.locator("#pr-pane #pr-heading")).to_be_visible()

    # g, then a place; and who does not want keys has none
    page.locator("#pr-pane").focus()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page).to_have_url(re.compile(r"/$"))
    Member.objects.filter(pk=alice.pk).update(uses_keys=False)
    page.goto("/records/ticket/")
    expect(rows).to_have_count(5)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.body")


def test_an_old_message_is_found_by_its_words_and_read_beside_the_list(page: Page, company: Company) -> None:
    index_new(ports())
    carla = seeding.a_contact("Customer Carla", "carla@customer.example", company)
    for number in range(60):
        record = seeding.a_record(
            company, f"Question {number}", contact=carla, updated_at=seeding.ago(days=60 - number)
        )
        for turn in range(3):
            words = (
                "the marmalade parcel &lt;b&gt;left&lt;/b&gt; Trieste"
                if (number, turn) == (3, 0)
                else f"nothing special {turn}"
            )
            seeding.a_message(record, carla, f"<p>{words}</p>", posted_at=seeding.ago(days=60 - number))
    Record.objects.filter(title="Question 3").update(is_done=True)
    wait_until(lambda: not index_new(ports()), "all words are written down")
    page.goto("/records/?state=open")
    page.keyboard.press("/")
    page.keyboard.type("trieste marm")
    hits = page.locator("#pr-hits .pr-hit")
    expect(hits).to_have_count(1)
    expect(hits.locator("mark")).to_have_text(["marmalade", "Trieste"])
    expect(hits).to_contain_text("<b>left</b>")
    expect(hits).to_contain_text("Done")
    expect(page).to_have_url(re.compile(r"/records/\?q=trieste"))
    shot(page, "found")
    page.keyboard.press("Escape")
    expect(page.locator("#pr-hits .pr-item")).to_be_focused()
    hits.evaluate("(hit) => (hit.dataset.old = 'yes')")
    page.evaluate("htmx.trigger('#pr-filter', 'submit')")  # what was typed last is answered late
    expect(page.locator("#pr-hits [data-old]")).to_have_count(0)
    expect(page.locator("#pr-hits .pr-item")).to_be_focused()
    page.keyboard.press("Enter")
    in_pane(page, "Question 3")
    expect(page.locator("#pr-q")).to_have_value("trieste marm")
    expect(hits).to_have_count(1)
    message = Message.objects.filter(body__text__contains="marmalade").get()
    expect(page.locator(f"#pr-pane #message-{message.pk}")).to_be_in_viewport()
    shot(page, "found-open")
    page.go_back()
    expect(page).to_have_url(re.compile(r"/records/\?q=trieste"))
    expect(page.locator("#pr-pane .pr-pane-empty")).to_be_visible()
    page.locator("#pr-q").fill(f"#{message.record_id}")
    expect(page.locator(".pr-named .name")).to_have_text("Question 3")
    page.locator("#pr-q").fill("no such thing anywhere")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    shot(page, "found-nothing")


def test_a_record_that_comes_while_the_list_looks_for_others_is_not_lost(
    page: Page, company: Company, alice: Member
) -> None:
    page.add_init_script("window.heard = 0; document.addEventListener('postroom:listed', () => window.heard++, true)")
    held: list[Route] = []
    page.route(re.compile(r"since="), lambda route: route.fallback() if held else held.append(route))
    page.goto("/records/ticket/?state=open")
    create_record(ports(), company_id=company.pk, kind="ticket", title="In time", author=alice)
    wait_until(lambda: page.evaluate("1") and held, "the list looks", 60)
    answer = held[0].fetch()
    heard = page.evaluate("window.heard")
    create_record(ports(), company_id=company.pk, kind="ticket", title="Just too late", author=alice)
    page.wait_for_function("heard => window.heard > heard", arg=heard)
    held[0].fulfill(response=answer)
    expect(page.locator("#pr-rows .pr-line .name")).to_have_text(["Just too late", "In time"])
    shot(page, "working-late")
