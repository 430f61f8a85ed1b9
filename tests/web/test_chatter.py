"""Writing on a record, who hears of it, the envelope, and what changes while the page stands open."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.store.models import (
    AliasDomain,
    Attachment,
    Company,
    Contact,
    Delivery,
    Follower,
    Member,
    Message,
    Notification,
    OutgoingContent,
    Record,
)
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}


@pytest.fixture
def carla(company: Company) -> Contact:
    return seeding.a_contact("Carla Conti", "carla@customer.example", company)


@pytest.fixture
def record(company: Company, carla: Contact, alice: Member, bob: Member) -> Record:
    """Alice (by mail), Bob (in the app) and Carla follow it."""
    company.alias_domain = AliasDomain.objects.create(name="postroom.test")
    company.save()
    Member.objects.filter(pk=bob.pk).update(channel="inbox")
    record = seeding.a_record(company, "Poster", contact=carla, stage="New")
    for contact, notes in ((alice.contact, True), (bob.contact, True), (carla, False)):
        Follower.objects.create(record=record, contact=contact, notes=notes)
    return record


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


def write(window: Client, record: Record, **values: object) -> object:
    return window.post(f"/records/{record.pk}/messages/", values, headers=HTMX)


def heard(message: Message) -> set[tuple[str, str]]:
    return set(message.notifications.values_list("contact__name", "channel"))


def test_a_message_reaches_the_followers_and_not_its_author(window: Client, record: Record) -> None:
    answer = write(window, record, kind="comment", html="<p>Hello <b>Carla</b><script>alert(1)</script></p>")
    assert answer.status_code == 200
    assert answer["HX-Trigger"] == "postroom:changed"
    message = Message.objects.get()
    assert message.body.html == "<p>Hello <b>Carla</b></p>"
    assert heard(message) == {("Bob Brandt", "inbox"), ("Carla Conti", "mail")}


def test_a_note_stays_in_the_house(window: Client, record: Record, carla: Contact) -> None:
    Follower.objects.filter(contact=carla).update(notes=True)
    write(window, record, kind="note", html="<p>She is angry</p>", to_customer="1", extra=str(carla.pk))
    message = Message.objects.get()
    assert message.kind == "note"
    assert heard(message) == {("Bob Brandt", "inbox")}


def test_what_is_in_doubt_becomes_a_note(window: Client, record: Record) -> None:
    write(window, record, kind="shout", html="<p>x</p>")
    assert Message.objects.get().kind == "note"


@pytest.mark.parametrize("kind", ["comment", "note"])
@pytest.mark.parametrize("to_customer", ["", "1"])
@pytest.mark.parametrize("follows", [True, False])
def test_the_preview_names_exactly_those_who_will_hear(
    window: Client, record: Record, carla: Contact, kind: str, to_customer: str, follows: bool
) -> None:
    if not follows:
        Follower.objects.filter(contact=carla).delete()
    piet = seeding.a_contact("Piet Conti", "piet@customer.example", record.company)
    asked = {"kind": kind, "to_customer": to_customer, "extra": str(piet.pk), "asked": "1"}
    preview = window.get(f"/records/{record.pk}/audience/", asked).content.decode()
    named = set(re.findall(r'<span class="pr-chip.*?<span class="pr-cut">([^<]+)</span>', preview, re.DOTALL))
    write(window, record, html="<p>x</p>", **asked)
    assert named == {name for name, _ in heard(Message.objects.get())}


def test_without_scripts_the_plain_text_is_sent(window: Client, record: Record) -> None:
    answer = window.post(
        f"/records/{record.pk}/messages/", {"kind": "comment", "text": "1 < 2\nsecond line", "html": ""}
    )
    assert (answer.status_code, answer["Location"]) == (303, f"/records/{record.pk}/")
    html = Message.objects.get().body.html
    assert "1 &lt; 2" in html
    assert "<br" in html


def test_nothing_is_written_without_a_word(window: Client, record: Record) -> None:
    write(window, record, kind="comment", html="  ", text=" \n ")
    assert not Message.objects.exists()


def test_files_go_with_it(window: Client, record: Record) -> None:
    files = [
        SimpleUploadedFile("plan.pdf", b"%PDF", "application/pdf"),
        SimpleUploadedFile("a.png", b"png", "image/png"),
    ]
    write(window, record, kind="comment", html="", files=files)
    message = Message.objects.get()
    assert message.attachment_count == 2
    plan = Attachment.objects.get(name="plan.pdf")
    page = window.get(f"/records/{record.pk}/").content.decode()
    assert f"/attachment/{plan.pk}/" in page
    assert window.get(f"/attachment/{plan.pk}/").content == b"%PDF"


def test_too_many_files_are_refused_in_words_and_nothing_is_sent(window: Client, record: Record) -> None:
    files = [SimpleUploadedFile(f"{number}.txt", b"x") for number in range(21)]
    answer = write(window, record, kind="comment", html="<p>x</p>", files=files)
    assert answer.status_code == 422
    assert b"at most 20 files" in answer.content
    assert not Message.objects.exists()


def test_who_reads_only_cannot_write(record: Record, signed_in: SignedIn, rita: Member) -> None:
    assert write(signed_in(rita), record, kind="note", html="<p>x</p>").status_code == 403
    assert not Message.objects.exists()


def test_nobody_writes_on_records_of_another_company(record: Record, signed_in: SignedIn, mallory: Member) -> None:
    window = signed_in(mallory)
    assert write(window, record, kind="note", html="<p>x</p>").status_code == 404
    assert window.post(f"/records/{record.pk}/follow/", {"contact": mallory.contact_id}).status_code == 404
    assert window.post(f"/records/{record.pk}/change/", {"title": "mine"}).status_code == 404
    assert not Message.objects.exists()


def test_contacts_of_another_company_cannot_be_written_to(window: Client, record: Record, mallory: Member) -> None:
    stranger = seeding.a_contact("Stranger", "stranger@else.example", mallory.company)
    write(window, record, kind="comment", html="<p>x</p>", extra=str(stranger.pk))
    assert "Stranger" not in {name for name, _ in heard(Message.objects.get())}


# -- the envelope


@pytest.fixture
def failed(record: Record, alice: Member, carla: Contact, bob: Member) -> Notification:
    message = seeding.a_message(record, alice.contact, "<p>x</p>")
    seeding.a_notification(message, bob.contact, channel="inbox")
    reason = "550 5.1.1 <carla@customer.example>: no such user"
    told = seeding.a_notification(message, carla, "bounce", failure_type="mail_bounce", failure_reason=reason)
    seeding.a_delivery(record.company, carla.normal, "bounced", message=message, notification=told)
    return told


def icon(window: Client, record: Record) -> str:
    page = window.get(f"/records/{record.pk}/").content.decode()
    found = re.search(r'<a id="envelope-\d+" class="(\w*)"', page)
    assert found is not None
    return found[1]


def test_the_envelope_is_red_while_somebody_did_not_get_it(
    window: Client, record: Record, failed: Notification
) -> None:
    assert icon(window, record) == "red"
    failed.state = "sent"
    failed.save()
    assert icon(window, record) == ""


def test_a_click_lists_failures_first_with_the_reason_verbatim(
    window: Client, record: Record, failed: Notification
) -> None:
    panel = window.get(f"/message/{failed.message_id}/recipients/").content.decode()
    assert panel.index("Carla Conti") < panel.index("Bob Brandt")
    assert "550 5.1.1 &lt;carla@customer.example&gt;: no such user" in panel
    assert "See error details" in panel
    assert "in the app" in panel


def test_ignore_all_turns_it_white(window: Client, record: Record, failed: Notification) -> None:
    window.post(f"/message/{failed.message_id}/ignore/", headers=HTMX)
    failed.refresh_from_db()
    assert failed.state == "canceled"
    assert icon(window, record) == ""


def test_send_and_close_tries_again_at_the_corrected_address(
    window: Client, record: Record, failed: Notification
) -> None:
    values = {"retry": str(failed.pk), f"address-{failed.pk}": "carla.conti@customer.example"}
    assert window.post(f"/message/{failed.message_id}/resend/", values, headers=HTMX).status_code == 200
    failed.refresh_from_db()
    assert failed.state == "ready"
    assert failed.contact.normal == "carla.conti@customer.example"
    assert icon(window, record) == ""


def test_an_address_that_is_none_is_said_and_nothing_is_sent(
    window: Client, record: Record, failed: Notification
) -> None:
    values = {"retry": str(failed.pk), f"address-{failed.pk}": "carla at home"}
    panel = window.post(f"/message/{failed.message_id}/resend/", values, headers=HTMX).content.decode()
    assert "One of the addresses is none" in panel
    failed.refresh_from_db()
    assert failed.state == "bounce"


def test_who_reads_only_sees_the_failure_but_no_buttons(
    record: Record, failed: Notification, signed_in: SignedIn, rita: Member
) -> None:
    window = signed_in(rita)
    panel = window.get(f"/message/{failed.message_id}/recipients/").content.decode()
    assert "550 5.1.1" in panel
    assert "<footer>" not in panel
    assert window.post(f"/message/{failed.message_id}/ignore/", headers=HTMX).status_code == 403


# -- reading on, and what arrives


def test_a_long_conversation_is_read_page_by_page_each_message_once(
    window: Client, record: Record, alice: Member
) -> None:
    written = [seeding.a_message(record, alice.contact, f"<p>{number}</p>").pk for number in range(45)]
    page = window.get(f"/records/{record.pk}/").content.decode()
    seen = [int(number) for number in re.findall(r'id="message-(\d+)"', page)]
    while more := re.search(r"messages/\?before=(\d+)", page):
        page = window.get(f"/records/{record.pk}/messages/", {"before": more[1]}, headers=HTMX).content.decode()
        seen += [int(number) for number in re.findall(r'id="message-(\d+)"', page)]
    assert seen == sorted(written, reverse=True)


def test_what_arrives_is_put_on_top_once_and_envelopes_are_kept_up_to_date(
    window: Client, record: Record, failed: Notification, alice: Member
) -> None:
    old = failed.message_id
    new = seeding.a_message(record, alice.contact, "<p>new</p>").pk
    Notification.objects.filter(pk=failed.pk).update(state="sent")
    piece = window.get(f"/records/{record.pk}/live/", {"after": old, "from": old}, headers=HTMX).content.decode()
    assert re.findall(r'<li class="[^"]*" id="message-(\d+)"', piece) == [str(new)]
    assert f'id="envelope-{old}" class=""' in piece
    assert f'name="after" value="{new}"' in piece
    assert f'name="from" value="{old}"' in piece
    again = window.get(f"/records/{record.pk}/live/", {"after": new, "from": old}, headers=HTMX).content.decode()
    assert 'id="message-' not in again


def test_what_was_changed_is_told_as_before_and_after(window: Client, record: Record) -> None:
    window.post(f"/records/{record.pk}/change/", {"stage": "Solved"})
    page = window.get(f"/records/{record.pk}/").content.decode()
    assert "Stage: " in page
    assert '<span class="pr-was">New</span>' in page


def test_an_incoming_mail_says_why_it_is_here_and_whether_it_is_proven(
    window: Client, record: Record, carla: Contact
) -> None:
    from postroom.core.terms.reasons import because

    why = because("The envelope names {alias}.", alias="support@postroom.test")
    verdict = [{"decision": "CreateRecord", "reasons": [why.as_json()]}]
    came = seeding.an_inbound(record.company, "Poster", b"x", verdict=verdict)
    seeding.a_message(
        record, carla, "<p>x</p>", inbound=came, is_unverified=True, addressed={"cc": [["Piet", "piet@x.example"]]}
    )
    page = window.get(f"/records/{record.pk}/").content.decode()
    assert "The envelope names support@postroom.test." in page
    assert "unverified" in page
    assert "Piet" in page


def test_a_customers_answer_does_not_show_the_address_that_brought_it_back_as_a_person(
    window: Client, record: Record, carla: Contact
) -> None:
    to = [["Mail Works · Poster", "support+k7d2m@postroom.test"], ["Piet", "piet@customer.example"]]
    cc = [["Mail Works · Poster", "catchall@postroom.test"], ["Sales of Mail Works", "sales@postroom.test"]]
    seeding.a_message(record, carla, "<p>x</p>", addressed={"to": to, "cc": cc})
    page = window.get(f"/records/{record.pk}/").content.decode()
    assert "Mail Works · Poster" not in page
    assert "catchall@" not in page
    assert '<span title="piet@customer.example">Piet</span>' in page
    assert '<span title="sales@postroom.test">sales@postroom.test</span>' in page


def test_the_list_of_recipients_says_what_kind_of_failure_it_is(window: Client, failed: Notification) -> None:
    panel = window.get(f"/message/{failed.message_id}/recipients/").content.decode()
    assert '<b class="pr-text-bad">Bounced</b>' in panel


@pytest.fixture
def in_doubt(record: Record, alice: Member, carla: Contact) -> Delivery:
    """A delivery of Alice's message to Carla whose outcome nobody knows."""
    message = seeding.a_message(record, alice.contact, "<p>x</p>")
    told = seeding.a_notification(message, carla, "exception", failure_type="unknown")
    row = seeding.a_delivery(record.company, carla.normal, "unknown", message=message, notification=told)
    OutgoingContent.objects.create(mail=row.mail, content_headers=b"", body=b"x")
    return row


