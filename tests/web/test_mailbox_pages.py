"""The pages of mailboxes and of handed-in mail."""

from __future__ import annotations

import pytest

from postroom.core.terms.states import Role
from postroom.flows import mailbox_facts
from postroom.store.models import Company, InboundHook, Mailbox, Member, SettingChange
from postroom.web.settings import mailboxes as places
from postroom.wiring import ports as wired_ports
from tests.flows.scripted_mailbox import ScriptedMailbox, forget_jobs, ports_with
from tests.web import seeding
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(ada: Member) -> Mailbox:
    return Mailbox.objects.create(
        company=ada.company,
        name="Support",
        host="imap.gmail.com",
        username="help@box.test",
        secret=wired_ports().vault.seal("open sesame"),
        is_confirmed=True,
    )


def page_of(mailbox: Mailbox) -> str:
    return f"/settings/mailboxes/{mailbox.pk}/"


def test_a_preset_fills_the_form_and_says_what_it_needs(signed_in: SignedIn, ada: Member) -> None:
    text = signed_in(ada).get("/settings/mailboxes/new/?preset=microsoft365").content.decode()
    assert 'value="outlook.office365.com"' in text
    assert 'value="microsoft"' in text
    assert "IMAP.AccessAsUser.All" in text


def test_the_page_says_how_it_stands(signed_in: SignedIn, ada: Member, mailbox: Mailbox) -> None:
    now = wired_ports().clock.now()
    trouble = {
        "kind": "login",
        "text": "imap.gmail.com:993 says no: Invalid credentials",
        "code": "AUTHENTICATIONFAILED",
    }
    facts = {
        "last_error": trouble["text"],
        "trouble": trouble,
        "error_count": 3,
        "fetched_at": now,
        "last_message_at": now,
        "reconciled_at": now,
        "reconciliation": {"on_server": 12, "here": 10, "missing": 2, "fetched": 2},
    }
    Mailbox.objects.filter(pk=mailbox.pk).update(**facts)
    text = signed_in(ada).get(page_of(mailbox)).content.decode()
    for words in (
        "does not accept this login",
        "enter an app password",
        "3 failures in a row",
        "12 on the server",
        "2 were missing",
    ):
        assert words in text
    assert "open sesame" not in text


def test_test_and_confirm_shows_the_steps(
    signed_in: SignedIn, ada: Member, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    Mailbox.objects.filter(pk=mailbox.pk).update(is_confirmed=False)
    monkeypatch.setattr(places, "ports", lambda: ports_with(ScriptedMailbox()))
    answer = signed_in(ada).post(f"{page_of(mailbox)}test/", headers={"HX-Request": "true"})
    assert "The mailbox can be read." in answer.content.decode()
    mailbox.refresh_from_db()
    assert mailbox.is_confirmed
    assert "The mailbox can be read." in signed_in(ada).get(page_of(mailbox)).content.decode()


@pytest.mark.django_db(transaction=True)
def test_fetch_now_and_compare_now_are_done_in_the_background(
    signed_in: SignedIn, ada: Member, mailbox: Mailbox
) -> None:
    window = signed_in(ada)
    for what, words in (("fetch", "fetched from"), ("reconcile", "compared")):
        assert window.post(f"{page_of(mailbox)}{what}/").status_code == 303
        assert f"It is {words} in a moment." in window.get(page_of(mailbox)).content.decode()
        window.post(f"{page_of(mailbox)}{what}/")
        assert f"It waits to be {words} already." in window.get(page_of(mailbox)).content.decode()
    forget_jobs()


def test_a_reset_is_explained_before_it_is_done(signed_in: SignedIn, ada: Member, mailbox: Mailbox) -> None:
    Mailbox.objects.filter(pk=mailbox.pk).update(last_uid=90, uid_validity=7)
    window = signed_in(ada)
    asked = window.get(f"{page_of(mailbox)}reset/?to=beginning").content.decode()
    assert "recognised by its number and its content" in asked
    mailbox.refresh_from_db()
    assert mailbox.last_uid == 90
    assert window.post(f"{page_of(mailbox)}reset/", {"to": "beginning"}).status_code == 303
    mailbox.refresh_from_db()
    assert mailbox.last_uid == 0
    assert SettingChange.objects.get().subject == "mailbox Support"
    assert window.get(f"{page_of(mailbox)}reset/?to=nowhere").status_code == 404


@pytest.mark.parametrize("what", ["test", "try", "fetch", "reconcile", "unconfirm", "reset"])
def test_others_may_do_nothing_to_it(signed_in: SignedIn, mailbox: Mailbox, what: str) -> None:
    manager = seeding.a_member("max", "Max Manager", mailbox.company, Role.MANAGER)
    stranger = seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)
    for member in (manager, stranger):
        assert signed_in(member).post(f"{page_of(mailbox)}{what}/", {"to": "beginning"}).status_code in (403, 404)
    assert signed_in(manager).get("/settings/ingress/").status_code == 403


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"after_fetch": "shred"}, "Select a valid choice"),
        ({"after_fetch": "move"}, "Into which folder?"),
        ({"after_fetch": "move", "move_to": "Done", "protocol": "pop3"}, "POP3 has no folders"),
        ({"authentication": "token"}, "Say who gives the tokens"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    signed_in: SignedIn, ada: Member, mailbox: Mailbox, change: dict[str, str], words: str
) -> None:
    Mailbox.objects.filter(pk=mailbox.pk).update(is_confirmed=False)
    values = {
        "name": "Support", "company": mailbox.company_id, "protocol": "imap", "host": mailbox.host, "port": 993,
        "encryption": "tls", "username": "x", "folder": "INBOX", "after_fetch": "nothing", "priority": 5,
        "interval_seconds": 300, **change,
    }  # fmt: skip
    answer = signed_in(ada).post(page_of(mailbox), values)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_what_leads_to_it_is_locked_while_it_is_read_and_opens_again(
    signed_in: SignedIn, ada: Member, mailbox: Mailbox
) -> None:
    window = signed_in(ada)
    values = {
        "name": "Help", "company": mailbox.company_id, "protocol": "imap", "host": "imap.elsewhere.test", "port": 993,
        "encryption": "tls", "username": "x", "folder": "INBOX", "after_fetch": "move", "move_to": "Done", "priority": 5,
        "interval_seconds": 300, "verify_certificate": "on", "is_active": "on",
    }  # fmt: skip
    assert window.post(page_of(mailbox), values).status_code == 303
    mailbox.refresh_from_db()
    assert (mailbox.name, mailbox.host, mailbox.is_confirmed) == ("Help", "imap.gmail.com", True)
    assert mailbox.after_fetch == "move:Done"
    assert 'value="Done"' in window.get(page_of(mailbox)).content.decode()
    window.post(f"{page_of(mailbox)}unconfirm/")
    mailbox.refresh_from_db()
    assert not mailbox.is_confirmed
    assert window.post(page_of(mailbox), values).status_code == 422, "the password of one host is not shown to another"
    assert window.post(page_of(mailbox), values | {"password": "pear-74-sky"}).status_code == 303
    mailbox.refresh_from_db()
    assert mailbox.host == "imap.elsewhere.test"


