"""Someone who gives OAuth2 tokens, on loopback: asks nobody, says yes, and keeps to the protocol strictly.

It checks what it is told as real ones do: the registered redirect URI, the client's secret, a code that counts once, and the PKCE
verifier that belongs to it. Refresh tokens rotate when ``rotates`` says so, and `withdraw` ends the consent.
Standards: RFC 6749 4.1, 5, 6; RFC 7636 4.6.
"""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit


@dataclass
class ConsentServer:
    """``asked`` and ``traded`` are what came to its two addresses, by name."""

    base: str = ""
    client_id: str = "postroom-client"
    client_secret: str = "client secret & 1"
    says_no: bool = False
    rotates: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    traded: list[dict[str, str]] = field(default_factory=list)
    refresh_tokens: set[str] = field(default_factory=set)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def authorize_address(self) -> str:
        return f"{self.base}/authorize"

    @property
    def token_address(self) -> str:
        return f"{self.base}/token"

    def withdraw(self) -> None:
        """The person takes the consent away."""
        self.refresh_tokens.clear()

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the person is sent back to."""
        self.asked.append(asked)
        if self.says_no:
            answer = {"error": "access_denied", "state": asked["state"]}
        else:
            code = token_urlsafe(16)
            self._codes[code] = asked
            answer = {"code": code, "state": asked["state"]}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def trade(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint."""
        self.traded.append(form)
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") == "authorization_code":
            return self._of_code(form)
        return self._of_refresh_token(form.get("refresh_token", ""))

    def _of_code(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "Unknown code."}
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        if urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return 400, {"error": "invalid_grant", "error_description": "The verifier does not belong to the code."}
        return 200, self._tokens(self._fresh())

    def _of_refresh_token(self, former: str) -> tuple[int, dict[str, Any]]:
        if former not in self.refresh_tokens:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        if not self.rotates:
            return 200, self._tokens("")
        self.refresh_tokens.discard(former)
        return 200, self._tokens(self._fresh())

    def _fresh(self) -> str:
        token = f"refresh-{token_urlsafe(12)}"
        self.refresh_tokens.add(token)
        return token

    def _tokens(self, refresh: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "access_token": f"access-{token_urlsafe(12)}",
            "expires_in": 3600,
            "token_type": "Bearer",
        }
        return found | ({"refresh_token": refresh} if refresh else {})


@contextmanager
def consent_server() -> Iterator[ConsentServer]:
    """One that answers."""
    server = ConsentServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            self.send_response(302)
            self.send_header("Location", server.authorize(asked))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = server.trade({name: values[0] for name, values in parse_qs(body).items()})
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.base = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join(60)
