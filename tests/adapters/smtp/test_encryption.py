"""TLS, implicit and by STARTTLS: verified by default, never done without when asked for."""

from __future__ import annotations

import ssl

import pytest

from postroom.adapters.smtp.handshake import default_ssl_context
from postroom.core.delivery.wire import Encryption, Phase, WireOutcome

from .certificates import Authority, make_authority, self_signed_context
from .posting import endpoint, mail, mails, post, post_one
from .scripted_peer import Answer, Connection, Does, ScriptedPeer, polite

pytestmark = pytest.mark.usefixtures("every_loop")

both_kinds = pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


def trusting(authority: Authority) -> ssl.SSLContext:
    context = default_ssl_context(verify_certificate=True)
    context.load_verify_locations(cadata=authority.pem)
    return context


def peer_with(context: ssl.SSLContext, encryption: Encryption) -> ScriptedPeer:
    if encryption is Encryption.TLS:
        return ScriptedPeer(polite(), tls=context)
    return ScriptedPeer(polite(starttls=context))


def phase_of(encryption: Encryption) -> Phase:
    return Phase.CONNECT if encryption is Encryption.TLS else Phase.STARTTLS


@pytest.mark.case("T-176")
@both_kinds
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_mail_goes_over_a_verified_connection(authority: Authority, encryption: Encryption, host: str) -> None:
    with peer_with(authority.server_context("localhost", "127.0.0.1"), encryption) as server:
        to = endpoint(server.port, host=host, encryption=encryption)
        outcomes = post(to, *mails(50), ssl_context=trusting(authority))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert {outcome.tls for outcome in outcomes} == {"TLSv1.3"}
    assert len(server.mails) == 50


@both_kinds
def test_a_long_mail_goes_over_an_encrypted_connection(authority: Authority, encryption: Encryption) -> None:
    body = b"".join(b"line %d\r\n" % number for number in range(200_000))
    with peer_with(authority.server_context("127.0.0.1"), encryption) as server:
        to = endpoint(server.port, encryption=encryption)
        outcome = post_one(to, mail(chunks=(b"\r\n", body)), ssl_context=trusting(authority))
    assert outcome.is_accepted
    assert server.mails[0].content == b"\r\n" + body


def refused_certificate(server_context: ssl.SSLContext, encryption: Encryption, trusted: Authority) -> WireOutcome:
    with peer_with(server_context, encryption) as server:
        to = endpoint(server.port, encryption=encryption)
        outcome = post_one(to, ssl_context=trusting(trusted))
    assert server.mails == []
    assert outcome.phase is phase_of(encryption)
    assert outcome.reply is None
    assert outcome.trouble.startswith("the certificate was not accepted: ")
    return outcome


@pytest.mark.case("T-178")
@both_kinds
def test_an_expired_certificate_is_not_accepted(authority: Authority, encryption: Encryption) -> None:
    context = authority.server_context("127.0.0.1", expired=True)
    assert "expired" in refused_certificate(context, encryption, authority).trouble


@pytest.mark.case("T-178")
@both_kinds
def test_a_self_signed_certificate_is_not_accepted(authority: Authority, encryption: Encryption) -> None:
    context = self_signed_context("127.0.0.1")
    assert "self-signed" in refused_certificate(context, encryption, authority).trouble


@pytest.mark.case("T-178")
@both_kinds
def test_a_certificate_for_another_host_is_not_accepted(authority: Authority, encryption: Encryption) -> None:
    context = authority.server_context("other.example")
    assert "127.0.0.1" in refused_certificate(context, encryption, authority).trouble


@both_kinds
def test_without_a_context_of_the_callers_the_system_decides_whom_to_trust(
    authority: Authority, encryption: Encryption
) -> None:
    with peer_with(authority.server_context("127.0.0.1"), encryption) as server:
        outcome = post_one(endpoint(server.port, encryption=encryption))
    assert outcome.phase is phase_of(encryption)
    assert "certificate was not accepted" in outcome.trouble


@pytest.mark.case("T-178")
@both_kinds
@pytest.mark.parametrize("name", ["127.0.0.1", "other.example"])
def test_the_named_exception_takes_any_certificate(encryption: Encryption, name: str) -> None:
    with peer_with(self_signed_context(name), encryption) as server:
        outcome = post_one(endpoint(server.port, encryption=encryption, verify_certificate=False))
    assert outcome.is_accepted
    assert outcome.tls == "TLSv1.3"


