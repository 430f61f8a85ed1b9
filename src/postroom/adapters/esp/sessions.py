"""HTTPS to a provider, with our habits whatever the caller asks.

Laws: certificates are verified; no redirect is followed (a key never travels to where it was not meant for); nothing is read from
the environment (no proxies, no .netrc); an answer has a largest size and a time in which all of it must have come, however slowly it drips;
a connection that rested is not trusted again. Whether a request was written is known afterwards (`GuardedSession.was_written`).
"""

from __future__ import annotations

import io
import time
from collections.abc import Generator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

MAX_ANSWER = 1_048_576  # bytes; more than anybody has to say about one mail
_CHUNK = 65_536
_RESTED = 4.0  # seconds: providers hang up on idle connections, and what was written meanwhile would be lost


class AnswerTooLongError(requests.RequestException):
    """More than it was asked for."""


class GuardedSession(requests.Session):
    """For one thread. Times in seconds; ``most`` are the bytes that an answer may have."""

    def __init__(self, connect_timeout: float, reply_timeout: float, *, most: int = MAX_ANSWER) -> None:
        super().__init__()
        self._most = most
        self.trust_env = False
        self.headers["User-Agent"] = "postroom"
        self.was_written = False
        self._timeouts = (connect_timeout, reply_timeout)
        self._used_at = 0.0
        self._mount()

    def _mount(self) -> None:
        for prefix in ("https://", "http://"):
            self.mount(prefix, HTTPAdapter(pool_connections=2, pool_maxsize=2, max_retries=0))

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs |= {"timeout": self._timeouts, "allow_redirects": False, "verify": True, "stream": True}
        self.was_written = False
        if self._used_at and time.monotonic() - self._used_at > _RESTED:
            self.close()
            self._mount()
        deadline = time.monotonic() + self._timeouts[1]
        try:
            response = super().request(*args, **kwargs)
            _read_whole(response, deadline, self._most)
        finally:
            self._used_at = time.monotonic()
        return response

    def resolve_redirects(self, *_: Any, **__: Any) -> Generator[requests.Response, None, None]:
        """None; not even to see where they lead."""
        yield from ()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        if isinstance(body, bytes) and body:
            request.body = _Watched(body, self)
        return super().send(request, **kwargs)


class _Watched(io.BytesIO):
    """Tells when its last byte went to the wire: before that nobody can have accepted anything."""

    def __init__(self, body: bytes, session: GuardedSession) -> None:
        super().__init__(body)
        self._length = len(body)
        self._session = session

    def __len__(self) -> int:
        return self._length

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if self.tell() >= self._length:
            self._session.was_written = True
        return piece


def _read_whole(response: requests.Response, deadline: float, most: int) -> None:
    """Raises `requests.RequestException`. Afterwards the response has its content."""
    content = bytearray()
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            content += chunk
            if len(content) > most:
                raise AnswerTooLongError(f"an answer of more than {most} bytes")
            if time.monotonic() > deadline:
                raise requests.ReadTimeout("the answer dripped too slowly")
    except (HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        raise requests.ConnectionError(error) from error
    finally:
        response.close()
    response._content = bytes(content)
    response._content_consumed = True
