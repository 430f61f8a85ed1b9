"""An endpoint of a model has its seconds, whatever it does with them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from postroom.adapters.models.chat import ChatEndpoint
from postroom.core.terms.models import ModelQuestion
from postroom.core.terms.secret import Secret

MOST_DROPS = 300  # the server gives up by itself, so that a client without an end makes a failure and no standstill


@contextmanager
def dripping(head: bytes) -> Iterator[tuple[str, list[int]]]:
    """A server that answers with ``head`` and then a blank each tenth of a second; the list fills with its drops."""
    drops: list[int] = []
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            line, _ = listening.accept()
            with line, suppress(OSError):
                line.recv(65_536)
                line.sendall(head)
                while len(drops) < MOST_DROPS and not is_over.wait(0.1):
                    line.sendall(b" ")
                    drops.append(1)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", drops
        is_over.set()
        server.join(30)


@pytest.mark.slow
@pytest.mark.parametrize("field", [b"", b"Content-Length: 100000\r\n", b"Connection: close\r\n"])
def test_an_answer_that_drips_is_cut_when_its_time_is_over(field: bytes) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\n" + field + b"\r\n") as (url, drops):
        endpoint = ChatEndpoint(url, model="m", key=Secret("k"))
        with pytest.raises(OSError, match="takes too long"):
            endpoint(ModelQuestion(messages=[{"role": "user", "content": "?"}], seconds=1.0))
        assert len(drops) < MOST_DROPS
