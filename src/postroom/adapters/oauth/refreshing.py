"""OAuth2 access tokens from a refresh token: asked for when needed, renewed ahead of their end, kept in memory alone.

Duty: `RefreshingTokens.access_token` for SMTP and IMAP logins. A *grant* is JSON with client_id, refresh_token and, where the client
has one, client_secret and scope: what a consent once gave.
Laws: HTTPS, verified (plain HTTP only on loopback); only at public addresses, or in networks that the operator allows: who administers a
company names the endpoint; everything bounded, the time for all of it together; one request at a time for a grant, whoever asks meanwhile
waits for its answer. A refresh token that comes back changed replaces the former one at once and is handed to ``on_rotation``
before anybody uses the access token that came with it. Secrets are in no error.
Standards: RFC 6749 6 (refreshing), 5.1 and 5.2 (answers), RFC 8414 (endpoints), RFC 6819 5.2.2.3 (rotation).
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from postroom.adapters.fetching.lines import ask, look_up
from postroom.adapters.fetching.targets import NotThere, aim
from postroom.core.terms.log_lines import without_secrets
from postroom.core.terms.networks import read_networks
from postroom.core.terms.secret import Secret
from postroom.core.terms.web_addresses import keeps_secrets

AHEAD = 300.0  # seconds before its end a token is renewed
_USUAL_LIFE = 600.0  # where nothing is said of it
SECONDS = 20.0  # for all of a question and its answer
_LONGEST_ANSWER = 65_536
_LONGEST_ERROR = 160
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)
_PLAIN = re.compile(r"[\x20-\x7e]+")
_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "Accept-Encoding": "identity",
    "User-Agent": "Postroom", "Connection": "close",
}  # fmt: skip

ENDPOINTS = {
    "google": "https://oauth2.googleapis.com/token",
    "microsoft": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
}


@dataclass(slots=True)
class _Kept:
    """A grant as it is now, and the access token that it gave last."""

    grant: Secret
    lock: threading.Lock = field(default_factory=threading.Lock)
    token: Secret = Secret("")
    good_until: float = 0.0


class RefreshingTokens:
    """For all threads of a process. ``clock`` in seconds, never backwards; ``on_rotation(source, former, fresh)``; ``allowed``: networks that
    may be asked although they are not public."""

    def __init__(
        self,
        *,
        on_rotation: Callable[[str, Secret, Secret], None],
        clock: Callable[[], float] = time.monotonic,
        allowed: Sequence[str] = (),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._on_rotation = on_rotation
        self._clock = clock
        self._allowed = tuple(allowed)
        self._ssl_context = ssl_context
        self._kept: dict[tuple[str, Secret], _Kept] = {}
        self._lock = threading.Lock()

    def access_token(self, source: str, grant: Secret) -> Secret:
        """Raises ValueError for what cannot be (nobody named, a withdrawn consent), OSError for what may pass."""
        url = endpoint_of(source)
        with self._lock:
            kept = self._kept.setdefault((source, grant), _Kept(grant))
        with kept.lock:
            if not kept.token or self._clock() >= kept.good_until:
                self._refresh(source, url, kept)
            return kept.token

    def another_token(self, source: str, grant: Secret, refused: Secret) -> Secret:
        """A token that is not ``refused``, which a server did not accept before its time was over. Raises as `access_token`."""
        with self._lock:
            kept = self._kept.get((source, grant))
        if kept is not None and refused:
            with kept.lock:
                if kept.token == refused:
                    kept.good_until = 0.0
        return self.access_token(source, grant)

    def _refresh(self, source: str, url: str, kept: _Kept) -> None:
        facts = _read_grant(kept.grant)
        form = {"grant_type": "refresh_token"} | facts
        answer = ask_endpoint(url, form, allowed=self._allowed, ssl_context=self._ssl_context)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise ValueError(f"{source} gave no access token")
        fresh = answer.get("refresh_token")
        if isinstance(fresh, str) and fresh and fresh != facts["refresh_token"]:
            self._rotate(source, kept, Secret(json.dumps(facts | {"refresh_token": fresh})))
        life = answer.get("expires_in", _USUAL_LIFE)
        seconds = float(life) if isinstance(life, int | float | str) and str(life).isdigit() else _USUAL_LIFE
        kept.token, kept.good_until = Secret(token), self._clock() + max(0.0, seconds - AHEAD)

    def _rotate(self, source: str, kept: _Kept, fresh: Secret) -> None:
        former, kept.grant = kept.grant, fresh
        with self._lock:  # whoever still holds the former one is served; those before it are forgotten
            for key in [key for key, one in self._kept.items() if one is kept and key[1] != former]:
                del self._kept[key]
            self._kept[source, fresh] = kept
        self._on_rotation(source, former, fresh)


def ask_endpoint(
    url: str,
    form: dict[str, str],
    *,
    allowed: Sequence[str] = (),
    ssl_context: ssl.SSLContext | None = None,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """What a token endpoint answers, within ``seconds`` in all. ``allowed``: networks that may be asked although they are not public.
    Raises ValueError where it refuses, OSError for what may pass; no secret is in either."""
    until = time.monotonic() + seconds
    host = urlsplit(url).hostname or ""
    try:
        target = aim(url, look_up, read_networks(allowed))
        left = max(0.1, until - time.monotonic())
        status, body = ask(target, left, _HEADERS, ssl_context, _read, body=urlencode(form).encode())
    except NotThere as words:
        raise OSError(f"{host} cannot be asked for one: {words}") from None
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise OSError(f"{host} cannot be asked for one: {_why(error)}") from error
    return _answer(host, status, body)


def _read(response: http.client.HTTPResponse) -> tuple[int, bytes]:
    return response.status, response.read(_LONGEST_ANSWER)


def _why(error: Exception) -> str:
    """What the machine says of a connection. Words of the other side are not told: who named it may not be meant to read them."""
    if isinstance(error, http.client.HTTPException | ValueError):
        return f"it does not speak HTTP as it should ({type(error).__name__})"
    return str(error) or type(error).__name__


def endpoint_of(source: str) -> str:
    """The token endpoint: google, microsoft, microsoft/TENANT, or an https address. Raises ValueError."""
    name, _, tenant = source.strip().partition("/")
    if not source.strip():
        raise ValueError("nobody is named who gives them (token source)")
    if name == "microsoft" and tenant and tenant.replace("-", "").replace(".", "").isalnum():
        return ENDPOINTS["microsoft"].replace("/common/", f"/{tenant}/")
    if source in ENDPOINTS:
        return ENDPOINTS[source]
    if keeps_secrets(source):
        return source
    raise ValueError(
        f"{source} is no token source: google, microsoft, microsoft/TENANT or the https address of a token endpoint"
    )


def _read_grant(grant: Secret) -> dict[str, str]:
    try:
        values = json.loads(grant.reveal())
    except ValueError:
        raise ValueError("the grant is no JSON with client_id and refresh_token") from None
    known = ("client_id", "client_secret", "refresh_token", "scope")
    facts = {name: str(values[name]) for name in known if isinstance(values, dict) and values.get(name)}
    if not {"client_id", "refresh_token"} <= facts.keys():
        raise ValueError("the grant lacks client_id or refresh_token")
    return facts


def _answer(host: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if status == 200 and isinstance(values, dict):
        return values
    if isinstance(values, dict) and isinstance(values.get("error"), str):
        said = _told(values)
        if values["error"] == "invalid_grant":
            raise ValueError(f"the consent has ended or was withdrawn ({said})")
        if 400 <= status < 500 and status != 429:
            raise ValueError(f"{host} refuses: {said}")
    raise OSError(f"{host} answered with HTTP status {status}")


def _told(values: dict[str, Any]) -> str:
    """The code of an error (RFC 6749 5.2), and its description where it is a short line of plain text."""
    code, about = str(values["error"]), values.get("error_description")
    code = code if _CODE.fullmatch(code) else "an error without a code"
    if not isinstance(about, str) or not about or not _PLAIN.fullmatch(about[:_LONGEST_ERROR]):
        return code
    return f"{code}: {without_secrets(about[:_LONGEST_ERROR])}"
