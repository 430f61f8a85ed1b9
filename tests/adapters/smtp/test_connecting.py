"""Before the first mail: what is wrong with the server is told to everybody who waits, at once."""

from __future__ import annotations

import time

import pytest

from postroom.core.delivery.wire import Phase
from postroom.core.terms.smtp_replies import SmtpReply

from .posting import MemoryJournal, endpoint, mails, post, post_one
from .scripted_peer import Connection, Does, ScriptedPeer, closed_port, polite

pytestmark = pytest.mark.usefixtures("every_loop")


def test_a_refused_connection_is_trouble_for_everybody_who_waits() -> None:
    journal = MemoryJournal()
    with closed_port() as port:
        outcomes = post(endpoint(port, max_connections=10), *mails(2000), journal=journal)
    assert {outcome.key for outcome in outcomes} == set(range(1, 2001))
    assert {(each.phase, each.reply, each.trouble) for each in outcomes} == {
        (Phase.CONNECT, None, "connection refused")
    }
    assert {each.connection for each in outcomes} == {f"127.0.0.1:{port}#1"}, "one attempt is enough for all"
    assert {note for note, _ in journal.notes} == {"finished"}


def test_an_unknown_name_is_trouble_in_connecting() -> None:
    outcome = post_one(endpoint(25, host="nobody.invalid"))
    assert outcome.phase is Phase.CONNECT
    assert "nobody.invalid could not be resolved" in outcome.trouble


def test_a_name_too_long_for_the_dns_is_trouble_in_connecting() -> None:
    outcome = post_one(endpoint(25, host=f"{'a' * 70}.example"))
    assert outcome.phase is Phase.CONNECT
    assert outcome.trouble


@pytest.mark.parametrize("host", ["", "two words", "line\nend"])
def test_what_cannot_be_a_host_name_is_a_bug(host: str) -> None:
    with pytest.raises(ValueError, match="no host name"):
        post_one(endpoint(25, host=host))


@pytest.mark.parametrize("greeting", ["554 5.3.2 no service for you", "421 4.3.2 too many connections", "450 later"])
def test_a_greeting_that_refuses_is_the_outcome_of_all(greeting: str) -> None:
    with ScriptedPeer(polite(answers={"GREETING": [greeting]})) as server:
        outcomes = post(endpoint(server.port, max_connections=5), *mails(20))
    assert {(each.phase, str(each.reply), each.trouble) for each in outcomes} == {(Phase.GREETING, greeting, "")}
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("banner", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad Request"),
        (b"\x16\x03\x01\x00\xff\n", "\ufffd\ufffd\ufffd\ufffdÿ"),
        (b"-220 minus\r\n", "-220 minus"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
    ],
)
def test_a_greeting_that_is_no_smtp_has_code_0(banner: bytes, text: str) -> None:
    with ScriptedPeer(polite(answers={"GREETING": [banner]})) as server:
        outcome = post_one(endpoint(server.port))
    assert (outcome.phase, outcome.reply) == (Phase.GREETING, SmtpReply(0, "", text))


def test_a_greeting_without_a_line_end_is_given_up_on() -> None:
    with ScriptedPeer(polite(answers={"GREETING": [b"220" + b"x" * 100_000]})) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.phase is Phase.GREETING
    assert outcome.reply is not None
    assert outcome.reply.code == 0
    assert len(outcome.reply.text) <= 1000


def test_an_8_bit_banner_is_no_obstacle() -> None:
    banner = b"220-Gr\xfc\xdfe\r\n220 \xe2\x82\xac \x00 here\r\n"
    with ScriptedPeer(polite(answers={"GREETING": [banner]})) as server:
        assert post_one(endpoint(server.port)).is_accepted


def test_a_silent_server_costs_one_time_out_for_all() -> None:
    with ScriptedPeer(polite(answers={"GREETING": [Does.SLEEP]})) as server:
        outcomes = post(endpoint(server.port, reply_timeout=0.1, max_connections=10), *mails(50))
    assert {(each.phase, each.trouble) for each in outcomes} == {(Phase.GREETING, "no answer within 0.1 seconds")}
    assert len(server.connections) == 1


