"""Where a mail entered the house: the Received field of the server that first took it, and whether its sender had signed in there.

Duty: `read_submission` walks the Received fields from the top, past the doors of the house, to the entrance. Laws: pure; never raises;
linear. A field counts only when whoever wrote it is known: the topmost was written by the server that gave us the mail; the one
below by its peer, and that counts only where this peer is ours, too: it delivered by LMTP, or its address is one of a named relay.
What a stranger wrote stands below the entrance and is not looked at.
Standards: RFC 5321 4.4 (Received), RFC 3848 (ESMTPA, ESMTPSA: signed in), RFC 6531 4.3 (UTF8SMTPA, UTF8SMTPSA), RFC 2033.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from postroom.core.terms.networks import Network
from postroom.core.terms.states import Door

SIGNED_IN = frozenset(("ESMTPA", "ESMTPSA", "UTF8SMTPA", "UTF8SMTPSA"))
_LAST_STEP = frozenset(("LMTP", "LMTPS", "LMTPA", "LMTPSA", "UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA"))
_OUR_DOORS = (Door.SMTP, Door.LMTP)  # they put a field of their own on top
_MOST_STEPS = 10
_LONGEST = 4_000  # characters of a field that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """``server`` is the name of the server at the entrance, as it writes itself, ``""`` where nobody knows it. ``is_named``: its word counts."""

    server: str = ""
    is_signed_in: bool = False
    is_named: bool = False
    is_born_here: bool = False  # that server wrote it itself, and took it from nobody
    is_from_outside: bool = False  # it says whom it took it from, and that is none of ours

    @property
    def is_ours(self) -> bool:
        """One of us handed it in: who wrote it had signed in at a server whose word counts."""
        return self.is_signed_in and self.is_named


UNKNOWN_ENTRANCE = Submission()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    by: str
    protocol: str
    has_peer: bool
    peers: tuple[str, ...]  # IP addresses: who it was, as the server says, and who he said he was


def read_submission(
    received: Sequence[str], *, door: Door, servers: Collection[str] = (), relays: Iterable[Network] = ()
) -> Submission:
    """``received`` from the top. ``servers`` are names (lower case) whose word counts; what speaks LMTP to us, and who is named as a
    relay, is ours anyway."""
    steps = [_read(one) for one in received[: _MOST_STEPS + 1]]
    if door in _OUR_DOORS and steps:
        steps = steps[1:]
    known = tuple(relays)
    for place, step in enumerate(steps[:_MOST_STEPS]):
        if step is None:
            break
        if not step.has_peer:
            is_first = place == len(steps) - 1
            is_named = is_first and (door in _OUR_DOORS or step.by in servers)
            return Submission(server=step.by, is_named=is_named, is_born_here=is_first)
        if step.protocol in _LAST_STEP or _are_within(step.peers, known):
            continue
        is_named = door in _OUR_DOORS or step.by in servers
        return Submission(
            server=step.by,
            is_signed_in=step.protocol in SIGNED_IN,
            is_named=is_named,
            is_from_outside=bool(step.peers),
        )
    return UNKNOWN_ENTRANCE


def _read(field: str) -> _Step | None:
    """``from NAME (… [IP]) by NAME (…) with PROTOCOL …``; None for what does not begin so: a name with blanks in it may hold anything."""
    clauses, comments = _apart(field[:_LONGEST])
    if len(clauses) >= 2 and clauses[0].lower() == "by":
        return _Step(by=clauses[1].lower().rstrip("."), protocol="", has_peer=False, peers=())
    if len(clauses) < 4 or clauses[0].lower() != "from" or clauses[2].lower() != "by":
        return None
    rest = clauses[4:]
    if len(rest) >= 2 and rest[0].lower() == "via":
        rest = rest[2:]
    protocol = rest[1].upper() if len(rest) >= 2 and rest[0].lower() == "with" else ""
    return _Step(
        by=clauses[3].lower().rstrip("."),
        protocol=protocol,
        has_peer=True,
        peers=_addresses(f"{clauses[1]} {comments}"),
    )


def _apart(text: str) -> tuple[list[str], str]:
    """The words outside of comments, and the comments about the peer: behind the name that he gave himself the server says who he is."""
    words: list[str] = []
    about_peer: list[str] = []
    depth = 0
    for piece in _PIECES.findall(text):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
        elif not depth:
            words += piece.split()
        elif len(words) == 2:
            about_peer.append(piece)
    return words, " ".join(about_peer)


_PIECES = re.compile(r"[()]|[^()]+")
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)


def _addresses(text: str) -> tuple[str, ...]:
    found = []
    for one in _LITERAL.findall(text):
        try:
            found.append(str(ipaddress.ip_address(one)))
        except ValueError:
            return ()  # who writes nonsense into brackets is nobody whom we know
    return tuple(found)


def _are_within(peers: Sequence[str], networks: Iterable[Network]) -> bool:
    """All of them: what a stranger calls himself must not hide who he is."""
    known = tuple(networks)
    return bool(peers) and all(any(_plain(peer) in network for network in known) for peer in peers)


def _plain(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(peer)
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address
