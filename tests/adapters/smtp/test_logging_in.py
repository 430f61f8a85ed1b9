"""AUTH: which mechanism, what is said, what is told of a refusal, and where the password never appears."""

from __future__ import annotations

import base64

import pytest

from postroom.adapters.smtp.sasl import login, plain, xoauth2
from postroom.core.delivery.wire import Phase
from postroom.core.terms.secret import Secret
from postroom.core.terms.smtp_replies import SmtpReply

from .posting import endpoint, mails, post, post_one
from .scripted_peer import Connection, Does, ScriptedPeer, polite

PASSWORD = "correct horse pässword"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(line: str) -> str:
    return base64.b64decode(line.rpartition(" ")[2]).decode()


@pytest.mark.case("T-176")
def test_plain_says_name_and_password_at_once() -> None:
    with ScriptedPeer(polite(extensions=["AUTH LOGIN PLAIN"])) as server:
        assert post_one(endpoint(server.port, username="alice", password=PASSWORD)).is_accepted
    [auth] = [line for line in server.connections[0].heard if line.startswith("AUTH PLAIN ")]
    assert decoded(auth) == f"\0alice\0{PASSWORD}"


@pytest.mark.case("T-176")
def test_login_answers_two_questions_whatever_their_words() -> None:
    heard: list[str] = []

    def asking(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 AUTH=LOGIN")
        heard.append(peer.hear())
        peer.say("334 d2hvPw==")
        heard.append(peer.hear())
        peer.say("334 cmVhbGx5Pw==")
        heard.append(peer.hear())
        peer.say("235 ok")
        peer.hear("MAIL")
        peer.say("550 that will do")

    with ScriptedPeer(asking) as server:
        outcome = post_one(endpoint(server.port, username="alice", password=PASSWORD))
    assert outcome.phase is Phase.MAIL
    assert heard == ["AUTH LOGIN", encoded("alice"), encoded(PASSWORD)]


@pytest.mark.case("T-176")
def test_a_refused_login_is_the_outcome_of_all_and_tried_once() -> None:
    """Ten wrong passwords at once would lock the account."""
    refusal = "535 5.7.8 authentication failed"
    with ScriptedPeer(polite(extensions=["AUTH PLAIN LOGIN"], answers={"AUTH": [refusal]})) as server:
        to = endpoint(server.port, username="alice", password="wrong", max_connections=10)
        outcomes = post(to, *mails(100))
    assert {(each.phase, each.reply) for each in outcomes} == {
        (Phase.AUTH, SmtpReply(535, "5.7.8", "authentication failed"))
    }
    heard = [line for connection in server.connections for line in connection.heard]
    assert len([line for line in heard if line.startswith("AUTH")]) == 1


def test_an_unknown_mechanism_leads_to_the_next() -> None:
    script = polite(extensions=["AUTH PLAIN LOGIN"], answers={"AUTH": ["504 5.5.4 not that one", "334 x"]})
    with ScriptedPeer(script) as server:
        assert post_one(endpoint(server.port, username="alice", password=PASSWORD)).is_accepted


@pytest.mark.parametrize(
    ("offered", "named"), [("PIPELINING", "none"), ("AUTH CRAM-MD5 NTLM", "CRAM-MD5, NTLM"), ("AUTH", "none")]
)
def test_no_login_in_common_is_trouble(offered: str, named: str) -> None:
    with ScriptedPeer(polite(extensions=[offered])) as server:
        outcome = post_one(endpoint(server.port, username="alice", password=PASSWORD))
    assert outcome.phase is Phase.AUTH
    assert outcome.reply is None
    assert f"(it offers: {named})" in outcome.trouble


def test_questions_without_end_are_cancelled() -> None:
    script = polite(extensions=["AUTH PLAIN"], answers={"AUTH": ["334 "], "AUTH+": ["501 5.7.0 cancelled"]})
    with ScriptedPeer(script) as server:
        outcome = post_one(endpoint(server.port, username="alice", password=PASSWORD))
    assert (outcome.phase, str(outcome.reply)) == (Phase.AUTH, "501 5.7.0 cancelled")


@pytest.mark.parametrize("echo", [PASSWORD, encoded(f"\0alice\0{PASSWORD}")])
def test_a_server_that_repeats_the_password_is_not_quoted(echo: str) -> None:
    answers = {"AUTH": [f"535 5.7.8 {echo} is wrong"]}
    with ScriptedPeer(polite(extensions=["AUTH PLAIN"], answers=answers)) as server:
        outcome = post_one(endpoint(server.port, username="alice", password=PASSWORD))
    assert outcome.reply == SmtpReply(535, "5.7.8", "******** is wrong")


def test_no_login_without_a_user_name() -> None:
    with ScriptedPeer(polite(extensions=["AUTH PLAIN"])) as server:
        assert post_one(endpoint(server.port)).is_accepted
    assert not any(line.startswith("AUTH") for line in server.connections[0].heard)


def test_a_token_is_asked_for_every_connection_and_said_by_xoauth2() -> None:
    tokens = iter(["first", "second"])

    async def fresh() -> Secret:
        return Secret(next(tokens))

    with ScriptedPeer(polite(extensions=["AUTH PLAIN XOAUTH2"])) as server:
        to = endpoint(server.port, username="alice@sender.example", mails_per_connection=1)
        assert all(each.is_accepted for each in post(to, *mails(2), access_token=fresh))
    said = [decoded(line) for peer in server.connections for line in peer.heard if line.startswith("AUTH XOAUTH2")]
    assert said == [f"user=alice@sender.example\1auth=Bearer {token}\1\1" for token in ("first", "second")]


def test_a_refused_token_is_acknowledged_and_its_refusal_told() -> None:
    async def stale() -> Secret:
        return Secret("stale")

    script = polite(
        extensions=["AUTH XOAUTH2"],
        answers={"AUTH": ["334 eyJzdGF0dXMiOiI0MDEifQ=="], "AUTH+": ["535 5.7.8 no"]},
    )
    with ScriptedPeer(script) as server:
        outcome = post_one(endpoint(server.port, username="alice"), access_token=stale)
    assert (outcome.phase, str(outcome.reply)) == (Phase.AUTH, "535 5.7.8 no")
    assert "" in server.connections[0].heard


def test_a_token_that_cannot_be_had_is_trouble() -> None:
    async def broken() -> Secret:
        raise RuntimeError("the consent was withdrawn")

    with ScriptedPeer(polite(extensions=["AUTH XOAUTH2"])) as server:
        outcome = post_one(endpoint(server.port, username="alice"), access_token=broken)
    assert (outcome.phase, outcome.trouble) == (Phase.AUTH, "no access token: the consent was withdrawn")


@pytest.mark.slow
def test_a_login_without_an_answer_is_bounded() -> None:
    with ScriptedPeer(polite(extensions=["AUTH PLAIN"], answers={"AUTH": [Does.SLEEP]})) as server:
        outcome = post_one(endpoint(server.port, username="alice", password=PASSWORD, reply_timeout=2.0))
    assert (outcome.phase, outcome.trouble) == (Phase.AUTH, "no answer within 2 seconds")


def test_mechanisms_never_show_what_they_say() -> None:
    for mechanism in (
        plain("alice", Secret(PASSWORD)),
        login("alice", Secret(PASSWORD)),
        xoauth2("alice", Secret(PASSWORD)),
    ):
        for secret in (PASSWORD, encoded(PASSWORD), encoded(f"\0alice\0{PASSWORD}")):
            assert secret not in repr(mechanism)
