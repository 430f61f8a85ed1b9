"""Writing as a person does it: a whole message with everything in it, taken back, sent again and looked at as its receiver; and an
answer on a phone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from postroom.core.mime.parsing import parse
from postroom.core.terms.states import Role
from postroom.store.models import (
    AliasDomain,
    Contact,
    Draft,
    Follower,
    LetterboxMail,
    MailTemplate,
    Message,
    Notification,
    Parameter,
    Record,
)
from tests.e2e.journeys.looking import listen, remember, shot
from tests.e2e.journeys.looking import opened as opened_page
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser, a_window, open_composer
from tests.web.served import served
from tests.web.test_composer_in_a_browser import DOT

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]

DROP = """([where, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), char => char.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, {type}));
  const target = document.querySelector(where);
  for (const kind of ['dragover', 'drop']) target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: carried}));
}"""


@pytest.fixture
def record(db: None) -> Record:
    """Carla wrote, Dora was in Cc; Bob is a colleague who does not follow, Alice has a signature."""
    company = seeding.a_company()
    company.alias_domain = AliasDomain.objects.create(name="postroom.test", plus_addresses_arrive=True)
    company.save()
    seeding.a_kind(stages=["New", "Solved"])
    alice = seeding.a_member("alice", "Alice Archer", company, Role.ADMINISTRATOR, signature="<p>Alice, Northwind</p>")
    seeding.a_member("bob", "Bob Brandt", company)
    seeding.a_server("Letterbox", transport="letterbox", host="", port=25, encryption="none")
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    record = seeding.a_record(company, "Poster", contact=carla)
    Follower.objects.create(record=record, contact=alice.contact)
    inbound = seeding.an_inbound(company, "Poster", b"Subject: Poster\r\n\r\nHi", "routed")
    said = {"to": [["", "help@postroom.test"]], "cc": [["Dora Dunn", "dora@customer.example"]]}
    seeding.a_message(record, carla, "<p>One corner is folded.</p>", inbound=inbound, addressed=said)
    MailTemplate.objects.create(
        company=company,
        name="Sorry",
        subject="About {{ record.title }}",
        html="<p>We are sorry, {{ contact.first_name }}.</p>",
    )
    return record


@pytest.fixture
def base(record: Record) -> Iterator[str]:
    with served("deliverer") as address:
        yield address


@pytest.fixture
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


Opened = Callable[[str], tuple[Page, list[str]]]


@pytest.fixture
def opened(browser: Browser, base: str, record: Record) -> Opened:
    def open_record(size: str) -> tuple[Page, list[str]]:
        window = a_window(browser, size)
        faults = listen(window, base)
        remember(window, base, "alice")
        page = opened_page(window.new_page(), f"{base}/records/{record.pk}/")
        expect(page.locator(".pr-live")).to_have_attribute("data-on", "true")
        open_composer(page)
        return page, faults

    return open_record


def receivers(page: Page) -> set[str]:
    return {name.strip() for name in page.locator(".pr-who-gets-it .pr-chip .pr-cut").all_inner_texts()}


def goes_to(page: Page, wanted: set[str]) -> None:
    """The list under the text names these, in time."""
    try:
        wait_until(lambda: receivers(page) == wanted, f"the list names {sorted(wanted)}", 120)
    finally:
        print(page.inner_text("#pr-audience"), page.inner_html(".pr-editor"))


def compose(page: Page) -> None:
    """Bold, a list, a link, a mention, a dropped picture and file, a template."""
    page.locator(".pr-templates summary").click()
    page.get_by_role("button", name="Sorry").click()
    page.get_by_role("button", name="Use it").click()
    editor = page.locator(".pr-editor")
    expect(editor).to_contain_text("We are sorry, Carla.")
    editor.press("Control+End")
    editor.press("Enter")
    page.keyboard.type("This is ")
    page.keyboard.press("Control+b")
    page.keyboard.type("important")
    page.keyboard.press("Control+b")
    page.keyboard.type(", see our ")
    page.get_by_role("button", name="Link", exact=True).first.click()
    page.locator("[data-link]").fill("help.northwind.example/corners")
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="List", exact=True).click()
    page.keyboard.type("a new poster")
    page.keyboard.press("Enter")
    page.keyboard.type("a tube")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("Yours, and @bob")
    page.locator(".pr-mentions [role=option]").wait_for()
    shot(page, "writing-mention")
    page.keyboard.press("Enter")
    page.keyboard.type("helps.")
    page.evaluate(DROP, [".pr-editor", "corner.png", "image/png", b64encode(DOT).decode()])
    expect(editor.locator("img")).to_have_count(1)
    page.evaluate(DROP, [".pr-actions", "label.pdf", "application/pdf", b64encode(b"%PDF-1.7").decode()])
    expect(page.locator("#pr-draft-files")).to_contain_text("label.pdf")


def test_a_whole_message_is_written_taken_back_and_sent_again(opened: Opened, record: Record, base: str) -> None:
    Parameter.objects.create(key="mail.undo.seconds", value="120")  # time enough on a busy machine
    page, faults = opened("wide")
    goes_to(page, {"Carla Conti"})  # the customer is ticked at first
    compose(page)
    page.get_by_label("Dora Dunn").check()
    wanted = {"Carla Conti", "Dora Dunn", "Bob Brandt"}
    goes_to(page, wanted)
    expect(page.locator("[data-state]")).to_have_text("Draft saved")
    shot(page, "writing-whole")

    page.reload()  # nothing is lost
    expect(page.locator(".pr-editor")).to_contain_text("a new poster")
    expect(page.locator(".pr-editor img")).to_have_js_property("complete", True)
    expect(page.locator("#pr-draft-files")).to_contain_text("label.pdf")
    page.get_by_label("Dora Dunn").check()
    goes_to(page, wanted)
    page.get_by_role("button", name="Send", exact=True).click()
    toast = page.locator(".pr-toast")
    toast.wait_for()
    shot(page, "writing-toast")
    expect(page.locator(".pr-editor")).to_have_text("")
    toast.get_by_role("button").click()
    expect(page.locator(".pr-editor")).to_contain_text("We are sorry, Carla.")
    expect(page.locator("#pr-draft-files")).to_contain_text("label.pdf")
    assert not LetterboxMail.objects.exists()

    Parameter.objects.update(value="1")
    goes_to(page, wanted)
    page.locator(".pr-editor").press("Control+Enter")
    wait_until(lambda: LetterboxMail.objects.count() == 3, "three mails were captured", 60)
    told = set(
        Notification.objects.filter(message=Message.objects.latest("id")).values_list("contact__name", flat=True)
    )
    assert told == wanted, "what the page said is what was done"
    wait_until(lambda: not Draft.objects.exists(), "the draft is gone")
    looks_right(parse(bytes(LetterboxMail.objects.get(to_address="carla@customer.example").raw)))
    letter = LetterboxMail.objects.get(to_address="dora@customer.example")
    page.goto(f"{base}/letterbox/{letter.pk}/")
    expect(page.frame_locator("iframe.pr-frame").first.locator("body")).to_contain_text("a new poster")
    shot(page, "writing-letter")
    assert Contact.objects.get(normal="dora@customer.example").name == "Dora Dunn"
    # the frame of what was taken back may be asked for a moment longer
    assert [one for one in faults if "404" not in one] == []


def looks_right(mail: Any) -> None:
    html = mail.html
    assert "<b>important</b>" in html
    assert 'href="https://help.northwind.example/corners"' in html
    assert "<ul>" in html
    assert html.count("<li>") == 2
    assert ">@Bob Brandt</span>" in html
    assert "We are sorry, Carla." in html
    assert 'src="cid:' in html
    assert "contenteditable" not in html
    assert "/draft/file/" not in html
    assert "\u200b" not in html
    assert "Alice, Northwind" in html
    assert mail.subject == "Re: About Poster"
    assert sorted(one.name for one in mail.attachments) == ["corner.png", "label.pdf"]


def test_an_answer_on_a_phone(opened: Opened, record: Record) -> None:
    Parameter.objects.create(key="mail.undo.seconds", value="0")
    page, faults = opened("narrow")
    page.locator(".pr-quote").first.click()
    expect(page.locator(".pr-editor blockquote")).to_contain_text("One corner is folded.")
    page.keyboard.type("A new one leaves today.")
    send = page.get_by_role("button", name="Send", exact=True)
    expect(send).to_be_in_viewport()
    toolbar = page.locator(".pr-toolbar")
    assert toolbar.evaluate("bar => bar.scrollWidth > bar.clientWidth"), "the tools scroll"
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")  # the page does not
    shot(page, "writing-phone")
    page.get_by_role("button", name="Full width").click()
    expect(send).to_be_in_viewport()
    shot(page, "writing-phone-full")
    send.click()
    wait_until(LetterboxMail.objects.exists, "the mail left", 60)
    html = parse(bytes(LetterboxMail.objects.get().raw)).html
    assert html.index("A new one leaves today.") < html.index("<blockquote>") < html.index("One corner is folded.")
    assert faults == []


def test_two_windows_do_not_overwrite_each_other_silently(opened: Opened, record: Record) -> None:
    one, _ = opened("wide")
    other, _ = opened("wide")
    one.locator(".pr-editor").fill("from the first window")
    expect(one.locator("[data-state]")).to_have_text("Draft saved")
    other.locator(".pr-editor").fill("from the second window")
    expect(other.locator(".pr-conflict")).to_be_visible()
    assert "first window" in Draft.objects.get().html
    shot(other, "writing-conflict")
    other.get_by_role("button", name="Show that one").click()
    expect(other.locator(".pr-editor")).to_have_text("from the first window")
    other.locator(".pr-editor").fill("the second again")
    expect(other.locator("[data-state]")).to_have_text("Draft saved")
    wait_until(lambda: "second again" in Draft.objects.get().html, "it is saved")
    one.locator(".pr-editor").fill("mine all the same")
    one.get_by_role("button", name="Keep what stands here").click()
    wait_until(lambda: "mine all the same" in Draft.objects.get().html, "the first window insisted")
