"""secrets: keys change from the command line, and are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom import wiring
from postroom.core.terms.configuration import Configuration
from postroom.core.terms.secret import Secret
from postroom.flows.ports import Ports
from postroom.store.models import DkimKey, OutgoingServer
from postroom.wiring import make_ports
from tests.cli.conftest import Command
from tests.flows.outgoing_mails import a_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "secret_key"
    path.write_text("a" * 64)
    return path


@pytest.fixture
def ports(path: Path, monkeypatch: pytest.MonkeyPatch) -> Ports:
    """The command's house has a key file of its own."""
    found = make_ports(Configuration(data_dir=str(path.parent), secret_key=Secret("a" * 64), secret_key_file=str(path)))
    monkeypatch.setattr(wiring, "ports", lambda: found)
    return found


def test_a_key_is_rotated_checked_and_the_former_one_forgotten(postroom: Command, ports: Ports, path: Path) -> None:
    a_server(secret=ports.vault.seal("hunter2"))
    rotated = postroom("secrets", "rotate")
    assert rotated.code == 0
    assert "There is a new key in" in rotated.out
    assert "1 values were sealed anew." in rotated.out
    found = postroom("secrets", "check", "--json")
    assert (found.code, found.data["keys"], found.data["former"], found.data["lost"]) == (0, 2, 0, 0)
    checked = postroom("secrets", "check")
    assert "postroom secrets forget" in checked.out
    forgotten = postroom("secrets", "forget", "--yes")
    assert forgotten.out == "1 former key is gone.\n"
    assert ports.vault.open(bytes(OutgoingServer.objects.get().secret)).reveal() == "hunter2"
    for line in path.read_text().split():
        for answer in (rotated, checked, forgotten, found):
            assert line.removeprefix("mark=") not in answer.out + answer.err


def test_an_unfinished_rotation_is_told_and_finished(postroom: Command, ports: Ports) -> None:
    a_server(secret=ports.vault.seal("hunter2"))
    ports.key_store.add()  # and there it died
    assert "A rotation is not finished." in postroom("secrets", "check").out
    refused = postroom("secrets", "forget", "--yes")
    assert (refused.code, "postroom secrets rotate" in refused.err) == (2, True)
    assert "it is now" in postroom("secrets", "rotate").out
    assert postroom("secrets", "rotate", "--json").data == {"is_new_key": True, "resealed": 1, "lost": 0}


def test_what_cannot_be_opened_is_an_exit_code(postroom: Command, ports: Ports) -> None:
    a_server(secret=b"of another house")
    for words in (["check"], ["rotate"]):
        answer = postroom("secrets", *words)
        assert answer.code == 1
        assert "1 values cannot be opened" in answer.out
    assert not DkimKey.objects.exists()


def test_forgetting_asks_first(postroom: Command, ports: Ports) -> None:
    ports.key_store.add()
    assert postroom("secrets", "forget", stdin=b"n\n").code != 0
    assert ports.key_store.count() == 2


def test_keys_of_the_configuration_are_changed_by_whoever_wrote_them_there(
    postroom: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = make_ports(Configuration(data_dir=str(path.parent), secret_key=Secret("new")))
    monkeypatch.setattr(wiring, "ports", lambda: found)
    assert "put the new one first there" in postroom("secrets", "rotate").out
    assert postroom("secrets", "forget", "--yes").code == 2
