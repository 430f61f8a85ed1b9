"""Signed links to attachments: whoever has the mail can fetch the file, until a date, and nobody can guess or stretch a link.

A token is the attachment's number, the moment it expires (Unix seconds) and a MAC of 128 bits (HMAC-SHA256), in base64url.
Laws: reading never raises; a token that does not verify is None. Whether a genuine one has expired is for the caller to say, who has a
clock. The first key signs, all keys verify (rotation). The MAC covers a label of its own: no other token of ours is a link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_LABEL = b"postroom attachment link 1\0"
_MAC_BYTES = 16
_NUMBER_BYTES = 8
_MOMENT_BYTES = 5
_BODY_BYTES = _NUMBER_BYTES + _MOMENT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkToken:
    """A genuine token of ours. ``expires_at`` is aware, UTC, in whole seconds."""

    attachment_id: int
    expires_at: datetime


def make_link_token(keys: Sequence[bytes], attachment_id: int, expires_at: datetime) -> str:
    """39 characters, letters, digits, ``-`` and ``_``."""
    moment = int(expires_at.timestamp())
    body = attachment_id.to_bytes(_NUMBER_BYTES, "big") + moment.to_bytes(_MOMENT_BYTES, "big")
    return base64.urlsafe_b64encode(body + _mac(keys[0], body)).decode("ascii").rstrip("=")


def read_link_token(keys: Sequence[bytes], text: str) -> LinkToken | None:
    """The token in ``text`` if one of the keys signed it, expired or not."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
    if len(raw) != _BODY_BYTES + _MAC_BYTES:
        return None
    if not any(hmac.compare_digest(mac, _mac(key, body)) for key in keys):
        return None
    return LinkToken(
        attachment_id=int.from_bytes(body[:_NUMBER_BYTES], "big"),
        expires_at=datetime.fromtimestamp(int.from_bytes(body[_NUMBER_BYTES:], "big"), UTC),
    )


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, _LABEL + body, hashlib.sha256)[:_MAC_BYTES]
