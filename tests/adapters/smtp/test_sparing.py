"""A server that harms mail after mail meets few of them, and one that cannot keep up is asked more slowly."""

from __future__ import annotations

import pytest

from postroom.adapters.smtp.pool import SmtpPool
from postroom.core.delivery.wire import Encryption, Phase

from .posting import MemoryJournal, endpoint, mails, post, post_one, run
from .scripted_peer import Answer, Connection, Does, ScriptedPeer, polite

pytestmark = pytest.mark.usefixtures("every_loop")


@pytest.mark.parametrize(("verb", "phase"), [("END", Phase.BODY), ("DATA", Phase.DATA)])
def test_three_broken_connections_in_a_row_are_the_servers_trouble(verb: str, phase: Phase) -> None:
    journal = MemoryJournal()
    with ScriptedPeer(polite(answers={verb: [Does.DROP]})) as server:
        outcomes = post(endpoint(server.port), *mails(50), journal=journal)
    met = [outcome for outcome in outcomes if outcome.phase is phase]
    spared = [outcome for outcome in outcomes if outcome.phase is Phase.CONNECT]
    assert (len(met), len(spared)) == (3, 47)
    assert {outcome.trouble for outcome in spared} == {
        "3 connections in a row broke with a mail on them, the last one: the server closed the connection"
    }
    assert len([note for note in journal.notes if note[0] == "started"]) == (3 if verb == "END" else 0)


def test_one_mail_that_gets_through_in_between_makes_all_well() -> None:
    plan: list[Answer] = ["250 ok", Does.DROP]
    with ScriptedPeer(polite(answers={"END": plan})) as server:
        outcomes = post(endpoint(server.port), *mails(20))
    assert [outcome.is_accepted or outcome.is_unknown for outcome in outcomes] == [True] * 20
    assert sum(outcome.is_unknown for outcome in outcomes) == 3, "then it is known to take one mail a connection"


def test_a_server_that_refuses_to_connect_is_no_broken_connection() -> None:
    """Three mails wait in vain for a connection; this is not counted against those that come later."""

    def peers(peer: Connection) -> None:
        polite(answers={"GREETING": ["421 4.3.2 busy"]})(peer) if peer.number == 0 else polite()(peer)

    async def both_days(port: int) -> list[bool]:
        pool = SmtpPool(endpoint(port), journal=MemoryJournal())
        bad = [await future for future in [pool.submit(mail) for mail in mails(3)]]
        good = [await future for future in [pool.submit(mail) for mail in mails(6)]]
        await pool.close()
        return [outcome.phase is Phase.GREETING for outcome in bad] + [outcome.is_accepted for outcome in good]

    with ScriptedPeer(peers) as server:
        assert run(both_days(server.port)) == [True] * 9


@pytest.mark.slow
def test_a_server_that_forgets_what_came_together_is_asked_singly() -> None:
    def forgetful(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 PIPELINING")
        while True:
            verb = peer.hear()[:4]
            peer._rest = b""
            peer.say({"DATA": "354 go ahead", "QUIT": "221 bye"}.get(verb, "250 ok"))
            if verb == "DATA":
                peer.hear_content()
                peer.say("250 taken")

    with ScriptedPeer(forgetful) as server:
        outcomes = post(endpoint(server.port, reply_timeout=3.0), *mails(5))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert len(server.connections) == 2


@pytest.mark.slow
def test_a_server_that_says_nothing_at_all_is_not_asked_singly_for_that() -> None:
    """It stalls before the first answer: that is no proof against its pipelining."""
    pipelined: list[bool] = []

    def watchful(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 PIPELINING")
        for _ in range(3):
            peer.hear("MAIL")
            peer._pending(1)  # the next command comes without an answer to this one
            pipelined.append(True)
            peer.hear("RCPT")
            peer.hear("DATA")
            peer.say("250 ok", "250 ok", "354 go ahead")
            peer.hear_content()
            peer.say("250 taken")
        peer.hear("QUIT")

    with ScriptedPeer(polite(answers={"MAIL": [Does.SLEEP]}), watchful) as server:
        outcomes = post(endpoint(server.port, reply_timeout=3.0), *mails(3))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert pipelined == [True] * 3


def test_a_mail_behind_one_that_brought_the_server_out_of_step_goes_to_a_fresh_connection() -> None:
    with ScriptedPeer(polite(answers={"END": [b"250 taken\r\n250 taken\r\n"]}), polite()) as server:
        outcomes = post(endpoint(server.port), *mails(4))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert [mail.connection for mail in server.mails] == [0, 1, 1, 1]


def test_a_handshake_that_is_cut_is_told_in_plain_words() -> None:
    def script(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 STARTTLS")
        peer.hear("STARTTLS")
        peer.say("220 go ahead")
        peer.hear_bytes(20)
        peer.drop()

    with ScriptedPeer(script) as server:
        outcome = post_one(endpoint(server.port, encryption=Encryption.STARTTLS))
    assert outcome.phase is Phase.STARTTLS
    assert "Error" not in outcome.trouble
    assert " " in outcome.trouble
