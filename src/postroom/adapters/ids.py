"""The dice of the machine."""

from __future__ import annotations

import random
import secrets


class SystemIds:
    """Unguessable ids, and fractions for jitter (which need not be unguessable)."""

    def hex(self, size: int) -> str:
        return secrets.token_hex(size)

    def fraction(self) -> float:
        return random.random()  # noqa: S311 (spreads retries)
