"""What travels together (RFC 2920), and what is never said before its time."""

from __future__ import annotations

from postroom.core.delivery.wire import Phase

from .posting import BODY, HEADER, MemoryJournal, endpoint, mail, mails, post, post_one
from .scripted_peer import Connection, ScriptedPeer, polite

GROUP = b"MAIL FROM:<alice@sender.example>\r\nRCPT TO:<bob@reader.example>\r\nDATA\r\n"
CONTENT = HEADER + BODY + b".\r\n"


def greet(peer: Connection, *extensions: str) -> None:
    peer.say("220 peer.example")
    peer.hear("EHLO")
    lines = ["peer.example", *extensions]
    peer.say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")


def test_where_offered_the_commands_of_the_next_mail_travel_behind_the_end_of_this_one() -> None:
    def strict(peer: Connection) -> None:
        greet(peer, "PIPELINING")
        assert peer.hear_bytes(len(GROUP)) == GROUP
        assert not peer.has_more(), "content waits for the 354"
        peer.say("250 ok", "250 ok", "354 go")
        assert peer.hear_bytes(len(CONTENT + GROUP)) == CONTENT + GROUP
        assert not peer.has_more()
        peer.say("250 2.0.0 first", "250 ok", "250 ok", "354 go")
        assert peer.hear_bytes(len(CONTENT)) == CONTENT
        assert not peer.has_more()
        peer.say("250 2.0.0 second")
        peer.hear("QUIT")
        peer.say("221 bye")

    journal = MemoryJournal()
    with ScriptedPeer(strict) as server:
        first, second = post(endpoint(server.port), *mails(2), journal=journal)
    assert (str(first.reply), str(second.reply)) == ("250 2.0.0 first", "250 2.0.0 second")
    assert journal.notes == [("started", 1), ("finished", 1), ("started", 2), ("finished", 2)]


def test_where_not_offered_every_command_waits_for_its_reply() -> None:
    def strict(peer: Connection) -> None:
        greet(peer, "8BITMIME")
        for _ in range(2):
            for verb, reply in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go")):
                peer.hear(verb)
                assert not peer.has_more(), f"something was said behind {verb}"
                peer.say(reply)
            assert peer.hear_content() == HEADER + BODY
            assert not peer.has_more()
            peer.say("250 ok")
        peer.hear("QUIT")
        peer.say("221 bye")

    with ScriptedPeer(strict) as server:
        assert all(outcome.is_accepted for outcome in post(endpoint(server.port), *mails(2)))


def test_replies_may_come_in_any_pieces() -> None:
    def stammering(peer: Connection) -> None:
        greet(peer, "PIPELINING")
        peer.hear("MAIL")
        for byte in b"250-2.1.0 one\r\n250 2.1.0 two\r\n250 2.1.5 ok\r\n354":
            peer.say(bytes([byte]))
        peer.say(b" go\r\n")
        peer.hear("RCPT")
        peer.hear("DATA")
        peer.hear_content()
        for byte in b"250-2.0.0 queued\r\n250 2.0.0 as 17\r\n":
            peer.say(bytes([byte]))
        peer.hear("QUIT")
        peer.say("221 bye")

    with ScriptedPeer(stammering) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.is_accepted
    assert outcome.reply is not None
    assert outcome.reply.text == "queued\nas 17"


def test_replies_may_end_with_a_bare_line_feed() -> None:
    answers = {
        "MAIL": [b"250 ok\n"],
        "RCPT": [b"250-a\n250 b\n"],
        "DATA": [b"354\n"],
        "END": [b"250 2.0.0 yes\n"],
    }
    with ScriptedPeer(polite(answers=answers)) as server:
        outcome = post_one(endpoint(server.port))
    assert outcome.is_accepted
    assert str(outcome.reply) == "250 2.0.0 yes"


def test_a_refusal_between_two_pipelined_mails_is_counted_right() -> None:
    answers = {
        "RCPT": ["250 ok", "550 5.1.1 second", "250 ok", "451 4.2.0 fourth", "250 ok"],
        "END": ["250 first", "554 third", "250 fifth"],
    }
    with ScriptedPeer(polite(answers=answers)) as server:
        outcomes = post(endpoint(server.port), *mails(5))
    assert [(each.phase, str(each.reply)) for each in outcomes] == [
        (Phase.BODY, "250 first"),
        (Phase.RCPT, "550 5.1.1 second"),
        (Phase.BODY, "554 third"),
        (Phase.RCPT, "451 4.2.0 fourth"),
        (Phase.BODY, "250 fifth"),
    ]
    assert len(server.connections) == 1


def test_a_long_mail_is_followed_by_the_next_like_a_short_one() -> None:
    body = b"".join(b"line %d\r\n" % number for number in range(100_000))
    letters = [mail(1, chunks=(HEADER, body)), mail(2), mail(3, chunks=(HEADER, body))]
    with ScriptedPeer(polite()) as server:
        assert all(outcome.is_accepted for outcome in post(endpoint(server.port), *letters))
    assert [each.content for each in server.mails] == [HEADER + body, HEADER + BODY, HEADER + body]
    assert len(server.connections) == 1


def test_mails_that_cannot_be_sent_do_not_stop_the_pipeline() -> None:
    letters = [mail(1), mail(2, rcpt_to=()), mail(3, mail_from="\r"), mail(4), mail(5, rcpt_to=("",))]
    with ScriptedPeer(polite()) as server:
        outcomes = post(endpoint(server.port), *letters)
    assert [outcome.is_accepted for outcome in outcomes] == [True, False, False, True, False]
    assert len(server.mails) == 2
