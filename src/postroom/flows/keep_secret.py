"""Secrets that another app of this house has us keep: sealed in a column that the rotation of keys knows, and handed out by number."""

from __future__ import annotations

from postroom.flows.ports import Ports
from postroom.store.models import SealedText

PREFIX = "sealed:"


def keep(ports: Ports, secret: str) -> str:
    """Seal it; what stands for it from now on."""
    return f"{PREFIX}{SealedText.objects.create(secret=ports.vault.seal(secret)).pk}"


def kept(ports: Ports, name: str) -> str:
    """The secret that ``name`` stands for. Raises `SealedText.DoesNotExist`, and what the vault raises for a value that no key opens."""
    number = name.removeprefix(PREFIX)
    row = SealedText.objects.get(pk=int(number) if number.isdigit() else 0)
    return ports.vault.open(bytes(row.secret)).reveal()
