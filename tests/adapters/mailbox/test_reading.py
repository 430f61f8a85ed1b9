"""Reading from a socket with bounds."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from postroom.adapters.mailbox import reading
from postroom.adapters.mailbox.reading import PACE, BoundedReader, PeerTalksTooMuch, is_readable
from tests.laboratory.certificates import make_certificates
from tests.laboratory.ports import LOOPBACK
from tests.laboratory.scripted import Line, ScriptedPeer


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


Pair = tuple[socket.socket, socket.socket]


def reader_of(near: socket.socket, *, silence: float = 60, patience: float = 60) -> BoundedReader:
    reader = BoundedReader(near, silence=silence, patience=patience)
    reader.begin(1000)
    return reader


def test_lines_and_counted_bytes_are_told_apart_however_they_arrive(pair: Pair) -> None:
    reader = reader_of(pair[0])
    pair[1].sendall(b"one\r\ntw")
    assert reader.readline(100) == b"one\r\n"
    pair[1].sendall(b"o\nfive bytes\nrest")
    assert reader.readline(100) == b"two\n"
    assert reader.read(4) == b"five"
    assert reader.readline(3) == b" by"
    assert reader.readline(100) == b"tes\n"
    pair[1].close()
    assert reader.readline(100) == b"rest"
    assert reader.readline(100) == b""
    assert reader.read(5) == b""


def test_silence_ends_a_read(pair: Pair) -> None:
    reader = reader_of(pair[0], silence=0.05)
    with pytest.raises(TimeoutError):
        reader.readline(100)


def test_a_drip_ends_with_the_patience_although_it_is_never_silent() -> None:
    def drip(line: Line) -> None:
        line.drip(b"x" * 10_000, every=0.02)

    with ScriptedPeer(drip) as peer, socket.create_connection((LOOPBACK, peer.port), timeout=60) as sock:
        reader = BoundedReader(sock, silence=60, patience=0.3)
        reader.begin(100_000)
        with pytest.raises(TimeoutError):
            reader.readline(100_000)


def test_many_bytes_renew_the_patience(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: now[0]))
    reader = BoundedReader(pair[0], silence=60, patience=6)
    reader.begin(PACE * 5)
    for _ in range(16):
        pair[1].sendall(b"x" * (PACE // 4))
        now[0] += 1
        assert len(reader.read(PACE // 4)) == PACE // 4


def test_more_than_is_allowed_is_neither_awaited_nor_stored(pair: Pair) -> None:
    reader = reader_of(pair[0])
    with pytest.raises(PeerTalksTooMuch):
        reader.read(10**12)
    writer = threading.Thread(target=_flood, args=(pair[1],))
    writer.start()
    with pytest.raises(PeerTalksTooMuch):
        reader.readline(10**9)
    pair[0].close()
    writer.join(60)


def test_lines_count_towards_the_allowance(pair: Pair) -> None:
    reader = reader_of(pair[0])
    pair[1].sendall(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * 10)
    for _ in range(10):
        reader.readline(1000)
    with pytest.raises(PeerTalksTooMuch):
        reader.readline(1000)


def test_a_new_question_brings_a_new_allowance(pair: Pair) -> None:
    reader = reader_of(pair[0])
    for _ in range(5):
        pair[1].sendall(b"x" * 900 + b"\n")
        assert len(reader.readline(1000)) == 901
        reader.begin(1000)


def test_what_is_there_is_taken_in_without_waiting(pair: Pair) -> None:
    reader = reader_of(pair[0])
    lines = []
    for words in (b"", b"half", b" and half\n"):
        pair[1].sendall(words)
        reader.take_in()
        lines.append((reader.has_unread, reader.has_line))
    assert lines == [(False, False), (True, False), (True, True)]
    assert reader.readline(100) == b"half and half\n"
    pair[1].close()
    with pytest.raises(EOFError):
        reader.take_in()


def test_bytes_that_tls_has_decrypted_count_as_unread(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)

    def secure(line: Line) -> None:
        line.encrypt(certificates.chain)
        line.say(b"x" * 100 + b"\n")
        line.hear_nothing_more()

    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    with (
        ScriptedPeer(secure) as peer,
        socket.create_connection((LOOPBACK, peer.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        assert sock.recv(1) == b"x"
        reader = reader_of(sock)
        assert reader.has_decrypted
        assert reader.readline(200) == b"x" * 99 + b"\n"
        assert not reader.has_unread


def test_of_two_sockets_the_readable_one_is_named(pair: Pair) -> None:
    other, far = socket.socketpair()
    with other, far:
        assert is_readable(pair[0], other, 0.01) == (False, False)
        far.send(b"x")
        assert is_readable(pair[0], other, 60) == (False, True)
        pair[1].send(b"x")
        assert is_readable(pair[0], other, 60) == (True, True)


def _flood(sock: socket.socket) -> None:
    try:
        while True:
            sock.sendall(b"x" * 65536)
    except OSError:
        pass