def test_an_unknown_outcome_is_not_sent_again_unless_somebody_chooses_it(window: Client, in_doubt: Delivery) -> None:
    panel = window.get(f"/message/{in_doubt.mail.message_id}/recipients/").content.decode()
    assert "Did it arrive?" in panel
    assert f'href="/queue/{in_doubt.pk}/"' in panel
    assert 'name="retry"' not in panel
    assert "the recipient gets it twice" in panel
    window.post(f"/message/{in_doubt.mail.message_id}/resend/", {"unknown": in_doubt.notification_id}, headers=HTMX)
    in_doubt.refresh_from_db()
    assert (in_doubt.state, Delivery.objects.count()) == ("unknown", 1)
    assert Notification.objects.get(pk=in_doubt.notification_id).state == "exception"  # it stays red


@pytest.mark.parametrize(
    ("choice", "told", "states"), [("arrived", "sent", ["sent"]), ("again", "ready", ["cancelled", "queued"])]
)
def test_in_the_envelope_a_manager_says_that_it_arrived_or_sends_it_again(
    window: Client, in_doubt: Delivery, choice: str, told: str, states: list[str]
) -> None:
    number = in_doubt.notification_id
    form = {"unknown": number, f"decision-{number}": choice}
    answer = window.post(f"/message/{in_doubt.mail.message_id}/resend/", form, headers=HTMX)
    assert answer.status_code == 200, answer.content.decode()
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == states
    assert Notification.objects.get(pk=number).state == told
    assert [one.decision for one in in_doubt.resolutions.all()] == [choice]


