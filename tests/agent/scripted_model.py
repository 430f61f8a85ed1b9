"""An endpoint that speaks chat completions on a socket of loopback, and says what it was told to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as bytes with a status. ``hangs``: it never ends."""

    status: int = 200
    body: bytes = b""
    hangs: bool = False
    location: str = ""


@dataclass(slots=True)
class ScriptedModel:
    """``script``: one answer a turn, the last one again and again. ``heard``: what was posted, with the header of the key."""

    script: Sequence[Raw | Mapping[str, Any]]
    heard: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    port: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def next(self) -> Raw:
        said = self.script[min(len(self.heard), len(self.script)) - 1]
        return said if isinstance(said, Raw) else Raw(body=json.dumps(said).encode())


def says(text: str, *, tokens: int = 10) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": {"total_tokens": tokens}}


def calls(*wanted: tuple[str, object], tokens: int = 10) -> dict[str, Any]:
    """Tools with arguments; a text is sent as it is."""
    tool_calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for number, (name, given) in enumerate(wanted)
    ]
    return {"choices": [{"message": {"content": None, "tool_calls": tool_calls}}], "usage": {"total_tokens": tokens}}


@contextmanager
def speaking(*script: Raw | Mapping[str, Any]) -> Iterator[ScriptedModel]:
    model = ScriptedModel(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            model.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))) | {"path": self.path})
            model.keys.append(self.headers.get("Authorization", ""))
            said = model.next()
            if said.hangs:
                model.over.wait(60)
                return
            self.send_response(said.status)
            self.send_header("Content-Length", str(len(said.body)))
            if said.location:
                self.send_header("Location", said.location)
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever hung up has seen enough."""

    server = Server(("127.0.0.1", 0), Handler)
    model.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.over.set()
        server.shutdown()
        server.server_close()
        thread.join(90)
