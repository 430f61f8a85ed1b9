"""postroom mailbox and postroom ingress: added, tested, fetched from, reset, compared; as JSON too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postroom.core.terms.secret import Secret
from postroom.store.models import Company, InboundHook, InboundMessage, Mailbox
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


@pytest.mark.parametrize(
    "words",
    [
        ("mailbox", "test", "Nobody"),
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
