"""Writing for later on the page: the composer, what waits on the record, the author's own list, and changing one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.store.models import (
    AliasDomain,
    Company,
    Follower,
    Member,
    Message,
    Record,
    ScheduledFile,
    ScheduledMessage,
)
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}
NEXT_YEAR = datetime.now(UTC).year + 1  # noqa: TID251 (pages speak of times relative to now)
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


@pytest.fixture
def record(company: Company, alice: Member, bob: Member) -> Record:
    company.alias_domain = AliasDomain.objects.create(name="postroom.test")
    company.save()
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    made = seeding.a_record(company, "Poster", contact=carla, stage="New")
    Follower.objects.create(record=made, contact=carla)
    return made


@pytest.fixture
def window(signed_in: SignedIn, bob: Member) -> Client:
    return signed_in(bob)


def write(window: Client, record: Record, **values: object) -> object:
    values = {"kind": "comment", "html": "<p>See you soon</p>", "later": "1", **values}
    return window.post(f"/records/{record.pk}/messages/", values, headers=HTMX)


def waiting(record: Record, author: Member, **values: object) -> ScheduledMessage:
    values = {
        "html": "<p>See you soon</p>",
        "scheduled_at": datetime(NEXT_YEAR, 6, 1, 8, 0, tzinfo=UTC),
        "created_at": seeding.NOW,
        **values,
    }
    return ScheduledMessage.objects.create(
        company=record.company, record=record, author=author, author_name=author.contact.name, **values
    )


def test_what_is_written_for_later_waits_and_nobody_is_told(window: Client, record: Record) -> None:
    answer = write(window, record, subject="Fair", scheduled_at=f"{NEXT_YEAR}-06-01T09:30", zone="Europe/Berlin")
    assert answer.status_code == 200
    assert answer["HX-Trigger"] == "postroom:changed"
    row = ScheduledMessage.objects.get()
    assert row.scheduled_at == datetime(NEXT_YEAR, 6, 1, 7, 30, tzinfo=UTC), "09:30 in Berlin, in summer"
    assert (row.subject, row.kind, row.author.contact.name) == ("Fair", "comment", "Bob Brandt")
    assert not Message.objects.exists()


def test_the_zone_is_the_members_unless_the_form_named_another(window: Client, record: Record, bob: Member) -> None:
    Member.objects.filter(pk=bob.pk).update(time_zone="America/New_York")
    for zone in ("", "Nowhere/Land", "../../etc/passwd"):
        write(window, record, scheduled_at=f"{NEXT_YEAR}-01-10T09:00", zone=zone)
    found = set(ScheduledMessage.objects.values_list("scheduled_at", flat=True))
    assert found == {datetime(NEXT_YEAR, 1, 10, 14, 0, tzinfo=UTC)}
    page = window.get(f"/records/{record.pk}/").content.decode()
    assert 'name="zone" value="America/New_York"' in page
    assert "10 Jan" in page
    assert "09:00 (America/New_York)" in page


@pytest.mark.parametrize("moment", ["", "soon", "2020-01-01T00:00", "9999-12-31T23:59", "0001-01-01T00:00"])
def test_t_206_a_date_that_cannot_be_is_refused_with_words(window: Client, record: Record, moment: str) -> None:
    answer = write(window, record, scheduled_at=moment, zone="Pacific/Kiritimati")
    assert answer.status_code == 422
    assert answer["X-Postroom-Piece"] == "1"
    assert b"date" in answer.content or b"five years" in answer.content
    assert not ScheduledMessage.objects.exists()


def test_files_and_pictures_wait_too(window: Client, record: Record) -> None:
    file = SimpleUploadedFile("plan.pdf", b"%PDF", content_type="application/pdf")
    write(window, record, html=f'<p><img src="{PIXEL}"></p>', files=[file], scheduled_at=f"{NEXT_YEAR}-01-10T09:00")
    names = sorted(ScheduledFile.objects.values_list("name", "is_inline"))
    assert names == [("picture-1.gif", True), ("plan.pdf", False)]
    picture = ScheduledFile.objects.get(is_inline=True)
    shown = window.get(f"/scheduled/file/{picture.pk}/")
    assert shown["Content-Type"] == "image/gif"
    assert window.get(f"/scheduled/file/{ScheduledFile.objects.get(is_inline=False).pk}/")[
        "Content-Disposition"
    ].startswith("attachment")


def test_the_record_shows_what_waits_and_what_could_not_be_sent(window: Client, record: Record, bob: Member) -> None:
    waiting(record, bob, subject="Fair")
    waiting(record, bob, trouble="Its author may not post here any more.")
    for place in (f"/records/{record.pk}/", f"/records/{record.pk}/scheduled/", "/scheduled/"):
        page = window.get(place).content.decode()
        assert "Fair" in page
        assert "Its author may not post here any more." in page
        assert "Send now" in page


def test_the_author_changes_words_date_and_files(window: Client, record: Record, bob: Member) -> None:
    write(window, record, html=f'<p>Look <img src="{PIXEL}"></p>', scheduled_at=f"{NEXT_YEAR}-01-10T09:00")
    row = ScheduledMessage.objects.get()
    picture = row.files.get()
    page = window.get(f"/scheduled/{row.pk}/").content.decode()
    assert f'src="/scheduled/file/{picture.pk}/"' in page
    html = f'<p>Look again <img src="/scheduled/file/{picture.pk}/"></p>'
    values = {
        "html": html,
        "subject": "New",
        "scheduled_at": f"{NEXT_YEAR}-02-10T09:00",
        "zone": "UTC",
        "kind": "comment",
    }
    answer = window.post(f"/scheduled/{row.pk}/", values)
    assert answer.status_code == 303
    row.refresh_from_db()
    assert row.html == f'<p>Look again <img src="cid:{picture.content_id}"></p>'
    assert row.scheduled_at == datetime(NEXT_YEAR, 2, 10, 9, 0, tzinfo=UTC)
    assert row.files.count() == 1
    refused = window.post(
        f"/scheduled/{row.pk}/", {**values, "html": "<p>kept<script>x</script></p>", "scheduled_at": ""}
    )
    assert refused.status_code == 422
    assert b"<p>kept</p>" in refused.content
    assert b"Choose a date and a time" in refused.content


def test_others_see_it_and_cannot_change_it(
    signed_in: SignedIn, record: Record, bob: Member, alice: Member, rita: Member, mallory: Member
) -> None:
    row = waiting(record, bob)
    colleague = signed_in(alice)
    assert b"Save" not in colleague.get(f"/scheduled/{row.pk}/").content
    forged = {"html": "<p>forged</p>", "scheduled_at": f"{NEXT_YEAR}-02-10T09:00", "kind": "comment"}
    assert colleague.post(f"/scheduled/{row.pk}/", forged).status_code == 403
    assert colleague.post(f"/scheduled/{row.pk}/send/").status_code == 403
    reader = signed_in(rita)
    assert reader.get(f"/scheduled/{row.pk}/").status_code == 200
    for act in ("cancel", "send"):
        assert reader.post(f"/scheduled/{row.pk}/{act}/").status_code == 403
        assert signed_in(mallory).post(f"/scheduled/{row.pk}/{act}/").status_code == 404
    row.refresh_from_db()
    assert row.html == "<p>See you soon</p>"


def test_it_is_cancelled_or_sent_now(
    window: Client, signed_in: SignedIn, record: Record, bob: Member, ada: Member
) -> None:
    assert window.post(f"/scheduled/{waiting(record, bob).pk}/cancel/").status_code == 303
    assert window.post(f"/scheduled/{waiting(record, bob).pk}/send/").status_code == 303
    assert signed_in(ada).post(f"/scheduled/{waiting(record, bob).pk}/send/").status_code == 303
    assert not ScheduledMessage.objects.exists()
    assert list(Message.objects.values_list("author_name", flat=True)) == ["Bob Brandt", "Bob Brandt"]


def test_who_lost_sight_of_the_record_still_finds_the_words(signed_in: SignedIn, record: Record, bob: Member) -> None:
    row = waiting(record, bob, trouble="Its author may not see this record any more.")
    Member.objects.filter(pk=bob.pk).update(company=seeding.a_company("Elsewhere"))
    bob.companies.clear()
    window = signed_in(Member.objects.get(pk=bob.pk))
    page = window.get("/scheduled/").content.decode()
    assert "See you soon" in page
    assert f'href="/records/{record.pk}/"' not in page
    assert window.post(f"/scheduled/{row.pk}/send/").status_code == 403
    assert window.post(f"/scheduled/{row.pk}/cancel/").status_code == 303
    assert not ScheduledMessage.objects.exists()


def test_what_could_not_be_sent_meets_its_author_on_the_first_page(
    window: Client, signed_in: SignedIn, record: Record, bob: Member, alice: Member
) -> None:
    waiting(record, bob, subject="Fair")
    assert b"Fair" not in window.get("/").content
    waiting(record, bob, subject="Market", trouble="Its author may not post here any more.")
    assert b"Market" in window.get("/").content
    assert b"Market" not in signed_in(alice).get("/").content


def test_the_clock_of_the_house_decides_what_is_past(window: Client, record: Record) -> None:
    soon = ports().clock.now() + timedelta(minutes=2)
    write(window, record, scheduled_at=f"{soon:%Y-%m-%dT%H:%M:%S}", zone="UTC")
    assert ScheduledMessage.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "said", "left_unsaid"),
    [
        ({"html": "", "scheduled_at": ""}, ["Nothing is written yet", "Choose a date and a time"], []),
        ({"html": ""}, ["Nothing is written yet"], ["Choose a date"]),
        ({"scheduled_at": "soon"}, ["Choose a date and a time"], ["Nothing is written"]),
    ],
)
def test_what_is_missing_is_said_where_it_is_missing(
    window: Client, record: Record, values: dict[str, str], said: list[str], left_unsaid: list[str]
) -> None:
    when = f"{NEXT_YEAR}-06-01T08:00"
    answer = write(window, record, **{"scheduled_at": when, **values})
    assert answer.status_code == 422  # type: ignore[attr-defined]
    page = answer.content.decode()  # type: ignore[attr-defined]
    for words in said:
        assert words in page
    for words in left_unsaid:
        assert words not in page
    at_date = page[page.index('id="pr-later-trouble"') :]
    assert ("Choose a date" in page) == ("Choose a date" in at_date)
    assert not ScheduledMessage.objects.exists()
    plain = window.post(f"/records/{record.pk}/messages/", {"later": "1", "kind": "comment"}, follow=True)
    assert "Nothing is written yet" in plain.content.decode()


def test_sending_nothing_at_once_says_so_too(window: Client, record: Record) -> None:
    answer = window.post(f"/records/{record.pk}/messages/", {"kind": "comment"}, headers=HTMX)
    assert answer.status_code == 422
    assert b"Nothing is written yet" in answer.content


def test_a_file_that_the_disk_has_lost_is_not_there(window: Client, record: Record, bob: Member) -> None:
    lost = ScheduledFile.objects.create(scheduled=waiting(record, bob), name="plan.pdf", size=4, sha256="0" * 64)
    assert window.get(f"/scheduled/file/{lost.pk}/").status_code == 404
