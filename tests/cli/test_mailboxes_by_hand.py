"""postroom mailbox and postroom ingress: added, tested, fetched from, reset, compared; as JSON too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from postroom.cli import mailboxes
from postroom.core.terms.secret import Secret
from postroom.flows.change_mailbox import LOCKED, change_mailbox
from postroom.store.models import Company, InboundHook, InboundMessage, Mailbox, RecordKind, SettingChange
from postroom.web.settings.mailboxes import MailboxForm
from postroom.wiring import ports as wired_ports
from tests.cli.conftest import Command
from tests.laboratory.scripted import ScriptedPeer
from tests.workers.mailbox_days.servers import Folder, MailboxServer, says

pytestmark = pytest.mark.django_db(transaction=True)

RAW = b"Message-ID: <1@customer.example>\r\nFrom: carla@customer.example\r\nSubject: Hello\r\n\r\nHello\r\n"


@pytest.fixture
def folder() -> Folder:
    found = Folder()
    found.put(RAW)
    return found


@pytest.fixture
def port(folder: Folder) -> Iterator[int]:
    with ScriptedPeer(MailboxServer(folder)) as peer:
        yield peer.port


@pytest.fixture
def company() -> Company:
    return Company.objects.create(name="Northwind")


def add(postroom: Command, port: int, name: str = "Support") -> None:
    answer = postroom(
        "mailbox", "add", name, "--host", "127.0.0.1", "--port", str(port), "--encryption", "none",
        "--user", "help@box.test", "--password-stdin", "--json", stdin=b"open sesame\n",
    )  # fmt: skip
    assert answer.code == 0, answer.err


def test_a_preset_fills_a_new_mailbox_and_says_what_it_needs(postroom: Command, company: Company) -> None:
    answer = postroom("mailbox", "add", "Support", "--preset", "gmail", "--user", "help@gmail.example", "--password-stdin", stdin=b"abcd efgh\n")  # fmt: skip
    assert answer.code == 0
    assert "app password" in answer.out
    assert "postroom mailbox test Support" in answer.out
    row = Mailbox.objects.get()
    assert (row.host, row.port, row.encryption, row.preset) == ("imap.gmail.com", 993, "tls", "gmail")
    assert wired_ports().vault.open(bytes(row.secret)) == Secret("abcd efgh")
    assert "abcd" not in answer.out + answer.err
    microsoft = postroom("mailbox", "add", "Office", "--preset", "microsoft365", "--user", "x@y.test", "--json")
    assert microsoft.data["authentication"] == "token"


def test_from_test_to_reconciliation(postroom: Command, company: Company, port: int, folder: Folder) -> None:
    add(postroom, port)
    (listed,) = postroom("mailbox", "list", "--json").data
    assert (listed["state"], listed["next_at"]) == ("unconfirmed", None)
    tested = postroom("mailbox", "test", "Support", "--json")
    assert (tested.code, tested.data["ok"]) == (0, True)
    assert [one["step"] for one in tested.data["steps"]] == ["connect", "login", "folder", "afterwards"]
    fetched = postroom("mailbox", "fetch", "Support", "--json")
    assert (fetched.code, fetched.data["taken"]) == (0, 1)
    assert InboundMessage.objects.count() == 1
    compared = postroom("mailbox", "reconcile", "Support")
    assert "1 on the server, 1 of them here" in compared.out
    assert postroom("mailbox", "reset", "Support", "--to", "beginning", "--yes", "--json").data["last_uid"] == 0
    assert "1 were here already" in postroom("mailbox", "fetch", "Support").out
    assert postroom("mailbox", "reset", "Support", "--to", "end", "--yes").code == 0
    (listed,) = postroom("mailbox", "list", "--json").data
    assert listed["state"] == "waiting"
    assert listed["reconciliation"]["on_server"] == 1
    assert "Support" in postroom("mailbox", "list").out


def test_old_mail_can_be_left(postroom: Command, company: Company, port: int, folder: Folder) -> None:
    add(postroom, port)
    assert postroom("mailbox", "test", "Support", "--leave-old-mail").code == 0
    assert postroom("mailbox", "fetch", "Support", "--json").data["taken"] == 0


def test_what_is_wrong_is_said_with_cause_and_cure(postroom: Command, company: Company, folder: Folder) -> None:
    refuses = {"login": says(b"TAG NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")}
    with ScriptedPeer(MailboxServer(folder, refuses)) as peer:
        add(postroom, peer.port)
        answer = postroom("mailbox", "test", "Support")
        fetched = postroom("mailbox", "fetch", "Support", "--json")
        told = postroom("mailbox", "fetch", "Support")
    assert answer.code == 1
    assert told.out.endswith(".\n")
    assert not told.out.endswith("..\n")
    assert "does not accept user name help@box.test" in answer.out
    assert "app password" in answer.out
    assert (fetched.code, "Invalid credentials" in fetched.data["trouble"]) == (1, True)
    (listed,) = postroom("mailbox", "list", "--json").data
    assert "does not accept" in listed["cause"]


# -- changed


def a_mailbox(company: Company, **columns: Any) -> Mailbox:
    usual = {
        "name": "Support",
        "host": "imap.northwind.example",
        "username": "help",
        "secret": wired_ports().vault.seal("old"),
    }
    return Mailbox.objects.create(**{**usual, "company": company, **columns})


def password_of(mailbox: Mailbox) -> str:
    mailbox.refresh_from_db()
    return wired_ports().vault.open(bytes(mailbox.secret)).reveal()


def test_a_mailbox_is_edited_and_only_what_is_named_changes(postroom: Command, company: Company) -> None:
    kind = RecordKind.objects.create(key="ticket", label="Ticket", label_plural="Tickets")
    mailbox = a_mailbox(company, is_confirmed=True, last_uid=7, after_fetch="nothing")
    answer = postroom(
        "mailbox", "edit", "Support", "--rename", "Help desk", "--interval", "60", "--after-fetch", "move:Done", "--priority", "2",
        "--believed", "mx.northwind.example", "--fallback", "ticket", "--company", "Northwind", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    mailbox.refresh_from_db()
    assert (mailbox.name, mailbox.interval_seconds, mailbox.after_fetch, mailbox.priority) == (
        "Help desk",
        60,
        "move:Done",
        2,
    )
    assert (mailbox.authserv_ids, mailbox.fallback_kind, mailbox.host) == (
        "mx.northwind.example",
        kind,
        "imap.northwind.example",
    )
    assert (mailbox.is_confirmed, mailbox.last_uid, password_of(mailbox)) == (True, 7, "old")
    assert answer.data["changed"] == [
        "after_fetch", "authserv_ids", "company", "fallback_kind", "interval_seconds", "name", "priority",
    ]  # fmt: skip
    assert (answer.data["is_confirmed"], answer.data["fallback"], answer.data["state"]) == (True, "ticket", "waiting")
    told = postroom("mailbox", "edit", "Help desk", "--off", "--fallback", "")
    assert told.out == "Help desk is changed: fallback_kind, is_active.\n"
    assert postroom("mailbox", "list", "--json").data[0]["state"] == "off"


def test_a_change_of_a_mailbox_is_recorded_without_its_password(postroom: Command, company: Company) -> None:
    a_mailbox(company)
    words = ("mailbox", "edit", "Support", "--interval", "60", "--password-stdin")
    told = postroom(*words, stdin=b"open sesame\n")
    assert told.code == 0
    change = SettingChange.objects.get()
    assert (change.subject, change.before) == ("mailbox Support", {"interval_seconds": 300})
    assert change.after == {"interval_seconds": 60, "password": "********"}
    assert password_of(Mailbox.objects.get()) == "open sesame"
    assert "sesame" not in told.out + told.err


def test_a_new_password_is_tried_at_once_and_costs_no_confirmation(postroom: Command, company: Company) -> None:
    later = wired_ports().clock.now() + timedelta(hours=1)
    mailbox = a_mailbox(company, is_confirmed=True, paused_until=later, last_uid=7)
    assert postroom("mailbox", "edit", "Support", "--password-stdin", stdin=b"new\n").code == 0
    assert password_of(mailbox) == "new"
    assert (mailbox.is_confirmed, mailbox.paused_until, mailbox.last_uid) == (True, None, 7)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--protocol", "pop3"), "protocol"),
        (("--host", "imap.elsewhere.example"), "host"),
        (("--port", "143"), "port"),
        (("--encryption", "starttls"), "encryption"),
        (("--no-verify",), "verify_certificate"),
        (("--user", "sales"), "username"),
        (("--authentication", "token"), "authentication"),
        (("--token-source", "google"), "token_source"),
        (("--folder", "Support"), "folder"),
    ],
)
def test_how_a_confirmed_mailbox_is_entered_stays_until_its_confirmation_is_reset(
    postroom: Command, company: Company, words: tuple[str, ...], field: str
) -> None:
    mailbox = a_mailbox(company, is_confirmed=True)
    form = MailboxForm(instance=mailbox, company_ids=[company.pk])
    assert form.fields[field].disabled, "its page must refuse what the command refuses"
    answer = postroom("mailbox", "edit", "Support", *words, "--interval", "60", "--password-stdin", stdin=b"again\n")
    assert answer.code == 2
    assert field.replace("_", " ") in answer.err
    assert "--unconfirm" in answer.err
    mailbox.refresh_from_db()
    assert (mailbox.interval_seconds, password_of(mailbox)) == (300, "old")


def test_what_is_locked_on_the_page_is_what_the_command_locks(company: Company) -> None:
    form = MailboxForm(instance=a_mailbox(company, is_confirmed=True), company_ids=[company.pk])
    assert {name for name, field in form.fields.items() if field.disabled} == set(LOCKED)


def test_the_flow_refuses_what_is_locked_whoever_calls_it(company: Company) -> None:
    mailbox = a_mailbox(company, is_confirmed=True)
    with pytest.raises(ValidationError) as refused:
        change_mailbox(wired_ports(), mailbox.pk, {"port": 143}, member=None)
    assert "reset its confirmation" in refused.value.message_dict["port"][0]
    assert change_mailbox(wired_ports(), mailbox.pk, {"port": 993, "priority": 1}, member=None).is_confirmed


def test_a_mailbox_that_moved_is_changed_tested_and_read_anew(
    postroom: Command, company: Company, port: int, folder: Folder
) -> None:
    mailbox = a_mailbox(company, is_confirmed=True, encryption="none", last_uid=99)
    moved = ("mailbox", "edit", "Support", "--host", "127.0.0.1", "--port", str(port), "--unconfirm")
    refused = postroom(*moved)
    assert refused.code == 2
    assert "Type the password again" in refused.err
    assert "--password-stdin" in refused.err
    mailbox.refresh_from_db()
    assert (mailbox.host, mailbox.is_confirmed, password_of(mailbox)) == ("imap.northwind.example", True, "old")
    told = postroom(*moved, "--password-stdin", stdin=b"open sesame\n")
    assert told.code == 0
    assert "postroom mailbox test Support" in told.out
    mailbox.refresh_from_db()
    assert (mailbox.is_confirmed, mailbox.last_uid) == (False, 0)
    assert postroom("mailbox", "test", "Support").code == 0
    assert postroom("mailbox", "fetch", "Support", "--json").data["taken"] == 1


def test_at_a_terminal_the_password_is_asked_for_again(
    postroom: Command, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["typed again", ""])
    monkeypatch.setattr(mailboxes, "_typed", lambda: next(typed))
    mailbox = a_mailbox(company)
    told = postroom("mailbox", "edit", "Support", "--host", "imap.elsewhere.example")
    assert told.code == 0
    assert "Type the password again" in told.err
    assert password_of(mailbox) == "typed again"
    assert mailbox.host == "imap.elsewhere.example"
    assert postroom("mailbox", "edit", "Support", "--no-verify").code == 2  # nothing was typed
    assert password_of(mailbox) == "typed again"
    assert mailbox.verify_certificate


def test_a_confirmation_is_reset_by_itself_too(postroom: Command, company: Company) -> None:
    mailbox = a_mailbox(company, is_confirmed=True, last_uid=7)
    assert "it is not confirmed any more" in postroom("mailbox", "edit", "Support", "--unconfirm").out
    mailbox.refresh_from_db()
    assert (mailbox.is_confirmed, mailbox.last_uid) == (False, 7)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say what to change"),
        (("--rename", "Sales"), "already exists"),
        (("--protocol", "carrier pigeon"), "carrier pigeon"),
        (("--port", "99999"), "1 to 65535"),
        (("--encryption", "rot13"), "rot13"),
        (("--interval", "-1"), "interval seconds"),
        (("--user", ""), "username"),
        (("--authentication", "token"), "Say who gives the tokens"),
        (("--protocol", "pop3"), "POP3 has no folders and no marks"),
        (("--after-fetch", "move:"), "Into which folder?"),
        (("--after-fetch", "shred"), "Say mark_seen, nothing, delete or move:FOLDER."),
        (("--after-fetch", "delete:INBOX"), "Say mark_seen, nothing, delete or move:FOLDER."),
        (("--fallback", "unicorn"), "There is no kind 'unicorn'"),
        (("--company", "Elsewhere"), "There are: Northwind"),
        (("--password-stdin",), "No password came"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_at_its_field(
    postroom: Command, company: Company, words: tuple[str, ...], said: str
) -> None:
    mailbox = a_mailbox(company)
    a_mailbox(company, name="Sales")
    before = Mailbox.objects.values().get(pk=mailbox.pk)
    answer = postroom("mailbox", "edit", "Support", *words)
    assert answer.code == 2
    assert said in answer.err
    assert Mailbox.objects.values().get(pk=mailbox.pk) == before
    assert not SettingChange.objects.exists()


def test_no_option_of_a_change_takes_a_password(postroom: Command, company: Company) -> None:
    mailbox = a_mailbox(company)
    assert postroom("mailbox", "edit", "Support", "--password", "hunter2").code == 2
    assert password_of(mailbox) == "old"


@pytest.mark.parametrize(
    "words",
    [
        ("mailbox", "test", "Nobody"),
        ("mailbox", "edit", "Nobody", "--interval", "60"),
        ("mailbox", "reset", "Support", "--to", "middle"),
        ("mailbox", "reset", "Support", "--to", "end"),
        ("mailbox", "add", "Support", "--user", "x"),
        ("mailbox", "add", "Support", "--preset", "gmail", "--user", "x", "--company", "Elsewhere"),
        ("ingress", "remove", "Nobody"),
        ("ingress", "add", "X", "--provider", "nobody"),
    ],
)
def test_what_was_asked_wrongly_is_exit_code_2(postroom: Command, company: Company, words: tuple[str, ...]) -> None:
    assert postroom(*words).code == 2


def test_addresses_for_providers_are_made_shown_and_removed(postroom: Command, company: Company) -> None:
    made = postroom("ingress", "add", "Incoming", "--provider", "mailgun")
    assert "/ingress/mailgun/" in made.out
    assert "takes nothing before" in made.out
    again = postroom(
        "ingress", "add", "Incoming", "--provider", "mailgun", "--secret-stdin", "--json", stdin=b"s3cret\n"
    )
    assert (again.data["is_complete"], InboundHook.objects.count()) == (True, 1)
    assert "s3cret" not in again.out
    (listed,) = postroom("ingress", "list", "--json").data
    assert listed["address"] == again.data["address"]
    assert postroom("ingress", "remove", "Incoming", "--json").data == {"name": "Incoming", "is_removed": True}
    assert "There are none" in postroom("ingress", "list").out
