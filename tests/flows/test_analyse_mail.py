"""The mail test with a real name server and a real signature: what receivers find is found, and what cannot be found costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from postroom.adapters.dkim.signing import DkimWriter
from postroom.core.mailtest.evidence import SpamUnchecked, SpamVerdict
from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.judging import MailReport
from postroom.core.mailtest.outlook import MAGIC, OutlookMail, OutlookTrouble
from postroom.core.mailtest.rules import Outcome, RuleCode
from postroom.core.terms.reasons import because
from postroom.flows.analyse_mail import LARGEST, CannotTest, TestWish, analyse_mail
from postroom.flows.ports import Ports
from postroom.flows.settings import set_parameter
from postroom.store.models import Company, Mailbox
from postroom.wiring import ports
from tests.adapters.dns.name_server import NameServer
from tests.core.mailtest.samples import TOP, a_mail, lost, told

pytestmark = pytest.mark.django_db

PUBLIC = TOP.replace("198.51.100.7", "8.8.8.8")


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.txt["northwind.example"] = [("v=spf1 ip4:8.8.8.8 -all",)]
        server.txt["_dmarc.northwind.example"] = [("v=DMARC1; p=reject",)]
        yield server


def signed(names: NameServer) -> bytes:
    """A mail with a signature of its author's domain."""
    writer = DkimWriter()
    private, public = writer.make_key("ed25519")
    names.txt["one._domainkey.northwind.example"] = [(f"v=DKIM1; k=ed25519; p={public}",)]
    key = writer.open_key(domain="northwind.example", selector="one", algorithm="ed25519", private=private)
    raw = a_mail(top="", DKIM_Signature=None)
    head, _, body = raw.partition(b"\r\n\r\n")
    signature = writer.signatures([key], head + b"\r\n", writer.body_hash(body), signed_at=1_772_442_000)
    return PUBLIC.encode() + signature + raw


def look(raw: bytes, names: NameServer, given: Ports | None = None, **wish: object) -> MailReport:
    asked = TestWish(name_servers=[("127.0.0.1", names.port)], **wish)  # type: ignore[arg-type]
    return analyse_mail(given or ports(), raw, asked)


def test_a_signed_mail_from_a_named_server_is_proven(names: NameServer) -> None:
    report = look(signed(names), names)
    assert lost(report) == set()
    assert told(report, Outcome.GOOD) >= {RuleCode.SPF_PASS, RuleCode.DKIM_PASS, RuleCode.DMARC_PASS}
    assert report.score == "10"


def test_a_mail_that_was_changed_on_the_way_is_found_out(names: NameServer) -> None:
    report = look(signed(names).replace(b"printers of the third", b"printers of the fourth"), names)
    assert lost(report) >= {RuleCode.DKIM_FAIL}
    assert RuleCode.DMARC_PASS in told(report, Outcome.GOOD)  # SPF speaks for the author


def test_a_server_that_the_domain_does_not_name_fails(names: NameServer) -> None:
    report = look(a_mail(top=PUBLIC.replace("8.8.8.8", "8.8.4.4"), DKIM_Signature=None), names)
    assert lost(report) == {RuleCode.SPF_FAIL, RuleCode.DKIM_NONE, RuleCode.DMARC_FAIL}
    assert report.arithmetic == "10 - 2 - 1.5 - 2.5 = 4"


def test_a_silent_name_server_leaves_it_unchecked(names: NameServer) -> None:
    set_parameter(ports(), "mail.authentication.seconds", "1", member=None)
    names.trouble = "silent"
    report = look(signed(names), names)
    assert lost(report) == set()
    assert told(report, Outcome.UNCHECKED) >= {
        RuleCode.SPF_UNCHECKED,
        RuleCode.DKIM_UNCHECKED,
        RuleCode.DMARC_UNCHECKED,
    }


def test_offline_nobody_is_asked(names: NameServer) -> None:
    report = look(signed(names), names, asks_world=False)
    assert names.asked == []
    assert lost(report) == set()
    assert RuleCode.SPF_UNCHECKED in told(report, Outcome.UNCHECKED)


RESULTS = "Authentication-Results: mx.box.test; spf=pass smtp.mailfrom=northwind.example; dkim=pass header.d=northwind.example; dmarc=pass header.from=northwind.example\r\n"


