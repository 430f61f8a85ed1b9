"""One request to a web server that a person or a record named: a policy to be read, news to be told.

Duty: `Visitor`, the pipe of the port `visit`. Laws: https alone, and only where `targets.aim` allows; nobody is followed elsewhere (RFC 8461
3.3 forbids it, and who listens for news has one address); at most so many bytes, within so many seconds in all; TLS is verified; never
raises. No more than `AT_ONCE` at the same time. Standards: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

from postroom.adapters.fetching.lines import ask, look_up
from postroom.adapters.fetching.targets import NotThere, Resolve, Target, aim
from postroom.core.terms.networks import read_networks
from postroom.core.terms.reasons import because
from postroom.core.terms.visits import NoVisit, Visit

AT_ONCE = 8
SECONDS = 8.0
MOST_BYTES = 65_536
_HEADERS = {"User-Agent": "Postroom", "Accept-Encoding": "identity", "Connection": "close"}


class Visitor:
    """``resolve`` gives the network addresses of a name; by default DNS is asked, at ``name_servers`` where there are any."""

    def __init__(
        self,
        *,
        name_servers: Sequence[tuple[str, int]] = (),
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve = resolve or partial(look_up, servers=name_servers)
        self._ssl_context = ssl_context
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def visit(
        self,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        allowed: Sequence[str] = (),
        seconds: float = SECONDS,
    ) -> Visit | NoVisit:
        """GET, or POST with a ``body``. ``allowed``: networks that may be asked although they are not public."""
        until = time.monotonic() + seconds
        if not self._places.acquire(timeout=seconds):
            return NoVisit(reason=because("visit.many"))
        try:
            target = aim(url, self._resolve, read_networks(allowed))
            if not target.is_tls:
                raise NotThere("visit.not_https")
            return self._ask(target, body, headers or {}, max(0.1, until - time.monotonic()))
        except NotThere as words:
            return NoVisit(reason=words.reason)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _why(error)
        finally:
            self._places.release()

    def _ask(self, target: Target, body: bytes | None, headers: Mapping[str, str], seconds: float) -> Visit:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return ask(target, seconds, {**_HEADERS, **headers}, self._ssl_context, _read, body=body)


def _why(error: Exception) -> NoVisit:
    match error:
        case ssl.SSLCertVerificationError():
            words = error.verify_message
            return NoVisit(reason=because("visit.certificate", why=words), is_theirs=True)
        case ConnectionRefusedError():
            return NoVisit(reason=because("visit.refused"), is_theirs=True)
        case TimeoutError():
            return NoVisit(reason=because("visit.silent"))
        case _:
            return NoVisit(reason=because("visit.trouble", error=type(error).__name__))


def _read(response: http.client.HTTPResponse) -> Visit:
    return Visit(
        status=response.status,
        content_type=(response.headers.get("Content-Type") or "")[:200],
        date=_moment(response.headers.get("Date") or ""),
        body=response.read(MOST_BYTES),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text[:100])
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