@both_kinds
def test_old_tls_is_not_spoken(authority: Authority, encryption: Encryption) -> None:
    context = authority.server_context("127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with peer_with(context, encryption) as server:
        outcome = post_one(endpoint(server.port, encryption=encryption), ssl_context=trusting(authority))
    assert outcome.phase is phase_of(encryption)
    assert outcome.trouble.startswith("the TLS handshake failed: ")


@pytest.mark.case("T-175")
def test_starttls_asked_for_and_not_offered_is_trouble() -> None:
    with ScriptedPeer(polite()) as server:
        outcome = post_one(endpoint(server.port, encryption=Encryption.STARTTLS, username="alice", password="x"))
    assert (outcome.phase, outcome.trouble) == (Phase.STARTTLS, "the server does not offer STARTTLS")
    assert [line[:4] for line in server.connections[0].heard] == ["EHLO"], "neither mail nor password was said"


def test_a_server_that_knows_only_helo_cannot_be_encrypted() -> None:
    with ScriptedPeer(polite(answers={"EHLO": ["502 what?"]})) as server:
        outcome = post_one(endpoint(server.port, encryption=Encryption.STARTTLS))
    assert (outcome.phase, outcome.trouble) == (Phase.STARTTLS, "the server does not offer STARTTLS")


@pytest.mark.case("T-175")
@pytest.mark.parametrize("reply", ["454 4.7.0 TLS not available", "502 5.5.1 no", "250 2.0.0 surely"])
def test_a_starttls_that_is_refused_is_told(authority: Authority, reply: str) -> None:
    script = polite(starttls=authority.server_context("127.0.0.1"), answers={"STARTTLS": [reply]})
    with ScriptedPeer(script) as server:
        to = endpoint(server.port, encryption=Encryption.STARTTLS)
        outcome = post_one(to, ssl_context=trusting(authority))
    assert outcome.phase is Phase.STARTTLS
    assert not outcome.is_accepted
    assert server.mails == []
    assert str(outcome.reply) == reply


@pytest.mark.parametrize(
    "injected",
    [
        b"220 go\r\n250 2.0.0 injected\r\n",
        b"220 go\r\n250-evil.example\r\n250 AUTH PLAIN\r\n",
        b"220 go\r\nx",
    ],
)
def test_plain_text_behind_the_answer_to_starttls_ends_the_connection(injected: bytes) -> None:
    def injecting(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 STARTTLS")
        peer.hear("STARTTLS")
        peer.say(injected)
        peer.sleep()

    with ScriptedPeer(injecting) as server:
        to = endpoint(server.port, encryption=Encryption.STARTTLS, username="alice", password="secret")
        outcome = post_one(to)
    assert outcome.phase is Phase.STARTTLS
    assert "plain text came after the answer to STARTTLS" in outcome.trouble
    assert len(server.connections[0].heard) == 2


def test_what_was_offered_before_tls_is_forgotten_where_only_helo_follows(
    authority: Authority,
) -> None:
    def changing(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250-SIZE 10", "250-PIPELINING", "250 STARTTLS")
        peer.hear("STARTTLS")
        peer.say("220 go")
        peer.secure(authority.server_context("127.0.0.1"))
        peer.hear("EHLO")
        peer.say("502 what?")
        peer.hear("HELO")
        peer.say("250 peer.example")
        assert peer.hear() == "MAIL FROM:<alice@sender.example>"
        assert not peer.has_more()
        peer.say("550 no")

    with ScriptedPeer(changing) as server:
        to = endpoint(server.port, encryption=Encryption.STARTTLS)
        outcome = post_one(to, ssl_context=trusting(authority))
    assert (outcome.phase, str(outcome.reply)) == (Phase.MAIL, "550 no")


def test_what_was_offered_before_tls_is_forgotten(authority: Authority) -> None:
    def changing(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250-SIZE 10", "250-PIPELINING", "250-AUTH PLAIN", "250 STARTTLS")
        peer.hear("STARTTLS")
        peer.say("220 go")
        peer.secure(authority.server_context("127.0.0.1"))
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 AUTH LOGIN")
        peer.hear("AUTH LOGIN")
        peer.say("334 VXNlcm5hbWU6")
        peer.hear()
        peer.say("334 UGFzc3dvcmQ6")
        peer.hear()
        peer.say("235 ok")
        assert peer.hear() == "MAIL FROM:<alice@sender.example>"
        assert not peer.has_more(), "pipelining was not offered again"
        peer.say("550 no")

    with ScriptedPeer(changing) as server:
        to = endpoint(server.port, encryption=Encryption.STARTTLS, username="alice", password="secret")
        outcome = post_one(to, ssl_context=trusting(authority))
    assert (outcome.phase, str(outcome.reply)) == (Phase.MAIL, "550 no")
    assert outcome.tls == "TLSv1.3"


@pytest.mark.parametrize("deed", [Does.DROP, Does.RESET, Does.SLEEP, b"\x16\x03\x01\x02\x00\x01", b"500 what?\r\n"])
@pytest.mark.slow
def test_half_a_tls_handshake_is_trouble_and_bounded(deed: Answer) -> None:
    def halfway(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 STARTTLS")
        peer.hear("STARTTLS")
        peer.say("220 go")
        peer.hear_bytes(100)  # the client's hello
        peer.answer(deed)
        peer.sleep()

    with ScriptedPeer(halfway) as server:
        to = endpoint(server.port, encryption=Encryption.STARTTLS, connect_timeout=2.0)
        outcome = post_one(to)
    assert outcome.phase is Phase.STARTTLS
    assert outcome.reply is None
    assert outcome.trouble


@pytest.mark.case("T-175")
@pytest.mark.parametrize("deed", [Does.DROP, Does.SLEEP, b"220 plain.example ESMTP\r\n"])
@pytest.mark.slow
def test_a_port_that_does_not_speak_tls_is_trouble_in_connecting(deed: Answer) -> None:
    def plain(peer: Connection) -> None:
        peer.answer(deed)
        peer.sleep()

    with ScriptedPeer(plain) as server:
        outcome = post_one(endpoint(server.port, encryption=Encryption.TLS, connect_timeout=2.0))
    assert outcome.phase is Phase.CONNECT
    assert outcome.reply is None
    assert outcome.trouble


@pytest.mark.case("T-175")
@pytest.mark.slow
def test_speaking_plain_to_a_tls_port_is_trouble_in_the_greeting(authority: Authority) -> None:
    with ScriptedPeer(polite(), tls=authority.server_context("127.0.0.1")) as server:
        outcome = post_one(endpoint(server.port, reply_timeout=2.0))
    assert outcome.phase is Phase.GREETING
    assert outcome.trouble
