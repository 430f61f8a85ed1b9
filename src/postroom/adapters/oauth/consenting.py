"""The second half of a consent: the code that a person's browser brought back is traded for a grant.

Laws: HTTPS, verified (plain HTTP only on loopback); bounded; no secret is in an error. A consent that gives no refresh token is none:
it would end within the hour. Standards: RFC 6749 4.1.3, RFC 7636 4.5 (PKCE).
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from postroom.adapters.oauth.refreshing import ask_endpoint
from postroom.core.terms.secret import Secret
from postroom.core.terms.web_addresses import keeps_secrets


def exchange_code(
    endpoint: str,
    *,
    client_id: str,
    client_secret: Secret,
    code: Secret,
    verifier: Secret,
    redirect: str,
    scope: str,
    allowed: Sequence[str] = (),
    ssl_context: ssl.SSLContext | None = None,
) -> Secret:
    """A grant as `refreshing` reads it. Raises ValueError where the provider refuses, OSError for what may pass."""
    if not keeps_secrets(endpoint):
        raise ValueError("a token endpoint has an https address")
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code.reveal(),
        "code_verifier": verifier.reveal(),
        "redirect_uri": redirect,
    }
    if client_secret:
        form["client_secret"] = client_secret.reveal()
    answer = ask_endpoint(endpoint, form, allowed=allowed, ssl_context=ssl_context)
    refresh = answer.get("refresh_token")
    if not isinstance(refresh, str) or not refresh:
        raise ValueError(
            f"{urlsplit(endpoint).hostname} gave no refresh token: take the former consent away in the account's settings and connect again"
        )
    grant = {"client_id": client_id, "refresh_token": refresh, "scope": scope}
    if client_secret:
        grant["client_secret"] = client_secret.reveal()
    life = answer.get("refresh_token_expires_in")  # some tell when the consent itself ends
    if isinstance(life, int) and life > 0:
        grant["ends_at"] = str(int(time.time()) + life)
    return Secret(json.dumps(grant))