def test_what_a_named_server_found_counts_also_of_a_header_alone(names: NameServer) -> None:
    company = Company.objects.create(name="Northwind")
    Mailbox.objects.create(
        company=company, name="Support", host="imap.box.test", username="bob@box.test", authserv_ids="mx.box.test"
    )
    header = (RESULTS.encode() + a_mail(top=PUBLIC)).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    report = look(header, names, is_header=True, asks_world=False)
    assert report.source is Source.HEADERS
    assert told(report, Outcome.GOOD) >= {RuleCode.SPF_PASS, RuleCode.DMARC_PASS}
    assert lost(report) == set()


def test_what_a_stranger_wrote_is_hearsay(names: NameServer) -> None:
    report = look(RESULTS.encode() + a_mail(top=PUBLIC), names, asks_world=False)
    (dkim,) = [one for one in report.findings if one.code is RuleCode.DKIM_UNCHECKED]
    assert dkim.evidence == ("mx.box.test: dkim=pass northwind.example",)


def test_a_mail_that_came_from_the_own_network_has_no_spf(names: NameServer) -> None:
    report = look(a_mail(top=TOP.replace("198.51.100.7", "10.0.0.9"), DKIM_Signature=None), names)
    assert RuleCode.SPF_NOT_APPLICABLE in told(report, Outcome.NOT_APPLICABLE)


def test_nothing_that_stands_in_the_mail_is_asked(names: NameServer) -> None:
    html = '<p><a href="https://www.evil.example/x">x</a><img src="https://track.evil.example/p.png" alt="a"></p>'
    look(a_mail("x", html, top=PUBLIC, list_unsubscribe="<https://leave.evil.example/1>"), names)
    assert not [name for name in names.asked if "evil" in name]


# ---- Outlook files


def test_an_outlook_file_is_judged_as_far_as_it_tells(names: NameServer) -> None:
    given = replace(ports(), read_outlook=lambda _raw: OutlookMail(raw=a_mail(top=PUBLIC), has_header=True))
    report = look(MAGIC + b"...", names, given)
    assert report.source is Source.OUTLOOK
    assert told(report, Outcome.UNCHECKED) >= {
        RuleCode.DKIM_UNCHECKED,
        RuleCode.FORM_UNCHECKED,
        RuleCode.SIZE_UNCHECKED,
    }
    assert RuleCode.SPF_PASS in told(report, Outcome.GOOD)


def test_an_outlook_file_that_cannot_be_read_is_said_so(names: NameServer) -> None:
    given = replace(
        ports(), read_outlook=lambda _raw: OutlookTrouble(why=because("piece.outlook.damaged", error="OSError"))
    )
    with pytest.raises(CannotTest, match="it is damaged"):
        look(MAGIC + b"...", names, given)


# ---- a filter


def test_the_named_filter_is_asked(names: NameServer) -> None:
    asked: list[tuple[str, int, bytes]] = []

    def ask(host: str, port: int, raw: bytes, *, seconds: float) -> SpamVerdict:
        asked.append((host, port, raw))
        return SpamVerdict(score=9.0, threshold=5.0, is_spam=True)

    set_parameter(ports(), "mail.test.spamd", "filter.box.test:783", member=None)
    raw = signed(names)
    report = look(raw, names, replace(ports(), ask_spamd=ask))
    assert asked == [("filter.box.test", 783, raw)]
    assert lost(report) == {RuleCode.SPAM_FOUND}
    assert look(raw, names, replace(ports(), ask_spamd=ask), spamd=("localhost", 7830)).tenths == 70
    assert asked[1][:2] == ("localhost", 7830)


def test_a_filter_that_does_not_answer_costs_nothing(names: NameServer) -> None:
    given = replace(
        ports(),
        ask_spamd=lambda *_words, **_more: SpamUnchecked(why=because("piece.spam.hung_up", place="localhost:783")),
    )
    report = look(signed(names), names, given, spamd=("localhost", 783))
    assert lost(report) == set()
    assert "hung up" in str(report.findings[-1].why)


@pytest.mark.parametrize(
    ("raw", "why"), [(b" \r\n", "empty"), (b"x" * (LARGEST + 1), "are looked at")], ids=["empty", "huge"]
)
def test_what_is_no_mail_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(CannotTest, match=why):
        analyse_mail(ports(), raw, TestWish(asks_world=False))
