"""The sinks: what they accept is what they say."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.laboratory.availability import requires_smtp_sink
from tests.laboratory.certificates import make_certificates
from tests.laboratory.counting import AcceptedMail, Behaviour, read_ledger
from tests.laboratory.mail_client import compose_new, send, submit
from tests.laboratory.ports import LOOPBACK
from tests.laboratory.sink import CountingSink, CountingSinkProcess, SmtpSink
from tests.laboratory.waiting import wait_until

RAW = compose_new(
    author="Alice <alice@box.test>",
    to="bob@out.test",
    subject="Offer",
    body="Hello.",
    message_id="<1@box.test>",
)
Kind = Callable[[], AbstractContextManager[CountingSink] | AbstractContextManager[CountingSinkProcess]]


@pytest.mark.parametrize("kind", [CountingSink, CountingSinkProcess])
def test_each_accepted_mail_is_one_line_of_the_ledger(kind: Kind) -> None:
    with kind() as sink:
        submit(sink.smtp_port, "alice@box.test", ["bob@out.test", "charlie@out.test"], RAW)
        submit(sink.smtp_port, "", "bob@out.test", RAW.replace(b"<1@", b"<2@"))
        first, second = sink.accepted()
    assert first == AcceptedMail(
        mail_from="alice@box.test",
        rcpt_to=("bob@out.test", "charlie@out.test"),
        message_id="<1@box.test>",
        size=len(RAW),
    )
    assert (second.mail_from, second.message_id) == ("", "<2@box.test>")


def test_pipelined_commands_bodies_and_dots_are_told_apart() -> None:
    mail = b"Message-ID:\r\n <%d@box.test>\r\n\r\n..dot\r\n\r\n.\r\n"
    commands = b"MAIL FROM:<a@box.test>\r\nRCPT TO:<b@out.test>\r\nDATA\r\n"
    with CountingSink() as sink, socket.create_connection((LOOPBACK, sink.smtp_port), timeout=60) as peer:
        peer.sendall(b"EHLO x\r\n" + b"".join(commands + mail % number for number in range(5)) + b"QUIT\r\n")
        replies = b"".join(iter(lambda: peer.recv(10000), b""))
        accepted = sink.accepted()
    assert replies.count(b"250 2.0.0 Ok: noted") == 5
    assert replies.endswith(b"221 2.0.0 Bye\r\n")
    assert [mail.message_id for mail in accepted] == [f"<{number}@box.test>" for number in range(5)]


def test_a_mail_that_arrives_byte_by_byte_is_still_one_mail() -> None:
    with CountingSink() as sink, socket.create_connection((LOOPBACK, sink.smtp_port), timeout=60) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@out.test>\r\nDATA\r\n.\r\nQUIT\r\n":
            peer.sendall(bytes([byte]))
        while peer.recv(10000):
            pass
        assert [(mail.rcpt_to, mail.size) for mail in sink.accepted()] == [(("b@out.test",), 0)]


def test_refused_and_greylisted_recipients_hear_what_the_behaviour_says() -> None:
    behaviour = Behaviour(answers={"gone@out.test": "550 5.1.1 No such user"}, greylisted=("slow@out.test",))
    with CountingSink(behaviour) as sink, smtplib.SMTP(LOOPBACK, sink.smtp_port, timeout=60) as peer:
        refused = peer.sendmail("alice@box.test", ["gone@out.test", "slow@out.test", "bob@out.test"], RAW)
        assert refused["gone@out.test"] == (550, b"5.1.1 No such user")
        assert refused["slow@out.test"][0] == 451
        assert peer.sendmail("alice@box.test", ["slow@out.test"], RAW) == {}
        assert [mail.rcpt_to for mail in sink.accepted()] == [("bob@out.test",), ("slow@out.test",)]


@pytest.mark.parametrize("kind", [CountingSink, CountingSinkProcess])
def test_a_connection_cut_before_the_reply_leaves_the_mail_in_the_ledger(
    kind: Callable[[Behaviour], Kind],
) -> None:
    with kind(Behaviour(cut_before_reply=("bob@out.test",))) as sink:  # type: ignore[attr-defined]
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            submit(sink.smtp_port, "alice@box.test", "bob@out.test", RAW)
        assert [mail.message_id for mail in sink.accepted()] == ["<1@box.test>"]


ONE_MAIL = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@out.test>\r\nDATA\r\nX: y\r\n\r\n.\r\nQUIT\r\n"


def test_the_line_is_written_before_the_delayed_reply() -> None:
    with (
        CountingSink(Behaviour(reply_delay=3600)) as sink,
        socket.create_connection((LOOPBACK, sink.smtp_port), 60) as peer,
    ):
        peer.sendall(ONE_MAIL)
        sink.wait_for(1)
        assert b"noted" not in peer.recv(10000)


def test_a_delayed_reply_comes() -> None:
    with (
        CountingSink(Behaviour(reply_delay=0.05)) as sink,
        socket.create_connection((LOOPBACK, sink.smtp_port), 60) as peer,
    ):
        peer.sendall(ONE_MAIL)
        assert b"".join(iter(lambda: peer.recv(10000), b"")).endswith(b"noted\r\n221 2.0.0 Bye\r\n")


def test_starttls_is_offered_with_a_certificate_that_verifies(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with CountingSink(Behaviour(chain_file=str(certificates.chain))) as sink:
        submit(
            sink.smtp_port,
            "alice@box.test",
            "bob@out.test",
            RAW,
            ca_file=certificates.ca_file,
            login=("a", "b"),
        )
        with (
            smtplib.SMTP(LOOPBACK, sink.smtp_port, timeout=60) as peer,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            peer.starttls(context=ssl.create_default_context())
        assert len(sink.accepted()) == 1


def test_a_killed_sink_loses_no_line_and_a_shared_ledger_holds_the_mails_of_all(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with CountingSinkProcess(ledger=ledger) as one, CountingSinkProcess(ledger=ledger) as other:
        for sink in (one, other, one):
            send(sink.smtp_port, RAW)
        one.crash()
        other.crash()
    assert len(list(read_ledger(ledger))) == 3


@requires_smtp_sink
def test_smtp_sink_takes_and_counts_mails() -> None:
    with SmtpSink(count=True) as sink:
        for _ in range(3):
            send(sink.smtp_port, RAW)
        wait_until(lambda: sink.count() == 3, "smtp-sink has counted three mails")


@requires_smtp_sink
def test_smtp_sink_refuses_what_its_options_say() -> None:
    with SmtpSink(options=("-f", "RCPT")) as sink, pytest.raises(smtplib.SMTPRecipientsRefused):
        send(sink.smtp_port, RAW)
