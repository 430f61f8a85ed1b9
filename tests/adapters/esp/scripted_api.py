"""A provider's API on loopback that does what a test tells it, and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked. ``headers`` in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, list[bytes]]:
        """The parts of a multipart/form-data body, by name."""
        boundary = self.headers["content-type"].partition("boundary=")[2].encode()
        found: dict[str, list[bytes]] = {}
        for part in self.body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            name = head.partition(b'name="')[2].partition(b'"')[0].decode()
            found.setdefault(name, []).append(content.removesuffix(b"\r\n"))
        return found


@dataclass(frozen=True, kw_only=True)
class Says:
    """An answer. ``text`` instead of JSON where it is set."""

    status: int = 200
    json: Any = None
    text: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Does:
    """What is no answer: the connection is cut after the request; nothing comes; it is no HTTP; it drips."""

    DROP, HANG, GARBAGE, DRIP, FLOOD = "drop", "hang", "garbage", "drip", "flood"


Script = Says | str | Callable[[Request], Says]


class ScriptedApi:
    """Answers with ``scripts`` one by one, then with ``always``."""

    def __init__(self, *scripts: Script, always: Script = Says(status=500), tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._scripts = deque(scripts)
        self._always = always
        self._lock = threading.Lock()
        self._at_once = 0
        self.gate = threading.Event()  # what hangs, hangs until it opens
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                api._serve(self)

            do_GET = do_POST  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ScriptedApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = _body_of(handler)
        request = Request(
            method=handler.command,
            path=handler.path,
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=body,
        )
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            script = self._scripts.popleft() if self._scripts else self._always
        try:
            self._play(handler, script(request) if callable(script) else script)
        except OSError:
            handler.close_connection = True
        finally:
            with self._lock:
                self._at_once -= 1

    def _play(self, handler: BaseHTTPRequestHandler, script: Says | str) -> None:
        match script:
            case Says():
                _answer(handler, script)
                return
            case Does.HANG:
                self.gate.wait(90)
            case Does.GARBAGE:
                handler.wfile.write(b"\x00\xff not HTTP at all\r\n" * 3)
            case Does.DRIP:
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not self.gate.wait(0.02):
                    handler.wfile.write(b"x")
                    handler.wfile.flush()
            case Does.FLOOD:
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n")
                for _ in range(64):
                    handler.wfile.write(b"x" * 65536)
        handler.close_connection = True


def _body_of(handler: BaseHTTPRequestHandler) -> bytes:
    return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))


def _answer(handler: BaseHTTPRequestHandler, says: Says) -> None:
    body = (says.text if says.text is not None else json.dumps(says.json)).encode()
    headers = {"Content-Type": "application/json" if says.text is None else "text/plain", **says.headers}
    handler.send_response(says.status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def api_that(*scripts: Script, always: Script = Says(status=500)) -> Iterator[ScriptedApi]:
    with ScriptedApi(*scripts, always=always) as api:
        yield api


def path_of(request: Request) -> str:
    return urlsplit(request.path).path
