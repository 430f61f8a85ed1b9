"""Web addresses that people enter, and that we send secrets to.

Laws: pure; never raises. Standards: RFC 3986 3 (what is the host), RFC 6749 3.2 (token endpoints speak TLS), RFC 8252 8.3 (but for loopback).
"""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def keeps_secrets(address: str) -> bool:
    """Whether nobody on the way reads what is sent there: by https, or by http within this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))
