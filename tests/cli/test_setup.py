"""`postroom setup`: found, tried, used, and told; without anybody at a terminal."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from postroom.core.delivery.discovery import Proposal, Service, Source
from postroom.core.delivery.probing import Probe, ProbeOrder, ProbeStep
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxSession, MailboxStep, MailboxTrouble, TroubleKind
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.steps import Step
from postroom.flows import find_servers
from postroom.flows.find_servers import FoundServers
from postroom.flows.ports import Ports
from postroom.store.models import (
    Alias,
    AliasDomain,
    Company,
    Delivery,
    Installation,
    Mailbox,
    OutgoingServer,
    SettingChange,
)
from postroom.wiring import ports
from tests.cli.conftest import Command
from tests.flows.outgoing_mails import a_company, a_mail, deliveries
from tests.flows.scripted_mailbox import ScriptedMailbox

pytestmark = pytest.mark.django_db
SUPPORT = "support@arnold.test"
SECRET = "open sesame 42"


def a_place(service: Service, host: str = "mail.arnold.test", source: Source = Source.PUBLISHED) -> Proposal:
    port = 465 if service is Service.SMTP else 993
    return Proposal(service=service, host=host, port=port, encryption=Encryption.TLS, source=source)


class Provider:
    """A provider behind the sockets: what is found, and whether it takes the password."""

    def __init__(self) -> None:
        self.found: tuple[Proposal, ...] = (a_place(Service.SMTP), a_place(Service.IMAP))
        self.box = ScriptedMailbox()
        self.box.last_step = MailboxStep.LOGIN
        self.takes = SECRET
        self.probed: list[ProbeOrder] = []

    def probe(self, order: ProbeOrder, *, follow: object = None) -> Probe:
        self.probed.append(order)
        if order.endpoint.password.reveal() == self.takes:
            return Probe(steps=(ProbeStep(step=Step.CONNECT, duration=0.1),))
        reply = SmtpReply(535, "5.7.8", "Authentication failed")
        return Probe(steps=(ProbeStep(step=Step.LOGIN, duration=0.1, reply=reply, is_ok=False),))

    def session(self, endpoint: MailboxEndpoint) -> MailboxSession:
        refusal = MailboxTrouble(TroubleKind.LOGIN, "AUTHENTICATIONFAILED")
        self.box.trouble = {} if endpoint.password.reveal() == self.takes else {"open": refusal}
        return self.box.session(endpoint)

    def ports(self) -> Ports:
        return dataclasses.replace(ports(), probe_server=self.probe, mailbox_session=self.session)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    made = Provider()
    monkeypatch.setattr("postroom.wiring.ports", made.ports)
    monkeypatch.setattr(
        find_servers,
        "find_servers",
        lambda _ports, address, **_: FoundServers(domain=address.rpartition("@")[2], proposals=made.found),
    )
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", SECRET)
    return made


def test_an_account_is_found_tried_and_used_and_the_records_are_printed(postroom: Command, provider: Provider) -> None:
    told = postroom("setup", SUPPORT, "--yes", "--json", "--company", "Arnold Lamps")
    assert told.code == 0, told.err
    server, mailbox = OutgoingServer.objects.get(), Mailbox.objects.get()
    assert (server.host, server.port, server.username, server.is_active) == ("mail.arnold.test", 465, SUPPORT, True)
    assert mailbox.is_confirmed
    assert str(Alias.objects.get()) == SUPPORT
    assert (Company.objects.get().name, AliasDomain.objects.get().name) == ("Arnold Lamps", "arnold.test")
    assert told.data["server"]["in_use"]
    assert {one["kind"] for one in told.data["records"]} >= {"spf", "dmarc"}
    assert told.data["begin_at"].startswith("http")
    assert SECRET not in told.out + told.err
    assert SECRET not in str(list(SettingChange.objects.values_list("after", flat=True)))


def test_a_wrong_password_leaves_the_server_out_of_use_and_a_second_run_corrects_it(
    postroom: Command, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", "open barley")
    told = postroom("setup", SUPPORT, "--yes", "--no-mailbox")
    assert told.code == 1
    assert "FAILED" in told.out
    assert not OutgoingServer.objects.get().is_active
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", SECRET)
    assert postroom("setup", SUPPORT, "--yes", "--no-mailbox").code == 0
    assert OutgoingServer.objects.get().is_active, "the same server, corrected"


def test_what_works_already_is_tested_and_not_changed(postroom: Command, provider: Provider) -> None:
    assert postroom("setup", SUPPORT, "--yes").code == 0
    Alias.objects.update(status="valid")
    changes = SettingChange.objects.count()
    told = postroom("setup", SUPPORT, "--yes", "--json")
    assert told.code == 0
    assert (OutgoingServer.objects.count(), Mailbox.objects.count(), Alias.objects.count()) == (1, 1, 1)
    assert SettingChange.objects.count() == changes, "nothing that stays the same is noted"
    assert Alias.objects.get().status == "valid"


def test_what_stays_in_use_although_its_test_failed_is_no_success(
    postroom: Command, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postroom("setup", SUPPORT, "--yes").code == 0
    provider.takes = "changed since"
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", "mistyped")
    told = postroom("setup", SUPPORT, "--yes", "--json")
    assert (told.code, told.data["ok"], told.data["mailbox"]["in_use"]) == (1, False, True)
    told = postroom("setup", SUPPORT, "--yes")
    assert told.code == 1
    assert "FAILED" in told.out
    assert "Correct what is wrong" in told.err


def test_a_password_that_was_changed_at_the_provider_is_corrected_by_the_next_run(
    postroom: Command, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postroom("setup", SUPPORT, "--yes").code == 0
    provider.takes = "changed since"
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", "changed since")
    told = postroom("setup", SUPPORT, "--yes")
    assert told.code == 0, told.out
    assert told.out.count("with the new password, which is stored now") == 2
    server, mailbox = OutgoingServer.objects.get(), Mailbox.objects.get()
    for row in (server, mailbox):
        assert ports().vault.open(bytes(row.secret)).reveal() == "changed since"
    assert (server.is_active, mailbox.is_confirmed) == (True, True)


def test_a_mailbox_keeps_its_password_where_the_one_that_was_typed_is_refused_too(
    postroom: Command, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postroom("setup", SUPPORT, "--yes").code == 0
    provider.takes = "changed since"
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", "mistyped")
    postroom("setup", SUPPORT, "--yes")
    assert ports().vault.open(bytes(Mailbox.objects.get().secret)).reveal() == SECRET


def test_mails_that_wait_in_capture_mode_are_not_sent_by_surprise(postroom: Command, provider: Provider) -> None:
    now = ports().clock.now()
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=now)
    deliveries(a_mail(a_company(), at=now), "hugo@petit.example", at=now)
    told = postroom("setup", SUPPORT, "--yes", "--no-mailbox")
    assert told.code == 2
    assert "1 mail waits" in told.err
    assert not provider.probed
    assert postroom("setup", SUPPORT, "--yes", "--no-mailbox", "--cancel-waiting").code == 0
    assert Delivery.objects.get().state == "cancelled"
    assert not Installation.objects.get().is_capturing


def test_the_password_comes_by_standard_input_or_a_file_and_never_by_the_command(
    postroom: Command, provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("POSTROOM_NEW_PASSWORD")
    assert postroom("setup", SUPPORT, "--yes").code == 2
    assert postroom("setup", SUPPORT, "--yes", "--password", SECRET).code == 2
    assert not OutgoingServer.objects.exists()
    told = postroom("setup", SUPPORT, "--yes", "--password-stdin", "--no-mailbox", stdin=f"{SECRET}\n".encode())
    assert told.code == 0, told.err
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\r\nanother line\n")
    OutgoingServer.objects.all().delete()
    assert postroom("setup", SUPPORT, "--yes", "--password-file", str(file), "--no-mailbox").code == 0


def test_nobody_at_a_terminal_and_no_yes_changes_nothing(postroom: Command, provider: Provider) -> None:
    assert postroom("setup", SUPPORT).code == 2
    told = postroom("setup", SUPPORT, "--find-only", "--json")
    assert told.code == 0
    assert told.data["proposals"][0]["why"] == "Your provider publishes it."
    assert not OutgoingServer.objects.exists()
    assert not AliasDomain.objects.exists()


def test_a_password_goes_where_the_dns_alone_leads_only_after_a_yes_to_that(postroom: Command, provider: Provider) -> None:  # fmt: skip
    provider.found = (a_place(Service.SMTP, "mail.hoster.test", Source.RECORDS),)
    told = postroom("setup", SUPPORT, "--yes", "--no-mailbox")
    assert told.code == 1
    assert "mail.hoster.test" in told.err
    assert not provider.probed
    assert postroom("setup", SUPPORT, "--yes", "--no-mailbox", "--trust-dns").code == 0


def test_a_guess_at_which_nobody_answered_is_not_tried_with_a_password(postroom: Command, provider: Provider) -> None:
    provider.found = (a_place(Service.SMTP, "smtp.arnold.test", Source.GUESSED),)
    told = postroom("setup", SUPPORT, "--yes")
    assert told.code == 1
    assert "--host" in told.err
    assert not provider.probed
    named = postroom("setup", SUPPORT, "--yes", "--host", "post.arnold.test", "--port", "587", "--no-mailbox")
    assert named.code == 0, named.err
    server = OutgoingServer.objects.get()
    assert (server.host, server.port, server.encryption) == ("post.arnold.test", 587, "starttls")


def test_an_address_at_a_provider_of_everybody_names_no_domain_of_the_house(postroom: Command, provider: Provider) -> None:  # fmt: skip
    assert find_servers.own_domain("alice@gmail.com") == ""
    told = postroom("setup", "alice@gmail.com", "--yes", "--json")
    assert told.code == 0, told.err
    assert not AliasDomain.objects.exists()
    assert told.data["records"] == []


def test_the_doctor_warns_of_several_servers_with_one_filter_and_of_a_missing_catchall_domain(
    postroom: Command, provider: Provider
) -> None:
    OutgoingServer.objects.create(name="Other", host="other.arnold.test")
    told = postroom("setup", SUPPORT, "--yes", "--json")
    assert "same_filter" in {one["code"] for one in told.data["warnings"]}


@pytest.mark.parametrize(
    "words",
    [
        ("no address", "--yes"),
        ("--yes",),
        (SUPPORT, "--yes", "--encryption", "rot13"),
        (SUPPORT, "--yes", "--domain", "_x"),
        (SUPPORT, "--yes", "--kind", "parcel"),
    ],
)
def test_what_cannot_be_is_said(postroom: Command, provider: Provider, words: tuple[str, ...]) -> None:
    assert postroom("setup", *words).code == 2
    assert not OutgoingServer.objects.exists()
