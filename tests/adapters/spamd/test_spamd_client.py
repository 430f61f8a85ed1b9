"""The client of spamd against a scripted one: the protocol, and the bad days."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from postroom.adapters.spamd.client import LARGEST_ANSWER, LARGEST_MAIL, ask_spamd
from postroom.core.mailtest.evidence import SpamSymbol, SpamUnchecked, SpamVerdict
from tests.laboratory.ports import LOOPBACK, closed_port
from tests.laboratory.scripted import Line, ScriptedPeer

MAIL = b"Subject: printers\r\n\r\nThey smoke.\r\n"
REPORT = (
    b"Spam detection software has looked at this.\n\n"
    b"Content analysis details:   (6.2 points, 5.0 required)\n\n"
    b" pts rule name              description\n"
    b"---- ---------------------- --------------------------------------------------\n"
    b" 3.5 BAYES_99               BODY: Bayes spam probability is 99 to 100%\n"
    b"                            [score: 1.0000]\n"
    b"-0.1 DKIM_VALID             Message has at least one valid DKIM signature\n"
    b" 2.8 NO_DESCRIPTION\n"
)


def heard_mail(line: Line) -> bytes:
    """The verb of a question, once the mail is there."""
    verb = line.hear().partition(b" ")[0]
    while line.hear():
        pass
    for _ in MAIL.splitlines():
        line.hear()
    return verb


def verdict(body: bytes, spam: bytes = b"True ; 6.2 / 5.0", *, length: int | None = None) -> bytes:
    head = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %s\r\n\r\n" % (
        length if length is not None else len(body),
        spam,
    )
    return head + body


def answers(*words: bytes) -> Callable[[Line], None]:
    """A spamd that gives these answers, one for each connection, and hangs up."""

    def script(line: Line) -> None:
        heard_mail(line)
        line.say(words[line.number - 1])

    return script


def ask(peer: ScriptedPeer, raw: bytes = MAIL, seconds: float = 60.0) -> SpamVerdict | SpamUnchecked:
    return ask_spamd(LOOPBACK, peer.port, raw, seconds=seconds)


def test_a_report_is_read_with_its_rules() -> None:
    with ScriptedPeer(answers(verdict(REPORT))) as peer:
        found = ask(peer)
    assert found == SpamVerdict(
        score=6.2,
        threshold=5.0,
        is_spam=True,
        symbols=(
            SpamSymbol(name="BAYES_99", points=3.5, text="BODY: Bayes spam probability is 99 to 100%"),
            SpamSymbol(name="DKIM_VALID", points=-0.1, text="Message has at least one valid DKIM signature"),
            SpamSymbol(name="NO_DESCRIPTION", points=2.8),
        ),
    )
    assert peer.heard[0] == b"REPORT SPAMC/1.5"
    assert b"Content-length: %d" % len(MAIL) in peer.heard


def test_where_the_report_has_no_table_the_symbols_are_asked_for() -> None:
    symbols = verdict(b"BAYES_00,DKIM_VALID\r\n", b"False ; -1.5 / 5.0")
    with ScriptedPeer(answers(verdict(b"All is well.\n", b"False ; -1.5 / 5.0"), symbols)) as peer:
        found = ask(peer)
    assert isinstance(found, SpamVerdict)
    assert (found.score, found.is_spam) == (-1.5, False)
    assert [one.name for one in found.symbols] == ["BAYES_00", "DKIM_VALID"]
    assert b"SYMBOLS SPAMC/1.5" in peer.heard


BAD_DAYS = {
    "no answer": (b"", "hung up without an answer"),
    "another protocol": (b"220 mx.example ESMTP\r\n\r\n", "does not speak as spamd does"),
    "a refusal": (b"SPAMD/1.0 75 EX_TEMPFAIL\r\n\r\n", "refused: EX_TEMPFAIL"),
    "a refusal as spamd gives it": (b"SPAMD/1.0 76 Bad header line: no end\r\n", "refused: Bad header line: no end"),
    "half a header": (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 12\r\n", "broke off"),
    "no verdict": (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n", "gave no verdict"),
    "a verdict that is none": (verdict(REPORT, b"True ; nan / 5.0"), "gave no verdict"),
    "half an answer": (verdict(REPORT, length=len(REPORT) + 10), "broke off"),
    "a flood": (verdict(b"x" * (LARGEST_ANSWER + 100_000)), "answers more than a report can have"),
}


@pytest.mark.parametrize("day", sorted(BAD_DAYS))
def test_on_a_bad_day_it_is_unchecked_and_said_why(day: str) -> None:
    answer, why = BAD_DAYS[day]
    with ScriptedPeer(answers(answer)) as peer:
        found = ask(peer)
    assert isinstance(found, SpamUnchecked)
    assert why in str(found.why)


def test_silence_lasts_no_longer_than_its_seconds() -> None:
    over = threading.Event()
    with ScriptedPeer(lambda _line: over.wait(90) and None) as peer:
        found = ask(peer, seconds=0.3)
        over.set()
    assert isinstance(found, SpamUnchecked)
    assert "did not answer within 0.3 s" in str(found.why)


def test_an_answer_that_drips_lasts_no_longer_than_its_seconds() -> None:
    def drip(line: Line) -> None:
        heard_mail(line)
        line.drip(verdict(REPORT), every=0.05)

    with ScriptedPeer(drip) as peer:
        found = ask(peer, seconds=0.4)
    assert isinstance(found, SpamUnchecked)
    assert "did not answer" in str(found.why)


def test_a_port_where_nobody_listens_is_said() -> None:
    port = closed_port()
    found = ask_spamd(LOOPBACK, port.number, MAIL, seconds=30)
    port.release()
    assert isinstance(found, SpamUnchecked)
    assert "cannot be reached" in str(found.why)


def test_a_host_that_is_none_is_said() -> None:
    found = ask_spamd("a..b", 783, MAIL, seconds=5)
    assert isinstance(found, SpamUnchecked)


def test_a_mail_larger_than_spamc_hands_over_is_not_asked_about() -> None:
    found = ask_spamd(LOOPBACK, 1, b"x" * (LARGEST_MAIL + 1), seconds=30)
    assert isinstance(found, SpamUnchecked)
    assert "looks at" in str(found.why)
