"""The private mailbox server."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import ssl

import pytest

from tests.laboratory.availability import requires_dovecot
from tests.laboratory.daemon import group_members
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.mail_client import compose_new
from tests.laboratory.ports import LOOPBACK

pytestmark = requires_dovecot
USERS = {"alice@box.test": "wonder land", "bob@box.test": "builder"}
RAW = compose_new(author="carla@customer.example", to="alice@box.test", subject="Hello", body="Grüße")


@pytest.mark.parametrize("mail_location", ["maildir:~/Maildir", "sdbox:~/sdbox"])
def test_a_delivered_mail_lies_in_the_mailbox_unread(mail_location: str) -> None:
    with Dovecot(USERS, mail_location=mail_location) as dovecot:
        dovecot.deliver("alice@box.test", RAW)
        dovecot.deliver("alice@box.test", RAW.replace(b"Hello", b"Again"))
        first, second = dovecot.mails("alice@box.test")
        assert first.endswith(RAW)
        assert b"Again" in second
        assert dovecot.mails("bob@box.test") == []
        assert all("\\Seen" not in flags for flags in dovecot.flags("alice@box.test"))


def test_a_sub_address_belongs_to_its_owner() -> None:
    with Dovecot(USERS) as dovecot:
        dovecot.deliver("alice+x.1@box.test", RAW)
        assert len(dovecot.wait_for_mail("Alice@box.test")) == 1


def test_an_unknown_mailbox_is_refused_with_550_5_1_1() -> None:
    with Dovecot(USERS) as dovecot, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        dovecot.deliver("gone@box.test", RAW)
    code, text = refused.value.recipients["gone@box.test"]
    assert code == 550
    assert text.startswith(b"5.1.1 ")


@pytest.mark.slow
def test_every_door_lets_in_those_who_know_the_password_and_nobody_else() -> None:
    with Dovecot(USERS) as dovecot:
        context = ssl.create_default_context(cafile=str(dovecot.ca_file))
        with imaplib.IMAP4_SSL(LOOPBACK, dovecot.imaps_port, ssl_context=context, timeout=60) as box:
            assert box.login("alice@box.test", "wonder land")[0] == "OK"
        with imaplib.IMAP4(LOOPBACK, dovecot.imap_port, timeout=60) as box:
            box.starttls(context)
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                box.login("alice@box.test", "wrong")
        pop = poplib.POP3_SSL(LOOPBACK, dovecot.pop3s_port, timeout=60, context=context)
        pop.user("bob@box.test")
        assert pop.pass_("builder").startswith(b"+OK")
        pop.quit()
        stranger = poplib.POP3(LOOPBACK, dovecot.pop3_port, timeout=60)
        stranger.user("bob@box.test")
        with pytest.raises(poplib.error_proto):
            stranger.pass_("wonder land")
        stranger.close()


def test_a_folder_made_anew_has_another_uidvalidity() -> None:
    with Dovecot(USERS) as dovecot:
        dovecot.append("bob@box.test", RAW, folder="Leads")
        before = _uidvalidity(dovecot)
        assert len(dovecot.mails("bob@box.test", "Leads")) == 1
        dovecot.recreate("bob@box.test", "Leads")
        assert dovecot.mails("bob@box.test", "Leads") == []
        assert _uidvalidity(dovecot) != before
        with pytest.raises(LookupError):
            dovecot.mails("bob@box.test", "Missing")


def test_mails_survive_a_crash_and_nothing_survives_the_stop() -> None:
    with Dovecot(USERS) as dovecot:
        dovecot.deliver("alice@box.test", RAW)
        dovecot.crash()
        dovecot.start()
        assert len(dovecot.mails("alice@box.test")) == 1
        assert dovecot._process is not None
        group, directory = dovecot._process.pid, dovecot.directory
    assert not group_members(group)
    assert not directory.exists()


def test_an_address_that_is_none_is_refused_before_it_confuses_the_password_file() -> None:
    with pytest.raises(ValueError, match="passwd-file"):
        Dovecot({"alice": "x"}).start()


def _uidvalidity(dovecot: Dovecot) -> bytes:
    with dovecot.open_mailbox("bob@box.test", "Leads") as box:
        return bytes(box.response("UIDVALIDITY")[1][0])
