"""Reserved ports."""

from __future__ import annotations

import socket

from tests.laboratory.ports import LOOPBACK, Port, answers, closed_port, greeting


def test_a_reserved_port_is_given_to_nobody_who_asks_for_any_port() -> None:
    port = Port()
    others = [Port() for _ in range(300)]
    try:
        assert port.number not in {other.number for other in others}
        assert len({other.number for other in others}) == 300
    finally:
        for each in (port, *others):
            each.release()


def test_a_server_that_reuses_addresses_may_listen_on_a_reserved_port() -> None:
    port = Port()
    with socket.create_server((LOOPBACK, port.number)):
        assert answers(port.number)
    port.release()


def test_a_closed_port_refuses_connections() -> None:
    port = closed_port()
    assert not answers(port.number)
    assert greeting(port.number) == ""
    port.release()
