"""What is refused when a server is entered, what archiving asks first, and how secrets of every kind are kept."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from postroom.core.delivery.filters import read_written
from postroom.core.delivery.presets import PRESETS, PortAdvice, advise_on_port, preset_named, recognise
from postroom.core.delivery.servers import CONFIGURED, read_filter
from postroom.core.delivery.wire import Authentication, Encryption
from postroom.core.terms.secret import Secret
from postroom.flows.keep_grant import keep_grant
from postroom.flows.ports import Ports
from postroom.flows.server_values import server_users
from postroom.flows.settings import save_mailbox, save_server
from postroom.flows.ways_out import load_ways_out, way_to
from postroom.store.models import Delivery, Mailbox, MailTemplate, OutgoingServer, Parameter, SettingChange
from tests.adapters.smtp.certificates import make_authority
from tests.adapters.smtp.test_client_certificates import a_pair
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, ports_with

pytestmark = pytest.mark.django_db
GRANT = json.dumps({"client_id": "us", "refresh_token": "first"})


@pytest.fixture
def ports() -> Ports:
    return ports_with(clock=HandClock())


def saved(ports: Ports, **values: Any) -> OutgoingServer:
    usual = {"name": "Relay", "host": "smtp.northwind.example"}
    return save_server(ports, {**({} if "id" in values else usual), **values}, member=None)


def refused(ports: Ports, **values: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as error, transaction.atomic():
        saved(ports, **values)
    return error.value.message_dict


# -- the filter


def test_a_filter_is_stored_in_order_and_in_one_spelling(ports: Ports) -> None:
    server = saved(ports, from_filter=" Bob@Northwind.EXAMPLE; exämple.org\n@reader.example bob@northwind.example ")
    assert server.from_filter == "bob@northwind.example, xn--exmple-cua.org, reader.example"
    assert read_filter(server.from_filter).names("anybody@xn--exmple-cua.org")


@pytest.mark.parametrize(
    ("word", "what_would_be_right"),
    [
        ("alice", "a whole domain"),
        ("alice@", "an address is written"),
        ("@", "a whole domain"),
        ("a@b@c", "an address is written"),
        ("alice@no_tld!", "an address is written"),
        ("*.northwind.example", "there are no wildcards"),
        ("https://northwind.example", "write the domain alone"),
        ('"Alice"<alice@northwind.example>', "without a name"),
        ("north wind.example", "north is neither"),
    ],
)
def test_what_is_neither_an_address_nor_a_domain_is_named(ports: Ports, word: str, what_would_be_right: str) -> None:
    [mistake] = refused(ports, from_filter=f"northwind.example, {word}")["from_filter"]
    assert "is neither an address nor a domain" in mistake
    assert what_would_be_right in mistake
    assert not OutgoingServer.objects.exists()


def test_every_mistake_is_named_at_once() -> None:
    assert len(read_written("one two, three@x.example").mistakes) == 2


@pytest.mark.parametrize("port", [65536, 99999])
def test_a_port_is_one_that_there_can_be(ports: Ports, port: int) -> None:
    assert "from 1 to 65535" in refused(ports, port=port)["port"][0]


def test_tokens_come_over_https(ports: Ports) -> None:
    wrong = {"authentication": "token", "username": "alice@northwind.example", "token_source": "http://169.254.1.1/"}
    assert "https" in refused(ports, **wrong)["token_source"][0]


# -- archiving


def test_a_server_that_mails_name_is_not_archived_and_they_are_counted(ports: Ports) -> None:
    server = saved(ports)
    at = ports.clock.now()
    mail = a_mail(a_company(), at=at, forced_server=server)
    deliveries(mail, "bob@reader.example", "carla@reader.example", at=at)
    [why] = refused(ports, id=server.pk, is_active=False)["is_active"]
    assert "1 mail in the queue" in why
    server.refresh_from_db()
    assert server.is_active
    Delivery.objects.update(state="sent")
    assert not saved(ports, id=server.pk, is_active=False).is_active


def test_mails_that_chose_it_by_themselves_choose_anew_and_hinder_nobody(ports: Ports) -> None:
    server = saved(ports)
    at = ports.clock.now()
    deliveries(a_mail(a_company(), at=at), "bob@reader.example", at=at, server=server)
    assert list(server_users(server)) == []
    assert not saved(ports, id=server.pk, is_active=False).is_active
    assert saved(ports, id=server.pk, is_active=False, name="Old relay").name == "Old relay"


def test_a_template_that_names_a_server_keeps_it_from_the_archive(ports: Ports) -> None:
    server = saved(ports)
    template = MailTemplate.objects.create(name="Welcome", subject="Welcome", html="<p>Hello</p>", server=server)
    [why] = refused(ports, id=server.pk, is_active=False)["is_active"]
    assert "mail templates: Welcome" in why
    template.delete()
    assert not saved(ports, id=server.pk, is_active=False).is_active


# -- client certificates


def test_a_certificate_needs_encryption_in_the_form_and_in_the_database(ports: Ports) -> None:
    """T-173."""
    certificate, key = a_pair(make_authority())
    values = {"authentication": "certificate", "client_certificate": certificate, "client_key": key}
    assert "without encryption" in refused(ports, encryption="none", **values)["encryption"][0]
    server = saved(ports, encryption="starttls", **values)
    assert "without encryption" in refused(ports, id=server.pk, encryption="none")["encryption"][0]
    with pytest.raises(IntegrityError, match="server_certificate_needs_tls"), transaction.atomic():
        OutgoingServer.objects.filter(pk=server.pk).update(encryption="none")


def test_a_key_is_sealed_without_its_passphrase_and_never_shown(ports: Ports) -> None:
    certificate, key = a_pair(make_authority(), passphrase="open sesame")
    server = saved(
        ports, authentication="certificate", client_certificate=certificate, client_key=key, password="open sesame"
    )
    assert not server.secret
    endpoint = way_to(ports, server).endpoint
    assert endpoint is not None
    assert endpoint.authentication is Authentication.CERTIFICATE
    assert "BEGIN PRIVATE KEY" in endpoint.client_key.reveal()
    assert b"PRIVATE KEY" not in bytes(server.client_key)
    stored = str(list(SettingChange.objects.values()))
    assert "PRIVATE KEY" not in stored
    assert "open sesame" not in stored
    assert "'client_key': '********'" in stored
    assert saved(ports, id=server.pk, name="Renamed").client_key == server.client_key


def test_a_pair_that_does_not_belong_together_is_refused_at_its_field(ports: Ports) -> None:
    certificate, _ = a_pair(make_authority())
    values = {"authentication": "certificate", "client_certificate": certificate}
    assert "Enter the private key" in refused(ports, **values)["client_key"][0]
    assert "does not belong" in refused(ports, **values, client_key=a_pair(make_authority())[1])["client_key"][0]
    assert "no private key" in refused(ports, **values, client_key="x")["client_key"][0]
    broken = {**values, "client_certificate": "x", "client_key": a_pair(make_authority())[1]}
    assert "no certificate in PEM" in refused(ports, **broken)["client_certificate"][0]


# -- tokens


def test_a_token_needs_an_account_and_somebody_who_gives_it(ports: Ports) -> None:
    assert "account" in refused(ports, authentication="token")["username"][0]
    assert "google" in refused(ports, authentication="token", username="a@b.example")["token_source"][0]
    server = saved(ports, authentication="token", username="a@b.example", token_source="google", password=GRANT)
    endpoint = way_to(ports, server).endpoint
    assert endpoint is not None
    assert (endpoint.authentication, endpoint.token_source, endpoint.password) == (
        Authentication.TOKEN,
        "google",
        Secret(GRANT),
    )


def test_a_rotated_grant_is_sealed_where_the_former_one_was(ports: Ports) -> None:
    values = {"authentication": "token", "username": "a@b.example", "token_source": "google"}
    one, other = saved(ports, **values, password=GRANT), saved(ports, **values, password="of somebody else")
    assert keep_grant(ports, "google", Secret(GRANT), Secret("fresh")) == 1
    assert keep_grant(ports, "microsoft", Secret("fresh"), Secret("x")) == 0
    for server, expected in ((one, "fresh"), (other, "of somebody else")):
        server.refresh_from_db()
        assert ports.vault.open(bytes(server.secret)).reveal() == expected


# -- presets, and the server of the configuration


def test_a_preset_that_there_is_not_is_refused(ports: Ports) -> None:
    assert "gmail" in refused(ports, preset="yahoo")["preset"][0]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_what_a_preset_fills_in_can_be_stored(ports: Ports, preset: Any) -> None:
    values = {name: value for name, value in preset.values().items() if name != "host" or value}
    server = saved(ports, **values)
    assert server.preset == preset.key
    assert preset.needs
    assert preset.key == "custom" or recognise(preset.host).key in (preset.key, "custom")
    assert (preset.port, preset.encryption) in preset.ports
    if preset.key != "postfix":
        assert advise_on_port(preset.host, preset.port, preset.encryption, has_login=True) is None


@pytest.mark.parametrize(
    ("host", "port", "encryption", "advice"),
    [
        ("smtp.gmail.com", 25, Encryption.STARTTLS, PortAdvice.BLOCKED),
        ("localhost", 25, Encryption.NONE, None),
        ("smtp.gmail.com", 465, Encryption.STARTTLS, PortAdvice.WANTS_TLS),
        ("smtp.gmail.com", 587, Encryption.TLS, PortAdvice.WANTS_STARTTLS),
        ("mail.northwind.example", 587, Encryption.NONE, PortAdvice.IN_CLEAR),
        ("mail.northwind.example", 2525, Encryption.STARTTLS, None),
    ],
)
def test_odd_ports_are_spoken_of(host: str, port: int, encryption: Encryption, advice: PortAdvice | None) -> None:
    assert advise_on_port(host, port, encryption, has_login=True) is advice


def test_hosts_are_recognised() -> None:
    assert recognise("email-smtp.eu-central-1.amazonaws.com.").key == "ses"
    assert recognise("contoso-com.mail.protection.outlook.com").key == "microsoft365"
    assert recognise("notsendgrid.net").key == "custom"
    assert preset_named("gone").key == "custom"
    assert (PRESETS["gmail"].daily_limit, PRESETS["gmail"].spf_include) == (500, "_spf.google.com")


def test_the_parameter_wins_over_the_filter_of_the_configuration(ports: Ports) -> None:
    """T-166, and what T-167 asks beside it: a server of the database has its own filter alone."""
    settings = {"server_host": "localhost", "from_filter": "dummy.example"}
    ports = dataclasses.replace(ports, configuration=dataclasses.replace(ports.configuration, **settings))
    a_server(from_filter="own.example")

    def filters() -> tuple[frozenset[str], frozenset[str]]:
        ways = load_ways_out(ports)
        assert ways.configured is not None
        assert ways.configured.id == CONFIGURED
        return ways.configured.filter.domains, ways.servers[0].filter.domains

    assert filters() == ({"dummy.example"}, {"own.example"})
    Parameter.objects.create(key="mail.default.from_filter", value="test.mycompany.com")
    assert filters() == ({"test.mycompany.com"}, {"own.example"})


# -- a stored password stays where it was entered for

STORED = {
    "port": 465, "encryption": "tls", "username": "shop", "password": "TopSecret-7", "host": "smtp.northwind.example",
}  # fmt: skip


def a_stored_mailbox(ports: Ports) -> Mailbox:
    return save_mailbox(ports, {**STORED, "name": "Support", "port": 993, "company_id": a_company().pk}, member=None)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "smtp.elsewhere.example"},
        {"host": "smtp.elsewhere.example", "name": "Relay"},
        {"encryption": "none", "port": 25},
        {"encryption": "starttls", "port": 587},
        {"verify_certificate": False},
        {"authentication": "token", "token_source": "https://tokens.elsewhere.example/"},
    ],
)
def test_a_stored_password_follows_to_no_other_server(ports: Ports, change: dict[str, Any]) -> None:
    server, mailbox = saved(ports, **STORED), a_stored_mailbox(ports)
    assert refused(ports, id=server.pk, **change)["password"] == ["Type the password again: the server changed."]
    with pytest.raises(ValidationError, match="Type the password again"):
        save_mailbox(ports, {"id": mailbox.pk, **change}, member=None)
    assert saved(ports, id=server.pk, password="typed-again", **change).secret
    assert save_mailbox(ports, {"id": mailbox.pk, "password": "typed-again", **change}, member=None).secret


@pytest.mark.parametrize(
    "change", [{"name": "Relay 2"}, {"max_connections": 3}, {"port": 2465}, {"host": "SMTP.Northwind.example"}]
)
def test_what_leads_nowhere_else_keeps_the_password(ports: Ports, change: dict[str, Any]) -> None:
    server = saved(ports, **STORED)
    changed = saved(ports, id=server.pk, **change)
    assert ports.vault.open(bytes(changed.secret)) == Secret("TopSecret-7")


def test_a_password_that_nobody_needs_any_more_is_forgotten_and_not_kept_for_later(ports: Ports) -> None:
    server = saved(ports, **STORED)
    moved = saved(ports, id=server.pk, host="smtp.elsewhere.example", username="")
    assert not moved.secret
    assert not saved(ports, id=server.pk, username="shop").secret
