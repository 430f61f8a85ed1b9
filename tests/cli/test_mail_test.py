"""`postroom mail-test`: files, pipes and headers, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.cli import mail_test as cli_mail_test
from postroom.store.models import MailTest
from tests.adapters.dns.name_server import NameServer
from tests.cli.conftest import Command
from tests.core.mailtest.samples import TOP, a_mail
from tests.flows.outgoing_mails import a_company, a_server
from tests.flows.scripted_mailbox import make_mailbox
from tests.laboratory.scripted import Line, ScriptedPeer

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> str:
    place = tmp_path / "mail.eml"
    place.write_bytes(a_mail(top=TOP.replace("198.51.100.7", "8.8.8.8"), To=None, DKIM_Signature=None))
    return str(place)


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.txt["northwind.example"] = [("v=spf1 ip4:8.8.8.8 -all",)]
        server.txt["_dmarc.northwind.example"] = [("v=DMARC1; p=reject",)]
        yield server


def test_people_get_a_score_its_arithmetic_and_what_to_do(postroom: Command, file: str) -> None:
    answer = postroom("mail-test", "--offline", file)
    assert answer.code == 0
    assert answer.out.startswith("7.5 of 10")
    assert "10 - 1.5 - 1 = 7.5" in answer.out
    assert "to_missing" in answer.out
    assert "to do: Write the recipient into To" in answer.out
    assert not MailTest.objects.exists()


def test_programs_get_json(postroom: Command, file: str) -> None:
    answer = postroom("mail-test", "--offline", "--json", file)
    told = answer.data
    assert (told["score"], told["of"], told["source"]) == (7.5, 10, "mail")
    assert {one["code"] for one in told["findings"] if one["outcome"] == "lost"} == {"dkim_none", "to_missing"}


def test_the_named_name_server_is_asked(postroom: Command, file: str, names: NameServer) -> None:
    told = postroom("mail-test", "--json", "--resolver", f"127.0.0.1:{names.port}", file).data
    assert {"spf_pass", "dmarc_pass"} <= {one["code"] for one in told["findings"]}
    assert "_dmarc.northwind.example" in names.asked


def test_a_header_comes_by_the_pipe(postroom: Command) -> None:
    header = a_mail().partition(b"\r\n\r\n")[0]
    told = postroom("mail-test", "--headers", "--offline", "--json", "-", stdin=header).data
    assert told["source"] == "headers"
    assert "content_unchecked" in {one["code"] for one in told["findings"]}


def test_a_spamd_is_asked_where_one_is_named(postroom: Command, file: str, names: NameServer) -> None:
    def script(line: Line) -> None:
        while line.hear():
            pass
        body = b" 9.9 ALL_BAD               Everything is wrong\n"
        line.say(b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 9.9 / 5.0\r\n\r\n%s" % (len(body), body))

    with ScriptedPeer(script) as spamd:
        words = ("--spamd", f"127.0.0.1:{spamd.port}", "--resolver", f"127.0.0.1:{names.port}")
        told = postroom("mail-test", "--json", *words, file).data
    (found,) = [one for one in told["findings"] if one["section"] == "filter"]
    assert (found["code"], found["points"]) == ("spam_found", 3.0)
    assert found["evidence"] == ["+9.9 ALL_BAD Everything is wrong"]


@pytest.mark.parametrize(
    "words",
    [(), ("nowhere.eml",), ("--spamd", "nonsense", "-"), ("--send", "Nobody"), ("--send", "Relay", "mail.eml")],
    ids=["nothing", "no such file", "no place", "no server", "both"],
)
def test_what_was_asked_wrongly_is_said(postroom: Command, words: tuple[str, ...]) -> None:
    answer = postroom("mail-test", *words, stdin=a_mail())
    assert answer.code == 2
    assert answer.err
    assert "Traceback" not in answer.err


def test_of_what_is_too_large_the_real_size_is_said(
    postroom: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_mail_test, "_LARGEST", 1000)
    huge = tmp_path / "huge.eml"
    huge.write_bytes(b"x" * 4321)
    told = postroom("mail-test", str(huge))
    assert (told.code, "huge.eml has 4321 bytes" in told.err) == (2, True)
    told = postroom("mail-test", "-", stdin=b"x" * 4321)
    assert (told.code, "more than 1000 bytes" in told.err) == (2, True)


def test_a_letterbox_is_not_applicable_and_said_at_once(postroom: Command) -> None:
    a_company()
    a_server(transport="letterbox")
    make_mailbox()
    answer = postroom("mail-test", "--send", "Relay", "--to", "Support", "--json")
    assert answer.code == 0
    assert answer.data["state"] == "not_applicable"
    assert answer.data["trouble"]["code"] == "mailtest.seed.letterbox_server"


def test_a_mail_that_stays_in_the_queue_is_given_up(postroom: Command) -> None:
    a_company()
    a_server(username="mailer@northwind.example")
    make_mailbox()
    answer = postroom("mail-test", "--send", "Relay", "--minutes", "0.1")
    assert answer.code == 1
    assert "still waits in the queue" in answer.out
