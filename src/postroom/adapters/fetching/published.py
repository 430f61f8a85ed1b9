"""Fetches what a provider publishes for mail programs.

Laws: HTTPS alone, with a verified certificate, also where it is led on to; only where `targets.aim` allows, asked anew for every redirect;
bounded in bytes, redirects and seconds. Never raises. Standards: RFC 9110, RFC 8615.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Sequence
from urllib.parse import urljoin

from postroom.adapters.fetching.lines import REDIRECTS, ask, look_up
from postroom.adapters.fetching.targets import NotThere, Resolve, aim
from postroom.core.terms.networks import read_networks

MOST_REDIRECTS = 3
_HEADERS = {"User-Agent": "Postroom", "Accept": "application/xml,text/xml;q=0.9", "Accept-Encoding": "identity", "Connection": "close"}  # fmt: skip


def fetch_published(
    url: str,
    *,
    most_bytes: int,
    seconds: float,
    servers: Sequence[tuple[str, int]] = (),
    resolve: Resolve | None = None,
    context: ssl.SSLContext | None = None,
    allowed: Sequence[str] = (),
) -> bytes | None:
    """``servers``: name servers with ports; none: the machine's. ``allowed``: networks that may be asked although they are not public.

    None: there is no such file, it is too large, or nobody could tell within ``seconds``."""
    until = time.monotonic() + seconds
    look = resolve or (lambda host: look_up(host, seconds=max(0.1, (until - time.monotonic()) / 2), servers=servers))
    try:
        for _ in range(MOST_REDIRECTS + 1):
            if not url.startswith("https://"):
                return None
            target = aim(url, look, read_networks(allowed))
            left = until - time.monotonic()
            if left <= 0:
                return None
            answer = ask(target, left, _HEADERS, context, lambda response: _read(response, most_bytes))
            if not isinstance(answer, str):
                return answer
            url = urljoin(url, answer)
    except (NotThere, OSError, http.client.HTTPException, ValueError):
        return None
    return None


def _read(response: http.client.HTTPResponse, most_bytes: int) -> bytes | str | None:
    """The content, or the address to which it is led on."""
    if response.status in REDIRECTS:
        return response.headers.get("Location")
    if response.status != 200 or (response.length or 0) > most_bytes:
        return None
    content = response.read(most_bytes + 1)
    is_cut = bool(response.length)  # what was announced and never came
    return content if len(content) <= most_bytes and not is_cut else None
