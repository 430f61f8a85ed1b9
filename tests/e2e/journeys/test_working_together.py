"""People at one desk: they follow, write at the same time, write ahead, keep views of the list, and are answered from outside.

One house serves all of them, with its real door, router and deliverer; what it sends is captured in the Letterbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from postroom.core.terms.states import Role
from postroom.flows.post_message import post_message
from postroom.store.models import (
    AliasDomain,
    Attachment,
    Company,
    Contact,
    Follower,
    LetterboxMail,
    MailTemplate,
    Member,
    Notification,
    Parameter,
    Record,
    SavedView,
    ScheduledMessage,
)
from postroom.wiring import ports
from tests.e2e.journeys.looking import at_desk, opened, shot
from tests.laboratory.availability import requires_chromium
from tests.laboratory.pictures import PNG
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.served import served

pytestmark = [pytest.mark.slow, requires_chromium, pytest.mark.xdist_group("working together")]

BOB, CARLA = "bob@postroom.test", "carla@customer.example"


@dataclass(frozen=True, slots=True)
class Desk:
    """Alice and Bob hear by mail; Carla is the customer."""

    base: str
    browser: Browser
    company: Company
    alice: Member
    bob: Member
    carla: Contact

    def record(self, title: str, *followers: Contact) -> Record:
        record = seeding.a_record(self.company, title, contact=self.carla, stage="New")
        for contact in followers:
            Follower.objects.create(record=record, contact=contact)
        return record

    def page_of(self, record: Record) -> str:
        return f"{self.base}/records/{record.pk}/"


@pytest.fixture(scope="module")
def desk(rows_of_its_own: None, shared_browser: Browser) -> Iterator[Desk]:
    company = seeding.a_company()
    company.alias_domain = AliasDomain.objects.create(name="postroom.test", plus_addresses_arrive=True)
    company.save()
    seeding.a_kind(stages=["New", "Solved"])
    alice = seeding.a_member("alice", "Alice Archer", company, Role.ADMINISTRATOR)
    bob = seeding.a_member("bob", "Bob Brandt", company)
    carla = seeding.a_contact("Customer Carla", CARLA, company)
    seeding.a_server("Letterbox", transport="letterbox", host="", port=25, encryption="none")
    Parameter.objects.create(key="mail.undo.seconds", value="0")
    with served("door", "router", "deliverer") as base:
        yield Desk(base, shared_browser, company, alice, bob, carla)


def at_record(page: Page, address: str) -> Page:
    """The record's page, whose line to the server is up."""
    opened(page, address)
    expect(page.locator("[data-live]").first).to_be_attached()
    expect(page.locator(".pr-live")).to_have_attribute("data-on", "true")
    return page


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Text", exact=True)


