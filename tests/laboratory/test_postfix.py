"""The private mail server, together with the mailbox server: the whole way of a mail."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes

import pytest

from tests.laboratory.availability import requires_dovecot, requires_postfix
from tests.laboratory.counting import Behaviour
from tests.laboratory.daemon import group_members
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.mail_client import compose_new, compose_reply, send, submit
from tests.laboratory.ports import LOOPBACK, closed_port
from tests.laboratory.postfix import Postfix
from tests.laboratory.sink import CountingSink
from tests.laboratory.waiting import wait_until

pytestmark = [requires_postfix, requires_dovecot]
ALICE, BOB = "alice@box.test", "bob@box.test"
USERS = {ALICE: "wonder land", BOB: "builder"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A mail server and a mailbox server that know each other."""

    postfix: Postfix
    dovecot: Dovecot


@pytest.fixture
def town() -> Iterator[Town]:
    with (
        Dovecot(USERS) as dovecot,
        Postfix({"box.test": dovecot.lmtp_transport}, auth_socket=dovecot.auth_socket) as postfix,
    ):
        yield Town(postfix=postfix, dovecot=dovecot)


def test_a_mail_goes_through_postfix_into_the_mailbox_and_its_answer_comes_back(town: Town) -> None:
    send(town.postfix.smtp_port, compose_new(author=BOB, to=ALICE, subject="Lunch?", body="At noon?"))
    (question,) = town.dovecot.wait_for_mail(ALICE)
    send(town.postfix.smtp_port, compose_reply(question, body="Gladly.", author=ALICE))
    (answer,) = map(message_from_bytes, town.dovecot.wait_for_mail(BOB))
    assert answer["Subject"] == "Re: Lunch?"
    assert answer["In-Reply-To"] == message_from_bytes(question)["Message-ID"]
    town.postfix.wait_until_idle()


def test_an_unknown_mailbox_makes_a_delivery_report_to_the_envelope_sender(town: Town) -> None:
    raw = compose_new(author="Alice <alice@box.test>", to="gone@box.test", subject="Anybody?", body="x")
    submit(town.postfix.smtp_port, BOB, "gone@box.test", raw)
    (report,) = map(message_from_bytes, town.dovecot.wait_for_mail(BOB))
    assert report["Return-Path"] == "<>"
    assert report.get_content_type() == "multipart/report"
    status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    fields = "".join(str(block) for block in status.get_payload())
    assert "Action: failed" in fields
    assert "Status: 5.1.1" in fields


def test_a_domain_without_route_is_refused_in_the_session(town: Town) -> None:
    raw = compose_new(author=BOB, to="someone@elsewhere.example", subject="x", body="x")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(town.postfix.smtp_port, raw)
    assert refused.value.recipients["someone@elsewhere.example"][0] == 554
    assert town.postfix.queue() == []


@pytest.mark.slow
def test_submission_demands_tls_and_a_login(town: Town) -> None:
    raw = compose_new(author=ALICE, to=BOB, subject="Signed in", body="x")
    port, ca_file = town.postfix.submission_port, town.postfix.ca_file
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(port, raw)
    assert refused.value.smtp_code == 530
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(port, raw, ca_file=ca_file)
    with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
        send(port, raw, ca_file=ca_file, login=(ALICE, "wrong"))
    assert wrong.value.smtp_code == 535
    send(port, raw, ca_file=ca_file, login=(ALICE, "wonder land"))
    assert len(town.dovecot.wait_for_mail(BOB)) == 1


def test_its_certificate_is_refused_by_who_does_not_trust_the_laboratory(town: Town) -> None:
    port = town.postfix.submission_port
    with smtplib.SMTP(LOOPBACK, port, timeout=60) as peer, pytest.raises(ssl.SSLCertVerificationError):
        peer.starttls(context=ssl.create_default_context())


def test_a_paused_postfix_is_silent_and_loses_nothing(town: Town) -> None:
    town.postfix.pause()
    with socket.create_connection((LOOPBACK, town.postfix.smtp_port), timeout=60) as peer:
        peer.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.recv(100)
        town.postfix.resume()
        peer.settimeout(60)
        assert peer.recv(1000).startswith(b"220 ")
    send(town.postfix.smtp_port, compose_new(author=BOB, to=ALICE, subject="After", body="x"))
    assert len(town.dovecot.wait_for_mail(ALICE)) == 1


def test_mail_waits_in_the_queue_while_the_mailboxes_are_away_and_survives_a_crash(town: Town) -> None:
    town.dovecot.halt()
    send(town.postfix.smtp_port, compose_new(author=BOB, to=ALICE, subject="Patience", body="x"))
    (waiting,) = wait_until(town.postfix.queue, "the mail is in the queue")
    assert waiting["sender"] == BOB
    assert [recipient["address"] for recipient in waiting["recipients"]] == [ALICE]
    town.postfix.wait_for_log("status=deferred")
    town.postfix.crash()
    town.dovecot.start()
    town.postfix.start()
    town.postfix.flush()
    assert len(town.dovecot.wait_for_mail(ALICE)) == 1
    town.postfix.wait_until_idle()


def test_routes_lead_to_doors_sinks_and_errors() -> None:
    nobody_home = closed_port()
    with CountingSink(Behaviour(answers={"dora@out.test": "550 5.1.1 Dora has left"})) as sink:
        way = f"smtp:[{LOOPBACK}]:{sink.smtp_port}"
        away = f"smtp:[{LOOPBACK}]:{nobody_home}"
        routes = {
            "out.test": way,
            "void.test": "discard:",
            "away.test": away,
            "bad.test": "error:5.1.2 no such domain",
        }
        with Postfix(routes) as postfix:
            to = ["bob@out.test", "dora@out.test", "bob@void.test", "bob@away.test"]
            send(postfix.smtp_port, compose_new(author="carla@out.test", to=to, subject="To all", body="x"))
            sent, report = sink.wait_for(2)
            assert sent.rcpt_to == ("bob@out.test",)
            assert (report.mail_from, report.rcpt_to) == ("", ("carla@out.test",))
            assert "Connection refused" in postfix.wait_for_log("to=<bob@away.test>")
            with pytest.raises(smtplib.SMTPRecipientsRefused, match="no such domain"):
                submit(postfix.smtp_port, "carla@out.test", "x@bad.test", b"\r\n")
    nobody_home.release()


def test_settings_and_services_of_a_test_are_obeyed() -> None:
    settings = {"message_size_limit": "5000"}
    services = "nowhere unix - - n - - discard -o syslog_name=postfix/nowhere\n"
    with Postfix({"void.test": "nowhere:"}, settings=settings, services=services) as postfix:
        submit(postfix.smtp_port, BOB, "x@void.test", b"Subject: small\r\n\r\n")
        postfix.wait_for_log("postfix/nowhere")
        with pytest.raises(smtplib.SMTPSenderRefused) as too_big:
            submit(postfix.smtp_port, BOB, "x@void.test", b"x" * 6000)
        assert too_big.value.smtp_code == 552


def test_nothing_is_left_of_it_after_the_stop() -> None:
    with Postfix({"void.test": "discard:"}) as postfix:
        send(postfix.smtp_port, compose_new(author=BOB, to="x@void.test", subject="x", body="x"))
        assert postfix._process is not None
        group, directory = postfix._process.pid, postfix.directory
        assert os.path.isdir(directory)
        assert group_members(group)
    assert not group_members(group)
    assert not directory.exists()
