"""The record's page: what is planned, what changed, who hears of what, one message by itself, paper, and people."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.core.terms.states import Role
from postroom.store.models import (
    Activity,
    Attachment,
    AuditEvent,
    Company,
    Contact,
    Follower,
    Member,
    Message,
    Record,
    RecordKind,
    Star,
)
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}


@pytest.fixture
def carla(company: Company) -> Contact:
    return seeding.a_contact("Carla Conti", "carla@customer.example", company)


@pytest.fixture
def record(company: Company, carla: Contact, alice: Member) -> Record:
    record = seeding.a_record(company, "Poster", contact=carla, stage="New")
    Follower.objects.create(record=record, contact=alice.contact, notes=True)
    Follower.objects.create(record=record, contact=carla)
    return record


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


def text(window: Client, place: str, **asked: object) -> str:
    answer = window.get(place, asked)
    assert answer.status_code == 200, place
    return str(answer.content.decode())


def shown(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<li class="pr-msg[^>]* id="message-(\d+)"', page)]


def a_plan(member: Member, **values: object) -> dict[str, object]:
    day = timezone.localdate() - timedelta(days=2)
    return {"kind": "call", "due_on": day.isoformat(), "assignee": member.pk, "summary": "Call Carla"} | values


# -- activities


def test_an_activity_is_planned_changed_and_done(window: Client, record: Record, bob: Member) -> None:
    piece = window.post(f"/records/{record.pk}/activities/", a_plan(bob, note="1 < 2"), headers=HTMX)
    assert piece["HX-Trigger"] == "postroom:changed"
    said = piece.content.decode()
    assert "Call Carla" in said
    assert "2 days late" in said
    assert "1 &lt; 2" in said
    row = Activity.objects.get()
    piece = window.post(f"/activities/{row.pk}/", a_plan(bob, act="change", summary="Write to Carla"), headers=HTMX)
    assert "Write to Carla" in piece.content.decode()
    piece = window.post(f"/activities/{row.pk}/", {"act": "done", "feedback": "She is <b>happy</b>"}, headers=HTMX)
    assert "Write to Carla" not in piece.content.decode()
    page = text(window, f"/records/{record.pk}/")
    assert "She is &lt;b&gt;happy&lt;/b&gt;" in page
    assert window.post(f"/activities/{row.pk}/", {"act": "done"}).status_code == 404, "it is over"


def test_a_day_that_is_none_is_said_to_be_none(window: Client, record: Record, bob: Member) -> None:
    piece = window.post(f"/records/{record.pk}/activities/", a_plan(bob, due_on="soon"), headers=HTMX)
    assert (piece.status_code, piece["X-Postroom-Piece"]) == (422, "1")
    assert "Choose a day." in piece.content.decode()
    plain = window.post(f"/records/{record.pk}/activities/", a_plan(bob, due_on="soon"))
    assert (plain.status_code, plain["Location"]) == (303, f"/records/{record.pk}/")


def test_activities_are_not_there_for_others(
    window: Client, record: Record, bob: Member, rita: Member, mallory: Member, signed_in: SignedIn
) -> None:
    window.post(f"/records/{record.pk}/activities/", a_plan(bob))
    row = Activity.objects.get()
    for place in (f"/records/{record.pk}/activities/", f"/activities/{row.pk}/"):
        assert signed_in(mallory).post(place, a_plan(mallory)).status_code == 404
        assert signed_in(rita).post(place, {"act": "done"} | a_plan(bob)).status_code == 403
    assert window.post(f"/records/{record.pk}/activities/", a_plan(mallory)).status_code == 404
    assert Activity.objects.get().state == "planned"


# -- head and followers


def test_contact_responsible_and_values_are_changed_in_the_head(
    window: Client, record: Record, company: Company, bob: Member, mallory: Member
) -> None:
    RecordKind.objects.filter(pk="ticket").update(value_names=["Copies", "Paper"], value_types={"Copies": "number"})
    piet = seeding.a_contact("Piet Conti", "piet@customer.example", company)
    change = f"/records/{record.pk}/change/"
    window.post(change, {"contact": piet.pk})
    window.post(change, {"responsible": bob.pk})
    window.post(change, {"values": "1", "value-0": "400", "value-1": "Kraft <b>"})
    record.refresh_from_db()
    assert (record.contact, record.responsible, record.values) == (piet, bob, {"Copies": 400, "Paper": "Kraft <b>"})
    page = text(window, f"/records/{record.pk}/")
    assert "Kraft &lt;b&gt;" in page
    assert f"/people/{piet.pk}/" in page
    refused = window.post(change, {"values": "1", "value-0": "many"}, follow=True)
    assert b"Copies: a number" in refused.content
    assert window.post(change, {"responsible": mallory.pk}).status_code == 404
    theirs = seeding.a_contact("Their Tom", "tom@else.example", mallory.company)
    assert window.post(change, {"contact": theirs.pk}).status_code == 404


def test_of_what_a_follower_hears_is_chosen_and_shown(
    window: Client, record: Record, carla: Contact, alice: Member
) -> None:
    place = f"/records/{record.pk}/subtypes/"
    piece = window.post(place, {"contact": alice.contact_id, "changes": "1", "activities": "1"}, headers=HTMX)
    assert "no messages" in piece.content.decode()
    row = Follower.objects.get(contact=alice.contact)
    assert (row.comments, row.notes, row.changes, row.activities) == (False, False, True, True)
    window.post(place, {"contact": carla.pk, "comments": "1", "notes": "1"}, headers=HTMX)
    assert not Follower.objects.get(contact=carla).notes
    assert window.post(place, {"contact": "9999"}).status_code == 404
    assert window.post(f"/records/{record.pk}/follow/", {"contact": "9999"}).status_code == 404


def test_following_and_leaving_is_offered_for_oneself(window: Client, record: Record, alice: Member) -> None:
    assert "Unfollow" in text(window, f"/records/{record.pk}/")
    piece = window.post(f"/records/{record.pk}/unfollow/", {"contact": alice.contact_id}, headers=HTMX)
    assert "Unfollow" not in piece.content.decode()
    assert "Follow" in piece.content.decode()


# -- the conversation


def test_earlier_messages_are_read_by_keyset_and_one_is_jumped_to(
    window: Client, record: Record, alice: Member
) -> None:
    made = [seeding.a_message(record, alice.contact, f"<p>{number}</p>").pk for number in range(60)]
    page = text(window, f"/records/{record.pk}/")
    seen = shown(page)
    assert seen == made[:-21:-1]
    while more := re.search(r'hx-get="([^"]+before=\d+)"', page):
        page = window.get(more[1], headers=HTMX).content.decode()
        seen += shown(page)
    assert seen == made[::-1]

    asked = made[10]
    answer = window.get(f"/message/{asked}/")
    assert (answer.status_code, answer["Location"]) == (303, f"/records/{record.pk}/?at={asked}#message-{asked}")
    page = text(window, f"/records/{record.pk}/", at=asked)
    assert shown(page)[5] == asked, "a few newer ones above it"
    assert "To the newest message" in page
    assert f'name="after" value="{made[-1]}"' in page
    assert shown(text(window, f"/records/{record.pk}/", at=made[-2])) == made[:-21:-1]
    assert "To the newest" not in text(window, f"/records/{record.pk}/", at=made[-2])
    assert shown(window.get(f"/records/{record.pk}/live/", {"after": made[5], "past": "1"}).content.decode()) == []


def test_days_stand_between_messages_once(window: Client, record: Record, alice: Member) -> None:
    for days in (40, 1, 1, 0, 0):
        seeding.a_message(record, alice.contact, "<p>x</p>", posted_at=timezone.now() - timedelta(days=days))
    lines = re.findall(r'<li class="pr-day"[^>]*><span>([^<]+)<', text(window, f"/records/{record.pk}/"))
    assert lines[:2] == ["Today", "Yesterday"]
    assert len(lines) == 3


def test_noise_is_hidden_and_what_is_starred_is_found(
    window: Client, record: Record, alice: Member, bob: Member, signed_in: SignedIn
) -> None:
    comment = seeding.a_message(record, alice.contact, "<p>c</p>").pk
    note = seeding.a_message(record, alice.contact, "<p>n</p>", kind="note").pk
    entry = seeding.a_message(record, alice.contact, "", kind="system", changes=[["Stage", "a", "b"]]).pk
    place = f"/records/{record.pk}/"
    assert shown(text(window, place)) == [entry, note, comment]
    assert shown(text(window, place, show="messages")) == [comment]
    assert shown(text(window, place, show="notes")) == [note]
    assert shown(text(window, place, show="dragons")) == [entry, note, comment]
    piece = window.post(f"/message/{note}/star/", {"on": "1"}, headers=HTMX).content.decode()
    assert 'aria-pressed="true"' in piece
    assert shown(text(window, place, show="starred")) == [note]
    assert shown(text(signed_in(bob), place, show="starred")) == [], "everybody for himself"
    window.post(f"/message/{note}/star/", {}, headers=HTMX)
    assert not Star.objects.exists()
    live = window.get(f"{place}live/", {"after": 0, "show": "notes"}).content.decode()
    assert shown(live) == [note]


def test_an_own_note_is_changed_and_taken_away_and_both_is_seen(
    window: Client, record: Record, alice: Member, bob: Member, signed_in: SignedIn
) -> None:
    note = seeding.a_message(record, alice.contact, "<p>She is angri</p>", kind="note")
    Attachment.objects.create(message=note, name="a.txt", size=1, sha256=ports().blobs.put(b"a"))
    assert "She is angri" in text(window, f"/message/{note.pk}/edit/")
    piece = window.post(
        f"/message/{note.pk}/edit/", {"html": "<p>She is angry<script>1</script></p>"}, headers=HTMX
    ).content.decode()
    assert "edited" in piece
    note.body.refresh_from_db()
    assert (note.body.html, note.body.text.strip()) == ("<p>She is angry</p>", "She is angry")
    empty = window.post(f"/message/{note.pk}/edit/", {"html": " "}, headers=HTMX)
    assert (empty.status_code, empty["X-Postroom-Piece"]) == (422, "1")

    assert signed_in(bob).get(f"/message/{note.pk}/edit/").status_code == 403
    assert signed_in(bob).post(f"/message/{note.pk}/remove/").status_code == 403
    piece = window.post(f"/message/{note.pk}/remove/", headers=HTMX).content.decode()
    assert "This note was deleted." in piece
    note.body.refresh_from_db()
    assert (note.body.html, note.body.text, Attachment.objects.count()) == ("", "", 0)
    assert window.post(f"/message/{note.pk}/edit/", {"html": "<p>x</p>"}).status_code == 403, "it is gone"


def test_messages_and_notes_of_mails_stay_as_they_are(
    window: Client, record: Record, alice: Member, company: Company
) -> None:
    comment = seeding.a_message(record, alice.contact, "<p>sent</p>")
    mailed = seeding.a_message(
        record, alice.contact, "<p>x</p>", kind="note", inbound=seeding.an_inbound(company, "x", b"x")
    )
    for one in (comment, mailed):
        assert window.post(f"/message/{one.pk}/edit/", {"html": "<p>y</p>"}).status_code == 403
        assert window.post(f"/message/{one.pk}/remove/").status_code == 403
    assert Message.objects.filter(body__html="<p>sent</p>").exists()


# -- the mail behind it


def test_the_source_of_what_came_in_and_of_what_left(
    window: Client, record: Record, carla: Contact, company: Company, mallory: Member, signed_in: SignedIn
) -> None:
    raw = seeding.a_mail("carla@customer.example", "support@postroom.test", "Poster", "<script>alert(1)</script>")
    came = seeding.a_message(record, carla, "<p>x</p>", inbound=seeding.an_inbound(company, "Poster", raw))
    page = text(window, f"/message/{came.pk}/source/")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    answer = window.get(f"/message/{came.pk}/source/", {"part": "0"})
    assert answer.content == raw
    assert answer["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer["Content-Security-Policy"]

    window.post(f"/records/{record.pk}/messages/", {"kind": "comment", "html": "<p>On its way</p>"}, headers=HTMX)
    sent = Message.objects.latest("id")
    raw = window.get(f"/message/{sent.pk}/source/", {"part": "0"}).content
    assert b"To: carla@customer.example" in raw
    assert b"On its way" in raw
    assert b"Return-Path" not in raw

    note = seeding.a_message(record, carla, "<p>x</p>", kind="note")
    assert "This never was a mail" in text(window, f"/message/{note.pk}/source/")
    assert window.get(f"/message/{came.pk}/source/", {"part": "7"}).status_code == 404
    for place in ("", "source/", "again/"):
        assert signed_in(mallory).get(f"/message/{came.pk}/{place}").status_code == 404


@pytest.mark.parametrize(
    ("name", "kind", "content", "served", "says"),
    [
        ("a.pdf", "application/pdf", b"%PDF-1.7 x", "application/pdf", "inline"),
        ("a.pdf", "application/pdf", b"<html>", "application/octet-stream", "attachment"),
        ("a.csv", "text/csv", "a,é".encode("latin-1"), "text/plain; charset=utf-8", "inline"),
        ("a.png", "image/png", b"png", "image/png", "inline"),
        ("a.svg", "image/svg+xml", b"<svg/>", "application/octet-stream", "attachment"),
        ("a.html", "text/html", b"<html>", "application/octet-stream", "attachment"),
    ],
)
def test_files_are_looked_at_only_where_that_is_safe(
    window: Client, record: Record, carla: Contact, name: str, kind: str, content: bytes, served: str, says: str
) -> None:
    message = seeding.a_message(record, carla, "<p>x</p>", attachment_count=1)
    file = Attachment.objects.create(
        message=message, name=name, content_type=kind, size=len(content), sha256=ports().blobs.put(content)
    )
    answer = window.get(f"/attachment/{file.pk}/", {"look": "1"})
    assert (answer["Content-Type"], answer["Content-Disposition"].split(";")[0]) == (served, says)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert ("sandbox" in answer["Content-Security-Policy"]) == (served != "application/pdf")
    if kind == "text/csv":
        assert answer.content.decode() == "a,é"


# -- merging, paper, people


def test_two_records_are_merged_after_a_question(
    window: Client, record: Record, company: Company, alice: Member, mallory: Member, signed_in: SignedIn
) -> None:
    kept = seeding.a_record(company, "The same poster")
    message = seeding.a_message(record, alice.contact, "<p>x</p>")
    place = f"/records/{record.pk}/merge/"
    found = window.get(place, {"q": "same"}, headers=HTMX).content.decode()
    assert f"into={kept.pk}" in found
    assert f"into={record.pk}" not in found
    question = text(window, place, into=kept.pk)
    assert "This cannot be undone." in question
    assert Message.objects.get(pk=message.pk).record == record, "asking merges nothing"
    answer = window.post(place, {"into": kept.pk})
    assert answer["Location"] == f"/records/{kept.pk}/"
    assert Message.objects.get(pk=message.pk).record == kept
    assert "This record was merged into another one" in text(window, f"/records/{record.pk}/")
    again = window.post(place, {"into": kept.pk}, follow=True)
    assert b"merged into another record already" in again.content
    assert signed_in(mallory).get(place).status_code == 404
    assert window.post(place, {"into": "99999"}).status_code == 404


def test_paper_has_everything_and_nothing_active(window: Client, record: Record, carla: Contact) -> None:
    message = seeding.a_message(
        record,
        carla,
        '<p style="color:red">Hello <img src="https://t.example/1.gif"><img src="cid:logo"></p>',
        addressed={"to": [["Support", "support@postroom.test"]], "cc": [["Piet", "piet@customer.example"]]},
        subject="<b>Poster</b>",
        attachment_count=2,
    )
    seeding.a_message(record, carla, "", kind="system", changes=[["Stage", "<i>a</i>", "b"]])
    for name, cid in (("plan.pdf", ""), ("logo.png", "logo")):
        Attachment.objects.create(
            message=message, name=name, size=4, sha256=ports().blobs.put(b"file"), content_id=cid, is_inline=bool(cid)
        )
    answer = window.get(f"/records/{record.pk}/print/")
    page = answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy
    assert "t.example" not in page
    logo = Attachment.objects.get(name="logo.png")
    assert f'src="/attachment/{logo.pk}/?inline=1"' in page
    for words in ("&lt;b&gt;Poster", "&lt;i&gt;a", "plan.pdf", "piet@customer.example", "Carla Conti"):
        assert words in page, words
    assert "logo.png" not in page
    noted = AuditEvent.objects.values_list("what", "subject", "detail")
    assert list(noted.filter(what="exported")) == [("exported", f"record {record.pk}", {"way": "print"})]
    assert "<script" not in page


def test_a_person_has_all_conversations_that_the_reader_may_see(
    window: Client, record: Record, carla: Contact, company: Company, mallory: Member, signed_in: SignedIn
) -> None:
    seeding.a_kind("lead", "Lead", "Leads")
    other = seeding.a_record(company, "120 lamps", kind="lead")
    Follower.objects.create(record=other, contact=carla)
    shared = seeding.a_contact("Shared Sam", "sam@else.example")
    seeding.a_record(company, "Ours with Sam", contact=shared)
    seeding.a_record(mallory.company, "Theirs with Sam", contact=shared)
    page = text(window, f"/people/{carla.pk}/")
    for words in ("Poster", "120 lamps", "Lead", "follows"):
        assert words in page, words
    assert "Ours with Sam" in text(window, f"/people/{shared.pk}/")
    assert "Theirs with Sam" not in text(window, f"/people/{shared.pk}/")
    assert signed_in(mallory).get(f"/people/{carla.pk}/").status_code == 404


def test_conversations_of_a_person_are_read_page_by_page(
    window: Client, company: Company, carla: Contact, alice: Member
) -> None:
    for number in range(120):
        one = seeding.a_record(
            company, f"R{number}", contact=carla if number % 2 else None, updated_at=seeding.ago(minutes=number // 3)
        )
        Follower.objects.create(record=one, contact=carla)
    page, seen = text(window, f"/people/{carla.pk}/"), []
    while True:
        seen += re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)
        more = re.search(r'hx-get="(\?after=[^"]+)"', page)
        if more is None:
            break
        page = window.get(f"/people/{carla.pk}/{more[1].replace('&amp;', '&')}", headers=HTMX).content.decode()
    assert len(seen) == len(set(seen)) == 120


def test_a_reader_sees_it_all_and_changes_nothing(
    record: Record, alice: Member, signed_in: SignedIn, rita: Member
) -> None:
    note = seeding.a_message(record, alice.contact, "<p>x</p>", kind="note")
    assert rita.role == Role.READ_ONLY
    window = signed_in(rita)
    page = text(window, f"/records/{record.pk}/")
    for words in ("Plan an activity", "Merge into", "Edit values", "Edit note", "Change the contact"):
        assert words not in page, words
    for place in (f"/message/{note.pk}/edit/", f"/records/{record.pk}/merge/"):
        assert window.get(place).status_code == 403
    assert window.post(f"/message/{note.pk}/star/", {"on": "1"}).status_code == 303, "a star is his own matter"