def tabs(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Saved views")


def letters(address: str, record: Record) -> int:
    return LetterboxMail.objects.filter(to_address=address, delivery__mail__message__record=record).count()


def test_a_follower_hears_what_he_chose_and_nothing_after_he_left(desk: Desk) -> None:
    record = desk.record("The lamp hums", desk.carla)

    def says(words: str, kind: str = "comment") -> int:
        return post_message(ports(), record_id=record.pk, author=desk.alice, html=f"<p>{words}</p>", kind=kind).pk

    def told(message: int) -> set[str]:
        return set(Notification.objects.filter(message=message).values_list("contact__name", flat=True))

    with at_desk(desk.browser, desk.base, "bob") as page:
        at_record(page, desk.page_of(record))
        heard = page.get_by_role("article", name="Alice Archer")
        page.get_by_role("button", name="Follow", exact=True).click()
        expect(page.get_by_text("also notes")).to_be_visible()
        page.get_by_label("What Bob Brandt hears of").click()
        notes = page.get_by_role("checkbox", name="Notes")
        notes.uncheck()
        says("She called twice.", "note")
        wait_until(lambda: letters(BOB, record) == 1, "Bob hears of the note by mail, for nothing is saved", 120)
        expect(heard).to_have_count(1)
        expect(notes).to_be_visible()  # what comes in does not shut the panel
        expect(notes).not_to_be_checked()
        shot(page, "follow-chosen")
        page.locator("form", has=notes).get_by_role("button", name="Save").click()
        expect(page.get_by_text("also notes")).to_have_count(0)

        silent, spoken = says("Her third call.", "note"), says("A new bulb leaves today.")
        wait_until(lambda: (letters(BOB, record), letters(CARLA, record)) == (2, 1), "both hear of the message", 120)
        assert told(silent) == set()
        assert told(spoken) == {"Bob Brandt", "Customer Carla"}

        page.get_by_role("button", name="Unfollow", exact=True).click()
        expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()
        last = says("Did it arrive, Carla?")
        wait_until(lambda: letters(CARLA, record) == 2, "Carla hears of the last one", 120)
        expect(heard).to_have_count(4)
        shot(page, "follow-left")
    assert told(last) == {"Customer Carla"}
    assert letters(BOB, record) == 2


def test_a_note_of_bob_appears_while_alice_is_typing(desk: Desk) -> None:
    record = desk.record("Two at one lamp")
    with (
        at_desk(desk.browser, desk.base, "alice") as alices,
        at_desk(desk.browser, desk.base, "bob") as bobs,
    ):
        at_record(alices, desk.page_of(record))
        alices.evaluate("window.wasNeverReloaded = true")
        editor(alices).click()
        alices.keyboard.type("Dear Carla, the lamp")
        for _ in "the lamp":
            alices.keyboard.press("ArrowLeft")

        at_record(bobs, desk.page_of(record))
        editor(bobs).click()
        bobs.get_by_role("radiogroup", name="What to write").get_by_text("Log note").click()
        editor(bobs).fill("She has a warranty until May.")
        bobs.get_by_role("button", name="Log note", exact=True).click()

        note = alices.get_by_role("article", name="Bob Brandt")
        expect(note.frame_locator("iframe").locator("body")).to_contain_text("She has a warranty until May.")
        alices.keyboard.type("new part of ")  # where she was, without a click
        expect(editor(alices)).to_have_text("Dear Carla, new part of the lamp")
        expect(editor(alices)).to_be_focused()
        expect(alices.get_by_text("Draft saved")).to_be_visible()
        shot(alices, "together-typing")
        assert alices.evaluate("window.wasNeverReloaded") is True


def test_the_outside_person_answers_with_a_picture_that_previews(desk: Desk) -> None:
    record = desk.record("Which shade is it?", desk.carla, desk.alice.contact)
    post_message(ports(), record_id=record.pk, author=desk.alice, html="<p>Could you send a picture of the shade?</p>")
    wait_until(lambda: letters(CARLA, record) == 1, "the question is captured", 120)
    with at_desk(desk.browser, desk.base, "alice") as page:
        at_record(page, desk.page_of(record))
        letterbox = opened(page.context.new_page(), f"{desk.base}/letterbox/?to={CARLA}")
        letterbox.get_by_role("link", name=re.compile("Which shade is it")).first.click()
        mail = letterbox.get_by_role("region", name="Mail", exact=True)
        expect(mail.frame_locator("iframe").locator("body")).to_contain_text("Could you send a picture")
        mail.get_by_role("button", name="Reply as recipient").click()
        mail.get_by_label(f"{CARLA} answers").fill("Here it is, the green one.")
        mail.get_by_label("Files").set_input_files({"name": "shade.png", "mimeType": "image/png", "buffer": PNG})
        shot(letterbox, "letter-read")
        mail.get_by_role("button", name="Send as them").click()

        answer = page.get_by_role("article", name="Customer Carla")
        expect(answer.frame_locator("iframe").locator("body")).to_contain_text("the green one")
        picture = answer.get_by_role("img", name="shade.png")
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 0
        shot(page, "letter-previewed")
        with page.context.expect_page() as preview:
            answer.get_by_role("link", name="shade.png", exact=True).last.click()
        preview.value.wait_for_function("document.contentType.startsWith('image/')")
    file = Attachment.objects.get(message__record=record, name="shade.png")
    assert ports().blobs.get(file.sha256) == PNG


def test_a_template_is_written_used_scheduled_changed_and_cancelled(desk: Desk) -> None:
    record = desk.record("The green shade", desk.carla)
    name = "It is on its way"
    with at_desk(desk.browser, desk.base, "alice") as page:
        opened(page, f"{desk.base}/settings/templates/new/")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Subject", exact=True).first.fill("About {{ record.title }}")
        page.get_by_label("Text (HTML)").first.fill("<p>Dear {{ contact.name }}, it leaves today.</p>")
        page.get_by_label("On this record").select_option(str(record.pk))
        page.get_by_role("button", name="Show", exact=True).click()
        preview = page.frame_locator("iframe[title='The template as its reader sees it']").locator("body")
        expect(preview).to_contain_text("Dear Customer Carla, it leaves today.")
        shot(page, "template-previewed")
        page.get_by_role("button", name="Save", exact=True).first.click()
        wait_until(MailTemplate.objects.filter(name=name).exists, "the template is there", 120)

        at_record(page, desk.page_of(record))
        editor(page).click()
        page.get_by_label("Use a template").click()
        page.get_by_role("button", name=re.compile(name)).click()
        page.get_by_role("button", name="Use it").click()
        expect(editor(page)).to_contain_text("Dear Customer Carla, it leaves today.")
        expect(page.get_by_text("Goes to:")).to_be_visible()
        tomorrow = seeding.NOW + timedelta(days=1)
        page.get_by_label("Send later").click()
        page.get_by_label("Date and time").fill(f"{tomorrow:%Y-%m-%dT09:30}")
        page.get_by_role("button", name="Schedule", exact=True).click()
        waiting = page.get_by_role("article", name="Scheduled message")
        expect(waiting).to_contain_text("it leaves today")
        expect(editor(page)).to_have_text("")
        shot(page, "template-scheduled")

        waiting.get_by_role("link", name="Change").click()
        expect(editor(page)).to_contain_text("it leaves today")
        editor(page).fill("Dear Carla, it leaves on Friday.")
        shot(page, "template-changed")
        page.get_by_role("button", name="Save", exact=True).click()
        wait_until(ScheduledMessage.objects.filter(record=record, html__contains="Friday").exists, "it is changed", 120)
        at_record(page, desk.page_of(record))
        expect(waiting).to_contain_text("it leaves on Friday")
        page.once("dialog", lambda dialog: dialog.accept())
        waiting.get_by_role("button", name="Cancel").click()
        expect(waiting).to_have_count(0)
    assert not ScheduledMessage.objects.filter(record=record).exists()
    assert letters(CARLA, record) == 0


def test_a_view_is_kept_pinned_used_on_the_phone_and_removed(desk: Desk) -> None:
    solved, unsolved = desk.record("A kept lamp"), desk.record("A lamp of today")
    Record.objects.filter(pk=solved.pk).update(stage="Solved")
    with at_desk(desk.browser, desk.base, "alice") as page:
        opened(page, f"{desk.base}/records/ticket/")
        expect(page.get_by_text(unsolved.title, exact=True)).to_be_visible()
        page.get_by_label("Stage").first.select_option("Solved")
        expect(page.get_by_text(unsolved.title, exact=True)).to_have_count(0)
        page.get_by_label("Saved views").first.click()
        page.get_by_label("Keep what is shown now as").fill("Solved ones")
        page.get_by_label("Open this list with it").check()
        page.locator("form", has=page.get_by_label("Keep what is shown")).get_by_role("button", name="Save").click()
        wait_until(SavedView.objects.filter(name="Solved ones", is_default=True).exists, "the view is kept", 120)
        opened(page, f"{desk.base}/records/ticket/")
        expect(tabs(page).get_by_role("link", name="Solved ones")).to_be_visible()
        expect(page.get_by_text(solved.title, exact=True)).to_be_visible()
        expect(page.get_by_text(unsolved.title, exact=True)).to_have_count(0)
        shot(page, "view-pinned")
    with at_desk(desk.browser, desk.base, "alice", "narrow") as page:
        opened(page, f"{desk.base}/records/ticket/?state=all")
        tabs(page).get_by_role("link", name="Solved ones").click()
        expect(page.get_by_text(solved.title, exact=True)).to_be_visible()
        expect(page.get_by_text(unsolved.title, exact=True)).to_have_count(0)
        shot(page, "view-phone")
        page.get_by_label("Saved views").first.click()
        page.get_by_role("button", name="Remove Solved ones").click()
        wait_until(lambda: not SavedView.objects.exists(), "the view is gone", 120)
        expect(page.get_by_role("link", name="Solved ones")).to_have_count(0)
