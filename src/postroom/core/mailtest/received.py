"""The way a mail came: its Received fields as hops, with the delay of each, and clocks that go wrong told apart from mail that waited.

Laws: pure; never raises; bounded. Clocks are judged together: the largest set of hops whose times fit one another is believed, the others
have a clock that is off; a delay is told between believed hops alone. Standards: RFC 5321 4.4, RFC 3848 (the words behind ``with``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.core.mime.headers import read_date

MOST_HOPS = 60
TOLERANCE = 5.0  # seconds by which clocks may differ without a word
LONG = 300.0  # seconds that a hop may take
_LONGEST_FIELD = 4_000  # characters
_PIECES = re.compile(r"[()]|[^()]+")
_CLAUSE = re.compile(r"(?:\A|\s)(from|by|with)\s+([^\s;()]{1,255})", re.IGNORECASE)
_LITERAL = re.compile(r"\[?(?:IPv6:)?([0-9A-Fa-f:.]{3,45})\]?", re.IGNORECASE)
_ENVELOPE_FROM = re.compile(r"envelope-from\s{1,3}<?([^\s<>()]{1,320})>?", re.IGNORECASE)
_ENCRYPTED = frozenset(("ESMTPS", "ESMTPSA", "UTF8SMTPS", "UTF8SMTPSA", "LMTPS", "LMTPSA", "HTTPS"))
_INSIDE = frozenset(("LMTP", "LMTPA", "LOCAL", "HTTP"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One server that took the mail. ``delay`` in seconds since the hop before, None where nobody can tell; ``skew``: by how many seconds
    its clock is off at least (ahead: positive), 0 for one that is believed."""

    by: str = ""
    helo: str = ""  # what its peer called itself
    ip: str = ""  # of its peer, "" when it is not said
    protocol: str = ""
    at: datetime | None = None
    delay: float | None = None
    skew: float = 0.0
    envelope_from: str = ""

    @property
    def is_from_the_world(self) -> bool:
        """Whether the peer has a public address."""
        return bool(self.ip) and ipaddress.ip_address(self.ip).is_global

    @property
    def is_plain(self) -> bool:
        """Whether it came over the internet, and the server says how, without encryption."""
        return self.is_from_the_world and bool(self.protocol) and self.protocol not in _ENCRYPTED | _INSIDE


def read_path(received: Sequence[str]) -> tuple[Hop, ...]:
    """The hops, the first one first. ``received`` as they stand in the mail, the last one topmost."""
    hops = [_read(value[:_LONGEST_FIELD]) for value in reversed(received[:MOST_HOPS])]
    return tuple(_timed(hops))


def _read(value: str) -> Hop:
    words, comments = _apart(value)
    clauses: dict[str, str] = {}
    for name, word in _CLAUSE.findall(words):
        clauses.setdefault(name.lower(), word)
    stamp = value.rpartition(";")[2].strip()
    envelope = _ENVELOPE_FROM.search(value)
    return Hop(
        by=clauses.get("by", "").rstrip(".").lower(),
        helo=clauses.get("from", "").rstrip("."),
        ip=_address(comments) or _address(clauses.get("from", "")),
        protocol=clauses.get("with", "").upper(),
        at=read_date(stamp) if stamp else None,
        envelope_from=envelope[1] if envelope else "",
    )


def _apart(value: str) -> tuple[str, str]:
    """The words outside of comments, and the comments between ``from`` and ``by``: there the server says who its peer is."""
    words: list[str] = []
    about_peer: list[str] = []
    depth, is_peer = 0, True
    for piece in _PIECES.findall(value):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
        elif depth:
            if is_peer:
                about_peer.append(piece)
        else:
            words.append(piece)
            is_peer = is_peer and re.search(r"(?:\A|\s)by\s", piece, re.IGNORECASE) is None
    return " ".join(words), " ".join(about_peer)


def _address(text: str) -> str:
    """The last address: names and claims stand before it."""
    for word in reversed(text.replace(",", " ").split()):
        literal = _LITERAL.fullmatch(word)
        if literal is None:
            continue
        try:
            address = ipaddress.ip_address(literal[1])
        except ValueError:
            continue
        plain = (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address
        return str(plain)
    return ""


# ---- clocks


def _timed(hops: Sequence[Hop]) -> list[Hop]:
    """With delays and skews."""
    stamped = [place for place, hop in enumerate(hops) if hop.at is not None]
    times = [hops[place].at for place in stamped]
    seconds = [moment.timestamp() for moment in times if moment is not None]
    believed = {stamped[index] for index in _fitting(seconds)}
    timed: list[Hop] = []
    last: float | None = None
    for place, hop in enumerate(hops):
        if hop.at is None:
            timed.append(hop)
            continue
        at = hop.at.timestamp()
        if place in believed:
            timed.append(replace(hop, delay=max(0.0, at - last)) if last is not None else hop)
            last = at
        else:
            timed.append(replace(hop, skew=_skew(at, place, hops, believed)))
    return timed


def _fitting(times: Sequence[float]) -> list[int]:
    """The places of the longest run of times that only grow, a little tolerance aside; of several the one that ends earliest."""
    best = [1] * len(times)
    before = [-1] * len(times)
    for place, time in enumerate(times):
        for earlier in range(place):
            if times[earlier] <= time + TOLERANCE and best[earlier] + 1 > best[place]:
                best[place], before[place] = best[earlier] + 1, earlier
    if not times:
        return []
    end = min(range(len(times)), key=lambda place: (-best[place], times[place], -place))
    run: list[int] = []
    while end >= 0:
        run.append(end)
        end = before[end]
    return run[::-1]


def _skew(at: float, place: int, hops: Sequence[Hop], believed: set[int]) -> float:
    """How far the time lies beyond what the believed neighbours allow."""
    earlier = [hop.at.timestamp() for number, hop in enumerate(hops[:place]) if number in believed and hop.at]
    later = [
        hop.at.timestamp() for number, hop in enumerate(hops[place:], start=place) if number in believed and hop.at
    ]
    if later and at > later[0]:
        return at - later[0]
    if earlier and at < earlier[-1]:
        return at - earlier[-1]
    return 0.0
