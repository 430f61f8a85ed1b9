"""The inbound log, one mail's story, and what a person decides about held mail."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.core.terms.reasons import because
from postroom.store.models import (
    AliasDomain,
    Company,
    InboundMessage,
    Member,
    Message,
    RawMail,
    Record,
    ReportedRecipient,
)
from tests.web import seeding
from tests.web.conftest import SignedIn

RAW = seeding.a_mail(
    "Carla Conti <carla@customer.example>", "info@postroom.test", "A question", "Dear all,\r\n\r\nwhere is my parcel?"
)


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


@pytest.fixture
def held(company: Company) -> InboundMessage:
    company.alias_domain = AliasDomain.objects.create(name="postroom.test")
    company.save()
    why = because("No alias is called {name}.", name="info").as_json()
    return seeding.an_inbound(
        None,
        "A question",
        RAW,
        "held",
        mail_from="carla@customer.example",
        header_from="Carla Conti <carla@customer.example>",
        rcpt_to=["info@postroom.test"],
        verdict=[{"decision": "Hold", "reasons": [why]}],
    )


def test_the_log_tells_state_sender_subject_door_and_the_reason_as_a_sentence(
    window: Client, held: InboundMessage
) -> None:
    for place in ("/inbound/", "/inbound/?state=held", "/held/"):
        page = window.get(place).content.decode()
        for words in (
            "A question",
            "Carla Conti &lt;carla@customer.example&gt;",
            "SMTP",
            "Held",
            "No alias is called info.",
        ):
            assert words in page, (place, words)
    assert "A question" not in window.get("/inbound/?state=routed").content.decode()


def test_one_mail_is_shown_with_envelope_decision_body_and_headers(window: Client, held: InboundMessage) -> None:
    page = window.get(f"/inbound/{held.pk}/").content.decode()
    for words in (
        "Held for a person",
        "No alias is called info.",
        "&lt;carla@customer.example&gt;",
        "info@postroom.test",
        "Message-ID",
    ):
        assert words in page, words
    assert "where is my parcel?" in window.get(f"/inbound/{held.pk}/body/").content.decode()
    assert window.get(f"/inbound/{held.pk}/source/").content == RAW


def test_a_report_is_shown_with_what_its_reason_means_and_what_helps(window: Client, held: InboundMessage) -> None:
    said = {"inbound": held, "status": "5.2.2", "reply": "552 no room", "blame": "mailbox"}
    ReportedRecipient.objects.create(address="bob@box.test", action="failed", reason="mailbox_full", **said)
    ReportedRecipient.objects.create(address="old@box.test", action="failed", **said)  # kept before there were reasons
    page = window.get(f"/inbound/{held.pk}/").content.decode()
    assert page.count("The mailbox is full.") == 1
    assert "Try again in some days, or tell the person another way." in page
    assert page.count("552 no room") == 2


def test_a_mail_whose_bytes_were_cleaned_up_still_tells_its_story(window: Client, held: InboundMessage) -> None:
    RawMail.objects.all().delete()
    page = window.get(f"/inbound/{held.pk}/").content.decode()
    assert "was cleaned up" in page
    assert "No alias is called info." in page
    assert window.get(f"/inbound/{held.pk}/body/").status_code == 404
    assert window.get(f"/inbound/{held.pk}/source/").status_code == 404


def test_a_held_mail_is_attached_to_a_record(window: Client, held: InboundMessage, company: Company) -> None:
    record = seeding.a_record(company, "Parcel of Carla")
    found = window.get(f"/inbound/{held.pk}/find/", {"q": "parcel"}).content.decode()
    assert f'value="{record.pk}"' in found
    answer = window.post(f"/inbound/{held.pk}/attach/", {"record": record.pk})
    assert answer["Location"] == f"/records/{record.pk}/"
    held.refresh_from_db()
    assert held.state == "routed"
    assert Message.objects.get(inbound=held).record == record
    page = window.get(f"/inbound/{held.pk}/").content.decode()
    assert "Alice Archer put it on this record." in page
    assert "Where does it belong?" not in page


def test_a_held_mail_becomes_a_record(window: Client, held: InboundMessage) -> None:
    answer = window.post(f"/inbound/{held.pk}/create/", {"kind": "ticket"})
    record = Record.objects.get()
    assert answer["Location"] == f"/records/{record.pk}/"
    assert record.title == "A question"


def test_a_held_mail_is_refused(window: Client, held: InboundMessage) -> None:
    assert window.post(f"/inbound/{held.pk}/refuse/")["Location"] == "/held/"
    held.refresh_from_db()
    assert held.state == "refused"


def test_a_failed_mail_is_routed_again(window: Client, held: InboundMessage) -> None:
    InboundMessage.objects.update(state="failed", error="KeyError: 'boundary'", attempt_count=5)
    assert "KeyError" in window.get(f"/inbound/{held.pk}/").content.decode()
    window.post(f"/inbound/{held.pk}/again/")
    held.refresh_from_db()
    assert (held.state, held.attempt_count, held.error) == ("received", 0, "")


def test_who_comes_second_changes_nothing_and_is_told(window: Client, held: InboundMessage, company: Company) -> None:
    record = seeding.a_record(company, "Parcel")
    window.post(f"/inbound/{held.pk}/attach/", {"record": record.pk})
    for place, values in (
        ("attach", {"record": record.pk}),
        ("create", {"kind": "ticket"}),
        ("refuse", {}),
        ("again", {}),
    ):
        answer = window.post(f"/inbound/{held.pk}/{place}/", values)
        assert answer["Location"] == f"/inbound/{held.pk}/", place
    assert Message.objects.count() == 1
    assert "on a record already" in window.get("/held/").content.decode()


def test_a_mail_is_not_attached_to_a_record_of_another_company(
    window: Client, held: InboundMessage, mallory: Member
) -> None:
    record = seeding.a_record(mallory.company, "Secret")
    assert window.post(f"/inbound/{held.pk}/attach/", {"record": record.pk}).status_code == 404
    assert window.post(f"/inbound/{held.pk}/attach/", {"record": "x"}).status_code == 404
    assert window.post(f"/inbound/{held.pk}/create/", {"kind": "dragons"}).status_code == 404
    assert not Message.objects.exists()


def test_an_agent_decides_nothing_about_held_mail(signed_in: SignedIn, bob: Member, held: InboundMessage) -> None:
    window = signed_in(bob)
    for place in ("again", "attach", "create", "refuse"):
        assert window.post(f"/inbound/{held.pk}/{place}/", {"kind": "ticket", "record": "1"}).status_code == 403
    held.refresh_from_db()
    assert held.state == "held"


def test_the_number_of_held_mails_stands_in_the_sidebar(window: Client, held: InboundMessage) -> None:
    from postroom.web.navigation import navigation

    page = window.get("/")
    items = [item for group in navigation(page.wsgi_request) for item in group["items"]]
    assert next(item for item in items if item["link"] == "/held/")["badge"] == "1"