def test_who_may_not_act_on_the_queue_decides_nothing_about_an_unknown_outcome(
    signed_in: SignedIn, bob: Member, in_doubt: Delivery
) -> None:
    Member.objects.filter(pk=bob.pk).update(role="agent")
    window, number = signed_in(bob), in_doubt.notification_id
    assert f"decision-{number}" not in window.get(f"/message/{in_doubt.mail.message_id}/recipients/").content.decode()
    form = {"unknown": number, f"decision-{number}": "again"}
    assert window.post(f"/message/{in_doubt.mail.message_id}/resend/", form, headers=HTMX).status_code == 403
    in_doubt.refresh_from_db()
    assert (in_doubt.state, Delivery.objects.count()) == ("unknown", 1)


def test_the_list_of_recipients_is_called_what_it_shows(
    window: Client, record: Record, alice: Member, carla: Contact
) -> None:
    message = seeding.a_message(record, alice.contact, "<p>x</p>")
    told = seeding.a_notification(message, carla, "ready")
    for state, title in (("ready", "Who gets it"), ("sent", "Who got it"), ("bounce", "Who got it, and who did not")):
        Notification.objects.filter(pk=told.pk).update(state=state)
        page = window.get(f"/message/{message.pk}/recipients/", headers=HTMX).content.decode()
        assert f'id="pr-dialog-title">{title}</h2>' in page
        assert page.count(carla.address) <= 3  # as text, or in the field that corrects it


