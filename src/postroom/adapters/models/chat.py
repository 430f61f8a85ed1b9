"""A client for endpoints that speak OpenAI's chat completions, whoever runs them.

Duty: `ChatEndpoint`, the pipe of the port `AskModel`. Laws: HTTPS, verified (plain HTTP only on loopback); redirects are not followed, so the
key goes to whom it was given for; an answer has its size and its seconds, whatever the other side does (a watchman cuts the line); what
comes is read as data of a stranger. The key is in no error.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from postroom.core.terms.models import ModelQuestion, ModelReply, ToolCall
from postroom.core.terms.secret import Secret
from postroom.core.terms.web_addresses import keeps_secrets

MOST_BYTES = 1_000_000
MOST_CALLS = 8  # of one turn
_LONGEST_TEXT = 20_000


class ChatEndpoint:
    """``url`` as providers give it, with or without ``/chat/completions``. Raises ValueError for one that keeps no secrets."""

    def __init__(self, url: str, *, model: str, key: Secret, ssl_context: ssl.SSLContext | None = None) -> None:
        if not keeps_secrets(url):
            raise ValueError("the endpoint of a model has an https address")
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        path = parts.path.rstrip("/")
        self._path = path if path.endswith("/chat/completions") else f"{path}/chat/completions"
        self._model = model
        self._key = key
        self._ssl_context = ssl_context

    def __call__(self, question: ModelQuestion) -> ModelReply:
        """Raises OSError for what may pass, ValueError for an answer that is none."""
        asked: dict[str, object] = {
            "model": self._model,
            "messages": list(question.messages),
            "max_tokens": question.most_tokens,
        }
        if question.tools:
            asked["tools"] = list(question.tools)
        status, body = self._ask(json.dumps(asked).encode(), question.seconds)
        if status != 200:
            words = (
                "asks us to wait" if status == 429 else "refuses the key" if status in (401, 403) else "does not answer"
            )
            raise OSError(f"{self._host} {words} (HTTP status {status})")
        return _read(body)

    def _ask(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        until = time.monotonic() + seconds
        try:
            with self._open_line(seconds) as line:
                headers = {"Content-Type": "application/json", "Accept": "application/json"}
                if self._key:
                    headers["Authorization"] = f"Bearer {self._key.reveal()}"
                line.request("POST", self._path, body, headers)
                response = line.getresponse()
                content = response.read(MOST_BYTES + 1)
            if time.monotonic() >= until:  # cut in the middle: what came is not all
                raise TimeoutError("it takes too long")
        except (http.client.HTTPException, OSError) as error:
            is_late = isinstance(error, TimeoutError) or time.monotonic() >= until
            words = "takes too long" if is_late else f"cannot be asked: {str(error) or type(error).__name__}"
            raise OSError(f"{self._host} {words}") from error
        if len(content) > MOST_BYTES:
            raise ValueError(f"{self._host} answers with more than anybody reads")
        return response.status, content

    @contextmanager
    def _open_line(self, seconds: float) -> Iterator[http.client.HTTPConnection]:
        """The socket is held here: `http.client` lets go of it when an answer tells no length, and the watchman would find nothing to cut."""
        connection = http.client.HTTPConnection(self._host, self._port or (443 if self._is_tls else 80))
        held = [socket.create_connection((connection.host, connection.port), timeout=seconds)]
        watchman = threading.Timer(seconds, _cut, [held])
        watchman.daemon = True
        watchman.start()
        try:
            if self._is_tls:
                context = self._ssl_context or ssl.create_default_context()
                held[0] = context.wrap_socket(held[0], server_hostname=self._host, do_handshake_on_connect=False)
                held[0].do_handshake()  # type: ignore[attr-defined]
            connection.sock = held[0]
            yield connection
        finally:
            watchman.cancel()
            connection.close()
            held[0].close()


def _cut(held: list[socket.socket]) -> None:
    """Whoever waits on it is told that it ended. Past TLS, which would answer for its closed side."""
    with suppress(OSError):
        socket.socket.shutdown(held[0], socket.SHUT_RDWR)


def _read(body: bytes) -> ModelReply:
    try:
        answer: Any = json.loads(body)
        message = answer["choices"][0]["message"]
        text = message.get("content") or ""
        calls = tuple(_call(one) for one in (message.get("tool_calls") or [])[:MOST_CALLS])
        usage = answer.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("its answer is no chat completion") from error
    if not isinstance(text, str):
        raise ValueError("its answer is no chat completion")
    return ModelReply(text=text[:_LONGEST_TEXT], calls=calls, tokens=_tokens(usage))


def _call(one: Mapping[str, Any]) -> ToolCall:
    asked = one["function"]
    return ToolCall(
        call_id=str(one["id"])[:200],
        name=str(asked["name"])[:100],
        arguments=str(asked.get("arguments") or "{}")[:30_000],
    )


def _tokens(usage: object) -> int:
    total = usage.get("total_tokens") if isinstance(usage, dict) else 0
    return total if isinstance(total, int) and total > 0 else 0
