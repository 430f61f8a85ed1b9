"""A message that did not arrive: Alice sees it on Home, reads what went wrong, corrects the address, Send & close, and it arrives.

All with the keyboard, in the dialog of the envelope; the deliverer is the real one, and what it sends is captured in the Letterbox.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from postroom.core.mime.composing import render_body
from postroom.core.terms.states import Role
from postroom.store.models import AliasDomain, Contact, Delivery, LetterboxMail, OutgoingContent
from tests.e2e.journeys.looking import at_desk, opened, shot
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser
from tests.web.served import served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]

RIGHT = "carla.conti@customer.example"


def a_failure() -> None:
    company = seeding.a_company()
    company.alias_domain = AliasDomain.objects.create(name="postroom.test", plus_addresses_arrive=True)
    company.save()
    seeding.a_kind(stages=["New", "Solved"])
    alice = seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)
    seeding.a_server("Letterbox", transport="letterbox", host="", port=25, encryption="none")
    relay = seeding.a_server("Own relay", is_active=False)
    carla = seeding.a_contact("Carla Conti", "carla.cont@customer.example", company)
    record = seeding.a_record(company, "Poster with a folded corner", contact=carla)
    message = seeding.a_message(record, alice.contact, "<p>It was sent again.</p>")
    said = "550 5.1.1 <carla.cont@customer.example>: Recipient address rejected: User unknown"
    told = seeding.a_notification(
        message, carla, "exception", failure_type="mail_smtp", failure_reason=f"The server said: {said}"
    )
    row = seeding.a_delivery(
        company, carla.address, "failed", message=message, notification=told, blame="address", failure_reason=said, server=relay
    )  # fmt: skip
    seeding.an_attempt(row, "failed", 550, "5.1.1", said.removeprefix("550 5.1.1 "), server=relay)
    body = render_body(text="It was sent again.")
    OutgoingContent.objects.create(mail=row.mail, content_headers=body.content_headers, body=body.body)


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_a_failure_is_understood_mended_and_arrives(size: str) -> None:
    a_failure()
    with (
        served("deliverer") as base,
        a_browser() as browser,
        at_desk(browser, base, "alice", size, expected=(422,)) as page,  # the refused address
    ):
        opened(page, base)
        expect(page.get_by_text("1 of your messages was not delivered").first).to_be_visible()
        expect(page.locator("figure.pr-chart")).to_have_count(4)
        shot(page, f"failure-home-{size}")

        page.get_by_role("link", name="Handle").focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Who got it, and who did not")
        expect(dialog.get_by_text("There is no such mailbox at this domain.").first).to_be_visible()
        dialog.get_by_text("See error details").focus()
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("the fault lies with the address")).to_be_visible()
        expect(dialog.locator(".pr-verbatim")).to_contain_text("550 5.1.1 <carla.cont@customer.example>")
        keep = dialog.get_by_label("Also correct it on the contact")
        expect(keep).to_be_hidden()  # it asks when there is something to keep
        address = dialog.get_by_label("Address of Carla Conti")
        address.fill("carla at home")
        expect(keep).to_be_visible()
        shot(page, f"failure-dialog-{size}")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("One of the addresses is none")
        dialog.get_by_label("Address of Carla Conti").fill(RIGHT)
        dialog.get_by_role("button", name="Send & close").click()

        expect(dialog).to_be_hidden()
        expect(page.get_by_text("was not delivered")).to_have_count(0)
        wait_until(LetterboxMail.objects.filter(to_address=RIGHT).exists, "it arrives")
        wait_until(Delivery.objects.filter(to_address=RIGHT, state="sent").exists, "it is written down that it left")
        page.goto(f"{base}/records/ticket/")
        page.get_by_role("link", name="Poster with a folded corner").first.click()
        envelope = page.locator("a[id^=envelope-]")
        expect(envelope).not_to_have_class("red")
        envelope.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Who got it")
        expect(dialog.get_by_text(RIGHT)).to_be_visible()
        expect(dialog.locator(".pr-badge.pr-ok")).to_contain_text("Sent")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(envelope).to_be_focused()
    assert Contact.objects.get(name="Carla Conti").normal == RIGHT
