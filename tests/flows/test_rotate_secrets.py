"""The secret keys change: nothing is lost, wherever it is killed, and no key goes that a value needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

from postroom.core.terms.configuration import Configuration
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import Role
from postroom.flows import rotate_secrets as flow
from postroom.flows.access import NotAllowed
from postroom.flows.manage_keys import create_keys
from postroom.flows.ports import Ports
from postroom.flows.rotate_secrets import (
    BATCH,
    NOT_SEALED,
    SEALED,
    RotationTrouble,
    check_secrets,
    forget_former_keys,
    rotate_secrets,
)
from postroom.store.models import Company, DkimKey, Mailbox, OutgoingServer, ProviderHook, SettingChange
from postroom.wiring import make_ports
from tests.flows.outgoing_mails import a_server
from tests.web import seeding

pytestmark = pytest.mark.django_db


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], Ports]:
    """Another process of an installation with a key file of its own."""
    path = tmp_path / "secret_key"
    path.write_text("a" * 64)
    configuration = Configuration(data_dir=str(tmp_path), secret_key=Secret("a" * 64), secret_key_file=str(path))
    return lambda: make_ports(configuration)


@pytest.fixture
def ports(start: Callable[[], Ports]) -> Ports:
    return start()


def a_mailbox(ports: Ports) -> Mailbox:
    company = Company.objects.create(name="Northwind")
    return Mailbox.objects.create(
        company=company, name="Support", host="imap.example", secret=ports.vault.seal("letmein")
    )


def sealed_everywhere(ports: Ports) -> None:
    server = a_server(secret=ports.vault.seal("hunter2"), client_key=ports.vault.seal("-----BEGIN PRIVATE KEY-----"))
    ProviderHook.objects.create(
        server=server,
        token_digest="0" * 64,
        token=ports.vault.seal("of the address"),
        signing_secret=ports.vault.seal("of the events"),
        changed_at=ports.clock.now(),
    )
    a_server(name="Without a password")
    a_mailbox(ports)
    create_keys(ports, "northwind.example", "ed25519", member=None)


def opened(ports: Ports) -> list[str]:
    return [
        ports.vault.open(bytes(value)).reveal()[:20]
        for model, column in SEALED
        for value in model._default_manager.exclude(**{column: b""}).order_by("pk").values_list(column, flat=True)
    ]


def test_every_column_of_bytes_is_known_as_sealed_or_as_open() -> None:
    columns = {
        (model.__name__, field.name)
        for model in apps.get_app_config("postroom").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField)
    }
    known = [(model.__name__, column) for model, column in (*SEALED, *NOT_SEALED)]
    assert columns == set(known)
    assert len(known) == len(set(known))


def test_a_rotation_seals_everything_anew_while_others_run(ports: Ports, start: Callable[[], Ports]) -> None:
    running = start()
    sealed_everywhere(ports)
    before = opened(ports)
    done = rotate_secrets(ports, member=None)
    assert (done.is_new_key, done.resealed, done.lost) == (True, 6, 0)
    assert opened(running) == opened(start()) == before
    found = check_secrets(running, member=None)
    assert (found.keys, found.former, found.lost) == (2, 0, 0)
    assert {column.column: column.present for column in found.columns if column.present} == {
        "outgoing server secret": 1, "outgoing server client key": 1, "mailbox secret": 1, "dkim key private key": 1,
        "provider hook token": 1, "provider hook signing secret": 1,
    }  # fmt: skip
    assert forget_former_keys(ports, member=None) == 1
    assert opened(running) == opened(start()) == before
    assert check_secrets(ports, member=None).keys == 1


@pytest.mark.parametrize("killed_before", range(8))
def test_killed_anywhere_the_next_run_goes_on(
    ports: Ports, start: Callable[[], Ports], monkeypatch: pytest.MonkeyPatch, killed_before: int
) -> None:
    sealed_everywhere(ports)
    before = opened(ports)
    steps = 0

    class Killed(BaseException):
        pass

    def mortal(vault: object) -> object:
        class Vault:
            def __getattr__(self, name: str) -> object:
                return getattr(vault, name)

            def reseal(self, sealed: bytes) -> bytes:
                nonlocal steps
                steps += 1
                if steps > killed_before:
                    raise Killed
                return ports.vault.reseal(sealed)

        return Vault()

    doomed = dataclasses.replace(ports, vault=mortal(ports.vault))
    if killed_before < 6:
        with pytest.raises(Killed):
            rotate_secrets(doomed, member=None)
    else:
        rotate_secrets(doomed, member=None)
    assert opened(start()) == before
    if killed_before < 6:
        assert check_secrets(ports, member=None).former == 6 - killed_before
        with pytest.raises(RotationTrouble, match="need a former key"):
            forget_former_keys(ports, member=None)
        again = rotate_secrets(start(), member=None)
        assert (again.is_new_key, again.resealed) == (False, 6 - killed_before)
    assert check_secrets(ports, member=None).keys == 2
    forget_former_keys(ports, member=None)
    assert opened(start()) == before


def test_more_rows_than_a_batch_are_all_sealed_anew(ports: Ports) -> None:
    sealed = ports.vault.seal("hunter2")
    OutgoingServer.objects.bulk_create(
        [OutgoingServer(name=f"Relay {number}", host="127.0.0.1", secret=sealed) for number in range(BATCH + 7)]
    )
    assert rotate_secrets(ports, member=None).resealed == BATCH + 7
    assert check_secrets(ports, member=None).former == 0


def test_a_password_typed_meanwhile_stays(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    server = a_server(secret=ports.vault.seal("old"))
    batch = flow._reseal_batch

    def typed_first(*arguments: object) -> None:
        OutgoingServer.objects.filter(pk=server.pk).update(secret=ports.vault.seal("typed"))
        batch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(flow, "_reseal_batch", typed_first)
    rotate_secrets(ports, member=None)
    server.refresh_from_db()
    assert ports.vault.open(bytes(server.secret)).reveal() == "typed"


def test_what_no_key_opens_is_counted_and_left(ports: Ports) -> None:
    sealed_everywhere(ports)
    DkimKey.objects.update(private_key=b"of another house")
    done = rotate_secrets(ports, member=None)
    assert (done.resealed, done.lost) == (5, 1)
    assert bytes(DkimKey.objects.get().private_key) == b"of another house"
    assert forget_former_keys(ports, member=None) == 1
    assert check_secrets(ports, member=None).lost == 1


def test_keys_of_the_configuration_are_used_and_not_changed(tmp_path: Path) -> None:
    def started(key: str, former: str) -> Ports:
        return make_ports(
            Configuration(data_dir=str(tmp_path), secret_key=Secret(key), former_secret_keys=Secret(former))
        )

    sealed_everywhere(started("old", ""))
    ports = started("new", "older,old")
    done = rotate_secrets(ports, member=None)
    assert (done.is_new_key, done.resealed) == (False, 6)
    with pytest.raises(RotationTrouble, match="former_secret_keys"):
        forget_former_keys(ports, member=None)
    assert check_secrets(started("new", ""), member=None).lost == 0


def test_a_rotation_is_recorded_without_anything_secret(ports: Ports) -> None:
    rotate_secrets(ports, member=None)
    forget_former_keys(ports, member=None)
    rows = [(row.subject, row.before, row.after) for row in SettingChange.objects.order_by("id")]
    assert rows == [("secret keys", {"keys": 1}, {"keys": 2}), ("secret keys", {"keys": 2}, {"keys": 1})]


def test_the_keys_are_the_houses(ports: Ports) -> None:
    seeding.a_company("Elsewhere")
    mallory = seeding.a_member("mallory", "Mallory", seeding.a_company("Else"), Role.ADMINISTRATOR)
    for work in (check_secrets, rotate_secrets, forget_former_keys):
        with pytest.raises(NotAllowed):
            work(ports, member=mallory)
