"""The inbound log, one mail's story, and what a person decides about held mail."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.core.terms.reasons import because
from postroom.store.models import (
    AliasDomain,
    AuditEvent,
    Company,
    Contact,
    InboundMessage,
    Member,
    Message,
    RawMail,
    Record,
    ReportedRecipient,
)
from postroom.wiring import ports
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
    places = [place for _, places in navigation(page.wsgi_request) for place in places]
    assert next(place for place in places if place.link == "/held/").waiting == "1"
    assert '<span class="pr-side-waiting">1</span>' in page.content.decode()


# ---- set aside, allowed, many at once, tried


def test_a_held_mail_is_set_aside_with_a_reason(window: Client, held: InboundMessage) -> None:
    assert window.post(f"/inbound/{held.pk}/discard/", {"why": " "})["Location"] == f"/inbound/{held.pk}/"
    assert window.post(f"/inbound/{held.pk}/discard/", {"why": "spam"})["Location"] == "/held/"
    held.refresh_from_db()
    assert held.state == "discarded"
    assert "Alice Archer set it aside: spam" in window.get(f"/inbound/{held.pk}/").content.decode()


def test_the_page_says_what_allowing_the_sender_would_do_and_does_it(window: Client, held: InboundMessage) -> None:
    assert "Always allow" not in window.get(f"/inbound/{held.pk}/").content.decode()
    window.post(f"/inbound/{held.pk}/allow/")
    assert "It was not its sender" in window.get("/held/").content.decode()
    why = {"code": "policy.no_known_contact", "facts": {"alias": "a@b.test", "author": "carla@customer.example"}}
    InboundMessage.objects.update(state="refused", verdict=[{"decision": "Refuse", "reasons": [why]}])
    assert "Makes a contact of the sender" in window.get(f"/inbound/{held.pk}/").content.decode()
    window.post(f"/inbound/{held.pk}/allow/")
    held.refresh_from_db()
    assert held.state == "received"
    assert Contact.objects.filter(normal="carla@customer.example", is_active=True).exists()


@pytest.mark.parametrize(("action", "state"), [("again", "received"), ("refuse", "refused"), ("discard", "discarded")])
def test_chosen_mails_are_settled_together(
    window: Client, held: InboundMessage, company: Company, action: str, state: str
) -> None:
    other = seeding.an_inbound(company, "Another", RAW, "held", header_from="carla@customer.example")
    done = seeding.an_inbound(company, "Done", RAW, "routed")
    window.post("/inbound/act/", {"action": action, "id": [held.pk, other.pk, done.pk], "back": "/held/"})
    assert list(InboundMessage.objects.order_by("id").values_list("state", flat=True)) == [state, state, "routed"]
    said = window.get("/held/").content.decode()
    assert "2 mails changed." in said
    assert "1 was left as it is." in said
    assert window.post("/inbound/act/", {"action": "dance"}).status_code == 404


def test_all_that_match_are_routed_again_and_the_page_says_how_far_it_is(
    window: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from postroom.flows import settle_inbound

    monkeypatch.setattr(settle_inbound, "BATCH", 2)
    for number in range(3):
        seeding.an_inbound(company, f"order {number}", RAW, "failed", error="KeyError")
    seeding.an_inbound(company, "other", RAW, "held")
    asked = {"action": "again", "every": "1", "q": "order", "state": "failed", "back": "/inbound/?state=failed"}
    first = window.post("/inbound/act/", asked).content.decode()
    assert "2 mails are routed again …" in first
    cursor = first.split('name="cursor" value="')[1].split('"')[0]
    more = {"q": "order", "state": "failed", "done": "2", "cursor": cursor, "back": "/inbound/?state=failed"}
    last = window.post("/inbound/again/", more, HTTP_HX_REQUEST="true", HTTP_HX_TARGET="pr-progress").content.decode()
    assert "3 mails are routed again." in last
    assert "<html" not in last
    assert 'name="cursor"' not in last
    assert sorted(InboundMessage.objects.values_list("subject", "state")) == [
        *((f"order {number}", "received") for number in range(3)),
        ("other", "held"),
    ]


def test_every_rule_is_told_on_demand_with_what_would_be_otherwise(window: Client, held: InboundMessage) -> None:
    piece = window.get(f"/inbound/{held.pk}/why/").content.decode()
    for words in (
        "It was not seen before.",
        "It is no report on a delivery.",
        "What its recipients mean",
        "it would be",
    ):
        assert words in piece, words
    RawMail.objects.all().delete()
    assert "cleaned up" in window.get(f"/inbound/{held.pk}/why/").content.decode()


def test_a_pasted_mail_is_tried_and_nothing_is_stored(signed_in: SignedIn, ada: Member) -> None:
    window = signed_in(ada)
    assert "Where would this mail go?" in window.get("/inbound/try/").content.decode()
    asked = {"mail": RAW.decode(), "rcpt": "nobody@else.example", "mail_from": "<carla@customer.example>"}
    page = window.post("/inbound/try/", asked).content.decode()
    for words in ("Refused", "nobody@else.example", "It was not seen before."):
        assert words in page, words
    assert not InboundMessage.objects.exists()
    for wrong in ({"mail": " "}, {"mail": "Subject: x\n\nHi", "door": "smtp"}):
        assert window.post("/inbound/try/", wrong).status_code == 422
    file = SimpleUploadedFile("a.eml", RAW)
    assert "Held" in window.post("/inbound/try/", {"file": file}).content.decode()


def test_who_sees_one_company_tries_no_mail_against_the_rules_of_all(
    window: Client, mallory: Member, signed_in: SignedIn
) -> None:
    assert window.get("/inbound/try/").status_code == 403
    assert window.post("/inbound/try/", {"mail": "Subject: x\n\nHi"}).status_code == 403


def test_the_log_is_narrowed(window: Client, held: InboundMessage, company: Company) -> None:
    seeding.an_inbound(company, "A bill", RAW, "routed", door="imap", mail_from="dora@partner.example")
    for query, shown, hidden in (
        ("q=QUESTION", "A question", "A bill"),
        ("sender=dora", "A bill", "A question"),
        ("door=imap", "A bill", "A question"),
        ("alias=info@postroom.test", "A question", "A bill"),
    ):
        rows = window.get(f"/inbound/?{query}", HTTP_HX_REQUEST="true").content.decode()
        assert shown in rows, query
        assert hidden not in rows, query
    assert window.get("/inbound/?door=window").status_code == 404
    assert "Nothing fits" in window.get("/inbound/?q=zzz&age=day").content.decode()


def test_home_warns_of_held_mail_that_will_be_forgotten(window: Client, held: InboundMessage) -> None:
    assert "forgotten within a week" not in window.get("/").content.decode()
    InboundMessage.objects.update(received_at=seeding.ago(days=55))
    assert "1 held mail will be forgotten within a week" in window.get("/").content.decode()


@pytest.mark.parametrize("state", ["failed", "held", "routed"])
def test_the_source_of_a_large_mail_is_downloaded_byte_for_byte_whatever_its_state(
    window: Client, company: Company, state: str
) -> None:
    raw = RAW + b"x" * 400_000
    mail = seeding.an_inbound(company, "large", b"", state)
    RawMail.objects.filter(inbound=mail).update(raw=None, sha256=ports().blobs.put(raw))
    assert window.get(f"/inbound/{mail.pk}/source/").content == raw
    RawMail.objects.filter(inbound=mail).update(sha256="0" * 64)
    assert window.get(f"/inbound/{mail.pk}/source/").status_code == 404
    assert window.get(f"/inbound/{mail.pk}/").status_code == 200


def test_a_source_that_was_refused_is_not_noted_as_read(
    signed_in: SignedIn, bob: Member, mallory: Member, held: InboundMessage, window: Client
) -> None:
    for who, code in ((bob, 403), (mallory, 404)):
        assert signed_in(who).get(f"/inbound/{held.pk}/source/").status_code == code
    assert not AuditEvent.objects.filter(what="source_read").exists()
    assert window.get(f"/inbound/{held.pk}/source/").status_code in (200, 404)