def test_t_205_my_failed_messages_are_those_that_i_wrote(
    window: Client, record: Record, failed: Notification, signed_in: SignedIn, bob: Member
) -> None:
    seeding.a_record(record.company, "Nothing failed here")
    page = window.get("/records/?who=failed").content.decode()
    assert ">Poster<" in page
    assert "Nothing failed here" not in page
    assert ">Poster<" not in signed_in(bob).get("/records/?who=failed").content.decode()
    assert "1 of your messages was not delivered" in window.get("/").content.decode()
    assert "not delivered" not in signed_in(bob).get("/").content.decode()
    window.post(f"/message/{failed.message_id}/ignore/", headers=HTMX)
    assert ">Poster<" not in window.get("/records/?who=failed").content.decode()


# -- undo


def undo_button(page: str) -> bool:
    return 'class="pr-undo"' in page


def test_its_author_sees_undo_and_nobody_else(window: Client, record: Record, signed_in: SignedIn, bob: Member) -> None:
    write(window, record, kind="comment", html="<p>x</p>")
    place = f"/records/{record.pk}/"
    assert undo_button(window.get(place).content.decode())
    assert not undo_button(signed_in(bob).get(place).content.decode())
    Message.objects.update(undo_until=seeding.ago(seconds=1))
    assert not undo_button(window.get(place).content.decode())


