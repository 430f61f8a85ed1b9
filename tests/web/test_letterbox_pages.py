"""The Letterbox as a mail program, and what the outside person does there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.core.terms.envelopes import Envelope
from postroom.store.models import Alias, AliasDomain, Company, Installation, LetterboxMail, Member
from postroom.web.letterbox import views
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn


@pytest.fixture
def window(signed_in: SignedIn, bob: Member) -> Client:
    return signed_in(bob)


@pytest.fixture
def letter(company: Company) -> LetterboxMail:
    page = "<p>Dear Carla, <b>it left today</b></p><script>alert(1)</script>"
    raw = seeding.a_mail(
        "Alice Archer <notifications@postroom.test>", "carla@customer.example", "Your parcel", page, "html"
    )
    raw = raw.replace(b"Subject:", b"Reply-To: support+k7@postroom.test\r\nSubject:")
    return LetterboxMail.objects.create(
        company=company,
        return_path="bounce+token@postroom.test",
        to_address="carla@customer.example",
        from_display="Alice Archer <notifications@postroom.test>",
        subject="Your parcel",
        raw=raw,
        captured_at=seeding.NOW,
    )


@contextmanager
def door(monkeypatch: pytest.MonkeyPatch, refusal: Exception | None = None) -> Iterator[list[tuple[Envelope, bytes]]]:
    """Our SMTP door as the flows see it."""
    handed_in: list[tuple[Envelope, bytes]] = []

    def submit(envelope: Envelope, raw: bytes) -> None:
        if refusal is not None:
            raise refusal
        handed_in.append((envelope, raw))

    changed = replace(ports(), submit=submit)
    with monkeypatch.context() as patch:
        patch.setattr(views, "ports", lambda: changed)
        yield handed_in


def test_each_person_has_a_mailbox_with_what_was_not_read_yet(window: Client, letter: LetterboxMail) -> None:
    page = window.get("/letterbox/").content.decode()
    assert "carla@customer.example" in page
    assert '<span class="pr-count">1</span>' in page
    assert "Your parcel" in window.get("/letterbox/?to=carla@customer.example").content.decode()
    assert "Your parcel" not in window.get("/letterbox/?to=nobody@x.example").content.decode()


def test_a_mail_is_read_as_its_recipient_would(window: Client, letter: LetterboxMail) -> None:
    page = window.get(f"/letterbox/{letter.pk}/").content.decode()
    assert "Alice Archer" in page
    assert "support+k7@postroom.test" in page
    body = window.get(f"/letterbox/{letter.pk}/body/").content.decode()
    assert "<b>it left today</b>" in body
    assert "<script" not in body


def test_looking_changes_nothing_but_the_page_says_that_it_was_seen(window: Client, letter: LetterboxMail) -> None:
    window.get(f"/letterbox/{letter.pk}/")
    letter.refresh_from_db()
    assert not letter.is_read
    assert window.post(f"/letterbox/{letter.pk}/seen/").status_code == 204
    letter.refresh_from_db()
    assert letter.is_read


def test_the_person_answers_to_where_answers_go(
    window: Client, letter: LetterboxMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door(monkeypatch) as handed_in:
        window.post(f"/letterbox/{letter.pk}/act/", {"action": "reply", "text": "Thank you!"})
    ((envelope, raw),) = handed_in
    assert envelope.mail_from == "carla@customer.example"
    assert envelope.rcpt_to == ("support+k7@postroom.test",)
    mail = message_from_bytes(raw)
    assert mail["Subject"] == "Re: Your parcel"
    assert "Thank you!" in raw.decode()


@pytest.mark.parametrize(
    ("action", "sign"),
    [("bounce", b"message/delivery-status"), ("away", b"auto-replied"), ("complain", b"message/feedback-report")],
)
def test_server_vacation_program_and_provider_answer_the_return_path(
    window: Client, letter: LetterboxMail, monkeypatch: pytest.MonkeyPatch, action: str, sign: bytes
) -> None:
    with door(monkeypatch) as handed_in:
        window.post(f"/letterbox/{letter.pk}/act/", {"action": action})
    ((envelope, raw),) = handed_in
    assert envelope == Envelope(mail_from="", rcpt_to=("bounce+token@postroom.test",))
    assert sign in raw


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (OSError("refused"), "The SMTP door is closed"),
        (ValueError("550 5.1.1 no such alias"), "550 5.1.1 no such alias"),
    ],
)
def test_when_the_door_does_not_take_it_that_is_said(
    window: Client, letter: LetterboxMail, monkeypatch: pytest.MonkeyPatch, refusal: Exception, words: str
) -> None:
    with door(monkeypatch, refusal):
        answer = window.post(f"/letterbox/{letter.pk}/act/", {"action": "bounce"}, follow=True)
    assert words in answer.content.decode()


def test_an_empty_answer_is_not_sent(window: Client, letter: LetterboxMail, monkeypatch: pytest.MonkeyPatch) -> None:
    with door(monkeypatch) as handed_in:
        answer = window.post(f"/letterbox/{letter.pk}/act/", {"action": "reply", "text": "  "}, follow=True)
    assert "Write something first." in answer.content.decode()
    assert not handed_in


def test_who_reads_only_and_who_is_of_another_company_does_nothing_there(
    signed_in: SignedIn, rita: Member, mallory: Member, letter: LetterboxMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door(monkeypatch) as handed_in:
        assert signed_in(rita).post(f"/letterbox/{letter.pk}/act/", {"action": "bounce"}).status_code == 403
        assert signed_in(mallory).post(f"/letterbox/{letter.pk}/act/", {"action": "bounce"}).status_code == 404
        assert signed_in(mallory).post(f"/letterbox/{letter.pk}/seen/").status_code == 404
        assert signed_in(mallory).post(f"/letterbox/{letter.pk}/act/", {"action": "explode"}).status_code == 404
    assert not handed_in


def test_a_picture_that_the_mail_carries_is_shown_from_the_mail_itself(window: Client, company: Company) -> None:
    raw = (
        b"From: a@x.example\r\nTo: c@y.example\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/related; boundary="b"\r\n\r\n'
        b'--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:logo"><img src="cid:page">\r\n'
        b"--b\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"
        b"--b\r\nContent-Type: image/svg+xml\r\nContent-ID: <page>\r\nContent-Transfer-Encoding: base64\r\n\r\nPHN2Zz4=\r\n--b--\r\n"
    )
    letter = LetterboxMail.objects.create(company=company, to_address="c@y.example", raw=raw, captured_at=seeding.NOW)
    page = window.get(f"/letterbox/{letter.pk}/body/").content.decode()
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in page
    assert "svg+xml" not in page


@pytest.fixture
def captured() -> None:
    Installation.objects.update_or_create(
        defaults={"identity": "here", "is_capturing": True, "confirmed_at": seeding.NOW}
    )


NEW = {
    "person": "Carla <carla@customer.example>",
    "recipient": "support@postroom.test",
    "subject": "Lamp",
    "text": "It flickers.",
}


def test_a_person_outside_writes_a_new_mail_through_the_front_door(
    window: Client, captured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SimpleUploadedFile("lamp.txt", b"on off on", "text/plain")
    with door(monkeypatch) as handed_in:
        answer = window.post("/letterbox/write/", NEW | {"files": file}, follow=True)
    ((envelope, raw),) = handed_in
    mail = message_from_bytes(raw)
    assert (envelope.mail_from, envelope.rcpt_to) == ("carla@customer.example", ("support@postroom.test",))
    assert (mail["From"], mail["Subject"]) == ("Carla <carla@customer.example>", "Lamp")
    assert b"lamp.txt" in raw
    assert "on its way" in answer.content.decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"person": "nobody"}, "nobody is no mail address"),
        ({"recipient": ""}, "Nothing is no mail address"),
        ({"subject": "", "text": ""}, "Write something first"),
        ({"person": "bob@postroom.test"}, "belongs to the house"),
    ],
)
def test_what_stands_against_a_new_mail_is_said_and_nothing_that_was_written_is_lost(
    window: Client, bob: Member, captured: None, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], said: str
) -> None:
    if change.get("person") == "bob@postroom.test":
        change = {"person": bob.contact.address}
    with door(monkeypatch) as handed_in:
        page = window.post("/letterbox/write/", NEW | change).content.decode()
    assert not handed_in
    assert said in page
    if "text" not in change:
        assert "It flickers." in page


def test_nobody_plays_outsiders_who_write_to_another_company(
    window: Client, mallory: Member, captured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeding.a_kind()
    domain = AliasDomain.objects.create(name="elsewhere.test")
    alias = Alias.objects.create(company=mallory.company, name="sales", domain=domain, kind_id="ticket")
    with door(monkeypatch) as handed_in:
        for recipient in ("sales@elsewhere.test", "Sales+x@Elsewhere.test"):
            page = window.post("/letterbox/write/", NEW | {"recipient": recipient}).content.decode()
            assert "belongs to another company" in page, recipient
        assert not handed_in
        Alias.objects.filter(pk=alias.pk).update(retired_at=seeding.NOW)
        window.post("/letterbox/write/", NEW | {"recipient": "sales@elsewhere.test"})
        assert len(handed_in) == 1


def test_nobody_is_played_while_mail_leaves(window: Client, captured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Installation.objects.update(is_capturing=False)
    with door(monkeypatch) as handed_in:
        page = window.post("/letterbox/write/", NEW).content.decode()
    assert not handed_in
    assert "Mail leaves this Postroom" in page
    assert "New mail" not in window.get("/letterbox/").content.decode()


def test_the_form_knows_the_addresses_of_the_house_and_the_person(
    window: Client, captured: None, company: Company
) -> None:
    page = window.get("/letterbox/write/?to=carla@customer.example").content.decode()
    assert 'value="carla@customer.example"' in page
    assert "pr-addresses" in page


def test_a_file_of_a_letter_can_be_fetched_and_is_never_run(window: Client, company: Company) -> None:
    raw = b"From: a@b.example\r\nContent-Type: text/html; name=x.html\r\nContent-Disposition: attachment; filename=x.html\r\n\r\n<script>1</script>"
    letter = LetterboxMail.objects.create(
        company=company,
        to_address="carla@customer.example",
        from_display="a@b.example",
        raw=raw,
        captured_at=seeding.NOW,
    )
    answer = window.get(f"/letterbox/{letter.pk}/file/1/")
    assert answer.content == b"<script>1</script>"
    assert answer["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer["Content-Security-Policy"]
    assert window.get(f"/letterbox/{letter.pk}/file/2/").status_code == 404
    assert window.get(f"/letterbox/{letter.pk}/file/0/").status_code == 404


def test_a_bounce_says_why(window: Client, letter: LetterboxMail, monkeypatch: pytest.MonkeyPatch) -> None:
    with door(monkeypatch) as handed_in:
        window.post(f"/letterbox/{letter.pk}/act/", {"action": "bounce", "status": "5.2.2"})
    assert b"Status: 5.2.2" in handed_in[0][1]


def test_nobody_answers_for_a_colleague_but_who_looks_after_the_house(
    signed_in: SignedIn, bob: Member, ada: Member, letter: LetterboxMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    LetterboxMail.objects.update(to_address=ada.contact.address)
    with door(monkeypatch) as handed_in:
        page = signed_in(bob).post(
            f"/letterbox/{letter.pk}/act/", {"action": "reply", "text": "I approve."}, follow=True
        )
        assert "nobody answers for a colleague" in page.content.decode()
        assert not handed_in
        LetterboxMail.objects.update(to_address=bob.contact.address)
        signed_in(bob).post(f"/letterbox/{letter.pk}/act/", {"action": "reply", "text": "It is me."})
        assert len(handed_in) == 1


def test_mails_that_open_accounts_are_for_who_looks_after_the_house(
    signed_in: SignedIn, bob: Member, ada: Member, company: Company
) -> None:
    mail = seeding.a_delivery(company, ada.contact.address, "sent")
    letter = LetterboxMail.objects.create(
        company=company, to_address=ada.contact.address, from_display="Postroom", subject="A new password", raw=b"Subject: x\r\n\r\nlink",
        captured_at=seeding.NOW, delivery=mail,
    )  # fmt: skip
    assert mail.mail.message_id is None
    window = signed_in(bob)
    for place in ("", "body/", "source/"):
        assert window.get(f"/letterbox/{letter.pk}/{place}").status_code == 404
    assert "A new password" not in window.get("/letterbox/").content.decode()
    assert "A new password" in signed_in(ada).get("/letterbox/").content.decode()
