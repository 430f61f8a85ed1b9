"""Presets for the faces: what providers need, who a host belongs to, and what is odd about a port."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.delivery.presets import PRESETS, PortAdvice, Preset, advise_on_port, preset_named, recognise
from postroom.core.terms.encryption import Encryption

_ADVICE = {
    PortAdvice.BLOCKED: "Port 25 is blocked by most networks: use 587 with STARTTLS, 465 with TLS, or 2525.",
    PortAdvice.WANTS_TLS: "Port 465 speaks TLS from the first byte: choose TLS.",
    PortAdvice.WANTS_STARTTLS: "This port begins in clear: choose STARTTLS, or port 465 with TLS.",
    PortAdvice.IN_CLEAR: "The password travels in clear: choose STARTTLS or TLS.",
}


def presets() -> Sequence[Preset]:
    """All, in the order in which they are offered."""
    return tuple(PRESETS.values())


def preset(key: str) -> Preset:
    """This one; custom when there is none of that key."""
    return preset_named(key)


def preset_of_host(host: str) -> Preset:
    """Whose host it is."""
    return recognise(host)


def port_advice(host: str, port: int, encryption: str, *, has_login: bool) -> str:
    """A sentence when something is odd, else ``""``."""
    advice = advise_on_port(host, port, Encryption(encryption), has_login=has_login)
    return _ADVICE[advice] if advice is not None else ""
