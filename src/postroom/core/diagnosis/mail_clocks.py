"""What mails that just came say about our clock: no server can have stamped a mail before it was written by our time.

Laws: pure; linear in what is read. A mail lies in queues, so a stamp in our past says nothing; one in our future says that our clock is
behind, or that one's is ahead. Only three independent relays that agree within a minute are believed, when they are most of all that came, the
newest mail among them, and no clock that was asked just now says that ours is right. That our clock is ahead cannot be told from a
delay, and is not told. Standards: RFC 5321 4.4 (the Received line).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.diagnosis.domain_facts import is_internal
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, found
from postroom.core.diagnosis.outside_clocks import AGREEING, MOST_APART, ClockWitness, date_within

LEAST_BEHIND = timedelta(minutes=5)
LEAST_RELAYS = 3
MOST_READ = 8192  # octets of a header
LATELY = timedelta(minutes=30)
_FOLD = re.compile(rb"\r?\n[ \t]")
_BY = re.compile(r"\bby ([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailWitness:
    """The relay that handed a mail over to us, or to our mailbox; ``network`` is where it stands, as nobody can forge it."""

    network: str
    clock: ClockWitness

    @property
    def domain(self) -> str:
        return ".".join(self.clock.name.lower().split(".")[-2:])


def read_witness(head: bytes, *, door: str, peer: str, at: datetime) -> MailWitness | None:
    """``head``: the first `MOST_READ` octets of the mail as it was kept; ``peer`` as the door noted it; ``at``: when it came, by our clock."""
    network = _network(door, peer)
    if not network:
        return None
    lines = _FOLD.sub(b" ", head[:MOST_READ].partition(b"\r\n\r\n")[0]).split(b"\r\n")
    stamps = [line.decode("ascii", "replace") for line in lines if line[:9].lower() == b"received:"]
    theirs = stamps[1:2] if door == "smtp" else stamps[:1]  # the first is our own door's
    for stamp in theirs:
        name, says = _BY.search(stamp), date_within(stamp.rpartition(";")[2])
        if name is not None and says is not None:
            return MailWitness(network=network, clock=ClockWitness(name=name[1], says=says, at=at))
    return None


def _network(door: str, peer: str) -> str:
    """Of a stranger who came to our door (an IPv4 /16, an IPv6 /32), or the host of the mailbox; ``""`` for our own machines."""
    if door == "imap":
        return peer.rpartition(" at ")[2].lower()
    address = peer.partition(" ")[0]
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if door != "smtp" or is_internal(address):
        return ""
    return str(ipaddress.ip_network(f"{ip}/{16 if ip.version == 4 else 32}", strict=False))


def check_mail_clocks(witnesses: Iterable[MailWitness], asked: Sequence[ClockWitness] = ()) -> list[Finding]:
    """At most one finding. ``asked``: clocks that were asked just now."""
    told = sorted(witnesses, key=lambda one: one.clock.at)
    if not told or any(abs(one.skew) <= MOST_APART for one in asked):
        return []
    best: dict[str, MailWitness] = {}  # a delay makes a stamp older, never younger
    for one in told:
        if one.network not in best or one.clock.skew >= best[one.network].clock.skew:
            best[one.network] = one
    agreeing = _largest_group(list(best.values()))
    if len({one.domain for one in agreeing}) < LEAST_RELAYS or 2 * len(agreeing) <= len(best):
        return []
    if abs(told[-1].clock.skew - agreeing[0].clock.skew) > AGREEING:
        return []
    skew = agreeing[0].clock.skew
    names = ", ".join(one.clock.name for one in agreeing[:LEAST_RELAYS])
    what = f"this machine's is at least {round(skew.total_seconds())} seconds behind those of {names}, whose mails just came"
    evidence = [
        f"{one.clock.name}: {one.clock.says:%Y-%m-%d %H:%M:%S %z}; came here: {one.clock.at:%Y-%m-%d %H:%M:%S %z}"
        for one in agreeing
    ]
    return [found(FindingCode.CLOCK_WRONG, evidence=evidence[:5], detail="mails", facts={"what": what})]


def _largest_group(witnesses: Sequence[MailWitness]) -> list[MailWitness]:
    """Of those that are ahead of us by more than minutes, the most that agree; the least ahead first."""
    ahead = sorted((one for one in witnesses if one.clock.skew > LEAST_BEHIND), key=lambda one: one.clock.skew)
    groups = [
        [one for one in ahead[at:] if one.clock.skew - first.clock.skew <= AGREEING] for at, first in enumerate(ahead)
    ]
    return max(groups, key=len, default=[])
