"""Two people change the keys in the same moment; passwords are typed meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import connections

from postroom.core.terms.configuration import Configuration
from postroom.core.terms.secret import Secret
from postroom.flows import rotate_secrets as rotating
from postroom.flows.ports import Ports
from postroom.flows.rotate_secrets import RotationTrouble, check_secrets, forget_former_keys, rotate_secrets
from postroom.flows.settings import save_server
from postroom.store.models import OutgoingServer
from postroom.wiring import make_ports

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    path = tmp_path / "secret_key"
    path.write_text("a" * 64)
    return make_ports(Configuration(data_dir=str(tmp_path), secret_key=Secret("a" * 64), secret_key_file=str(path)))


def a_server(ports: Ports, name: str) -> OutgoingServer:
    return save_server(ports, {"name": name, "host": "127.0.0.1", "password": f"secret of {name}"}, member=None)


def test_a_key_that_is_made_while_former_ones_go_loses_nothing(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    server = a_server(ports, "Relay")
    rotate_secrets(ports, member=None)
    begun, gone = threading.Event(), threading.Event()
    reseal = rotating._reseal

    def reseal_slowly(*column: object) -> int:
        begun.set()
        gone.wait(60)
        return reseal(*column)  # type: ignore[arg-type]

    def rotate() -> None:
        try:
            rotate_secrets(ports, member=None)
        finally:
            connections.close_all()

    other = threading.Thread(target=rotate)
    check = check_secrets

    def check_and_meet_another(ports: Ports, *, member: None) -> object:
        found = check(ports, member=member)
        if not other.ident:
            other.start()
            begun.wait(0.5)  # with a new key made, and nothing sealed with it: it must not come so far now
        return found

    monkeypatch.setattr(rotating, "check_secrets", check_and_meet_another)
    monkeypatch.setattr(rotating, "_reseal", reseal_slowly)
    forget_former_keys(ports, member=None)
    gone.set()
    other.join(60)
    assert check(ports, member=None).lost == 0
    server.refresh_from_db()
    assert ports.vault.open(bytes(server.secret)).reveal() == "secret of Relay"


@pytest.mark.slow
def test_keys_change_again_and_again_while_passwords_are_typed(ports: Ports) -> None:
    stop, typed = threading.Event(), list[str]()

    def type_passwords() -> None:
        try:
            while not stop.is_set():
                typed.append(a_server(ports, f"server {len(typed)}").name)
        finally:
            connections.close_all()

    typist = threading.Thread(target=type_passwords)
    typist.start()
    forgotten = 0
    try:
        for _ in range(8):
            rotate_secrets(ports, member=None)
            try:
                forgotten += forget_former_keys(ports, member=None)
            except RotationTrouble:
                continue  # one was being typed: next time
    finally:
        stop.set()
        typist.join(60)
    print(f"{len(typed)} passwords typed, {forgotten} keys forgotten")
    assert check_secrets(ports, member=None).lost == 0
    for name, sealed in OutgoingServer.objects.values_list("name", "secret"):
        assert ports.vault.open(bytes(sealed)).reveal() == f"secret of {name}"
