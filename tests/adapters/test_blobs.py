"""Blobs on disk: kept under their SHA-256, and deleted only when nobody wants them any more."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from postroom.adapters.blobs.disk import DiskBlobs

DAY = timedelta(days=1)


@pytest.fixture
def blobs(tmp_path: Path) -> DiskBlobs:
    return DiskBlobs(tmp_path)


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 (compared with the times of files)


def age(blobs: DiskBlobs, digest: str, by: timedelta = 2 * DAY) -> None:
    """As if it had been put that long ago."""
    at = (now() - by).timestamp()
    os.utime(blobs._path(digest), (at, at))


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def test_what_is_put_is_had_again_under_its_digest(blobs: DiskBlobs, tmp_path: Path) -> None:
    digest = blobs.put(b"Hello")
    assert digest == sha256(b"Hello").hexdigest()
    assert blobs.put(b"Hello") == digest
    assert blobs.get(digest) == b"Hello"
    assert files(tmp_path) == [digest]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "0" * 64, "G" * 64])
def test_what_was_never_put_is_neither_had_nor_deleted(blobs: DiskBlobs, name: str) -> None:
    with pytest.raises(KeyError):
        blobs.get(name)
    assert not blobs.delete(name, unused_since=now() + DAY)


def test_what_nobody_put_for_a_while_is_deleted(blobs: DiskBlobs, tmp_path: Path) -> None:
    old, young = blobs.put(b"old"), blobs.put(b"young")
    age(blobs, old)
    assert blobs.delete(old, unused_since=now() - DAY)
    assert not blobs.delete(young, unused_since=now() - DAY)
    assert not blobs.delete(old, unused_since=now() - DAY)
    assert files(tmp_path) == [young]
    assert blobs.get(young) == b"young"


def test_to_put_it_once_more_is_to_use_it(blobs: DiskBlobs) -> None:
    digest = blobs.put(b"Hello")
    age(blobs, digest)
    blobs.put(b"Hello")
    assert not blobs.delete(digest, unused_since=now() - DAY)
    assert blobs.get(digest) == b"Hello"


def test_whoever_puts_it_while_it_is_deleted_never_finds_it_gone(blobs: DiskBlobs) -> None:
    rounds, together = 400, threading.Barrier(3)
    digest = blobs.put(b"Hello")

    def delete() -> None:
        for _ in range(rounds):
            together.wait(90)
            blobs.delete(digest, unused_since=now() - DAY)
            together.wait(90)

    def put() -> None:
        for _ in range(rounds):
            together.wait(90)
            blobs.put(b"Hello")
            assert blobs.get(digest) == b"Hello"
            together.wait(90)

    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(delete), pool.submit(put)]
        for _ in range(rounds):
            age(blobs, digest)
            together.wait(90)
            together.wait(90)
            assert blobs.get(digest) == b"Hello"
        for one in work:
            one.result(90)


@pytest.mark.parametrize("old", [True, False])
def test_a_process_that_died_while_deleting_leaves_it_readable_and_to_be_deleted(
    blobs: DiskBlobs, tmp_path: Path, old: bool
) -> None:
    digest = blobs.put(b"Hello")
    if old:
        age(blobs, digest)
    path = blobs._path(digest)
    path.rename(blobs._leaving(path))
    assert blobs.get(digest) == b"Hello"
    assert list(blobs.names(digest[:2])) == [digest]
    assert blobs.delete(digest, unused_since=now() - DAY) is old
    assert files(tmp_path) == ([] if old else [digest])


def test_names_are_listed_by_their_first_two_digits(blobs: DiskBlobs, tmp_path: Path) -> None:
    put = {blobs.put(bytes([number])) for number in range(50)}
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / "a stray file").write_text("x")
    listed = [name for number in range(256) for name in blobs.names(f"{number:02x}")]
    assert sorted(listed) == sorted(put)


def test_what_was_half_written_by_the_dead_is_cleared_away_and_the_rest_stays(blobs: DiskBlobs, tmp_path: Path) -> None:
    digest = blobs.put(b"Hello")
    age(blobs, digest)
    folder = blobs._path(digest).parent
    for name, by in ((".new-old", 2 * DAY), (".new-young", timedelta(0))):
        (folder / name).write_bytes(b"Hel")
        at = (now() - by).timestamp()
        os.utime(folder / name, (at, at))
    assert blobs.forget_drafts(digest[:2], unused_since=now() - DAY) == 1
    assert files(tmp_path) == [".new-young", digest]
