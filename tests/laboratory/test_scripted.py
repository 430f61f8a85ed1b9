"""The scripted peer itself."""

from __future__ import annotations

import socket

import pytest

from tests.laboratory.ports import LOOPBACK
from tests.laboratory.scripted import Line, ScriptedPeer


def test_a_script_talks_and_what_it_heard_is_kept() -> None:
    def polite(line: Line) -> None:
        line.say(b"hello %d\r\n" % line.number)
        line.say(b"you said " + line.hear() + b"\r\n")

    with ScriptedPeer(polite) as peer:
        for number in (1, 2):
            with (
                socket.create_connection((LOOPBACK, peer.port), timeout=60) as client,
                client.makefile("rb") as words,
            ):
                client.sendall(b"ping\r\n")
                assert words.read() == b"hello %d\r\nyou said ping\r\n" % number
        assert peer.heard == [b"ping", b"ping"]
        assert peer.connections == 2


def test_what_a_script_asserts_fails_the_test() -> None:
    def strict(line: Line) -> None:
        assert line.hear() == b"please"

    def converse() -> None:
        with ScriptedPeer(strict) as peer, _caller(peer) as client:
            client.sendall(b"now\r\n")
            client.recv(10)

    with pytest.raises(AssertionError, match="please"):
        converse()


def test_a_peer_that_drips_stops_with_the_test() -> None:
    with ScriptedPeer(lambda line: line.drip(b"x" * 10_000, every=5)) as peer, _caller(peer) as client:
        assert client.recv(10) == b"x"


def test_a_client_that_leaves_ends_the_script_quietly() -> None:
    with ScriptedPeer(lambda line: line.hear_nothing_more()) as peer:
        _caller(peer).close()


def _caller(peer: ScriptedPeer) -> socket.socket:
    return socket.create_connection((LOOPBACK, peer.port), timeout=60)
