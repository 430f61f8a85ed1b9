"""Fetches a picture from an address that a stranger wrote, for a reader who must stay unseen.

Duty: `PictureFetcher`, the pipe of the port `Pictures`. Laws: only where `targets.aim` allows, asked anew for every redirect; at most
`MOST_BYTES`, within `SECONDS` in all, whatever the other side does (a watchman cuts the line); TLS is verified; no cookies, no referrer, no
word of who asks; what comes is believed by its first bytes, never by its name: PNG, JPEG, GIF and WebP, nothing else. Never raises. No
more than `AT_ONCE` at the same time, so that a slow server cannot take all hands of the pages.
Standards: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Sequence
from functools import partial
from urllib.parse import urljoin

from postroom.adapters.fetching.lines import REDIRECTS, ask, look_up
from postroom.adapters.fetching.targets import NotThere, Resolve, Target, aim
from postroom.core.mime.mail_html import picture_type
from postroom.core.terms.networks import Network, read_networks
from postroom.core.terms.pictures import NoPicture, Picture
from postroom.core.terms.reasons import because

MOST_BYTES = 5_000_000
SECONDS = 10.0
AT_ONCE = 4
MOST_REDIRECTS = 3
_PATIENCE_IN_LINE = 5.0  # seconds to wait for one of the few places
_HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; picture proxy)",
    "Accept": "image/webp,image/png,image/jpeg,image/gif",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


class PictureFetcher:
    """``resolve`` gives the network addresses of a name; by default DNS is asked, within a few seconds, at ``name_servers`` where there are
    any. Safe for threads."""

    def __init__(
        self,
        *,
        name_servers: Sequence[tuple[str, int]] = (),
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._resolve = resolve or partial(look_up, servers=name_servers)
        self._seconds = seconds
        self._ssl_context = ssl_context
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def fetch(self, url: str, *, allowed: Sequence[str] = ()) -> Picture | NoPicture:
        """``allowed``: networks that may be asked although they are not public, as an operator wrote them."""
        if not self._places.acquire(timeout=_PATIENCE_IN_LINE):
            return NoPicture(reason=because("visit.many_pictures"))
        try:
            return self._follow(url, read_networks(allowed), time.monotonic() + self._seconds)
        except NotThere as words:
            return NoPicture(reason=words.reason)
        except (OSError, http.client.HTTPException, ValueError):
            return NoPicture(reason=because("visit.nonsense"))
        finally:
            self._places.release()

    def _follow(self, url: str, allowed: Sequence[Network], until: float) -> Picture | NoPicture:
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._ask(aim(url, self._resolve, allowed), until)
            if not isinstance(answer, str):
                return answer
            url = urljoin(url, answer)
        return NoPicture(reason=because("visit.led_on"))

    def _ask(self, target: Target, until: float) -> Picture | NoPicture | str:
        """The picture, or the address to which it is led on."""
        left = until - time.monotonic()
        if left <= 0:
            return NoPicture(reason=because("visit.slow"))
        if target.is_tls and self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return ask(target, left, _HEADERS, self._ssl_context, _read)


def _read(response: http.client.HTTPResponse) -> Picture | NoPicture | str:
    if response.status in REDIRECTS:
        return response.headers.get("Location") or NoPicture(reason=because("visit.led_nowhere"))
    if response.status != 200:
        return NoPicture(reason=because("visit.status", status=response.status))
    if (response.length or 0) > MOST_BYTES:
        return NoPicture(reason=because("visit.large"))
    content = response.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return NoPicture(reason=because("visit.large"))
    kind = picture_type(content)
    return Picture(content=content, content_type=kind) if kind else NoPicture(reason=because("visit.no_picture"))