def test_what_is_taken_back_comes_back_into_the_composer_and_leaves_the_open_pages(
    window: Client, record: Record, alice: Member
) -> None:
    old = seeding.a_message(record, alice.contact, "<p>old</p>").pk
    write(window, record, kind="note", html="<p>Too <b>fast</b></p>")
    new = Message.objects.latest("id").pk
    answer = window.post(f"/message/{new}/undo/", headers=HTMX)
    assert answer["HX-Trigger"] == "postroom:changed"
    composer = window.get(f"/records/{record.pk}/composer/", headers=HTMX).content.decode()
    assert '<template class="pr-initial"><p>Too <b>fast</b></p></template>' in composer
    assert 'name="kind" value="note" checked' in composer
    piece = window.get(f"/records/{record.pk}/live/", {"after": new, "from": old}, headers=HTMX).content.decode()
    assert f'data-there="{old} " data-until="{new}"' in piece


def test_without_scripts_undo_gives_the_text_back_until_it_is_sent(window: Client, record: Record) -> None:
    write(window, record, kind="note", html="<p>Too fast</p>")
    place = f"/records/{record.pk}/"
    assert window.post(f"/message/{Message.objects.get().pk}/undo/")["Location"] == place
    page = window.get(place).content.decode()
    assert ">Too fast</textarea>" in page
    assert 'value="note" checked' in page
    write(window, record, kind="note", text="Slower")
    assert ">Too fast</textarea>" not in window.get(place).content.decode()


def test_too_late_is_said_and_nothing_is_removed(window: Client, record: Record) -> None:
    write(window, record, kind="comment", html="<p>x</p>")
    Message.objects.update(undo_until=seeding.ago(seconds=1))
    number = Message.objects.get().pk
    answer = window.post(f"/message/{number}/undo/", headers=HTMX)
    assert answer.status_code == 409
    assert b"too late" in answer.content
    assert Message.objects.filter(pk=number).exists()


def test_nobody_takes_back_what_another_wrote(
    window: Client, record: Record, signed_in: SignedIn, bob: Member, mallory: Member
) -> None:
    write(window, record, kind="comment", html="<p>x</p>")
    place = f"/message/{Message.objects.get().pk}/undo/"
    assert signed_in(bob).post(place, headers=HTMX).status_code == 409
    assert signed_in(mallory).post(place, headers=HTMX).status_code == 404
    assert Message.objects.exists()
