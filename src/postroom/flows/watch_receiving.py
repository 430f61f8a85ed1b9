"""Looks after what comes in: an alarm where mail could not be routed, where the disk is nearly full, and where a door does not see who
knocks.

Laws: one alarm for each, cleared when it is well again. What a person dismissed is not said again for the same mails, and not for a
month about doors: he knows it. Three queries where all is well, none of them over more rows than a bound.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from postroom.core.routing.arrival import path_of, read_peer
from postroom.core.routing.authenticity import Path
from postroom.core.terms.networks import read_networks
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.states import Door, InboundState
from postroom.flows.alarms import clear_alarm, raise_alarm
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import Alarm, InboundMessage
from postroom.store.statements import ask

FAILED, STORAGE, PROXIED = "inbound.failed", "door.storage", "door.proxied"
MANY = 1_000
LEAST_ROOM = 1024**3  # bytes; and never less than ten of the largest mails
LATEST = 2_000  # mails that are looked at for the names of a peer
MANY_NAMES = 8  # of one address of ours: behind it stand others
A_MONTH = timedelta(days=30)

catalogue(
    {
        "inbound.failed": "{count} mails could not be routed, the last one with: {error}. They are kept: look at them, and route them again.",
        "door.storage_full": "The disk for mails at {place} has {free} MB left: soon nothing is accepted. Senders try again, nothing is lost; make room.",
        "door.storage_broken": "The disk for mails at {place} cannot be written to: {error}. Large mails are not accepted; senders try again.",
        "door.proxied_names": "{address} handed in mail under {count} names: it seems to stand between us and the world, so nobody knows who hands in what. "
        "If it is a mail server, name it in mail.authentication.relays; if it only passes connections on, let it keep their addresses.",
        "door.proxied_relay": "{address} hands in mail that it took from outside ({server} wrote so into it), and nobody said whose word on senders counts. "
        "If that mail server is ours, name it in mail.authentication.relays, and its Authentication-Results in mail.authentication.servers.",
    }
)


def watch_receiving(ports: Ports) -> None:
    """All of it; once a minute."""
    _watch_failed(ports)
    _watch_storage(ports)
    _watch_peers(ports)


def note_unnamed_relay(ports: Ports, address: str, server: str) -> None:
    """A peer at home handed in what a stranger had given to ``server``."""
    if not _was_dismissed(ports, PROXIED, address, A_MONTH):
        reason = because("door.proxied_relay", address=address, server=server or "a server")
        raise_alarm(ports, code=PROXIED, subject=address, reason=reason, link="/settings/parameters/")


def _watch_failed(ports: Ports) -> None:
    rows = InboundMessage.objects.filter(state=InboundState.FAILED).order_by("-id").values_list("due_at", "error")
    found = list(rows[:MANY])
    if not found:
        clear_alarm(ports, code=FAILED)
        return
    newest = max(due_at for due_at, _ in found)  # put off for the last time a while before
    dismissed_at = _dismissed_at(FAILED, "")
    if dismissed_at is not None and dismissed_at > newest:
        return
    count = f"{MANY} or more" if len(found) == MANY else len(found)
    reason = because("inbound.failed", count=count, error=found[0][1][:300])
    _raise_once(ports, FAILED, "", reason, "/inbound/?state=failed")


def _watch_storage(ports: Ports) -> None:
    room = ports.blobs.room()
    if room.trouble:
        reason = because("door.storage_broken", place=room.place, error=room.trouble)
    elif room.free < max(LEAST_ROOM, 10 * ports.configuration.max_message_size):
        reason = because("door.storage_full", place=room.place, free=room.free // 1024**2)
    else:
        clear_alarm(ports, code=STORAGE)
        return
    _raise_once(ports, STORAGE, "", reason, "")


_NAMES = """
SELECT split_part(peer, ' ', 1) AS address, count(DISTINCT peer)
  FROM (SELECT door, peer FROM postroom_inboundmessage ORDER BY id DESC LIMIT %s) AS latest
 WHERE door = 'smtp' AND peer <> '' GROUP BY 1 HAVING count(DISTINCT peer) >= %s
"""


def _watch_peers(ports: Ports) -> None:
    """Addresses of ours that give themselves many names."""
    relays = read_networks(parameters(ports).words("mail.authentication.relays"))
    many = {
        address: count
        for address, count in ask(_NAMES, [LATEST, MANY_NAMES])
        if path_of(Door.SMTP, read_peer(f"{address} (x)"), relays) is Path.HERE
    }
    for address, count in many.items():
        if not _was_dismissed(ports, PROXIED, address, A_MONTH):
            reason = because("door.proxied_names", address=address, count=count)
            _raise_once(ports, PROXIED, address, reason, "/settings/parameters/")


def _raise_once(ports: Ports, code: str, subject: str, reason: Reason, link: str) -> None:
    """Not once a minute: it is there already, unless it has something else to say."""
    told = Alarm.objects.filter(code=code, subject=subject, ended_at=None).values_list("reason", flat=True).first()
    if told != reason.as_json():
        raise_alarm(ports, code=code, subject=subject, reason=reason, link=link)


def _was_dismissed(ports: Ports, code: str, subject: str, within: timedelta) -> bool:
    at = _dismissed_at(code, subject)
    return at is not None and at > ports.clock.now() - within


def _dismissed_at(code: str, subject: str) -> datetime | None:
    rows = Alarm.objects.filter(code=code, subject=subject, dismissed_by__isnull=False, ended_at__isnull=False)
    return rows.order_by("-ended_at").values_list("ended_at", flat=True).first()
