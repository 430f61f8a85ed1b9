"""Mail templates on the pages: kept under Settings, previewed on a record, used in the composer."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.store.models import AliasDomain, Company, Follower, MailTemplate, Member, Message, Record, SettingChange
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}


@pytest.fixture
def record(company: Company) -> Record:
    company.alias_domain = AliasDomain.objects.create(name="postroom.test")
    company.save()
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    made = seeding.a_record(company, "Poster", contact=carla)
    Follower.objects.create(record=made, contact=carla)
    return made


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def values_for(company: Company, **more: object) -> dict[str, object]:
    return {
        "name": "Ready",
        "company": company.pk,
        "language": "en",
        "subject": "About {{ record.title }}",
        "html": "<p>Dear {{ contact.name }}</p>",
        "is_active": "on",
        **more,
    }


def test_a_template_is_made_in_two_languages_with_a_file(window: Client, company: Company) -> None:
    file = SimpleUploadedFile("hours.pdf", b"%PDF", content_type="application/pdf")
    more = {"variant_language": ["DE_at", ""], "variant_subject": ["Fertig", ""], "variant_html": ["<p>Hallo</p>", " "]}
    answer = window.post("/settings/templates/new/", values_for(company, files=[file], **more))
    assert answer.status_code == 303, answer.content
    template = MailTemplate.objects.get()
    assert list(template.variants.values_list("language", "subject")) == [("de-at", "Fertig")]
    assert template.files.get().name == "hours.pdf"
    listed = window.get("/settings/templates/").content.decode()
    assert "Ready" in listed
    assert "en, de-at" in listed
    assert SettingChange.objects.filter(subject="mail template Ready").exists()
    removed = {"removed": template.files.get().pk}
    assert window.post(f"/settings/templates/{template.pk}/", values_for(company, **removed)).status_code == 303
    assert not template.files.exists()
    assert not template.variants.exists(), "a text with no words is gone"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"html": "a\n{{ open('x') }}"}, "Line 2: nothing can be called here"),
        ({"subject": "{% if %}"}, "Line 1"),
        ({"language": "klingon!"}, "A language such as en"),
        ({"variant_language": "", "variant_subject": "x", "variant_html": "y"}, "Say which language"),
        ({"variant_language": "de", "variant_subject": "x", "variant_html": "{{ 1 + 1 }}"}, "no arithmetic"),
        ({"from_address": "nobody"}, "no mail address"),
    ],
)
def test_what_is_wrong_is_said_at_the_form_and_nothing_is_kept(
    window: Client, company: Company, more: dict[str, str], words: str
) -> None:
    answer = window.post("/settings/templates/new/", values_for(company, **more))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not MailTemplate.objects.exists()


def test_the_preview_shows_the_unsaved_words_on_a_record_behind_glass(
    window: Client, company: Company, record: Record
) -> None:
    more = {
        "variant_language": "de",
        "variant_subject": "Fertig",
        "variant_html": "<p>Guten Tag {{ contact.name }}</p>",
    }
    asked = values_for(company, record=record.pk, html="<p>{{ record.title }}<script>alert(1)</script></p>", **more)
    answer = window.post("/settings/templates/preview/", asked)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "About Poster" in page
    assert "<p>Poster</p>" in page
    assert answer["Content-Security-Policy"].startswith("sandbox allow-same-origin allow-popups")
    german = window.post("/settings/templates/preview/", {**asked, "preview_language": "de"}).content.decode()
    assert "Guten Tag Carla Conti" in german
    broken = window.post("/settings/templates/preview/", {**asked, "html": "\n{{ record.nope }}"}).content.decode()
    assert "In the text. Line 2: there is no &#x27;nope&#x27; here." in broken
    assert not MailTemplate.objects.exists()


def test_the_preview_shows_no_record_of_others(signed_in: SignedIn, mallory: Member, record: Record) -> None:
    asked = values_for(mallory.company, record=record.pk, html="{{ record.title }}")
    answer = signed_in(mallory).post("/settings/templates/preview/", asked)
    assert answer.status_code == 404
    assert b"Poster" not in answer.content


def test_templates_are_kept_by_administrators_of_their_company(
    signed_in: SignedIn, company: Company, bob: Member, alice: Member, mallory: Member
) -> None:
    template = MailTemplate.objects.create(company=company, name="Ready")
    for member, status in ((bob, 403), (alice, 403), (mallory, 404)):
        other = signed_in(member)
        assert other.get(f"/settings/templates/{template.pk}/").status_code == status
        assert other.post(f"/settings/templates/{template.pk}/", values_for(company, name="Mine")).status_code == status
        assert other.post(f"/settings/templates/{template.pk}/remove/").status_code == status
    theirs = signed_in(mallory)
    assert theirs.post("/settings/templates/new/", values_for(company)).status_code == 422, "not her company"
    assert b"Ready" not in theirs.get("/settings/templates/").content
    template.refresh_from_db()
    assert template.name == "Ready"


def test_a_template_fills_the_composer(signed_in: SignedIn, bob: Member, company: Company, record: Record) -> None:
    template = MailTemplate.objects.create(
        company=company,
        name="Ready",
        subject="About {{ record.title }}",
        html="<p>{{ contact.name }}</p><script>x</script>",
    )
    window = signed_in(bob)
    assert (
        f"/records/{record.pk}/templates/{template.pk}/"
        in window.get(f"/records/{record.pk}/templates/").content.decode()
    )
    filled = window.get(f"/records/{record.pk}/templates/{template.pk}/").json()
    assert filled == {"id": template.pk, "subject": "About Poster", "html": "<p>Carla Conti</p>", "files": []}
    sent = {"kind": "comment", "html": filled["html"], "subject": filled["subject"], "template": template.pk}
    assert window.post(f"/records/{record.pk}/messages/", sent, headers=HTMX).status_code == 200
    assert Message.objects.get().subject == "About Poster"


def test_a_template_that_does_not_fit_says_where(
    signed_in: SignedIn, bob: Member, company: Company, record: Record
) -> None:
    template = MailTemplate.objects.create(company=company, name="Ready", html="\n\n{{ record.values.price }}")
    answer = signed_in(bob).get(f"/records/{record.pk}/templates/{template.pk}/")
    assert answer.status_code == 422
    assert "Line 3" in answer.json()["trouble"]


def test_who_only_reads_fills_nothing(signed_in: SignedIn, rita: Member, company: Company, record: Record) -> None:
    template = MailTemplate.objects.create(company=company, name="Ready")
    assert signed_in(rita).get(f"/records/{record.pk}/templates/{template.pk}/").status_code == 403


def test_a_template_that_was_archived_meanwhile_is_told(
    signed_in: SignedIn, bob: Member, company: Company, record: Record
) -> None:
    template = MailTemplate.objects.create(company=company, name="Ready", is_active=False)
    sent = {"kind": "comment", "html": "<p>x</p>", "template": template.pk}
    answer = signed_in(bob).post(f"/records/{record.pk}/messages/", sent, headers=HTMX)
    assert answer.status_code == 422
    assert b"not in use any more" in answer.content
    assert not Message.objects.exists()