def test_a_new_one_shows_the_pipe_for_a_mail_server_here(signed_in: SignedIn, ada: Member) -> None:
    text = signed_in(ada).get("/settings/mailboxes/new/").content.decode()
    assert "receive --mail-from ${sender} --rcpt ${recipient}" in text


def test_the_same_trouble_is_told_once(signed_in: SignedIn, ada: Member, mailbox: Mailbox) -> None:
    text = "imap.gmail.com:993 says no: Invalid credentials"
    tested = {
        "tested_at": wired_ports().clock.now().isoformat(), "ok": False, "code": "mailbox_login", "step": "login",
        "cause": {"code": "plain", "facts": {}}, "cure": {"code": "plain", "facts": {}}, "reply": text, "steps": [],
    }  # fmt: skip
    Mailbox.objects.filter(pk=mailbox.pk).update(last_error=text, error_count=1, test_result=tested)
    assert signed_in(ada).get(page_of(mailbox)).content.decode().count("Invalid credentials") == 1


def test_an_address_for_a_provider_is_made_and_removed(signed_in: SignedIn, ada: Member) -> None:
    window = signed_in(ada)
    assert "No addresses yet" in window.get("/settings/ingress/").content.decode()
    window.post("/settings/ingress/", {"name": "Incoming", "provider": "mailgun"})
    text = window.get("/settings/ingress/").content.decode()
    assert "/ingress/mailgun/" in text
    assert "It takes nothing before" in text
    assert window.post("/settings/ingress/", {"name": "", "provider": "mailgun"}).status_code == 422
    window.post("/settings/ingress/", {"name": "Incoming", "provider": "mailgun", "secret": "s3cret"})
    text = window.get("/settings/ingress/").content.decode()
    assert "It takes nothing before" not in text
    assert "s3cret" not in text
    window.post(f"/settings/ingress/{InboundHook.objects.get().pk}/remove/")
    assert InboundHook.objects.count() == 0


def test_what_no_alias_takes_becomes_what_the_page_says_until_it_says_otherwise(
    signed_in: SignedIn, ada: Member, mailbox: Mailbox
) -> None:
    window, kind = signed_in(ada), seeding.a_kind()
    place, wish = "/settings/ingress/", {"name": "Incoming", "provider": "postmark"}
    for chosen, expected in (
        (kind.pk, kind.pk), ("", kind.pk), ("-", None), ("", None), (kind.pk, kind.pk),
    ):  # fmt: skip
        assert window.post(place, wish | {"fallback_kind": chosen}).status_code == 303
        assert InboundHook.objects.get().fallback_kind_id == expected
    assert f"Otherwise it becomes: {kind.label}" in window.get(place).content.decode()
    answer = window.post(place, wish | {"fallback_kind": "dragon"})
    assert answer.status_code == 422
    assert "dragon" in answer.content.decode()
    assert InboundHook.objects.get().fallback_kind_id == kind.pk


def test_another_companys_address_is_nobodys_business(signed_in: SignedIn, ada: Member) -> None:
    from postroom.flows.inbound_hooks import save_inbound_hook

    elsewhere = Company.objects.create(name="Elsewhere")
    other = seeding.a_member("eve", "Eve Else", elsewhere, Role.ADMINISTRATOR)
    save_inbound_hook(wired_ports(), name="Mine", provider="postmark", company_id=ada.company_id, member=None)
    assert "Mine" not in signed_in(other).get("/settings/ingress/").content.decode()
    assert signed_in(other).post(f"/settings/ingress/{InboundHook.objects.get().pk}/remove/").status_code == 403


def test_every_state_has_a_word_on_the_list(signed_in: SignedIn, ada: Member, mailbox: Mailbox) -> None:
    assert set(places._TONES) == set(mailbox_facts.MailboxState)
    assert "Support" in signed_in(ada).get("/settings/mailboxes/").content.decode()
