"""receive: the pipe for an MTA, with the exit codes that mail servers read; explain: the same without a trace."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from psycopg import sql

from postroom.flows import accept_message as accepting
from postroom.store.models import Alias, AliasDomain, Company, InboundMessage, RecordKind
from tests.cli.conftest import Command
from tests.cli.mails import HELLO

pytestmark = pytest.mark.django_db

SUPPORT = "support@postroom.test"


@pytest.fixture(autouse=True)
def alias() -> Alias:
    domain = AliasDomain.objects.create(name="postroom.test")
    company = Company.objects.create(name="Northwind Prints", alias_domain=domain)
    kind = RecordKind.objects.get_or_create(key="ticket", defaults={"label": "Ticket", "label_plural": "Tickets"})[0]
    return Alias.objects.create(company=company, name="support", domain=domain, kind=kind)


def test_a_mail_on_the_pipe_is_stored_as_it_came(postroom: Command) -> None:
    assert postroom("receive", stdin=HELLO).code == 0
    mail = InboundMessage.objects.select_related("raw_mail").get()
    assert (mail.door, mail.state, mail.rcpt_to) == ("pipe", "received", [])
    assert mail.raw_mail.raw == HELLO


def test_the_envelope_is_kept(postroom: Command) -> None:
    answer = postroom("receive", "--rcpt", SUPPORT, "--mail-from", "<carla@customer.example>", stdin=HELLO)
    assert answer.code == 0
    mail = InboundMessage.objects.get()
    assert (mail.mail_from, mail.rcpt_to) == ("carla@customer.example", [SUPPORT])


def test_an_empty_sender_is_the_null_reverse_path_and_a_missing_one_is_the_author(postroom: Command) -> None:
    postroom("receive", "--rcpt", SUPPORT, "--mail-from", "<>", stdin=HELLO)
    postroom("receive", "--rcpt", SUPPORT, stdin=HELLO)
    postroom("receive", "--rcpt", SUPPORT, stdin=b"Return-Path: <>\n" + HELLO)
    senders = list(InboundMessage.objects.order_by("pk").values_list("mail_from", flat=True))
    assert senders == ["", "carla@customer.example", ""]


def test_when_every_recipient_is_unknown_the_mta_is_told_so(postroom: Command) -> None:
    answer = postroom("receive", "--rcpt", "nobody@postroom.test", stdin=HELLO)
    assert answer.code == 67
    assert "nobody@postroom.test" in answer.err
    assert not InboundMessage.objects.exists()


def test_a_mail_with_one_known_recipient_is_taken_with_all_of_them(postroom: Command) -> None:
    answer = postroom("receive", "--rcpt", "nobody@postroom.test", "--rcpt", SUPPORT, stdin=HELLO)
    assert answer.code == 0
    assert InboundMessage.objects.get().rcpt_to == ["nobody@postroom.test", SUPPORT]


def test_a_database_that_is_down_makes_the_mta_try_again(postroom: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(accepting, "accept_message", down)
    answer = postroom("receive", stdin=HELLO)
    assert answer.code == 75
    assert answer.err == "The database cannot be reached: connection refused\n"


def test_tables_that_are_behind_make_the_mta_try_again(postroom: Command) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'postroom'")
    answer = postroom("receive", stdin=HELLO)
    assert answer.code == 75
    assert "postroom migrate" in answer.err


def test_no_mail_and_a_wrong_call_have_codes_of_their_own(postroom: Command) -> None:
    assert postroom("receive", stdin=b"\n").code == 65
    assert postroom("receive", "--recipient", SUPPORT, stdin=HELLO).code == 64
    assert not InboundMessage.objects.exists()


def test_explain_names_what_would_happen_and_why(postroom: Command) -> None:
    answer = postroom("explain", "-", "--rcpt", SUPPORT, "--json", stdin=HELLO)
    assert answer.code == 0
    assert (answer.data["door"], answer.data["state"]) == ("smtp", "routed")
    (decision,) = answer.data["decisions"]
    assert (decision["decision"], decision["kind"]) == ("CreateRecord", "ticket")
    assert {reason["code"] for reason in decision["reasons"]} >= {"alias.takes"}
    assert all(reason["sentence"] for reason in decision["reasons"])


def test_explain_speaks_in_sentences(postroom: Command) -> None:
    answer = postroom("explain", "-", "--door", "imap", stdin=HELLO)
    assert "It becomes a new record of the kind ticket." in answer.out
    assert "because: support@postroom.test is the alias support" in answer.out


def test_explain_writes_nothing(postroom: Command) -> None:
    def rows() -> dict[str, int]:
        with connection.cursor() as cursor:
            counts = {}
            for table in connection.introspection.table_names(cursor):
                cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
                counts[table] = cursor.fetchone()[0]
        return counts

    before = rows()
    assert len(before) > 20
    assert postroom("explain", "-", "--rcpt", SUPPORT, stdin=HELLO).code == 0
    assert rows() == before


def test_at_a_door_where_the_envelope_decides_it_must_be_named(postroom: Command) -> None:
    answer = postroom("explain", "-", "--door", "lmtp", stdin=HELLO)
    assert answer.code == 2
    assert "--rcpt" in answer.err


def test_a_door_that_there_is_not_is_named(postroom: Command) -> None:
    answer = postroom("explain", "-", "--door", "window", stdin=HELLO)
    assert answer.code == 2
    assert "'window'" in answer.err
