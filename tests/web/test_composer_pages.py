"""The composer's pages: drafts and files by their addresses, who receives it, mentions, quotations, templates; as owner, colleague, stranger."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.core.terms.states import Role
from postroom.store.models import (
    Attachment,
    Contact,
    Draft,
    DraftFile,
    Follower,
    MailTemplate,
    Member,
    Message,
    Record,
    ScheduledMessage,
)
from tests.web import seeding
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def carla(company: Any) -> Contact:
    return seeding.a_contact("Carla Conti", "carla@customer.example", company)


@pytest.fixture
def record(company: Any, carla: Contact, bob: Member) -> Record:
    record = seeding.a_record(company, "Poster", contact=carla)
    Follower.objects.create(record=record, contact=bob.contact, notes=True)
    return record


@pytest.fixture
def window(alice: Member, signed_in: SignedIn) -> Client:
    return signed_in(alice)


def place(record: Record, rest: str = "") -> str:
    return f"/records/{record.pk}/{rest}"


def upload(window: Client, record: Record, name: str, content: bytes, kind: str, **more: str) -> Any:
    file = SimpleUploadedFile(name, content, kind)
    return window.post(place(record, "draft/files/"), {"file": file, **more}, headers=HTMX)


def test_a_draft_is_saved_shown_sent_and_gone(window: Client, record: Record) -> None:
    said = window.post(place(record, "draft/"), {"html": "<p>Dear <b>Carla</b></p>", "kind": "comment", "version": "0"})
    assert said.json() == {"version": 1}
    late = window.post(place(record, "draft/"), {"html": "<p>other</p>", "kind": "comment", "version": "0"})
    assert (late.status_code, late.json()["version"]) == (409, 1)
    upload(window, record, "plan.pdf", b"%PDF", "application/pdf")
    picture = upload(window, record, "dot.png", PNG, "image/png", inline="1").json()["place"]
    page = window.get(place(record)).content.decode()
    assert '<template class="pr-initial"><p>Dear <b>Carla</b></p></template>' in page
    assert "plan.pdf" in page
    number = DraftFile.objects.get(name="plan.pdf").pk
    html = f'<p>See <img src="{picture}" alt="dot"></p>'
    answer = window.post(place(record, "messages/"), {"kind": "comment", "html": html, "file": number}, headers=HTMX)
    assert answer.status_code == 200
    assert b"pr-toast" in answer.content
    assert not Draft.objects.exists()
    files = dict(Attachment.objects.values_list("name", "is_inline"))
    assert files == {"plan.pdf": False, "dot.png": True}
    assert f'src="cid:{Attachment.objects.get(name="dot.png").content_id}"' in Message.objects.get().body.html


def test_a_picture_in_a_draft_is_named_by_cid_and_shown_from_its_place(window: Client, record: Record) -> None:
    where = upload(window, record, "dot.png", PNG, "image/png", inline="1").json()["place"]
    window.post(place(record, "draft/"), {"html": f'<p><img src="{where}"></p>', "kind": "note", "version": "0"})
    assert "cid:" in Draft.objects.get().html
    assert f'src="{where}"' in window.get(place(record, "composer/")).content.decode()
    shown = window.get(where)
    assert (shown["Content-Type"], shown.content) == ("image/png", PNG)


def test_a_file_that_goes_as_a_link_says_so(window: Client, record: Record) -> None:
    answer = upload(window, record, "film.mp4", b"x" * 11_000_000, "video/mp4").content.decode()
    assert "goes as a link" in answer
    assert (
        "goes as a link" not in upload(window, record, "a.txt", b"x", "text/plain").content.decode().split("a.txt")[1]
    )


@pytest.mark.parametrize("who", ["bob", "rita", "mallory"])
def test_nobody_else_comes_near_a_draft(
    window: Client, record: Record, signed_in: SignedIn, who: str, request: pytest.FixtureRequest
) -> None:
    window.post(place(record, "draft/"), {"html": "<p>only for me</p>", "kind": "note", "version": "0"})
    upload(window, record, "plan.pdf", b"%PDF", "application/pdf")
    file = DraftFile.objects.get()
    other = signed_in(request.getfixturevalue(who))
    assert other.get(f"/draft/file/{file.pk}/").status_code == 404
    other.post(place(record, f"draft/files/{file.pk}/remove/"), headers=HTMX)
    other.post(place(record, "draft/discard/"), headers=HTMX)
    other.post(place(record, "messages/"), {"kind": "note", "html": "<p>x</p>", "file": file.pk}, headers=HTMX)
    assert Draft.objects.get(pk=file.draft_id).files.count() == 1
    assert not Attachment.objects.exists(), "nobody sends another's files"
    assert "only for me" not in other.get(place(record)).content.decode()


def test_strangers_get_nothing_from_the_composer(
    record: Record, mallory: Member, rita: Member, signed_in: SignedIn
) -> None:
    message = seeding.a_message(record, record.contact, "<p>secret</p>")  # type: ignore[arg-type]
    elsewhere, reader = signed_in(mallory), signed_in(rita)
    for rest in ("composer/", "audience/?kind=comment", "mentionable/?q=bob", "templates/"):
        assert elsewhere.get(place(record, rest)).status_code == 404, rest
    assert elsewhere.get(f"/message/{message.pk}/quote/").status_code == 404
    assert elsewhere.post(place(record, "draft/"), {"html": "x", "kind": "note"}).status_code == 404
    for rest in ("composer/", "audience/?kind=comment"):
        assert reader.get(place(record, rest)).status_code == 403, rest
    assert reader.post(place(record, "draft/"), {"html": "x", "kind": "note"}).status_code == 403
    assert upload(reader, record, "a", b"x", "text/plain").status_code == 403


def test_the_customer_is_ticked_at_first_and_who_unticks_him_is_obeyed(window: Client, record: Record) -> None:
    first = window.get(place(record, "audience/"), {"kind": "comment"}).content.decode()
    assert 'name="to_customer" value="1" checked' in first
    assert "Carla Conti" in first.split("Goes to:")[1]
    then = window.get(place(record, "audience/"), {"kind": "comment", "asked": "1"}).content.decode()
    assert 'name="to_customer" value="1">' in then
    assert "Carla Conti" not in then.split("Goes to:")[1]


def test_a_note_offers_nobody_outside_and_says_so(window: Client, record: Record, carla: Contact) -> None:
    found = window.get(place(record, "mentionable/"), {"q": "ca", "kind": "note"}).json()["people"]
    assert found == []
    found = window.get(place(record, "mentionable/"), {"q": "ca", "kind": "comment"}).json()["people"]
    assert [one["name"] for one in found] == ["Carla Conti"]
    asked = {"kind": "note", "asked": "1", "mention": str(carla.pk)}
    preview = window.get(place(record, "audience/"), asked).content.decode()
    assert "1 person is not told" in preview
    assert "A note stays inside: Carla Conti is no colleague." in preview
    window.post(place(record, "messages/"), {**asked, "html": "<p>x</p>"}, headers=HTMX)
    told = Message.objects.get().notifications.values_list("contact__name", flat=True)
    assert list(told) == ["Bob Brandt"]


def test_a_quotation_brings_no_pictures_and_mentions_nobody(window: Client, record: Record, carla: Contact) -> None:
    html = '<p>Hi <span data-mention="1">@Bob</span><img src="https://track.example/x.gif" alt="logo"><script>1</script></p>'
    message = seeding.a_message(record, carla, html)
    said = window.get(f"/message/{message.pk}/quote/").json()
    assert said["html"] == "<p>Hi <span>@Bob</span>[logo]</p>"
    assert "Carla Conti wrote:" in said["intro"]


def test_what_is_written_becomes_a_template_for_those_who_may(
    window: Client, record: Record, ada: Member, signed_in: SignedIn
) -> None:
    words = {"html": "<p>Dear {{ contact.name }}</p>", "subject": "Hello", "template_name": "Greeting"}
    assert window.post(place(record, "templates/save/"), words).status_code == 403, "a manager may not"
    admin = signed_in(ada)
    assert b"Saved as the template" in admin.post(place(record, "templates/save/"), words, headers=HTMX).content
    row = MailTemplate.objects.get()
    assert (row.name, row.kind_id, row.company_id) == ("Greeting", "ticket", record.company_id)
    broken = {**words, "html": "<p>{{ nonsense( }}</p>"}
    assert admin.post(place(record, "templates/save/"), broken, headers=HTMX).status_code == 422
    assert MailTemplate.objects.count() == 1


def test_a_date_of_a_button_schedules_without_the_field(window: Client, record: Record) -> None:
    page = window.get(place(record)).content.decode()
    when = page.split('class="pr-btn small pr-preset" name="later" value="')[1].split('"')[0]
    assert when.endswith("T08:00")
    words = {
        "kind": "comment",
        "html": "<p>x</p>",
        "later": when,
        "zone": "Europe/Berlin",
        "address": "new@customer.example",
    }
    assert window.post(place(record, "messages/"), words, headers=HTMX).status_code == 200
    row = ScheduledMessage.objects.get()
    assert row.scheduled_at.isoformat()[:10] == when[:10]
    assert row.scheduled_at.hour in (6, 7), "eight o'clock in Berlin, in summer and in winter"
    assert row.addresses == ["new@customer.example"]


def test_limits_are_said_before_anything_is_uploaded(window: Client, record: Record) -> None:
    page = window.get(place(record)).content.decode()
    assert 'data-max-files="20" data-max-bytes="25000000"' in page
    assert "Attach files: at most 20, together 25 MB. Above 10 MB the largest go as links" in page


def test_pages_of_the_composer_stay_within_their_queries(
    window: Client, record: Record, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        Follower.objects.create(
            record=record, contact=seeding.a_contact(f"P{number}", f"p{number}@customer.example", record.company)
        )
    seeding.a_server("Relay")
    window.post(place(record, "draft/"), {"html": "<p>x</p>", "kind": "note", "version": "0"})
    for number in range(3):
        upload(window, record, f"{number}.txt", b"x", "text/plain")
    asked = {"kind": "comment", "asked": "1", "address": ["a@customer.example", "b@customer.example"]}
    for rest, data in (("composer/", {}), ("audience/", asked), ("mentionable/", {"q": "p"}), ("", {})):
        with django_assert_max_num_queries(15):
            assert window.get(place(record, rest), data).status_code == 200


def test_the_editor_is_served_from_here_with_its_licence(window: Client, record: Record) -> None:
    page = window.get(place(record)).content.decode()
    for script in (
        "vendor/squire-2.4.8/squire.js",
        "vendor/dompurify-3.4.18/purify.min.js",
        "pasting.js",
        "composer.js",
    ):
        assert script in page


def test_roles_are_asked_again_when_it_is_sent(record: Record, rita: Member, signed_in: SignedIn) -> None:
    assert Role(rita.role) is Role.READ_ONLY
    assert signed_in(rita).post(place(record, "messages/"), {"kind": "note", "html": "x"}).status_code == 403
