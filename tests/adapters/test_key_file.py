"""Keys in a file change under processes that run."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from postroom.adapters.key_file import DerivedKeys, FixedKeys, KeyFile
from postroom.adapters.vault import FernetVault
from postroom.core.terms.secret import Secret
from postroom.core.tokens.addresses import TokenPurpose, derive_key, make_token, read_token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "secret_key"
    path.write_text("a" * 64)
    return path


def test_a_new_key_comes_first_and_another_process_sees_it_at_once(path: Path) -> None:
    here, elsewhere = KeyFile(path), KeyFile(path)
    (old,) = elsewhere.keys()
    here.add()
    new, former = elsewhere.keys()
    assert (former, new == old) == (old, False)
    assert path.stat().st_mode & 0o777 == 0o600
    here.forget_former()
    assert elsewhere.keys() == (new,)


def test_the_name_of_the_installation_outlives_its_keys(path: Path) -> None:
    store = KeyFile(path)
    before = store.mark()
    store.add()
    store.forget_former()
    assert KeyFile(path).mark() == store.mark() == before


def test_what_somebody_who_died_left_behind_does_no_harm(path: Path) -> None:
    path.with_name("secret_key.new").write_text("half a ke")
    KeyFile(path).add()
    assert KeyFile(path).count() == 2


def test_two_who_add_a_key_at_once_add_two(path: Path) -> None:
    threads = [threading.Thread(target=KeyFile(path).add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert KeyFile(path).count() == 9


def test_a_running_vault_opens_what_others_sealed_with_a_newer_key(path: Path) -> None:
    running, other = FernetVault(KeyFile(path).keys), FernetVault(KeyFile(path).keys)
    old = running.seal("hunter2")
    KeyFile(path).add()
    new = other.seal("hunter3")
    assert (running.open(new).reveal(), running.open(old).reveal()) == ("hunter3", "hunter2")
    assert (running.key_of(new), running.key_of(old)) == (0, 1)
    sealed = running.reseal(old)
    KeyFile(path).forget_former()
    assert (other.open(sealed).reveal(), other.key_of(old)) == ("hunter2", None)
    for lost in (old, b"no token"):
        with pytest.raises(ValueError, match="another secret key"):
            other.open(lost)


def test_nothing_is_sealed_as_nothing(path: Path) -> None:
    vault = FernetVault(KeyFile(path).keys)
    assert vault.seal("") == b""
    assert not vault.open(b"")


def test_addresses_signed_under_a_former_key_are_recognised(path: Path) -> None:
    signing, reading = (DerivedKeys(KeyFile(path).keys, derive_key) for _ in range(2))
    old = make_token(signing, TokenPurpose.REPLY, 7)
    KeyFile(path).add()
    new = make_token(signing, TokenPurpose.REPLY, 7)
    assert old != new
    assert read_token(reading, old) == read_token(reading, new)
    assert read_token(reading, old) is not None
    KeyFile(path).forget_former()
    assert read_token(reading, old) is None
    assert (len(reading), "a" * 20 in repr(reading)) == (1, False)


def test_keys_of_the_configuration_are_not_ours_to_change() -> None:
    store = FixedKeys((Secret("new"), Secret("old")))
    assert (store.count(), store.is_ours) == (2, False)
    assert store.mark() == FixedKeys((Secret("old"),)).mark()
    for change in (store.add, store.forget_former):
        with pytest.raises(PermissionError, match="former_secret_keys"):
            change()