@pytest.mark.parametrize(("verb", "phase"), [("GREETING", Phase.GREETING), ("EHLO", Phase.EHLO), ("AUTH", Phase.AUTH)])
@pytest.mark.parametrize("deed", [Does.DROP, Does.RESET])
def test_a_connection_that_breaks_before_any_mail_is_trouble_of_the_server(verb: str, phase: Phase, deed: Does) -> None:
    with ScriptedPeer(polite(extensions=["AUTH PLAIN"], answers={verb: [deed]})) as server:
        outcome = post_one(endpoint(server.port, username="alice", password="secret"))
    # A reset right behind the accept may be seen before connecting has ended.
    assert outcome.phase is phase or (verb == "GREETING" and outcome.phase is Phase.CONNECT)
    assert outcome.reply is None
    assert "closed the connection" in outcome.trouble or "reset" in outcome.trouble


def test_a_connection_dropped_right_behind_the_answer_to_ehlo_costs_one_retry() -> None:
    """Whether the drop is noticed in EHLO or in MAIL is a race, but either is told as such."""

    def rude(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250 peer.example")
        peer.drop()

    with ScriptedPeer(rude) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.phase in (Phase.EHLO, Phase.MAIL)
    assert outcome.reply is None
    assert outcome.trouble
    assert len(server.connections) <= 2


def test_a_server_that_knows_only_helo_takes_mail() -> None:
    def old(peer: Connection) -> None:
        peer.say("220 peer.example Sendmail 4.1")
        peer.hear("EHLO")
        peer.say("500 Command unrecognized")
        peer.hear("HELO POSTROOM.EXAMPLE")
        peer.say("250 peer.example, pleased to meet you")
        assert peer.hear() == "MAIL FROM:<alice@sender.example>", "no extension of which nobody spoke"
        peer.say("250 ok")
        peer.hear("RCPT")
        peer.say("250 ok")
        peer.hear("DATA")
        peer.say("354 go")
        peer.hear_content()
        peer.say("250 ok")
        peer.hear("QUIT")
        peer.say("221 bye")

    with ScriptedPeer(old) as server:
        assert post_one(endpoint(server.port)).is_accepted


@pytest.mark.parametrize("reply", ["421 4.3.2 closing", "451 not now"])
def test_a_temporary_refusal_of_ehlo_is_not_answered_with_helo(reply: str) -> None:
    with ScriptedPeer(polite(answers={"EHLO": [reply]})) as server:
        outcome = post_one(endpoint(server.port))
    assert (outcome.phase, str(outcome.reply)) == (Phase.EHLO, reply)
    assert "HELO postroom.example" not in server.connections[0].heard


def test_a_server_that_refuses_helo_too_is_heard() -> None:
    answers = {"EHLO": ["550 5.7.1 I do not like you"], "HELO": ["550 5.7.1 I still do not"]}
    with ScriptedPeer(polite(answers=answers)) as server:
        outcome = post_one(endpoint(server.port))
    assert (outcome.phase, str(outcome.reply)) == (Phase.EHLO, "550 5.7.1 I still do not")


def test_a_server_that_talks_ahead_is_left() -> None:
    with ScriptedPeer(polite(answers={"EHLO": [b"250 peer.example\r\n250 ok\r\n250 ok\r\n"]})) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.phase is Phase.EHLO
    assert "more than it was asked" in outcome.trouble


def test_an_answer_to_ehlo_that_comes_before_the_question_is_not_believed() -> None:
    early = b"220 peer.example\r\n250-peer.example\r\n250 PIPELINING\r\n"
    with ScriptedPeer(polite(answers={"GREETING": [early], "EHLO": [Does.SLEEP]})) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.phase is Phase.EHLO
    assert "more than it was asked" in outcome.trouble
    assert server.mails == []


def test_a_greeting_that_trickles_is_bounded() -> None:
    def trickle(peer: Connection) -> None:
        while True:
            peer.say("220-wait")
            peer.socket.settimeout(0.02)
            try:
                peer.hear_bytes(1)
            except Exception as silence:
                if not isinstance(silence.__cause__, TimeoutError):
                    raise

    began = time.monotonic()
    with ScriptedPeer(trickle) as server:
        outcome = post_one(endpoint(server.port, reply_timeout=2.0))
    print(f"given up after {time.monotonic() - began:.2f} s")
    assert (outcome.phase, outcome.trouble) == (Phase.GREETING, "no answer within 2 seconds")


def test_the_next_mail_after_trouble_tries_anew() -> None:
    with ScriptedPeer(polite(answers={"GREETING": ["421 not yet"]}), polite()) as server:
        assert not post_one(endpoint(server.port)).is_accepted
        assert post_one(endpoint(server.port)).is_accepted
