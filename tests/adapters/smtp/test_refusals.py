"""The server says no: which mail hears it, in which phase, and that the others go on."""

from __future__ import annotations

import pytest

from postroom.core.delivery.wire import Phase
from postroom.core.terms.smtp_replies import SmtpReply

from .posting import BODY, HEADER, MemoryJournal, endpoint, mail, mails, post, post_one
from .scripted_peer import Connection, ScriptedPeer, polite

PLAIN = ("SIZE 1000000",)
PIPELINED = ("SIZE 1000000", "PIPELINING")
both_ways = pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["singly", "pipelined"])


def test_an_accepted_mail_carries_the_reply_to_its_end() -> None:
    with ScriptedPeer(polite()) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.is_accepted
    assert not outcome.is_unknown
    assert outcome.reply == SmtpReply(250, "2.0.0", "taken")
    assert outcome.connection == f"127.0.0.1:{server.port}#1"
    assert outcome.duration > 0
    assert outcome.tls == ""
    assert server.mails[0].mail.startswith("MAIL FROM:<alice@sender.example>")
    assert server.mails[0].rcpts == ("RCPT TO:<bob@reader.example>",)


@both_ways
@pytest.mark.parametrize(
    ("verb", "phase"),
    [("MAIL", Phase.MAIL), ("RCPT", Phase.RCPT), ("DATA", Phase.DATA), ("END", Phase.BODY)],
)
@pytest.mark.parametrize("refusal", ["451 4.3.0 later", "550 5.7.1 never"])
def test_a_refusal_is_the_outcome_of_its_mail_and_of_no_other(
    extensions: tuple[str, ...], verb: str, phase: Phase, refusal: str
) -> None:
    usual = {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", "END": "250 ok"}[verb]
    script = polite(extensions=extensions, answers={verb: [usual, refusal, usual]})
    journal = MemoryJournal()
    with ScriptedPeer(script) as server:
        first, second, third = post(endpoint(server.port), *mails(3), journal=journal)
    assert first.is_accepted
    assert third.is_accepted
    assert not second.is_accepted
    assert (second.phase, str(second.reply)) == (phase, refusal)
    assert second.trouble == ""
    assert len(server.connections) == 1, "a refusal needs no new connection"
    assert ("started", 2) in journal.notes if phase is Phase.BODY else ("started", 2) not in journal.notes


@both_ways
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_after_a_refusal_the_transaction_is_reset(extensions: tuple[str, ...], verb: str) -> None:
    with ScriptedPeer(polite(extensions=extensions, answers={verb: ["550 no"]})) as server:
        post(endpoint(server.port), *mails(2))
    verbs = [line[:4] for line in server.connections[0].heard]
    assert verbs.count("RSET") == 1
    assert verbs[verbs.index("RSET") :] == ["RSET", "MAIL", "RCPT", "DATA", "QUIT"]


def test_asked_singly_a_refused_sender_is_not_followed_by_recipients() -> None:
    with ScriptedPeer(polite(extensions=PLAIN, answers={"MAIL": ["550 no"]})) as server:
        post_one(endpoint(server.port))
    assert [line[:4] for line in server.connections[0].heard] == ["EHLO", "MAIL", "QUIT"]


@both_ways
def test_recipients_of_one_envelope_are_told_apart(extensions: tuple[str, ...]) -> None:
    letter = mail(rcpt_to=("bob@reader.example", "charlie@reader.example", "carla@customer.example"))
    answers = {"RCPT": ["250 ok", "550 5.1.1 no Charlie here", "250 ok"]}
    with ScriptedPeer(polite(extensions=extensions, answers=answers)) as server:
        outcome = post_one(endpoint(server.port), letter)
    assert outcome.is_accepted
    assert outcome.refusals == (("charlie@reader.example", SmtpReply(550, "5.1.1", "no Charlie here")),)
    assert server.mails[0].rcpts == ("RCPT TO:<bob@reader.example>", "RCPT TO:<carla@customer.example>")


@both_ways
def test_if_all_recipients_are_refused_a_temporary_refusal_decides(extensions: tuple[str, ...]) -> None:
    letter = mail(rcpt_to=("bob@reader.example", "charlie@reader.example"))
    answers = {"RCPT": ["550 5.1.1 no", "452 4.2.2 full"]}
    with ScriptedPeer(polite(extensions=extensions, answers=answers)) as server:
        outcome = post_one(endpoint(server.port), letter)
    assert outcome.phase is Phase.RCPT
    assert outcome.reply == SmtpReply(452, "4.2.2", "full")
    assert [address for address, _ in outcome.refusals] == ["bob@reader.example", "charlie@reader.example"]
    assert server.mails == []


def test_a_content_asked_for_without_recipients_is_a_lone_dot() -> None:
    """RFC 2920 3.1."""
    answers = {
        "RCPT": ["550 5.1.1 no"],
        "DATA": ["354 go ahead nevertheless"],
        "END": ["554 nobody to send to"],
    }
    journal = MemoryJournal()
    with ScriptedPeer(polite(answers=answers)) as server:
        first, second = post(endpoint(server.port), *mails(2), journal=journal)
    assert (first.phase, first.reply) == (Phase.RCPT, SmtpReply(550, "5.1.1", "no"))
    assert second.is_accepted
    assert server.mails[0].content == b""
    assert server.mails[0].rcpts == ()
    assert ("started", 1) not in journal.notes


def test_a_recipient_accepted_after_a_refused_sender_gets_no_empty_mail() -> None:
    answers = {"MAIL": ["550 no"], "RCPT": ["250 of course"], "DATA": ["354 come"]}
    with ScriptedPeer(polite(answers=answers), polite()) as server:
        first, second = post(endpoint(server.port), *mails(2))
    assert (first.phase, str(first.reply)) == (Phase.MAIL, "550 no")
    assert second.is_accepted
    assert [each.connection for each in server.mails] == [1]


def test_a_server_that_refuses_rset_is_left() -> None:
    with ScriptedPeer(polite(answers={"RCPT": ["550 no"], "RSET": ["500 what?"]}), polite()) as server:
        first, second = post(endpoint(server.port), *mails(2))
    assert str(first.reply) == "550 no"
    assert second.is_accepted
    assert len(server.connections) == 2


@both_ways
@pytest.mark.parametrize(("verb", "phase"), [("MAIL", Phase.MAIL), ("RCPT", Phase.RCPT), ("DATA", Phase.DATA)])
@pytest.mark.parametrize("nonsense", ["250-ok\r\n-1 what", "199 early", "600 late", "<html>", "25", "", "\0\0"])
def test_nonsense_before_the_content_is_a_transient_reply_with_code_0(
    extensions: tuple[str, ...], verb: str, phase: Phase, nonsense: str
) -> None:
    with ScriptedPeer(polite(extensions=extensions, answers={verb: [nonsense]}), polite()) as server:
        first, second = post(endpoint(server.port), *mails(2))
    assert first.phase is phase
    assert first.reply is not None
    assert first.reply.code == 0
    assert first.reply.is_transient
    assert second.is_accepted, "on a new connection, as nobody knows what the next reply would mean"
    assert len(server.connections) == 2


@both_ways
@pytest.mark.parametrize(
    ("verb", "phase", "reply"),
    [
        ("MAIL", Phase.MAIL, "354 go ahead"),
        ("RCPT", Phase.RCPT, "354 go ahead"),
        ("DATA", Phase.DATA, "250 2.0.0 taken already"),
    ],
)
def test_a_yes_to_another_question_is_no_yes(extensions: tuple[str, ...], verb: str, phase: Phase, reply: str) -> None:
    journal = MemoryJournal()
    with ScriptedPeer(polite(extensions=extensions, answers={verb: [reply]})) as server:
        outcome = post_one(endpoint(server.port), journal=journal)
    assert outcome.phase is phase
    assert outcome.reply == SmtpReply(0, "", reply)
    assert journal.notes == [("finished", 1)]


def test_an_answer_given_before_the_content_was_seen_is_not_believed() -> None:
    with ScriptedPeer(polite(answers={"DATA": ["354 go\r\n250 2.0.0 taken"]}), polite()) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.phase is Phase.DATA
    assert outcome.reply is not None
    assert outcome.reply.code == 0
    assert not outcome.is_accepted


@pytest.mark.parametrize("nonsense", ["<html>", "354 more", "250-taken\r\nperhaps"])
def test_nonsense_after_the_content_leaves_the_mail_unknown(nonsense: str) -> None:
    with ScriptedPeer(polite(answers={"END": [nonsense]}), polite()) as server:
        first, second = post(endpoint(server.port), *mails(2))
    assert first.is_unknown
    assert "no SMTP" in first.trouble
    assert second.is_accepted


def test_the_last_line_of_a_reply_decides() -> None:
    with ScriptedPeer(polite(answers={"END": ["250-2.0.0 nearly\r\n554 5.6.0 no"]})) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.reply is not None
    assert outcome.reply.code == 554


def test_a_huge_reply_is_read_and_cut() -> None:
    huge = "".join(f"550-5.7.1 reason {number}\r\n" for number in range(10_000)) + "550 5.7.1 the end"
    with ScriptedPeer(polite(answers={"RCPT": [huge]})) as server:
        first, second = post(endpoint(server.port), *mails(2))
    assert first.reply is not None
    assert (first.reply.code, first.reply.enhanced) == (550, "5.7.1")
    assert first.reply.text.startswith("reason 0\nreason 1\n")
    assert len(first.reply.text) < 10_000
    assert second.is_accepted
    assert len(server.connections) == 1


def test_an_endless_reply_costs_no_memory_and_ends_the_connection() -> None:
    def endless(peer: Connection) -> None:
        polite_start(peer)
        while True:
            peer.say("550-" + "x" * 1000)

    with ScriptedPeer(endless, polite()) as server:
        first, second = post(endpoint(server.port), *mails(2))
    assert first.reply is not None
    assert first.reply.code == 0
    assert second.is_accepted


def test_a_mail_larger_than_the_server_takes_is_not_offered() -> None:
    letter = mail(1, chunks=(b"Subject: big\r\n\r\n", b"x" * 1_000_000))
    with ScriptedPeer(polite(extensions=("SIZE 1000",))) as server:
        first, second = post(endpoint(server.port), letter, mail(2))
    assert first.phase is Phase.MAIL
    assert first.reply == SmtpReply(552, "5.3.4", "the mail has 1000016 bytes, the server takes 1000 at most")
    assert second.is_accepted
    assert len(server.mails) == 1


def test_an_internationalized_address_needs_smtputf8() -> None:
    letters = [mail(1, rcpt_to=("björn@läsare.example",)), mail(2, smtputf8=True), mail(3)]
    with ScriptedPeer(polite(extensions=("8BITMIME",))) as server:
        first, second, third = post(endpoint(server.port), *letters)
    assert first.reply is not None
    assert second.reply is not None
    assert (first.reply.code, first.reply.enhanced) == (550, "5.6.7")
    assert (second.reply.code, second.reply.enhanced) == (550, "5.6.7")
    assert (first.phase, second.phase) == (Phase.RCPT, Phase.MAIL)
    assert first.reply.text.startswith("björn@läsare.example has letters beyond ASCII")
    assert third.is_accepted


def test_smtputf8_is_asked_for_only_when_needed() -> None:
    letters = [mail(1, rcpt_to=("björn@läsare.example",)), mail(2)]
    with ScriptedPeer(polite(extensions=("SMTPUTF8", "8BITMIME"))) as server:
        assert all(outcome.is_accepted for outcome in post(endpoint(server.port), *letters))
    assert server.mails[0].mail == "MAIL FROM:<alice@sender.example> SMTPUTF8"
    assert server.mails[0].rcpts == ("RCPT TO:<björn@läsare.example>",)
    assert server.mails[1].mail == "MAIL FROM:<alice@sender.example>"


def test_size_and_body_are_declared_where_offered() -> None:
    letters = [mail(1, chunks=(b"Subject: a\r\n\r\n", "grün\r\n".encode())), mail(2, mail_from="")]
    with ScriptedPeer(polite(extensions=("SIZE", "8BITMIME"))) as server:
        assert all(outcome.is_accepted for outcome in post(endpoint(server.port), *letters))
    assert server.mails[0].mail == "MAIL FROM:<alice@sender.example> SIZE=21 BODY=8BITMIME"
    assert server.mails[1].mail == f"MAIL FROM:<> SIZE={len(HEADER) + len(BODY)}"


@pytest.mark.parametrize("address", ["bob@reader.example>\r\nRCPT TO:<eve@evil.example", "bob\n@x.example", "bob\0"])
def test_an_address_cannot_smuggle_a_command(address: str) -> None:
    letters = [mail(1, rcpt_to=(address,)), mail(2, mail_from=address), mail(3)]
    with ScriptedPeer(polite()) as server:
        first, second, third = post(endpoint(server.port), *letters)
    assert first.reply is not None
    assert second.reply is not None
    assert (first.phase, first.reply.enhanced) == (Phase.RCPT, "5.1.3")
    assert (second.phase, second.reply.enhanced) == (Phase.MAIL, "5.1.7")
    assert third.is_accepted
    assert not any("eve" in line for line in server.connections[0].heard)


def test_a_mail_without_recipients_is_refused_without_the_wire() -> None:
    with ScriptedPeer(polite()) as server:
        outcome = post_one(endpoint(server.port), mail(rcpt_to=()))
    assert (outcome.phase, outcome.reply) == (Phase.RCPT, SmtpReply(554, "5.5.1", "no recipient"))
    assert [line[:4] for line in server.connections[0].heard] == ["EHLO", "QUIT"]


def polite_start(peer: Connection) -> None:
    peer.say("220 peer.example")
    peer.hear("EHLO")
    peer.say("250 peer.example")
    peer.hear("MAIL")
