"""The machine: does Postroom run, with all its processes and doors; is there room, is the clock right, can secrets be opened?

Laws: pure. That nothing runs is grave when work waits for it, and otherwise only said: a person may have stopped it. A process is
missing when others of this installation are connected to the database and it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, found
from postroom.core.diagnosis.signs import Sign
from postroom.core.terms.reasons import catalogue

MOST_SKEW = timedelta(seconds=60)
LEAST_ROOM = 1024**3  # bytes; and never less than ten of the largest mails

catalogue(
    {
        "finding.database_unreachable": "The database cannot be reached: nothing is sent, received or shown.",
        "heal.database_unreachable": "Start it, and check POSTROOM_DATABASE_URL (host, port, user, password), disk and memory of its machine. Whoever sends to us tries again: nothing is lost.",
        "finding.tables_behind": "The tables of the database are {steps} steps behind this version: it was updated and not migrated, or nothing was set up here yet.",
        "heal.tables_behind": "Run: postroom up (or: postroom migrate). If another house is meant, name its folder: POSTROOM_DATA_DIR (data/demo is the demo's).",
        "finding.disk_broken": "The disk for mails at {place} cannot be written to: {trouble}. Large mails are not accepted.",
        "heal.disk_broken": "Mend the disk, or the rights of {place}. Senders try again: nothing is lost.",
        "finding.disk_low": "The disk for mails at {place} has {free} MB left: soon nothing is accepted any more.",
        "heal.disk_low": "Make room there, or shorten what is kept (retention.raw_days, retention.delivery_days).",
        "finding.clock_wrong": "The clock is wrong: {what}. Mail leaves too late or too early, certificates and tokens count as expired or not yet good.",
        "heal.clock_wrong": "Set the clock of this machine by NTP (timedatectl set-ntp true), and that of the database's machine, too.",
        "finding.not_running": "Postroom does not run here: nothing is sent, routed or fetched.",
        "heal.not_running": "Start it: postroom up (in production as a service, see how to run it in production).",
        "finding.role_missing": "No {role} runs: {what}.",
        "heal.role_missing": "Look into the log for why it ended, and start everything again: postroom up (or alone: postroom worker {role}).",
        "finding.role_hung": "The {role} hangs: process {pids} on {machine} gives no sign of life since {since} UTC, while others do. {what}.",
        "heal.role_hung": "On {machine}: kill -KILL {pids}. `postroom up` starts another in its place, and nothing is lost (alone: postroom worker {role}). If it comes back, send the logs of that time with a support bundle (postroom bundle).",
        "finding.door_closed": "The {door} door at {place} is closed: whoever knocks there gets no answer.",
        "heal.door_closed": "Look into the log of the doors: the port may be taken by another program, or need rights. Then: postroom up",
        "finding.secrets_unreadable": "No stored password can be opened ({count} of them): the secret key of this installation is another one now.",
        "heal.secrets_unreadable": "Put the former key back ({place}, or POSTROOM_FORMER_SECRET_KEYS), or enter all passwords again. See: postroom secrets",
    }
)  # fmt: skip

_ROLES: Mapping[str, str] = {
    "deliverer": "mail stays in the queue",
    "router": "what comes in is kept, and not put on records",
    "scheduler": "nothing happens by itself: fetching, cleaning up, posting what was scheduled",
    "watcher": "mailboxes are read by the schedule alone",
    "door": "nobody takes mail in over SMTP and LMTP",
    "web": "there are no pages",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """``runs_here`` None: not looked at. ``roles``: of those connected to the database, how many; None: nobody could tell.

    ``silent``: processes that are there and hang.
    ``closed_doors``: by label, address. ``skew``: by how much the database's clock is ahead of ours. ``work``: what is late.
    """

    runs_here: bool | None = None
    is_shared: bool = False
    roles: Mapping[str, int] | None = None
    silent: tuple[Sign, ...] = ()
    closed_doors: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    free: int | None = None
    least_room: int = LEAST_ROOM
    disk_trouble: str = ""
    is_stopped_by_disk: bool = False  # so little room that the house cannot even be opened
    skew: timedelta = timedelta(0)
    newest_sample: datetime | None = None
    now: datetime | None = None
    secrets: int = 0
    unreadable: int = 0
    key_place: str = ""
    work: tuple[str, ...] = ()
    has_mail: bool = False  # mail waits, and not only the schedule


def check_machine(facts: MachineFacts) -> list[Finding]:
    return [*_processes(facts), *_disk(facts), *_clock(facts), *_secrets(facts)]


def _processes(facts: MachineFacts) -> Iterator[Finding]:
    roles = facts.roles or {}
    if facts.runs_here is False and not roles and not (facts.is_shared and facts.roles is None):
        severity = Severity.ERROR if facts.has_mail else Severity.WARNING if facts.work else Severity.INFO
        yield found(FindingCode.NOT_RUNNING, evidence=["nobody holds up.lock", *facts.work], severity=severity)
        return
    if facts.runs_here or roles:
        for role in ("deliverer", "router", "scheduler") if facts.roles is not None else ():
            if not roles.get(role):
                yield found(
                    FindingCode.ROLE_MISSING,
                    evidence=[f"connected to the database: {_in_words(roles)}", *facts.work],
                    detail=role,
                    facts={"role": role, "what": _ROLES[role]},
                )
    yield from _hung(facts)
    if facts.runs_here:
        for door, place in facts.closed_doors.items():
            yield found(
                FindingCode.DOOR_CLOSED,
                evidence=[f"{place}: nobody answers"],
                detail=door,
                facts={"door": door, "place": place},
            )


def _hung(facts: MachineFacts) -> Iterator[Finding]:
    """One for each role: of its processes those of one machine are named in the cure, all of them in the evidence."""
    for role in dict.fromkeys(one.role for one in facts.silent):
        hung = [one for one in facts.silent if one.role == role]
        machine = hung[0].machine
        is_alone = (facts.roles or {}).get(role, 0) <= len(hung)
        what = _ROLES.get(role, "its work waits") if is_alone else "what it holds waits, others of its kind go on"
        words = [
            f"{role} {one.pid} on {one.machine}: last sign of life {one.seen_at:%Y-%m-%d %H:%M:%S} UTC" for one in hung
        ]
        yield found(
            FindingCode.ROLE_HUNG,
            evidence=[*words, *facts.work],
            detail=role,
            facts={
                "role": role,
                "machine": machine,
                "pids": " ".join(str(one.pid) for one in hung if one.machine == machine),
                "since": f"{hung[0].seen_at:%Y-%m-%d %H:%M}",
                "what": what[0].upper() + what[1:],
            },
        )


def _in_words(roles: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {role}" for role, count in sorted(roles.items())) or "nobody"


def _disk(facts: MachineFacts) -> Iterator[Finding]:
    if facts.disk_trouble:
        yield found(
            FindingCode.DISK_BROKEN,
            evidence=[facts.disk_trouble],
            facts={"place": facts.place, "trouble": facts.disk_trouble},
        )
    elif facts.free is not None and facts.free < facts.least_room:
        evidence = [f"{facts.free} bytes are free at {facts.place}, {facts.least_room} are needed"]
        yield found(
            FindingCode.DISK_LOW,
            evidence=evidence,
            severity=Severity.ERROR if facts.is_stopped_by_disk else None,
            facts={"place": facts.place, "free": facts.free // 1024**2},
        )


def _clock(facts: MachineFacts) -> Iterator[Finding]:
    if abs(facts.skew) > MOST_SKEW:
        seconds = round(abs(facts.skew).total_seconds())
        side = "behind" if facts.skew > timedelta(0) else "ahead of"
        what = f"this machine's is {seconds} seconds {side} the database's"
        yield found(FindingCode.CLOCK_WRONG, evidence=[what], facts={"what": what})
    elif facts.newest_sample and facts.now and facts.newest_sample > facts.now + 2 * MOST_SKEW:
        what = f"the queue was looked at at {facts.newest_sample:%Y-%m-%d %H:%M} UTC, and now it is {facts.now:%Y-%m-%d %H:%M} UTC"
        yield found(FindingCode.CLOCK_WRONG, evidence=[what], facts={"what": what})


def _secrets(facts: MachineFacts) -> Iterator[Finding]:
    if facts.secrets > 1 and facts.unreadable == facts.secrets:
        yield found(
            FindingCode.SECRETS_UNREADABLE,
            evidence=[
                f"{facts.unreadable} of {facts.secrets} stored secrets cannot be opened with the keys in {facts.key_place}"
            ],
            facts={"count": facts.unreadable, "place": facts.key_place},
        )
