"""Nothing in a test leaves this machine: names do not resolve, and connections go to the loopback only.

A name that is not ours behaves as if it did not exist (RFC 6761: `.example`, `.test` and `.invalid` never
do). A connection to an address outside is refused and remembered, so that the test fails even where the code
under test took the refusal calmly.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

leaks: list[str] = []


def guard() -> None:
    """From now on, in this process. An audit hook cannot be taken back."""
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        _require_own_name(arguments[0])
    elif event in ("socket.connect", "socket.sendto"):
        _require_own_address(arguments[1])


def _require_own_name(host: Any) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost", socket.gethostname()) or _is_number(name):
        return
    raise socket.gaierror(socket.EAI_NONAME, f"{name}: no names are resolved in tests")


def _require_own_address(address: Any) -> None:
    if isinstance(address, tuple) and not _is_loopback(str(address[0])):
        leaks.append(str(address))
        raise ConnectionRefusedError(f"{address}: no test leaves this machine")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host in ("", "localhost") or (_is_number(host) and ipaddress.ip_address(host).is_loopback)
